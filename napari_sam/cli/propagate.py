"""``napari-sam propagate``: follow objects through a volume or a film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments, batch, measuring
from napari_sam.cli.grow_points import grow_points
from napari_sam.cli.label_files import refuse_image
from napari_sam.cli.progress_bar import StepBar
from napari_sam.configs import DIRECTIONS, PropagationConfig

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

    from napari_sam.cli.grow_points import Sure
    from napari_sam.io.plane_array import PlaneArray

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``propagate``."""
    parser = subparsers.add_parser(
        "propagate",
        help="follow objects through a volume from a few labelled planes, or points",
        description="Follow the objects of a few labelled planes through a volume or "
        "a film: outward until they end, and between two planes of the same object. "
        "Or grow an object of a volume from one point on it. No object takes a pixel "
        "of another.",
    )
    parser.add_argument(
        "image",
        type=Path,
        metavar="IMAGE",
        help="a volume or a film: an image of three axes",
    )
    _add_start_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT.tif",
        help="the labels to write",
    )
    _add_reach_arguments(parser)
    parser.add_argument(
        "--confidence",
        type=Path,
        metavar="F.csv",
        help="also write how sure each object is on each plane, from 0 to 1",
    )
    measuring.add_features_arguments(parser, "OUT.csv or OUT.xlsx")
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    arguments.add_overwrite_argument(parser, "OUT.tif and F.csv where they are there")
    parser.set_defaults(run=_run)


def _add_start_arguments(parser: argparse.ArgumentParser) -> None:
    """Add where objects begin."""
    start = parser.add_mutually_exclusive_group(required=True)
    start.add_argument(
        "--point",
        type=int,
        nargs=3,
        action="append",
        metavar=("Z", "Y", "X"),
        help="a voxel of an object, which grows from there in 3D; once for each object",
    )
    start.add_argument(
        "--seeds",
        type=Path,
        metavar="LABELS",
        help="labels of the same shape, in which only some planes hold objects; the "
        "same number on two planes is one object",
    )


def _add_reach_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how far objects are followed."""
    parser.add_argument(
        "--axis",
        type=int,
        default=0,
        metavar="N",
        help="the axis along which planes are stacked (default: 0)",
    )
    parser.add_argument(
        "--planes",
        nargs=2,
        type=int,
        metavar=("A", "B"),
        help="first and last plane to go to (default: all)",
    )
    parser.add_argument(
        "--direction",
        choices=DIRECTIONS,
        default="both",
        help="where to go beyond the first and the last seed (default: both)",
    )
    parser.add_argument(
        "--max-gap",
        type=int,
        metavar="N",
        help="planes in a row on which an object may be missed, and is looked for on "
        "the next (default: 2 frames of a film, no plane of a volume)",
    )


def _run(args: argparse.Namespace) -> int:
    from napari_sam.io.label_images import write_labels

    if args.out.suffix.lower() not in (".tif", ".tiff"):
        raise ValueError(f"--out is {args.out}; wanted a name that ends in .tif")
    for path in _inputs(args):
        if args.out.resolve() == path.resolve():
            raise ValueError(f"{path} is an input and would be replaced")
    _check_confidence(args)
    batch.check_output("--out", args.out, args.overwrite)
    batch.check_output("--confidence", args.confidence, args.overwrite)
    measured = args.out.with_suffix(f".{args.features}") if args.features else None
    if measured is not None and measured == args.confidence:
        raise ValueError(f"--confidence is {measured}, where --features writes to")
    batch.check_output("--features", measured, args.overwrite)
    image = batch.open_input(args, args.image)
    axes = _three(image, args.image)
    measuring.check_features(args, 2 if "t" in axes else 3)
    if args.point:
        labels, sure = grow_points(args, image, axes)
        given = len(sure)
    else:
        labels, sure, given = _follow(args, image)
    write_labels(args.out, labels, image.calibration(axes))
    if measured is not None:
        known = image.calibration(axes)
        channels = measuring.channels_in(args, args.image, axes)
        measuring.write_features(measured, args, labels, channels, known)
    if args.confidence is not None:
        _write_confidence(args.confidence, sure)
    everywhere = sum(len(planes) for planes in sure.values())
    print(f"{len(sure)} objects: {given} outlines given, {everywhere - given} found")
    return 0


def _follow(
    args: argparse.Namespace, image: PlaneArray
) -> tuple[NDArray[Any], Sure, int]:
    """Follow the seeds; return labels, how sure they are, and how many were given."""
    from napari_sam.inference.model_loading import load_model
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.propagation import propagate
    from napari_sam.workflows.stacks.stack import Stack

    seeds = _open_seeds(args)
    _three(seeds, args.seeds)
    in_film = _of_film(args, _three(image, args.image))
    config = PropagationConfig(until=args.planes, direction=args.direction, **in_film)
    colour = -1 if image.is_colour else None
    with StepBar("plane") as bar:
        found = propagate(
            Stack(image.stack("z"), args.axis, channel_axis=colour),
            seeds.stack("z"),
            model=load_model(args.model, device=args.device),
            config=config,
            progress=Progress(bar.show),
        )
    given = sum(one.is_seed for here in found.planes.values() for one in here.values())
    return found.labels, found.confidence, given


def _inputs(args: argparse.Namespace) -> tuple[Path, ...]:
    return (args.image,) if args.seeds is None else (args.image, args.seeds)


def _of_film(args: argparse.Namespace, axes: str) -> dict[str, Any]:
    """Return --max-gap, and what else does well in films."""
    if args.max_gap is not None and args.max_gap < 0:
        raise ValueError(f"--max-gap is {args.max_gap}; wanted 0 or more")
    if axes[args.axis : args.axis + 1] != "t":
        return {"max_gap": args.max_gap or 0}
    given = 2 if args.max_gap is None else args.max_gap
    return {"max_gap": given, "multimask": True, "memory": 4}


def _check_confidence(args: argparse.Namespace) -> None:
    """Refuse a table that would be written over another file of the command."""
    if args.confidence is None:
        return
    for path in (*_inputs(args), args.out):
        if args.confidence.resolve() == path.resolve():
            raise ValueError(
                f"--confidence is {args.confidence}, which is the image, the seeds or "
                "--out; choose another file"
            )


def _open_seeds(args: argparse.Namespace) -> PlaneArray:
    """Open the seeds, whose axes are those of the image where none are named."""
    from napari_sam.io.image_reader import ArraySource, open_array

    seeds = open_array(ArraySource(str(args.seeds)))
    letters = "".join(axis for axis in args.axes.lower() if axis not in "cs")
    if seeds.assumed and len(letters) == len(seeds.axes):
        seeds = open_array(ArraySource(str(args.seeds), axes=letters))
    if seeds.is_colour or seeds.dtype.kind not in "bui":
        raise ValueError(
            f"--seeds {args.seeds} holds {seeds.dtype}"
            f"{' of colour' * seeds.is_colour}; wanted labels, whole numbers"
        )
    refuse_image(args.seeds)
    return seeds


def _three(image: PlaneArray, path: Path) -> str:
    """Return the axes of a stack of planes, or refuse another number of them."""
    axes = image.stack_axes("z")
    if len(axes) != 3:
        raise ValueError(
            f"{path} has the axes {image.axes.upper()} of sizes "
            f"{' x '.join(map(str, image.array.shape))}; wanted three, a volume or a "
            "film, and with --channels one of channels. Say which they are with --axes"
        )
    return axes


def _write_confidence(path: Path, sure: Sure) -> None:
    from napari_sam.io.atomic_write import write_atomically

    lines = ["label,plane,confidence"]
    for label, planes in sorted(sure.items()):
        lines += [f"{label},{plane},{one:.4f}" for plane, one in planes.items()]
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda part: part.write_text(text, "utf-8"))
