"""Files of tracks through napari's own File > Open."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels, Tracks

import napari_sam
from napari_sam.plugin.stacks.tracked_layers import tracks_of
from napari_sam.plugin.viewer.track_files import track_reader

pytest.importorskip("geff")


@pytest.fixture
def film():
    labels = np.zeros((3, 20, 30), np.uint16)
    labels[0, 8:12, 12:18] = 1
    labels[1:, 8:12, 9:12], labels[1:, 8:12, 18:21] = 2, 3
    return labels, {2: [1], 3: [1]}


@pytest.fixture
def viewer(npe2pm):
    with npe2pm.tmp_plugin(package="napari-sam"):
        yield ViewerModel()


@pytest.mark.parametrize("name", ["a.geff", "a.xml", "01_RES"])
def test_tracks_open_as_labels_and_the_tracks_that_belong_to_them(
    film, viewer, tmp_path, name
):
    labels, graph = film
    known = napari_sam.Calibration("tyx", (1, 0.5, 0.5), (None, *["micrometer"] * 2))
    path = tmp_path / name
    napari_sam.write_tracks(path, labels, graph=graph, calibration=known)
    opened = viewer.open(str(path), plugin="napari-sam")
    assert [type(layer) for layer in opened] == [Labels, Tracks]
    assert np.array_equal(opened[0].data, labels)
    assert opened[1].graph == graph and len(opened[1].data) == 5
    assert tracks_of(opened[0], [opened[1]]) is opened[1]
    if name != "01_RES":
        assert tuple(opened[0].scale) == tuple(opened[1].scale) == (1, 0.5, 0.5)


def test_the_table_of_the_challenge_opens_its_film(film, viewer, tmp_path):
    labels, graph = film
    napari_sam.write_tracks(tmp_path / "res", labels, graph=graph)
    table = tmp_path / "res" / "res_track.txt"
    opened = viewer.open(str(table), plugin="napari-sam")
    assert [type(layer) for layer in opened] == [Labels, Tracks]


def test_a_table_opens_as_tracks_alone(film, viewer, tmp_path):
    labels, graph = film
    napari_sam.write_tracks(tmp_path / "tracks.csv", labels, graph=graph)
    (tracks,) = viewer.open(str(tmp_path / "tracks.csv"), plugin="napari-sam")
    assert isinstance(tracks, Tracks) and tracks.graph == graph


def test_other_files_of_these_names_are_left_to_others(tmp_path):
    (tmp_path / "a.xml").write_text("<kml/>")
    (tmp_path / "tracks.csv").write_text("index,axis-0,axis-1\n0,1,2\n")
    for name in ("a.xml", "tracks.csv", "gone.geff"):
        assert track_reader(str(tmp_path / name)) is None
    assert track_reader([]) is None
