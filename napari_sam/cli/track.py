"""``napari-sam track``: follow the objects of a film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import arguments, batch, measuring, track_files
from napari_sam.cli.input_output import hidden
from napari_sam.cli.progress_bar import StepBar
from napari_sam.cli.segment_volume import add_link_argument, link_config
from napari_sam.configs import TrackConfig, read_pairs, settings_of

if TYPE_CHECKING:
    import argparse

    from napari_sam.io.calibration import Calibration

__all__ = ["add_parser"]


_NAMES = [
    name
    for name in settings_of(TrackConfig)
    if name not in ("spacing", "link", "segment")  # they have arguments of their own
]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``track``."""
    parser = subparsers.add_parser(
        "track",
        help="follow the objects of a film, with divisions",
        description="Give the objects of a film ids that last, find divisions, and "
        "write the result: as the Cell Tracking Challenge has it, maskTTT.tif of each "
        "frame and res_track.txt, or in the form of another program.",
    )
    parser.add_argument(
        "input",
        type=Path,
        metavar="IN",
        help="labels of (T, Y, X) or (T, Z, Y, X) in a TIFF or a zarr, or a folder of "
        "frames in the order of their names; with --model, images",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help="folder for the result, made where it does not exist; or a file .geff, "
        ".xml (TrackMate) or .csv (rows of napari's Tracks layer)",
    )
    parser.add_argument(
        "--format",
        choices=track_files.NAMES,
        help="of the result, in place of what OUT ends with",
    )
    _add_object_arguments(parser)
    add_link_argument(parser)
    measuring.add_features_arguments(
        parser,
        "OUT/objects.csv or .xlsx, with a row for each track and frame; of a folder",
    )
    arguments.add_array_arguments(parser)
    arguments.add_overwrite_argument(parser, "an earlier result")
    parser.set_defaults(run=_run)


def _add_object_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how objects are found and linked."""
    parser.add_argument(
        "--model",
        metavar="M",
        help="find the objects of each frame with this model first: a registered name "
        "such as cells, or the path of a checkpoint",
    )
    parser.add_argument(
        "--labels",
        action="store_true",
        help="IN holds labels, though it looks like an image",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="D",
        help="auto, cpu, cuda, mps, or the address of a running dask scheduler, such "
        "as tcp://10.0.0.1:8786, whose workers embed the planes (default: auto)",
    )
    parser.add_argument(
        "--spacing",
        nargs="+",
        type=float,
        metavar="S",
        help="size of a pixel along each axis of a frame, (Z) Y X (default: all 1)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"what may be the same object: {', '.join(_NAMES)}; such as max_gap=0; "
        "may be repeated",
    )


def _run(args: argparse.Namespace) -> int:
    from napari_sam.io.track_files import write_tracks
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.tracking import track

    config = _read_config(args)
    kind = _format(args)
    track_files.check_free("--out", args.out, kind, args.overwrite)
    measured = args.out / f"objects.{args.features}"
    if args.features and args.out.is_dir():
        batch.check_output("--features", measured, args.overwrite)
    frames, known = _open(args)
    measuring.check_features(args, len(known.axes))
    model: Any = None
    if args.model is None and not args.labels:
        _refuse_image(frames, args.input)
    if args.model is not None:
        from napari_sam.inference.model_loading import load_model

        model = load_model(args.model, device=args.device)
    with StepBar("step") as bar:
        found = track(frames, model=model, config=config, progress=Progress(bar.show))
    written = write_tracks(
        args.out,
        found.labels,
        graph=found.graph,
        format=kind,
        calibration=known.along(f"t{known.axes}"),
    )
    if args.features:
        _write_features(measured, args, known)
    track_files.tell("track", written, len(frames))
    return 0


def _format(args: argparse.Namespace) -> str:
    """Return the format of the result: a folder of the challenge, unless asked."""
    from napari_sam.io.track_formats import TRACK_FORMATS

    ending = args.out.suffix.lower()
    by_ending = [
        one.name for one in TRACK_FORMATS if one.suffix and one.suffix == ending
    ]
    kind: str = args.format or (by_ending or ["ctc"])[0]
    if args.features and kind != "ctc":
        raise ValueError(
            "--features goes into the folder of a result of the Cell Tracking "
            f"Challenge; --out is {args.out}"
        )
    return kind


def _write_features(path: Path, args: argparse.Namespace, known: Calibration) -> None:
    """Measure the tracks as they were written: one with a gap is two there."""
    from napari_sam.io.ctc import read_ctc

    labels, _ = read_ctc(args.out)
    channels = _channels(args, known) if args.model else {}
    axes = known.along(f"t{known.axes}")
    measuring.write_features(path, args, labels, channels, axes)


def _channels(args: argparse.Namespace, known: Calibration) -> dict[str, Any]:
    """Return the channels of the film, frames first."""
    import dask.array as da

    from napari_sam.io.image_reader import is_zarr
    from napari_sam.io.images import list_images

    if is_zarr(args.input) or not args.input.is_dir():
        axes = batch.open_input(args, args.input).stack_axes("t")
        time = next(axis for axis in axes if axis not in known.axes)
        return measuring.channels_in(args, args.input, f"{time}{known.axes}")
    frames = [
        measuring.channels_in(args, path, known.axes)
        for path in list_images(args.input).paths
    ]
    return {name: da.stack([frame[name] for frame in frames]) for name in frames[0]}


def _read_config(args: argparse.Namespace) -> TrackConfig:
    """Read ``--set``, ``--link`` and ``--spacing``."""
    pairs = dict(pair.partition("=")[::2] for pair in args.set)
    config = read_pairs(TrackConfig, pairs)
    given: dict[str, Any] = {}
    if args.spacing is not None:
        given["spacing"] = tuple(args.spacing)
    if args.link:
        given["link"] = link_config(args.link)
    return config.model_copy(update=given)


def _open(args: argparse.Namespace) -> tuple[Any, Calibration]:
    """Open the film; return it, and what is known of the axes of a frame."""
    import dask.array as da

    from napari_sam.io.image_reader import is_zarr
    from napari_sam.io.images import list_images

    path = args.input
    if is_zarr(path) or not path.is_dir():
        image = batch.open_input(args, path)
        frames, axes = image.stack("t"), image.stack_axes("t")
        if image.is_colour and args.model is None:
            raise ValueError(f"{path} has colour and holds no labels; give --model M")
        if len(axes) not in (3, 4):
            raise ValueError(
                f"{path} has the axes {image.axes.upper()} of sizes "
                f"{' x '.join(map(str, image.array.shape))}; wanted a film, T beside "
                "(Z) Y X. Say which they are with --axes, such as --axes TZYX"
            )
        place = max(axes.find("t"), 0)
        frames = frames.transpose(
            [place, *(n for n in range(frames.ndim) if n != place)]
        )
        return frames, image.calibration(axes[:place] + axes[place + 1 :])
    found = list_images(path)
    if not found.paths:
        also = f" ({hidden(found.hidden)})" if found.hidden else ""
        raise ValueError(f"the folder {path} holds no image{also}")
    batch.tell_hidden("track", found.hidden)
    images = [batch.open_input(args, file) for file in found.paths]
    stacks = [image.stack("z") for image in images]
    shapes = sorted({frame.shape for frame in stacks})
    if len(shapes) > 1:
        raise ValueError(f"the frames in {path} have the shapes {shapes}, wanted one")
    return da.stack(stacks), images[0].calibration(images[0].stack_axes("z"))


def _refuse_image(frames: Any, path: Path) -> None:
    """Ask for a model where a film is of images, not of labels.

    Raises
    ------
    ValueError
        If it looks like images.
    """
    import numpy as np

    from napari_sam.ops.labels import looks_like_intensities

    if np.dtype(frames.dtype).kind not in "iub":
        return  # which `track` refuses in its own words
    frame = np.asarray(frames[len(frames) // 2])
    plane = frame if frame.ndim == 2 else frame[len(frame) // 2]
    if looks_like_intensities(plane):
        raise ValueError(
            f"{path} looks like images, not labels: neighbouring pixels differ nearly "
            "everywhere. Give --model M, such as --model cells, to find the objects of "
            "each frame first, or --labels if these are labels"
        )
