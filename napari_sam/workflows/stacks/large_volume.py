"""Every object of a volume that is larger than memory, block by block."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import VolumeConfig
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.workflows.blocks.stitching import BlockObjects
from napari_sam.workflows.progress import Progress, Steps
from napari_sam.workflows.stacks.stack import Stack
from napari_sam.workflows.stacks.volume_blocks import (
    find_in_volume_block,
    paint_volume,
    plan_volume,
)

if TYPE_CHECKING:
    from napari_sam.inference.predictor import Predictor

__all__ = ["is_large", "segment_large_volume"]


def is_large(stack: Stack, config: VolumeConfig) -> bool:
    """Whether a volume is gone through block by block."""
    return math.prod(stack.shape) > config.blocks.from_voxels


def segment_large_volume(
    volume: Any,
    *,
    model: str | Path | Predictor = "cells",
    config: VolumeConfig | None = None,
    scope: Scope | None = None,
    out: Any = None,
    progress: Progress | None = None,
) -> Any:
    """Label every object of a volume that need not fit in memory, parted in 3D.

    The volume is cut into blocks. Each is read with a halo around it, its objects are
    found as those of a whole volume, and objects that two blocks share become one. To
    go on after an interruption, or on several processes or machines, use ``napari-sam
    segment-volume``.

    Parameters
    ----------
    volume : (Z, Y, X) array, or Stack
        Dask, Zarr, a memory map, NumPy: it is read by slicing.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model; it needs a
        dense head, as "cells" has.
    config : VolumeConfig, optional
        The size of a voxel, how objects are parted, and how the volume is cut.
    scope : Scope, optional
        `roi`, `exclude` and contrast limits; see `segment_volume`.
    out : array, optional
        Array of whole numbers to write to, such as one of zarr; a new one in memory
        if None.
    progress : Progress, optional
        Steps are blocks.

    Returns
    -------
    (Z, Y, X) uint32 array, or `out`
        0 background, 1 to n the objects, numbered without gaps.

    Raises
    ------
    ValueError
        If an argument is not as described, or there are more objects than the type of
        `out` has numbers; `out` is then as it was.
    Cancelled
        If `progress.is_cancelled` answered True; `out` is as it was.

    See Also
    --------
    segment_volume : A volume whose labels fit in memory.

    Examples
    --------
    >>> import dask.array as da
    >>> import napari_sam
    >>> cells = da.from_array(napari_sam.load_sample("nuclei_3d"), (1, 61, 57))
    >>> config = napari_sam.VolumeConfig(blocks={"planes": 2})
    >>> labels = napari_sam.segment_large_volume(cells[14:17, :48, :48], config=config)
    >>> labels.shape, labels.dtype
    ((3, 48, 48), dtype('uint32'))
    """
    stack, config = Stack.of(volume), config or VolumeConfig()
    scope, progress = scope or Scope(), progress or Progress()
    if out is not None:
        _check_out(out, stack.shape)
    sam = as_predictor(model)
    _check_head(sam)
    plan = plan_volume(
        stack, model=sam, config=config, limits=scope.contrast_limits, progress=progress
    )
    grid = plan.grid(stack.shape)
    blocks = grid.blocks
    steps = Steps("segmenting a volume", progress)
    labels = np.zeros(stack.shape, np.uint32) if out is None else out
    with TemporaryDirectory(prefix="napari-sam-") as folder:
        files = [Path(folder, f"{number}.npz") for number in range(len(blocks))]
        for number, block in enumerate(blocks):
            steps.before(len(blocks) - number)
            found = find_in_volume_block(
                stack,
                block,
                plan,
                model=sam,
                config=config,
                scope=scope,
                progress=progress.quiet,
            )
            found.save(files[number])
        paint_volume(labels, grid, lambda number: BlockObjects.load(files[number]))
    steps.finish()
    return labels


def _check_head(model: Predictor) -> None:
    if not model.has_dense_head:
        raise ValueError(
            f"{model.name} has no dense head, so that it says nothing of single "
            "voxels; use a model with one, such as 'cells'"
        )


def _check_out(out: Any, shape: tuple[int, int, int]) -> None:
    if tuple(out.shape) != shape:
        raise ValueError(f"out must have shape {shape}, got {tuple(out.shape)}")
    if np.dtype(out.dtype).kind not in "iu":
        raise ValueError(
            f"out must be of whole numbers, such as uint32, got {out.dtype}"
        )
