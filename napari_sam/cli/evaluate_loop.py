"""``napari-sam evaluate-loop``: what annotating a folder costs while a model learns."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli.arguments import (
    add_array_arguments,
    add_model_arguments,
    add_overwrite_argument,
    count,
)
from napari_sam.cli.batch import array_options, check_output, tell, tell_hidden
from napari_sam.configs import TrainConfig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from napari_sam.io.labelled_folders import LabelledImage

__all__ = ["add_parser"]

_DESCRIPTION = """\
Let a simulated annotator work through labelled images: objects that the model proposes
with an IoU of 0.9 cost nothing, all others are clicked until they reach it (ten clicks
at the most). After every few images the model is trained on those that are done.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``evaluate-loop``."""
    parser = subparsers.add_parser(
        "evaluate-loop",
        help="measure clicks per object while a model learns from them",
        description=_DESCRIPTION,
    )
    add_model_arguments(parser)
    add_array_arguments(parser)
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder with KIND/images/NAME.png and KIND/labels/NAME.png",
    )
    parser.add_argument(
        "--retrain-after",
        type=count,
        default=2,
        metavar="N",
        help="images after which the model is trained (default: 2)",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        default=5.0,
        metavar="T",
        help="of each training; 0: the model stays as it is (default: 5)",
    )
    parser.add_argument("--max-images", type=count, metavar="N", help="stop after N")
    parser.add_argument(
        "--max-objects", type=count, metavar="N", help="at most N of each image"
    )
    parser.add_argument(
        "--json", type=Path, metavar="F", help="write the numbers to this file"
    )
    add_overwrite_argument(parser, "the file of --json")
    parser.add_argument(
        "--threads", type=count, metavar="N", help="processor threads; all if left out"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    import json
    from dataclasses import asdict

    import torch

    from napari_sam.evaluation.annotation_loop import simulate_loop
    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.atomic_write import write_atomically
    from napari_sam.io.labelled_folders import list_labelled_images

    check_output("--json", args.json, args.overwrite)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    listed = list_labelled_images(args.data, **array_options(args))
    tell_hidden("evaluate-loop", listed.hidden)
    images, failures = _readable(listed[: args.max_images])
    model = load_model(args.model, device=args.device)
    print("image\ttrainings\tobjects\tproposed\tclicks/object\treached")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        train = _trainer(args, Path(folder)) if args.minutes > 0 else None
        for item in simulate_loop(
            model, images, args.retrain_after, train, max_objects=args.max_objects
        ):
            found.append(item)
            print(
                f"{item.name}\t{item.trainings}\t{item.objects}\t{item.proposed}\t"
                f"{item.mean:.2f}\t{item.reached:.2f}",
                flush=True,
            )
    if args.json is not None:
        text = json.dumps([asdict(item) for item in found])
        write_atomically(args.json, lambda part: part.write_text(text, "utf-8"))
    return 1 if failures else 0


def _readable(images: Sequence[LabelledImage]) -> tuple[list[LabelledImage], int]:
    """Leave out, and name, what cannot be read; return how many there are of them.

    Raises
    ------
    OSError, ValueError
        If nothing is left: what is wrong with the last.
    """
    kept: list[LabelledImage] = []
    failures: list[Exception] = []
    for item in images:
        try:
            item.read()
        except (OSError, ValueError) as error:
            tell("evaluate-loop", f"{item.kind}/{item.name} was left out: {error}")
            failures.append(error)
        else:
            kept.append(item)
    if failures and not kept:
        raise failures[-1]
    return kept, len(failures)


def _trainer(args: argparse.Namespace, folder: Path) -> Any:
    """Return what trains the model that is in use on the images done so far."""
    from napari_sam.inference.model_loading import load_model
    from napari_sam.training.training_job import train

    latest = str(args.model)
    config = TrainConfig(minutes=args.minutes)

    def run(done: Sequence[LabelledImage]) -> Any:
        nonlocal latest
        out = folder / f"{len(done)}.safetensors"
        outcome = train(done, out, model=latest, config=config, device=args.device)
        latest = str(outcome.path)
        return load_model(latest, device=args.device)

    return run
