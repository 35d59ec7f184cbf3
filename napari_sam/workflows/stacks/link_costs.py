"""What may be one object in several frames, or the daughters of one, and how likely.

A cost is the negative logarithm of a likelihood: how far an object went, measured by
how far objects of this film go in a frame; how much its size changed, measured
the same way; how many frames it was missed in. That an object begins or ends costs a
fixed amount. What is gained by a link is what its two ends need not pay.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import TrackConfig
    from napari_sam.workflows.stacks.track_linking import FrameObjects

__all__ = ["Appearances", "Divisions", "Links", "division_costs", "link_costs"]

BORDER = 6.0
"""What it costs that a track begins, and that it ends."""

_MISSED = 2.0
"""What a frame costs in which an object was missed."""

_FARTHEST = 10.0
"""What a way costs at the most: one within reach is taken where nothing speaks
against it."""

_COVERED, _STILL_COVERED = 2.0, 0.5
"""What it costs to become covered or uncovered, and to stay so."""

_TAIL = 3.0
"""How quickly the cost of a change of size grows where it is large."""

_DIVISION = 3.0
"""What a division costs."""

_GROWTH, _BALANCE = 0.4, 0.35
"""By how much, as a logarithm, daughters differ from their parent and each other."""

_HIDDEN = 2.5
"""What it costs that a part of a daughter is covered, whose size is not known then."""

_UNEVEN = 0.1
"""How far from between its daughters a parent lay, in diameters, if nothing moves."""

_LEAST_STEP, _LEAST_CHANGE = 0.02, 0.12
"""Least typical step, in diameters, and change of size, as a logarithm."""

_DAUGHTER = 0.9
"""A daughter is smaller than this share of its parent."""

_DAUGHTERS_APART = 2.0
"""How far daughters lie apart at the most, in diameters of their parent."""


@dataclass(frozen=True, eq=False)
class Appearances:
    """The objects of all frames in a row.

    Attributes
    ----------
    times, first
        (N,) the frame of each; (T + 1,) where each frame begins.
    centres, whole, spread, covered, sizes, diameters
        See `napari_sam.workflows.stacks.track_linking.FrameObjects`.
    step
        How far objects typically go along each axis from a frame to the next.
    change
        By how much sizes typically change, as a logarithm.
    usual
        The usual size of an object.
    """

    times: NDArray[np.int64]
    first: NDArray[np.int64]
    centres: NDArray[np.float64]
    whole: NDArray[np.float64]
    spread: NDArray[np.float64]
    covered: NDArray[np.bool_]
    sizes: NDArray[np.float64]
    diameters: NDArray[np.float64]
    step: float
    change: float
    usual: float

    @property
    def whole_sizes(self) -> NDArray[np.float64]:
        """Sizes, the usual one of those that are covered in part."""
        return np.where(self.covered, np.fmax(self.sizes, self.usual), self.sizes)

    @property
    def whole_diameters(self) -> NDArray[np.float64]:
        """Diameters of discs or balls of these sizes."""
        grown = self.whole_sizes / self.sizes
        return np.asarray(self.diameters * grown ** (1 / self.centres.shape[1]))

    @classmethod
    def of(cls, frames: Sequence[FrameObjects]) -> Appearances:
        """Put frames in a row, and see how far and how much objects move and change."""
        counts = np.array([len(frame.names) for frame in frames], np.int64)
        first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

        def gather(name: str) -> Any:
            return np.concatenate([getattr(frame, name) for frame in frames])

        diameters = gather("diameters")
        step, change = _typical(frames)
        least = _LEAST_STEP * float(np.median(diameters)) if len(diameters) else 1.0
        return cls(
            np.repeat(np.arange(len(frames)), counts),
            first,
            gather("centres"),
            gather("whole"),
            gather("spread"),
            gather("covered"),
            gather("sizes"),
            diameters,
            max(step, least),
            max(change, _LEAST_CHANGE),
            float(np.median(gather("sizes"))) if len(diameters) else 1.0,
        )

    def __len__(self) -> int:
        return len(self.times)


def _typical(frames: Sequence[FrameObjects]) -> tuple[float, float]:
    """Return the typical step along an axis and change of size of nearest neighbours.

    Those that are nearest to each other in neighbouring frames are taken for one;
    medians pass over the few that are not.
    """
    ways, changes = [np.zeros(0)], [np.zeros(0)]
    axes = frames[0].centres.shape[1] if frames else 2
    for before, frame in pairwise(frames):
        if not len(before.names) or not len(frame.names):
            continue
        way, second = KDTree(frame.centres).query(before.centres)
        _, back = KDTree(before.centres).query(frame.centres)
        mutual = back[second] == np.arange(len(second))
        ways.append(way[mutual])
        grown = frame.sizes[second[mutual]] / before.sizes[mutual]
        changes.append(np.abs(np.log(grown)))
    way, change = np.concatenate(ways), np.concatenate(changes)
    if not len(way):
        return 0.0, 0.0
    # the median of a way in the plane is 1.18 steps, and 1.54 in space
    per_axis = 1.18 if axes == 2 else 1.54
    return float(np.median(way)) / per_axis, 1.48 * float(np.median(change))


@dataclass(frozen=True, eq=False)
class Links:
    """Pairs that may be one object.

    Attributes
    ----------
    before, after
        (P,) places among the appearances.
    gain
        (P,) what is saved if the pair is linked, above 0.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    gain: NDArray[np.float64]


def link_costs(seen: Appearances, config: TrackConfig) -> Links:
    """Return the pairs that may be one object, over `config.max_gap` missed frames."""
    pairs = [np.zeros((0, 2), np.int64)]
    frames = len(seen.first) - 1
    for apart in range(1, config.max_gap + 2):
        for t in range(frames - apart):
            pairs.append(_near(seen, t, t + apart, config.max_move * np.sqrt(apart)))
    before, after = np.concatenate(pairs).T
    apart = seen.times[after] - seen.times[before]
    plain = _way_cost(seen.centres, before, after, seen.step**2 * apart)
    grown = np.log(seen.sizes[after] / seen.sizes[before])
    plain += _tailed((grown / seen.change) ** 2)
    fits = np.abs(grown) <= np.log(config.max_growth)
    cost = np.where(fits, plain, np.inf)
    either = seen.covered[before] | seen.covered[after]
    both = seen.covered[before] & seen.covered[after]
    unsure = seen.step**2 * apart + seen.spread[before] + seen.spread[after]
    whole = _way_cost(seen.whole, before, after, unsure)
    axes = seen.centres.shape[1]
    whole += axes / 2 * np.log(unsure / (seen.step**2 * apart))
    whole += np.where(both, _STILL_COVERED, _COVERED)
    cost = np.where(either, np.minimum(cost, whole), cost)
    cost += axes / 2 * np.log(apart) + (apart - 1) * _MISSED
    kept = cost < 2 * BORDER
    return Links(before[kept], after[kept], 2 * BORDER - cost[kept])


def _way_cost(
    places: NDArray[np.float64],
    before: NDArray[np.int64],
    after: NDArray[np.int64],
    variance: NDArray[np.float64],
) -> NDArray[np.float64]:
    squared = ((places[after] - places[before]) ** 2).sum(axis=1)
    return np.asarray(np.minimum(squared / (2 * variance), _FARTHEST))


def _tailed(squared: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return half of a square where it is small, and its logarithm where it is not."""
    return np.asarray(_TAIL * np.log1p(squared / (2 * _TAIL)))


def _near(seen: Appearances, t: int, later: int, reach: float) -> NDArray[np.int64]:
    """Return the pairs of two frames within reach, in diameters of the earlier one.

    By what is seen, or, where one is covered, by where the whole objects lie.
    """
    here = np.arange(seen.first[t], seen.first[t + 1])
    there = np.arange(seen.first[later], seen.first[later + 1])
    if not len(here) or not len(there):
        return np.zeros((0, 2), np.int64)
    found = []
    is_covered = seen.covered[here].any() or seen.covered[there].any()
    for places in (seen.centres, seen.whole) if is_covered else (seen.centres,):
        near = KDTree(places[there]).query_ball_point(
            places[here], reach * seen.diameters[here]
        )
        first = np.repeat(here, [len(one) for one in near])
        second = there[np.array([j for one in near for j in one], np.int64)]
        found.append(np.stack([first, second], axis=1))
    return np.unique(np.concatenate(found), axis=0)


@dataclass(frozen=True, eq=False)
class Divisions:
    """Triples that may be a parent and its daughters.

    Attributes
    ----------
    parent, one, other
        (P,) places among the appearances.
    gain
        (P,) what is saved if it divides, above 0.
    """

    parent: NDArray[np.int64]
    one: NDArray[np.int64]
    other: NDArray[np.int64]
    gain: NDArray[np.float64]


def division_costs(seen: Appearances, config: TrackConfig) -> Divisions:
    """Return what may be a parent and its daughters.

    A daughter is smaller than its parent, both together are about as large, and the
    parent lay between them. A daughter may be missed at first, as objects may be.
    """
    daughters = _possible_daughters(seen, config)
    first, second = _pairs_within(daughters[:, 0])
    parent, one, other = daughters[first, 0], daughters[first, 1], daughters[second, 1]
    apart = np.stack([seen.times[k] - seen.times[parent] for k in (one, other)])
    between = (seen.whole[one] + seen.whole[other]) / 2 - seen.whole[parent]
    variance = seen.step**2 * apart.sum(axis=0) / 4
    variance = variance + (seen.spread[one] + seen.spread[other]) / 4
    variance += (_UNEVEN * seen.whole_diameters[parent]) ** 2
    cost = _DIVISION + (between**2).sum(axis=1) / (2 * variance)
    cost += _cost_of_sizes(seen, parent, one, other, config)
    cost += (apart.sum(axis=0) - 2) * _MISSED
    way = np.linalg.norm(seen.whole[one] - seen.whole[other], axis=1)
    fits = way <= _DAUGHTERS_APART * seen.whole_diameters[parent]
    kept = np.flatnonzero(fits & (cost < 3 * BORDER))
    gain = 3 * BORDER - cost[kept]
    return Divisions(parent[kept], one[kept], other[kept], gain)


def _cost_of_sizes(
    seen: Appearances,
    parent: NDArray[np.int64],
    one: NDArray[np.int64],
    other: NDArray[np.int64],
    config: TrackConfig,
) -> NDArray[np.float64]:
    """Return what the sizes cost; of a daughter that is covered no size is known.

    Then the other one must be about half of the parent.
    """
    hidden = np.stack([seen.covered[one], seen.covered[other]])
    sizes = np.stack([seen.sizes[one], seen.sizes[other]])
    known = np.where(hidden.all(axis=0), seen.whole_sizes[parent] / 2, 0.0)
    sizes = np.where(hidden, np.where(hidden[::-1], known, sizes[::-1]), sizes)
    growth = np.log(sizes.sum(axis=0) / seen.whole_sizes[parent])
    balance = np.log(sizes.min(axis=0) / sizes.max(axis=0))
    cost = _tailed((growth / _GROWTH) ** 2) + _tailed((balance / _BALANCE) ** 2)
    cost += _HIDDEN * hidden.sum(axis=0)
    fits = np.abs(growth) <= np.log(config.division_growth)
    fits &= balance >= np.log(config.division_balance)
    return np.where(fits, cost, np.inf)


def _possible_daughters(seen: Appearances, config: TrackConfig) -> NDArray[np.int64]:
    """Return pairs of a parent and a possible daughter, sorted."""
    pairs = [np.zeros((0, 2), np.int64)]
    frames = len(seen.first) - 1
    for apart in range(1, config.max_gap + 2):
        for t in range(frames - apart):
            pairs.append(_near(seen, t, t + apart, config.division_move))
    found = np.concatenate(pairs)
    smaller = seen.sizes[found[:, 1]] < _DAUGHTER * seen.whole_sizes[found[:, 0]]
    return np.unique(found[smaller], axis=0)


def _pairs_within(
    groups: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of places of equal numbers, which are sorted."""
    last = np.searchsorted(groups, groups, side="right")
    count = last - np.arange(len(groups)) - 1
    first = np.repeat(np.arange(len(groups)), count)
    within = np.arange(len(first)) - np.repeat(np.cumsum(count) - count, count)
    return first, first + 1 + within
