"""How the basins of a relief grow together: a tree of nested regions.

Each pixel runs down the steepest way to a pit; all that reach one pit are its basin.
Between basins that touch there is a pass, and a flood that rises joins the two of the
lowest pass first. How much deeper than its pass a basin is, when it is joined to a
deeper one, is its persistence (Najman and Schmitt, IEEE TPAMI 18, 1996, call it the
dynamics of a minimum). Joined in the order of their persistence, basins make a tree
whose regions at each depth are those of a watershed from the minima so deep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from napari_sam.ops.extended_minima import neighbouring_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BasinTree", "grow_basins"]


@dataclass(frozen=True, eq=False)
class BasinTree:
    """Basins of a relief, and the regions they grow together to.

    Attributes
    ----------
    basins
        (H, W) int32: 0 outside of the mask, i + 1 the basin i.
    count
        How many basins there are, B.
    joined
        (R, 2) int64: the two regions that the region B + r is made of, in the order in
        which regions are joined.
    persistence
        (R,) float32, ascending: how deep the shallower of the two was.
    """

    basins: NDArray[np.int32]
    count: int
    joined: NDArray[np.int64]
    persistence: NDArray[np.float32]

    def parents(self) -> NDArray[np.int64]:
        """Return (B + R,) the region that each becomes a part of; -1 of those left."""
        found = np.full(self.count + len(self.joined), -1)
        found[self.joined] = self.count + np.arange(len(self.joined))[:, None]
        return found

    def sizes(self) -> NDArray[np.int64]:
        """Return (B + R,) of how many basins each region is made."""
        found = [1] * self.count
        for one, other in self.joined.tolist():
            found.append(found[one] + found[other])
        return np.array(found, np.int64)

    def least_common(
        self, one: NDArray[np.int64], other: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return (P,) the least region that holds both basins of a pair; -1: none."""
        top = self.count + len(self.joined)  # holds all that is left
        parent = np.append(self.parents(), top)
        parent[parent < 0] = top
        depth = np.zeros(top + 1, np.int64)
        for region in range(top - 1, -1, -1):
            depth[region] = depth[parent[region]] + 1
        jumps = [parent]
        while 2 ** len(jumps) <= depth.max(initial=0):
            jumps.append(jumps[-1][jumps[-1]])
        a, b = np.where(depth[one] < depth[other], (other, one), (one, other))
        for number, jump in reversed(list(enumerate(jumps))):
            a = np.where(depth[a] - 2**number >= depth[b], jump[a], a)
        for jump in reversed(jumps):
            apart = jump[a] != jump[b]
            a, b = np.where(apart, (jump[a], jump[b]), (a, b))
        found = np.where(a == b, a, parent[a])
        return np.where(found == top, -1, found)


def grow_basins(
    relief: NDArray[np.floating], depth: float, mask: NDArray[np.bool_]
) -> BasinTree:
    """Part a relief into basins at least so deep, and say how they grow together.

    Parameters
    ----------
    relief
        (H, W) float heights.
    depth
        Shallower basins are not told apart.
    mask
        (H, W) bool: where the relief is.

    Examples
    --------
    >>> relief = np.array([[0.0, 0.5, 0.1, 0.2, 0.15]])
    >>> tree = grow_basins(relief, 0.1, np.ones((1, 5), bool))
    >>> tree.basins, tree.persistence.round(2)
    (array([[1, 1, 2, 2, 2]], dtype=int32), array([0.4], dtype=float32))
    """
    basins = np.zeros(relief.shape, np.int32)
    inside = np.pad(mask, 1)
    pixels = np.flatnonzero(inside)
    nothing = np.zeros((0, 2), np.int64)
    if not len(pixels):
        return BasinTree(basins, 0, nothing, np.zeros(0, np.float32))
    heights = relief[mask]
    kind = np.dtype(np.int32 if inside.size < 2**31 else np.int64)
    place: NDArray[np.integer] = np.full(inside.size, -1, kind)
    place[pixels] = np.arange(len(pixels), dtype=kind)
    neighbours = neighbouring_pixels(pixels, place, inside.shape)
    pits, pit = _steepest(heights, neighbours, inside.shape[1])
    ends, passes = _lowest_passes(heights, pit, neighbours, len(pits))
    ends, passes = _spanning(ends, passes, len(pits))
    persistence = _persistence(heights[pits], ends, passes)
    shallow = persistence < depth
    count, member = _components(ends[shallow], len(pits))
    basins[mask] = member[pit] + 1
    order = np.argsort(persistence[~shallow], kind="stable")
    joined = _join(member[ends[~shallow][order]].astype(np.int64), count)
    return BasinTree(
        basins, count, joined, persistence[~shallow][order].astype(np.float32)
    )


def _steepest(
    heights: NDArray[np.floating],
    neighbours: list[tuple[NDArray[np.integer], NDArray[np.integer]]],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """Return the pixels that are pits, and the index of the pit of each pixel."""
    down: NDArray[np.integer] = np.arange(len(heights), dtype=neighbours[0][0].dtype)
    fall = np.zeros_like(heights)
    for (one, other), length in zip(neighbours, _LENGTHS, strict=True):
        drop = (heights[one] - heights[other]) / length
        steeper = np.flatnonzero(drop > fall[one])
        at = one[steeper]
        fall[at], down[at] = drop[steeper], other[steeper]
        steeper = np.flatnonzero(-drop > fall[other])
        at = other[steeper]
        fall[at], down[at] = -drop[steeper], one[steeper]
    while True:
        further = down[down]
        if np.array_equal(further, down):
            break
        down = further
    pits = np.flatnonzero(down == np.arange(len(down)))
    number = np.zeros_like(down)
    number[pits] = np.arange(len(pits))
    return pits, number[down]


_LENGTHS = (1.0, 2**0.5, 1.0, 2**0.5)
"""To the neighbours of a pixel: right, and the three below."""


def _lowest_passes(
    heights: NDArray[np.floating],
    pit: NDArray[np.integer],
    neighbours: list[tuple[NDArray[np.integer], NDArray[np.integer]]],
    pits: int,
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Return pairs of pits whose basins touch, and the lowest pass between them."""
    keys, passes = [], []
    for here, there in neighbours:
        one, other = pit[here], pit[there]
        rim = np.flatnonzero(one != other)
        a, b = one[rim].astype(np.int64), other[rim].astype(np.int64)
        keys.append(np.minimum(a, b) * pits + np.maximum(a, b))
        passes.append(np.maximum(heights[here[rim]], heights[there[rim]]))
    key, height = np.concatenate(keys), np.concatenate(passes)
    order = np.lexsort((height, key))
    key, height = key[order], height[order]
    first = np.flatnonzero(np.diff(key, prepend=-1))
    return np.stack(np.divmod(key[first], pits), axis=1), height[first]


def _spanning(
    ends: NDArray[np.int64], passes: NDArray[np.floating], pits: int
) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Leave the passes over which a rising flood joins basins first, ascending."""
    above = passes - passes.min(initial=0) + 1  # 0 would be no pass
    graph = coo_array((above, (ends[:, 0], ends[:, 1])), (pits, pits))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    order = np.argsort(tree.data, kind="stable")
    left = np.stack([tree.row, tree.col], axis=1)[order].astype(np.int64)
    return left, tree.data[order] + passes.min(initial=0) - 1


def _persistence(
    lowest: NDArray[np.floating],
    ends: NDArray[np.int64],
    passes: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Return how deep below each pass the shallower of the two basins is."""
    root = list(range(len(lowest)))
    least = lowest.tolist()
    found = []
    for (one, other), height in zip(ends.tolist(), passes.tolist(), strict=True):
        while root[one] != one:
            root[one] = one = root[root[one]]
        while root[other] != other:
            root[other] = other = root[root[other]]
        if least[one] > least[other]:
            one, other = other, one
        root[other] = one
        found.append(height - least[other])
    return np.array(found, np.float64)


def _join(ends: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the two regions that each pass joins, one pass after the other."""
    root = list(range(count))
    region = list(range(count))
    found = np.zeros((len(ends), 2), np.int64)
    for number, (first, second) in enumerate(ends.tolist()):
        one, other = first, second
        while root[one] != one:
            root[one] = one = root[root[one]]
        while root[other] != other:
            root[other] = other = root[root[other]]
        found[number] = region[one], region[other]
        root[other] = one
        region[one] = count + number
    return found


def _components(edges: NDArray[np.int64], total: int) -> tuple[int, NDArray[np.int32]]:
    ones = np.ones(len(edges), np.bool_)
    graph = coo_array((ones, (edges[:, 0], edges[:, 1])), (total, total))
    count, member = connected_components(graph, directed=False)
    return int(count), member
