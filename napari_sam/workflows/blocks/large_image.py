"""Every object of an image that is larger than memory, block by block.

A block is read, segmented as any image is, and let go; what is kept of it are labels of
its window. Then the blocks are stitched; see `napari_sam.workflows.blocks.stitching`.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import BlockConfig, SegmentConfig
from napari_sam.configs.image_kinds import for_kind
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.io.axes import name_axes
from napari_sam.io.plane_array import PlaneArray
from napari_sam.ops.label_painting import records_to_labels
from napari_sam.ops.roi_and_contrast import Scope, require_limits_only
from napari_sam.workflows.blocks.block_plan import BlockPlan, plan_blocks
from napari_sam.workflows.blocks.stitching import BlockObjects, number_objects
from napari_sam.workflows.objects.segment import default_order, find_objects
from napari_sam.workflows.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.blocks import Block, BlockGrid

__all__ = ["find_in_block", "paint_planes", "segment_large"]


def segment_large(
    image: Any,
    *,
    model: str | Path | Predictor = "cells",
    mode: str = "auto",
    config: BlockConfig | None = None,
    scope: Scope | None = None,
    out: Any = None,
    progress: Progress | None = None,
) -> Any:
    """Label every object of an image that need not fit in memory.

    An image of more than two axes is gone through plane by plane; each object of each
    plane has a number of its own. To go on after an interruption, or on several
    processes or machines, use ``napari-sam segment``.

    Parameters
    ----------
    image : (..., H, W) array, or PlaneArray
        Dask, Zarr, a memory map, NumPy: it is read by slicing. Its axes are those of
        a plane, a volume, a film or a film of volumes with channels, "tczyx"; a
        `PlaneArray` has others, and says which channel is looked at.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    mode : {"auto", "grid", "instances", "refined"}
        How objects are found; see `segment`.
    config : BlockConfig, optional
        How the image is cut, and the parameters of the mode.
    scope : Scope, optional
        Its contrast limits, for all blocks; robust percentiles of a sample if None.
    out : array, optional
        Array of whole numbers to write to, such as one of zarr; a new one in memory
        if None.
    progress : Progress, optional
        Steps are blocks.

    Returns
    -------
    (..., H, W) uint32 array, or `out`
        0 background, 1 to n the objects, numbered without gaps.

    Raises
    ------
    ValueError
        If an argument is not as described, the model cannot do the mode, or there
        are more objects than the type of `out` has numbers; `out` is then as it was.
    Cancelled
        If `progress.is_cancelled` answered True; `out` is as it was.

    See Also
    --------
    segment : An image that fits in memory.

    Examples
    --------
    >>> import dask.array as da
    >>> import napari_sam
    >>> slide = da.from_array(napari_sam.load_sample("nuclei_2d"), (128, 128))
    >>> labels = napari_sam.segment_large(slide[:160, :160])
    >>> labels.shape, labels.dtype
    ((160, 160), dtype('uint32'))
    """
    planes = image
    if not isinstance(image, PlaneArray):
        array = image if hasattr(image, "shape") else np.asarray(image)
        planes = PlaneArray(array, name_axes("", array.shape))
    limits = require_limits_only(scope, "segment_large")
    config, progress = config or BlockConfig(), progress or Progress()
    shape = (*planes.leading, *planes.shape)
    if out is not None:
        _check_out(out, shape)
    sam = as_predictor(model)
    plan = plan_blocks(
        planes,
        model=sam,
        mode=mode,
        config=config,
        contrast_limits=limits,
        is_cancelled=progress.is_cancelled,
    )
    grid = plan.grid(planes.shape)
    steps = Steps("the segmentation", progress)
    every = list(planes.indices())
    tasks = [(index, number) for index in every for number in range(len(grid.blocks))]
    labels = np.zeros(shape, np.uint32) if out is None else out
    with TemporaryDirectory(prefix="napari-sam-") as folder:
        files = {task: Path(folder, f"{n}.npz") for n, task in enumerate(tasks)}
        for done, (index, number) in enumerate(tasks):
            steps.before(len(tasks) - done)
            one = grid.blocks[number]
            within = Progress(is_cancelled=steps.is_cancelled)
            find_in_block(planes, index, one, plan, sam, config.segment, within).save(
                files[index, number]
            )
        paint_planes(labels, grid, every, lambda *task: BlockObjects.load(files[task]))
    steps.finish()
    return labels


def _check_out(out: Any, shape: tuple[int, ...]) -> None:
    if tuple(out.shape) != shape:
        raise ValueError(f"out must have shape {shape}, got {tuple(out.shape)}")
    if np.dtype(out.dtype).kind not in "iu":
        raise ValueError(
            f"out must be of whole numbers, such as uint32, got {out.dtype}"
        )


def find_in_block(
    image: PlaneArray,
    index: Sequence[int],
    block: Block,
    plan: BlockPlan,
    model: Predictor,
    config: SegmentConfig,
    progress: Progress | None = None,
) -> BlockObjects:
    """Find the objects of a block's window.

    Parameters
    ----------
    image
        The image.
    index
        Of the plane, along `PlaneArray.leading`.
    block
        Of `BlockPlan.grid`.
    plan, model, config
        As for all blocks.
    progress
        Asked within the block.

    Raises
    ------
    Cancelled
        If `progress.is_cancelled` answered True.
    """
    if plan.mode != "grid":
        suited = for_kind(config.instances, plan.kind)
        seen = suited.model_copy(update={"scale": plan.scale})
        config = config.model_copy(update={"instances": seen})
    top, left, bottom, right = block.window
    window = image.read(index, (top, left, bottom, right))
    records = find_objects(
        window,
        model=model,
        mode=plan.mode,
        config=config,
        scope=Scope(contrast_limits=plan.contrast_limits),
        progress=progress,
    )
    shape = (window.shape[0], window.shape[1])
    labels = records_to_labels(records, shape, default_order(plan.mode))
    points = np.array([one.point for one in records], np.float64).reshape(-1, 2)
    return BlockObjects(
        labels,
        points.round().astype(np.int64) + block.window[:2],
        np.array([one.predicted_iou for one in records], np.float32),
    )


def paint_planes(
    out: Any,
    grid: BlockGrid,
    indices: Sequence[tuple[int, ...]],
    fetch: Callable[[tuple[int, ...], int], BlockObjects],
) -> int:
    """Stitch the blocks of planes and write them, each block for itself.

    Parameters
    ----------
    out
        (..., H, W) array of labels to write to.
    grid
        The blocks of each plane.
    indices
        Of the planes.
    fetch
        Returns what was found, by the plane and the block's index in the grid.

    Returns
    -------
    int
        How many objects there are in all planes.

    Raises
    ------
    ValueError
        If there are more than the type of `out` has numbers; nothing is written.
    """

    def number(index: tuple[int, ...]) -> tuple[list[NDArray[np.int64]], int]:
        return number_objects(grid, lambda block: fetch(index, block))

    numbered = [number(index) for index in indices]
    total = sum(count for _, count in numbered)
    most = np.iinfo(out.dtype).max
    if total > most:
        raise ValueError(
            f"there are {total:,} objects, but labels of {np.dtype(out.dtype)} end at "
            f"{most:,}; give an out of uint32"
        )
    before = 0
    for index, (tables, count) in zip(indices, numbered, strict=True):
        for block, (place, names) in enumerate(zip(grid.blocks, tables, strict=True)):
            table = np.where(names > 0, names + before, 0)
            core = fetch(index, block).labels[place.slices]
            out[(*index, *place.core_slices)] = table[core].astype(out.dtype)
        before += count
    return total
