"""The Cell Tracking Challenge's format: written, read back, and errors told."""

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.io.ctc import read_ctc, write_ctc


@st.composite
def lineages(draw):
    """Labels with gaps, and the graph; each track has its own column of pixels."""
    frames = draw(st.integers(1, 6))
    shape = draw(st.sampled_from([(2, 5), (1, 2, 5), (2, 1, 5)]))
    labels = np.zeros((frames, *shape), np.int32)
    names = draw(st.lists(st.integers(1, 65000), min_size=1, max_size=5, unique=True))
    graph, last = {}, {}
    for column, name in enumerate(names):
        seen = draw(st.lists(st.integers(0, frames - 1), min_size=1, unique=True))
        labels[np.array(seen), ..., column] = name
        older = [other for other, end in last.items() if end < min(seen)]
        if older and draw(st.booleans()):
            graph[name] = [draw(st.sampled_from(older))]
        last[name] = max(seen)
    return labels, graph


@settings(max_examples=60)
@given(lineages())
def test_what_is_written_is_read_back(tmp_path_factory, lineage):
    labels, graph = lineage
    folder = tmp_path_factory.mktemp("ctc")
    write_ctc(folder, labels, graph)
    read, parents = read_ctc(folder)
    assert read.shape == labels.shape and read.dtype == np.uint16
    assert np.array_equal(read > 0, labels > 0)
    # what follows a gap is a child; followed back, it is the track that it was
    origin = {}
    for name in np.unique(read[read > 0]).tolist():
        (before,) = np.unique(labels[read == name]).tolist()
        origin[name] = before
    for child, (parent,) in parents.items():
        if origin[child] != origin[parent]:
            assert graph[origin[child]] == [origin[parent]]
    split = {child for child, (p,) in parents.items() if origin[child] == origin[p]}
    assert len(parents) - len(split) == len(graph)
    assert len(origin) - len(split) == len(np.unique(labels[labels > 0]))


def test_files_are_as_the_challenge_has_them(tmp_path):
    labels = np.zeros((2, 4, 4), int)
    labels[0, :2], labels[1, 0], labels[1, 1] = 7, 8, 9
    write_ctc(tmp_path / "RES", labels, {8: [7], 9: [7]})
    text = (tmp_path / "RES" / "res_track.txt").read_text()
    assert text == "7 0 0 0\n8 1 1 7\n9 1 1 7\n"
    names = sorted(path.name for path in (tmp_path / "RES").iterdir())
    assert names == ["mask000.tif", "mask001.tif", "res_track.txt"]
    assert tifffile.imread(tmp_path / "RES" / "mask001.tif").dtype == np.uint16


def test_frames_of_an_earlier_export_are_replaced(tmp_path):
    write_ctc(tmp_path, np.ones((5, 3, 3), int))
    (tmp_path / "notes.txt").write_text("mine")
    write_ctc(tmp_path, np.ones((2, 3, 3), int))
    assert len(read_ctc(tmp_path)[0]) == 2 and (tmp_path / "notes.txt").exists()


@pytest.mark.parametrize(
    ("labels", "graph", "said"),
    [
        (np.full((1, 3, 3), 70_000), {}, "16 bits"),
        (np.full((1, 3, 3), -2), {}, "begin at 1"),
        (np.ones((3, 3), int), {}, "wanted integers"),
        (np.array([[[65535]], [[0]], [[65535]]]), {}, "no id left"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, labels, graph, said):
    with pytest.raises(ValueError, match=said):
        write_ctc(tmp_path / "out", labels, graph)
    assert not (tmp_path / "out" / "res_track.txt").exists()


def family(*erased):
    """Track 1 divides into 2 and 3, and 3 into 4 and 5; some were erased."""
    labels = np.zeros((6, 1, 2), int)
    labels[:2], labels[2:, 0, 0], labels[2:4, 0, 1] = 1, 2, 3
    labels[4:, 0, 1], labels[4:, 0, 0] = 4, 5
    labels[np.isin(labels, erased)] = 0
    return labels, {2: [1], 3: [1], 4: [3], 5: [3]}


@pytest.mark.parametrize(
    ("erased", "graph", "notes"),
    [
        ((), {2: [1], 3: [1], 4: [3], 5: [3]}, []),
        (
            (2,),
            {3: [1], 4: [3], 5: [3]},
            [
                "Track 2 has no pixels, and is left out.",
                "The division of track 1 has one daughter left.",
            ],
        ),
        (
            (3,),
            {2: [1], 4: [1], 5: [1]},
            [
                "Track 3 has no pixels, and is left out.",
                "Track 4 is written as one that came from 1.",
                "Track 5 is written as one that came from 1.",
            ],
        ),
        (
            (1,),
            {4: [3], 5: [3]},
            [
                "Track 1 has no pixels, and is left out.",
                "Track 2 is written without a parent.",
                "Track 3 is written without a parent.",
            ],
        ),
        (
            (4, 5),
            {2: [1], 3: [1]},
            [
                "Tracks 4 and 5 have no pixels, and are left out.",
                "The division of track 3 is left out.",
            ],
        ),
        (
            (1, 2, 3, 4, 5),
            {},
            ["Tracks 1, 2, 3, 4 and 5 have no pixels, and are left out."],
        ),
    ],
)
def test_what_was_erased_is_left_out_and_said(tmp_path, erased, graph, notes):
    labels, given = family(*erased)
    written = write_ctc(tmp_path, labels, given)
    read, parents = read_ctc(tmp_path)
    assert np.array_equal(read, labels) and parents == graph
    assert list(written.notes) == notes
    assert written.tracks == len(set(np.unique(labels)) - {0})
    assert written.divisions == sum(
        list(graph.values()).count([parent]) > 1 for parent in range(1, 6)
    )


@pytest.mark.parametrize(
    ("labels", "graph", "note"),
    [
        ([[[1, 2]]], {2: [1]}, "Track 2 begins in frame 0, and its parent 1 ends in"),
        ([[[1, 2]]], {2: [1, 3]}, "Track 2 has the parents 1 and 3, and the format"),
        ([[[1, 2]]], {1: [1]}, "Track 1 begins in frame 0"),
        ([[[1, 2]]], {1: [7], 7: [8], 8: [7]}, "Track 1 is written without a parent"),
        ([[[1, 2]]], {7: [7]}, "Track 7 has no pixels"),
    ],
)
def test_a_link_that_the_format_cannot_hold_is_said(tmp_path, labels, graph, note):
    written = write_ctc(tmp_path, np.array(labels), graph)
    assert any(said.startswith(note) for said in written.notes)
    assert read_ctc(tmp_path)[1] == {}


def test_ids_that_there_should_be_are_missed(tmp_path):
    written = write_ctc(tmp_path, np.ones((2, 2, 2), int), None, tracks=[1, 4])
    assert written.notes == ("Track 4 has no pixels, and is left out.",)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("1 0 2 0\n", "not in frame 2"),
        ("1 0 9 0\n", "there are 3 frames"),
        ("1 0 1 0\n1 0 1 0\n", "twice"),
        ("1 0 0 0\n", "does not have there"),
        ("1 1 0 0\n", "ends before"),
        ("1 0 1 5\n", "no parent"),
        ("1 0 1 0\n2 1 2 1\n", "not before"),
        ("0 0 1 0\n", "not in 1 to"),
        ("1 0 1\n", "four numbers"),
    ],
)
def test_a_wrong_table_is_refused(tmp_path, table, said):
    labels = np.zeros((3, 2, 2), int)
    labels[:2, 0] = 1
    write_ctc(tmp_path, labels)
    (tmp_path / "res_track.txt").write_text(table)
    with pytest.raises(ValueError, match=said):
        read_ctc(tmp_path)


def test_wrong_frames_are_refused(tmp_path):
    write_ctc(tmp_path, np.ones((3, 2, 2), int))
    tifffile.imwrite(tmp_path / "mask001.tif", np.ones((2, 2), np.uint8))
    with pytest.raises(ValueError, match="wanted uint16"):
        read_ctc(tmp_path)
    (tmp_path / "mask001.tif").unlink()
    with pytest.raises(ValueError, match="has no frame 1"):
        read_ctc(tmp_path)
    (tmp_path / "res_track.txt").unlink()
    with pytest.raises(OSError, match="res_track"):
        read_ctc(tmp_path)
