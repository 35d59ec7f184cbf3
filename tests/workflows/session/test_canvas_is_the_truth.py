"""Objects are what the canvas shows, whoever wrote there."""

import numpy as np
import pytest
from fake_predictor import FakePredictor, disc

from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.committing import OverlapError

SHAPE = (40, 50)


def make_session(shape=SHAPE, **options):
    return AnnotationSession(
        np.zeros(shape, np.uint8), model=FakePredictor(), **options
    )


def place(session, *positions):
    labels = []
    for position in positions:
        session.add_point(position)
        labels.append(session.commit())
    return labels


# --- what is listed -------------------------------------------------------------


def test_an_object_that_was_erased_by_hand_is_gone_and_comes_back_with_its_pixels():
    session = make_session()
    session.class_name = "cell"
    place(session, (10, 10), (30, 40))
    before = session.labels.copy()
    session.labels[before == 1] = 0
    assert list(session.objects) == [2]
    assert session.table()["index"].tolist() == [2]
    session.labels[:] = before
    assert session.objects[1].class_name == "cell"
    assert session.objects[1].latest is not None


def test_another_object_under_the_number_of_one_that_was_erased_is_not_taken_for_it():
    session = make_session()
    session.class_name = "cell"
    place(session, (10, 10))
    session.labels[:] = 0
    assert not session.objects
    session.labels[30:35, 30:35] = 1
    record = session.objects[1]
    assert (record.class_name, record.outlines) == ("", ())
    assert record.plane == Plane((None, None))


def test_an_object_that_another_one_swallowed_is_in_no_table():
    session = make_session(overlap="overwrite")
    session.add_point((20, 25))
    session.choose(2)
    session.commit()
    session.add_point((20, 25))
    session.choose(1)
    session.commit()
    assert list(session.objects) == [2]
    session.undo()
    assert list(session.objects) == [1]


def test_painted_objects_are_counted_and_numbered_after():
    session = make_session()
    session.labels[2:5, 2:5] = 7
    assert list(session.objects) == [7]
    assert place(session, (20, 25)) == [8]


def test_a_class_can_be_given_to_what_somebody_else_drew():
    labels = np.zeros(SHAPE, np.uint16)
    labels[5:9, 5:9] = 3
    session = make_session(labels=labels)
    session.set_class(3, "debris")
    (row,) = session.table().to_dict("records")
    assert (row["index"], row["class"], row["prompts"]) == (3, "debris", "")
    assert np.isnan(row["score"])
    again = make_session(labels=labels)
    assert again.adopt(session.table()) == [3]
    assert again.classes.names == ("debris",)


# --- handwork --------------------------------------------------------------------


def test_what_was_corrected_by_hand_is_what_is_edited_and_kept():
    session = make_session()
    place(session, (20, 25))
    session.labels[20:27, 20:30] = 0
    session.labels[10, 10:14] = 1
    by_hand = session.labels.copy()
    session.reopen(1)
    assert np.array_equal(session.mask, by_hand == 1)
    assert session.commit() == 1
    assert np.array_equal(session.labels, by_hand)
    session.reopen(1)
    assert np.array_equal(session.mask, by_hand == 1)


def test_clicks_refine_what_was_corrected_by_hand_and_the_handwork_holds():
    session = make_session()
    place(session, (20, 25))
    made = session.labels == 1
    session.labels[20:22, 24:27] = 0
    session.labels[10, 10:14] = 1
    session.reopen(1)
    session.add_point((20, 40))
    assert session.mask[20, 40]
    fed = session.prompting.predictor.asked[-1].mask_logits
    assert np.array_equal(fed > 0, session.labels == 1)
    assert session.mask[10, 10:14].all()
    assert not session.mask[20:22, 24:27].any()
    session.undo()
    assert np.array_equal(session.mask, session.labels == 1)
    assert not np.array_equal(session.labels == 1, made)


def test_handwork_is_known_the_next_day():
    old = make_session()
    place(old, (20, 25))
    table = old.table()
    old.labels[18:24, 20:30] = 0
    labels = old.labels.copy()
    new = make_session(labels=labels)
    new.adopt(table)
    new.reopen(1)
    assert np.array_equal(new.mask, labels == 1)
    new.commit()
    assert np.array_equal(new.labels, labels)
    assert new.objects[1].latest.draft.question.prompts.points.tolist() == [[20, 25]]


def test_painted_and_erased_pixels_of_the_mask_hold():
    session = make_session()
    session.add_point((20, 25))
    erased = np.zeros(SHAPE, bool)
    erased[18:22, 27:35] = True
    painted = np.zeros(SHAPE, bool)
    painted[2:4, 2:9] = True
    assert session.paint(erased, erase=True)
    assert session.paint(painted)
    wanted = disc(SHAPE, (20, 25), 6) & ~erased | painted
    assert np.array_equal(session.mask, wanted)
    session.cycle()
    assert np.array_equal(session.mask, disc(SHAPE, (20, 25), 9) & ~erased | painted)
    session.add_point((30, 25))
    assert not session.mask[erased].any()
    assert session.mask[painted].all()
    session.commit()
    assert (session.labels[painted] == 1).all() and not session.labels[erased].any()
    session.undo()
    session.undo()
    session.undo()
    session.undo()
    assert np.array_equal(session.mask, disc(SHAPE, (20, 25), 6) & ~erased)


def test_a_later_click_takes_back_what_was_erased_there():
    session = make_session()
    session.add_point((20, 25))
    erased = np.zeros(SHAPE, bool)
    erased[18:22, 27:31] = True
    session.paint(erased, erase=True)
    session.add_point((20, 29))
    assert session.mask[20, 29]


def test_painting_where_nothing_was_said_is_a_prompt():
    session = make_session()
    stroke = np.zeros(SHAPE, bool)
    stroke[20, 20:30] = True
    assert not session.paint(stroke, erase=True)
    session.paint(stroke)
    assert session.prompting.predictor.asked == []
    assert session.mask[stroke].all()
    assert session.prompting.predictor.asked[-1].mask_logits is not None


def test_edits_of_pixels_survive_in_the_table():
    session = make_session()
    session.add_point((20, 25))
    session.paint(np.arange(50) < 23 + np.zeros((40, 1)), erase=True)
    session.commit()
    labels = session.labels.copy()
    new = make_session(labels=labels)
    new.adopt(session.table())
    new.reopen(1)
    assert np.array_equal(new.mask, labels == 1)
    assert new.commit() == 1
    assert np.array_equal(new.labels, labels)


# --- planes ----------------------------------------------------------------------


def followed(planes=5):
    """Return a session with object 1 clicked on plane 2, its copies on the others."""
    session = make_session((planes, 40, 50))
    session.go_to((2, None, None))
    place(session, (20, 25))
    session.labels[:] = session.labels[2]
    return session


def test_an_outline_is_edited_on_the_plane_that_is_shown():
    session = followed()
    session.go_to((4, None, None))
    session.reopen(1)
    assert session.plane == Plane((4, None, None))
    session.add_point((20, 40))
    session.commit()
    assert (session.labels[4] == 1)[20, 40]
    assert np.array_equal(session.labels[2] == 1, disc(SHAPE, (20, 25), 6))
    assert [one.plane.index[0] for one in session.objects[1].outlines] == [2, 4]
    session.go_to((2, None, None))
    session.reopen(1)
    assert session.draft.question.prompts.points.tolist() == [[20, 25]]


def test_an_outline_is_deleted_on_the_plane_that_is_shown_or_everywhere():
    session = followed()
    before = session.labels.copy()
    session.go_to((4, None, None))
    session.delete(1, here=True)
    assert not session.labels[4].any()
    assert np.array_equal(session.labels[:4], before[:4])
    assert list(session.objects) == [1]
    with pytest.raises(ValueError, match="no object 1 on this plane"):
        session.delete(1, here=True)
    session.undo()
    assert np.array_equal(session.labels, before)
    session.delete(1)
    assert not session.labels.any()
    session.undo()
    assert np.array_equal(session.labels, before)


def test_outlines_of_several_planes_survive_in_the_table():
    session = followed()
    session.go_to((4, None, None))
    session.reopen(1)
    session.add_point((20, 40))
    session.commit()
    new = make_session((5, 40, 50), labels=session.labels.copy())
    assert new.adopt(session.table()) == [1]
    assert new.table().equals(session.table())
    new.go_to((2, None, None))
    new.reopen(1)
    assert new.draft.question.prompts.points.tolist() == [[20, 25]]


def test_an_object_across_the_outer_axes_is_deleted_whole():
    session = make_session((30, 4, 50))
    session.go_to((None, 2, None))
    place(session, (15, 20))
    session.labels[:, 3] = session.labels[:, 2]
    before = session.labels.copy()
    session.delete(1)
    assert not session.labels.any()
    session.undo()
    assert np.array_equal(session.labels, before)


# --- who gets a pixel --------------------------------------------------------------


def test_a_sliver_is_not_kept_in_silence():
    session = make_session()
    place(session, (20, 25))
    session.add_point((20, 27))
    with pytest.raises(OverlapError, match="more than half of the mask belongs to"):
        session.commit()
    assert not session.draft.is_empty
    session.overlap = "overwrite"
    assert session.commit() == 2
    assert (session.labels == 2)[disc(SHAPE, (20, 27), 6)].all()


def test_pieces_that_another_object_cuts_off_are_left_out():
    labels = np.zeros(SHAPE, np.int32)
    labels[:, 20] = 9
    session = make_session(labels=labels)
    session.add_point((20, 25))
    session.commit()
    assert not (labels[:, :20] == 10).any()
    assert (labels[:, 21:] == 10).sum() == disc(SHAPE, (20, 25), 6)[:, 21:].sum()


def test_a_split_leaves_no_rim_of_the_old_number():
    labels = np.zeros(SHAPE, np.int32)
    labels[11:30, 17:45] = 4
    session = make_session(labels=labels, overlap="overwrite")
    session.add_point((20, 25))
    session.choose(1)
    session.commit()
    half = labels == 5
    assert half[disc(SHAPE, (20, 25), 9)].all()
    rest = labels == 4
    assert rest[:, :30].sum() == 0
    assert rest[11:30, 36:45].all()
    session.undo()
    assert (labels[11:30, 17:45] == 4).all()


# --- whole or not at all -------------------------------------------------------------


class Failing:
    """A canvas whose second write fails half-way."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype, self.is_large = array.shape, array.dtype, False
        self.fails = False

    def read(self, plane):
        return plane.take(self.array)

    def write(self, plane, rows, cols, values):
        half = len(rows) // 2 if self.fails else len(rows)
        self.restore(plane, rows[:half], cols[:half], values[:half])
        if self.fails:
            raise IndexError("the view is not loaded")

    def restore(self, plane, rows, cols, values):
        self.array[plane.indices(rows, cols)] = values

    def one_step(self):
        from contextlib import nullcontext

        return nullcontext()


def test_what_fails_in_its_middle_changes_nothing():
    canvas = Failing(np.zeros(SHAPE, np.int32))
    session = make_session(labels=canvas)
    place(session, (10, 10))
    before = canvas.array.copy()
    session.add_point((30, 40))
    canvas.fails = True
    for action in (session.commit, session.undo, lambda: session.delete(1)):
        if action == session.undo:
            session.undo()  # the prompt, which writes nothing
        with pytest.raises(IndexError):
            action()
        assert np.array_equal(canvas.array, before)
        assert list(session.objects) == [1]
    canvas.fails = False
    assert session.undo()
    assert not canvas.array.any()
    assert session.redo()
    assert np.array_equal(canvas.array, before)


# --- saved and read back -------------------------------------------------------------


def test_the_table_of_what_was_corrected_by_hand_stays_as_it_is_from_day_to_day():
    first = make_session()
    place(first, (20, 25))
    made = first.labels.copy()
    first.labels[20:27, 20:30] = 0
    second = make_session(labels=first.labels.copy())
    second.adopt(first.table())
    assert second.table().equals(first.table())
    third = make_session(labels=made.copy())
    third.adopt(second.table())
    third.reopen(1)
    assert third.draft.question.outline is None


def test_the_table_tells_where_what_others_drew_lies_now():
    labels = np.zeros((3, 40, 50), np.int32)
    labels[0, 5:9, 5:9] = 3
    session = make_session(labels.shape, labels=labels)
    session.set_class(3, "cell")
    assert session.table()["plane"].tolist() == ["[0, null, null]"]
    labels[2], labels[0] = labels[0].copy(), 0
    assert session.table()["plane"].tolist() == ["[2, null, null]"]
    again = make_session(labels.shape, labels=labels)
    again.adopt(session.table())
    assert again.table().equals(session.table())


# --- other planes that others wrote to -----------------------------------------------


def test_a_number_that_others_use_on_another_plane_is_not_given_out():
    session = make_session((3, 40, 50))
    session.labels[2, 5:9, 5:9] = 1
    assert place(session, (20, 25)) == [2]
    session.labels[1, 5:9, 5:9] = 3
    assert session.state.next_label == 4


def test_what_others_drew_on_another_plane_stays_when_it_is_deleted_here():
    session = make_session((3, 40, 50))
    place(session, (20, 25))
    session.labels[2, 5:9, 5:9] = 1
    session.delete(1, here=True)
    assert not session.labels[0].any()
    assert list(session.objects) == [1]
    assert session.state.next_label == 2


def test_an_outline_is_deleted_on_the_plane_that_is_shown_across_the_outer_axes():
    session = make_session((30, 4, 50))
    session.labels[5:20, :, 10:30] = 3
    before = session.labels.copy()
    session.go_to((None, 2, None))
    session.delete(3, here=True)
    assert not session.labels[:, 2].any()
    assert np.array_equal(session.labels[:, [0, 1, 3]], before[:, [0, 1, 3]])
    assert list(session.objects) == [3]
    session.undo()
    assert np.array_equal(session.labels, before)


def test_what_was_painted_over_a_neighbour_is_not_in_hand_after_handwork():
    labels = np.zeros(SHAPE, np.int32)
    labels[20, 30:40] = 9
    session = make_session(labels=labels)
    session.add_point((20, 25))
    painted = np.zeros(SHAPE, bool)
    painted[20, 25:40] = True
    session.paint(painted)
    session.commit()
    labels[26, 25] = 0
    session.reopen(10)
    assert np.array_equal(session.mask, labels == 10)


def test_a_rim_that_was_taken_over_is_in_hand_after_handwork():
    labels = np.zeros(SHAPE, np.int32)
    labels[11:30, 17:45] = 4
    session = make_session(labels=labels, overlap="overwrite")
    session.add_point((20, 25))
    session.choose(1)
    erased = np.zeros(SHAPE, bool)
    erased[11:13] = True
    session.paint(erased, erase=True)
    session.commit()
    assert (labels[11:13] == 5).any()
    labels[28:30, 20:30] = 0
    labels[20, 20] = 0
    session.reopen(5)
    assert np.array_equal(session.mask, labels == 5)


def test_objects_on_planes_that_were_never_shown_are_listed_and_numbered_after():
    labels = np.zeros((3, 40, 50), np.int32)
    labels[2, 5:9, 5:9] = 7
    session = make_session(labels.shape, labels=labels)
    assert place(session, (20, 25)) == [8]
    assert sorted(session.objects) == [7, 8]
    session.delete(7)
    assert not labels[2].any()


@pytest.mark.parametrize("here", [True, False])
def test_what_was_drawn_anew_under_a_deleted_number_comes_back_from_beneath(here):
    session = make_session((2, 40, 50), overlap="overwrite")
    place(session, (20, 25))
    session.labels[1, :3, :3] = 1
    session.delete(1, here=here)
    session.labels[0, 10:30, 10:40] = 1
    drawn = session.labels.copy()
    (label,) = place(session, (20, 25))
    session.delete(label)
    assert np.array_equal(session.labels, drawn)
