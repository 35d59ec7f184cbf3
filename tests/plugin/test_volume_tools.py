"""Segment the volume, track, export: with a stand-in for the model."""

import threading

import numpy as np
import pytest
from fake_predictor import FakePredictor
from napari.components import ViewerModel

from napari_sam.io.ctc import read_ctc
from napari_sam.plugin.widgets import volume_tools
from napari_sam.workflows import volume as volume_module


@pytest.fixture
def messages(monkeypatch):
    said = []
    for module in ("tool_runs", "plane_source", "widgets.volume_tools"):
        for name in ("show_info", "show_warning"):
            target = f"napari_sam.plugin.{module}.{name}"
            monkeypatch.setattr(target, said.append, raising=False)
    return said


@pytest.fixture
def gate(monkeypatch):
    """Label what is bright on each plane; a gate that is closed holds it."""
    gate = threading.Event()
    gate.set()

    def segment(plane, sam, mode, *, is_cancelled, **options):
        from skimage.measure import label

        from napari_sam.ops.types import Cancelled

        while not gate.wait(0.005):
            if is_cancelled():
                raise Cancelled
        return label(plane > 100).astype(np.int32)

    monkeypatch.setattr(volume_module, "segment", segment)
    loaded = "napari_sam.plugin.tool_runs.shared_predictor"
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
    from napari_sam.plugin.tool_runs import ToolRun

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
    assert tracks.graph == {2: [1], 3: [1]} and messages == ["3 tracks, 1 divisions."]
    assert np.array_equal(labels.data > 0, layer.data > 0)
    assert np.allclose(tracks.scale, layer.scale)
    folder = tmp_path / "RES"
    press(volume_tools.export_tracks, film=labels, tracks=tracks, folder=folder)
    read, graph = read_ctc(folder)
    assert np.array_equal(read, labels.data) and graph == {2: [1], 3: [1]}
    assert messages[-1] == f"Written to {folder}."


def test_an_image_is_segmented_first(qapp, press, messages):
    viewer = ViewerModel()
    film = np.zeros((3, 40, 40), np.uint8)
    film[:, 5:15, 5:15] = 200
    layer = viewer.add_image(film)
    press(volume_tools.track, viewer=viewer, film=layer)
    assert [type(one).__name__ for one in viewer.layers][1:] == ["Labels", "Tracks"]
    assert viewer.layers[-1].data.shape == (3, 4)


def test_what_is_no_film_is_a_message(qapp, press, messages):
    viewer = ViewerModel()
    cases = {
        "has 2 axes": viewer.add_labels(np.ones((4, 4), int)),
        "has one frame": viewer.add_labels(np.ones((1, 4, 4), int)),
        "Choose a Labels layer": viewer.add_points([(1, 2, 3)]),
        "is a colour image": viewer.add_image(
            np.ones((2, 4, 4, 3), np.uint8), rgb=True
        ),
        "no object to track": viewer.add_labels(np.zeros((2, 4, 4), int)),
    }
    for said, layer in cases.items():
        press(volume_tools.track, viewer=viewer, film=layer)
        assert said in messages[-1]
    assert len(viewer.layers) == len(cases)
