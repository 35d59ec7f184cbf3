"""The same clicks give the same masks, whatever was dropped or packed meanwhile."""

import numpy as np
import pytest
from tiny_network import tiny_predictor

from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.answering import SHARED_CACHE

IMAGE = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
CLICKS = [((r, c), bool((r + c) % 3)) for r in range(10, 90, 16) for c in (20, 70, 95)]


@pytest.fixture(scope="module")
def sam():
    return tiny_predictor()


def seen(session):
    found = session.candidates
    if found is None:
        return None
    parts = (found.masks, found.scores, found.logits, session.mask)
    return b"".join(part.tobytes() for part in parts)


def work(sam):
    """Click, choose, keep; then undo all and do it again. Return all that is seen."""
    session = AnnotationSession(IMAGE, model=sam, overlap="overwrite")
    found = []
    for number, (place, positive) in enumerate(CLICKS):
        session.add_point(place, positive)
        found.append(seen(session))
        if number % 2:
            session.cycle()
        if number % 3 == 2 and session.mask.any():
            session.commit()
        found.append(seen(session))
    steps = 0
    while session.undo():
        found.append(seen(session))
        steps += 1
    while session.redo():
        found.append(seen(session))
    assert steps > 20
    return found, session.labels


@pytest.mark.parametrize("max_bytes", [1, 300_000])
def test_dropped_and_packed_answers_change_no_mask(sam, monkeypatch, max_bytes):
    monkeypatch.setattr(SHARED_CACHE, "max_bytes", 2**30)
    monkeypatch.setattr(SHARED_CACHE, "unpacked", 10**6)
    expected, labels = work(sam)
    monkeypatch.undo()
    monkeypatch.setattr(SHARED_CACHE, "max_bytes", max_bytes)
    found, again = work(sam)
    assert found == expected
    np.testing.assert_array_equal(again, labels)
