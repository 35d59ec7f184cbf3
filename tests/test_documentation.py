"""What the README and the docs say is true."""

import re
import runpy
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile

import napari_sam
from napari_sam.checkpoints.registry import REGISTRY
from napari_sam.cli import COMMANDS
from napari_sam.configs import TrainConfig
from napari_sam.io.samples import load_sample
from napari_sam.plugin.annotator.keybindings import KEYS, keys_of
from napari_sam.workflows.measure.properties import PROPERTIES
from napari_sam.workflows.session.provenance import COLUMNS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
)
doc_pages = runpy.run_path(str(ROOT / "scripts" / "doc_pages.py"))


def code_blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def without_code(text):
    return re.sub(r"^( *)```.*?^ *```|`[^`\n]*`", "", text, flags=re.DOTALL | re.M)


def anchors(text):
    """Anchors of a page's headings, as GitHub makes them."""
    found: list[str] = []
    fenced = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.M)
    for heading in re.findall(r"^#+ (.*)$", fenced, re.MULTILINE):
        slug = re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        doubles = sum(
            re.fullmatch(rf"{slug}(-\d+)?", other) is not None for other in found
        )
        found.append(f"{slug}-{doubles}" if doubles else slug)
    return found


def broken_links(text, folder, name):
    """Links of a page in `folder` to files, headings and generated pages not there."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if target.startswith(("http:", "https:")):
            continue
        path, _, anchor = target.partition("#")
        file = folder / path
        if not path:
            page = text
        elif folder == ROOT / "docs" and path in doc_pages["PAGES"]:
            page = doc_pages["PAGES"][path]()
        elif file.exists():
            page = file.read_text("utf-8") if file.suffix == ".md" else ""
        else:
            page = None
        if page is None or (anchor and anchor not in anchors(page)):
            broken.append(f"{name}: {target}")
    return broken


def test_the_scripts_of_the_readme_run(tmp_path, monkeypatch, cells_by_name):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for script in code_blocks(README, "python"):
        exec(compile(script, str(README), "exec"), names)
    assert names["pred"].masks.shape == (3, 512, 512)
    assert names["pred"].masks[0][421, 242]
    assert (np.diff(names["pred"].scores) <= 0).all()
    assert set(np.unique(names["session"].labels)) == {0, 1, 2}
    assert names["found"].labels.max() == 10
    assert len(names["table"]) == len(np.unique(names["labels"])) - 1
    back = napari_sam.read_objects("nuclei.zip", shape=names["image"].shape)
    assert (back.labels == names["labels"]).all()


def test_the_scripts_of_the_scripting_page_run(tmp_path, monkeypatch, cells_by_name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NAPARI_SAM_JOURNALS", str(tmp_path / "journals"))
    names = {"image": load_sample("nuclei_2d")[200:400, 100:300]}
    for script in code_blocks(ROOT / "docs" / "scripting.md", "python"):
        exec(compile(script, "scripting.md", "exec"), names)
    assert tifffile.imread("labels.tif").max() == 1


def test_the_scripts_of_the_correct_page_run():
    names = {
        "image": load_sample("nuclei_2d")[200:400, 100:300],
        "napari_sam": napari_sam,
    }
    for script in code_blocks(ROOT / "docs" / "correct.md", "python"):
        exec(compile(script, "correct.md", "exec"), names)
    assert names["halves"].made and names["report"]["changed"].dtype == bool


def test_the_script_that_corrects_tracks_runs():
    film = np.zeros((4, 20, 40), int)
    for t in range(4):
        film[t, 4:9, 4 + t : 9 + t], film[t, 12:17, 30 - t : 35 - t] = 1, 2
    blocks = code_blocks(ROOT / "docs" / "time-lapse.md", "python")
    (script,) = (block for block in blocks if "TrackSession" in block)
    names = {"napari_sam": napari_sam, "found": napari_sam.track(film)}
    exec(compile(script, "time-lapse.md", "exec"), names)
    assert names["session"].lineage.frames == {1: (0, 1, 2, 3), 2: (0, 1, 2, 3)}
    assert names["session"].labels[1].tolist() != film[1].tolist()  # they are swapped


def test_the_scripts_of_the_page_on_finding_run():
    for script in code_blocks(ROOT / "docs" / "find.md", "python"):
        names: dict = {}
        exec(compile(script, "find.md", "exec"), names)
        for wanted in {"found", "alike"} & set(names):
            assert names[wanted].labels.any()


def test_the_script_of_the_page_on_formats_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (script,) = code_blocks(ROOT / "docs" / "take-away.md", "python")
    exec(compile(script, "take-away.md", "exec"), {})
    assert (tmp_path / "nuclei.geojson").is_file()


def test_the_script_of_the_embeddings_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"volume": load_sample("nuclei_3d")[:2]}
    (script,) = code_blocks(ROOT / "docs" / "embeddings.md", "python")
    exec(compile(script, "embeddings.md", "exec"), names)
    assert names["sam"].cache.store.get(names["emb"].key) is not None


def test_the_script_of_the_volumes_page_runs(cells_by_name):
    names: dict = {}
    for script in code_blocks(ROOT / "docs" / "volumes.md", "python"):
        exec(compile(script, "volumes.md", "exec"), names)
    assert names["found"].labels[14].any() and names["again"].labels[16].any()
    assert names["labels"].shape == (3, 61, 57) and names["labels"].any()


def test_the_script_of_the_classes_page_runs():
    names: dict = {}
    (script,) = code_blocks(ROOT / "docs" / "classes.md", "python")
    exec(compile(script, "classes.md", "exec"), names)
    assert set(names["other"].suggestions) == set(names["session"].objects)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_and_headings_lead_somewhere(page):
    assert broken_links(page.read_text("utf-8"), page.parent, page.name) == []


@pytest.mark.parametrize("name", sorted(doc_pages["PAGES"]))
def test_links_of_generated_pages_lead_somewhere(name):
    folder = (ROOT / "docs" / name).parent
    assert broken_links(doc_pages["PAGES"][name](), folder, name) == []


def test_a_link_to_nothing_is_found(tmp_path):
    (tmp_path / "there.md").write_text("## A heading\n```sh\n# a comment\n```\n")
    text = "[a](there.md#a-heading) [b](there.md#a-comment) [c](gone.md) [d](#here)"
    assert broken_links(text, tmp_path, "page.md") == [
        "page.md: there.md#a-comment",
        "page.md: gone.md",
        "page.md: #here",
    ]


def test_pictures_are_small():
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert [p.name for p in pictures if p.stat().st_size > 300_000] == []


def test_the_readme_lists_every_command_and_only_keys_that_there_are():
    text = README.read_text("utf-8")
    _, _, section = text.partition("\n## Keys\n")
    rows = re.findall(r"^\| (`.*?) \|", section.partition("\n## ")[0], re.M)
    named = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    assert named and named <= {entry.key for entry in keys_of("annotator", "points")}
    _, _, section = text.partition("\n## Commands\n")
    assert [name for name in COMMANDS if f"`{name}`" not in section] == []


def test_the_table_of_models_is_that_of_the_registry():
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    assert doc_pages["with_models_table"](text) == text, "run scripts/doc_pages.py"
    assert [name for name in REGISTRY if f"`{name}`" not in text] == []


def test_the_commands_page_tells_every_argument():
    text = doc_pages["commands_page"]()
    for command in COMMANDS:
        assert f"\n## {command}\n" in text
    assert "| `--overwrite` |" in text
    assert "| `--scheduler ADDRESS` |" in text
    assert "--help" not in text.partition("## demo")[2]


def test_the_api_page_tells_every_public_name():
    text = doc_pages["api_page"]()
    wanted = [name for name in napari_sam.__all__ if name != "__version__"]
    assert wanted
    assert [name for name in wanted if f"heading: {name}\n" not in text] == []


def test_links_out_of_the_folder_lead_to_a_page_or_the_repository():
    mend = doc_pages["with_outward_links"]
    text = "[a](../README.md#keys) [b](../scripts/a.py) [c](files.md)"
    assert mend(text, None) == "[a](first-two-minutes.md#keys) b [c](files.md)"
    assert mend(text, "https://host/x/") == (
        "[a](first-two-minutes.md#keys) "
        "[b](https://host/x/blob/main/scripts/a.py) [c](files.md)"
    )


def test_the_architecture_page_names_every_package():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"^\| `napari_sam/(.*?)/?` \|", text, re.MULTILINE)
    package = ROOT / "napari_sam"
    there = [
        str(file.parent.relative_to(package)).replace("\\", "/")
        for file in package.rglob("__init__.py")
        if file.parent != package
    ]
    assert sorted(named) == sorted(there)


def test_the_annotation_page_lists_the_keys_as_they_are_bound():
    text = (ROOT / "docs" / "annotate.md").read_text("utf-8")
    _, _, section = text.partition("\n## Keys\n")
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", section.partition("\n## ")[0], re.M)
    assert rows == [(entry.key, entry.text) for entry in KEYS]


def test_the_annotation_page_lists_every_column():
    text = (ROOT / "docs" / "annotate.md").read_text("utf-8")
    assert [name for name in COLUMNS if f"| `{name}` |" not in text] == []


def test_the_scripts_of_the_measuring_page_run():
    names: dict = {}
    for script in code_blocks(ROOT / "docs" / "measure.md", "python"):
        exec(compile(script, "measure.md", "exec"), names)
    assert len(names["large"]) and len(names["table"]) == 1


def test_the_measuring_page_lists_every_column():
    text = (ROOT / "docs" / "measure.md").read_text("utf-8")
    names = [one.name.removesuffix("_3d") for one in PROPERTIES]
    assert [name for name in names if not re.search(rf"\| `{name}[_ `]", text)] == []


def test_the_configuration_of_the_training_page_is_read():
    (text,) = code_blocks(ROOT / "docs" / "training.md", "toml")
    config = TrainConfig.model_validate(tomllib.loads(text))
    assert config.kinds == {"nuclei": 2.0}


def test_the_list_of_benchmarks_names_every_script():
    text = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    scripts = [path.name for path in (ROOT / "benchmarks").glob("*.py")]
    assert [name for name in scripts if f"| `{name}` |" not in text] == []


def test_files_that_contributors_are_sent_to_are_there():
    missing = []
    for page in (ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"):
        for path in re.findall(
            r"`((?:napari_sam|tests|docs|scripts)/[^`*]*)`", page.read_text("utf-8")
        ):
            if "NAME" not in path and not (ROOT / path).exists():
                missing.append(f"{page.name}: {path}")
    assert missing == []


def test_the_citation_has_the_version_of_the_package():
    (cited,) = re.findall(
        r"^version: (.*)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert cited == project["version"]
