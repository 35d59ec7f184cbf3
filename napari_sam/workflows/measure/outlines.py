"""Outlines of all objects of a plane at once: perimeter, convex hull, calipers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.workflows.measure.pixel_runs import Runs

__all__ = ["Hulls", "find_hulls", "perimeters"]

_WEIGHTS = np.zeros(50)
_WEIGHTS[[5, 7, 15, 17, 25, 27]] = 1
_WEIGHTS[[21, 33]] = math.sqrt(2)
_WEIGHTS[[13, 23]] = (1 + math.sqrt(2)) / 2
"""Length of the outline at a pixel, by which of its neighbours lie on it as well."""

_SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))

_PAIRS_AT_ONCE = 4_000_000


def perimeters(plane: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the perimeter of each object, in pixels.

    The same numbers as of `skimage.measure.perimeter` for each object by itself, after
    K. Benkrid and D. Crookes, Design and FPGA Implementation of a Perimeter Estimator.

    Parameters
    ----------
    plane
        (H, W) whole numbers, 0 for background.
    labels
        (M,) the labels in it, rising.
    """
    padded = np.pad(plane, 1)
    width = padded.shape[1]
    centre = padded[1:-1, 1:-1]
    on_border = np.zeros(padded.shape, np.bool_)
    inner = centre != 0
    is_object = inner.copy()
    for row, col in _SIDES:
        down, right = (slice(1 + step, step - 1 or None) for step in (row, col))
        inner &= centre == padded[down, right]
    on_border[1:-1, 1:-1] = is_object & ~inner
    at = np.flatnonzero(on_border)
    values, flags = padded.reshape(-1), on_border.reshape(-1)
    own = values[at]
    code = np.ones(len(at), np.int64)
    for weight, steps in ((2, _SIDES), (10, _CORNERS)):
        for row, col in steps:
            beside = at + row * width + col
            code += weight * (flags[beside] & (values[beside] == own))
    place = np.searchsorted(labels, own.astype(np.int64))
    return np.bincount(place, _WEIGHTS[code], len(labels)).astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Chain:
    """One side of each object, from top to bottom; all arrays are (N,) int64."""

    place: NDArray[np.int64]
    y: NDArray[np.int64]
    x: NDArray[np.int64]

    def convex(self) -> _Chain:
        """Leave out what lies on or within the line between its two neighbours.

        Such a point is no corner of the hull, whichever of the others go with it; so
        they go in whole sweeps, until none is left.
        """
        place, y, x = self.place, self.y, self.x
        while True:
            inside = np.zeros(len(place), np.bool_)
            same = (place[1:-1] == place[:-2]) & (place[1:-1] == place[2:])
            before = (x[1:-1] - x[:-2]) * (y[2:] - y[:-2])
            whole = (x[2:] - x[:-2]) * (y[1:-1] - y[:-2])
            inside[1:-1] = same & (before >= whole)
            if not inside.any():
                return _Chain(place, y, x)
            place, y, x = place[~inside], y[~inside], x[~inside]

    def area(self, count: int) -> NDArray[np.float64]:
        """Return (M,), the area between the chain and column 0."""
        same = self.place[1:] == self.place[:-1]
        part = np.diff(self.y) * (self.x[1:] + self.x[:-1]) / 2
        return np.bincount(self.place[1:][same], part[same], count).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Hulls:
    """The convex hulls of the objects of a plane, around the squares of their pixels.

    Attributes
    ----------
    area
        (M,) float64, in pixels.
    place
        (N,) int64, which object each corner is of, rising.
    corners
        (N, 2) int64, (row, col) of the corners, around each object; pixel (i, j) is
        the square from (i, j) to (i + 1, j + 1).
    """

    area: NDArray[np.float64]
    place: NDArray[np.int64]
    corners: NDArray[np.int64]

    def calipers(
        self, spacing: tuple[float, float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the largest and the smallest caliper of each object, both (M,).

        Parameters
        ----------
        spacing
            Size of a pixel along rows and columns.
        """
        total = len(self.area)
        longest, widths = np.zeros(total), np.zeros(total)
        points = self.corners * np.asarray(spacing, np.float64)
        numbers = np.bincount(self.place, minlength=total)
        begins = np.cumsum(numbers) - numbers
        for number in np.unique(numbers).tolist():
            members = np.flatnonzero(numbers == number)
            step = max(1, _PAIRS_AT_ONCE // number**2)
            for first in range(0, len(members), step):
                some = members[first : first + step]
                ring = points[begins[some][:, np.newaxis] + np.arange(number)]
                longest[some], widths[some] = _calipers_of(ring)
        return longest, widths


def _calipers_of(
    ring: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure (M, N, 2), M hulls of N corners each."""
    away = ring[:, np.newaxis] - ring[:, :, np.newaxis]
    longest = np.sqrt((away**2).sum(-1).max(axis=(1, 2)))
    edge = np.roll(ring, -1, axis=1) - ring
    length = np.hypot(edge[..., 0], edge[..., 1])
    across = np.abs(
        edge[:, :, np.newaxis, 0] * away[..., 1]
        - edge[:, :, np.newaxis, 1] * away[..., 0]
    ).max(axis=2)
    # two corners may be one: that is no edge
    width = np.where(length > 0, across / np.where(length > 0, length, 1), np.inf)
    return longest, width.min(axis=1)


def find_hulls(runs: Runs, place: NDArray[np.int64], count: int) -> Hulls:
    """Find the convex hull of each object of a plane.

    Parameters
    ----------
    runs
        Of one plane.
    place
        (N,) int64, which object each run is of, from 0 up.
    count
        How many objects there are.
    """
    if not len(runs):
        return Hulls(np.zeros(count), np.zeros(0, np.int64), np.zeros((0, 2), np.int64))
    order = np.argsort(place, kind="stable")
    rows = int(runs.y.max()) + 3
    line = (place * rows + runs.y)[order]
    begins = np.flatnonzero(np.diff(line, prepend=-1))
    left = np.minimum.reduceat(runs.start[order], begins)
    right = np.maximum.reduceat(runs.stop[order], begins)
    # each row of pixels lies between two lines of corners, which its neighbours share
    lines = (line[begins][:, np.newaxis] + np.arange(2)).reshape(-1)
    begins = np.flatnonzero(np.diff(lines, prepend=-1))
    owner, y = np.divmod(lines[begins], rows)
    left = np.minimum.reduceat(np.repeat(left, 2), begins)
    right = np.maximum.reduceat(np.repeat(right, 2), begins)
    one, other = _Chain(owner, y, left).convex(), _Chain(owner, y, -right).convex()
    area = -other.area(count) - one.area(count)
    side = np.repeat([0, 1], [len(one.place), len(other.place)])
    owner = np.concatenate([one.place, other.place])
    y, x = np.concatenate([one.y, other.y]), np.concatenate([one.x, -other.x])
    around = np.lexsort((np.where(side == 0, y, -y), side, owner))
    return Hulls(area, owner[around], np.stack([y, x], axis=1)[around])
