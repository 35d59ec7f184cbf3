"""What the README and the docs say is true."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_sam.checkpoints.registry import REGISTRY
from napari_sam.cli import COMMANDS
from napari_sam.io.samples import load_sample
from napari_sam.plugin.annotator.keybindings import KEYS, POINTS_KEYS
from napari_sam.training.config import TrainConfig
from napari_sam.workflows.session.provenance import COLUMNS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))


def code_blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)


def test_the_script_of_the_readme_runs():
    (script,) = code_blocks(README, "python")
    names: dict = {}
    exec(compile(script, str(README), "exec"), names)
    assert names["pred"].masks.shape == (3, 512, 512)
    assert names["pred"].masks[0][421, 242]
    assert (np.diff(names["pred"].scores) <= 0).all()
    assert set(np.unique(names["session"].labels)) == {0, 1, 2}


def test_the_scripts_of_the_scripting_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"image": load_sample("nuclei_2d")[200:400, 100:300]}
    for script in code_blocks(ROOT / "docs" / "scripting.md", "python"):
        exec(compile(script, "scripting.md", "exec"), names)
    assert tifffile.imread("labels.tif").max() == 1


def test_the_script_of_the_embeddings_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"volume": load_sample("nuclei_3d")[:2]}
    (script,) = code_blocks(ROOT / "docs" / "embeddings.md", "python")
    exec(compile(script, "embeddings.md", "exec"), names)
    assert names["sam"].cache.store.get(names["emb"].key) is not None


def test_the_script_of_the_volumes_page_runs():
    names: dict = {}
    (script,) = code_blocks(ROOT / "docs" / "volumes.md", "python")
    exec(compile(script, "volumes.md", "exec"), names)
    assert names["found"].labels[14].any() and names["again"].labels[16].any()


def test_the_example_writes_two_nuclei(tmp_path, monkeypatch):
    script = ROOT / "examples" / "click_a_nucleus.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    assert set(np.unique(tifffile.imread(tmp_path / "labels.tif"))) == {0, 1, 2}
    assert (tmp_path / "overlay.png").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_and_headings_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if target.startswith(("http:", "https:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
            slugs = {
                re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
                for heading in headings
            }
            assert anchor in slugs, f"{page.name} links to {target}"


def test_pictures_are_small():
    pictures = sorted((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert [p.name for p in pictures if p.stat().st_size > 300_000] == []


def test_the_readme_lists_every_key_and_command():
    text = README.read_text("utf-8")
    for entry in (*KEYS, *POINTS_KEYS):
        assert f"`{entry.key}`" in text
    for command in COMMANDS:
        assert f"| `napari-sam {command}" in text


def test_the_models_page_lists_every_model():
    text = (ROOT / "docs" / "models.md").read_text("utf-8")
    assert [name for name in REGISTRY if f"`{name}`" not in text] == []


def test_the_annotation_page_lists_every_column():
    text = (ROOT / "docs" / "annotate.md").read_text("utf-8")
    assert [name for name in COLUMNS if f"| `{name}` |" not in text] == []


def test_the_configuration_of_the_training_page_is_read():
    import tomllib

    (text,) = code_blocks(ROOT / "docs" / "training.md", "toml")
    config = TrainConfig.model_validate(tomllib.loads(text))
    assert config.kinds == {"nuclei": 2.0}
