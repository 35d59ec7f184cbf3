"""One object made larger, smaller, whole or smooth: masks in a window to masks.

A window is a part of a plane. It shows a pixel or more around the object, except where
the plane itself ends: there the object is taken to go on beyond.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.measure import label as label_equal

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "by_size",
    "distance_to_grow",
    "fill_holes",
    "grow_labels",
    "label_pieces",
    "largest_piece",
    "shrink",
    "smooth",
]


def distance_to_grow(
    mask: NDArray[np.bool_], free: NDArray[np.bool_], pixels: float
) -> NDArray[np.float32]:
    """Measure how far an object has to grow to reach each pixel.

    Parameters
    ----------
    mask
        (h, w) bool, the object.
    free
        (h, w) bool, where it may grow to.
    pixels
        How far at most.

    Returns
    -------
    (h, w) float32
        The Euclidean distance to the object in pixels; 0 in it, infinity where it does
        not get to. It gets to a pixel only through others that it gets to: not to the
        far side of a thin neighbour.

    Examples
    --------
    >>> mask = np.array([[True, False, False, False, False]])
    >>> distance_to_grow(mask, np.ones((1, 5), bool), 2).tolist()
    [[0.0, 1.0, 2.0, inf, inf]]
    """
    away = ndimage.distance_transform_edt(~mask).astype(np.float32)
    reach = mask | ((away <= pixels) & free)
    parts, count = ndimage.label(reach)
    held = np.zeros(count + 1, np.bool_)
    held[parts[mask]] = True
    held[0] = False
    return np.where(held[parts], away, np.float32(np.inf))


def grow_labels(
    labels: NDArray[Any], chosen: NDArray[np.bool_], pixels: float
) -> NDArray[Any]:
    """Grow many objects at once by as much as fills the plane.

    Parameters
    ----------
    labels
        (h, w) integers, 0 where it is free.
    chosen
        (h, w) bool, the objects that grow.
    pixels
        See `distance_to_grow`.

    Returns
    -------
    (h, w) array
        The labels then; a pixel goes to the nearest object that gets to it.

    Examples
    --------
    >>> labels = np.array([[1, 0, 0, 0, 2]])
    >>> grow_labels(labels, labels > 0, 9).tolist()
    [[1, 1, 1, 2, 2]]
    """
    away, nearest = ndimage.distance_transform_edt(~chosen, return_indices=True)
    reach = (labels == 0) & (away <= pixels) & chosen.any()
    grown = np.where(reach, labels[tuple(nearest)], np.where(chosen, labels, 0))
    parts = label_equal(grown, background=0, connectivity=1)
    held = np.zeros(int(parts.max()) + 1, np.bool_)
    held[parts[chosen]] = True
    return np.where(reach & held[parts], grown, labels)


def shrink(mask: NDArray[np.bool_], pixels: float) -> NDArray[np.bool_]:
    """Take away all of an (h, w) object that is as near to its edge as `pixels`.

    Examples
    --------
    >>> mask = np.zeros((5, 5), bool)
    >>> mask[1:4, 1:4] = True
    >>> np.argwhere(shrink(mask, 1)).tolist()
    [[2, 2]]
    """
    margin = math.ceil(min(pixels, max(mask.shape))) + 1
    padded = np.pad(mask, margin, mode="edge")
    if padded.all():  # it has no edge
        return mask.copy()
    away = ndimage.distance_transform_edt(padded)
    return np.asarray(away[margin:-margin, margin:-margin] > pixels)


def fill_holes(mask: NDArray[np.bool_], free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the free pixels that an (h, w) object encloses.

    Examples
    --------
    >>> ring = np.ones((3, 3), bool)
    >>> ring[1, 1] = False
    >>> bool(fill_holes(ring, ~ring).all())
    True
    """
    return np.asarray(mask | (ndimage.binary_fill_holes(mask) & free))


def smooth(
    mask: NDArray[np.bool_], free: NDArray[np.bool_], sigma: float
) -> NDArray[np.bool_]:
    """Smooth the edge of an (h, w) object: where its blurred mask exceeds a half.

    Parameters
    ----------
    mask
        (h, w) bool.
    free
        (h, w) bool, where it may grow to.
    sigma
        Of the Gaussian, in pixels.
    """
    sigma = min(sigma, max(mask.shape))
    margin = math.ceil(4 * sigma)
    padded = np.pad(mask, margin, mode="edge").astype(np.float32)
    blurred = ndimage.gaussian_filter(padded, sigma)[margin:-margin, margin:-margin]
    return np.asarray((blurred > 0.5) & (mask | free))


def label_pieces(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """Give each piece of an object a number, the largest first.

    Parameters
    ----------
    mask
        Bool of any number of axes; pixels that touch at a corner hang together.

    Returns
    -------
    pieces : int32 array
        0 outside, 1 for the largest piece, 2 for the next one.
    count : int
        How many there are.

    Examples
    --------
    >>> pieces, count = label_pieces(np.array([[True, False, True, True]]))
    >>> pieces.tolist(), count
    ([[2, 0, 1, 1]], 2)
    """
    pieces, count = ndimage.label(mask, np.ones((3,) * mask.ndim, np.bool_))
    return by_size(pieces, count), count


def by_size(parts: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Give parts 1 to `count` their numbers anew, the largest first; 0 stays."""
    areas = np.bincount(parts.ravel(), minlength=count + 1)[1:]
    numbers = np.zeros(count + 1, np.int32)
    numbers[1:][np.argsort(-areas, kind="stable")] = np.arange(1, count + 1)
    return np.asarray(numbers[parts])


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the largest piece of an object; see `label_pieces`."""
    return np.asarray(label_pieces(mask)[0] == 1)
