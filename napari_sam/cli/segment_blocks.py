"""What ``napari-sam segment`` does with images larger than memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.cli import arguments, batch, block_work
from napari_sam.configs import BlockConfig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

__all__ = ["add_arguments", "run"]

_BLOCK = BlockConfig().block


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options about workers, and those about how an image is cut up."""
    block_work.add_worker_arguments(parser)
    large = parser.add_argument_group("an image larger than memory (--out LABELS.zarr)")
    large.add_argument(
        "--block",
        type=arguments.count,
        default=_BLOCK,
        metavar="N",
        help=f"most pixels across of a block (default: {_BLOCK})",
    )


def run(args: argparse.Namespace, settings: Mapping[str, str]) -> int:
    """Segment one image block by block, and return the exit code.

    Raises
    ------
    ValueError
        If the arguments do not go together, or there is another run in the way.
    OSError
        If a file cannot be read or written.
    """
    from napari_sam.io.image_reader import ArraySource
    from napari_sam.workflows.blocks.block_run import BlockRun, Request, identify

    source = _check(args)
    place = ArraySource(str(source), args.channels, args.axes, args.scene)
    image = batch.open_input(args, source)
    model = Path(args.model)
    request = Request(
        place,
        str(model.resolve()) if model.is_file() else args.model,
        args.mode,
        dict(settings),
        args.block,
        args.device,
        None if args.workers is None and args.scheduler is None else args.threads,
    )
    work = block_work.Work(
        "segment",
        request,
        image,
        identify,
        BlockRun.start,
        lambda task: f"block {task.block} of plane {task.plane or 0}",
    )
    return block_work.run_blocks(args, work)


def _check(args: argparse.Namespace) -> Path:
    """Refuse what does not go together; return the path of the image."""
    for name, given in (
        ("--features", args.features),
        ("--properties", args.properties),
        ("--pixel-size", args.pixel_size),
        ("--roi", args.roi),
        ("--text", args.text is not None),
        ("--like", args.like),
        ("--unlike", args.unlike),
        ("--min-match", args.min_match is not None),
        ("--format", args.format != "tif"),
    ):
        if given and len(args.inputs) == 1:
            raise ValueError(f"{name} does not go with --out {args.out}")
    return block_work.check_places(args)
