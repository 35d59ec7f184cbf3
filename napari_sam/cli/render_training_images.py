"""``napari-sam render-training-images``: labelled scenes that nobody had to label."""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_sam.cli.arguments import add_overwrite_argument, count
from napari_sam.cli.progress_bar import StepBar

__all__ = ["add_parser"]

_DESCRIPTION = """\
Render microscope scenes with the labels of all their objects, as training reads them.

  napari-sam render-training-images RENDERED --kind bacteria_phase --count 200
  napari-sam train --data RENDERED --minutes 20 --out mine.safetensors

The same seed gives the same scenes. Those that are there already stay, so that a
command that was stopped goes on when it is given again, and a higher --count adds some.
Of cells whose nuclei are seen the folder nuclei holds those too.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``render-training-images``."""
    parser = subparsers.add_parser(
        "render-training-images",
        help="render labelled scenes to train on",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "out",
        type=Path,
        metavar="OUT",
        help="folder for KIND/images and KIND/labels; it is made where it does not "
        "exist",
    )
    parser.add_argument(
        "--kind",
        nargs="+",
        metavar="K",
        help="what to render, such as cells_fluo_packed or bacteria_phase (all kinds, "
        "if left out); a name that is none is answered with the list",
    )
    parser.add_argument(
        "--count", type=count, default=100, metavar="N", help="scenes a kind (100)"
    )
    parser.add_argument(
        "--seed", type=_seed, default=0, metavar="S", help="random numbers (0)"
    )
    parser.add_argument(
        "--size",
        nargs=2,
        type=count,
        default=[512, 512],
        metavar=("H", "W"),
        help="pixels of a scene (512 512)",
    )
    add_overwrite_argument(parser, "scenes of these kinds that are in OUT")
    parser.set_defaults(run=_run)


def _seed(text: str) -> int:
    """Parse a number from 0 up, as argparse wants it."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"wanted a number from 0 up, got {text!r}")
    return int(text)


def _run(args: argparse.Namespace) -> int:
    from napari_sam.training.rendering import KINDS
    from napari_sam.training.rendering.scene_folders import write_scenes

    kinds = list(dict.fromkeys(args.kind or KINDS))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        raise ValueError(f"--kind is {unknown[0]}; wanted some of {', '.join(KINDS)}")
    options = {"seed": args.seed, "size": tuple(args.size)}
    written = 0
    with StepBar("scene") as bar:
        for turn, kind in enumerate(kinds):
            bar.name(kind)
            scenes = write_scenes(
                args.out, kind, args.count, overwrite=args.overwrite, **options
            )
            for number, is_new in enumerate(scenes, 1):
                written += is_new
                bar.show(turn * args.count + number, len(kinds) * args.count)
    there = len(kinds) * args.count - written
    print(f"{args.out}: {written} scenes rendered, {there} were there")
    return 0
