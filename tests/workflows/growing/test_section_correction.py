"""Clicks that correct a cross section: they hold, and the rest follows."""

import numpy as np
from balls import BallPredictor, draw_balls
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from stand_in import StandIn

from napari_sam import AnnotationSession
from napari_sam.ops.types import MaskPrediction, Prompts
from napari_sam.workflows.growing.section_correction import (
    correct_section,
    most_like,
    move_outline,
)
from napari_sam.workflows.session.provenance import draft_from_json, draft_to_json

SHAPE = (40, 60)


def disc(radius, centre=(20, 30)):
    rows, cols = np.indices(SHAPE)
    return np.hypot(rows - centre[0], cols - centre[1]) <= radius


def iou(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


class Told(StandIn):
    """Answers with three masks that it is told."""

    masks = ()

    def answer(self, embedding, prompts, count):
        masks = np.array(self.masks[:count])
        logits = np.zeros((count, 4, 4), np.float32)
        return MaskPrediction(masks, np.array([0.9, 0.8, 0.7], np.float32), logits)


def correct(masks, section, points, labels):
    model = Told(64)
    model.masks = masks
    embedding = model.embed(np.zeros(SHAPE, np.uint8), scale="whole")
    answer = correct_section(model, embedding, Prompts.make(points, labels), section)
    return answer, model.asked[0]


@given(arrays(bool, (9, 12)), st.integers(0, 8), st.integers(0, 11), st.booleans())
def test_a_moved_outline_holds_to_the_point_and_only_grows_or_shrinks(
    mask, row, col, is_inside
):
    moved = move_outline(mask, np.array([row, col]), is_inside)
    if mask.any():
        assert moved[row, col] == is_inside
    assert not (mask & ~moved).any() if is_inside else not (moved & ~mask).any()


def test_a_click_beside_what_grew_takes_the_candidate_of_that_size():
    masks = [disc(22), disc(9), disc(3)]
    answer, asked = correct(masks, disc(5), [(20, 38)], [1])
    assert iou(answer.masks[0], disc(9)) > 0.75 and answer.masks[0][20, 38]
    assert asked.points.tolist() == [[20, 38], [20, 30]]  # and deep in what grew
    assert asked.labels.tolist() == [1, 1] and asked.mask_logits is not None
    assert list(answer.scores) == sorted(answer.scores, reverse=True)


def test_a_click_that_says_not_here_shrinks_it():
    masks = [disc(10), disc(6), disc(2)]
    answer, asked = correct(masks, disc(10), [(20, 38)], [0])
    first = answer.masks[0]
    assert iou(first, disc(6)) > 0.7 and not first[20, 38]
    assert asked.labels.tolist() == [0, 1]


def test_one_click_after_the_other_moves_it_on():
    masks = [disc(9)] * 3
    answer, _ = correct(masks, disc(5), [(20, 37), (20, 39)], [1, 1])
    assert answer.masks[0][20, 39] and iou(answer.masks[0], disc(9)) > 0.9


def test_a_large_wrong_candidate_does_not_come_far():
    answer, _ = correct([np.ones(SHAPE, bool)] * 3, disc(5), [(20, 36)], [1])
    assert not (answer.masks[0] & ~disc(12.5)).any()


def test_where_nothing_grew_the_candidate_most_like_its_neighbour_comes_first():
    masks = np.array([disc(18), disc(6), disc(2)])
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    logits = np.arange(3, dtype=np.float32)[:, None, None]
    answer = most_like(MaskPrediction(masks, scores, logits), disc(7))
    assert np.array_equal(answer.masks[0], disc(6))
    assert answer.scores[0] == scores[1] and answer.logits[0, 0, 0] == 1


def test_what_was_corrected_is_written_down_and_read_back():
    truth = draw_balls((15, *SHAPE), [(7, 16, 16, 6)])
    image = np.where(truth > 0, 200, 20).astype(np.uint8)
    session = AnnotationSession(
        image, model=BallPredictor(64), axis=0, contrast_limits=(0, 255)
    )
    for plane, position in ((7, (16, 16)), (9, (16, 17)), (14, (16, 16))):
        session.go_to((plane, None, None))
        session.add_point(position)
        assert session.grown.planes
        read = draft_from_json(draft_to_json(session.draft), SHAPE)
        question, known = read.question, session.draft.question
        if plane == 9:
            before = question.refines.question
            assert before.has_grown and not question.has_grown
            assert np.array_equal(before.outline, known.refines.question.outline)
        if plane == 14:  # nothing had grown there
            assert question.refines is None
            assert np.array_equal(question.beside, known.beside)
            assert known.beside.any()


def test_what_was_painted_on_a_section_is_part_of_what_a_click_corrects():
    truth = draw_balls((15, *SHAPE), [(7, 16, 16, 6)])
    image = np.where(truth > 0, 200, 20).astype(np.uint8)
    model = BallPredictor(64)
    session = AnnotationSession(image, model=model, axis=0, contrast_limits=(0, 255))
    session.go_to((7, None, None))
    session.add_point((16, 16))
    assert 9 in session.grown.planes
    session.go_to((9, None, None))
    dab = np.zeros(SHAPE, bool)
    dab[15:18, 23:26] = True
    session.paint(dab)
    session.add_point((16, 17))
    assert session.candidates.masks[0].any()
    told = next(one for one in reversed(model.asked) if one.mask_logits is not None)
    assert (told.mask_logits[15:18, 23:26] > 0).all()
