"""``napari-sam track``: follow the objects of a film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import batch
from napari_sam.cli.segment_volume import add_link_argument, link_config
from napari_sam.cli.step_bar import StepBar

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``track``."""
    parser = subparsers.add_parser(
        "track",
        help="follow the objects of a film, with divisions",
        description="Give the objects of a film ids that last, find divisions, and "
        "write the result as the Cell Tracking Challenge has it: maskTTT.tif of each "
        "frame, and res_track.txt.",
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
        metavar="DIR",
        help="folder for the result; it is made where it does not exist",
    )
    parser.add_argument(
        "--model",
        metavar="M",
        help="find the objects of each frame with this model first: a registered name "
        "such as cells, or the path of a checkpoint",
    )
    parser.add_argument(
        "--device",
        default="auto",
        metavar="D",
        help="auto, cpu, cuda or mps (default: auto)",
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
        help="what may be the same object: max_move, max_growth, max_gap, divisions, "
        "drift and others, such as max_gap=0; may be repeated",
    )
    add_link_argument(parser)
    batch.add_array_arguments(parser)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier result in DIR"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from napari_sam.io.ctc import write_ctc
    from napari_sam.ops.counting import counted
    from napari_sam.workflows.tracking import TrackConfig, track

    config = TrackConfig(**dict(pair.partition("=")[::2] for pair in args.set))
    link = link_config(args.link) if args.link else None
    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"--out is {args.out}, which is a file; it must be a folder")
    if (args.out / "res_track.txt").exists() and not args.overwrite:
        raise ValueError(f"{args.out} holds a result; --overwrite replaces it")
    frames = _open(args)
    model: Any = None
    if args.model is not None:
        from napari_sam.inference.predictor import load_model

        model = load_model(args.model, device=args.device)
    with StepBar("step") as bar:
        found = track(
            frames, model, config, link=link, spacing=args.spacing, progress=bar.show
        )
    for note in write_ctc(args.out, found.labels, found.graph).notes:
        print(note)
    print(
        f"{counted(len(found), 'track')}, {counted(found.divisions, 'division')}, in "
        f"{counted(len(frames), 'frame')}"
    )
    return 0


def _open(args: argparse.Namespace) -> Any:
    import dask.array as da

    from napari_sam.io.arrays import ArraySource, is_zarr, open_array

    path = args.input
    together = not path.is_dir() or is_zarr(path)
    files = [path]
    if not together:
        files = [job.source for job in batch.plan([str(path)], path / "-", [])]
    frames = [
        open_array(ArraySource(str(file), args.channel, args.axes)).stack("t")
        for file in files
    ]
    shapes = sorted({frame.shape for frame in frames})
    if len(shapes) > 1:
        raise ValueError(f"the frames in {path} have the shapes {shapes}, wanted one")
    return frames[0] if together else da.stack(frames)
