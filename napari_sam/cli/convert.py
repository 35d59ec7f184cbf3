"""``napari-sam convert``: objects of one program into files of another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.cli import arguments, object_files, output_arguments, track_files

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``convert``."""
    parser = subparsers.add_parser(
        "convert",
        help="turn objects of one program into those of another",
        description="Read objects from files of ImageJ, QuPath, COCO or YOLO, or from "
        "a label image, or the tracks of a film from a folder of the Cell Tracking "
        "Challenge, GEFF, TrackMate or a table of a Tracks layer, and write them in "
        "another form. What is there stays, unless --overwrite is given.",
    )
    parser.add_argument(
        "input",
        type=Path,
        metavar="IN",
        help="a .zip, .roi, .geojson, .json, .txt or label image, or a folder of them; "
        "tracks: a folder with res_track.txt, a .geff, .xml or .csv",
    )
    parser.add_argument(
        "--shape",
        nargs="+",
        type=arguments.count,
        metavar="N",
        help="of the image: H W, or Z H W; from --image where that is given",
    )
    parser.add_argument(
        "--image-name",
        default="",
        metavar="NAME",
        help="which image of a COCO file that has several",
    )
    parser.add_argument(
        "--part",
        choices=("nucleus",),
        default="",
        help="read the nuclei of QuPath's cells in place of the cells",
    )
    output_arguments.add_output_arguments(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from napari_sam.io.track_formats import format_to_read

    asked = track_files.is_for_tracks(args)
    if asked or format_to_read(args.input) is not None:
        return track_files.convert(args)
    return object_files.run(args, args.input)
