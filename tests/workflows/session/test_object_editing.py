"""Objects merged, parted and mended through the session."""

import numpy as np
import pytest
import zarr
from fake_predictor import FakePredictor
from hypothesis import given, settings
from hypothesis import strategies as st
from ideal_predictor import IdealPredictor
from scipy import ndimage

from napari_sam.ops.types import Cancelled
from napari_sam.workflows.progress import Progress
from napari_sam.workflows.session.annotation_session import AnnotationSession


def session_of(labels, image=None, model=None):
    labels = np.array(labels)
    if image is None:
        image = np.zeros(labels.shape, np.uint8)
    return AnnotationSession(image, labels, model=model or FakePredictor())


def picture(*rows):
    """Labels of one digit each."""
    return np.array([[int(c) for c in row.replace(".", "0")] for row in rows])


def boxes(shape=(20, 40)):
    """Object 3 left, 5 right of it and touching, 7 apart."""
    labels = np.zeros(shape, np.int32)
    labels[..., 2:10, 2:12] = 3
    labels[..., 2:10, 12:18] = 5
    labels[..., 12:18, 25:35] = 7
    return labels


# --- merge -----------------------------------------------------------------------


def test_the_largest_of_the_merged_keeps_number_and_class():
    session = session_of(boxes())
    session.set_class(5, "cell")
    result = session.edit.merge([5, 3])
    assert (result.changed, result.gone, result.made) == ((3,), (5,), ())
    assert result.pixels == 48 and result.count == 2
    assert sorted(session.objects) == [3, 7]
    assert session.objects[3].class_name == "cell"
    session.undo()
    assert np.array_equal(session.labels, boxes())
    assert session.objects[5].class_name == "cell"
    assert session.objects[3].class_name == ""


def test_a_stroke_merges_what_it_crosses():
    session = session_of(boxes())
    assert session.edit.merge(stroke=[(5, -4), (5, 16)]).gone == (5,)
    with pytest.raises(ValueError, match="the stroke crosses only object 3; draw"):
        session.edit.merge(stroke=[(5, 3), (5, 14)])
    with pytest.raises(ValueError, match="the stroke crosses none"):
        session.edit.merge(stroke=[(19, 3), (19, 14)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"labels": [3]}, "two objects or more, got only object 3"),
        ({"labels": [3, 3]}, "two objects or more, got only object 3"),
        ({"labels": []}, "two objects or more, got none"),
        ({"labels": [3, 99]}, "no object 99; the objects are 3, 5, 7"),
        ({"labels": [0, 3]}, "got 0; 0 is the background"),
        ({"labels": [2.5, 3]}, "a label is a whole number, got 2.5"),
        ({}, "give the labels of two objects or more, or a stroke"),
        ({"labels": [3, 5], "stroke": [(0, 0), (1, 1)]}, "or a stroke across them"),
        ({"stroke": [(5, 5)]}, "a stroke needs two"),
        ({"stroke": [(50, 50), (60, 70)]}, "outside the plane of 20 x 40 pixels"),
        ({"stroke": [(np.nan, 0), (1, 1)]}, "finite"),
    ],
)
def test_what_cannot_be_merged_is_said(arguments, said):
    session = session_of(boxes())
    with pytest.raises(ValueError, match=said):
        session.edit.merge(**arguments)
    assert not session.can_undo and np.array_equal(session.labels, boxes())


def test_objects_of_neighbouring_planes_are_merged_but_no_gap_is_left():
    labels = np.zeros((4, 6, 6), np.uint8)
    labels[0, 1:4, 1:4], labels[1, 1:4, 1:4], labels[3, 1:4, 1:4] = 1, 2, 4
    session = session_of(labels)
    with pytest.raises(ValueError, match=r"planes between object 1 and 4: .* gap=True"):
        session.edit.merge([1, 2, 4])
    assert session.edit.merge([1, 2]).planes[0].index == (1, None, None)
    result = session.edit.merge([1, 4], gap=True)
    assert np.unique(session.labels).tolist() == [0, 1]
    assert result.gone == (4,)


def test_a_merged_object_keeps_the_prompts_of_planes_of_the_other():
    session = session_of(np.zeros((2, 30, 30), np.int32))
    session.add_point((10, 10))
    first = session.commit()
    session.go_to((1, None, None))
    session.add_point((10, 10))
    session.add_point((14, 14))
    second = session.commit()
    session.edit.merge([first, second])
    kept = max(session.objects)
    assert [
        len(one.draft.question.prompts.points) for one in session.objects[kept].outlines
    ] == [1, 2]
    session.reopen(kept)
    assert len(session.draft.question.prompts.points) == 2


# --- split -----------------------------------------------------------------------


def test_a_stroke_within_an_object_is_extended_to_its_edge():
    session = session_of(boxes())
    session.set_class(3, "cell")
    result = session.edit.split(3, [(5, 8), (6, 8)])
    assert (result.changed, result.made) == ((3,), (8,))
    assert np.count_nonzero(session.labels == 8) in (24, 32)
    assert session.objects[8].class_name == "cell"
    assert ndimage.label(session.labels == 8)[1] == 1
    assert np.array_equal(np.isin(session.labels, [3, 8]), boxes() == 3)
    session.undo()
    assert np.array_equal(session.labels, boxes())


def test_the_object_under_the_stroke_is_split_when_none_is_named():
    session = session_of(boxes())
    assert session.edit.split(stroke=[(11, 30), (19, 30)]).changed == (7,)


def test_a_stroke_twice_through_an_object_makes_three():
    labels = np.zeros((30, 30), np.int32)
    labels[5:25, 5:10] = labels[5:25, 20:25] = labels[20:25, 5:25] = 1
    session = session_of(labels)
    result = session.edit.split(1, [(12, 2), (12, 28)])
    assert result.made == (2, 3)
    assert len({*np.unique(session.labels[5:11])}) == 3


def test_a_cut_follows_the_dark_or_the_bright_line():
    labels = np.zeros((40, 40), np.int32)
    labels[5:35, 5:35] = 1
    image = np.full((40, 40), 100, np.uint8)
    image[:, 24], image[:, 16] = 20, 200
    for snap, column in (("dark", 24), ("bright", 16)):
        session = session_of(labels, image)
        session.edit.split(1, [(0, 20), (39, 20)], snap=snap)
        rows = session.labels[10:30]
        edge = np.argmax(rows[:, 5:] != rows[:, 5:6], axis=1) + 5
        assert np.abs(edge - column).max() <= 1


def test_two_points_part_an_object_at_its_waist():
    rows, cols = np.ogrid[:40, :60]
    pair = (rows - 20) ** 2 + (cols - 18) ** 2 <= 144
    pair |= (rows - 20) ** 2 + (cols - 40) ** 2 <= 144
    session = session_of(pair.astype(np.int32))
    session.edit.split(1, points=[(18, 12), (24, 47)])
    labels = session.labels
    assert labels[20, 27] == labels[20, 10] != labels[20, 31] == labels[20, 50]


def test_two_points_part_an_object_where_the_model_sees_a_border():
    image = np.zeros((64, 64), np.uint8)
    image[10:50, 10:20] = image[10:50, 22:54] = 1
    labels = np.zeros((64, 64), np.int32)
    labels[10:50, 10:54] = 1
    session = session_of(labels, image, IdealPredictor(frame_size=64))
    session.edit.split(points=[(30, 12), (30, 45)])
    assert session.labels[30, 17] == session.labels[30, 12]
    assert session.labels[30, 24] == session.labels[30, 45]
    assert session.labels[30, 12] != session.labels[30, 45]


def test_all_planes_of_an_object_are_cut_by_the_same_line():
    labels = np.zeros((5, 20, 30), np.uint16)
    for z, right in enumerate((12, 20, 26, 20, 8)):
        labels[z, 4:16, 4:right] = 6
    session = session_of(labels)
    session.go_to((2, None, None))
    result = session.edit.split(6, [(2, 15), (18, 15)])
    assert len(result.planes) == 3 or len(result.planes) == 5
    parts = {*np.unique(session.labels[2])} - {0}
    for z in range(5):
        here = session.labels[z]
        assert {*np.unique(here[:, :14])} - {0} == {*np.unique(here[6, 4:5])}
        assert {*np.unique(here)} - {0} <= parts
    assert len({*np.unique(session.labels[4])}) == 2
    assert np.array_equal(session.labels > 0, labels > 0)
    session.undo()
    session.edit.split(6, [(2, 15), (18, 15)], scope="plane")
    assert np.array_equal(session.labels[[0, 1, 3, 4]], labels[[0, 1, 3, 4]])


def test_an_object_is_split_on_a_plane_that_crosses_the_stack():
    labels = np.zeros((12, 10, 20), np.uint16)
    labels[2:10, 3:7, 4:16] = 2
    session = session_of(labels)
    session.go_to((None, 5, None))
    session.edit.split(2, [(6, 0), (6, 19)])
    assert len({*np.unique(session.labels[2:5])} - {0}) == 1
    assert session.labels[3, 4, 8] != session.labels[8, 6, 8]
    assert np.array_equal(session.labels > 0, labels > 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"label": 3}, "give a stroke across the object, or a point in each part"),
        ({"label": 3, "stroke": [(0, 30), (0, 35)]}, "cuts nothing off object 3"),
        ({"stroke": [(0, 30), (0, 35)]}, "no object under it"),
        ({"label": 3, "stroke": [(99, 99), (120, 120)]}, "outside the plane"),
        ({"label": 9, "stroke": [(0, 0), (9, 9)]}, "no object 9 on this plane"),
        ({"label": 3, "points": [(4, 4), (4, 14)]}, "lies on object 5; wanted a point"),
        ({"points": [(0, 0), (4, 14)]}, "lies on the background"),
        ({"label": 3, "points": [(4, 4), (4, 4)]}, "on the same pixel"),
        ({"label": 3, "points": [(4, 4)]}, "two .row, col. points or more"),
        ({"label": 3, "points": [(4, 4), (4, 400)]}, "outside the plane of 20 x 40"),
        ({"label": 3, "points": [(4, 4), (4, 5)], "snap": "dark"}, "only a stroke"),
        ({"stroke": [(0, 4), (9, 4)], "snap": "red"}, "snap must be 'dark'"),
    ],
)
def test_what_cannot_be_split_is_said(arguments, said):
    session = session_of(boxes())
    with pytest.raises(ValueError, match=said):
        session.edit.split(**arguments)
    assert not session.can_undo and np.array_equal(session.labels, boxes())


def test_a_session_without_image_cannot_snap():
    session = AnnotationSession(labels=boxes())
    with pytest.raises(ValueError, match="no image to snap to"):
        session.edit.split(3, [(0, 5), (12, 5)], snap="dark")
    with pytest.raises(ValueError, match="no image and no model to refine with"):
        session.edit.refine()
    assert session.edit.split(3, points=[(4, 4), (8, 9)]).made == (8,)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_a_number_that_does_not_fit_is_refused(dtype):
    labels = np.zeros((20, 20), dtype)
    labels[2:18, 2:18] = np.iinfo(dtype).max
    session = session_of(labels)
    with pytest.raises(ValueError, match="convert them to a wider integer type"):
        session.edit.split(stroke=[(0, 9), (19, 9)])
    assert np.array_equal(session.labels, labels) and not session.can_undo


# --- shapes ----------------------------------------------------------------------


def test_objects_grow_to_what_is_free_and_the_nearer_one_wins():
    session = session_of(picture("1.....2", "1.....2", "......3"))
    session.edit.grow([1, 2], 4)
    assert session.labels.tolist() == picture("1111222", "1111222", "1111223").tolist()


def test_many_objects_that_grow_far_fill_the_plane():
    labels = np.zeros((30, 30), np.int32)
    labels[::5, ::5] = np.arange(1, 37).reshape(6, 6)
    labels[:, 12] = 99
    session = session_of(labels)
    session.edit.grow(range(1, 37), 1000)
    assert (session.labels > 0).all()
    assert np.array_equal(session.labels == 99, labels == 99)
    assert not np.isin(session.labels[:, 13:], labels[:, :12]).any()


def test_a_plane_full_of_one_object_stays():
    session = session_of(np.ones((6, 6), np.int32))
    for edit in (session.edit.shrink, session.edit.grow, session.edit.smooth):
        assert not edit(1, 10**6)


def test_an_object_does_not_grow_through_another():
    session = session_of(picture("1.2..", "1.2..", "1.2.."))
    result = session.edit.grow(1, 4)
    assert session.labels.tolist() == picture("112..", "112..", "112..").tolist()
    assert (result.changed, result.pixels) == ((1,), 3)


def test_shrinking_spares_what_would_vanish_and_the_border_of_the_image():
    labels = picture("11111..", "11111.2", "11111..", "11111..")
    session = session_of(labels)
    result = session.edit.shrink(pixels=1)
    assert (result.changed, result.spared) == ((1,), (2,))
    assert (
        session.labels.tolist()
        == picture("1111...", "1111..2", "1111...", "1111...").tolist()
    )


def test_holes_are_filled_around_what_lies_in_them():
    session = session_of(picture("11111", "1.1.1", "11121", "11111"))
    assert session.edit.fill_holes().changed == (1,)
    assert (
        session.labels.tolist() == picture("11111", "11111", "11121", "11111").tolist()
    )
    assert not session.edit.fill_holes()


def test_smoothing_takes_a_thin_spike_and_closes_a_notch():
    labels = np.zeros((40, 40), np.int32)
    labels[10:30, 10:30] = 1
    labels[19:20, 30:38] = 1
    labels[10:14, 20:21] = 0
    session = session_of(labels)
    session.edit.smooth(1, 2)
    assert not session.labels[19, 34:].any() and session.labels[12, 20] == 1
    assert 380 < np.count_nonzero(session.labels) < 400


def test_pieces_become_objects_or_only_the_largest_stays():
    labels = picture("11.11", "11...", ".....", "2.22.")
    session = session_of(labels)
    assert session.edit.pieces_to_objects().made == (3, 4)
    assert (
        session.labels.tolist() == picture("11.33", "11...", ".....", "4.22.").tolist()
    )
    session.undo()
    assert session.edit.keep_largest_piece(1).pixels == 2
    assert (
        session.labels.tolist() == picture("11...", "11...", ".....", "2.22.").tolist()
    )


def test_pieces_of_a_stack_hang_together_through_its_planes():
    labels = np.zeros((3, 4, 9), np.int32)
    labels[0, :2, :2] = labels[0, :2, 5:8] = 1
    labels[1, :2, :8] = labels[2, 3, 3] = 1
    session = session_of(labels)
    assert session.edit.keep_largest_piece(scope="plane", preview=True).count == 1
    assert session.edit.pieces_to_objects(1).pixels == 1
    assert session.labels[2, 3, 3] == 2 and session.objects[2].plane.index[0] == 2


def test_objects_are_taken_away_in_one_step():
    session = session_of(boxes())
    result = session.edit.remove([3, 7])
    assert (result.gone, result.changed, result.pixels) == ((3, 7), (), 140)
    assert sorted(session.objects) == [5]
    session.undo()
    assert np.array_equal(session.labels, boxes())
    assert session.edit.remove(None, preview=True).gone == (3, 5, 7)


def test_what_others_painted_between_two_edits_is_counted():
    session = session_of(boxes())
    session.edit.grow(3, 1)
    session.labels[0:3, 30:33] = 8  # somebody else, and nobody was told
    session.edit.grow(7, 1)
    assert areas(session) == counted(session.labels)
    session.labels[19, 0] = 8
    session.undo()
    assert areas(session) == counted(session.labels)


def test_small_objects_and_those_at_the_border_go():
    session = session_of(boxes())
    assert session.edit.remove_small(60).gone == (5,)
    assert not session.edit.remove_small(60)
    labels = boxes()
    labels[0:4, 38:] = 9
    session = session_of(labels)
    assert session.edit.remove_at_border().gone == (9,)
    assert np.array_equal(session.labels, boxes())


def test_the_scope_plane_leaves_the_other_planes():
    labels = boxes((2, 20, 40))
    session = session_of(labels)
    session.go_to((1, None, None))
    result = session.edit.remove_small(60, scope="plane")
    assert (result.changed, result.gone) == ((5,), ())
    assert np.array_equal(session.labels[0], labels[0])
    assert 5 not in session.labels[1]
    session.edit.grow(scope="plane", pixels=2)
    assert np.array_equal(session.labels[0], labels[0])
    with pytest.raises(ValueError, match="no object 5 on this plane"):
        session.edit.grow(5, scope="plane")
    with pytest.raises(ValueError, match="scope must be 'all' or 'plane', got 'here'"):
        session.edit.grow(5, scope="here")


def test_a_preview_tells_and_changes_nothing():
    session = session_of(boxes())
    told = session.edit.grow(pixels=2, preview=True)
    assert np.array_equal(session.labels, boxes()) and not session.can_undo
    assert told == session.edit.grow(pixels=2) and told.count == 3


@pytest.mark.parametrize("amount", [0, -1, np.nan, np.inf])
def test_amounts_are_above_0(amount):
    session = session_of(boxes())
    for call in (session.edit.grow, session.edit.shrink, session.edit.smooth):
        with pytest.raises(ValueError, match="must be above 0, got"):
            call(3, amount)


def test_what_was_edited_is_outlined_anew_with_prompts():
    session = session_of(boxes())
    session.edit.merge([3, 5])
    session.reopen(3)
    assert np.array_equal(session.mask, session.labels == 3)
    session.add_point((5, 30))
    assert session.commit() == 3 and session.labels[5, 30] == 3


def test_an_object_in_hand_is_put_down_when_an_edit_changes_it():
    session = session_of(boxes())
    session.reopen(3)
    session.edit.merge([3, 5])
    assert session.draft.is_empty
    session.undo()
    assert session.draft.editing == 3


def test_what_lay_beneath_an_object_that_is_removed_comes_back():
    session = AnnotationSession(
        np.zeros((40, 40)), model=FakePredictor(), overlap="overwrite"
    )
    session.set_box((5, 5, 30, 30))
    session.commit()
    before = session.labels.copy()
    session.add_point((18, 18))
    session.commit()
    session.edit.remove_small(200)
    assert np.array_equal(session.labels, before)


# --- refine ----------------------------------------------------------------------


def test_refining_is_one_step_with_a_report():
    image = np.zeros((64, 64), np.uint8)
    image[10:30, 10:30] = image[40:60, 40:60] = 1
    labels = np.zeros((64, 64), np.int32)
    labels[12:28, 12:28] = 4
    labels[40:60, 40:60] = 9
    session = session_of(labels, image, IdealPredictor(frame_size=64))
    result = session.edit.refine()
    assert np.array_equal(session.labels > 0, image > 0)
    assert [(one.label, one.changed) for one in result.report] == [
        (4, True),
        (9, False),
    ]
    assert result.report[0].iou == pytest.approx(256 / 400)
    session.undo()
    assert np.array_equal(session.labels, labels)
    with pytest.raises(Cancelled):
        session.edit.refine(progress=Progress(None, lambda: True))
    assert np.array_equal(session.labels, labels) and not session.can_undo


# --- labels of any kind ----------------------------------------------------------


def test_labels_that_cannot_be_edited_are_refused_with_a_way_out(tmp_path):
    floats = boxes().astype(np.float32)
    with pytest.raises(ValueError, match=r"integers, got float32; .*astype"):
        AnnotationSession(labels=floats)
    fixed = boxes()
    fixed.setflags(write=False)
    with pytest.raises(ValueError, match=r"read-only array; .*copy"):
        AnnotationSession(labels=fixed)
    lazy = zarr.create_array(tmp_path / "a.zarr", data=boxes())
    with pytest.raises(ValueError, match=r"Array are not in memory; give .*asarray"):
        AnnotationSession(labels=lazy)


# --- whatever is done ------------------------------------------------------------

EDITS = {
    "merge": lambda edit, some, n: edit.merge(some),
    "stroke": lambda edit, some, n: edit.split(
        some[0], [(n % 17, 0), (n % 13, 23)], scope="plane"
    ),
    "cut": lambda edit, some, n: edit.split(stroke=[(0, n % 24), (15, n % 19)]),
    "grow": lambda edit, some, n: edit.grow(some, 1 + n % 3),
    "shrink": lambda edit, some, n: edit.shrink(some, 1 + n % 2),
    "fill": lambda edit, some, n: edit.fill_holes(some),
    "smooth": lambda edit, some, n: edit.smooth(some, 1 + n % 3),
    "pieces": lambda edit, some, n: edit.pieces_to_objects(some),
    "largest": lambda edit, some, n: edit.keep_largest_piece(some),
    "small": lambda edit, some, n: edit.remove_small(1 + n % 30, some),
    "border": lambda edit, some, n: edit.remove_at_border(some),
    "remove": lambda edit, some, n: edit.remove(some),
}


def areas(session):
    """How many pixels each object has, as the session counts them."""
    return {label: session.index.area(label) for label in session.index.labels}


def counted(labels):
    """The same, as numpy counts them."""
    values, counts = np.unique(labels[labels > 0], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


@settings(max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    depth=st.sampled_from([0, 3]),
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(EDITS)), st.integers(0, 1000)),
        min_size=1,
        max_size=6,
    ),
)
def test_any_edits_keep_to_their_objects_and_are_undone_bit_for_bit(seed, depth, steps):
    rng = np.random.default_rng(seed)
    shape = (depth, 16, 24) if depth else (16, 24)
    coarse = rng.integers(0, 5, (*shape[:-2], 4, 6)).astype(np.uint16)
    labels = coarse.repeat(4, -1).repeat(4, -2)
    labels[rng.random(shape) < 0.1] = 0
    session = session_of(labels)
    states = [labels.copy()]
    for name, number in steps:
        there = sorted(session.objects)
        if not there:
            break
        some = [there[i % len(there)] for i in range(number % 7, number % 7 + 2)]
        before = session.labels.copy()
        try:
            result = EDITS[name](session.edit, some, number)
        except ValueError as error:
            assert len(str(error)) > 20
            assert np.array_equal(session.labels, before)
            continue
        after = session.labels
        assert areas(session) == counted(after)
        named = [*some, *result.made]
        if name == "cut":
            named = [*result.changed, *result.made]
            assert len(result.changed) == 1
        changed = before != after
        assert np.isin(before[changed], [0, *named]).all()
        assert np.isin(after[changed], [0, *named]).all()
        assert np.count_nonzero(changed) == result.pixels
        for label in result.made:
            assert label not in before and label in after
        for label in result.gone:
            assert label in before and label not in after
        if name in ("stroke", "cut", "pieces", "merge"):
            assert np.array_equal(before > 0, after > 0)
        if result:
            states.append(after.copy())
    for wanted in reversed(states[:-1]):
        assert session.undo()
        assert np.array_equal(session.labels, wanted)
        assert areas(session) == counted(wanted)
    assert not session.can_undo
    for wanted in states[1:]:
        assert session.redo()
        assert np.array_equal(session.labels, wanted)
