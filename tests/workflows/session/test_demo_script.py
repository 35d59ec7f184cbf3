from pathlib import Path

import numpy as np
import pytest
import tifffile
from fake_predictor import FakePredictor

from napari_sam.io.samples import load_sample
from napari_sam.workflows.session.annotation_session import AnnotationSession
from napari_sam.workflows.session.demo_script import (
    DEMO_OBJECTS,
    DEMO_SAMPLE,
    DemoObject,
    replay,
)


@pytest.fixture
def nuclei():
    """The true nuclei of the sample, as StarDist ships them (BSD-3)."""
    return tifffile.imread(Path(__file__).parents[2] / "data" / "nuclei_2d_labels.tif")


def make_session(shape):
    return AnnotationSession(np.zeros(shape, np.uint8), model=FakePredictor())


def test_each_object_is_answered_and_kept_but_the_last():
    session = make_session(load_sample(DEMO_SAMPLE).shape)
    answers = list(replay(session))
    kept = sum(item.is_kept for item in DEMO_OBJECTS)
    assert [answer.label for answer in answers] == [*range(1, kept + 1), None]
    assert len(answers[0].scores) == 3
    assert set(np.unique(session.labels)) == set(range(kept + 1))
    assert not session.draft.is_empty  # the last object is in hand


def test_prompts_are_said_as_written():
    session = make_session((60, 60))
    item = DemoObject(points=((20, 20), (30, 30)), background=((20, 29),))
    (answer,) = replay(session, [item])
    record = session.objects[answer.label]
    prompts = record.latest.draft.question.prompts
    np.testing.assert_array_equal(prompts.points, [(20, 20), (30, 30), (20, 29)])
    np.testing.assert_array_equal(prompts.labels, [1, 1, 0])
    assert answer.area == len(record.latest.pixels)


def test_every_click_of_the_demonstration_lies_on_the_nucleus_that_it_means(nuclei):
    for item in DEMO_OBJECTS:
        on = {int(nuclei[point]) for point in item.points}
        off = {int(nuclei[point]) for point in item.background}
        assert 0 not in on
        assert len(on) == (1 if item.points else 0)
        assert on.isdisjoint(off)
