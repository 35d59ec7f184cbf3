import gc

import numpy as np
from fake_predictor import FakePredictor
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sam.ops.types import MaskPrediction
from napari_sam.workflows.session.answer_cache import AnswerRoom
from napari_sam.workflows.session.answering import AnswerBook, Job
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
    book = AnswerBook(AnswerRoom(250))
    first, second, third = question(1), question(2), question(3)
    book.put(first, answer())
    book.put(second, answer())
    assert book.get(first) is not None
    book.put(third, answer())
    assert book.get(second) is None
    assert book.get(first) is not None
    assert book.get(third) is not None


def test_the_latest_answer_stays_however_large():
    book = AnswerBook(AnswerRoom(10))
    asked = question(1)
    book.put(asked, answer())
    assert book.get(asked) is not None


def test_an_answer_given_twice_counts_once():
    room = AnswerRoom(250)
    book = AnswerBook(room)
    first, second = question(1), question(2)
    for _ in range(5):
        book.put(first, answer())
    book.put(second, answer())
    assert book.get(first) is not None
    assert room.nbytes == 202


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
    book = AnswerBook(AnswerRoom(10**6))
    asked = question(1)
    book.put(asked, prediction)
    assert book.get(asked) is prediction
    for column in range(2, 6):
        book.put(question(column), answer())
    found = book.get(asked)
    assert found is not prediction
    assert found is book.get(asked)
    assert found.masks.dtype == np.bool_
    np.testing.assert_array_equal(found.masks, given_masks)
    np.testing.assert_array_equal(found.logits, prediction.logits)
    np.testing.assert_array_equal(found.scores, prediction.scores)
    assert found.view == (0, 1, 2, 3)


def test_masks_of_older_answers_take_little_room():
    room = AnswerRoom(2**30)
    book = AnswerBook(room)
    for i in range(40):
        drawn = np.zeros((3, 1000, 1000), bool)
        drawn[:, i : i + 80, 500:580] = True
        logits = np.zeros((3, 8, 8), np.float32)
        book.put(question(i % 10), MaskPrediction(drawn, np.ones(3), logits))
    assert len(drawn.tobytes()) == 3_000_000
    assert room.nbytes < 2 * 3_000_000 + 40 * 4_000


def test_books_share_a_room_and_leave_it():
    room = AnswerRoom(250)
    one, other = AnswerBook(room), AnswerBook(room)
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
    assert room.nbytes == 0


def test_nothing_to_do_for_an_empty_or_answered_question():
    book = AnswerBook()
    asked = question(1)
    assert book.job(make_question((10, 10))) is None
    assert book.job(asked) is not None
    book.put(asked, answer())
    assert book.job(asked) is None


def test_a_box_drawn_by_hand_is_a_hint():
    sam = FakePredictor()
    embedding = sam.embed(np.zeros((10, 10)), scale="whole")
    Job((make_question((10, 10), box=(1, 1, 6, 6)),), None).run(sam, embedding)
    assert sam.asked[0].box.tolist() == [1, 1, 6, 6]
    assert sam.asked[0].loose
