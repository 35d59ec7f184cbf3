"""Blocks of what is too large to be looked at in one piece: a plane, or a volume.

Each block has a core, and the cores together are the whole; around it lies a window,
which overlaps those of the neighbours, so that what stands at a border of two cores is
seen whole in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Block", "BlockGrid"]

_Extent = tuple[int, ...]
"""Where something begins along each axis, then where it ends, half open: of a plane
(row0, col0, row1, col1)."""


@dataclass(frozen=True)
class Block:
    """A part of a whole, and what is looked at to know it.

    Attributes
    ----------
    core
        The part: where it begins along each axis, then where it ends, half open. Of a
        plane (row0, col0, row1, col1).
    window
        The core with a halo around it, in the same order.
    """

    core: _Extent
    window: _Extent

    @property
    def slices(self) -> tuple[slice, ...]:
        """What cuts the core out of its window."""
        return _slices(self.core, self.window[: len(self.window) // 2])

    @property
    def core_slices(self) -> tuple[slice, ...]:
        """What cuts the core out of the whole."""
        return _slices(self.core)

    @property
    def window_slices(self) -> tuple[slice, ...]:
        """What cuts the window out of the whole."""
        return _slices(self.window)


@dataclass(frozen=True)
class BlockGrid:
    """Blocks that cover a plane, in rows, or a volume.

    All windows have the same size: at the ends of the whole they reach further
    inward, so that every block is looked at alike.

    Attributes
    ----------
    shape
        (H, W) of the plane, or (Z, Y, X) of the volume.
    sides
        Of the cores along each axis; those at the ends may be smaller.
    halo
        Pixels that windows reach beyond the cores, along all axes or along each.

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
    >>> [block.core for block in BlockGrid((4, 5, 6), (2, 5, 6), 1).blocks]
    [(0, 0, 0, 2, 5, 6), (2, 0, 0, 4, 5, 6)]
    """

    shape: tuple[int, ...]
    sides: tuple[int, ...]
    halo: int | tuple[int, ...]

    def __post_init__(self) -> None:
        if min(*self.shape, *self.sides) < 1 or min(self.halos) < 1:
            what = "a plane" if len(self.shape) == 2 else "a volume"
            raise ValueError(
                f"blocks of {self.sides} pixels with a halo of {self.halo} cannot "
                f"cover {what} of {self.shape}; wanted sizes and a halo from 1 up"
            )

    @property
    def halos(self) -> tuple[int, ...]:
        """Pixels that windows reach beyond the cores along each axis."""
        if isinstance(self.halo, tuple):
            return self.halo
        return (self.halo,) * len(self.shape)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many blocks there are along each axis."""
        return tuple(
            math.ceil(length / side)
            for length, side in zip(self.shape, self.sides, strict=True)
        )

    @property
    def blocks(self) -> list[Block]:
        """All blocks, row by row; of a volume layer by layer."""
        return [self._block(at) for at in product(*map(range, self.counts))]

    def _block(self, at: tuple[int, ...]) -> Block:
        cores, windows = [], []
        rules = zip(at, self.shape, self.sides, self.halos, strict=True)
        for index, length, side, halo in rules:
            first = index * side
            size = min(length, side + 2 * halo)
            start = max(0, min(first - halo, length - size))
            cores.append((first, min(first + side, length)))
            windows.append((start, start + size))
        return Block(_extent(cores), _extent(windows))

    def neighbours(self) -> Iterator[tuple[int, int]]:
        """Yield the indices of each two blocks that touch, corners included."""
        counts = self.counts
        places = list(product(*map(range, counts)))
        numbers = {at: number for number, at in enumerate(places)}
        before = [
            step
            for step in product((-1, 0, 1), repeat=len(counts))
            if step < (0,) * len(counts)
        ]
        for at in places:
            for step in before:
                other = numbers.get(tuple(a + b for a, b in zip(at, step, strict=True)))
                if other is not None:
                    yield other, numbers[at]

    def seam(self, one: Block, other: Block) -> _Extent:
        """Return the pixels of two windows that lie near both cores.

        Half a halo away at most: what an object is there, both windows can tell,
        unlike at their own ends.
        """
        ndim = len(self.shape)
        margins = [max(1, halo // 2) for halo in self.halos]
        spans = []
        for axis, margin in enumerate(margins):
            first = max(
                *(block.core[axis] - margin for block in (one, other)),
                *(block.window[axis] for block in (one, other)),
            )
            last = min(
                *(block.core[ndim + axis] + margin for block in (one, other)),
                *(block.window[ndim + axis] for block in (one, other)),
            )
            spans.append((first, max(first, last)))
        return _extent(spans)


def _extent(spans: list[tuple[int, int]]) -> _Extent:
    return (*(first for first, _ in spans), *(last for _, last in spans))


def _slices(extent: _Extent, start: tuple[int, ...] | None = None) -> tuple[slice, ...]:
    """Return what cuts an extent out of what begins at `start`."""
    ndim = len(extent) // 2
    start = start or (0,) * ndim
    spans = zip(extent[:ndim], extent[ndim:], start, strict=True)
    return tuple(slice(first - at, last - at) for first, last, at in spans)
