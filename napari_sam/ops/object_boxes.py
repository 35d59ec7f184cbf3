"""Where the objects of a plane of labels lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.ops import boxes

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from napari_sam.ops.types import Box

__all__ = ["boxes_of_labels", "number_labels", "widen"]

_FEW = 4
"""So many objects are looked for one by one."""


def boxes_of_labels(labels: NDArray[Any], chosen: Collection[int]) -> dict[int, Box]:
    """Find the boxes of objects.

    Parameters
    ----------
    labels
        (H, W) integers of any size, 0 for background.
    chosen
        The labels that are looked for.

    Returns
    -------
    dict
        (row0, col0, row1, col1), half open, of each that has a pixel, in rising order.

    Examples
    --------
    >>> boxes_of_labels(np.array([[0, 7], [0, 7]]), [7, 8])
    {7: (0, 1, 2, 2)}
    """
    order = np.unique(np.array([*chosen], np.int64))
    if len(order) <= _FEW:
        each = ((int(n), boxes.from_mask(labels == n)) for n in order.tolist())
        return {n: box for n, box in each if box is not None}
    numbers = number_labels(labels, order)
    found: dict[int, Box] = {}
    for label, window in zip(
        order.tolist(), ndimage.find_objects(numbers), strict=False
    ):
        if window is not None:
            rows, cols = window
            found[label] = (rows.start, cols.start, rows.stop, cols.stop)
    return found


def number_labels(labels: NDArray[Any], order: NDArray[np.int64]) -> NDArray[np.int32]:
    """Give objects numbers from 1 up, however large their labels are.

    Parameters
    ----------
    labels
        Integers, 0 for background.
    order
        (N,) labels in rising order, one at least.

    Returns
    -------
    int32 array
        1 where the first of `order` is, 2 for the second one, 0 for any other.

    Examples
    --------
    >>> number_labels(np.array([0, 7, 2**40]), np.array([7, 2**40])).tolist()
    [0, 1, 2]
    """
    highest = int(order[-1])
    if int(labels.min(initial=0)) >= 0 and highest < 4 * labels.size + 2**16:
        lookup = np.zeros(highest + 2, np.int32)
        lookup[order] = np.arange(1, len(order) + 1)
        return np.asarray(lookup[np.minimum(labels, highest + 1)])
    index = np.searchsorted(order, labels).clip(max=len(order) - 1)
    return np.where(order[index] == labels, index + 1, 0).astype(np.int32)


def widen(box: Box, margin: int, shape: tuple[int, int]) -> Box:
    """Return a box with a margin around it, cut at the borders of an (H, W) plane.

    Examples
    --------
    >>> widen((0, 3, 2, 5), 1, (9, 9))
    (0, 2, 3, 6)
    """
    return (
        max(0, box[0] - margin),
        max(0, box[1] - margin),
        min(shape[0], box[2] + margin),
        min(shape[1], box[3] + margin),
    )
