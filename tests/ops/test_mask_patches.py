"""Masks in windows: cut, compared, blended, interpolated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam.ops.mask_patches import (
    Patch,
    blend_patches,
    interpolate_patches,
    ring_contrast,
)

QUICK = settings(max_examples=30)
MASKS = hnp.arrays(bool, (9, 11))


@QUICK
@given(MASKS, hnp.arrays(np.float32, (9, 11), elements=st.floats(-50, 50, width=32)))
def test_a_patch_is_the_mask_that_it_was_cut_from(mask, logits):
    for patch in (Patch.of(mask), Patch.of(mask, logits)):
        np.testing.assert_array_equal(patch.decode((9, 11)), mask)
        assert patch.area == mask.sum()


@QUICK
@given(MASKS, MASKS)
def test_overlap_is_that_of_the_masks(first, second):
    a, b = Patch.of(first), Patch.of(second)
    assert a.shared(b) == b.shared(a) == (first & second).sum()
    union = (first | second).sum()
    assert a.iou(b) == ((first & second).sum() / union if union else 1)


@QUICK
@given(MASKS.filter(np.any), MASKS.filter(np.any), st.floats(0, 1))
def test_a_blend_keeps_what_both_have_and_adds_nothing(first, second, weight):
    blend = blend_patches(Patch.of(first), Patch.of(second), weight).decode((9, 11))
    assert blend[first & second].all()
    assert not blend[~(first | second)].any()


@QUICK
@given(MASKS.filter(np.any), MASKS.filter(np.any))
def test_interpolation_ends_at_both_shapes(first, second):
    a, b = Patch.of(first), Patch.of(second)
    start, end = (interpolate_patches(a, b, w, (9, 11)) for w in (0, 1))
    np.testing.assert_array_equal(start.decode((9, 11)), first)
    np.testing.assert_array_equal(end.decode((9, 11)), second)


def test_between_a_small_and_a_large_disc_lies_one_of_middle_size_and_place():
    rows, cols = np.ogrid[:60, :60]
    small = (rows - 15) ** 2 + (cols - 15) ** 2 <= 4**2
    large = (rows - 35) ** 2 + (cols - 25) ** 2 <= 12**2
    middle = interpolate_patches(Patch.of(small), Patch.of(large), 0.5, (60, 60))
    np.testing.assert_allclose(middle.centre, (25, 20), atol=0.6)
    assert np.sqrt(middle.area / np.pi) == pytest.approx(8, abs=0.7)


def test_contrast_is_signed_and_zero_where_nothing_is_around():
    image = np.full((10, 10), 5.0)
    mask = np.zeros((10, 10), bool)
    mask[3:7, 3:7] = True
    image[mask] = 2
    assert ring_contrast(image, Patch.of(mask)) == (-3, 0)
    assert ring_contrast(image, Patch.of(np.ones((10, 10), bool)))[0] == 0
