"""The examples of the gallery run, and each makes its picture."""

import ast
import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
GALLERY = ROOT / "docs" / "gallery"
PICTURES = ROOT / "docs" / "images" / "gallery"
NAMES = sorted(path.stem for path in GALLERY.glob("*.py"))

SECONDS = 300
"""For so long an example may run on a machine that does other things too."""

WHAT_THEY_SAY = {
    "boxes_of_a_detector": r"18 boxes, 18 objects",
    "click_nuclei": r"6 nucleus",
    "drive_the_window_from_a_script": r"3 objects are kept",
    "evaluate": r"nuclei .*0\.\d+",
    "film": r"nucleus \d is a daughter of nucleus \d\nnucleus \d is a daughter of",
    "large_slide_on_two_workers": r"\d{2} nuclei",
    "measure": r"\d{2} nuclei of \d+ µm²",
    "segment_a_folder": r"field_4.tif: \d+ nuclei",
    "train_and_use": r"IoU by one click: 0\.\d\d, then 0\.\d\d",
    "volume": r"\d+ nuclei of \d+ to \d+ voxels",
}
"""What each prints, among other things."""


def colours_of(picture):
    return len(np.unique(picture[..., :3].reshape(-1, 3), axis=0))


def run_in_a_process(name, folder):
    """Return what an example prints that opens a window, and so ends with it."""
    here = {place: str(folder) for place in ("TMPDIR", "TEMP", "TMP")}
    here |= {"NAPARI_CONFIG": str(folder / "settings.yaml")}
    done = subprocess.run(
        [sys.executable, GALLERY / f"{name}.py"],
        cwd=folder,
        env={**os.environ, **here, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_and_makes_its_picture(
    name, tmp_path, monkeypatch, capfd, cells_by_name
):
    if name.startswith("drive_the_window"):
        said = run_in_a_process(name, tmp_path)
    else:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        runpy.run_path(str(GALLERY / f"{name}.py"), run_name="__main__")
        said = capfd.readouterr().out
    assert re.search(WHAT_THEY_SAY[name], said), said
    (path,) = tmp_path.glob("*.png")
    made, shown = iio.imread(path), iio.imread(PICTURES / f"{name}.png")
    assert path.stem == name
    assert colours_of(made) > 200
    assert made.shape[:2] == shown.shape[:2] and colours_of(shown) > 100


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_and_says_what_it_does_for_whom(name):
    code = (GALLERY / f"{name}.py").read_text("utf-8")
    about = ast.get_docstring(ast.parse(code))
    assert re.fullmatch(r"[A-Z].*\.\n\nFor whoever .*\.", about, re.DOTALL)
    body = code.partition('\n"""\n')[2]
    assert 10 <= sum(bool(line.strip()) for line in body.splitlines()) <= 45


def test_the_page_shows_every_example_with_a_small_picture():
    doc_pages = runpy.run_path(str(ROOT / "scripts" / "doc_pages.py"))
    page = doc_pages["PAGES"]["gallery/index.md"]()
    assert sorted(doc_pages["GALLERY"]) == NAMES
    shown = re.findall(r"\(\.\./images/gallery/(\w+)\.png\)", page)
    assert sorted(shown) == NAMES == sorted(path.stem for path in PICTURES.iterdir())
    for name in NAMES:
        assert f'```python title="{name}.py"' in page
        assert (PICTURES / f"{name}.png").stat().st_size <= 150_000
