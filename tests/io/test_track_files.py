"""Tracks of a film in each format: written, read back, read by others, refused."""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_sam
from napari_sam.io.calibration import Calibration
from napari_sam.io.track_files import read_tracks, write_tracks
from napari_sam.io.track_formats import format_to_write

pytest.importorskip("geff")


IDS = st.integers(1, 60_000)


@st.composite
def films(draw, ids=IDS, depths=(0, 1, 2)):
    """Labels with gaps, of any shapes, and parents that end before their children."""
    frames = draw(st.integers(1, 5))
    depth = draw(st.sampled_from(depths))
    shape = (4, 5) if not depth else (depth, 4, 5)
    labels = np.zeros((frames, *shape), np.int64)
    names = draw(st.lists(ids, min_size=1, max_size=5, unique=True))
    seed = draw(st.integers(0, 2**31))
    rng = np.random.default_rng(seed)
    for t in range(frames):
        there = [name for name in names if rng.random() < 0.7]
        labels[t] = rng.choice([0, *there], size=shape)
    seen = {
        name: np.flatnonzero((labels == name).any(axis=tuple(range(1, labels.ndim))))
        for name in names
    }
    graph = {}
    for child in names:
        older = [
            other
            for other in names
            if len(seen[other])
            and len(seen[child])
            and seen[other][-1] < seen[child][0]
        ]
        if older and draw(st.booleans()):
            graph[child] = [draw(st.sampled_from(older))]
    return labels, graph


def positions(labels):
    """The rows of a Tracks layer, from the labels, the slow way."""
    rows = []
    for name in np.unique(labels[labels > 0]):
        for t, frame in enumerate(labels):
            if (frame == name).any():
                rows.append([name, t, *np.argwhere(frame == name).mean(axis=0)])
    return np.array(rows, float).reshape(-1, labels.ndim + 1)


SLOW_DISK = settings(
    max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None
)


@SLOW_DISK
@given(films())
def test_geff_brings_back_labels_positions_and_parents(tmp_path_factory, film):
    labels, graph = film
    path = tmp_path_factory.mktemp("geff") / "film.geff"
    write_tracks(path, labels, graph=graph)
    read = read_tracks(path)
    assert np.array_equal(read.labels, labels) and read.graph == graph
    assert np.allclose(read.tracks, positions(labels)) and read.note == ""


@settings(max_examples=60, deadline=None)
@given(films(depths=(0,)))
def test_trackmate_brings_back_labels_positions_and_parents(tmp_path_factory, film):
    labels, graph = film
    path = tmp_path_factory.mktemp("trackmate") / "film.xml"
    write_tracks(path, labels, graph=graph)
    read = read_tracks(path)
    assert read.graph == graph and np.allclose(read.tracks, positions(labels))
    assert read.labels is None or np.array_equal(read.labels, labels)
    assert (read.labels is None) == (not labels.any())


@settings(max_examples=60, deadline=None)
@given(films(ids=st.integers(1, 2**53)), st.sampled_from([".csv", ".xml"]))
def test_positions_come_back_from_tables_whatever_the_ids(
    tmp_path_factory, film, suffix
):
    labels, graph = film
    path = tmp_path_factory.mktemp("rows") / f"film{suffix}"
    rows = positions(labels)
    if not len(rows):
        return
    written = write_tracks(path, graph=graph, tracks=rows)
    read = read_tracks(path)
    assert np.allclose(read.tracks[:, 1:], rows[:, 1:]) or suffix == ".xml"
    assert np.array_equal(read.tracks[:, :2], rows[:, :2])
    assert read.graph == graph and written.tracks == len(read)


@settings(max_examples=30, deadline=None)
@given(films())
def test_ctc_brings_back_the_labels_and_splits_tracks_at_gaps(tmp_path_factory, film):
    labels, graph = film
    folder = tmp_path_factory.mktemp("ctc") / "01_RES"
    write_tracks(folder, labels, graph=graph)
    read = read_tracks(folder)
    assert np.array_equal(read.labels > 0, labels > 0)
    for name in np.unique(read.labels[read.labels > 0]):
        times = read.tracks[read.tracks[:, 0] == name][:, 1]
        assert np.array_equal(np.diff(times), np.ones(len(times) - 1))


@pytest.fixture
def division():
    """Track 1 divides into 2, 3 and 4; 2 misses a frame."""
    labels = np.zeros((5, 6, 9), np.int64)
    labels[:2, 2:4, 3:6] = 1
    labels[2, :2, :2], labels[4, :2, :2] = 2, 2
    labels[2:, 3, 3:5], labels[2:, 5, 7:] = 3, 4
    return labels, {2: [1], 3: [1], 4: [1]}


@pytest.mark.parametrize("name", ["a.geff", "a.xml", "a.csv"])
def test_a_division_into_three_and_a_gap_are_kept(tmp_path, division, name):
    labels, graph = division
    written = write_tracks(tmp_path / name, labels, graph=graph)
    read = read_tracks(tmp_path / name)
    assert (written.tracks, written.divisions, written.notes) == (4, 1, ())
    assert (len(read), read.divisions, read.graph) == (4, 1, graph)
    assert read.tracks[read.tracks[:, 0] == 2][:, 1].tolist() == [2, 4]


@pytest.mark.parametrize("name", ["a.geff", "a.xml", "a.csv"])
def test_a_track_with_two_parents_is_kept(tmp_path, name):
    labels = np.zeros((2, 3, 5), int)
    labels[0, :, 0], labels[0, :, 4], labels[1, 1] = 1, 2, 3
    write_tracks(tmp_path / name, labels, graph={3: [1, 2]})
    assert read_tracks(tmp_path / name).graph == {3: [1, 2]}


@pytest.mark.parametrize("name", ["a.geff", "a.xml", "a.csv", "a"])
def test_a_film_without_objects_is_written_and_read(tmp_path, name):
    written = write_tracks(tmp_path / name, np.zeros((3, 4, 4), int))
    assert (written.tracks, written.divisions) == (0, 0)
    read = read_tracks(tmp_path / name)
    assert len(read) == 0 and read.tracks.shape == (0, 4)


def test_pixel_sizes_come_back(tmp_path, division):
    labels, graph = division
    known = Calibration("tyx", (60.0, 0.5, 0.25), ("second", *["micrometer"] * 2))
    for name in ("a.geff", "a.xml"):
        write_tracks(tmp_path / name, labels, graph=graph, calibration=known)
        read = read_tracks(tmp_path / name)
        assert read.calibration.scale == (60.0, 0.5, 0.25)
        assert read.calibration.units == ("second", "micrometer", "micrometer")
        assert np.array_equal(read.labels, labels) and read.tracks[0, 2] == 2.5


def test_the_labels_decide_and_what_is_left_out_is_said(tmp_path, division):
    labels, graph = division
    rows = positions(labels)
    labels = np.where(labels == 2, 0, labels)
    written = write_tracks(tmp_path / "a.geff", labels, graph=graph, tracks=rows)
    assert written.notes == ("Track 2 has no pixels, and is left out.",)
    assert read_tracks(tmp_path / "a.geff").graph == {3: [1], 4: [1]}


def test_what_is_there_is_replaced_whole(tmp_path, division):
    labels, graph = division
    write_tracks(tmp_path / "a.geff", np.ones((9, 3, 3), int))
    write_tracks(tmp_path / "a.geff", labels, graph=graph)
    assert np.array_equal(read_tracks(tmp_path / "a.geff").labels, labels)
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.geff",
        "a.labels.ome.zarr",
    }


def test_geffs_own_library_finds_the_file_valid(tmp_path, division):
    import geff
    from geff.core_io import read_to_memory
    from geff.validate.data import ValidationConfig

    labels, graph = division
    write_tracks(tmp_path / "a.geff", labels, graph=graph)
    geff.validate_structure(str(tmp_path / "a.geff"))
    checks = ValidationConfig(graph=True, tracklet=True)
    read = read_to_memory(str(tmp_path / "a.geff"), data_validation=checks)
    assert read["node_props"]["track_id"]["values"].tolist() == [
        *[1] * 2, *[2] * 2, *[3] * 3, *[4] * 3,
    ]  # fmt: skip
    assert len(read["edge_ids"]) == 6 + 3


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_another_reader_of_trackmates_files_finds_the_same(tmp_path, division):
    from geff.convert import from_trackmate_xml_to_geff

    labels, graph = division
    write_tracks(tmp_path / "a.xml", labels, graph=graph)
    from_trackmate_xml_to_geff(tmp_path / "a.xml", tmp_path / "b.geff")
    read = read_tracks(tmp_path / "b.geff")
    assert len(read) == 4 and read.divisions == 1
    assert np.allclose(np.unique(read.tracks[:, 3]), [0.5, 2.5, 3.0, 5.0])


def trackmate(*spots, edges=(), shown=("0",)):
    """A file as TrackMate writes it, in micrometres of two pixels each."""
    text = "".join(
        f'<SpotsInFrame frame="{t}"><Spot ID="{n}" name="ID{n}" FRAME="{t}" '
        f'POSITION_T="{t}" POSITION_X="{x}" POSITION_Y="{y}" POSITION_Z="0.0" '
        f'RADIUS="1" VISIBILITY="{seen}" ROI_N_POINTS="{len(ring) // 2}">'
        f"{' '.join(map(str, ring))}</Spot></SpotsInFrame>"
        for n, t, y, x, seen, ring in spots
    )
    links = "".join(
        f'<Edge SPOT_SOURCE_ID="{a}" SPOT_TARGET_ID="{b}"/>' for a, b in edges
    )
    ids = "".join(f'<TrackID TRACK_ID="{one}"/>' for one in shown)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><TrackMate version="7.9.2">'
        '<Model spatialunits="µm" timeunits="sec"><AllSpots>'
        f'{text}</AllSpots><AllTracks><Track name="T" TRACK_ID="0">{links}</Track>'
        f"</AllTracks><FilteredTracks>{ids}</FilteredTracks></Model><Settings>"
        '<ImageData width="8" height="6" nslices="1" nframes="3" pixelwidth="0.5" '
        'pixelheight="0.5" voxeldepth="1" timeinterval="2"/></Settings></TrackMate>'
    )


def test_what_trackmate_shows_is_read_in_pixels(tmp_path):
    square = (-0.5, -0.5, 0.5, -0.5, 0.5, 0.5, -0.5, 0.5)  # two pixels across
    path = tmp_path / "cells.xml"
    path.write_text(
        trackmate(
            (10, 0, 0.75, 1.25, 1, square),
            (11, 1, 0.75, 1.75, 1, square),
            (12, 1, 2.0, 3.0, 0, ()),
            edges=[(11, 10)],
        ),
        encoding="utf-8",
    )
    read = read_tracks(path)
    assert read.tracks.tolist() == [[1, 0, 1.5, 2.5], [1, 1, 1.5, 3.5]]
    assert read.note == "1 spot that TrackMate does not show left out."
    wanted = np.zeros((3, 6, 8), int)
    wanted[0, 1:3, 2:4], wanted[1, 1:3, 3:5] = 1, 1
    assert np.array_equal(read.labels, wanted)
    assert read.calibration.units == ("second", "micrometer", "micrometer")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<TrackMate><Model>", "no whole XML file"),
        ("", "no whole XML file"),
        ("<kml><Model/></kml>", "no file of TrackMate"),
        ("<TrackMate version='7'/>", "no file of TrackMate"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><TrackMate/>', "a type of its own"),
        (
            "<TrackMate><Model><AllSpots><SpotsInFrame><Spot ID='1'/></SpotsInFrame>"
            "</AllSpots></Model></TrackMate>",
            "it lacks 'FRAME'",
        ),
        (
            trackmate((1, 0, 1, 1, 1, ()), (2, 0, 1, 1, 1, ()), edges=[(1, 2)]),
            "a link joins two objects of frame 0",
        ),
        (trackmate((1, 0, "x", 1, 1, ())), "could not convert"),
        (trackmate((1, 0, "nan", 1, 1, ())), "no finite numbers"),
    ],
)
def test_a_broken_trackmate_file_is_refused(tmp_path, text, said):
    path = tmp_path / "broken.xml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        read_tracks(path)


@pytest.mark.parametrize(
    ("text", "rows", "graph"),
    [
        ("1,0,2,3\n1,1,2,4\n", [[1, 0, 2, 3], [1, 1, 2, 4]], {}),
        ("1 \t0\t5\t2\t3\n", [[1, 0, 5, 2, 3]], {}),
        ("ID;T;Y;X\n2;1;3;4\n", [[2, 1, 3, 4]], {}),
        (
            "track_id,t,y,x,id,parent_track_id,parent_id\n"
            "4,0,1,2,70,-1,-1\n5,1,1,2,71,4,70\n",
            [[4, 0, 1, 2], [5, 1, 1, 2]],
            {5: [4]},
        ),
        ("TrackID,Frame,Z,Y,X\n0,0,1,2,3\n", [[1, 0, 1, 2, 3]], {}),
    ],
)  # fmt: skip
def test_tables_of_other_programs_are_read(tmp_path, text, rows, graph):
    path = tmp_path / "tracks.csv"
    path.write_text(text)
    read = read_tracks(path)
    assert read.tracks.tolist() == rows and read.graph == graph


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "also has track_id and t and y and x"),
        ("track_id,t,y,x\n1,0,2\n", "line 2: 3 cells, and the head has 4"),
        ("track_id,t,y,x\n1,0,2,here\n", "line 2: could not convert"),
        ("track_id,t,y,x\n1,0.5,2,2\n", "wanted whole numbers"),
        ("track_id,t,y,x\n1,0,2,2\n1,0,3,3\n", "track 1 is in frame 0 twice"),
        ("track_id,t,y,x\n1,0,nan,2\n", "no finite numbers"),
        ("1,0,2,3\n1,1,2\n", "line 2: 3 cells, wanted 4"),
        (
            "track_id,t,y,x,parent\n1,0,2,2,\n3,1,2,2,1\n3,2,2,2,2\n",
            "track 3 has the parents",
        ),
    ],
)
def test_a_broken_table_is_refused(tmp_path, text, said):
    path = tmp_path / "tracks.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_tracks(path)


def test_a_geff_without_axes_is_read_by_the_names_of_its_properties(tmp_path):
    import geff
    from geff.core_io import write_arrays

    values = {"frame": [0, 1, 1], "Y": [1.0, 2.0, 3.0], "X": [4.0, 5.0, 6.0]}
    props = {
        name: {"values": np.array(them), "missing": None}
        for name, them in values.items()
    }
    about = geff.GeffMetadata(
        directed=True, node_props_metadata={}, edge_props_metadata={}
    )
    nodes, edges = np.array([7, 9, 8], np.uint8), np.array([[7, 9], [7, 8]], np.uint8)
    write_arrays(str(tmp_path / "a.geff"), nodes, props, edges, {}, about)
    read = read_tracks(tmp_path / "a.geff")
    assert read.tracks.tolist() == [[1, 0, 1, 4], [2, 1, 2, 5], [3, 1, 3, 6]]
    assert read.graph == {2: [1], 3: [1]} and "no labels" in read.note
    del props["Y"]
    write_arrays(str(tmp_path / "b.geff"), nodes, props, edges, {}, about)
    with pytest.raises(ValueError, match=r"y and x\. It has X, fra"):
        read_tracks(tmp_path / "b.geff")


def test_a_damaged_geff_is_refused(tmp_path, division):
    labels, graph = division
    path = tmp_path / "a.geff"
    write_tracks(path, labels, graph=graph)
    store = zarr.open_group(str(path), mode="a")
    del store["nodes/props/t"]
    with pytest.raises(ValueError, match="cannot be read as a GEFF"):
        read_tracks(path)
    (tmp_path / "empty.geff").mkdir()
    with pytest.raises(ValueError, match=r"empty\.geff is no GEFF"):
        read_tracks(tmp_path / "empty.geff")


def test_a_geff_whose_labels_are_gone_still_has_its_positions(tmp_path, division):
    import shutil

    labels, graph = division
    write_tracks(tmp_path / "a.geff", labels, graph=graph)
    shutil.rmtree(tmp_path / "a.labels.ome.zarr")
    read = read_tracks(tmp_path / "a.geff")
    assert read.labels is None and "cannot be read" in read.note
    assert np.allclose(read.tracks, positions(labels)) and read.graph == graph


def test_a_truth_of_the_challenge_is_read(tmp_path):
    folder = tmp_path / "01_GT" / "TRA"
    folder.mkdir(parents=True)
    for t in range(2):
        frame = np.zeros((4, 4), np.uint16)
        frame[1:3, 1:3] = 1 + t
        tifffile.imwrite(folder / f"man_track{t:03d}.tif", frame)
    (folder / "man_track.txt").write_text("1 0 0 0\n2 1 1 1\n")
    for place in (folder, folder.parent):
        read = read_tracks(place)
        assert read.graph == {2: [1]} and len(read) == 2


@pytest.mark.parametrize(
    ("name", "labels", "more", "said"),
    [
        ("a.pdf", np.ones((1, 2, 2), int), {}, "cannot be written to a.pdf"),
        ("a.csv", None, {}, "got neither"),
        ("a.csv", np.ones((2, 2), int), {}, "wanted integers of"),
        ("a.csv", np.ones((1, 2, 2)), {}, "wanted integers of"),
        ("a.csv", np.full((1, 2, 2), -4), {}, "frame 0 has the label -4"),
        ("a", np.full((1, 2, 2), 70_000), {}, "16 bits"),
        ("a.geff", np.full((1, 2, 2), 2**40), {}, "32 bits"),
        ("a", None, {"tracks": [[1, 0, 1, 1]]}, "only positions"),
        ("a.csv", None, {"tracks": [[1, 0, 1]]}, "rows of id, t"),
        ("a.csv", None, {"tracks": [[1, 0, 1, 1], [1, 0, 2, 2]]}, "twice"),
        ("a", np.ones((1, 2, 2), int), {"format": "mat"}, "format is 'mat'"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, name, labels, more, said):
    with pytest.raises(ValueError, match=said):
        write_tracks(tmp_path / name, labels, **more)
    assert not any(tmp_path.glob("a.[cgx]*"))


def test_without_its_package_geff_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "geff", None)
    with pytest.raises(OSError, match=r'pip install "napari-sam\[tracks\]"'):
        write_tracks(tmp_path / "a.geff", np.ones((1, 2, 2), int))


def test_other_files_hold_no_tracks(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ValueError, match="holds no tracks"):
        read_tracks(tmp_path / "notes.txt")
    with pytest.raises(ValueError, match="holds no tracks"):
        read_tracks(tmp_path)
    with pytest.raises(OSError, match="not found"):
        read_tracks(tmp_path / "gone.csv")


def test_the_ending_or_the_name_says_the_format():
    names = ["a.geff", "a.XML", "a.csv", "01_RES"]
    kinds = [format_to_write(name).name for name in names]
    assert kinds == ["geff", "trackmate", "tracks-csv", "ctc"]
    assert format_to_write("a.zarr", "geff").name == "geff"


def test_the_files_say_what_they_are(tmp_path, division):
    labels, graph = division
    napari_sam.write_tracks(tmp_path / "a.csv", labels, graph=graph)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[:2] == ["track_id,t,y,x,parent_track_id", "1,0,2.5,4,"]
    assert lines[3] == "2,2,0.5,0.5,1"
    napari_sam.write_tracks(tmp_path / "a.geff", labels, graph=graph)
    about = json.loads((tmp_path / "a.geff" / ".zattrs").read_text())["geff"]
    assert [axis["name"] for axis in about["axes"]] == ["t", "y", "x"]
    assert about["related_objects"][0]["path"] == "../a.labels.ome.zarr/0"
    napari_sam.write_tracks(tmp_path / "a.xml", labels, graph=graph)
    root = ET.parse(tmp_path / "a.xml").getroot()
    assert (root.tag, len(root.findall(".//Spot"))) == ("TrackMate", 10)
    assert len(root.findall(".//Edge")) == 9
