"""Saving the objects and the other layers of a window."""

import numpy as np
import pytest
import tifffile
from dock_steps import settle

from napari_sam.plugin.annotator.saving import saver_in


@pytest.fixture
def save_all(qtbot):
    """Return a function that saves all layers and returns what the user reads."""

    def save(viewer, folder):
        saver = saver_in(viewer, viewer.window._qt_window)
        with qtbot.waitSignal(saver.done, timeout=30_000) as signal:
            saver.save_all(folder)
        return signal.args[0]

    return save


def test_save_all_says_how_many_layers_went_where_and_which_did_not(
    make_napari_viewer, open_dock, image, tmp_path, save_all
):
    viewer = make_napari_viewer()
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer)
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    viewer.add_vectors(np.zeros((1, 2, 2)), name="arrows")
    said = save_all(viewer, tmp_path)
    assert said == (
        f"Saved 2 layers in {tmp_path.name}. Left out, for no file holds them: "
        "“arrows”."
    )
    assert sorted(path.name for path in tmp_path.glob("cells*")) == [
        "cells objects.objects.csv",
        "cells objects.tif",
        "cells.tif",
    ]


def test_layers_whose_names_become_the_same_file_name_are_all_saved(
    make_napari_viewer, tmp_path, save_all
):
    viewer = make_napari_viewer()
    for value, name in enumerate(("a/b", "a:b", "A_b"), 1):
        viewer.add_labels(np.full((4, 4), value, np.uint8), name=name)
    save_all(viewer, tmp_path)
    read = {
        path.name: int(tifffile.imread(path)[0, 0]) for path in tmp_path.glob("*.tif")
    }
    assert read == {"a_b.tif": 1, "a_b (2).tif": 2, "A_b (3).tif": 3}


def test_saves_that_are_asked_for_at_once_are_all_written(
    make_napari_viewer, tmp_path, qtbot
):
    viewer = make_napari_viewer()
    data, features = np.ones((4, 4), np.uint8), {"index": [0, 1]}
    viewer.add_labels(data, name="cells", features=features)
    saver = saver_in(viewer, viewer.window._qt_window)
    said = []
    saver.done.connect(said.append)
    for name in "abc":
        (tmp_path / name).mkdir()
        saver.save_all(tmp_path / name)
    qtbot.waitUntil(lambda: not saver.is_saving, timeout=30_000)
    assert said == [f"Saved 1 layer in {name}." for name in "abc"]
    assert [p.parent.name for p in sorted(tmp_path.glob("*/cells.tif"))] == list("abc")
