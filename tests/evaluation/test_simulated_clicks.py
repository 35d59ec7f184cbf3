import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_sam.evaluation.simulated_clicks import (
    find_targets,
    interior_point,
    next_click,
)
from napari_sam.ops.mask_overlap import mask_iou

planes = st.tuples(st.integers(1, 14), st.integers(1, 14))


@st.composite
def masks(draw, count=1):
    """Masks of one random shape; blocks, so that interiors have some depth."""
    shape = draw(planes)
    coarse = [draw(arrays(bool, shape)) for _ in range(count)]
    zoom = draw(st.integers(1, 3))
    return [np.kron(mask, np.ones((zoom, zoom), bool)).astype(bool) for mask in coarse]


def target_of(mask):
    (target,) = find_targets(mask.astype(np.int32))
    return target


def depth_map(mask):
    return ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]


def test_interior_point_of_a_square_is_its_centre():
    mask = np.zeros((11, 13), bool)
    mask[2:9, 4:11] = True
    assert interior_point(mask) == ((5, 7), 4.0)


def test_border_of_the_array_counts_as_boundary():
    assert interior_point(np.ones((5, 9), bool)) == ((2, 2), 3.0)


def test_interior_point_of_a_ring_lies_on_the_ring():
    rows, cols = np.mgrid[:41, :41]
    radius = np.hypot(rows - 20, cols - 20)
    ring = (radius > 8) & (radius < 16)
    (row, col), depth = interior_point(ring)
    assert ring[row, col]
    assert depth == pytest.approx(4, abs=0.7)


def test_one_pixel_is_its_own_interior_point():
    mask = np.zeros((3, 3), bool)
    mask[2, 0] = True
    assert interior_point(mask) == ((2, 0), 1.0)


def test_an_empty_mask_has_no_interior_point():
    with pytest.raises(ValueError, match="empty mask"):
        interior_point(np.zeros((4, 4), bool))


@given(masks())
def test_interior_point_is_inside_and_deepest(case):
    (mask,) = case
    if not mask.any():
        return
    (row, col), depth = interior_point(mask)
    assert mask[row, col]
    assert depth == depth_map(mask).max() == depth_map(mask)[row, col]


@given(masks())
def test_first_click_lies_in_the_object(case):
    (mask,) = case
    if not mask.any():
        return
    row, col = target_of(mask).first_click()
    assert mask[row, col]
    assert depth_map(mask)[row, col] == depth_map(mask).max()


@given(masks(count=2))
def test_next_click_lies_deepest_in_the_error_region(case):
    true, predicted = case
    if not true.any():
        return
    click = next_click(predicted, target_of(true))
    missed, surplus = depth_map(true & ~predicted), depth_map(predicted & ~true)
    if click is None:
        assert (true == predicted).all()
        return
    (row, col), label = click
    assert label == int(missed.max() > surplus.max())
    region = missed if label else surplus
    assert region[row, col] == region.max() > 0


@given(masks(count=2))
def test_iou_with_a_target_is_that_of_whole_masks(case):
    true, predicted = case
    if not true.any():
        return
    iou = target_of(true).iou(predicted)
    assert iou == mask_iou(true, predicted)
    assert 0 <= iou <= 1
    assert (iou == 1) == (true == predicted).all()


def test_a_miss_gets_a_positive_click_and_a_surplus_a_negative_one():
    true = np.zeros((20, 20), bool)
    true[2:9, 2:9] = True
    target = target_of(true)
    assert next_click(np.zeros_like(true), target) == ((5, 5), 1)

    flooded = true.copy()
    flooded[12:20, 2:20] = True
    point, label = next_click(flooded, target)
    assert label == 0
    assert flooded[point] and not true[point]


def test_next_click_leaves_the_prediction_as_it_was():
    true = np.eye(6, dtype=bool)
    predicted = np.ones((6, 6), bool)
    next_click(predicted, target_of(true))
    assert predicted.all()


def test_targets_are_labels_not_components():
    labels = np.zeros((6, 8), np.uint16)
    labels[0, 0] = labels[5, 7] = 40_000
    labels[2:4, 2:4] = 7
    small, split = find_targets(labels)
    assert (small.label, small.box, small.mask.sum()) == (7, (2, 2, 4, 4), 4)
    assert (split.label, split.box, split.mask.sum()) == (40_000, (0, 0, 6, 8), 2)


def test_values_below_one_are_background():
    labels = np.array([[-1, 0, 3]])
    assert [t.label for t in find_targets(labels)] == [3]
    assert find_targets(np.zeros((3, 3), int)) == []


def test_max_objects_spreads_over_the_labels():
    labels = np.arange(101)[None]
    kept = [t.label for t in find_targets(labels, 5)]
    assert kept == [11, 31, 51, 71, 91]
    assert [t.label for t in find_targets(labels, 1)] == [51]
    assert len(find_targets(labels, 500)) == 100
