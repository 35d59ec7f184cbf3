"""Boxes: what lies in one, and where it is drawn.

A box is (row0, col0, row1, col1), half open: pixel i covers i to i + 1, so that the box
of a mask ends one past its last pixel, and a box of a width of 0 has no pixel.

Layers of napari have the centre of pixel i at i, which therefore covers i - 0.5 to
i + 0.5 there. `from_napari` and `to_napari` are the only places that know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.types import Box

__all__ = [
    "areas_of",
    "clip_boxes",
    "enclose",
    "from_mask",
    "from_napari",
    "intersect",
    "to_napari",
    "to_window",
]

_CENTRE = 0.5
"""Where the centre of a pixel lies in a box of it."""


def from_mask(mask: NDArray[np.bool_]) -> Box | None:
    """Return the box of the true pixels of an (H, W) mask, None where there is none.

    Examples
    --------
    >>> from_mask(np.eye(3, dtype=bool))
    (0, 0, 3, 3)
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    cols = np.flatnonzero(mask[top:bottom].any(axis=0))
    return top, int(cols[0]), bottom, int(cols[-1]) + 1


def from_napari(corners: ArrayLike) -> NDArray[np.float64]:
    """Return the box around the corners of a shape that napari shows.

    Parameters
    ----------
    corners
        (N, 2) of (row, col), such as the four of a rectangle in any order.

    Returns
    -------
    (4,) float64

    Examples
    --------
    >>> from_napari([(-0.5, -0.5), (-0.5, 3.5), (1.5, 3.5), (1.5, -0.5)]).tolist()
    [0.0, 0.0, 2.0, 4.0]
    """
    given = np.asarray(corners, np.float64).reshape(-1, 2)
    return np.concatenate([given.min(axis=0), given.max(axis=0)]) + _CENTRE


def to_napari(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the corners of the rectangles that show boxes in napari.

    Parameters
    ----------
    boxes
        (..., 4).

    Returns
    -------
    (..., 4, 2) float64
        (row, col) of the corners, around each box.

    Examples
    --------
    >>> to_napari((0, 0, 2, 4)).tolist()
    [[-0.5, -0.5], [-0.5, 3.5], [1.5, 3.5], [1.5, -0.5]]
    """
    given = np.asarray(boxes, np.float64) - _CENTRE
    return np.asarray(given[..., [[0, 1], [0, 3], [2, 3], [2, 1]]])


def clip_boxes(boxes: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Cut (..., 4) boxes at the borders of a plane of (H, W)."""
    return np.clip(np.asarray(boxes, np.float64), 0, np.tile(shape, 2))


def areas_of(boxes: ArrayLike) -> NDArray[np.float64]:
    """Return the areas of (..., 4) boxes in pixels."""
    given = np.asarray(boxes, np.float64)
    return np.asarray(np.prod(given[..., 2:] - given[..., :2], axis=-1))


def intersect(*boxes: Box) -> Box:
    """Return what all boxes have in common; of no pixel where that is nothing."""
    r0, c0 = (max(box[axis] for box in boxes) for axis in (0, 1))
    r1, c1 = (min(box[axis] for box in boxes) for axis in (2, 3))
    return r0, c0, max(r0, r1), max(c0, c1)


def enclose(*boxes: Box) -> Box:
    """Return the smallest box that holds all boxes."""
    r0, c0 = (min(box[axis] for box in boxes) for axis in (0, 1))
    r1, c1 = (max(box[axis] for box in boxes) for axis in (2, 3))
    return r0, c0, r1, c1


def to_window(box: Box) -> tuple[slice, slice]:
    """Return the slices of rows and columns that a box within a plane stands for."""
    return slice(box[0], box[2]), slice(box[1], box[3])
