"""A volume block by block: how all blocks are looked at, and what is found in one.

As of large images, blocks that judged for themselves would see their common border
differently; so contrast, scales and sizes are found out before, from a part of the
volume.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import ndimage

from napari_sam.ops.blocks import BlockGrid
from napari_sam.workflows.blocks.stitching import BlockObjects, number_objects
from napari_sam.workflows.stacks.fused_volume import (
    fused_objects,
    look_at_volume,
    region_of,
    stack_limits,
)
from napari_sam.workflows.stacks.volume_maps import VolumeLook

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.configs import VolumeConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.blocks import Block
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.stack import Stack

__all__ = ["VolumePlan", "find_in_volume_block", "paint_volume", "plan_volume"]

_LEAST_HALO = 8
"""Voxels around a block that are seen with it at least: what is said of the planes at
its ends is less sure."""

_PROBED_PLANES = 3
"""So many planes are searched for the part with the most contrast."""


class VolumePlan(BaseModel):
    """How every block of a volume is looked at.

    Attributes
    ----------
    look
        Of the planes of each.
    sides
        Voxels along the three axes of the cores of the blocks.
    halo
        Voxels that windows reach beyond the cores along each axis.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    look: VolumeLook
    sides: tuple[int, int, int]
    halo: tuple[int, int, int]

    def grid(self, shape: tuple[int, int, int]) -> BlockGrid:
        """Lay the blocks over a volume."""
        return BlockGrid(shape, self.sides, self.halo)


def plan_volume(
    stack: Stack,
    *,
    model: Predictor,
    config: VolumeConfig,
    limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
) -> VolumePlan:
    """Find out how the blocks of a volume should be looked at.

    Parameters
    ----------
    stack
        The volume; some of its planes are read, and the part with the most contrast.
    model
        A model with a dense head.
    config
        See `napari_sam.segment_volume`.
    limits
        Contrast limits; from a sample of planes if None.
    progress
        Asked before each plane.

    Raises
    ------
    Cancelled
        If `progress` said so.
    """
    limits = limits or stack_limits(stack)
    sides = _sides(stack, config)
    look = look_at_volume(
        stack.part(_telling_part(stack, sides)),
        model=model,
        config=config,
        limits=limits,
        whole=stack,
        progress=progress,
    )
    halo = []
    for side, size in zip(sides, look.spacing, strict=True):
        if config.blocks.halo is not None:
            wanted = math.ceil(config.blocks.halo * min(look.spacing) / size)
        else:
            wanted = max(_LEAST_HALO, math.ceil(look.across / size))
        halo.append(max(1, min(wanted, side)))
    return VolumePlan(look=look, sides=sides, halo=(halo[0], halo[1], halo[2]))


def _sides(stack: Stack, config: VolumeConfig) -> tuple[int, int, int]:
    """Return the sides of the cores: all alike along an axis, but the last."""
    sides = []
    for axis, length in enumerate(stack.shape):
        most = config.blocks.planes if axis == stack.place else config.blocks.block
        sides.append(math.ceil(length / math.ceil(length / most)))
    first, second, third = sides
    return first, second, third


def _telling_part(stack: Stack, sides: tuple[int, int, int]) -> tuple[slice, ...]:
    """Return the part, as large as a block, whose middle plane has most contrast."""
    numbers = np.linspace(0, len(stack) - 1, _PROBED_PLANES + 2)[1:-1]
    high, wide = (side for axis, side in enumerate(sides) if axis != stack.place)
    best, chosen = -1.0, (0, 0, 0)
    for number in np.unique(numbers.round().astype(int)).tolist():
        plane = stack.plane(number)
        rows, cols = (range(0, n, s) for n, s in zip(plane.shape, (high, wide)))  # noqa: B905
        for top, left in product(rows, cols):
            piece = plane[top : top + high : 4, left : left + wide : 4]
            contrast = float(np.nan_to_num(np.std(piece.astype(np.float64))))
            if contrast > best:
                best, chosen = contrast, (number, top, left)
    middle, top, left = chosen
    starts = [top, left]
    starts.insert(stack.place, middle - sides[stack.place] // 2)
    part = []
    for start, side, length in zip(starts, sides, stack.shape, strict=True):
        first = max(0, min(start, length - side))
        part.append(slice(first, first + side))
    return tuple(part)


def find_in_volume_block(
    stack: Stack,
    block: Block,
    plan: VolumePlan,
    *,
    model: Predictor,
    config: VolumeConfig,
    scope: Scope | None = None,
    progress: Progress | None = None,
) -> BlockObjects:
    """Find the objects of a block's window.

    Parameters
    ----------
    stack
        The volume.
    block
        Of `VolumePlan.grid`.
    plan, model, config, scope
        As for all blocks; `roi` and `exclude` of the scope count.
    progress
        Asked within the block.

    Raises
    ------
    Cancelled
        If `progress.is_cancelled` answered True.
    """
    within = block.window_slices
    regions = {}
    for name in ("roi", "exclude"):
        region = None if scope is None else getattr(scope, name)
        regions[name] = region_of(stack, region, name, within)
    labels, away = fused_objects(
        stack.part(within),
        plan.look,
        model=model,
        config=config,
        roi=regions["roi"],
        exclude=regions["exclude"],
        progress=None if progress is None else progress.quiet,
    )
    numbers = np.unique(labels)
    numbers = numbers[numbers > 0]
    positions = ndimage.minimum_position(away, labels, numbers)
    points = np.array(positions, np.int64).reshape(-1, 3) + block.window[:3]
    table = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    table[numbers] = np.arange(1, len(numbers) + 1)
    return BlockObjects(table[labels], points, np.ones(len(numbers), np.float32))


def paint_volume(
    out: Any, grid: BlockGrid, fetch: Callable[[int], BlockObjects]
) -> int:
    """Stitch the blocks of a volume and write them, each block for itself.

    Parameters
    ----------
    out
        (Z, Y, X) array of labels to write to.
    grid
        The blocks.
    fetch
        Returns what was found, by the block's index in the grid.

    Returns
    -------
    int
        How many objects there are.

    Raises
    ------
    ValueError
        If there are more than the type of `out` has numbers; nothing is written.
    """
    tables, total = number_objects(grid, fetch)
    most = np.iinfo(out.dtype).max
    if total > most:
        raise ValueError(
            f"there are {total:,} objects, but labels of {np.dtype(out.dtype)} end at "
            f"{most:,}; give an out of uint32"
        )
    for number, (block, table) in enumerate(zip(grid.blocks, tables, strict=True)):
        core = fetch(number).labels[block.slices]
        out[block.core_slices] = table[core].astype(out.dtype)
    return total
