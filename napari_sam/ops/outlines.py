"""Outlines drawn over pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy import ndimage

from napari_sam.ops import boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Color = tuple[int, int, int]

__all__ = ["FOUND", "TRUTH", "draw_outlines", "window_around"]

TRUTH: Color = (47, 177, 112)
"""Green, in which true outlines are drawn."""

FOUND: Color = (255, 120, 60)
"""Orange, in which a model's outlines are drawn."""

_MARGIN = 0.5
"""Of an object's size, shown around it."""


def window_around(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the window in which to show an object, with half its size around it.

    Parameters
    ----------
    mask
        (H, W) bool with at least one pixel set.

    Returns
    -------
    Slices of rows and columns.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    box = boxes.from_mask(mask)
    if box is None:
        raise ValueError("an empty mask has no place to be shown")
    row0, col0, row1, col1 = box
    margin = int(_MARGIN * (max(row1 - row0, col1 - col0) - 1)) + 4
    rows, cols = (
        slice(max(0, first - margin), end + margin)
        for first, end in ((row0, row1), (col0, col1))
    )
    return rows, cols


def draw_outlines(
    image: NDArray[np.uint8],
    outlines: Sequence[tuple[NDArray[np.bool_], Color]],
    side: int,
) -> NDArray[np.uint8]:
    """Enlarge an image to about a side and draw the rims of masks in it.

    Parameters
    ----------
    image
        (h, w, 3) uint8.
    outlines
        (h, w) bool masks and their colours; a later one covers an earlier one.
    side
        Pixels that the longer side shall have; each pixel becomes a whole number of
        pixels, so that it comes out near.

    Returns
    -------
    (h', w', 3) uint8
    """
    factor = max(1, round(side / max(image.shape[:2])))
    picture = image.repeat(factor, 0).repeat(factor, 1)
    for mask, color in outlines:
        large = mask.repeat(factor, 0).repeat(factor, 1)
        picture[large & ~ndimage.binary_erosion(large, border_value=1)] = color
    return picture
