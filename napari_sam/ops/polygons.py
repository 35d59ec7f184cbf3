"""Polygons along the edges of pixels: filled, simplified, joined to one ring.

A corner is (row, col) in pixels, where pixel (i, j) covers i to i + 1 and j to j + 1.
Pixels of an object that meet in a corner only are two pieces of it, so that every
polygon is a valid one of the simple features of the OGC: its rings cross neither
themselves nor each other, and touch in corners at the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Ring = NDArray[Any]

__all__ = [
    "Polygon",
    "as_one_ring",
    "fill_rings",
    "mask_of_rings",
    "rings_of",
    "simplify",
]


@dataclass(frozen=True, eq=False)
class Polygon:
    """A piece of an object.

    Attributes
    ----------
    exterior
        (N, 2) corners (row, col), clockwise as it is seen with rows going down; the
        first one is not repeated.
    holes
        (N, 2) corners of each hole, counter-clockwise.
    """

    exterior: Ring
    holes: tuple[Ring, ...] = ()


def rings_of(polygons: Iterable[Polygon]) -> list[Ring]:
    """Return the exteriors and the holes of polygons, each after its exterior."""
    return [ring for one in polygons for ring in (one.exterior, *one.holes)]


def fill_rings(rings: Sequence[Ring], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose centres lie in an odd number of rings.

    Parameters
    ----------
    rings
        (N, 2) finite corners (row, col) each, closed by themselves.
    shape
        (h, w) of the mask; what lies beyond is left out.

    Returns
    -------
    (h, w) bool

    Examples
    --------
    >>> ring = np.array([(0.5, 0.0), (0.5, 2.0), (1.6, 2.0), (1.6, 0.0)])
    >>> fill_rings([ring], (3, 3)).astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    """
    height, width = shape
    flips = np.zeros(height * (width + 1), np.int64)
    if rings:
        here = np.concatenate([np.asarray(ring, np.float64) for ring in rings])
        there = np.concatenate(
            [np.roll(np.asarray(ring, np.float64), -1, axis=0) for ring in rings]
        )
        # from the same end, whichever way a side goes: a bridge that is gone over
        # twice then crosses a row twice at the very same place
        is_up = (here[:, 0] > there[:, 0])[:, np.newaxis]
        start, end = np.where(is_up, there, here), np.where(is_up, here, there)
        first, last = (
            np.clip(np.ceil(edge[:, 0] - 0.5), 0, height).astype(np.int64)
            for edge in (start, end)
        )
        count = last - first
        side = np.repeat(np.arange(len(count)), count)
        row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        row = row + first[side]
        from_row, from_col = start[side].T
        to_row, to_col = end[side].T
        part = (row + 0.5 - from_row) / (to_row - from_row)
        col = from_col + part * (to_col - from_col)
        at = np.clip(np.ceil(col - 0.5), 0, width).astype(np.int64)
        flips = np.bincount(row * (width + 1) + at, minlength=len(flips))
    inside = np.cumsum(flips.reshape(height, width + 1)[:, :-1], axis=1) % 2
    return np.asarray(inside == 1)


def mask_of_rings(
    rings: Sequence[Ring], plane: tuple[int, int] | None = None
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """Fill rings in the smallest box around them.

    Parameters
    ----------
    rings
        See `fill_rings`.
    plane
        (H, W) that cuts off what lies beyond; None: only what is above row 0 or left of
        column 0 is cut off.

    Returns
    -------
    mask
        (h, w) bool.
    corner
        (row, col) of its first pixel.
    """
    every = np.concatenate(rings)
    top, left = np.maximum(np.floor(every.min(axis=0)), 0).astype(np.int64).tolist()
    bottom, right = np.ceil(every.max(axis=0)).astype(np.int64).tolist()
    if plane is not None:
        bottom, right = min(bottom, plane[0]), min(right, plane[1])
    if bottom <= top or right <= left:
        return np.zeros((0, 0), np.bool_), (0, 0)
    moved = [np.asarray(ring) - (top, left) for ring in rings]
    return fill_rings(moved, (bottom - top, right - left)), (top, left)


def simplify(polygons: Sequence[Polygon], tolerance: float) -> tuple[Polygon, ...]:
    """Leave out corners, so that no outline moves by more than a tolerance.

    By GEOS's method that keeps polygons valid, after Douglas and Peucker. A piece that
    would vanish stays as it is.

    Parameters
    ----------
    polygons
        Of one object.
    tolerance
        In pixels; 0 leaves all as it is.
    """
    if tolerance <= 0:
        return tuple(polygons)
    import shapely

    simple = []
    for one in polygons:
        made = shapely.Polygon(one.exterior, one.holes).simplify(tolerance)
        if made.geom_type != "Polygon" or made.is_empty:
            simple.append(one)
            continue
        shell, *holes = (
            np.asarray(ring.coords, np.float64)[:-1]
            for ring in (made.exterior, *made.interiors)
        )
        simple.append(Polygon(shell, tuple(holes)))
    return tuple(simple)


def as_one_ring(polygons: Sequence[Polygon]) -> Ring:
    """Join all rings of an object by bridges without width.

    For formats that have one outline an object: filled by `fill_rings`, it is the
    object with all its holes and pieces.

    Parameters
    ----------
    polygons
        At least one.

    Returns
    -------
    (N, 2)
        Corners (row, col).
    """
    rings = rings_of(polygons)
    joined = np.asarray(rings[0])
    for ring in rings[1:]:
        apart = np.abs(joined[:, None] - ring[None]).sum(axis=2)
        here, there = np.unravel_index(int(apart.argmin()), apart.shape)
        around = np.roll(ring, -int(there), axis=0)
        joined = np.concatenate([joined[: here + 1], around, around[:1], joined[here:]])
    return joined
