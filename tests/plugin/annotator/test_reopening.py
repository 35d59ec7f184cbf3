"""The annotator is closed and opened again in one window, which is drawn for real."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[2] / "support"

PROGRAM = """
import time

import napari
import numpy as np
from fake_predictor import FakePredictor
from napari.layers import Labels
from qtpy.QtWidgets import QApplication

from napari_sam.plugin.widgets.dock import open_dock

viewer = napari.Viewer()
viewer.add_image(np.zeros((60, 80), np.uint8))


def draw(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.005)


def wait_until(is_true):
    while not is_true():
        draw(0.02)


for _ in range(4):
    dock = open_dock(viewer, load=lambda source, device: FakePredictor())
    draw(0.2)
    dock.annotator.layers.points.add((30, 40))
    wait_until(lambda: dock.annotator.session.candidates is not None)
    dock.annotator.commit()
    draw(0.2)
    viewer.layers.remove(dock.annotator.sessions.output)
    viewer.window.remove_dock_widget(dock)
    dock.close_dock()
    dock.deleteLater()
    draw(0.2)
    left = [layer for layer in viewer.layers if layer.visible]
    assert len(left) == 1, left
viewer.close()
print("went well")
"""


@pytest.mark.slow
def test_the_annotator_can_be_closed_and_opened_again(qapp, tmp_path):
    """Where it removed its layers, software renderers drew with stale buffers."""
    environment = dict(os.environ, NAPARI_SAM_EMBEDDINGS=str(tmp_path))
    paths = [str(SUPPORT), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "went well" in run.stdout, run.stderr[-2000:]
