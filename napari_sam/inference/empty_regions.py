"""Which parts of a large plane show nothing, so that they need no closer look."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneView
    from napari_sam.ops.types import Box

__all__ = ["ContentMap"]

_CELL = 32
"""Pixels across of the cells in which a plane is judged."""

_MEAN = 4
"""Pixels across whose mean is taken, so that noise counts little."""

_EMPTY_PROBABILITY = 0.1
"""Foreground below which a plane as a whole shows nothing."""

_EMPTY_CONTRAST = 0.05
"""Share of a plane's contrast below which intensities show nothing."""


class ContentMap:
    """Where a plane that was seen as a whole may show objects.

    A place is empty only if the model saw next to no foreground there, and the
    intensities around it are alike: what was too small to be seen still has contrast.

    Parameters
    ----------
    view
        The plane, with its image and contrast limits.
    foreground
        (H, W) probability, as the plane was seen as a whole.

    Examples
    --------
    >>> from napari_sam.inference.plane_views import PlaneView
    >>> image = np.zeros((256, 256), np.uint8)
    >>> image[200:210, 200:210] = 9
    >>> content = ContentMap(PlaneView.of(image, 64), np.zeros((256, 256), np.float32))
    >>> content.is_in((0, 0, 128, 128)), content.is_in((128, 128, 256, 256))
    (False, True)
    """

    def __init__(self, view: PlaneView, foreground: NDArray[np.float32]) -> None:
        self._shape = view.shape
        seen = _pooled(foreground[..., None], _CELL, np.max)[..., 0]
        cells = (seen >= _EMPTY_PROBABILITY) | _varied(view)
        self._cells = ndimage.binary_dilation(cells, np.ones((3, 3)))

    def parts(self, margin: int, least: int) -> list[Box]:
        """Return boxes, (row0, col0, row1, col1), around all that may be objects.

        Parameters
        ----------
        margin
            Pixels around it that are seen with it.
        least
            Least side of a box in pixels, where the plane is as large.
        """
        labels, _ = ndimage.label(self._cells, np.ones((3, 3)))
        around = max(0, margin - _CELL)  # the cells reach one cell beyond
        boxes = np.array(
            [
                (rows.start, cols.start, rows.stop, cols.stop)
                for rows, cols in ndimage.find_objects(labels)
            ],
            np.int64,
        ).reshape(-1, 4)
        boxes = boxes * _CELL + np.array([-around, -around, around, around])
        return _merged([_within(box, self._shape, least) for box in boxes.tolist()])

    def is_in(self, part: Box) -> bool:
        """Whether a part, (row0, col0, row1, col1), may show objects."""
        top, left = part[0] // _CELL, part[1] // _CELL
        bottom, right = -(-part[2] // _CELL), -(-part[3] // _CELL)
        return bool(self._cells[top:bottom, left:right].any())


def _within(box: list[int], shape: tuple[int, int], least: int) -> Box:
    """Enlarge a box to a least side, and keep it in the plane."""
    ends = []
    for first, last, length in zip(box[:2], box[2:], shape, strict=True):
        side = min(max(least, min(last, length) - max(first, 0)), length)
        start = max(0, min((first + last - side) // 2, length - side))
        ends.append((start, start + side))
    (top, bottom), (left, right) = ends
    return top, left, bottom, right


def _merged(boxes: list[Box]) -> list[Box]:
    """Join boxes that overlap until none do."""
    apart: list[Box] = []
    for box in boxes:
        joined = box
        while True:
            hit = [b for b in apart if _overlap(b, joined)]
            if not hit:
                break
            apart = [b for b in apart if b not in hit]
            ends = np.array([joined, *hit])
            top, left = ends[:, :2].min(axis=0).tolist()
            bottom, right = ends[:, 2:].max(axis=0).tolist()
            joined = (top, left, bottom, right)
        apart.append(joined)
    return apart


def _overlap(one: Box, other: Box) -> bool:
    rows = one[0] < other[2] and other[0] < one[2]
    return rows and one[1] < other[3] and other[1] < one[3]


def _varied(view: PlaneView) -> NDArray[np.bool_] | np.bool_:
    """Say of each cell whether its intensities differ, or from those beside it."""
    if view.image is None or view.contrast_limits is None:
        return np.bool_(True)
    low, high = view.contrast_limits
    image = view.image if view.image.ndim == 3 else view.image[..., None]
    shown = np.clip(np.nan_to_num(image.astype(np.float32), nan=low), low, high)
    means = _pooled(shown, _MEAN, np.mean)
    around = (3, 3, 1)
    highest = ndimage.maximum_filter(_pooled(means, _CELL // _MEAN, np.max), around)
    lowest = ndimage.minimum_filter(_pooled(means, _CELL // _MEAN, np.min), around)
    varied: NDArray[np.bool_] = (highest - lowest).max(axis=2) > _EMPTY_CONTRAST * (
        high - low
    )
    return varied


def _pooled(
    values: NDArray[np.float32], side: int, how: np.ufunc | object
) -> NDArray[np.float32]:
    """Reduce (H, W, C) to one value for each (side, side) pixels and channel."""
    rows, cols = (-n % side for n in values.shape[:2])
    full = np.pad(values, ((0, rows), (0, cols), (0, 0)), "edge")
    high, wide, channels = full.shape
    cells = full.reshape(high // side, side, wide // side, side, channels)
    pooled: NDArray[np.float32] = how(cells, axis=(1, 3))  # type: ignore[operator]
    return pooled
