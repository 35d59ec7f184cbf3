"""Saving the objects and the other layers of a window."""

import numpy as np
import pytest
import tifffile
from dock_steps import settle, wait_until
from qtpy.QtWidgets import QWidget

from napari_sam.plugin.annotator.saving import saver_in


@pytest.fixture
def window(qtbot):
    """What a saver belongs to; one with a menu is in `test_layer_canvas`."""
    window = QWidget()
    qtbot.addWidget(window)
    return window


@pytest.fixture
def save_all(qtbot, window):
    """Return a function that saves all layers and returns what the user reads."""

    def save(viewer, folder):
        saver = saver_in(viewer, window)
        with qtbot.waitSignal(saver.done, timeout=30_000) as signal:
            saver.save_all(folder)
        return signal.args[0]

    return save


def test_save_all_says_how_many_layers_went_where_and_which_did_not(
    make_viewer, open_dock, image, tmp_path, save_all
):
    viewer = make_viewer()
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
        "cells objects.history.npz",
        "cells objects.objects.csv",
        "cells objects.tif",
        "cells.tif",
    ]


def test_layers_whose_names_become_the_same_file_name_are_all_saved(
    make_viewer, tmp_path, save_all
):
    viewer = make_viewer()
    for value, name in enumerate(("a/b", "a:b", "A_b"), 1):
        viewer.add_labels(np.full((4, 4), value, np.uint8), name=name)
    save_all(viewer, tmp_path)
    read = {
        path.name: int(tifffile.imread(path)[0, 0]) for path in tmp_path.glob("*.tif")
    }
    assert read == {"a_b.tif": 1, "a_b (2).tif": 2, "A_b (3).tif": 3}


def test_saves_that_are_asked_for_at_once_are_all_written(
    make_viewer, tmp_path, qtbot, window
):
    viewer = make_viewer()
    data, features = np.ones((4, 4), np.uint8), {"index": [0, 1]}
    viewer.add_labels(data, name="cells", features=features)
    saver = saver_in(viewer, window)
    said = []
    saver.done.connect(said.append)
    for name in "abc":
        (tmp_path / name).mkdir()
        saver.save_all(tmp_path / name)
    qtbot.waitUntil(lambda: not saver.is_saving, timeout=30_000)
    assert said == [f"Saved 1 layer in {name}." for name in "abc"]
    assert [p.parent.name for p in sorted(tmp_path.glob("*/cells.tif"))] == list("abc")


@pytest.fixture
def yesterday(make_viewer, open_dock, image, tmp_path, save_all):
    """Return the file of labels that was saved yesterday, with one object."""
    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    dock = open_dock(viewer)
    dock.annotator.layers.points.add((30, 40))
    settle(dock)
    dock.annotator.class_name = "round"
    dock.annotator.commit()
    settle(dock)
    save_all(viewer, tmp_path)
    dock.close()
    dock.close_dock()
    return tmp_path / "cells objects.tif"


@pytest.mark.parametrize("is_open", [True, False])
def test_saved_labels_that_napari_opens_as_an_image_become_labels(
    make_viewer, open_dock, image, yesterday, is_open, qtbot
):
    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    if is_open:
        dock = open_dock(viewer)
    (opened,) = viewer.open(yesterday, plugin="napari")
    assert type(opened).__name__ == "Image"
    if not is_open:
        dock = open_dock(viewer)
    output = dock.annotator.sessions
    qtbot.waitUntil(lambda: output.output is not None)
    settle(dock)
    assert output.output.name == "cells objects"
    assert type(output.output).__name__ == "Labels"
    assert dock.annotator.image.name == "cells"
    assert opened not in viewer.layers
    (record,) = dock.annotator.session.listed().values()
    assert record.class_name == "round" and record.outlines[0].score > 0
    dock.annotator.undo()  # yesterday's step
    settle(dock)
    assert not output.output.data.any() and not dock.annotator.session.objects
    dock.annotator.redo()
    settle(dock)
    assert [one.class_name for one in dock.annotator.session.objects.values()] == [
        "round"
    ]


@pytest.mark.parametrize("opened_as", [None, "labels"])
@pytest.mark.parametrize("is_open", [True, False])
def test_labels_that_were_saved_under_any_name_are_gone_on_with(
    make_viewer, open_dock, image, yesterday, is_open, opened_as, qtbot
):
    mine = yesterday.with_name("Tuesday.tif")
    yesterday.rename(mine)
    yesterday.with_suffix(".objects.csv").rename(mine.with_suffix(".objects.csv"))
    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    if is_open:
        dock = open_dock(viewer)
    viewer.open(mine, plugin="napari", layer_type=opened_as)
    if not is_open:
        dock = open_dock(viewer)
    sessions = dock.annotator.sessions
    qtbot.waitUntil(lambda: sessions.output is not None)
    settle(dock)
    assert sessions.output.name == dock.header.labels.layer.name == "Tuesday"
    (record,) = dock.annotator.session.listed().values()
    assert record.class_name == "round"


def test_what_was_decided_on_tracks_is_there_when_their_labels_are_opened_again(
    make_viewer, open_dock, tmp_path, save_all
):
    film = np.zeros((4, 20, 30), np.int32)
    film[:2, 2:8, 2:8], film[2:, 2:8, 2:8], film[2:, 12:18, 2:8] = 1, 2, 3
    viewer = make_viewer()
    labels = viewer.add_labels(film, name="film")
    dock = open_dock(viewer, "correct_tracks")
    editor = dock.shown.editor
    editor.open(labels)
    wait_until(lambda: editor.session is not None)
    assert editor.make(lambda session: session.set_parent(2, 1), "Done.")
    save_all(viewer, tmp_path)
    viewer.layers.clear()
    viewer.open(tmp_path / "film.tif", plugin="napari")
    wait_until(lambda: type(viewer.layers["film"]).__name__ == "Labels")
    editor.open(viewer.layers["film"])
    wait_until(lambda: editor.session is not None)
    assert editor.session.graph == {2: [1]}
    assert editor.session.lineage.fixed == {(2, 2)}
    assert dict(editor.tracks.graph) == {2: [1]}


def test_a_table_is_not_emptied_by_labels_that_came_without_it(
    make_viewer, open_dock, image, yesterday, qtbot
):
    before = yesterday.with_suffix(".objects.csv").read_text("utf-8")
    viewer = make_viewer()
    viewer.add_image(image, name="cells")
    viewer.add_labels(tifffile.imread(yesterday), name="cells objects")
    dock = open_dock(viewer)
    qtbot.waitUntil(lambda: dock.annotator.sessions.output is not None)
    dock.annotator.layers.points.add((10, 70))
    settle(dock)
    dock.annotator.commit()
    settle(dock)
    with qtbot.waitSignal(dock.saving.saver.done, timeout=30_000):
        dock.saving.saver.save_all(yesterday.parent)
    after = yesterday.with_suffix(".objects.csv").read_text("utf-8")
    assert before.splitlines()[1] in after.splitlines()
    assert len(after.splitlines()) == 3
