"""``napari-sam edges``: draw the edges of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.cli import arguments, batch
from napari_sam.configs import EdgeConfig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``edges``."""
    parser = subparsers.add_parser(
        "edges",
        help="draw the edges of images",
        description="Draw the edges of images as in the SAM paper: where the masks of "
        "a grid of points end. DIR/NAME.tif holds float32 from 0 to 1. Images that are "
        "finished are skipped; one that fails is reported at the end.",
    )
    arguments.add_batch_arguments(parser, "NAME.tif of each image")
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    parser.add_argument(
        "--points-per-side",
        type=arguments.count,
        default=EdgeConfig().points_per_side,
        metavar="N",
        help="points along a side of the grid (default: %(default)s)",
    )
    parser.add_argument(
        "--no-thin",
        action="store_true",
        help="leave the outlines of all masks, instead of lines one pixel wide",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    jobs = batch.plan(args.inputs, args.out, (".tif",))
    told = {
        **batch.model_settings(args),
        **batch.array_settings(args),
        "points per side": args.points_per_side,
        "thin": not args.no_thin,
    }
    return batch.run(
        "edges", jobs, lambda: _prepare(args), lambda target: told, args.overwrite
    )


def _prepare(args: argparse.Namespace) -> Callable[[batch.Job], object]:
    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.label_images import write_map
    from napari_sam.workflows.objects.edges import detect_edges

    sam = load_model(args.model, device=args.device)
    config = EdgeConfig(points_per_side=args.points_per_side, thin=not args.no_thin)

    def work(job: batch.Job) -> None:
        image = batch.open_input(args, job.source)
        edges = detect_edges(image.plane(), model=sam, config=config)
        write_map(job.targets[0], edges, image.calibration("yx"))

    return work
