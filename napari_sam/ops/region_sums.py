"""What is summed up of the pixels of nested regions, and of the sides between them.

The pixels of each basin are gone through once, by how many thresholds lie below them;
sums of regions and of higher thresholds follow from those of basins. A sum over the
outline of a region is one over the sides of its pixels less those that lie within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam.ops.basin_tree import BasinTree

    Values = NDArray[np.float64]

__all__ = ["RegionSums", "at_sides", "falls", "sum_up"]


@dataclass(frozen=True, eq=False)
class RegionSums:
    """Sums of each region at each threshold, (regions, thresholds) float64 each.

    Attributes
    ----------
    area
        Pixels.
    totals
        By name, the sums of what was told of pixels.
    least
        The least of what was told as a relief.
    border
        Sides of pixels at the border of the plane.
    inner, touching, joining
        (regions, thresholds, 2): how many sides of pixels lie within a region, between
        it and others, and between its last two parts; and the higher relief on both
        sides of each, in sum.
    rim
        The higher relief on both sides of each side of a pixel, in sum, also of those
        within the region.
    """

    area: Values
    totals: Mapping[str, Values]
    least: Values
    border: Values
    inner: Values
    touching: Values
    joining: Values
    rim: Values


def sum_up(
    tree: BasinTree,
    level: NDArray[np.uint8],
    thresholds: int,
    relief: NDArray[np.float32],
    told: Mapping[str, NDArray[np.generic]],
) -> RegionSums:
    """Sum up what is told of pixels.

    Parameters
    ----------
    tree
        Basins, and the regions that they grow together to.
    level
        (H, W): how many thresholds a pixel is above; it is in a basin from the first.
    thresholds
        How many there are.
    relief
        (H, W).
    told
        (H, W) each, by name.
    """
    cells = _Cells(tree, level, thresholds)
    sides = [np.maximum(*at_sides(relief, axis)) for axis in (0, 1)]
    inner, joining, touching = _between(cells, sides)
    border = 4 - _beside([np.ones_like(one) for one in sides])
    return RegionSums(
        cells.total(None),
        {name: cells.total(values) for name, values in told.items()},
        cells.least(relief),
        cells.total(border),
        inner,
        touching,
        joining,
        cells.total(_beside(sides)),
    )


class _Cells:
    """A cell for each basin and level, and how regions are made of them."""

    def __init__(
        self, tree: BasinTree, level: NDArray[np.uint8], thresholds: int
    ) -> None:
        self.tree, self.level = tree, level
        self.shape = tree.count, thresholds + 1
        self.size = tree.count * (thresholds + 1)
        self.on = level > 0
        self.number = (tree.basins[self.on] - 1) * (thresholds + 1) + level[self.on]

    def total(self, values: NDArray[np.generic] | None) -> Values:
        """Sum up the values of the pixels of regions; None: count the pixels."""
        told = None if values is None else values[self.on]
        total = np.bincount(self.number, told, self.size).astype(np.float64)
        return self.grown(_from_above(total.reshape(self.shape)))

    def least(self, values: NDArray[np.float32]) -> Values:
        """Return the least value of regions; 1 where there are none."""
        least = np.ones(self.shape)
        np.minimum.at(least.reshape(-1), self.number, values[self.on])
        above = np.minimum.accumulate(least[:, ::-1], axis=1)[:, ::-1][:, 1:]
        return self.grown(above, np.minimum)

    def grown(self, values: Values, how: np.ufunc = np.add) -> Values:
        """Return values of regions, from those of basins."""
        joined = self.tree.joined.tolist()
        found = np.concatenate([values, np.zeros((len(joined), *values.shape[1:]))])
        for region, (one, other) in enumerate(joined, self.tree.count):
            found[region] = how(found[one], found[other])
        return found


def _between(
    cells: _Cells, ridge: list[NDArray[np.float32]]
) -> tuple[Values, Values, Values]:
    """Return the sides within regions, where they were joined, and to other regions."""
    count, levels = cells.shape
    within = np.zeros((*cells.shape, 2))
    pairs, heights = [], []
    for axis in (0, 1):
        one, other = at_sides(cells.tree.basins, axis)
        low = np.minimum(*at_sides(cells.level, axis))
        on = low > 0
        a, b, low, height = one[on] - 1, other[on] - 1, low[on], ridge[axis][on]
        same = a == b
        at = a[same] * levels + low[same]
        within[..., 0] += np.bincount(at, None, cells.size).reshape(cells.shape)
        within[..., 1] += np.bincount(at, height[same], cells.size).reshape(cells.shape)
        a, b = a[~same].astype(np.int64), b[~same].astype(np.int64)
        pair = np.minimum(a, b) * count + np.maximum(a, b)
        pairs.append(pair * levels + low[~same])
        heights.append(height[~same])
    keys, place = np.unique(np.concatenate(pairs), return_inverse=True)
    sums = np.stack(
        [
            np.bincount(place, told, len(keys))
            for told in (None, np.concatenate(heights))
        ],
        axis=1,
    )
    pair, low = np.divmod(keys, levels)
    ends = np.divmod(pair, max(count, 1))
    joined = cells.tree.least_common(*ends)
    regions = count + len(cells.tree.joined)
    joining = np.zeros((regions + 1, levels, 2))
    np.add.at(joining, (joined, low), sums)
    outer = np.zeros((count, levels, 2))
    for end in ends:
        np.add.at(outer, (end, low), sums)
    return _within(cells, _from_above(within), _from_above(joining[:-1]), outer)


def _within(
    cells: _Cells, within: Values, joining: Values, outer: Values
) -> tuple[Values, Values, Values]:
    """Return the sides within regions, where they were joined, and to others."""
    inner = np.concatenate([within, joining[cells.tree.count :]])
    joined = joining.copy()
    for region, (one, other) in enumerate(cells.tree.joined.tolist(), cells.tree.count):
        inner[region] += inner[one] + inner[other]
        joined[region] += joined[one] + joined[other]
    return inner, joining, cells.grown(_from_above(outer)) - 2 * joined


def _from_above(values: Values) -> Values:
    """Turn (basins, levels, ...) sums into those of all levels above thresholds."""
    return values[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]


def at_sides(values: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the pixels before and behind each side between pixels across an axis."""
    along = np.moveaxis(values, axis, 0)
    return along[:-1], along[1:]


def _beside(sides: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Sum up what is told of the sides of each pixel."""
    total = np.zeros((sides[1].shape[1], sides[0].shape[1]), np.float32)
    for axis, values in enumerate(sides):
        along = np.moveaxis(total, axis, 0)
        along[:-1] += values
        along[1:] += values
    return total


def falls(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much lower the neighbours of each pixel are, in sum.

    Summed up over a region, it is how much the values fall at its outline.
    """
    total = np.zeros_like(values)
    for axis in (0, 1):
        one, other = at_sides(values, axis)
        along, fall = np.moveaxis(total, axis, 0), one - other
        along[:-1] += fall
        along[1:] -= fall
    return total
