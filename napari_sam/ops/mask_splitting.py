"""One object parted into several: along a stroke, or between points.

An object may have any number of axes before its last two. A stroke is drawn on one of
its planes and cuts the others along the same line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.ops.mask_edits import by_size, label_pieces
from napari_sam.ops.strokes import extend_stroke, stroke_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["split_at_points", "split_at_stroke"]

_MIN_PART = 4
"""Pixels that a part has at least; what a wavering stroke cuts off goes to others."""


def split_at_stroke(
    mask: NDArray[np.bool_], at: tuple[int, ...], stroke: NDArray[np.float64]
) -> NDArray[np.int32]:
    """Part an object along a stroke.

    On its plane the stroke is extended at both ends until it has left the object, and
    what it crosses falls to pieces. The planes beside are cut along the same line, and
    each of their pieces goes to the part that it overlaps most on the plane before; so
    on, plane by plane. The pixels under the line go to the nearest part.

    Parameters
    ----------
    mask
        (..., h, w) bool, the object in a window.
    at
        Which of its planes the stroke is drawn on; () where there is one.
    stroke
        (N, 2) as (row, col) in the window.

    Returns
    -------
    (..., h, w) int32
        0 outside the object, 1 for the largest part, then the others by size.

    Raises
    ------
    ValueError
        If the object does not fall to pieces.

    Examples
    --------
    >>> mask = np.ones((1, 5), bool)
    >>> split_at_stroke(mask, (), np.array([(0.0, 3.0), (1.0, 3.0)])).tolist()
    [[1, 1, 1, 1, 2]]
    """
    parts = np.zeros(mask.shape, np.int32)
    first = _cut(mask[at], stroke)
    if first is None:
        raise ValueError("the stroke cuts nothing off")
    parts[at] = first
    if not at:
        return by_size(first, int(first.max()))
    planes = np.array([*np.ndindex(*mask.shape[:-2])], np.intp).reshape(-1, len(at))
    away = np.abs(planes - np.array(at, np.intp)).sum(axis=1)
    done = [at]
    for number in np.argsort(away, kind="stable")[1:].tolist():
        here = tuple(planes[number].tolist())
        if not mask[here].any():
            continue
        nearest = np.abs(np.array(done) - np.array(here)).sum(axis=1).argmin()
        pieces = _cut(mask[here], stroke)
        if pieces is None:
            pieces = label_pieces(mask[here])[0]
        parts[here] = _matched(pieces, parts[done[nearest]])
        done.append(here)
    return by_size(parts, int(first.max()))


def _cut(
    mask: NDArray[np.bool_], stroke: NDArray[np.float64]
) -> NDArray[np.int32] | None:
    """Part an (h, w) mask along a stroke; None where that cuts nothing off."""
    line = np.zeros(mask.shape, np.bool_)
    shape = (mask.shape[0], mask.shape[1])
    pixels = stroke_pixels(extend_stroke(stroke, mask), shape)
    line[pixels[:, 0], pixels[:, 1]] = True
    bodies, _ = label_pieces(mask)
    pieces, count = label_pieces(mask & ~line)
    areas = np.bincount(pieces.ravel(), minlength=count + 1)
    least = min(_MIN_PART, max(1, int(np.count_nonzero(mask)) // 4))
    kept = areas >= least
    body_of = np.zeros(count + 1, np.intp)
    body_of[pieces] = bodies
    kept[0] = False
    # A body that the line has not parted is no part by itself.
    kept &= np.bincount(body_of[kept], minlength=bodies.max() + 1)[body_of] > 1
    if not kept.any():
        return None
    numbers = np.zeros(count + 1, np.int32)
    numbers[kept] = np.arange(1, np.count_nonzero(kept) + 1)
    return _spread(numbers[pieces], mask)


def _spread(parts: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Give the pixels of a mask that no part has to the nearest one."""
    nearest = ndimage.distance_transform_edt(
        parts == 0, return_distances=False, return_indices=True
    )
    return np.where(mask, parts[tuple(nearest)], 0).astype(np.int32)


def _matched(pieces: NDArray[np.int32], before: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give the pieces of a plane the numbers of those that they meet before it."""
    count = int(pieces.max(initial=0))
    parts = int(before.max(initial=0))
    both = pieces * (parts + 1) + before
    met = np.bincount(both.ravel(), minlength=(count + 1) * (parts + 1))
    met = met.reshape(count + 1, parts + 1)[:, 1:]
    numbers = (met.argmax(axis=1) + 1).astype(np.int32)
    numbers[0] = 0
    for piece in np.flatnonzero(met[1:].sum(axis=1) == 0) + 1:
        mask = pieces == piece
        numbers[piece] = np.bincount(_spread(before, mask)[mask]).argmax()
    return np.asarray(numbers[pieces])


def split_at_points(
    mask: NDArray[np.bool_],
    points: NDArray[np.intp],
    relief: NDArray[np.float32] | None = None,
) -> NDArray[np.int32]:
    """Part an object between points, each of which lies in a part of its own.

    A watershed floods the relief from the points; parts meet on its ridges.

    Parameters
    ----------
    mask
        (..., h, w) bool, the object in a window.
    points
        (N, ndim) pixels of the object, no two the same.
    relief
        (h, w) float32, low in the middle of a part; of the plane of the points, which
        all lie on one. The other planes then follow that plane. None: how deep each
        pixel lies in the object.

    Returns
    -------
    (..., h, w) int32
        0 outside the object, 1 for the largest part, then the others by size.

    Examples
    --------
    >>> mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 1, 1, 1]], bool)
    >>> parts = split_at_points(mask, np.array([(0, 0), (2, 4)]))
    >>> sorted({*parts[mask].tolist()}), bool(parts[0, 0] != parts[2, 4])
    ([1, 2], True)
    """
    from skimage.segmentation import watershed  # 0.2 s, and most never split

    # Of a stack by steps along its axes: a tenth of the time.
    far = ndimage.distance_transform_edt
    depth = -(far if mask.ndim == 2 else _steps_to_edge)(np.pad(mask, 1))
    depth = depth[(slice(1, -1),) * mask.ndim]
    # Of a stack only the six neighbours: a fourth of the time.
    every = ndimage.generate_binary_structure(mask.ndim, 2 if mask.ndim == 2 else 1)
    if relief is None:
        parts = watershed(depth, _seeds(depth, mask, points), every, mask=mask)
    else:
        at = tuple(points[0, :-2].tolist())
        parts = np.zeros(mask.shape, np.int32)
        seeds = _seeds(relief, mask[at], points[:, -2:])
        parts[at] = watershed(relief, seeds, np.ones((3, 3)), mask=mask[at])
        if mask.ndim > 2:
            parts = watershed(depth, parts, every, mask=mask)
    if (parts[mask] == 0).any():  # a piece without a point
        parts = _spread(parts, mask)
    return by_size(np.asarray(parts, np.int32), len(points))


def _steps_to_edge(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return how many steps from pixel to pixel lead out of a mask."""
    return np.asarray(ndimage.distance_transform_cdt(mask, "taxicab"))


def _seeds(
    relief: NDArray[np.number], mask: NDArray[np.bool_], points: NDArray[np.intp]
) -> NDArray[np.int32]:
    """Mark each point, and the way down from it to the floor of its basin.

    A point high on a slope would else be reached by the flood from another one before
    its own begins.
    """
    steps = np.array([*np.ndindex(*(3,) * mask.ndim)], np.intp) - 1
    seeds = np.zeros(mask.shape, np.int32)
    seeds[tuple(points.T)] = np.arange(1, len(points) + 1)
    for number, start in enumerate(points, 1):
        here = start
        while True:
            near = here + steps
            near = near[((near >= 0) & (near < mask.shape)).all(axis=1)]
            near = near[mask[tuple(near.T)]]
            lowest = near[relief[tuple(near.T)].argmin()]
            is_lower = relief[tuple(lowest)] < relief[tuple(here)]
            if not is_lower or seeds[tuple(lowest)] not in (0, number):
                break
            seeds[tuple(lowest)] = number
            here = lowest
    return seeds
