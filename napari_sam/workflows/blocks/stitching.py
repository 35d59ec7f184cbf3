"""From the objects of blocks to those of the whole: who is whose other half.

Each block is segmented on its own, a halo around it included. Where two blocks meet,
both have looked at the same pixels, and what they call there by two names is one object
if it is nearly the same. An object that a window cuts off is only a part of what the
neighbour sees, and belongs to what it lies in. The pairs are edges of a graph, whose
connected components are the objects (as in dask-image's ``label``). A piece that finds
no other half counts only in the block that holds its deepest point, which is the rule
of responsibility of StarDist's ``big.py``.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_sam.io.atomic_write import write_atomically
from napari_sam.ops.lru import BoundedCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.ops.blocks import Block, BlockGrid

__all__ = ["BlockObjects", "number_objects"]

_MAX_BLOCKS_HELD = 4
"""Blocks in memory while they are compared."""


_FIELDS = ("labels", "points", "scores")


@dataclass(frozen=True, eq=False)
class BlockObjects:
    """What was found in the window of a block.

    Attributes
    ----------
    labels
        (h, w) int32 of the window, or (d, h, w) in a volume: 0 background, i + 1
        object i.
    points
        (N, 2) int64 (row, col) in the plane, or (N, 3) in the volume, of the deepest
        pixel.
    scores
        (N,) float32 in [0, 1].
    """

    labels: NDArray[np.int32]
    points: NDArray[np.int64]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.scores)

    def save(self, path: Path) -> None:
        """Write them to a file, whole or not at all."""
        arrays = {name: getattr(self, name) for name in _FIELDS}
        write_atomically(path, lambda part: np.savez_compressed(part, **arrays))

    @classmethod
    def load(cls, path: Path) -> BlockObjects:
        """Read them from a file."""
        with np.load(path, allow_pickle=False) as file:
            return cls(**{name: file[name] for name in _FIELDS})

    @staticmethod
    def is_saved(path: Path) -> bool:
        """Whether a file is there and whole."""
        try:
            with zipfile.ZipFile(path) as file:
                return {f"{name}.npy" for name in _FIELDS} == set(file.namelist())
        except (OSError, zipfile.BadZipFile):
            return False

    def part(self, block: Block, box: tuple[int, ...]) -> NDArray[np.int32]:
        """Return the labels within a box of what the window shows."""
        ndim = self.labels.ndim
        spans = zip(box[:ndim], box[ndim:], block.window[:ndim], strict=True)
        at = tuple(slice(first - start, last - start) for first, last, start in spans)
        inside: NDArray[np.int32] = self.labels[at]
        return inside

    def in_core(self, block: Block) -> NDArray[np.bool_]:
        """Tell of each object whether it has a pixel in the core, (N,) bool."""
        found = np.zeros(len(self) + 1, np.bool_)
        found[self.labels[block.slices].ravel()] = True
        return found[1:]

    def centred_in_core(self, block: Block) -> NDArray[np.bool_]:
        """Tell of each object whether its deepest point lies in the core, (N,) bool."""
        ndim = self.labels.ndim
        low, high = np.array(block.core[:ndim]), np.array(block.core[ndim:])
        inside = (self.points >= low) & (self.points < high)
        return np.asarray(inside.all(axis=1), np.bool_)

    def cut(self, block: Block, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Tell of each object whether it goes on beyond the window, (N,) bool."""
        found = np.zeros(len(self) + 1, np.bool_)
        ndim = self.labels.ndim
        for axis in range(ndim):
            if block.window[axis] > 0:
                found[self.labels.take(0, axis)] = True
            if block.window[ndim + axis] < shape[axis]:
                found[self.labels.take(-1, axis)] = True
        return found[1:]


def number_objects(
    grid: BlockGrid, fetch: Callable[[int], BlockObjects]
) -> tuple[list[NDArray[np.int64]], int]:
    """Give the objects of all blocks numbers of the whole.

    Parameters
    ----------
    grid
        The blocks.
    fetch
        Returns what was found in a block, by its index in `BlockGrid.blocks`. It is
        asked several times for each; few are held at one time.

    Returns
    -------
    tables
        For each block (N + 1,) int64: the number in the whole of each label of the
        block, 0 for what does not count. They run from 1 without gaps, in the order
        of the blocks.
    count
        Objects in all.

    Examples
    --------
    >>> labels = np.array([[0, 1, 1, 0]], np.int32)
    >>> found = BlockObjects(labels, np.array([[0, 1]]), np.ones(1, np.float32))
    >>> from napari_sam.ops.blocks import BlockGrid
    >>> number_objects(BlockGrid((1, 4), (1, 2), 2), lambda index: found)
    ([array([0, 1]), array([0, 1])], 1)
    """
    blocks = grid.blocks
    held: BoundedCache[int, BlockObjects] = BoundedCache(max_items=_MAX_BLOCKS_HELD)

    def get(index: int) -> BlockObjects:
        found = held.get(index)
        if found is None:
            found = fetch(index)
            held.put(index, found)
        return found

    sizes, in_core, centred_in_core = [], [], []
    for index, block in enumerate(blocks):
        found = get(index)
        sizes.append(len(found))
        in_core.append(found.in_core(block))
        centred_in_core.append(found.centred_in_core(block))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    pairs = [np.zeros((0, 2), np.int64)]
    for one, other in grid.neighbours():
        matched = _match(get(one), blocks[one], get(other), blocks[other], grid)
        pairs.append(matched + starts[[one, other]])
    edges = np.concatenate(pairs)
    return _tables(
        starts, edges, np.concatenate(in_core), np.concatenate(centred_in_core)
    )


def _tables(
    starts: NDArray[np.int64],
    edges: NDArray[np.int64],
    in_core: NDArray[np.bool_],
    centred_in_core: NDArray[np.bool_],
) -> tuple[list[NDArray[np.int64]], int]:
    """Give numbers to the connected components that have a pixel and a home."""
    total = int(starts[-1])
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (total, total))
    _, member = connected_components(graph, directed=False)
    alone = np.bincount(member, minlength=1)[member] == 1
    shown = in_core & ~(alone & ~centred_in_core)
    # Components come in the order of their first piece that is to be seen.
    present, first = np.unique(member[shown], return_index=True)
    numbers = np.zeros(int(member.max(initial=0)) + 1, np.int64)
    numbers[present[np.argsort(first)]] = np.arange(1, len(present) + 1)
    named = np.where(shown, numbers[member], 0)
    tables = [
        np.concatenate([[0], named[first:last]]) for first, last in pairwise(starts)
    ]
    return tables, len(present)


def _match(
    one: BlockObjects, at: Block, other: BlockObjects, there: Block, grid: BlockGrid
) -> NDArray[np.int64]:
    """Pair objects of two blocks, (K, 2) indices, by what they share at the seam."""
    seam = grid.seam(at, there)
    mine, theirs = one.part(at, seam).ravel(), other.part(there, seam).ravel()
    both = (mine > 0) & (theirs > 0)
    if not both.any():
        return np.zeros((0, 2), np.int64)
    width = len(other) + 1
    joint = mine[both].astype(np.int64) * width + theirs[both]
    names, shared = np.unique(joint, return_counts=True)
    pairs = np.stack(np.divmod(names, width), axis=1)
    areas = [
        np.bincount(mine, minlength=len(one) + 1)[pairs[:, 0]],
        np.bincount(theirs, minlength=width)[pairs[:, 1]],
    ]
    pairs = pairs - 1
    same = 2 * shared > areas[0] + areas[1] - shared
    parts = [one.cut(at, grid.shape), other.cut(there, grid.shape)]
    for side in (0, 1):
        same |= parts[side][pairs[:, side]] & (2 * shared >= areas[side])
    matched: NDArray[np.int64] = pairs[same]
    return matched
