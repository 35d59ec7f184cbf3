"""*Export objects* in the File menu."""

from pathlib import Path

import numpy as np
import pytest
from fake_predictor import FakePredictor
from napari._app_model import get_app_model
from qtpy.QtWidgets import QFileDialog

import napari_sam
from napari_sam.io.object_tables import read_object_table
from napari_sam.plugin.annotator.object_features import show_table
from napari_sam.plugin.widgets import export_objects as module
from napari_sam.plugin.widgets.export_objects import FILTERS, ObjectExport, with_ending

LABELS = np.zeros((20, 30), np.int32)
LABELS[2:9, 3:12] = 1
LABELS[12:14, 12:15] = 7


@pytest.fixture
def told(monkeypatch):
    said = []
    monkeypatch.setattr(module, "show_info", said.append)
    monkeypatch.setattr(module, "show_warning", said.append)
    return said


@pytest.fixture
def window(make_napari_viewer, npe2pm):
    with npe2pm.tmp_plugin(package="napari-sam"):
        yield make_napari_viewer()


def run(viewer):
    commands = get_app_model().commands
    commands.execute_command("napari-sam.export_objects").result()


def test_the_entry_asks_for_a_file_and_writes_the_labels_selected(
    window, told, tmp_path, monkeypatch, qtbot
):
    window.add_labels(LABELS * 0, name="others")
    window.add_labels(LABELS, name="cells/1")
    asked = []

    def answer(parent, title, start, filters):
        asked.append((title, Path(start).name, filters.split(";;")))
        return str(tmp_path / "out"), FILTERS[1]

    monkeypatch.setattr(QFileDialog, "getSaveFileName", answer)
    run(window)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    assert told == ["2 objects exported to out.geojson."]
    assert asked == [("Export the objects of “cells/1”", "cells_1.zip", list(FILTERS))]
    found = napari_sam.read_objects(tmp_path / "out.geojson", shape=LABELS.shape)
    np.testing.assert_array_equal(found.labels, LABELS)


def test_a_label_image_has_the_prompts_beside_it(window, told, tmp_path, qtbot):
    session = napari_sam.AnnotationSession(LABELS * 20, model=FakePredictor())
    session.add_point((4, 6))
    session.commit()
    layer = window.add_labels(session.labels)
    show_table(layer, session.table())
    assert "prompts" not in layer.features
    ObjectExport(window, window.window._qt_window).write(tmp_path / "a.tif", layer)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    again = napari_sam.AnnotationSession(
        LABELS * 20, model=FakePredictor(), labels=session.labels
    )
    assert again.adopt(read_object_table(tmp_path / "a.tif")) == [1]
    again.reopen(1)
    assert again.prompting.draft.question.prompts.points.tolist() == [[4, 6]]


def test_without_labels_it_says_what_to_select(window, told):
    window.add_image(np.zeros((9, 9)))
    run(window)
    assert told == [
        "Select the labels layer whose objects are to be exported, then choose "
        "Export objects again."
    ]


def test_a_figure_shows_the_plane_in_view(window, told, tmp_path, qtbot):
    image = np.zeros((3, *LABELS.shape), np.uint8)
    window.add_image(image, scale=(1, 0.5, 0.5))
    layer = window.add_labels(np.stack([LABELS * 0, LABELS, LABELS * 0]))
    window.dims.set_point(0, 1)
    export = ObjectExport(window, window.window._qt_window)
    export.write(tmp_path / "a.svg", layer)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    assert told == ["2 objects exported to a.svg."]
    assert (tmp_path / "a.svg").read_text().count("<path") == 2


def test_what_cannot_be_written_is_said(window, told, tmp_path, qtbot):
    layer = window.add_labels(np.stack([LABELS, LABELS]))
    ObjectExport(window, window.window._qt_window).write(tmp_path / "a.txt", layer)
    qtbot.waitUntil(lambda: bool(told), timeout=30_000)
    assert told[0].startswith("Nothing was exported: ") and "one plane" in told[0]


def test_an_ending_comes_from_the_filter_where_there_is_none():
    assert with_ending(Path("a"), FILTERS[0]).name == "a.zip"
    assert with_ending(Path("a.b"), FILTERS[5]).name == "a.b.ome.zarr"
    assert with_ending(Path("a.json"), FILTERS[0]).name == "a.json"
