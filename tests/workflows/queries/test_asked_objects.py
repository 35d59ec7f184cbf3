"""Objects that are measured once and asked more than once, with a stand-in model."""

import numpy as np
import pytest
from fake_predictor import FakePredictor, disc
from fake_search import DISCS, record_of

from napari_sam.workflows.queries.asked_objects import AskedObjects
from napari_sam.workflows.queries.find import ask_objects
from napari_sam.workflows.queries.read_text import read_text

SHAPE = (60, 80)


@pytest.fixture(scope="module")
def image():
    return np.linspace(0, 255, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.uint8)


@pytest.fixture(scope="module")
def labels():
    made = np.zeros(SHAPE, np.int32)
    for number, (centre, radius, *_) in enumerate(DISCS, 1):
        made[disc(SHAPE, centre, radius)] = number
    return made


@pytest.mark.parametrize(
    "text",
    [
        "the 2 largest",
        "small objects away from the border",
        "bright things on the left",
        "round objects but not the bright ones",
        "objects larger than 100 px2",
    ],
)
def test_it_chooses_as_find_does(image, labels, text):
    query, model = read_text(text), FakePredictor()
    objects = AskedObjects(image, labels, model)
    chosen = np.flatnonzero(objects.choose(query, 0.5)) + 1
    found = ask_objects(image, labels, query, model=model)
    assert set(chosen) == set(np.unique(labels[found.labels > 0]))


def test_masks_may_lie_in_one_another(image):
    outer, inner = disc(SHAPE, (30, 30), 12), disc(SHAPE, (30, 30), 4)
    apart = disc(SHAPE, (30, 65), 4)
    records = [record_of(mask) for mask in (outer, inner, apart)]
    objects = AskedObjects(image, records, FakePredictor())
    assert len(objects) == 3
    largest = objects.choose(read_text("the largest"), 0.5)
    assert largest.tolist() == [True, False, False]
    among = np.array([False, True, True])
    assert objects.choose(read_text("the largest"), 0.5, among).sum() == 1


def test_what_a_model_has_not_learned_is_said(image, labels):
    objects = AskedObjects(image, labels, FakePredictor())
    query = read_text("nuclei near cells")
    assert [note.split(" so ")[0] for note in objects.notes_of(query)] == [
        "This model has not learned what a nucleus looks like,",
        "This model has not learned what a cell looks like,",
    ]
    assert objects.matches("nucleus").tolist() == [1] * 5
    assert objects.kind_of_most(np.ones(5, bool)) is None
    assert objects.notes_of(None) == ()
