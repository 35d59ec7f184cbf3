"""Objects as runs of pixels along the last axis: few numbers in place of many pixels.

A run is a stretch of pixels of one label in one row. Area, moments, boxes, pieces and
holes follow from the runs alone, so that no object is looked at by itself, and of a
stack no more than one plane is read at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Moments", "Runs", "find_runs", "join_runs"]


@dataclass(frozen=True, eq=False)
class Runs:
    """Runs of pixels, in the order of their places.

    Attributes
    ----------
    label
        (N,) int64, the label in the image; see `numbered`.
    z, y
        (N,) int64, plane and row.
    start, stop
        (N,) int64, columns, half open.
    """

    label: NDArray[np.int64]
    z: NDArray[np.int64]
    y: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def length(self) -> NDArray[np.int64]:
        """Pixels of each run."""
        return self.stop - self.start

    def numbered(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the labels that there are, rising, and the place of each run's."""
        labels, place = np.unique(self.label, return_inverse=True)
        return labels, place.reshape(-1).astype(np.int64)


def find_runs(plane: NDArray[Any], z: int = 0) -> Runs:
    """Find the runs of a plane.

    Parameters
    ----------
    plane
        (H, W) whole numbers, 0 for background.
    z
        Which plane it is.

    Examples
    --------
    >>> runs = find_runs(np.array([[0, 3, 3, 5]]))
    >>> runs.label.tolist(), runs.start.tolist(), runs.stop.tolist()
    ([3, 5], [1, 3], [3, 4])
    """
    height, width = plane.shape
    if not plane.size:
        none = np.zeros(0, np.int64)
        return Runs(none, none, none, none, none)
    changes = np.ones((height, width), np.bool_)
    np.not_equal(plane[:, 1:], plane[:, :-1], out=changes[:, 1:])
    first = np.flatnonzero(changes)
    last = np.append(first[1:], plane.size)
    values = plane.reshape(-1)[first]
    is_object = values != 0
    first, last = first[is_object], last[is_object]
    row = first // width
    start = first - row * width
    label = values[is_object].astype(np.int64)
    return Runs(label, np.full(len(row), z), row, start, last - row * width)


def join_runs(parts: Sequence[Runs]) -> Runs:
    """Return the runs of several planes as one."""
    if len(parts) == 1:
        return parts[0]
    names = ("label", "z", "y", "start", "stop")
    empty = [np.zeros(0, np.int64)]
    return Runs(
        *(np.concatenate([getattr(p, n) for p in parts] or empty) for n in names)
    )


class Moments:
    """Sums over the pixels of each object, from its runs.

    Parameters
    ----------
    runs
        Of one plane, or of one volume.
    place
        (N,) int64, which object each run is of, from 0 up.
    count
        How many objects there are.

    Attributes
    ----------
    pixels
        (M,) int64.
    centroid
        (M, 3) float64, the mean of (z, y, x) in pixels.
    low, high
        (M, 3) int64, the box around each object, half open.
    """

    def __init__(self, runs: Runs, place: NDArray[np.int64], count: int) -> None:
        self._runs, self._place, self._count = runs, place, count
        length = runs.length
        self.pixels = np.bincount(place, length, count).round().astype(np.int64)
        middle = (runs.start + runs.stop - 1) / 2
        self._places = (runs.z.astype(float), runs.y.astype(float), middle)
        size = np.maximum(self.pixels, 1)
        self.centroid = np.stack(
            [self._sum(length * at) / size for at in self._places], axis=1
        )
        self.low, self.high = self._box()

    def _sum(self, values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(self._place, values, self._count).astype(np.float64)

    def _box(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        runs = self._runs
        order = np.argsort(self._place, kind="stable")
        begins = np.flatnonzero(np.diff(self._place[order], prepend=-1))
        if not len(begins):
            none = np.zeros((0, 3), np.int64)
            return none, none
        low = [np.minimum.reduceat(v[order], begins) for v in (runs.z, runs.y)]
        low.append(np.minimum.reduceat(runs.start[order], begins))
        high = [np.maximum.reduceat(v[order], begins) + 1 for v in (runs.z, runs.y)]
        high.append(np.maximum.reduceat(runs.stop[order], begins))
        return np.stack(low, axis=1), np.stack(high, axis=1)

    def covariance(self, spacing: Sequence[float]) -> NDArray[np.float64]:
        """Return (M, 3, 3), the covariance of the places of the pixels.

        Of pixels as points, as in `skimage.measure.inertia_tensor`.

        Parameters
        ----------
        spacing
            Size of a pixel along z, y and x.
        """
        length = self._runs.length
        away = [
            at - self.centroid[self._place, axis]
            for axis, at in enumerate(self._places)
        ]
        size = np.maximum(self.pixels, 1)
        found = np.zeros((self._count, 3, 3))
        for one in range(3):
            for other in range(one, 3):
                values = length * away[one] * away[other]
                if one == other == 2:  # and within the run
                    values = values + length * (length**2 - 1) / 12
                part = self._sum(values) / size * spacing[one] * spacing[other]
                found[:, one, other] = found[:, other, one] = part
        return found

    def pieces(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Count the separate parts of each object, and the contacts of its runs.

        Pixels that touch at a corner hold together. In 2D, runs minus contacts is the
        Euler number: runs are convex and meet at most two at a time.
        """
        if not len(self._runs):
            none = np.zeros(self._count, np.int64)
            return none, none
        one, other = _contacts(self._runs, self._place)
        total = len(self._runs)
        graph = coo_array(
            (np.ones(len(one), np.bool_), (one, other)), shape=(total, total)
        )
        number, part = connected_components(graph, directed=False)
        owner = np.zeros(number, np.int64)
        owner[part] = self._place
        pieces = np.bincount(owner, minlength=self._count)
        contacts = np.bincount(self._place[one], minlength=self._count)
        return pieces.astype(np.int64), contacts.astype(np.int64)

    @property
    def run_count(self) -> NDArray[np.int64]:
        """(M,) int64, how many runs each object has."""
        return np.bincount(self._place, minlength=self._count).astype(np.int64)


def _contacts(
    runs: Runs, place: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of runs of one object that touch, at a corner at least."""
    planes, rows = int(runs.z.max()) + 3, int(runs.y.max()) + 3
    width = int(runs.stop.max()) + 2
    line = (place * planes + runs.z + 1) * rows + runs.y + 1
    order = np.argsort(line * width + runs.start, kind="stable")
    line, start, stop = line[order], runs.start[order], runs.stop[order]
    starts, stops = line * width + start, line * width + stop
    pairs = []
    for z, y in ((0, 1), (1, -1), (1, 0), (1, 1)):
        if z and planes == 3:
            break
        beside = line + z * rows + y
        low = np.searchsorted(stops, beside * width + start, side="left")
        high = np.searchsorted(starts, beside * width + stop, side="right")
        number = np.maximum(high - low, 0)
        one = np.repeat(np.arange(len(line)), number)
        within = np.arange(len(one)) - np.repeat(np.cumsum(number) - number, number)
        pairs.append((order[one], order[low[one] + within]))
    return (
        np.concatenate([one for one, _ in pairs]).astype(np.int64),
        np.concatenate([other for _, other in pairs]).astype(np.int64),
    )
