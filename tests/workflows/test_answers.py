import numpy as np

from napari_sam.ops.types import MaskPrediction
from napari_sam.workflows.answers import AnswerBook, Job
from napari_sam.workflows.drafts import make_question


def answer(n=100):
    return MaskPrediction(
        np.zeros((1, 1, n), bool),
        np.zeros(0, np.float32),
        np.zeros((0, 1, 1), np.float32),
    )


def question(column):
    return make_question((10, 10), [(1, column)], [1])


def test_the_least_recently_used_answer_goes_first():
    book = AnswerBook(max_bytes=250)
    first, second, third = question(1), question(2), question(3)
    book.put(first, answer())
    book.put(second, answer())
    assert book.get(first) is not None
    book.put(third, answer())
    assert book.get(second) is None
    assert book.get(first) is not None
    assert len(book) == 2


def test_the_latest_answer_stays_however_large():
    book = AnswerBook(max_bytes=10)
    asked = question(1)
    book.put(asked, answer())
    assert book.get(asked) is not None


def test_an_answer_given_twice_counts_once():
    book = AnswerBook(max_bytes=250)
    first, second = question(1), question(2)
    for _ in range(5):
        book.put(first, answer())
    book.put(second, answer())
    assert len(book) == 2


def test_nothing_to_do_for_an_empty_or_answered_question():
    book = AnswerBook()
    asked = question(1)
    assert book.job(make_question((10, 10))) is None
    assert book.job(asked) is not None
    book.put(asked, answer())
    assert book.job(asked) is None


class Listens:
    """Keeps what it was asked."""

    def predict_prompts(self, embedding, prompts, multimask=None):
        self.prompts = prompts
        return answer()


def test_a_box_drawn_by_hand_is_a_hint():
    listens = Listens()
    Job((make_question((10, 10), box=(1, 1, 6, 6)),), None).run(listens, None)
    assert listens.prompts.box.tolist() == [1, 1, 6, 6]
    assert listens.prompts.loose
