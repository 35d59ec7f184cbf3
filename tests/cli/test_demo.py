import contextlib
import os
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import psutil
import pytest
import tifffile
from demo_window import PICTURE, demo_with_window, fake_xvfb
from fake_predictor import FakePredictor

from napari_sam.cli import main
from napari_sam.inference import model_loading
from napari_sam.workflows.session.demo_script import DEMO_OBJECTS

DATA = Path(__file__).parents[1] / "data"
KEPT = sum(item.is_kept for item in DEMO_OBJECTS)


@pytest.fixture
def fake_model(monkeypatch):
    monkeypatch.setattr(
        model_loading, "load_model", lambda source: FakePredictor(source)
    )


@pytest.fixture
def no_display(monkeypatch):
    """Take the display away; where there always is one, options that ignore it."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return () if sys.platform == "linux" else ("--headless",)


@pytest.fixture
def xvfb(tmp_path, monkeypatch):
    fake_xvfb(tmp_path / "bin", monkeypatch)


def test_without_a_display_the_three_files_are_written(
    tmp_path, fake_model, no_display, xvfb, capsys
):
    assert demo_with_window(PICTURE, *no_display, "--out", tmp_path / "new") == 0
    labels = tifffile.imread(tmp_path / "new" / "labels.tif")
    assert set(np.unique(labels)) == set(range(KEPT + 1))
    assert iio.imread(tmp_path / "new" / "overlay.png").shape == (*labels.shape, 3)
    assert (tmp_path / "new" / "annotator.png").read_bytes() == b"picture"
    said = capsys.readouterr().out
    assert "object 1:" in said
    assert said.count("wrote ") == 3


@pytest.mark.skipif(sys.platform != "linux", reason="DISPLAY decides on Linux alone")
def test_with_a_display_the_window_opens_and_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":99")
    window = f"open({str(tmp_path / 'opened')!r}, 'w').close(); raise SystemExit(3)"
    assert demo_with_window(window, "--out", tmp_path / "out") == 3
    assert (tmp_path / "opened").exists()
    assert not (tmp_path / "out").exists()


def test_a_window_that_fails_is_told_with_what_it_said(
    tmp_path, fake_model, no_display, xvfb, capsys
):
    window = "raise SystemExit('no canvas')"
    assert demo_with_window(window, *no_display, "--out", tmp_path) == 1
    assert (tmp_path / "labels.tif").exists()
    assert "no canvas" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="Xvfb is of Linux")
def test_missing_xvfb_is_named(tmp_path, fake_model, no_display, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "apt-get install xvfb" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="process groups")
def test_a_window_that_hangs_is_ended_with_its_children(
    tmp_path, fake_model, no_display, xvfb, capsys
):
    note = tmp_path / "child"
    window = (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\ntime.sleep(60)"
    )
    options = (*no_display, "--out", tmp_path)
    assert demo_with_window(window, *options, "--timeout", "1") == 1
    assert "did not finish in 1 s" in capsys.readouterr().out
    with contextlib.suppress(psutil.NoSuchProcess):
        child = psutil.Process(int(note.read_text()))
        assert child.status() == psutil.STATUS_ZOMBIE or child.wait(10) is None


def _best_overlap(mask, nuclei):
    """Return the IoU with the nucleus that `mask` covers most of."""
    nucleus = nuclei == np.bincount(nuclei[mask]).argmax()
    return (mask & nucleus).sum() / (mask | nucleus).sum()


@pytest.mark.slow
def test_the_real_thing(tmp_path, no_display):
    """The bundled model and the real window, as ``make demo HEADLESS=1`` runs them."""
    done = subprocess.run(
        [sys.executable, "-m", "napari_sam", "demo", "--headless", "--out", tmp_path],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    labels = tifffile.imread(tmp_path / "labels.tif")
    assert set(np.unique(labels)) == set(range(KEPT + 1))
    nuclei = tifffile.imread(DATA / "nuclei_2d_labels.tif")
    for label in range(1, KEPT + 1):
        assert _best_overlap(labels == label, nuclei) > 0.7
    screenshot = iio.imread(tmp_path / "annotator.png")
    assert screenshot.shape[0] > 600
    assert screenshot.shape[1] > 1000
    # A window with an image, a panel and labels in many colours, not a flat canvas.
    assert len(np.unique(screenshot.reshape(-1, screenshot.shape[2]), axis=0)) > 500
