"""What ``export`` and ``convert`` are told of the files that they write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.cli import arguments, track_files

if TYPE_CHECKING:
    import argparse

    from napari_sam.configs import ExportConfig

__all__ = ["add_output_arguments", "export_config"]

_FORMATS = (
    *("tif", "zarr", "roi", "geojson", "coco", "yolo", "svg", "png", "csv"),
    *track_files.NAMES,
)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --to and what says how objects are written."""
    parser.add_argument(
        "--to",
        type=Path,
        required=True,
        metavar="FILE",
        help="the file to write; its ending says what it is: .zip or .roi (ImageJ), "
        ".geojson (QuPath), .json (COCO), .txt (YOLO), .tif, .ome.zarr, .svg, .png or "
        ".csv; of a film also .geff or .xml (TrackMate). Of a folder: a folder, with "
        "--format, or one .json",
    )
    parser.add_argument(
        "--format",
        choices=_FORMATS,
        help="of the files in a folder; roi is ImageJ's .zip. Of a film: ctc (a folder "
        "of the Cell Tracking Challenge), geff, trackmate or tracks-csv",
    )
    parser.add_argument(
        "--image",
        type=Path,
        metavar="IMAGE",
        help="the image, or the folder of the images, by its names: for its size, its "
        "pixel size, and to be seen in a figure",
    )
    _add_object_arguments(parser)
    _add_config(parser)
    arguments.add_array_arguments(parser)
    arguments.add_overwrite_argument(parser, "what is there")


def _add_object_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is known of the objects, and which are written."""
    parser.add_argument(
        "--table",
        type=Path,
        metavar="CSV",
        help="a row an object, with its number as “index” or “label”: name, class, "
        "color, score, measurements (default: NAME.objects.csv beside a label image)",
    )
    parser.add_argument(
        "--pixel-size",
        nargs="+",
        type=arguments.size,
        metavar="UM",
        help="in micrometres: one number, or those along (z,) row and column; from the "
        "metadata if left out",
    )
    parser.add_argument(
        "--plane",
        nargs="+",
        type=int,
        metavar="N",
        help="of a stack, the plane that is written, from 0 up: z, or t z",
    )
    parser.add_argument(
        "--nuclei", type=Path, metavar="LABELS", help="GeoJSON: the nuclei of the cells"
    )


def _add_config(parser: argparse.ArgumentParser) -> None:
    """Add the fields of `ExportConfig`, each as an option."""
    from napari_sam.configs import ExportConfig, settings_of

    for name, field in settings_of(ExportConfig).items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(field.default, bool):
            parser.add_argument(option, action="store_true", help=field.description)
        elif field.choices:
            parser.add_argument(
                option,
                choices=field.choices,
                default=field.default,
                help=f"{field.description} (default: {field.default})",
            )
        else:
            parser.add_argument(
                option,
                type=float,
                default=field.default,
                metavar="N",
                help=field.description,
            )


def export_config(args: argparse.Namespace) -> ExportConfig:
    """Read how objects are written from the arguments.

    Raises
    ------
    ValueError
        If a number is out of its bounds.
    """
    from pydantic import ValidationError

    from napari_sam.configs import ExportConfig

    given = {name: getattr(args, name) for name in ExportConfig.model_fields}
    try:
        return ExportConfig(**given)
    except ValidationError as error:
        one = error.errors()[0]
        option = f"--{str(one['loc'][0]).replace('_', '-')}"
        raise ValueError(f"{option} is {one['input']}: {one['msg'].lower()}") from error
