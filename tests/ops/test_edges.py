import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from napari_sam.ops.edges import (
    outer_boundary,
    ridge_normals,
    suppress_non_maxima,
    thin_ridges,
)


@given(arrays(bool, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_the_outer_boundary_is_what_a_dilation_adds(mask):
    expected = ndimage.binary_dilation(mask) & ~mask
    np.testing.assert_array_equal(outer_boundary(mask), expected)


def test_a_mask_at_the_border_has_no_boundary_there():
    mask = np.zeros((4, 5), bool)
    mask[:2, :2] = True
    expected = [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(outer_boundary(mask), np.array(expected, bool))


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 135, 160])
def test_the_normal_of_a_ridge_stands_across_it(degrees):
    angle = np.deg2rad(degrees)
    rows, cols = np.mgrid[-20:21, -20:21]
    away = rows * np.sin(angle) + cols * np.cos(angle)
    ridge = np.exp(-(away**2) / 8).astype(np.float32)
    row, col = ridge_normals(ridge, 2)
    along = abs(row[20, 20] * np.sin(angle) + col[20, 20] * np.cos(angle))
    assert along == pytest.approx(1, abs=1e-3)
    np.testing.assert_allclose(np.hypot(row, col), 1, rtol=1e-5)


def test_only_maxima_across_the_edge_stay():
    strength = np.tile(np.array([0, 1, 3, 2, 0, 0], np.float32), (3, 1))
    row, col = np.zeros_like(strength), np.ones_like(strength)
    kept = suppress_non_maxima(strength, row, col)
    np.testing.assert_array_equal(kept, np.where(strength == 3, 3, 0))
    np.testing.assert_array_equal(suppress_non_maxima(strength, col, row), 0)


def test_of_two_equal_neighbours_one_stays():
    strength = np.array([[0, 2, 2, 0]], np.float32)
    row, col = np.zeros_like(strength), np.ones_like(strength)
    assert np.count_nonzero(suppress_non_maxima(strength, row, col)) == 1
    assert np.count_nonzero(suppress_non_maxima(strength, row, -col)) == 1


def test_two_outlines_of_one_edge_become_one_line():
    strength = np.zeros((30, 40), np.float32)
    strength[:, 19], strength[:, 21] = 0.5, 0.4
    thinned = thin_ridges(strength)
    assert thinned.max() == 1
    inner = thinned[5:-5]
    assert (np.count_nonzero(inner, axis=1) == 1).all()
    assert set(np.nonzero(inner)[1]) <= {19, 20}


def test_nothing_stays_nothing():
    assert not thin_ridges(np.zeros((5, 6), np.float32)).any()
