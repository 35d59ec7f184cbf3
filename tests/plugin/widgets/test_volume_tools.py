"""Segment the volume, track, export: with a stand-in for the model."""

import threading

import numpy as np
import pytest
from dock_steps import finish_work, look, wait_until
from napari.components import ViewerModel
from napari.layers import Labels, Tracks

import napari_sam
from napari_sam.io.ctc import read_ctc
from napari_sam.workflows.stacks import volume as volume_module


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
    yield gate
    gate.set()


@pytest.fixture
def press(open_dock, gate):
    """Return a function that opens the dock at a tool and presses its button."""

    def run(page, viewer, wait=True):
        dock = open_dock(viewer, page)
        dock.shown.start.click()
        if wait:
            finish_work(dock)
        return dock

    yield run
    gate.set()


@pytest.fixture
def balls():
    volume = np.zeros((6, 30, 40), np.uint8)
    volume[1:6, 4:12, 5:15], volume[:4, 16:28, 20:36] = 200, 180
    return volume


def test_a_volume_becomes_labels(qapp, press, balls):
    viewer = ViewerModel()
    layer = viewer.add_image(balls, scale=(3, 0.5, 0.5), units=("um",) * 3)
    dock = press("whole_volume", viewer)
    made = viewer.layers[-1]
    assert np.array_equal(made.data > 0, balls > 0) and made.data.max() == 2
    assert np.allclose(made.scale, layer.scale) and made.units == layer.units
    assert dock.hint.text.startswith("2 objects in 6 planes, in “")
    assert dock.hint.kind == "done"


def test_a_film_of_volumes_gives_that_of_the_shown_frame(qapp, press, balls):
    viewer = ViewerModel()
    viewer.add_image(np.stack([balls, balls[:, ::-1]]))
    viewer.dims.set_current_step(0, 1)
    press("whole_volume", viewer)
    made = viewer.layers[-1].data
    assert not made[0].any() and np.array_equal(made[1] > 0, balls[:, ::-1] > 0)


@pytest.mark.parametrize("shape", [(30, 40), (1, 30, 40)])
def test_one_plane_is_a_message(qapp, press, shape):
    viewer = ViewerModel()
    viewer.add_image(np.zeros(shape, np.uint8))
    dock = press("whole_volume", viewer)
    assert "is a single plane" in dock.hint.text and len(viewer.layers) == 1
    assert not dock.shown.start.isEnabled()


def test_cancelling_leaves_everything_as_it_was(qapp, press, gate, balls):
    viewer = ViewerModel()
    viewer.add_image(balls)
    gate.clear()
    dock = press("whole_volume", viewer, wait=False)
    look(dock)
    assert dock.shown.work() is not None and not dock.shown.start.isEnabled()
    dock.progress.cancel.click()
    finish_work(dock)
    assert len(viewer.layers) == 1


def test_an_image_removed_meanwhile_does_no_harm(qapp, press, gate, balls):
    viewer = ViewerModel()
    layer = viewer.add_image(balls)
    gate.clear()
    dock = press("whole_volume", viewer, wait=False)
    viewer.layers.remove(layer)
    gate.set()
    finish_work(dock)
    assert viewer.layers[-1].data.max() == 2  # the work is not lost


def dividing_film():
    film = np.zeros((4, 40, 40), np.int32)
    film[:2, 14:26, 10:20] = 3
    film[2:, 10:18, 10:20], film[2:, 20:28, 10:20] = 5, 1
    return film


def test_labels_become_tracks_and_files(qapp, press, tmp_path):
    viewer = ViewerModel()
    layer = viewer.add_labels(dividing_film(), scale=(1, 0.5, 0.5))
    dock = press("track", viewer)
    labels, tracks = viewer.layers[-2:]
    assert tracks.graph == {2: [1], 3: [1]}
    assert dock.hint.text == "3 tracks, 1 division."
    assert np.array_equal(labels.data > 0, layer.data > 0)
    assert np.allclose(tracks.scale, layer.scale)
    folder = tmp_path / "RES"
    export_to(dock, folder)
    read, graph = read_ctc(folder)
    assert np.array_equal(read, labels.data) and graph == {2: [1], 3: [1]}
    assert dock.hint.text == f"Written to {folder}: 3 tracks, 1 division."


def export_to(dock, folder):
    dock.show_page("export")
    look(dock)
    dock.shown.export_to(folder)
    finish_work(dock)


@pytest.fixture
def export(qapp, press):
    """Track a film, and return the dock at the export of it."""
    viewer = ViewerModel()
    viewer.add_labels(dividing_film(), name="film")
    dock = press("track", viewer)
    dock.show_page("export")
    look(dock)
    return dock


def test_the_tracks_that_belong_are_chosen_and_a_division_is_written(export, tmp_path):
    layers = export.viewer.layers
    assert export.shown.film is layers["film tracked"]
    assert export.shown.tracks.layer is layers["film tracks"]
    assert "“film tracked” is written, with “film tracks”" in export.hint.text
    export_to(export, tmp_path)
    assert export.hint.text == f"Written to {tmp_path}: 3 tracks, 1 division."
    assert read_ctc(tmp_path)[1] == {2: [1], 3: [1]}


def choose_no_tracks(dock):
    dock.shown.tracks.setCurrentIndex(0)
    dock.shown.tracks.activated.emit(0)
    look(dock)


def test_without_tracks_it_says_that_divisions_are_missing(export, tmp_path):
    choose_no_tracks(export)
    assert "without divisions" in export.hint.text
    export_to(export, tmp_path)
    assert "Divisions are missing: no Tracks layer" in export.hint.text
    assert read_ctc(tmp_path)[1] == {}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("geff", "a.geff"), ("trackmate", "a.xml"), ("tracks-csv", "a.csv")],
)
def test_tracks_are_written_in_the_form_that_is_chosen(export, tmp_path, kind, name):
    if kind == "geff":
        pytest.importorskip("geff")
    page = export.shown
    page.kind.setCurrentIndex(page.kind.findData(kind))
    export_to(export, tmp_path / name)
    written = f"Written to {tmp_path / name}: 3 tracks, 1 division."
    assert export.hint.text == written
    read = napari_sam.read_tracks(tmp_path / name)
    assert read.graph == {2: [1], 3: [1]}
    if kind != "tracks-csv":
        assert np.array_equal(read.labels, page.film.data)


def test_one_erased_label_leaves_the_rest_of_the_export(export, tmp_path):
    labels = export.shown.film
    labels.data[labels.data == 3] = 0
    labels.refresh()
    export_to(export, tmp_path)
    read, graph = read_ctc(tmp_path)
    assert np.array_equal(read, labels.data) and graph == {2: [1]}
    assert export.hint.text.splitlines() == [
        f"Written to {tmp_path}: 2 tracks, 0 divisions.",
        "Track 3 has no pixels, and is left out.",
        "The division of track 1 has one daughter left.",
    ]
    assert export.hint.kind == "problem"


def test_labels_without_an_object_replace_no_export(export, tmp_path):
    export_to(export, tmp_path)
    export.shown.film.data[:] = 0
    export_to(export, tmp_path)
    assert export.hint.text == "“film tracked” holds no object; nothing was written."
    assert read_ctc(tmp_path)[0].max() == 3


def flipped(rows):
    rows = np.array(rows, float)
    rows[:, 2] = 39 - rows[:, 2]
    return rows


def test_layers_read_from_files_are_told_by_their_positions(export):
    layers, place = export.viewer.layers, {"scale": (1, 2, 2)}
    labels, tracks = layers["film tracked"], layers["film tracks"]
    again = Labels(labels.data[:, ::-1].copy(), name="again", **place)
    other = Tracks(flipped(tracks.data), graph=tracks.graph, name="other", **place)
    layers.extend([again, other])
    choice = export.header.labels
    for chosen, belonging in ((labels, tracks), (again, other), (layers["film"], None)):
        choice.choose(chosen)  # by hand
        choice.activated.emit(choice.currentIndex())
        look(export)
        assert export.shown.film is chosen
        assert export.shown.tracks.layer is belonging


def test_tracks_of_other_labels_are_refused(export, tmp_path):
    tracks = export.viewer.layers["film tracks"]
    rows = tracks.data.copy()
    rows[:, 0] = 4 - rows[:, 0]
    other = Tracks(rows, name="other")
    export.viewer.layers.append(other)
    export.shown.tracks.choose(other)
    export_to(export, tmp_path / "RES")
    assert "“other” does not belong to “film tracked”" in export.hint.text
    assert not (tmp_path / "RES").exists()


def test_tracks_that_come_later_are_chosen_unless_the_user_has(open_dock):
    viewer = ViewerModel()
    labels = viewer.add_labels(dividing_film(), name="mine")
    dock = open_dock(viewer, "export")
    assert dock.shown.tracks.layer is None
    rows = [[3, 0, 20, 15], [3, 1, 20, 15], [5, 2, 14, 15], [5, 3, 14, 15]]
    tracks = viewer.add_tracks(rows, graph={5: [3]})
    wait_until(lambda: dock.shown.tracks.layer is tracks)
    assert dock.shown.film is labels
    choose_no_tracks(dock)
    viewer.add_points([(0, 0, 0)])
    look(dock)
    assert dock.shown.tracks.layer is None
