"""What is imported and made when the dock is opened."""

import subprocess
import sys

import pytest

_OPEN = """
import os, sys, time
import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

app = QApplication([])
viewer = ViewerModel()
viewer.add_image(np.zeros((20, 30)))
from napari_sam.plugin.widgets.dock import open_dock

dock = open_dock(viewer, load=lambda source, device: time.sleep(60))
app.processEvents()
preview = viewer.layers["SAM preview"]
# numba compiles for half a second when a layer has a direct colormap
assert type(preview.colormap).__name__ == "CyclicLabelColormap"
assert preview.get_color(0) is None
assert np.allclose(preview.get_color(1), (1, 0.824, 0.247, 1), atol=0.001)
print(*dock.switch.pages)
print(*sys.modules, flush=True)
os._exit(0)
"""

_LATER = {
    "torch",
    "requests",
    "napari_sam.io.label_images",
    "skimage.segmentation",
    "napari_sam.training",
    "napari_sam.plugin.project",
    "napari_sam.plugin.search",
    "napari_sam.plugin.widgets.everything_page",
    "napari_sam.plugin.widgets.prompt_pages",
    "napari_sam.plugin.widgets.follow_page",
    "napari_sam.plugin.widgets.volume_pages",
    "napari_sam.plugin.widgets.train_page",
    "napari_sam.plugin.widgets.folder_page",
}


@pytest.mark.slow
def test_the_dock_opens_with_one_page_and_what_it_needs(embeddings_folder):
    done = subprocess.run(
        [sys.executable, "-c", _OPEN], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    pages, modules = done.stdout.splitlines()[-2:]
    loaded = set(modules.split())
    assert pages == "annotate"
    assert "napari_sam.plugin.widgets.annotate_page" in loaded
    assert sorted(loaded & _LATER) == []
