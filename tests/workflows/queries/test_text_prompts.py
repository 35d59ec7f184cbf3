"""Text beside clicks chooses among the candidates, and text alone proposes."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk
from tiny_network import tiny_predictor

import napari_sam
from napari_sam.workflows.queries.text_prompts import rank_by_text

SHAPE = (64, 64)
RADII = (6, 12, 24)
"""Of the part, the nucleus and the cell, which lie in one another."""


@pytest.fixture(scope="module")
def tiny():
    return tiny_predictor()


@pytest.fixture(scope="module")
def plane(tiny):
    image = np.random.default_rng(0).uniform(0, 1, SHAPE)
    return tiny.embed(image, scale="whole")


@pytest.fixture(scope="module")
def cells():
    return napari_sam.load_model("cells", device="cpu")


@pytest.fixture(scope="module")
def image():
    return napari_sam.load_sample("nuclei_2d")[:160, :160]


def discs(order=(0, 1, 2)):
    """Return the three as candidates of one answer, in some order."""
    masks = np.zeros((3, *SHAPE), bool)
    for mask, number in zip(masks, order, strict=True):
        mask[disk((32, 32), RADII[number])] = True
    logits = np.arange(3, dtype=np.float32)[:, None, None] + np.zeros((1, 4, 4), "f4")
    scores = np.array([0.9, 0.89, 0.88], np.float32)
    return napari_sam.MaskPrediction(masks, scores, logits)


@pytest.mark.parametrize(
    ("text", "radius"),
    [
        ("the whole thing", 24),
        ("the large one", 24),
        ("not the part", 24),
        ("the largest", 24),
        ("larger than 1000 px2", 24),
        ("the small one", 6),
        ("not the large one", 6),
        ("all but the largest", 6),
        ("an inner part of the whole", 6),
        ("area between 300 and 600 px2", 12),
        ("diameter under 15 px", 6),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_words_of_size_choose_the_level(tiny, plane, text, radius, order):
    answer = discs(order)
    ranked = rank_by_text(tiny, plane, answer, text)
    wanted = np.zeros(SHAPE, bool)
    wanted[disk((32, 32), radius)] = True
    assert np.array_equal(ranked.masks[0], wanted)
    for mask, score, logits in zip(
        ranked.masks, ranked.scores, ranked.logits, strict=True
    ):
        at = next(i for i in range(3) if np.array_equal(answer.masks[i], mask))
        assert score == answer.scores[at]
        assert np.array_equal(logits, answer.logits[at])
    assert ranked.matches[0] == 1
    assert (ranked.matches <= 1).all()


@pytest.mark.parametrize(
    ("text", "radius"),
    [("the nucleus, not the cell", 6), ("the cell, not the nucleus", 24)],
)
def test_a_model_without_a_head_says_so_and_knows_what_lies_in_what(
    tiny, plane, text, radius
):
    with pytest.warns(UserWarning, match="tiny has no head that knows kinds"):
        ranked = rank_by_text(tiny, plane, discs((1, 0, 2)), text)
    assert ranked.masks[0].sum() == len(disk((32, 32), radius)[0])


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text_is_refused(tiny, plane, text):
    with pytest.raises(ValueError, match="the text is empty"):
        tiny.predict(plane, points=[(32, 32)], text=text)


def test_a_text_of_another_thing_is_refused_and_told_what_is_known(tiny, plane, cells):
    with pytest.raises(ValueError, match="nothing is understood of the text 'a car'"):
        tiny.predict(plane, points=[(32, 32)], text="a car")
    with pytest.raises(ValueError, match=r"known kinds: .*nucleus"):
        rank_by_text(cells, plane, discs(), "a car")


def test_words_that_are_not_understood_are_said(tiny, plane):
    with pytest.warns(UserWarning, match="left out of the text: xyzzy"):
        ranked = tiny.predict(plane, points=[(32, 32)], text="the large xyzzy one")
    assert ranked.matches.shape == (3,)


def test_numbers_in_micrometres_are_asked_for_in_pixels(tiny, plane):
    with pytest.raises(ValueError, match="say it in pixels"):
        tiny.predict(plane, points=[(32, 32)], text="larger than 5 um2")


def test_brightness_is_not_known_from_an_embedding_alone(tiny, plane):
    with pytest.warns(UserWarning, match="not known from an embedding"):
        ranked = rank_by_text(tiny, plane, discs(), "the bright one")
    assert np.array_equal(ranked.masks, discs().masks)


def test_the_candidates_are_those_without_text_and_text_changes_nothing_later(
    tiny, plane
):
    before = tiny.predict(plane, points=[(32, 32)])
    asked = tiny.predict(plane, points=[(32, 32)], text="the smallest")
    after = tiny.predict(plane, points=[(32, 32)])
    assert np.array_equal(before.logits, after.logits)
    assert before.matches is None
    assert sorted(asked.scores) == sorted(before.scores)
    assert asked.masks.sum() == before.masks.sum()
    two = tiny.predict(plane, points=[(32, 32), (20, 20)], text="the smallest")
    assert len(two.masks) == 3  # though two points have one answer


@pytest.mark.slow
def test_kinds_choose_among_candidates(cells, image):
    embedding = cells.embed(image)
    labels = napari_sam.segment(embedding, model=cells)
    areas = np.bincount(labels.ravel())
    number = int(np.argsort(areas[1:])[-3]) + 1
    nucleus = labels == number
    group = np.zeros_like(nucleus)
    rows, cols = np.nonzero(nucleus)
    group[max(0, rows.min() - 30) : rows.max() + 30, cols.min() : cols.max() + 40] = 1
    masks = np.stack([group, nucleus])
    side = cells.mask_size
    answer = napari_sam.MaskPrediction(
        masks, np.full(2, 0.8, np.float32), np.zeros((2, side, side), np.float32)
    )
    ranked = rank_by_text(cells, embedding, answer, "the nucleus")
    assert np.array_equal(ranked.masks[0], nucleus)
    assert ranked.matches[0] > 0.5
    other = rank_by_text(cells, embedding, answer, "the mitochondrion")
    assert other.matches.max() < 0.5


@pytest.mark.slow
def test_text_alone_proposes_the_best_three_and_a_click_says_where(cells, image):
    embedding = cells.embed(image)
    proposed = cells.predict(embedding, text="the nuclei")
    found = napari_sam.find(image, "the nuclei", model=cells)
    assert proposed.masks.shape == (3, 160, 160)
    for number, mask in enumerate(proposed.masks, 1):
        assert np.array_equal(mask, found.labels == number)
    assert np.array_equal(proposed.scores, found.scores[:3])
    one = cells.predict(embedding, text="the largest nucleus")
    assert len(one.masks) == 1
    row, col = np.argwhere(found.labels == 5).mean(axis=0)
    clicked = cells.predict(embedding, points=[(row, col)], text="the nucleus")
    assert clicked.masks[0][int(row), int(col)]
    again = cells.predict(embedding, points=[(row, col)], previous=proposed)
    assert again.masks.shape[1:] == (160, 160)
    with pytest.warns(UserWarning, match="None of 13 objects is as asked"):
        assert len(cells.predict(embedding, text="mitochondria").masks) == 0
