"""Words beside clicks in a session: a step of the history, and part of the record."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_network import tiny_predictor

import napari_sam
from napari_sam.workflows.session.provenance import draft_from_json, draft_to_json


@pytest.fixture
def session():
    image = np.random.default_rng(0).uniform(0, 1, (64, 64))
    return napari_sam.AnnotationSession(image, model=tiny_predictor())


def areas(session):
    return session.candidates.masks.sum(axis=(1, 2)).tolist()


def test_words_choose_the_candidate_and_are_undone(session):
    session.add_point((30, 30))
    plain = session.candidates
    assert session.set_text("the whole one")
    assert session.text == "the whole one"
    assert session.candidates.matches is not None
    assert sorted(areas(session)) == sorted(plain.masks.sum(axis=(1, 2)).tolist())
    session.undo()
    assert session.text == ""
    assert session.candidates is plain
    session.redo()
    assert session.text == "the whole one"


def test_words_hold_for_the_objects_to_come_and_are_taken_back(session):
    assert not session.set_text("the small one")
    session.add_point((30, 30))
    assert session.draft.question.text == "the small one"
    session.clear()
    session.add_point((10, 40))
    assert session.candidates.matches is not None
    assert session.set_text("")
    assert session.candidates.matches is None


def test_words_are_written_with_the_prompts_and_read_back(session):
    session.add_point((30, 30))
    session.set_text("the nucleus")
    again = draft_from_json(draft_to_json(session.draft), (64, 64))
    assert again.question.text == "the nucleus"
    assert again.question.same_prompts(session.draft.question)


def test_words_that_say_nothing_are_refused_and_nothing_changes(session):
    session.set_text("the small one")
    with pytest.raises(ValueError, match="nothing is understood of the text 'a car'"):
        session.set_text("a car")
    assert session.text == "the small one"
