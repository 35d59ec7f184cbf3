import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.ops.outlines import draw_outlines, window_around

RED = (255, 0, 0)


@given(
    st.integers(20, 60),
    st.integers(20, 60),
    st.data(),
)
def test_the_window_holds_the_object_and_half_its_size_around(height, width, data):
    top = data.draw(st.integers(0, height - 1))
    left = data.draw(st.integers(0, width - 1))
    bottom = data.draw(st.integers(top, height - 1))
    right = data.draw(st.integers(left, width - 1))
    mask = np.zeros((height, width), bool)
    mask[top, left] = mask[bottom, right] = True
    part = window_around(mask)
    assert mask[part].sum() == mask.sum()
    size = max(bottom - top, right - left)
    shown = mask[part].shape
    for length, start, stop, around in zip(
        shown, (top, left), (bottom, right), mask.shape, strict=True
    ):
        assert length <= around
        assert length <= stop - start + 1 + 2 * (size // 2 + 4)
        if start > size // 2 + 4 and stop + size // 2 + 5 <= around:
            assert length >= stop - start + 1 + 2 * (size // 2)


def test_the_rim_is_drawn_and_the_inside_stays():
    image = np.full((6, 8, 3), 9, np.uint8)
    mask = np.zeros((6, 8), bool)
    mask[1:5, 1:5] = True
    drawn = draw_outlines(image, [(mask, RED)], 16)
    assert drawn.shape == (12, 16, 3)
    red = (drawn == RED).all(-1)
    assert red[2:10, 2:10].sum() == red.sum() == 64 - 36
    assert (drawn[~red] == 9).all()
    assert (image == 9).all()
