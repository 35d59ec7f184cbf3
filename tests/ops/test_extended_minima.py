"""Extended minima, against the reconstruction that defines them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from napari_sam.ops.extended_minima import extended_minima

planes = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)
shapes = planes | array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=5)
steps = shapes.flatmap(lambda shape: arrays(np.int8, shape, elements=st.integers(0, 7)))
floats = shapes.flatmap(
    lambda shape: arrays(
        np.float32, shape, elements=st.floats(0, 1, width=32, allow_subnormal=False)
    )
)


def by_definition(relief, depth, mask):
    """Lower a flood onto the relief until it rests; its flat bottoms are the minima."""
    around_one = np.ones((3,) * relief.ndim, np.bool_)
    relief = np.where(mask, relief, np.inf).astype(relief.dtype)
    flood = relief + relief.dtype.type(depth)
    while True:
        lower = ndimage.minimum_filter(flood, footprint=around_one, cval=np.inf)
        lower = np.maximum(lower, relief)
        if np.array_equal(lower, flood):
            break
        flood = lower
    wanted = np.zeros(relief.shape, np.bool_)
    for height in np.unique(flood[mask]):
        flat, count = ndimage.label(flood == height, around_one)
        for number in range(1, count + 1):
            one = flat == number
            around = ndimage.binary_dilation(one, around_one) & ~one
            wanted |= one & (flood[around] > height).all()
    return wanted & mask


@given(st.one_of(steps, floats), st.sampled_from([0.1, 1 / 7, 0.3, 0.5, 1.0]))
def test_they_are_those_of_the_definition(relief, depth):
    if relief.dtype == np.int8:
        relief = relief.astype(np.float32) / np.float32(7)
    everywhere = np.ones(relief.shape, np.bool_)
    found = extended_minima(relief, depth)
    np.testing.assert_array_equal(found, by_definition(relief, depth, everywhere))


@given(steps, st.data())
def test_beyond_a_mask_there_is_a_rim(relief, data):
    mask = data.draw(arrays(np.bool_, relief.shape))
    heights = relief.astype(np.float64)
    found = extended_minima(heights, 2, mask)
    np.testing.assert_array_equal(found, by_definition(heights, 2, mask))


def test_a_chain_of_basins_is_cut_where_the_flood_of_the_lowest_ends():
    heights = np.array([[4, 9, 3, 5, 2, 7, 0, 7, 7, 1.5]])
    # The flood of 0 ends at 3, of 1.5 at 4.5, of 2 at 5, where it takes 3 with it.
    assert extended_minima(heights, 3).astype(int).tolist() == [
        [1, 0, 1, 1, 1, 0, 1, 0, 0, 1]
    ]
    # Now all run over a rim to one that is lower; 0 itself does not reach 7.
    assert extended_minima(heights, 5.5).astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0, 1, 0, 0, 0]
    ]


def test_many_pits_on_smooth_ground():
    relief = ndimage.gaussian_filter(np.random.default_rng(0).random((120, 90)), 2)
    relief = (4 * relief).astype(np.float32)
    found = extended_minima(relief, 0.15)
    everywhere = np.ones(relief.shape, np.bool_)
    np.testing.assert_array_equal(found, by_definition(relief, 0.15, everywhere))
    assert ndimage.label(found, np.ones((3, 3)))[1] > 20


def test_nothing_and_flat_ground():
    assert extended_minima(np.zeros((0, 4)), 1).shape == (0, 4)
    assert extended_minima(np.zeros((3, 4)), 1).all()
    assert not extended_minima(np.zeros((3, 4)), 1, np.zeros((3, 4), bool)).any()


def test_what_is_no_plane_is_refused():
    with pytest.raises(ValueError, match=r"a relief must be .*, got \(4,\)"):
        extended_minima(np.zeros(4), 1)
    with pytest.raises(ValueError, match=r"\(2, 2\) and a mask of \(3, 2\)"):
        extended_minima(np.zeros((2, 2)), 1, np.ones((3, 2), bool))
