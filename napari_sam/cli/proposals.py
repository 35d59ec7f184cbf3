"""``napari-sam proposals``: propose objects in images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.cli import arguments, batch
from napari_sam.configs import PROPOSALS, GridConfig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``proposals``."""
    parser = subparsers.add_parser(
        "proposals",
        help="propose objects in images",
        description="Propose objects as in the SAM paper: the masks of a dense grid "
        "of points, the greatest mean of predicted IoU and stability first. "
        "DIR/NAME.json has COCO's form with run lengths. Images that are finished are "
        "skipped; one that fails is reported at the end.",
    )
    arguments.add_batch_arguments(parser, "NAME.json of each image")
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    parser.add_argument(
        "--count",
        type=arguments.count,
        default=1000,
        metavar="N",
        help="masks of an image at the most (default: %(default)s)",
    )
    parser.add_argument(
        "--points-per-side",
        type=arguments.count,
        default=PROPOSALS.points_per_side,
        metavar="N",
        help="points along a side of the grid (default: %(default)s)",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    jobs = batch.plan(args.inputs, args.out, (".json",))
    told = {
        **batch.model_settings(args),
        **batch.array_settings(args),
        "count": args.count,
        "points per side": args.points_per_side,
    }
    return batch.run(
        "proposals", jobs, lambda: _prepare(args), lambda target: told, args.overwrite
    )


def _prepare(args: argparse.Namespace) -> Callable[[batch.Job], object]:
    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.coco import records_to_coco, write_coco
    from napari_sam.workflows.objects.proposals import proposal_score, propose

    sam = load_model(args.model, device=args.device)
    config = GridConfig(points_per_side=args.points_per_side)

    def work(job: batch.Job) -> None:
        image = batch.open_input(args, job.source).plane()
        records = propose(image, args.count, model=sam, config=config)
        scores = [proposal_score(record) for record in records]
        shape = (image.shape[0], image.shape[1])
        content = records_to_coco(records, shape, job.source.name, scores=scores)
        write_coco(job.targets[0], content)

    return work
