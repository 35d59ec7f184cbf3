import gc

import numpy as np
from fake_predictor import FakePredictor
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sam.ops.types import MaskPrediction
from napari_sam.workflows.session.answer_cache import AnswerCache
from napari_sam.workflows.session.answering import Answering, Job
from napari_sam.workflows.session.prompt_history import make_question


def answer(n=100):
    return MaskPrediction(
        np.zeros((1, 1, 1), bool),
        np.zeros(0, np.float32),
        np.zeros((1, 1, n // 4), np.float32),
    )


def question(column):
    return make_question((10, 10), [(1, column)], [1])


def test_the_least_recently_used_answer_goes_first():
    answering = Answering(AnswerCache(250))
    first, second, third = question(1), question(2), question(3)
    answering.put(first, answer())
    answering.put(second, answer())
    assert answering.get(first) is not None
    answering.put(third, answer())
    assert answering.get(second) is None
    assert answering.get(first) is not None
    assert answering.get(third) is not None


def test_the_latest_answer_stays_however_large():
    answering = Answering(AnswerCache(10))
    asked = question(1)
    answering.put(asked, answer())
    assert answering.get(asked) is not None


def test_an_answer_given_twice_counts_once():
    cache = AnswerCache(250)
    answering = Answering(cache)
    first, second = question(1), question(2)
    for _ in range(5):
        answering.put(first, answer())
    answering.put(second, answer())
    assert answering.get(first) is not None
    assert cache.nbytes == 202


masks = arrays(np.bool_, array_shapes(min_dims=3, max_dims=3, max_side=9))


@given(masks)
def test_older_answers_come_back_bit_for_bit(given_masks):
    rng = np.random.default_rng(0)
    count = len(given_masks)
    prediction = MaskPrediction(
        given_masks,
        rng.normal(size=count).astype(np.float32),
        rng.normal(size=(count, 4, 4)).astype(np.float32),
        (0, 1, 2, 3),
    )
    answering = Answering(AnswerCache(10**6))
    asked = question(1)
    answering.put(asked, prediction)
    assert answering.get(asked) is prediction
    for column in range(2, 6):
        answering.put(question(column), answer())
    found = answering.get(asked)
    assert found is not prediction
    assert found is answering.get(asked)
    assert found.masks.dtype == np.bool_
    np.testing.assert_array_equal(found.masks, given_masks)
    np.testing.assert_array_equal(found.logits, prediction.logits)
    np.testing.assert_array_equal(found.scores, prediction.scores)
    assert found.view == (0, 1, 2, 3)


def test_masks_of_older_answers_take_little_room():
    cache = AnswerCache(2**30)
    answering = Answering(cache)
    for i in range(40):
        drawn = np.zeros((3, 1000, 1000), bool)
        drawn[:, i : i + 80, 500:580] = True
        logits = np.zeros((3, 8, 8), np.float32)
        answering.put(question(i % 10), MaskPrediction(drawn, np.ones(3), logits))
    assert len(drawn.tobytes()) == 3_000_000
    assert cache.nbytes < 2 * 3_000_000 + 40 * 4_000


def test_books_share_a_room_and_leave_it():
    cache = AnswerCache(250)
    one, other = Answering(cache), Answering(cache)
    asked = [question(i) for i in range(3)]
    one.put(asked[0], answer())
    other.put(asked[0], answer())
    other.put(asked[1], answer())
    assert one.get(asked[0]) is None
    assert other.get(asked[0]) is not None
    one.put(asked[2], answer())
    other.clear()
    assert other.get(asked[0]) is None
    assert one.get(asked[2]) is not None
    del one
    gc.collect()
    assert cache.nbytes == 0


def test_nothing_to_do_for_an_empty_or_answered_question():
    answering = Answering()
    asked = question(1)
    assert answering.job(make_question((10, 10))) is None
    assert answering.job(asked) is not None
    answering.put(asked, answer())
    assert answering.job(asked) is None


def test_a_box_drawn_by_hand_is_a_hint():
    sam = FakePredictor()
    embedding = sam.embed(np.zeros((10, 10)), scale="whole")
    Job((make_question((10, 10), box=(1, 1, 6, 6)),), None).run(sam, embedding)
    assert sam.asked[0].box.tolist() == [1, 1, 6, 6]
    assert sam.asked[0].loose
