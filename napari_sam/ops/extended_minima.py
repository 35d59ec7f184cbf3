"""Basins of a relief that are at least so deep: its extended minima.

A relief that is flooded by a depth, but not over any rim, has these basins as its
minima (Soille, Morphological Image Analysis, 2003, section 6.3.5). The usual way is a
morphological reconstruction of the whole plane, pixel by pixel in the order of their
heights. Here each pixel first runs down to a pit, all at once; the pits and the passes
between them are a small graph, in which basins grow together as in Boruvka's minimum
spanning tree.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["extended_minima", "neighbouring_pixels"]


def extended_minima(
    relief: NDArray[np.floating],
    depth: float,
    mask: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Find the bottoms of all basins that are at least `depth` deep.

    A bottom is a connected part (8 neighbours in a plane, 26 in a volume) of all that
    lies at most `depth` above the lowest pixel of that same part.

    Parameters
    ----------
    relief
        (H, W) or (D, H, W) float heights.
    depth
        In the unit of the heights, above 0; added in the type of `relief`.
    mask
        Bool of the same shape: where the relief is; a rim of any height elsewhere.
        Everywhere if None.

    Returns
    -------
    bool array of the same shape

    Raises
    ------
    ValueError
        If the relief is no plane or volume, or the mask has another shape.

    Examples
    --------
    >>> relief = np.array([[0.0, 0.5, 0.1, 0.2, 0.15]])
    >>> extended_minima(relief, 0.3).astype(int)
    array([[1, 0, 1, 1, 1]])
    >>> extended_minima(relief, 0.6).astype(int)
    array([[1, 1, 1, 1, 1]])
    """
    relief = np.asarray(relief)
    if relief.ndim not in (2, 3) or (mask is not None and mask.shape != relief.shape):
        more = "" if mask is None else f" and a mask of {mask.shape}"
        raise ValueError(
            f"a relief must be (H, W) or (D, H, W), got {relief.shape}{more}"
        )
    found = np.zeros(relief.shape, np.bool_)
    # A frame of nothing: no pixel of the plane is without neighbours.
    inside = np.pad(np.ones(relief.shape, np.bool_) if mask is None else mask, 1)
    pixels = np.flatnonzero(inside)
    if not len(pixels):
        return found
    heights = np.pad(relief, 1)[inside]
    kind = np.dtype(np.int32 if inside.size < 2**31 else np.int64)
    place: NDArray[np.integer] = np.full(inside.size, -1, kind)
    place[pixels] = np.arange(len(pixels), dtype=kind)
    neighbours = neighbouring_pixels(pixels, place, inside.shape)
    roots, pit = _run_down(heights, neighbours)
    edges = [np.zeros((0, 2), np.int64)]
    passes = [np.zeros(0, heights.dtype)]
    lowest = heights[roots]
    flooded = lowest + heights.dtype.type(depth)
    for here, there in neighbours:
        rim = np.flatnonzero(pit[here] != pit[there])
        one, other = here[rim], there[rim]
        ends = np.stack([pit[one], pit[other]], axis=1)
        height = np.maximum(heights[one], heights[other])
        # Over the others no basin grows.
        used = height <= flooded[ends].max(axis=1)
        edges.append(ends[used])
        passes.append(height[used])
    limits = _grow(flooded, np.concatenate(edges), np.concatenate(passes))
    found[inside[(slice(1, -1),) * inside.ndim]] = heights <= limits[pit]
    return found


def neighbouring_pixels(
    pixels: NDArray[np.int64], place: NDArray[np.integer], shape: tuple[int, ...]
) -> list[tuple[NDArray[np.integer], NDArray[np.integer]]]:
    """List pairs of adjacent pixels by their numbers, one pair of arrays a direction.

    `pixels` are flat positions in an array of that shape, `place` their numbers, or -1.
    """
    pairs = []
    strides = np.cumprod([1, *shape[:0:-1]])[::-1]
    ways = product((-1, 0, 1), repeat=len(shape))
    around = sorted(int(np.dot(way, strides)) for way in ways)
    for step in around[len(around) // 2 + 1 :]:  # each pair once
        there = place[pixels + step]
        here = np.flatnonzero(there >= 0).astype(place.dtype)
        pairs.append((here, there[here]))
    return pairs


def _run_down(
    heights: NDArray[np.floating],
    neighbours: list[tuple[NDArray[np.integer], NDArray[np.integer]]],
) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """Let each pixel run down to a pit: one that has no lower neighbour.

    Returns the pixels that are pits, (P,), and for each pixel the index of its pit.
    """
    down: NDArray[np.integer] = np.arange(len(heights), dtype=neighbours[0][0].dtype)
    for one, other in neighbours:
        rise = heights[one] < heights[other]
        fall = heights[other] < heights[one]
        down[other[rise]] = one[rise]
        down[one[fall]] = other[fall]
    while True:
        further = down[down]
        if np.array_equal(further, down):
            break
        down = further
    roots = np.flatnonzero(down == np.arange(len(down)))
    number = np.zeros_like(down)
    number[roots] = np.arange(len(roots))
    return roots, number[down]


def _grow(
    flooded: NDArray[np.floating],
    edges: NDArray[np.int64],
    passes: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Tell of each pit up to which height its pixels belong to a bottom.

    Parameters
    ----------
    flooded
        (P,) height of each pit and the depth.
    edges, passes
        (E, 2) indices of pits, and (E,) the height of the pass between them.

    Returns
    -------
    (P,) heights; minus infinity for pits that no bottom holds.
    """
    member = np.arange(len(flooded))
    level, ends, height = flooded, edges, passes
    while len(ends):
        # The lowest pass out of each basin; where the flood reaches it, it is taken.
        order = np.argsort(height, kind="stable")[::-1]
        lowest = np.zeros(len(level), np.int64)
        lowest[ends[order]] = order[:, None]  # of one basin's, the last one stays
        open_ = np.full(len(level), np.inf, height.dtype)
        np.minimum.at(open_, ends[:, 0], height)
        np.minimum.at(open_, ends[:, 1], height)
        grows = open_ <= level
        if not grows.any():
            break
        taken = ends[lowest[grows]]
        count, joined = _components(taken, len(level))
        level = _least(level, joined, count)
        member, ends = joined[member], joined[ends]
        used = (ends[:, 0] != ends[:, 1]) & (height <= level[ends].max(axis=1))
        ends, height = ends[used], height[used]
    # A bottom is what the lowest pit of a basin reaches below its own flood.
    limit = level[member]
    same = member[edges[:, 0]] == member[edges[:, 1]]
    reached = same & (passes <= limit[edges[:, 0]])
    count, part = _components(edges[reached], len(flooded))
    return np.where(_least(flooded, part, count)[part] == limit, limit, -np.inf)


def _components(edges: NDArray[np.int64], total: int) -> tuple[int, NDArray[np.int64]]:
    ones = np.ones(len(edges), np.bool_)
    graph = coo_array((ones, (edges[:, 0], edges[:, 1])), (total, total))
    count, member = connected_components(graph, directed=False)
    return int(count), member


def _least(
    values: NDArray[np.floating], member: NDArray[np.int64], count: int
) -> NDArray[np.floating]:
    """Return the least value of each of so many groups."""
    least = np.full(count, np.inf, values.dtype)
    np.minimum.at(least, member, values)
    return least
