"""``napari-sam export-model``: a model into files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.cli.arguments import add_overwrite_argument
from napari_sam.cli.batch import check_output

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]

_FORMS = ("onnx", "bioimageio", "meta", "micro-sam")
_ANSWERS = ("maps", "points")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``export-model``."""
    parser = subparsers.add_parser(
        "export-model",
        help="write a model in the form of another program",
        description="Write a model in the form of another program: ONNX, a "
        "BioImage.IO package, Meta's segment-anything, or micro-sam. What is there "
        "stays, unless --overwrite is given.",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="name of a model that is on this machine, or path of a checkpoint",
    )
    parser.add_argument(
        "--to",
        required=True,
        choices=_FORMS,
        help="onnx: image encoder and prompt decoder as two files that run without "
        "PyTorch (needs the extra [export]); bioimageio: a .zip package, tested by "
        "BioImage.IO's library (needs the same extra); meta: a .pth file, as "
        "segment-anything reads it; micro-sam: a .pt file with the instance decoder",
    )
    parser.add_argument(
        "--answers",
        choices=_ANSWERS,
        help="of a BioImage.IO package: maps of where objects are, from an image "
        "alone, or the objects at points (default: maps, if the model has them)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PATH",
        help="the file that is written; for onnx a folder",
    )
    add_overwrite_argument(parser, "the file, or the folder of an earlier export")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from napari_sam.checkpoints.export_model import (
        check_answers,
        check_place,
        export_model,
    )

    check_place(args.out, args.to)
    check_answers(args.to, args.answers)
    if not args.out.is_dir():
        check_output("--out", args.out, args.overwrite)
    elif not args.overwrite:
        raise ValueError(
            f"{args.out} is there already; --overwrite replaces it, or choose another "
            "--out"
        )
    written = export_model(
        args.model,
        args.out,
        to=args.to,
        answers=args.answers,
        overwrite=args.overwrite,
    )
    print(written)
    return 0
