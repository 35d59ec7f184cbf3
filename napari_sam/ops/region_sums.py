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
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_sam.ops.basin_tree import BasinTree

    Values = NDArray[np.float64]

__all__ = ["Pixels", "RegionSums", "sum_up"]


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


class Pixels:
    """The pixels of a plane that count, one after the other.

    Parameters
    ----------
    inside
        (H, W) bool.
    """

    def __init__(self, inside: NDArray[np.bool_]) -> None:
        self.shape = high, wide = inside.shape
        kind = np.int32 if inside.size < 2**31 else np.int64
        self.at: NDArray[np.integer] = np.flatnonzero(inside).astype(kind)
        self.row, self.column = np.divmod(self.at, kind(wide))
        self.ends = (
            (self.row < high - 1, wide),
            (self.column < wide - 1, 1),
            (self.row > 0, -wide),
            (self.column > 0, -1),
        )

    def of(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return (P,) the values of a plane."""
        values: NDArray[Any] = plane.ravel()[self.at]
        return values

    def beside(self, plane: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Yield (P,) the values of each of four neighbours, at the border their own."""
        flat = plane.ravel()
        for is_there, step in self.ends:
            yield flat[self.at + np.where(is_there, self.at.dtype.type(step), 0)]

    def falls(self, plane: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (P,) how much lower the neighbours are, in sum.

        Summed up over a region, it is how much the values fall at its outline.
        """
        own = self.of(plane)
        total = np.zeros_like(own)
        for other in self.beside(plane):
            total += own - other
        return total


def sum_up(
    tree: BasinTree,
    level: NDArray[np.uint8],
    thresholds: int,
    relief: NDArray[np.float32],
    told: Mapping[str, NDArray[np.generic]],
    pixels: Pixels,
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
        (P,) each, by name.
    pixels
        Those in basins.
    """
    cells = _Cells(tree, level, thresholds, pixels)
    inner, joining, touching = _between(cells, relief)
    border = np.stack([~is_there for is_there, _ in pixels.ends]).sum(axis=0)
    own = pixels.of(relief)
    rim = np.zeros_like(own)
    for (is_there, _), other in zip(pixels.ends, pixels.beside(relief), strict=True):
        rim += np.where(is_there, np.maximum(own, other), 0)
    return RegionSums(
        cells.total(None),
        {name: cells.total(values) for name, values in told.items()},
        cells.least(own),
        cells.total(border),
        inner,
        touching,
        joining,
        cells.total(rim),
    )


class _Cells:
    """A cell for each basin and level, and how regions are made of them."""

    def __init__(
        self,
        tree: BasinTree,
        level: NDArray[np.uint8],
        thresholds: int,
        pixels: Pixels,
    ) -> None:
        self.tree, self.level, self.pixels = tree, level, pixels
        self.shape = tree.count, thresholds + 1
        self.size = tree.count * (thresholds + 1)
        basin = pixels.of(tree.basins).astype(np.int64) - 1
        self.number = basin * (thresholds + 1) + pixels.of(level)

    def total(self, values: NDArray[np.generic] | None) -> Values:
        """Sum up the values of the pixels of regions; None: count the pixels."""
        total = np.bincount(self.number, values, self.size).astype(np.float64)
        return self.grown(_from_above(total.reshape(self.shape)))

    def least(self, values: NDArray[np.float32]) -> Values:
        """Return the least value of regions; 1 where there are none."""
        least = np.ones(self.shape)
        np.minimum.at(least.reshape(-1), self.number, values)
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
    cells: _Cells, relief: NDArray[np.float32]
) -> tuple[Values, Values, Values]:
    """Return the sides within regions, where they were joined, and to other regions."""
    count, levels = cells.shape
    within = np.zeros((*cells.shape, 2))
    pairs, heights = [], []
    basins, level, height = (
        a.ravel() for a in (cells.tree.basins, cells.level, relief)
    )
    for is_there, step in cells.pixels.ends[:2]:
        here = cells.pixels.at[is_there]
        here = here[level[here + step] > 0]
        there = here + step
        a, b = basins[here] - 1, basins[there] - 1
        low = np.minimum(level[here], level[there])
        ridge = np.maximum(height[here], height[there])
        same = a == b
        at = a[same].astype(np.int64) * levels + low[same]
        within[..., 0] += np.bincount(at, None, cells.size).reshape(cells.shape)
        within[..., 1] += np.bincount(at, ridge[same], cells.size).reshape(cells.shape)
        a, b = a[~same].astype(np.int64), b[~same].astype(np.int64)
        pair = np.minimum(a, b) * count + np.maximum(a, b)
        pairs.append(pair * levels + low[~same])
        heights.append(ridge[~same])
    keys, place = np.unique(np.concatenate(pairs), return_inverse=True)
    told = (None, np.concatenate(heights))
    sums = np.stack([np.bincount(place, one, len(keys)) for one in told], axis=1)
    pair, low = np.divmod(keys, levels)
    ends = np.divmod(pair, max(count, 1))
    joining = np.zeros((count + len(cells.tree.joined) + 1, levels, 2))
    np.add.at(joining, (cells.tree.least_common(*ends), low), sums)
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
