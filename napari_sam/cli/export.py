"""``napari-sam export``: labels into files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.cli import object_files, output_arguments, track_files

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``export``."""
    parser = subparsers.add_parser(
        "export",
        help="write labels in the form of another program",
        description="Write the objects of a label image, or of a folder of them, in "
        "the form of another program: ImageJ and Fiji, QuPath, COCO, YOLO, or a "
        "figure; tracked labels of a film also as the Cell Tracking Challenge, GEFF, "
        "TrackMate or a table of a Tracks layer. What is there stays, unless "
        "--overwrite is given.",
    )
    parser.add_argument(
        "labels",
        type=Path,
        metavar="LABELS",
        help="a label image, or a folder of label images",
    )
    output_arguments.add_output_arguments(parser)
    parser.add_argument(
        "--tracks",
        type=Path,
        metavar="FILE",
        help="of a film: the file that says which tracks divide, such as the .csv of a "
        "Tracks layer",
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if track_files.is_for_tracks(args):
        return track_files.export_film(args)
    if args.tracks is not None:
        raise ValueError(
            "--tracks is for a film: with --to .geff or .xml, or --format "
            f"{' or '.join(track_files.NAMES)}"
        )
    return object_files.run(args, args.labels)
