"""``--features``: what the commands that write labels measure of the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments
from napari_sam.io.measurement_tables import TABLE_FORMATS, write_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from napari_sam.io.calibration import Calibration

__all__ = [
    "add_features_arguments",
    "add_property_arguments",
    "channels_in",
    "check_features",
    "feature_endings",
    "feature_settings",
    "properties_of",
    "spacing_of",
    "write_features",
]


def add_features_arguments(parser: argparse.ArgumentParser, where: str) -> None:
    """Add --features, and what it is measured in; `where` is where the table goes."""
    parser.add_argument(
        "--features",
        choices=TABLE_FORMATS,
        help=f"also measure the objects, to {where}",
    )
    add_property_arguments(parser)


def add_property_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --properties and --pixel-size."""
    parser.add_argument(
        "--properties",
        nargs="+",
        metavar="NAME",
        help="what is measured: all, or names such as area intensity_mean (default: "
        "all that is quick)",
    )
    parser.add_argument(
        "--pixel-size",
        nargs="+",
        type=arguments.size,
        metavar="UM",
        help="in micrometres, for what is measured: one number, or those along (Z) Y "
        "X; from the image's metadata if left out, else all is in pixels",
    )


def check_features(args: argparse.Namespace, ndim: int) -> None:
    """Refuse --pixel-size of another number of axes, and --properties in vain.

    Raises
    ------
    ValueError
        If there is not one number, nor one for each axis; if there is no such
        property, or nothing is measured.
    """
    from napari_sam.workflows.measure.properties import check_property_names

    if args.properties is not None and args.features is None:
        raise ValueError("--properties needs --features, such as --features csv")
    check_property_names(properties_of(args))
    sizes = args.pixel_size
    if sizes is not None and len(sizes) not in (1, ndim):
        raise ValueError(
            f"--pixel-size takes one or {'two' if ndim == 2 else 'three'} numbers, got "
            f"{sizes}"
        )


def properties_of(args: argparse.Namespace) -> Any:
    """Return --properties as `napari_sam.measure` takes them."""
    given = args.properties
    return given[0] if given is not None and len(given) == 1 else given


def feature_endings(args: argparse.Namespace) -> list[str]:
    """Return the endings of the files that --features asks for."""
    return [f".{args.features}"] if args.features else []


def feature_settings(args: argparse.Namespace, target: Path) -> Mapping[str, Any]:
    """Return what a table depends on; nothing for another file."""
    if target.suffix.removeprefix(".") not in TABLE_FORMATS:
        return {}
    return {"pixel size": args.pixel_size, "properties": args.properties}


def spacing_of(
    args: argparse.Namespace, known: Calibration
) -> tuple[float, ...] | float | None:
    """Return the size of a pixel in micrometres; None where nobody says it."""
    if args.pixel_size is None:
        return known.micrometres
    sizes: list[float] = args.pixel_size
    return sizes[0] if len(sizes) == 1 else tuple(sizes)


def channels_in(args: argparse.Namespace, path: Path, axes: str) -> dict[str, Any]:
    """Return the channels of an image by their names, with these axes.

    They are those of --channels, or all. The intensities are those of the file, also
    where the model sees several channels as one colour image.
    """
    from napari_sam.io.image_reader import ArraySource
    from napari_sam.workflows.measure.measure_folder import channels_of, open_channels

    source = ArraySource(str(path), args.channels, args.axes, args.scene)
    return channels_of(open_channels(source), axes)


def write_features(
    path: Path,
    args: argparse.Namespace,
    labels: Any,
    channels: Mapping[str, Any],
    known: Calibration,
    columns: Mapping[str, Any] | None = None,
) -> None:
    """Measure objects, and write the table.

    Parameters
    ----------
    path
        The file.
    args
        With --properties and --pixel-size.
    labels
        With the axes of `known`.
    channels
        Of the shape of the labels; see `measure_channels`.
    known
        What is known of the axes, of which "t" is time.
    columns
        Further columns: for each the values of labels 1 to n.
    """
    from napari_sam.workflows.measure.measure import measure_channels

    axes = known.axes.lower()
    table: pd.DataFrame = measure_channels(
        labels,
        channels,
        spacing=spacing_of(args, known.along(axes.replace("t", ""))),
        time_axis=axes.find("t") if "t" in axes else None,
        properties=properties_of(args),
    )
    for name, values in (columns or {}).items():
        table[name] = [values[label - 1] for label in table["label"]]
    write_table(path, table)
