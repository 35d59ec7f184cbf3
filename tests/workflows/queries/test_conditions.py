"""Which objects are as a condition says, on drawn ones."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.draw import disk, ellipse

from napari_sam.workflows.queries.conditions import (
    fulfils,
    lies,
    measure_for_query,
    ranked_by,
)
from napari_sam.workflows.queries.text_query import Condition

SHAPE = (120, 160)


@pytest.fixture(scope="module")
def drawn():
    """Return labels and a gray image: 1 to 3 discs that grow, 4 a rod, 5 at the border.

    They get brighter with their number.
    """
    labels = np.zeros(SHAPE, np.int32)
    labels[disk((20, 20), 5, shape=SHAPE)] = 1
    labels[disk((20, 60), 8, shape=SHAPE)] = 2
    labels[disk((60, 110), 15, shape=SHAPE)] = 3
    labels[ellipse(95, 60, 5, 25, shape=SHAPE)] = 4
    labels[disk((119, 150), 8, shape=SHAPE)] = 5
    return labels, np.where(labels > 0, 20 + 30 * labels, 10).astype(np.uint8)


def chosen(drawn, condition, pixel_size=None):
    labels, image = drawn
    table = measure_for_query(labels, image, pixel_size)
    return {int(n) for n in table.index[fulfils(table, condition)]}


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        (Condition("area", "high"), {3, 4}),
        (Condition("area", "low"), {1, 5}),
        (Condition("brightness", "high"), {4, 5}),
        (Condition("brightness", "low"), {1, 2}),
        (Condition("elongation", "high"), {4, 5}),
        (Condition("elongation", "low"), {1, 2, 3}),
        (Condition("roundness", "high"), {1, 2, 3, 5}),
        (Condition("roundness", "low"), {4}),
        (Condition("position", "left"), {1, 2, 4}),
        (Condition("position", "right"), {3, 5}),
        (Condition("position", "top"), {1, 2}),
        (Condition("position", "bottom"), {3, 4, 5}),
        (Condition("position", "centre"), {3}),
        (Condition("border", "touching"), {5}),
        (Condition("border", "away"), {1, 2, 3, 4}),
        (Condition("area", "at_least", 300, "px2"), {3, 4}),
        (Condition("area", "between", 60, 300, "px2"), {1, 2, 5}),
        (Condition("diameter", "at_most", 11, "px"), {1}),
        (Condition("colour", "gray"), {1, 2, 3, 4, 5}),
    ],
    ids=str,
)
def test_conditions(drawn, condition, wanted):
    assert chosen(drawn, condition) == wanted


def test_numbers_with_a_unit_follow_the_size_of_a_pixel(drawn):
    large = Condition("area", "at_least", 75, "um2")
    assert chosen(drawn, large, (0.5, 0.5)) == {3, 4}
    assert chosen(drawn, Condition("diameter", "at_most", 5500, "nm"), (0.5, 0.5)) == {
        1
    }


def test_an_image_without_a_scale_is_told(drawn):
    with pytest.raises(ValueError, match="the image has no scale: say it in pixels"):
        chosen(drawn, Condition("area", "at_least", 75, "um2"))


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((200, 30, 30), "red"),
        ((40, 170, 60), "green"),
        ((50, 60, 200), "blue"),
        ((120, 40, 150), "purple"),
        ((120, 80, 40), "brown"),
        ((240, 160, 190), "pink"),
        ((230, 220, 60), "yellow"),
        ((250, 250, 250), "white"),
        ((10, 12, 10), "black"),
        ((128, 128, 128), "gray"),
    ],
)
def test_colours_have_the_names_that_people_give_them(drawn, colour, name):
    labels, _ = drawn
    image = np.zeros((*SHAPE, 3), np.uint8)
    image[labels == 2] = colour
    table = measure_for_query(labels, image)
    assert table.loc[2, "colour"] == name


@pytest.mark.parametrize(("dtype", "factor"), [(np.uint16, 16), (np.float32, 1 / 255)])
def test_colours_are_those_that_are_seen_whatever_the_numbers(drawn, dtype, factor):
    labels, _ = drawn
    image = np.zeros((*SHAPE, 3), np.uint8)
    image[labels == 2] = 200, 30, 30
    image[labels == 3] = 255, 255, 255
    table = measure_for_query(labels, (image.astype(float) * factor).astype(dtype))
    assert table.loc[2, "colour"] == "red"
    assert table.loc[3, "colour"] == "white"


def test_the_first_few(drawn):
    table = measure_for_query(*drawn)
    assert [int(table.index[i]) for i in ranked_by(table, "largest")[:2]] == [3, 4]
    assert int(table.index[ranked_by(table, "brightest")[0]]) == 5
    assert int(table.index[ranked_by(table, "longest")[0]]) == 4


def test_how_objects_lie_to_others(drawn):
    labels, image = drawn
    table = measure_for_query(labels, image)
    others = np.zeros(SHAPE, bool)
    others[40:90, 90:140] = True  # around the third
    others[20, 68:72] = True  # at the second

    def said(how):
        return {int(n) for n in table.index[lies(labels, table, how, others)]}

    assert said("inside") == {3}
    assert said("outside") == {1, 2, 4, 5}
    assert 2 in said("touching") and 1 not in said("touching")
    assert 1 not in said("near") and 2 in said("near")


def test_no_object_is_no_accident():
    labels = np.zeros(SHAPE, np.int32)
    table = measure_for_query(labels, np.zeros(SHAPE))
    assert len(table) == 0
    for condition in (Condition("area", "high"), Condition("border", "away")):
        assert not fulfils(table, condition).any()
    assert not lies(labels, table, "near", labels > 0).any()
