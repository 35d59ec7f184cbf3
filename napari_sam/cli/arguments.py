"""The options that several commands have, and the types of their values."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from napari_sam.configs import MODES, mode_settings

__all__ = [
    "add_array_arguments",
    "add_batch_arguments",
    "add_model_arguments",
    "add_overwrite_argument",
    "add_set_argument",
    "count",
    "size",
]


def count(text: str) -> int:
    """Parse a number from 1 up, as argparse wants it."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"wanted a number from 1 up, got {text!r}")
    return int(text)


def size(text: str) -> float:
    """Parse a number above 0, as argparse wants it."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"wanted a number above 0, got {text!r}")
    return number


def add_overwrite_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Add --overwrite; `what` says what is replaced."""
    parser.add_argument("--overwrite", action="store_true", help=f"replace {what}")


def add_batch_arguments(parser: argparse.ArgumentParser, what: str) -> None:
    """Add IN..., --out and --overwrite; `what` says what is written of each image."""
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="IN",
        help="an image, a folder of images, or a pattern such as 'plate/**/*.tif'",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help=f"folder for {what}; it is made where it does not exist",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="do finished images again, and replace results of other settings",
    )


def add_set_argument(parser: argparse.ArgumentParser, example: str) -> None:
    """Add ``--set``, a parameter of a mode."""
    named = "; ".join(
        f"{mode}: {', '.join(mode_settings(mode))}" for mode in MODES if mode != "auto"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"a parameter of the mode, such as {example}; may be repeated. {named}",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add --model and --device."""
    parser.add_argument(
        "--model",
        default="cells",
        metavar="M",
        help="name of a registered model or path of a checkpoint (default: cells)",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="D",
        help="auto, cpu, cuda, mps, or the address of a running dask scheduler, such "
        "as tcp://10.0.0.1:8786, whose workers embed the planes (default: auto)",
    )


class _Together(argparse.Action):
    """Puts the numbers of all arguments of an option into one tuple."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(
            namespace, self.dest, tuple(number for some in values for number in some)
        )


def _numbers(text: str) -> tuple[int, ...]:
    """Read "0" or "0,2"."""
    try:
        return tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no number of a channel; wanted such as 0 2, after the images"
        ) from None


def add_array_arguments(parser: argparse._ActionsContainer) -> None:
    """Add --channels, --axes and --scene: what of a file is looked at."""
    parser.add_argument(
        "--channels",
        type=_numbers,
        nargs="+",
        action=_Together,
        metavar="N",
        help="which channels to look at, from 0 up, where there are several: one as "
        "gray, several together as colour",
    )
    parser.add_argument(
        "--axes",
        default="",
        metavar="TCZYX",
        help="a letter for each axis, for files that do not name them, or wrongly",
    )
    parser.add_argument(
        "--scene",
        type=int,
        metavar="N",
        help="which image of a file with several, from 0 up (default: the largest)",
    )
