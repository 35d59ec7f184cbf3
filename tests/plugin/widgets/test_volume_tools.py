"""Segment the volume, track, export: with a stand-in for the model."""

import threading

import numpy as np
import pytest
from fake_predictor import FakePredictor
from napari.components import ViewerModel
from napari.layers import Labels, Tracks
from qtpy.QtWidgets import QLabel

from napari_sam.io.ctc import read_ctc
from napari_sam.plugin.widgets import volume_tools
from napari_sam.plugin.widgets.tool_runs import ToolRun
from napari_sam.workflows.stacks import volume as volume_module


@pytest.fixture
def messages(monkeypatch):
    said = []
    for module in ("widgets.tool_runs", "viewer.plane_source", "widgets.volume_tools"):
        for name in ("show_info", "show_warning"):
            target = f"napari_sam.plugin.{module}.{name}"
            monkeypatch.setattr(target, said.append, raising=False)
    return said


@pytest.fixture
def gate(monkeypatch):
    """Label what is bright on each plane; a gate that is closed holds it."""
    gate = threading.Event()
    gate.set()

    def segment(plane, *, progress, **options):
        from skimage.measure import label

        from napari_sam.ops.types import Cancelled

        while not gate.wait(0.005):
            if progress.is_cancelled():
                raise Cancelled
        return label(plane > 100).astype(np.int32)

    monkeypatch.setattr(volume_module, "segment", segment)
    loaded = "napari_sam.plugin.widgets.tool_runs.shared_predictor"
    monkeypatch.setattr(loaded, lambda model, device: FakePredictor(model))
    yield gate
    gate.set()


@pytest.fixture
def press(qtbot, gate):
    def run(factory, wait=True, **values):
        gui = factory()
        qtbot.addWidget(gui.native)
        for name in ("viewer", "image", "film", "tracks"):
            if values.get(name) is not None:
                getattr(gui, name).choices = [values[name]]
        gui(**values)
        qtbot.wait(1)
        if wait:
            qtbot.waitUntil(lambda: gui.call_button.enabled)
        return gui

    yield run
    gate.set()


@pytest.fixture
def balls():
    volume = np.zeros((6, 30, 40), np.uint8)
    volume[1:6, 4:12, 5:15], volume[:4, 16:28, 20:36] = 200, 180
    return volume


def test_a_volume_becomes_labels(qapp, press, messages, balls):
    viewer = ViewerModel()
    layer = viewer.add_image(balls, scale=(3, 0.5, 0.5), units=("um",) * 3)
    press(volume_tools.segment_volume, viewer=viewer, image=layer)
    made = viewer.layers[-1]
    assert np.array_equal(made.data > 0, balls > 0) and made.data.max() == 2
    assert np.allclose(made.scale, layer.scale) and made.units == layer.units
    assert messages == ["2 objects in 6 planes."]


def test_a_film_of_volumes_gives_that_of_the_shown_frame(qapp, press, balls):
    viewer = ViewerModel()
    layer = viewer.add_image(np.stack([balls, balls[:, ::-1]]))
    viewer.dims.set_current_step(0, 1)
    press(volume_tools.segment_volume, viewer=viewer, image=layer)
    made = viewer.layers[-1].data
    assert not made[0].any() and np.array_equal(made[1] > 0, balls[:, ::-1] > 0)


@pytest.mark.parametrize("shape", [(30, 40), (1, 30, 40)])
def test_one_plane_is_a_message(qapp, press, messages, shape):
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros(shape, np.uint8))
    press(volume_tools.segment_volume, viewer=viewer, image=layer)
    assert "has one plane" in messages[-1] and len(viewer.layers) == 1


def test_cancelling_leaves_everything_as_it_was(qapp, qtbot, press, gate, balls):
    viewer = ViewerModel()
    layer = viewer.add_image(balls)
    gate.clear()
    gui = press(volume_tools.segment_volume, wait=False, viewer=viewer, image=layer)
    (run,) = [child for child in gui.native.children() if isinstance(child, ToolRun)]
    assert run.is_working and not gui.call_button.enabled
    run.progress.cancelled.emit()
    qtbot.waitUntil(lambda: gui.call_button.enabled)
    assert len(viewer.layers) == 1


def test_an_image_removed_meanwhile_does_no_harm(qapp, qtbot, press, gate, balls):
    viewer = ViewerModel()
    layer = viewer.add_image(balls)
    gate.clear()
    gui = press(volume_tools.segment_volume, wait=False, viewer=viewer, image=layer)
    viewer.layers.remove(layer)
    gate.set()
    qtbot.waitUntil(lambda: gui.call_button.enabled)
    assert viewer.layers[-1].data.max() == 2  # the work is not lost


def dividing_film():
    film = np.zeros((4, 40, 40), np.int32)
    film[:2, 14:26, 10:20] = 3
    film[2:, 10:18, 10:20], film[2:, 20:28, 10:20] = 5, 1
    return film


def test_labels_become_tracks_and_files(qapp, press, messages, tmp_path):
    viewer = ViewerModel()
    layer = viewer.add_labels(dividing_film(), scale=(1, 0.5, 0.5))
    press(volume_tools.track, viewer=viewer, film=layer)
    labels, tracks = viewer.layers[-2:]
    assert tracks.graph == {2: [1], 3: [1]} and messages == ["3 tracks, 1 division."]
    assert np.array_equal(labels.data > 0, layer.data > 0)
    assert np.allclose(tracks.scale, layer.scale)
    folder = tmp_path / "RES"
    press(
        volume_tools.export_tracks,
        viewer=viewer,
        film=labels,
        tracks=tracks,
        folder=folder,
    )
    read, graph = read_ctc(folder)
    assert np.array_equal(read, labels.data) and graph == {2: [1], 3: [1]}
    assert messages[-1] == f"Written to {folder}: 3 tracks, 1 division."


@pytest.fixture
def export(qapp, qtbot, press, tmp_path):
    """Track a film, and return the widget of the export beside it."""
    viewer = ViewerModel()
    film = viewer.add_labels(dividing_film(), name="film")
    press(volume_tools.track, viewer=viewer, film=film)
    gui = volume_tools.export_tracks()
    qtbot.addWidget(gui.native)
    gui.layers = viewer.layers

    def list_layers():
        """List the layers anew, as napari does."""
        of = {"film": "Labels", "tracks": "Tracks"}
        for name, kind in of.items():
            found = [one for one in viewer.layers if type(one).__name__ == kind]
            getattr(gui, name).choices = found
        qtbot.wait(5)

    viewer.layers.events.inserted.connect(list_layers)
    list_layers()
    return gui


def press_export(qtbot, gui, folder):
    gui.folder.value = folder
    gui()
    qtbot.wait(1)
    qtbot.waitUntil(lambda: gui.call_button.enabled)


def test_the_tracks_that_belong_are_chosen_and_a_division_is_written(
    qtbot, export, messages, tmp_path
):
    assert export.film.value is export.layers["film tracked"]
    assert export.tracks.value is export.layers["film tracks"]
    press_export(qtbot, export, tmp_path)
    assert messages[-1] == f"Written to {tmp_path}: 3 tracks, 1 division."
    assert read_ctc(tmp_path)[1] == {2: [1], 3: [1]}


def test_without_tracks_it_says_that_divisions_are_missing(
    qtbot, export, messages, tmp_path
):
    export.tracks.value = None
    press_export(qtbot, export, tmp_path)
    assert "Divisions are missing: no Tracks layer" in messages[-1]
    assert read_ctc(tmp_path)[1] == {}


def test_one_erased_label_leaves_the_rest_of_the_export(
    qtbot, export, messages, tmp_path
):
    labels = export.film.value
    labels.data[labels.data == 3] = 0
    labels.refresh()
    press_export(qtbot, export, tmp_path)
    read, graph = read_ctc(tmp_path)
    assert np.array_equal(read, labels.data) and graph == {2: [1]}
    (run,) = [one for one in export.native.children() if isinstance(one, ToolRun)]
    assert run.said.text() == messages[-1] and run.said.isVisibleTo(export.native)
    assert messages[-1].splitlines() == [
        f"Written to {tmp_path}: 2 tracks, 0 divisions.",
        "Track 3 has no pixels, and is left out.",
        "The division of track 1 has one daughter left.",
    ]


def test_labels_without_an_object_replace_no_export(qtbot, export, messages, tmp_path):
    press_export(qtbot, export, tmp_path)
    export.film.value.data[:] = 0
    press_export(qtbot, export, tmp_path)
    assert messages[-1] == "“film tracked” holds no object; nothing was written."
    assert read_ctc(tmp_path)[0].max() == 3


def test_no_line_of_a_tool_is_cut_where_there_is_little_room(qtbot, export):
    gui = export.native
    gui.show()
    (text,) = (w for w in gui.findChildren(QLabel) if "Challenge" in w.text())
    for width in (600, 300):
        gui.resize(width, 10)
        qtbot.wait(5)
        assert text.height() >= text.heightForWidth(text.width())


def flipped(rows):
    rows = np.array(rows, float)
    rows[:, 2] = 39 - rows[:, 2]
    return rows


def test_layers_read_from_files_are_told_by_their_positions(qtbot, export):
    layers, place = export.layers, {"scale": (1, 2, 2)}
    labels, tracks = layers["film tracked"], layers["film tracks"]
    again = Labels(labels.data[:, ::-1].copy(), name="again", **place)
    other = Tracks(flipped(tracks.data), graph=tracks.graph, name="other", **place)
    layers.extend([again, other])
    qtbot.wait(5)
    assert export.film.value is labels and export.tracks.value is tracks
    export.film.value = again
    qtbot.wait(5)
    assert export.tracks.value is other
    export.film.native.activated.emit(0)  # by hand
    export.film.value = layers["film"]  # of the same objects, with other numbers
    qtbot.wait(5)
    assert export.tracks.value is None


def test_tracks_of_other_labels_are_refused(qtbot, export, messages, tmp_path):
    tracks = export.layers["film tracks"]
    rows = tracks.data.copy()
    rows[:, 0] = 4 - rows[:, 0]
    other = Tracks(rows, name="other")
    export.layers.append(other)
    export.tracks.value = other
    press_export(qtbot, export, tmp_path / "RES")
    assert "“other” does not belong to “film tracked”" in messages[-1]
    assert not (tmp_path / "RES").exists()


def test_napari_lists_the_layers_and_those_that_belong_are_chosen(
    make_napari_viewer, qtbot
):
    viewer = make_napari_viewer()
    viewer.add_labels(np.zeros((4, 40, 40), np.int32), name="before")
    gui = volume_tools.export_tracks()
    viewer.window.add_dock_widget(gui)
    qtbot.wait(5)
    assert gui.film.value is viewer.layers["before"] and gui.tracks.value is None
    labels = viewer.add_labels(dividing_film(), name="mine")
    qtbot.wait(5)
    rows = [[3, 0, 20, 15], [3, 1, 20, 15], [5, 2, 14, 15], [5, 3, 14, 15]]
    tracks = viewer.add_tracks(rows, graph={5: [3]})
    qtbot.waitUntil(lambda: gui.tracks.value is tracks)
    assert gui.film.value is labels
    gui.tracks.value = None
    gui.tracks.native.activated.emit(0)  # by hand
    viewer.add_points([(0, 0, 0)])
    qtbot.wait(5)
    assert gui.tracks.value is None
