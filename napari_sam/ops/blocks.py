"""Blocks of a plane that is too large to be looked at in one piece.

Each block has a core, and the cores together are the plane; around it lies a window,
which overlaps those of the neighbours, so that what stands at a border of two cores is
seen whole in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from napari_sam.ops.boxes import intersect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam.ops.types import Box

__all__ = ["Block", "BlockGrid"]


@dataclass(frozen=True)
class Block:
    """A part of a plane, and what is looked at to know it.

    Attributes
    ----------
    core
        (row0, col0, row1, col1), half open: the part.
    window
        The core with a halo around it.
    """

    core: Box
    window: Box

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts the core out of its window."""
        (r0, c0, r1, c1), (top, left, _, _) = self.core, self.window
        return slice(r0 - top, r1 - top), slice(c0 - left, c1 - left)


@dataclass(frozen=True)
class BlockGrid:
    """Blocks that cover a plane, in rows.

    All windows have the same size: at the ends of the plane they reach further
    inward, so that every block is looked at alike.

    Attributes
    ----------
    shape
        (H, W) of the plane.
    sides
        (h, w) of the cores; those at the bottom and the right may be smaller.
    halo
        Pixels that windows reach beyond the cores.

    Raises
    ------
    ValueError
        If a size is not above 0, or the halo below 1.

    Examples
    --------
    >>> grid = BlockGrid((10, 20), (10, 8), 2)
    >>> [block.core for block in grid.blocks]
    [(0, 0, 10, 8), (0, 8, 10, 16), (0, 16, 10, 20)]
    >>> [block.window for block in grid.blocks]
    [(0, 0, 10, 12), (0, 6, 10, 18), (0, 8, 10, 20)]
    """

    shape: tuple[int, int]
    sides: tuple[int, int]
    halo: int

    def __post_init__(self) -> None:
        if min(*self.shape, *self.sides) < 1 or self.halo < 1:
            raise ValueError(
                f"blocks of {self.sides} pixels with a halo of {self.halo} cannot "
                f"cover a plane of {self.shape}; wanted sizes and a halo from 1 up"
            )

    @property
    def counts(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        rows, cols = (
            math.ceil(length / side)
            for length, side in zip(self.shape, self.sides, strict=True)
        )
        return rows, cols

    @property
    def blocks(self) -> list[Block]:
        """All blocks, row by row."""
        return [self._block(*at) for at in product(*map(range, self.counts))]

    def _block(self, row: int, col: int) -> Block:
        spans = []
        for index, length, side in zip((row, col), self.shape, self.sides, strict=True):
            first = index * side
            size = min(length, side + 2 * self.halo)
            start = max(0, min(first - self.halo, length - size))
            spans.append((first, min(first + side, length), start, start + size))
        (r0, r1, top, bottom), (c0, c1, left, right) = spans
        return Block((r0, c0, r1, c1), (top, left, bottom, right))

    def neighbours(self) -> Iterator[tuple[int, int]]:
        """Yield the indices of each two blocks that touch, corners included."""
        rows, cols = self.counts
        for row, col in product(range(rows), range(cols)):
            for down, right in ((0, -1), (-1, -1), (-1, 0), (-1, 1)):
                other = (row + down, col + right)
                if other[0] >= 0 and 0 <= other[1] < cols:
                    yield other[0] * cols + other[1], row * cols + col

    def seam(self, one: Block, other: Block) -> Box:
        """Return the pixels of two windows that lie near both cores.

        Half a halo away at most: what an object is there, both windows can tell,
        unlike at their own ends.
        """
        margin = max(1, self.halo // 2)
        grown = [_grown(block.core, margin) for block in (one, other)]
        return intersect(*grown, one.window, other.window)


def _grown(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by
