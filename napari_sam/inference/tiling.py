"""Overlapping tiles over an image plane, and how what they show is blended."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.types import Box

__all__ = [
    "TILE_OVERLAP",
    "blend_weights",
    "choose_tiles",
    "lay_tiles",
    "tile_least",
    "tile_plane",
]

TILE_OVERLAP = 96
"""Frame pixels that neighbouring tiles share: more than the objects that are tiled."""


def lay_tiles(shape: tuple[int, int], side: int, overlap: int) -> list[Box]:
    """Cover a plane of (H, W) with as few square tiles as the overlap allows.

    Neighbours share at least `overlap` pixels; the tiles are spread evenly and end
    with the plane. Along an axis that is shorter than a tile there is one.

    Raises
    ------
    ValueError
        If a tile has no pixel, or the overlap is negative or not less than its side.

    Examples
    --------
    >>> lay_tiles((4, 10), 6, 2)
    [(0, 0, 4, 6), (0, 4, 4, 10)]
    """
    if side < 1 or not 0 <= overlap < side:
        raise ValueError(
            f"tiles of side {side} cannot overlap by {overlap} pixels; wanted a side "
            "from 1 up and an overlap of 0 up, below the side"
        )
    rows, cols = (_starts(length, side, overlap) for length in shape)
    high, wide = (min(side, length) for length in shape)
    return [(r, c, r + high, c + wide) for r in rows for c in cols]


def tile_plane(shape: tuple[int, int], frame_size: int, scale: float) -> list[Box]:
    """Lay the tiles that show a plane at `scale` frame pixels per pixel.

    One tile, the whole plane, where that is not larger than as a whole.
    """
    if scale <= frame_size / max(shape):
        return [(0, 0, *shape)]
    side = max(2, math.floor(frame_size / scale))
    return lay_tiles(shape, side, min(math.ceil(TILE_OVERLAP / scale), side // 2))


def tile_least(
    shape: tuple[int, int],
    frames: Sequence[int],
    scale: float,
    is_wanted: Callable[[Box], bool] | None = None,
) -> tuple[list[Box], int]:
    """Lay tiles that show a plane at a scale in as few frame pixels as can be.

    Parameters
    ----------
    shape
        (H, W) of the plane.
    frames
        Sides of the frames that a model can see in; one of them is chosen.
    scale
        Frame pixels per pixel of the plane.
    is_wanted
        Whether a tile has to be seen; all of them if None.

    Returns
    -------
    tiles
        As of `tile_plane`, those that have to be seen.
    frame_size
        Side of the frame of each of them.

    Examples
    --------
    >>> tiles, frame = tile_least((2048, 2048), range(384, 769, 8), 1.0)
    >>> len(tiles), tiles[0], frame
    (9, (0, 0, 752, 752), 752)
    """
    laid = []
    for frame in frames:
        tiles = tile_plane(shape, frame, scale)
        laid.append((list(filter(is_wanted, tiles)) if is_wanted else tiles, frame))
    return min(laid, key=lambda one: len(one[0]) * one[1] ** 2)


def _starts(length: int, side: int, overlap: int) -> list[int]:
    if length <= side:
        return [0]
    count = math.ceil((length - overlap) / (side - overlap))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def blend_weights(tile: Box, shape: tuple[int, int], ramp: int) -> NDArray[np.float32]:
    """Weights with which a tile's pixels count where it overlaps others.

    They rise from the tile's edge to 1 over `ramp` pixels, except where the tile
    ends with the plane of `shape`. All are above 0.
    """
    along = []
    for axis in (0, 1):
        first, last, length = tile[axis], tile[axis + 2], shape[axis]
        at = np.arange(last - first, dtype=np.float32)
        weight = np.ones(last - first, np.float32)
        if first > 0:
            weight = np.minimum(weight, (at + 0.5) / ramp)
        if last < length:
            weight = np.minimum(weight, (at[::-1] + 0.5) / ramp)
        along.append(weight)
    return np.outer(*along)


def choose_tiles(
    boxes: ArrayLike, tiles: Sequence[Box], shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Choose the tile that shows each object with the most room around it.

    Parameters
    ----------
    boxes
        (N, 4) of the objects, half open, in the plane of `shape`.
    tiles
        From `lay_tiles`.

    Returns
    -------
    (N,) int64
        Index of the tile; -1 where none holds the whole object.
    """
    given = np.asarray(boxes, np.float64).reshape(-1, 4)
    best = np.full(len(given), -1)
    most = np.full(len(given), -np.inf)
    for index, tile in enumerate(tiles):
        first, last = np.array(tile[:2]), np.array(tile[2:])
        room = np.concatenate([(given[:, :2] - first).T, (last - given[:, 2:]).T])
        # Nothing is cut off where the tile ends with the plane.
        ends = (tile[0] == 0, tile[1] == 0, tile[2] == shape[0], tile[3] == shape[1])
        room[np.array(ends)] = np.inf
        least = room.min(axis=0)
        better = (least >= 0) & (least > most)
        best[better], most[better] = index, least[better]
    return best
