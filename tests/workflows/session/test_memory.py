"""What a session keeps of each object, for as long as it lives."""

import gc
import tracemalloc

import numpy as np
import pytest
from fake_predictor import disc

from napari_sam.ops.types import MaskPrediction
from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.answering import SHARED_CACHE

SIDE = 256
PLACES = [(r, c) for r in range(20, SIDE, 30) for c in range(20, SIDE, 30)]
COUNT = len(PLACES)


def answer(session):
    """Answer as a model would, each question with its last point's disc."""
    job = session.prompting.job()
    for question in job.chain if job else ():
        if len(question.prompts.points):
            masks = disc((SIDE, SIDE), question.prompts.points[0], 12)[None]
        else:
            masks = question.mask[None]
        found = MaskPrediction(masks, np.ones(1, np.float32), np.zeros((1, 8, 8)))
        session.prompting.deliver([(question, found)])


def click(session, place):
    session.set_prompts([place], [1])
    answer(session)
    session.set_prompts([place, (1, 1)], [1, 0])
    answer(session)


def paint(session, place):
    """Paint an object in two strokes, and erase a part of it."""
    for radius, erase in ((10, False), (12, False), (3, True)):
        session.paint(disc((SIDE, SIDE), place, radius), erase)
        answer(session)


def held_for_each(do, monkeypatch):
    """Return bytes that a session holds for each object, answers left out."""
    monkeypatch.setattr(SHARED_CACHE, "max_bytes", 1)
    labels = np.ones((3, SIDE, SIDE), np.int32)
    labels[:] = 0
    session = AnnotationSession(labels=labels)
    for plane in range(3):
        if plane == 1:  # all that is made once is there
            gc.collect()
            tracemalloc.start()
            before, _ = tracemalloc.get_traced_memory()
        session.go_to((plane, None, None))
        for place in PLACES:
            do(session, place)
            session.commit()
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(session.objects) == 3 * COUNT
    return (after - before) / (2 * COUNT)


@pytest.mark.parametrize(("do", "most"), [(click, 8_000), (paint, 12_000)])
def test_an_object_takes_a_few_kilobytes(monkeypatch, do, most):
    assert held_for_each(do, monkeypatch) < most


def test_an_object_in_hand_again_takes_no_plane(monkeypatch):
    def correct(session, place):
        click(session, place)
        label = session.commit()
        canvas = session.labels[session.plane.slicer]
        canvas[place[0] - 2 : place[0] + 2, place[1] - 2 : place[1] + 2] = 0
        session.reopen(label)
        assert session.mask.sum() == (canvas == label).sum()

    assert held_for_each(correct, monkeypatch) < 20_000


def test_an_object_that_is_deleted_takes_a_few_kilobytes(monkeypatch):
    def deleted(session, place):
        for _ in range(4):
            click(session, place)
            session.delete(session.commit())
        click(session, place)

    assert held_for_each(deleted, monkeypatch) / 5 < 8_000
