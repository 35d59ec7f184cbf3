import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_sam.ops import boxes

sides = st.integers(-50, 3000)
whole_boxes = st.tuples(sides, sides, sides, sides).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


def test_the_box_of_a_mask_ends_one_past_its_last_pixel():
    mask = np.zeros((6, 8), bool)
    mask[2, 3] = mask[4, 5] = True
    assert boxes.from_mask(mask) == (2, 3, 5, 6)
    assert boxes.from_mask(mask[:2]) is None
    assert mask[boxes.to_window((2, 3, 5, 6))].sum() == 2


def test_the_rectangle_around_a_pixel_is_the_box_of_that_pixel():
    mask = np.zeros((6, 8), bool)
    mask[2, 3] = True
    corners = [(1.5, 2.5), (1.5, 3.5), (2.5, 3.5), (2.5, 2.5)]
    assert boxes.to_napari((2, 3, 3, 4)).tolist() == [list(c) for c in corners]
    assert boxes.from_napari(corners).tolist() == [2, 3, 3, 4]
    assert boxes.from_napari(corners[::-1]).tolist() == [*boxes.from_mask(mask)]


@given(whole_boxes, st.sampled_from([0.0, 0.25, 0.5]))
def test_a_box_that_is_drawn_and_read_back_is_the_same(box, off):
    box = tuple(end + off for end in box)
    drawn = boxes.to_napari(box).astype(np.float32)  # as a Shapes layer holds it
    assert boxes.from_napari(drawn).tolist() == list(box)
    assert boxes.from_napari(np.roll(drawn, 1, axis=0)).tolist() == list(box)


@given(st.lists(whole_boxes, max_size=4))
def test_many_boxes_are_drawn_as_each_is(several):
    drawn = boxes.to_napari(np.reshape(several, (-1, 4)))
    assert drawn.shape == (len(several), 4, 2)
    for corners, box in zip(drawn, several, strict=True):
        assert np.array_equal(corners, boxes.to_napari(box))


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_a_mask_fills_its_box_from_border_to_border(mask):
    box = boxes.from_mask(mask)
    assert (box is None) == (not mask.any())
    if box is None:
        return
    part = mask[boxes.to_window(box)]
    assert part.sum() == mask.sum()
    assert boxes.from_mask(part) == (0, 0, *part.shape)
    assert boxes.areas_of(box) == part.size
    assert boxes.clip_boxes(box, mask.shape).tolist() == list(box)


@given(whole_boxes, whole_boxes)
def test_what_two_boxes_share_lies_in_both_and_the_enclosing_box_holds_both(one, other):
    shared, held = boxes.intersect(one, other), boxes.enclose(one, other)
    for box in (one, other):
        if boxes.areas_of(shared):
            assert boxes.intersect(shared, box) == shared
        assert boxes.enclose(held, box) == held
    assert (boxes.areas_of(shared) >= 0).all()


def test_boxes_apart_have_nothing_in_common():
    assert boxes.intersect((0, 0, 4, 4), (6, 2, 9, 9)) == (6, 2, 6, 4)


@pytest.mark.parametrize("given", [(-3, 1, 50, 9), [(-3, 1, 50, 9), (2, 30, 4, 31)]])
def test_boxes_are_cut_at_the_borders(given):
    cut = boxes.clip_boxes(given, (10, 20))
    assert cut.shape == np.shape(given)
    assert cut.reshape(-1, 4)[0].tolist() == [0, 1, 10, 9]
    assert boxes.areas_of(cut).ravel().tolist() == [80.0, 0.0][: cut.size // 4]
