"""``napari-sam train --scheduler``: the training of a worker, told of here."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam.cli.batch import tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from napari_sam.configs import TrainConfig
    from napari_sam.model.sam import Sam
    from napari_sam.training.labelled_images import Source
    from napari_sam.training.train_result import TrainResult

__all__ = ["add_scheduler_argument", "tell_left_out", "train_on_worker"]


def add_scheduler_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--scheduler``."""
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a running dask scheduler, such as tcp://10.0.0.1:8786, one of whose "
        "workers trains; the images are sent to it, and what it writes comes back",
    )


def train_on_worker(
    args: argparse.Namespace,
    config: TrainConfig,
    init: Sam | None,
    sources: Sequence[Source],
    is_stopped: Callable[[], bool],
) -> tuple[TrainResult, list[str]]:
    """Train on a worker; also return which images were left out, and why.

    Raises
    ------
    Cancelled
        If it was stopped.
    OSError
        If the workers cannot be used, or were lost.
    """
    from napari_sam.ops.remote_device import RemoteDevice, RemoteDeviceError
    from napari_sam.ops.types import Cancelled
    from napari_sam.training.remote_training import train_there
    from napari_sam.workflows.progress import Progress

    try:
        reply = train_there(
            RemoteDevice(args.scheduler),
            config,
            sources,
            args.out,
            init,
            anew=args.overwrite,
            progress=Progress(is_cancelled=is_stopped),
            on_event=_show,
        )
    except RemoteDeviceError as error:
        raise OSError(
            f"{error}. What came back is kept: the same command goes on there, and "
            "without --scheduler on this machine"
        ) from error
    left_out = list(reply.left_out)
    tell_left_out(left_out)
    if reply.result is None:
        raise Cancelled(reply.message)
    return replace(reply.result, path=args.out), left_out


def tell_left_out(images: Sequence[str]) -> None:
    """Say which images were left out, and why."""
    for told in images:
        name, _, problem = told.partition(": ")
        tell("train", f"{name} was left out: {problem}")


def _show(event: dict[str, Any]) -> None:
    if "mean_loss" not in event:  # which is told of each step
        print(*(f"{name} {value}" for name, value in event.items()), file=sys.stderr)
