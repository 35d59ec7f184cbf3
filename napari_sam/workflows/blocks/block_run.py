"""A large segmentation that can be stopped at any time, and goes on where it was.

It lives in a folder; see `napari_sam.workflows.blocks.run_folder`. How a block is
looked at stands there before the first one begins; therefore the labels do not depend
on who did which block, nor on how often the run was stopped.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam.configs import BlockConfig, read_settings
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.workflows.blocks.block_plan import BlockPlan, plan_blocks, sample_image
from napari_sam.workflows.blocks.large_image import find_in_block, paint_planes
from napari_sam.workflows.blocks.run_folder import RunFolder
from napari_sam.workflows.blocks.stitching import BlockObjects
from napari_sam.workflows.blocks.worker_pool import worker_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam.io.plane_array import PlaneArray
    from napari_sam.workflows.blocks.worker_pool import Pool

__all__ = ["BlockRun", "BlockTask", "Request", "identify"]

_VERSION = 1


@dataclass(frozen=True)
class Request:
    """What is to be segmented, and how.

    Attributes
    ----------
    source
        Where the image lies.
    model, mode
        See `napari_sam.segment`.
    settings
        Texts of parameters by name; see
        `napari_sam.configs.read_settings`.
    block
        Most pixels across of a block.
    device, threads
        See `worker_model`; they do not change what is found.
    """

    source: ArraySource
    model: str = "cells"
    mode: str = "auto"
    settings: Mapping[str, str] = field(default_factory=dict)
    block: int = BlockConfig().block
    device: str = "auto"
    threads: int | None = None


class BlockTask(NamedTuple):
    """A block of a plane: the plane's index, and the block's in the grid."""

    plane: tuple[int, ...]
    block: int


def identify(request: Request) -> dict[str, Any]:
    """Return all that the labels depend on; loads the model.

    The image is told by its path, shape and type, and by pieces of its content.

    Raises
    ------
    OSError, ValueError
        If the image cannot be opened, or the model cannot be loaded.
    """
    read_settings(request.mode, request.settings)
    image = open_array(request.source)
    sam = worker_model(request.model, request.device, request.threads)
    content = hashlib.blake2b(digest_size=16)
    for piece in sample_image(image).pixels:
        content.update(np.ascontiguousarray(piece).data)
    return {
        "version": _VERSION,
        "image": {
            **asdict(request.source),
            "axes": image.axes,
            "shape": list(image.array.shape),
            "dtype": image.dtype.str,
            "content": content.hexdigest(),
        },
        "model": {"name": sam.name, "digest": sam.digest},
        "mode": request.mode,
        "settings": dict(sorted(request.settings.items())),
        "block": request.block,
    }


def _plan(request: Request) -> dict[str, Any]:
    image = open_array(request.source)
    sam = worker_model(request.model, request.device, request.threads)
    segment = read_settings(request.mode, request.settings)
    config = BlockConfig(block=request.block, segment=segment)
    plan = plan_blocks(image, model=sam, mode=request.mode, config=config)
    return plan.model_dump(mode="json")


class BlockRun:
    """A run in its folder.

    Parameters
    ----------
    folder
        From `BlockRun.start`.

    Raises
    ------
    ValueError
        If the folder holds no run, or one of another version.
    """

    def __init__(self, folder: Path) -> None:
        told = RunFolder(folder)
        self.folder, self.identity, self.stamp = folder, told.identity, told.stamp
        self.plan = told.plan(BlockPlan)

    @classmethod
    def start(
        cls,
        folder: Path,
        request: Request,
        pool: Pool,
        identity: dict[str, Any],
        overwrite: bool = False,
    ) -> BlockRun:
        """Begin a run, or go on with the one that is there; see `RunFolder.start`.

        Parameters
        ----------
        folder, identity, overwrite
            See `RunFolder.start`; the identity is from `identify`.
        request
            What to do.
        pool
            Who finds out how.
        """
        RunFolder.start(folder, identity, lambda: pool.call(_plan, request), overwrite)
        return cls(folder)

    def tasks(self, image: PlaneArray) -> list[BlockTask]:
        """List all blocks of all planes."""
        count = len(self.plan.grid(image.shape).blocks)
        return [BlockTask(i, n) for i in image.indices() for n in range(count)]

    def path(self, task: BlockTask) -> Path:
        """Return the file of a block."""
        plane = "-".join(map(str, task.plane)) or "plane"
        return self.folder / plane / f"{task.block}.npz"

    def is_done(self, task: BlockTask) -> bool:
        """Whether a block is finished, and its file whole."""
        return BlockObjects.is_saved(self.path(task))

    def work(self, request: Request) -> partial[None]:
        """Return what does one block; it can be sent to another process."""
        return partial(_do_block, str(self.folder), self.stamp, request)

    def paint(self, out: Any, image: PlaneArray) -> int:
        """Stitch all blocks into an array of labels; return how many objects."""
        return paint_planes(
            out,
            self.plan.grid(image.shape),
            list(image.indices()),
            lambda index, number: BlockObjects.load(
                self.path(BlockTask(index, number))
            ),
        )


@lru_cache(maxsize=1)
def _opened(folder: str, stamp: str, source: ArraySource) -> tuple[BlockRun, Any]:
    return BlockRun(Path(folder)), open_array(source)


def _do_block(folder: str, stamp: str, request: Request, task: BlockTask) -> None:
    """Do one block; runs in a worker, which keeps the model and the open image."""
    run, image = _opened(folder, stamp, request.source)
    sam = worker_model(request.model, request.device, request.threads)
    if sam.digest != run.identity["model"]["digest"]:
        raise ValueError(
            f"the model {request.model} is another one here than where the run began"
        )
    block = run.plan.grid(image.shape).blocks[task.block]
    config = read_settings(request.mode, request.settings)
    found = find_in_block(image, task.plane, block, run.plan, sam, config)
    found.save(run.path(task))
