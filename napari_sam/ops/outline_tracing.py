"""From masks to polygons along the edges of their pixels, without a loss.

What a polygon is, and how one is filled again, is `napari_sam.ops.polygons`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.ops.polygons import Polygon

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.polygons import Ring

__all__ = ["trace_masks"]

_BATCH = 2**22


def trace_masks(
    masks: Sequence[NDArray[np.bool_]], *, batch: int = _BATCH
) -> list[tuple[Polygon, ...]]:
    """Follow the outlines of masks along the edges of their pixels.

    All masks are traced at once. A corner of an outline is where a pixel differs from
    both of its neighbours, or from the three that meet it there; sorted along rows
    and along columns, every second pair of corners is a side. That is how a polygon
    whose sides go along two axes is put together from its corners (O'Rourke,
    "Uniqueness of orthogonal connect-the-dots", 1988).

    Parameters
    ----------
    masks
        (h, w) bool each, of any sizes.
    batch
        Pixels that are traced at a time, save for a mask that is larger.

    Returns
    -------
    list of tuple of Polygon
        The pieces of each mask, from its own upper left corner; none for an empty one.

    Examples
    --------
    >>> ((square,),) = trace_masks([np.ones((2, 3), bool)])
    >>> square.exterior.tolist()
    [[0, 0], [0, 3], [2, 3], [2, 0]]
    """
    found: list[tuple[Polygon, ...]] = []
    for part in _batches(masks, batch):
        plane, corners = _lay_out(part)
        rings = _trace_plane(plane, len(part))
        for mask, corner, own in zip(part, corners, rings, strict=True):
            found.append(_to_polygons(mask, [ring - corner for ring in own]))
    return found


def _batches(
    masks: Sequence[NDArray[np.bool_]], most: int
) -> Iterator[Sequence[NDArray[np.bool_]]]:
    first, size = 0, 0
    for number, mask in enumerate(masks):
        if number > first and size + mask.size > most:
            yield masks[first:number]
            first, size = number, 0
        size += mask.size
    if first < len(masks):
        yield masks[first:]


def _lay_out(
    masks: Sequence[NDArray[np.bool_]],
) -> tuple[NDArray[np.int32], list[tuple[int, int]]]:
    """Put masks side by side into one plane, as 1, 2, ...; return where each lies."""
    area = sum(mask.size for mask in masks)
    width = max(math.isqrt(area), *(mask.shape[1] for mask in masks), 1)
    corners = [(0, 0)] * len(masks)
    top = left = height = 0
    for number in sorted(range(len(masks)), key=lambda i: -masks[i].shape[0]):
        rows, cols = masks[number].shape
        if left + cols > width:
            top, left, height = top + height, 0, 0
        corners[number] = (top, left)
        left, height = left + cols, max(height, rows)
    plane = np.zeros((top + height, width), np.int32)
    for number, (mask, (row, col)) in enumerate(zip(masks, corners, strict=True)):
        plane[row : row + mask.shape[0], col : col + mask.shape[1]] = mask * (
            number + 1
        )
    return plane, corners


@dataclass(frozen=True, eq=False)
class _Corners:
    """Corners of outlines: (N,) each. Two of an object at one place are `shared`.

    `side` says on which side of the place their pixel lies, where they are shared: 0 or
    1 along rows, and along columns.
    """

    label: NDArray[np.int64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]
    row_side: NDArray[np.int64]
    col_side: NDArray[np.int64]
    shared: NDArray[np.bool_]


_QUARTERS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""The four pixels that meet in a place: 0 or 1 down, and to the right."""


def _find_corners(padded: NDArray[np.int32]) -> _Corners:
    above, below = padded[:-1], padded[1:]
    level = above == below
    upright = padded[:, :-1] == padded[:, 1:]
    # nothing turns where both columns, or both rows, are of one kind
    turns = ~(level[:, :-1] & level[:, 1:]) & ~(upright[:-1] & upright[1:])
    row, col = np.nonzero(turns)
    around = {(r, c): padded[row + r, col + c] for r, c in _QUARTERS}
    parts = []
    for r, c in _QUARTERS:
        own, beside = around[r, c], around[r, 1 - c]
        over, across = around[1 - r, c], around[1 - r, 1 - c]
        convex = np.flatnonzero((own != 0) & (own != beside) & (own != over))
        shared = own[convex] == across[convex]
        parts.append((own[convex], convex, r, c, shared))
        concave = np.flatnonzero(
            (across != 0) & (across == beside) & (across == over) & (own != across)
        )
        none = np.zeros(len(concave), np.bool_)
        parts.append((across[concave], concave, 0, 0, none))
    at = np.concatenate([part[1] for part in parts])
    sides = [
        np.concatenate([np.full(len(part[1]), part[k], np.int64) for part in parts])
        for k in (2, 3)
    ]
    return _Corners(
        np.concatenate([part[0] for part in parts]).astype(np.int64),
        row[at].astype(np.int64),
        col[at].astype(np.int64),
        sides[0],
        sides[1],
        np.concatenate([part[4] for part in parts]),
    )


def _trace_plane(plane: NDArray[np.int32], count: int) -> list[list[NDArray[np.int64]]]:
    """Return the rings of the labels 1 to `count`, with the object to their right."""
    padded = np.pad(plane, 1)
    found = _find_corners(padded)
    rings: list[list[NDArray[np.int64]]] = [[] for _ in range(count)]
    if not len(found.label):
        return rings
    height, width = padded.shape
    places = found.label * height + found.row
    along = np.argsort((places * width + found.col) * 2 + found.col_side)
    places = found.label * width + found.col
    down = np.argsort((places * height + found.row) * 2 + found.row_side)
    below = np.empty(len(down), np.int64)  # the other end of the side up or down
    below[down[0::2]], below[down[1::2]] = down[1::2], down[0::2]
    left, right = along[0::2], along[1::2]
    eastward = padded[found.row[left] + 1, found.col[left] + 1] == found.label[left]
    start, end = np.where(eastward, left, right), np.where(eastward, right, left)
    side_from = np.empty(len(down), np.int64)
    side_from[start] = np.arange(len(start))
    order, firsts = _follow(side_from[below[end]].tolist())
    turns = np.stack([start[order], end[order]], axis=1).ravel()
    corners = np.stack([found.row[turns], found.col[turns]], axis=1)
    shared = np.add.reduceat(found.shared[turns].astype(np.int64), firsts * 2)
    labels = found.label[turns[firsts * 2]] - 1
    ends = np.append(firsts[1:], len(order)) * 2
    for label, first, last, count_shared in zip(
        labels.tolist(), (firsts * 2).tolist(), ends.tolist(), shared, strict=True
    ):
        ring = corners[first:last]
        rings[label].extend(_apart(ring) if count_shared else [ring])
    return rings


def _follow(following: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Go round the cycles of a permutation; return the order, and where each begins."""
    order: list[int] = []
    firsts: list[int] = []
    seen = bytearray(len(following))
    for first in range(len(following)):
        if seen[first]:
            continue
        firsts.append(len(order))
        at = first
        while not seen[at]:
            seen[at] = 1
            order.append(at)
            at = following[at]
    return np.array(order, np.int64), np.array(firsts, np.int64)


def _apart(ring: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut a ring that comes to a corner twice into rings that do not."""
    rings: list[NDArray[np.int64]] = []
    path: list[tuple[int, ...]] = []
    places: dict[tuple[int, ...], int] = {}
    for corner in map(tuple, ring.tolist()):
        if corner in places:
            first = places[corner]
            rings.append(np.array(path[first:], np.int64))
            for left in path[first + 1 :]:
                del places[left]
            del path[first + 1 :]
            continue
        places[corner] = len(path)
        path.append(corner)
    rings.append(np.array(path, np.int64))
    return rings


def _doubled_area(ring: Ring) -> float:
    """Return twice the area of a ring, positive where it is clockwise."""
    row, col = ring[:, 0], ring[:, 1]
    return float((col * np.roll(row, -1) - row * np.roll(col, -1)).sum())


def _to_polygons(
    mask: NDArray[np.bool_], rings: list[NDArray[np.int64]]
) -> tuple[Polygon, ...]:
    if len(rings) < 2:
        return tuple(Polygon(ring) for ring in rings)
    outer: list[NDArray[np.int64]] = []
    inner: list[NDArray[np.int64]] = []
    for ring in rings:
        (outer if _doubled_area(ring) > 0 else inner).append(ring)
    if len(outer) == 1:
        return (Polygon(outer[0], tuple(inner)),)
    holes: dict[int, list[Ring]] = {}
    if inner:
        pieces, _ = ndimage.label(mask)
        for ring in inner:
            holes.setdefault(int(pieces[_pixel_beside(ring)]), []).append(ring)
        return tuple(
            Polygon(ring, tuple(holes.get(int(pieces[_pixel_beside(ring)]), ())))
            for ring in outer
        )
    return tuple(Polygon(ring) for ring in outer)


def _pixel_beside(ring: NDArray[np.int64]) -> tuple[int, int]:
    """Return the pixel of the object to the right of the first side of a ring."""
    row, col = ring[0].tolist()
    down, right = (ring[1] - ring[0]).tolist()
    if right:
        return (row, col) if right > 0 else (row - 1, col - 1)
    return (row, col - 1) if down > 0 else (row - 1, col)
