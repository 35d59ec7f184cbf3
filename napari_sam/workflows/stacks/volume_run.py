"""The segmentation of volumes larger than memory, which goes on where it was.

As `napari_sam.workflows.blocks.block_run` does it with planes; a file may hold several
volumes, such as one at each time.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam.configs import VolumeConfig
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.workflows.blocks.block_plan import sample_image
from napari_sam.workflows.blocks.run_folder import RunFolder
from napari_sam.workflows.blocks.stitching import BlockObjects
from napari_sam.workflows.blocks.worker_pool import worker_model
from napari_sam.workflows.stacks.stack import Stack
from napari_sam.workflows.stacks.volume_blocks import (
    VolumePlan,
    find_in_volume_block,
    paint_volume,
    plan_volume,
)

if TYPE_CHECKING:
    from napari_sam.io.plane_array import PlaneArray
    from napari_sam.workflows.blocks.worker_pool import Pool

__all__ = [
    "VolumeRequest",
    "VolumeRun",
    "VolumeTask",
    "identify_volumes",
    "volume_axes",
    "volumes_of",
]

_VERSION = 1


@dataclass(frozen=True)
class VolumeRequest:
    """What is to be segmented, and how.

    Attributes
    ----------
    source
        Where the image lies.
    model
        See `napari_sam.segment_volume`.
    config
        The same; without a size of voxels that of the file is taken.
    axis
        The axis of the volume across the planes.
    device, threads
        See `worker_model`; they do not change what is found.
    """

    source: ArraySource
    model: str = "cells"
    config: VolumeConfig = field(default_factory=VolumeConfig)
    axis: int = 0
    device: str = "auto"
    threads: int | None = None


class VolumeTask(NamedTuple):
    """A block of a volume: the volume's index, and the block's in the grid."""

    volume: tuple[int, ...]
    block: int


def volume_axes(image: PlaneArray) -> str:
    """Return the axes of the labels: those of a volume last, others before.

    Raises
    ------
    ValueError
        If it is not known which those of a volume are.
    """
    axes = image.stack_axes("z")
    if len(axes) < 3:
        raise ValueError(
            f"the image is a single plane of {image.shape}; wanted a volume. For a "
            "plane there is napari-sam segment"
        )
    named = image.axes.replace("c", "").replace("s", "")
    if len(axes) == 3 and axes[0] == "t" and not image.assumed:
        raise ValueError(
            f"the image is a film of {image.array.shape[image.axes.index('t')]} frames "
            f"(axes {image.axes.upper()}), no volume. For a film there is napari-sam "
            f"track; if its first axis is depth, say so by --axes "
            f"{named.replace('t', 'z').upper()}"
        )
    if len(axes) == 3:
        return axes
    if image.assumed or "z" not in axes:
        sizes = " x ".join(map(str, image.array.shape))
        raise ValueError(
            f"the image has {len(axes)} axes of more than one index, {sizes}, and the "
            f"file does not name that of the volume. Say which they are, such as by "
            "--axes ZCYX --channels 0, or --axes TZYX for a volume at each time"
        )
    return f"{axes[:-2].replace('z', '')}zyx"


def volumes_of(image: PlaneArray) -> tuple[Any, str]:
    """Return the volumes of an image as a Dask array, and the axes of their labels.

    Returns
    -------
    array
        (..., Z, Y, X), or (..., Z, Y, X, 3 | 4) of colour; nothing is read.
    axes
        Letters of its axes, without colour.

    Raises
    ------
    ValueError
        If it is not known which axes those of a volume are.
    """
    axes = volume_axes(image)
    array, kept = image.stack("z"), image.stack_axes("z")
    colour = [array.ndim - 1] if image.is_colour else []
    return array.transpose([*(kept.index(axis) for axis in axes), *colour]), axes


def identify_volumes(request: VolumeRequest) -> dict[str, Any]:
    """Return all that the labels depend on; loads the model.

    Raises
    ------
    OSError, ValueError
        If the image cannot be opened, or the model cannot be loaded or cannot do it.
    """
    image = open_array(request.source)
    axes = volume_axes(image)
    sam = worker_model(request.model, request.device, request.threads)
    if not sam.has_dense_head:
        raise ValueError(
            f"{sam.name} has no dense head, so that it says nothing of single voxels; "
            "use a model with one, such as 'cells', or a folder as --out"
        )
    content = hashlib.blake2b(digest_size=16)
    for piece in sample_image(image).pixels:
        content.update(np.ascontiguousarray(piece).data)
    return {
        "version": _VERSION,
        "image": {
            **asdict(request.source),
            "axes": f"{image.axes} {axes}",
            "shape": list(image.array.shape),
            "dtype": image.dtype.str,
            "content": content.hexdigest(),
        },
        "model": {"name": sam.name, "digest": sam.digest},
        "axis": request.axis,
        "config": _config_of(request, image).model_dump(mode="json"),
    }


def _config_of(request: VolumeRequest, image: PlaneArray) -> VolumeConfig:
    """Return the configuration with the size of a voxel, if the file tells it."""
    config = request.config
    if config.spacing is not None:
        return config
    return config.model_copy(update={"spacing": image.spacing(volume_axes(image)[-3:])})


def _stack(request: VolumeRequest, image: PlaneArray, volume: tuple[int, ...]) -> Stack:
    array, _ = volumes_of(image)
    return Stack(
        array[volume], request.axis, channel_axis=-1 if image.is_colour else None
    )


def _plan(request: VolumeRequest) -> dict[str, Any]:
    image = open_array(request.source)
    sam = worker_model(request.model, request.device, request.threads)
    first = _volumes(image)[0]
    plan = plan_volume(
        _stack(request, image, first), model=sam, config=_config_of(request, image)
    )
    return plan.model_dump(mode="json")


def _volumes(image: PlaneArray) -> list[tuple[int, ...]]:
    """List the indices of the volumes."""
    array, axes = volumes_of(image)
    return list(np.ndindex(array.shape[: len(axes) - 3]))


def _shape(image: PlaneArray) -> tuple[int, int, int]:
    array, axes = volumes_of(image)
    depth, height, width = array.shape[len(axes) - 3 : len(axes)]
    return depth, height, width


class VolumeRun:
    """A run in its folder.

    Parameters
    ----------
    folder
        From `VolumeRun.start`.

    Raises
    ------
    ValueError
        If the folder holds no run, or one of another version.
    """

    def __init__(self, folder: Path) -> None:
        told = RunFolder(folder)
        self.folder, self.identity, self.stamp = folder, told.identity, told.stamp
        self.plan = told.plan(VolumePlan)

    @classmethod
    def start(
        cls,
        folder: Path,
        request: VolumeRequest,
        pool: Pool,
        identity: dict[str, Any],
        overwrite: bool = False,
    ) -> VolumeRun:
        """Begin a run, or go on with the one that is there; see `RunFolder.start`.

        Parameters
        ----------
        folder, identity, overwrite
            See `RunFolder.start`; the identity is from `identify_volumes`.
        request
            What to do.
        pool
            Who finds out how.
        """
        RunFolder.start(folder, identity, lambda: pool.call(_plan, request), overwrite)
        return cls(folder)

    def tasks(self, image: PlaneArray) -> list[VolumeTask]:
        """List all blocks of all volumes."""
        count = len(self.plan.grid(_shape(image)).blocks)
        return [VolumeTask(at, n) for at in _volumes(image) for n in range(count)]

    def path(self, task: VolumeTask) -> Path:
        """Return the file of a block."""
        volume = "-".join(map(str, task.volume)) or "volume"
        return self.folder / volume / f"{task.block}.npz"

    def is_done(self, task: VolumeTask) -> bool:
        """Whether a block is finished, and its file whole."""
        return BlockObjects.is_saved(self.path(task))

    def work(self, request: VolumeRequest) -> partial[None]:
        """Return what does one block; it can be sent to another process."""
        return partial(_do_block, str(self.folder), self.stamp, request)

    def paint(self, out: Any, image: PlaneArray) -> int:
        """Stitch all blocks into an array of labels; return how many objects."""
        grid = self.plan.grid(_shape(image))
        _, axes = volumes_of(image)
        total = 0
        for volume in _volumes(image):
            standing = dict(zip(axes[:-3], volume, strict=True))
            place = _Volume(out, f"{image.leading_axes}yx", axes[-3:], standing, total)
            total += paint_volume(
                place,
                grid,
                lambda block, at=volume: BlockObjects.load(  # type: ignore[misc]
                    self.path(VolumeTask(at, block))
                ),
            )
        return total


class _Volume:
    """One volume in an array of labels, whose numbers go on from `before`."""

    def __init__(
        self, out: Any, axes: str, running: str, standing: dict[str, int], before: int
    ) -> None:
        self._out, self._axes, self._running = out, axes, running
        self._standing, self._before = standing, before
        self.dtype = out.dtype

    def __setitem__(self, place: tuple[slice, ...], labels: Any) -> None:
        at = dict(zip(self._running, place, strict=True))
        index = tuple(at.get(a, self._standing.get(a, 0)) for a in self._axes)
        order = [self._running.index(a) for a in self._axes if a in self._running]
        numbered = np.where(labels > 0, labels + np.uint32(self._before), 0)
        self._out[index] = numbered.transpose(order).astype(self.dtype)


@lru_cache(maxsize=1)
def _opened(folder: str, stamp: str, source: ArraySource) -> tuple[VolumeRun, Any]:
    return VolumeRun(Path(folder)), open_array(source)


def _do_block(
    folder: str, stamp: str, request: VolumeRequest, task: VolumeTask
) -> None:
    """Do one block; runs in a worker, which keeps the model and the open image."""
    run, image = _opened(folder, stamp, request.source)
    sam = worker_model(request.model, request.device, request.threads)
    if sam.digest != run.identity["model"]["digest"]:
        raise ValueError(
            f"the model {request.model} is another one here than where the run began"
        )
    stack = _stack(request, image, task.volume)
    found = find_in_volume_block(
        stack,
        run.plan.grid(stack.shape).blocks[task.block],
        run.plan,
        model=sam,
        config=_config_of(request, image),
    )
    found.save(run.path(task))
