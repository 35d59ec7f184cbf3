from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.inference.tiling import (
    blend_weights,
    choose_tiles,
    lay_tiles,
    tile_least,
    tile_plane,
)

sizes = st.integers(1, 50)


@st.composite
def layouts(draw):
    side = draw(st.integers(8, 40))
    return (draw(sizes), draw(sizes)), side, draw(st.integers(0, side // 2))


@settings(max_examples=60)
@given(layouts())
def test_tiles_cover_the_plane_overlap_enough_and_stay_inside(layout):
    shape, side, overlap = layout
    tiles = lay_tiles(shape, side, overlap)
    covered = np.zeros(shape, bool)
    for r0, c0, r1, c1 in tiles:
        assert 0 <= r0 < r1 <= shape[0]
        assert 0 <= c0 < c1 <= shape[1]
        assert (r1 - r0, c1 - c0) == (min(side, shape[0]), min(side, shape[1]))
        covered[r0:r1, c0:c1] = True
    assert covered.all()
    for first, length in ((0, shape[0]), (1, shape[1])):
        starts = sorted({tile[first] for tile in tiles})
        assert starts[-1] + min(side, length) == length
        assert all(b - a <= side - overlap for a, b in pairwise(starts))


@settings(max_examples=60)
@given(layouts(), st.integers(1, 30))
def test_weights_are_positive_and_full_where_the_plane_ends(layout, ramp):
    shape, side, overlap = layout
    tiles = lay_tiles(shape, side, overlap)
    for tile in tiles:
        weight = blend_weights(tile, shape, ramp)
        assert weight.shape == (tile[2] - tile[0], tile[3] - tile[1])
        assert (weight > 0).all()
        assert (weight <= 1).all()
    if len(tiles) == 1:
        assert (weight == 1).all()


def test_weights_fall_towards_a_neighbour():
    weight = blend_weights((0, 4, 1, 10), (1, 10), 4)
    assert weight.tolist() == [[0.125, 0.375, 0.625, 0.875, 1, 1]]


def test_an_object_is_seen_in_the_tile_with_the_most_room():
    tiles = lay_tiles((10, 20), 10, 4)
    assert [t[1] for t in tiles] == [0, 5, 10]
    boxes = [(0, 0, 2, 3), (4, 7, 6, 9), (4, 17, 6, 20), (0, 2, 5, 13)]
    assert choose_tiles(boxes, tiles, (10, 20)).tolist() == [0, 1, 2, -1]


def test_no_object_needs_no_tile():
    assert choose_tiles([], [(0, 0, 5, 5)], (5, 5)).shape == (0,)


@pytest.mark.parametrize(("side", "overlap"), [(0, 0), (4, 4), (4, -1)])
def test_impossible_tiles_are_refused(side, overlap):
    with pytest.raises(ValueError, match="cannot overlap by"):
        lay_tiles((9, 9), side, overlap)


@pytest.mark.parametrize("shape", [(2048, 2048), (300, 2100), (700, 700), (90, 60)])
@pytest.mark.parametrize("scale", [1.0, 1.37, 3.0])
def test_tiles_in_frames_that_fit_cover_all_and_show_no_less(shape, scale):
    tiles, frame = tile_least(shape, range(256, 769, 8), scale)
    covered = np.zeros(shape, bool)
    for top, left, bottom, right in tiles:
        covered[top:bottom, left:right] = True
        assert frame / max(bottom - top, right - left) >= scale
    assert covered.all()
    own = len(tile_plane(shape, 512, scale)) * 512**2
    assert len(tiles) * frame**2 <= own


def test_of_a_field_only_the_wanted_tiles_count():
    frames = range(256, 769, 8)
    tiles, frame = tile_least((2048, 2048), frames, 1.0, lambda t: t[:2] == (0, 0))
    assert (tiles, frame) == ([(0, 0, 256, 256)], 256)
