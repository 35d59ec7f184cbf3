import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.ops.blocks import BlockGrid

lengths = st.integers(1, 60)


@given(
    grid=st.builds(
        BlockGrid,
        st.tuples(lengths, lengths),
        st.tuples(st.integers(3, 30), st.integers(3, 30)),
        st.integers(1, 12),
    )
)
def test_cores_are_the_plane_and_windows_are_alike(grid):
    seen = np.zeros(grid.shape, int)
    sizes = set()
    for block in grid.blocks:
        r0, c0, r1, c1 = block.core
        seen[r0:r1, c0:c1] += 1
        top, left, bottom, right = block.window
        sizes.add((bottom - top, right - left))
        assert 0 <= top <= r0 < r1 <= bottom <= grid.shape[0]
        assert 0 <= left <= c0 < c1 <= right <= grid.shape[1]
        assert top == 0 or top <= r0 - grid.halo
        assert bottom == grid.shape[0] or bottom >= r1 + grid.halo
        assert np.zeros((bottom - top, right - left))[block.slices].shape == (
            r1 - r0,
            c1 - c0,
        )
    assert (seen == 1).all()
    assert len(sizes) == 1


def test_neighbours_touch_and_share_a_seam():
    grid = BlockGrid((30, 40), (10, 20), 4)
    blocks = grid.blocks
    pairs = list(grid.neighbours())
    assert len(pairs) == len(set(pairs)) == 3 + 2 * 2 + 2 * 2 * 1
    assert grid.seam(blocks[0], blocks[1]) == (0, 18, 12, 22)
    assert grid.seam(blocks[0], blocks[3]) == (8, 18, 12, 22)


@pytest.mark.parametrize("bad", [((0, 5), (2, 2), 1), ((5, 5), (2, 2), 0)])
def test_blocks_without_pixels_or_halo_are_refused(bad):
    with pytest.raises(ValueError, match="wanted sizes and a halo from 1 up"):
        BlockGrid(*bad)
