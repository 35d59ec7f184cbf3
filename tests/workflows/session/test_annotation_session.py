"""The annotation session, against a stand-in for the model."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from fake_predictor import FakePredictor, disc

from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.annotation_session import AnnotationSession

SHAPE = (40, 50)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def make_session(shape=SHAPE, **options):
    image = np.zeros(shape, np.uint8)
    return AnnotationSession(image, model=FakePredictor(), clock=lambda: NOW, **options)


def place(session, *positions):
    """Commit one object for each position."""
    labels = []
    for position in positions:
        session.add_point(position)
        labels.append(session.commit())
    return labels


# --- prompts and candidates ---------------------------------------------------


def test_one_click_gives_three_candidates_best_first():
    session = make_session()
    assert session.candidates is None
    session.add_point((20, 25))
    assert session.candidates.scores.tolist() == pytest.approx([0.9, 0.8, 0.6])
    assert np.array_equal(session.mask, disc(SHAPE, (20, 25), 6))
    assert session.score == pytest.approx(0.9)


def test_the_plane_is_embedded_once_however_many_clicks():
    session = make_session()
    for column in (10, 20, 30):
        session.add_point((20, column))
        assert session.mask is not None
    assert len(session.prompting.predictor.embedded) == 1


def test_cycling_goes_round_and_choosing_out_of_range_is_refused():
    session = make_session()
    session.add_point((20, 25))
    seen = []
    for _ in range(4):
        seen.append(session.choice)
        session.cycle()
    assert seen == [0, 1, 2, 0]
    with pytest.raises(ValueError, match="candidate 3 does not exist, there are 3"):
        session.choose(3)


def test_a_further_click_refines_the_chosen_candidate():
    session = make_session()
    session.add_point((20, 25))
    session.choose(1)
    session.add_point((20, 25 + 8), positive=False)
    fed = session.prompting.predictor.asked
    assert session.mask is not None
    assert np.array_equal(fed[-1].mask_logits > 0, disc(SHAPE, (20, 25), 9))
    wanted = disc(SHAPE, (20, 25), 9) & ~disc(SHAPE, (20, 33), 3)
    wanted |= disc(SHAPE, (20, 25), 6) & ~disc(SHAPE, (20, 33), 3)
    assert np.array_equal(session.mask, wanted)


def test_without_feedback_every_answer_is_fresh():
    session = make_session(feedback=False)
    session.add_point((20, 25))
    session.choose(1)
    session.add_point((20, 35))
    assert session.mask is not None
    assert session.prompting.predictor.asked[-1].mask_logits is None


def test_a_moved_point_is_answered_afresh():
    session = make_session()
    session.set_prompts([(10, 10), (12, 12)], [1, 1])
    session.set_prompts([(10, 10), (30, 40)], [1, 1])
    assert session.mask is not None
    assert session.prompting.predictor.asked[-1].mask_logits is None


def test_the_same_prompts_again_are_no_step():
    session = make_session()
    assert session.set_prompts([(10, 10)], [1])
    assert not session.set_prompts([(10, 10)], [1])
    session.undo()
    assert not session.can_undo


def test_a_box_is_cut_at_the_border_and_gives_candidates():
    session = make_session()
    session.set_box((-5, 30, 10, 99))
    assert session.draft.question.prompts.box.tolist() == [0, 30, 10, 50]
    assert session.mask[:10, 30:].all()


def test_a_mask_prompt_brings_its_box():
    drawn = np.zeros(SHAPE, bool)
    drawn[5:9, 10:20] = True
    session = make_session()
    session.set_mask(drawn)
    assert session.mask is not None
    asked = session.prompting.predictor.asked[-1]
    assert asked.box.tolist() == [5, 10, 9, 20]
    assert np.array_equal(asked.mask_logits > 0, drawn)


def test_prompts_that_do_not_fit_are_refused_and_change_nothing():
    session = make_session()
    with pytest.raises(ValueError, match=r"\(60.0, 10.0\) lies outside .*\(40, 50\)"):
        session.add_point((60, 10))
    with pytest.raises(ValueError, match="mask of shape"):
        session.set_mask(np.ones((3, 3), bool))
    assert session.draft.is_empty
    assert not session.can_undo


def test_a_late_caller_gets_the_same_answer_as_one_who_looked_each_time():
    looked, late = make_session(), make_session()
    for session in (looked, late):
        session.add_point((20, 20))
        if session is looked:
            assert session.mask is not None
        session.add_point((20, 30))
        if session is looked:
            assert session.mask is not None
        session.add_point((26, 25), positive=False)
    assert np.array_equal(looked.mask, late.mask)


# --- jobs for another thread --------------------------------------------------


def test_answers_can_be_delivered_late():
    predictor = FakePredictor()
    session = AnnotationSession(labels=np.zeros(SHAPE, np.int32), model_name="m")
    embedding = predictor.embed(np.zeros(SHAPE), scale="whole")
    session.add_point((20, 25))
    job = session.prompting.job()
    session.add_point((20, 30))
    assert session.candidates is None
    session.prompting.deliver(job.run(predictor, embedding))
    assert session.candidates is None
    later = session.prompting.job()
    assert later.known is not None
    assert len(later.chain) == 1
    session.prompting.deliver(later.run(predictor, embedding))
    assert session.prompting.job() is None
    assert session.commit() == 1
    assert session.table()["model"].tolist() == ["m"]


def test_forgotten_answers_are_asked_again_with_their_chain():
    session = make_session()
    session.add_point((20, 25))
    session.add_point((20, 35))
    before = session.mask.copy()
    session.forget_answers()
    assert len(session.prompting.job().chain) == 2
    assert np.array_equal(session.mask, before)


def test_a_session_without_a_model_says_so():
    session = AnnotationSession(labels=np.zeros(SHAPE, np.int32))
    with pytest.raises(ValueError, match="without a predictor or an image"):
        _ = session.prompting.embedding


# --- commit -------------------------------------------------------------------


def test_commit_writes_the_mask_and_starts_the_next_object():
    session = make_session()
    session.add_point((20, 25))
    assert session.commit() == 1
    assert np.array_equal(session.labels, disc(SHAPE, (20, 25), 6).astype(int))
    assert session.draft.is_empty
    assert session.state.next_label == 2


def test_existing_labels_are_kept_and_numbered_after():
    labels = np.zeros(SHAPE, np.uint16)
    labels[20, :] = 41
    session = make_session(labels=labels)
    assert place(session, (20, 25)) == [42]
    assert (labels[20] == 41).all()
    wanted = disc(SHAPE, (20, 25), 6)
    wanted[20] = False
    assert np.array_equal(labels == 42, wanted)


def test_overwrite_takes_the_pixels():
    session = make_session(overlap="overwrite")
    place(session, (20, 20), (20, 24))
    assert np.array_equal(session.labels == 2, disc(SHAPE, (20, 24), 6))


def test_commit_without_a_mask_or_a_free_pixel_is_refused():
    session = make_session()
    with pytest.raises(ValueError, match="nothing to keep yet: say first where"):
        session.commit()
    place(session, (20, 25))
    session.add_point((20, 25))
    with pytest.raises(ValueError, match="every pixel of the mask belongs to object 1"):
        session.commit()
    session.clear()
    session.set_prompts([(10, 10), (10, 10)], [1, 0])
    session.paint(np.ones(SHAPE, bool), erase=True)
    with pytest.raises(ValueError, match="chosen mask is empty"):
        session.commit()
    assert list(session.objects) == [1]


def test_a_click_on_what_it_is_not_alone_is_not_asked():
    session = make_session()
    session.add_point((20, 25), positive=False)
    assert session.candidates is None
    assert session.prompting.job() is None
    with pytest.raises(ValueError, match="say first where"):
        session.commit()
    session.add_point((20, 20))
    assert session.prompting.predictor.asked == []
    assert session.mask[20, 20]
    assert not session.mask[20, 25]


def test_a_label_that_does_not_fit_the_type_is_refused_and_nothing_lost():
    labels = np.zeros(SHAPE, np.uint8)
    labels[0, 0] = 255
    session = make_session(labels=labels)
    session.add_point((20, 25))
    with pytest.raises(ValueError, match="label 256 does not fit"):
        session.commit()
    assert not session.draft.is_empty
    assert np.count_nonzero(labels) == 1


def test_hand_painted_labels_are_stepped_over():
    session = make_session()
    session.labels[0, 0] = 9
    assert session.state.next_label == 10
    session.labels[0, 0] = 0
    session.state.reserve(20)
    assert place(session, (20, 25)) == [21]


def test_labels_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 3\) do not fit .*\(40, 50\)"):
        make_session(labels=np.zeros((3, 3), int))
    with pytest.raises(ValueError, match="must be integers"):
        make_session(labels=np.zeros(SHAPE))
    with pytest.raises(ValueError, match="give an image, or labels"):
        AnnotationSession()


# --- delete and reopen --------------------------------------------------------


def test_delete_frees_the_pixels_and_not_the_number():
    session = make_session()
    place(session, (10, 10), (30, 40))
    session.delete(2)
    assert set(np.unique(session.labels)) == {0, 1}
    assert place(session, (30, 40)) == [3]


def test_delete_gives_overwritten_pixels_back():
    session = make_session(overlap="overwrite")
    labels = session.labels
    labels[18, :] = 5
    place(session, (20, 20), (20, 24))
    session.delete(7)
    wanted = np.where(disc(SHAPE, (20, 20), 6), 6, 0)
    wanted[18] = np.where(wanted[18] == 6, 6, 5)
    assert np.array_equal(labels, wanted)


def test_pixels_of_an_object_that_is_gone_do_not_come_back():
    session = make_session(overlap="overwrite")
    place(session, (20, 20), (20, 24))
    session.delete(1)
    session.delete(2)
    assert not session.labels.any()


def test_reopen_restores_prompts_and_choice_and_leaves_the_label():
    session = make_session()
    session.add_point((20, 25))
    session.choose(2)
    session.commit()
    before = session.labels.copy()
    session.reopen(1)
    assert session.draft.question.prompts.points.tolist() == [[20, 25]]
    assert session.choice == 2
    assert np.array_equal(session.labels, before)
    assert session.state.next_label == 1


def test_recommit_replaces_the_object_under_its_label():
    session = make_session()
    place(session, (20, 20))
    session.reopen(1)
    session.choose(2)
    assert session.commit() == 1
    assert np.array_equal(session.labels, disc(SHAPE, (20, 20), 3).astype(int))
    assert len(session.objects) == 1


def test_shrinking_an_object_gives_back_what_it_had_covered():
    session = make_session(overlap="overwrite")
    place(session, (20, 20), (20, 24))
    session.reopen(2)
    session.choose(2)
    session.commit()
    small = disc(SHAPE, (20, 24), 3)
    assert np.array_equal(session.labels == 2, small)
    assert np.array_equal(session.labels == 1, disc(SHAPE, (20, 20), 6) & ~small)


def test_clearing_a_reopened_object_keeps_it_as_it_was():
    session = make_session()
    place(session, (20, 20))
    before = session.labels.copy()
    session.reopen(1)
    session.clear()
    assert session.draft.is_empty
    assert np.array_equal(session.labels, before)
    assert session.state.next_label == 2


def test_a_foreign_object_reopens_as_it_stands():
    labels = np.zeros(SHAPE, np.int32)
    labels[5:9, 5:9] = 3
    session = make_session(labels=labels)
    session.reopen(3)
    assert np.array_equal(session.mask, labels == 3)
    assert session.prompting.predictor.asked == []
    session.add_point((12, 6))
    assert session.commit() == 3
    assert set(np.unique(labels)) == {0, 3}
    assert labels[5:9, 5:9].all()
    assert labels[12, 6] == 3
    with pytest.raises(ValueError, match="no object 8"):
        session.reopen(8)


def test_the_first_click_on_a_reopened_object_may_take_a_part_away():
    labels = np.zeros(SHAPE, np.int32)
    labels[5:25, 5:25] = 3
    session = make_session(labels=labels)
    session.reopen(3)
    session.add_point((20, 20), False)
    assert not session.draft.is_only_negative
    assert session.mask[8, 8]
    assert not session.mask[20, 20]
    assert session.commit() == 3
    assert labels[8, 8] == 3
    assert labels[20, 20] == 0


def test_objects_of_any_origin_can_be_deleted_and_brought_back():
    labels = np.zeros(SHAPE, np.int32)
    labels[5:9, 5:9] = 3
    labels[20:, 20:] = 1
    before = labels.copy()
    session = make_session(labels=labels)
    assert list(session.objects) == [1, 3]
    session.delete(1)
    assert np.array_equal(labels, np.where(before == 3, 3, 0))
    assert session.table()["index"].tolist() == [3]
    session.undo()
    assert np.array_equal(labels, before)
    with pytest.raises(ValueError, match="no object 8; the objects are 1, 3"):
        session.delete(8)


# --- planes -------------------------------------------------------------------


def test_each_plane_has_its_own_object_in_hand():
    session = make_session((3, 40, 50))
    session.add_point((10, 10))
    session.go_to((2, None, None))
    assert session.draft.is_empty
    session.add_point((30, 30))
    session.commit()
    session.go_to((0, None, None))
    assert session.draft.question.prompts.points.tolist() == [[10, 10]]
    session.commit()
    assert np.array_equal(session.labels[0] == 2, disc(SHAPE, (10, 10), 6))
    assert np.array_equal(session.labels[2] == 1, disc(SHAPE, (30, 30), 6))
    assert not session.labels[1].any()


def test_a_plane_across_the_outer_axes():
    session = make_session((30, 4, 50))
    session.go_to((None, 2, None))
    assert session.plane_shape == (30, 50)
    session.add_point((15, 20))
    session.commit()
    assert np.array_equal(session.labels[:, 2] == 1, disc((30, 50), (15, 20), 6))
    assert session.prompting.predictor.embedded[-1].shape == (30, 50)


def test_undo_goes_to_the_plane_of_the_step():
    session = make_session((3, 40, 50))
    session.add_point((10, 10))
    session.go_to((2, None, None))
    session.undo()
    assert session.plane == Plane((0, None, None))
    assert session.draft.is_empty


def test_a_plane_outside_the_labels_is_refused():
    session = make_session((3, 40, 50))
    with pytest.raises(ValueError, match="lies outside"):
        session.go_to((3, None, None))


def test_colour_images_give_labels_without_the_colour_axis():
    session = make_session((40, 50, 3), rgb=True)
    session.add_point((20, 20))
    session.commit()
    assert session.labels.shape == SHAPE
    assert session.prompting.predictor.embedded[-1].shape == (40, 50, 3)


# --- undo and redo ------------------------------------------------------------


def test_undo_of_a_commit_brings_the_prompts_back():
    session = make_session()
    session.add_point((20, 25))
    session.choose(1)
    session.commit()
    assert session.undo()
    assert not session.labels.any()
    assert session.draft.question.prompts.points.tolist() == [[20, 25]]
    assert session.choice == 1
    assert session.redo()
    assert np.array_equal(session.labels == 1, disc(SHAPE, (20, 25), 9))


def test_undo_and_redo_at_the_ends_say_false():
    session = make_session()
    assert not session.undo()
    assert not session.redo()


def test_undo_leaves_what_was_painted_in_between():
    session = make_session()
    place(session, (20, 25))
    session.labels[20, 25] = 99
    session.labels[0, 0] = 98
    session.undo()
    assert session.labels[20, 25] == 99
    assert session.labels[0, 0] == 98
    assert np.count_nonzero(session.labels) == 2
    session.redo()
    assert session.labels[20, 25] == 99
    assert np.count_nonzero(session.labels == 1) == disc(SHAPE, (20, 25), 6).sum() - 1


# --- provenance ---------------------------------------------------------------


def test_the_table_tells_how_each_object_came_to_be():
    session = make_session()
    session.class_name = "nucleus"
    session.add_point((20, 25))
    session.choose(1)
    session.add_point((20, 40), positive=False)
    session.commit()
    (row,) = session.table().to_dict("records")
    assert row["index"] == 1
    assert row["class"] == "nucleus"
    assert row["score"] == pytest.approx(0.9)
    assert row["model"] == "fake"
    assert row["time"] == "2026-01-02T03:04:05+00:00"
    assert json.loads(row["plane"]) == [None, None]
    prompts = json.loads(row["prompts"])
    assert prompts["points"] == [[20, 25], [20, 40]]
    assert prompts["labels"] == [1, 0]
    assert prompts["earlier"][0]["choice"] == 1


def test_classes_can_be_changed_and_are_listed_once():
    session = make_session()
    session.class_name = "a"
    place(session, (10, 10), (30, 10))
    session.class_name = "b"
    place(session, (30, 40))
    session.set_class(2, "c")
    assert [one.class_name for one in session.objects.values()] == ["a", "c", "b"]
    session.undo()
    assert [one.class_name for one in session.objects.values()] == ["a", "a", "b"]


def test_a_new_session_takes_up_the_objects_of_an_old_one():
    old = make_session()
    old.add_point((20, 25.3))
    old.choose(1)
    old.add_point((20, 33), positive=False)
    old.commit()
    place(old, (8, 8))
    labels = old.labels.copy()
    table = old.table()
    old_mask = labels == 1

    new = make_session(labels=labels)
    assert new.adopt(table) == [1, 2]
    new.reopen(1)
    assert np.array_equal(new.mask, old_mask)
    assert new.table()["prompts"].tolist() == table["prompts"].tolist()


def test_rows_that_do_not_fit_are_left_out_when_taking_up():
    old = make_session()
    old.class_name = "cell"
    place(old, (20, 25), (8, 8))
    table = old.table()
    table.loc[0, "prompts"] = "{"
    labels = np.where(old.labels == 2, 0, old.labels)
    new = make_session(labels=labels)
    assert new.adopt(table) == [1]
    assert new.objects[1].class_name == "cell"
    assert new.objects[1].outlines == ()
    assert list(new.objects) == [1]
    assert make_session(labels=labels).adopt(table.drop(columns="index")) == []


def test_a_mask_prompt_survives_in_the_table():
    drawn = np.zeros(SHAPE, bool)
    drawn[5:9, 10:20] = True
    session = make_session()
    session.set_mask(drawn)
    session.commit()
    new = make_session(labels=session.labels)
    new.adopt(session.table())
    new.reopen(1)
    assert np.array_equal(new.draft.question.mask, drawn)
