"""A large segmentation that can be stopped at any time, and goes on where it was.

It lives in a folder: ``run.json`` says what is done and how, and each block that is
finished is a file. Files are renamed to their names when they are whole, so that a
process may be killed at any moment, and what is there counts. How a block is
looked at stands in ``run.json`` before the first one begins; therefore the labels do
not depend on who did which block, nor on how often the run was stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam.configs import BlockConfig, read_settings
from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.image_reader import ArraySource, open_array
from napari_sam.workflows.blocks.block_plan import BlockPlan, plan_blocks, sample_image
from napari_sam.workflows.blocks.large_image import find_in_block, paint_planes
from napari_sam.workflows.blocks.stitching import BlockObjects
from napari_sam.workflows.blocks.worker_pool import worker_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam.io.image_reader import PlaneArray
    from napari_sam.workflows.blocks.worker_pool import Pool

__all__ = ["BlockRun", "BlockTask", "Request", "identify"]

_VERSION = 1
_RUN_FILE = "run.json"
_OWN_FILES = re.compile(
    r"run\.json|\.[^/]+|(plane|\d+(-\d+)*)/(\d+\.npz|\.[^/]+)",
)
"""Names of a run's files, and, hidden, of those that a killed process was at."""


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
        self.folder = folder
        try:
            told = json.loads((folder / _RUN_FILE).read_text())
            self.identity: dict[str, Any] = told["identity"]
            self.plan = BlockPlan.model_validate(told["recipe"])
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(
                f"{folder} holds no run that can go on ({error}); start anew with "
                "--overwrite"
            ) from error

    @classmethod
    def start(
        cls,
        folder: Path,
        request: Request,
        pool: Pool,
        identity: dict[str, Any],
        overwrite: bool = False,
    ) -> BlockRun:
        """Begin a run, or go on with the one that is there.

        Parameters
        ----------
        folder
            Where it lives; all workers have to see it.
        request
            What to do.
        pool
            Who finds out how.
        identity
            From `identify`.
        overwrite
            Begin anew whatever is there.

        Raises
        ------
        ValueError
            If there is a run that was begun with something else, or the folder holds
            what is no run's.
        OSError
            If the folder cannot be written.
        """
        if overwrite:
            cls.clear(folder)
        if (folder / _RUN_FILE).exists():
            run = cls(folder)
            if run.identity != identity:
                raise ValueError(
                    f"{folder} holds a run that was begun with "
                    f"{_difference(run.identity, identity)}; give the same again to go "
                    "on, or --overwrite to start anew"
                )
            return run
        cls.clear(folder)  # without its run.json nobody knows what blocks are of
        plan = pool.call(_plan, request)
        folder.mkdir(parents=True, exist_ok=True)
        told = json.dumps({"identity": identity, "recipe": plan}, indent=1)
        write_atomically(folder / _RUN_FILE, lambda path: path.write_text(told))
        return cls(folder)

    @staticmethod
    def clear(folder: Path) -> None:
        """Remove a run, whole or in part.

        Raises
        ------
        ValueError
            If the folder holds something that no run has written; it is left alone.
        OSError
            If something cannot be removed.
        """
        if not folder.is_dir():
            return
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if not path.is_dir() and not _OWN_FILES.fullmatch(name):
                raise ValueError(
                    f"{folder} is where the blocks go, but it holds {name}, which is "
                    "no block; move it away, or choose another --out"
                )
        # run.json goes last: as long as there are blocks, it tells what they are of.
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        shutil.rmtree(folder)

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
        stamp = hashlib.sha1((self.folder / _RUN_FILE).read_bytes()).hexdigest()
        return partial(_do_block, str(self.folder), stamp, request)

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


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name what was another, with what it was and is."""
    for name in now:
        if before.get(name) == now[name]:
            continue
        if isinstance(now[name], dict) and isinstance(before.get(name), dict):
            inner = _difference(before[name], now[name])
            return f"another {name} ({inner})"
        return f"{name} {before.get(name)!r}, not {now[name]!r}"
    gone = ", ".join(sorted(set(before) - set(now)))
    return f"{gone} {before.get(gone)!r}" if gone else "something else"


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
