"""``napari-sam embed``: make the embeddings of an image or a stack ahead."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.cli import arguments, batch
from napari_sam.cli.progress_bar import StepBar
from napari_sam.ops.message_text import counted

if TYPE_CHECKING:
    import argparse

__all__ = ["add_parser"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of ``embed``."""
    parser = subparsers.add_parser(
        "embed",
        help="embed the planes of a stack ahead",
        description="Embed every plane of an image or a stack into a folder, so that "
        "the annotator, with that folder in its preferences, answers clicks at once. "
        "Planes that are there are skipped: a run that was stopped goes on when it is "
        "given again.",
    )
    parser.add_argument("input", type=Path, metavar="IN", help="an image or a stack")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="STORE",
        help="folder for the embeddings of any number of images; it is made where it "
        "does not exist, and what else lies in it stays",
    )
    arguments.add_model_arguments(parser)
    arguments.add_array_arguments(parser)
    _add_plane_arguments(parser)
    parser.add_argument(
        "--limit",
        type=arguments.size,
        metavar="GB",
        help="room that the store may take up (default: no limit)",
    )
    parser.set_defaults(run=_run)


def _add_plane_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which planes are embedded, and how they are seen."""
    parser.add_argument(
        "--axis",
        type=int,
        default=0,
        metavar="N",
        help="the axis to step along; the last two of the others make the planes "
        "(default: 0)",
    )
    parser.add_argument(
        "--contrast-limits",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="what is shown black and white; as napari opens the image if left out",
    )
    parser.add_argument(
        "--tiles",
        action="store_true",
        help="where objects are small, embed the tiles of a plane too: takes some ten "
        "times as long, and as much room",
    )


def _run(args: argparse.Namespace) -> int:
    from napari_sam.inference.model_loading import load_model
    from napari_sam.io.embedding_store import EmbeddingStore
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.precompute import embed_planes, opening_limits

    if args.out.exists() and not args.out.is_dir():
        raise ValueError(f"--out is {args.out}, which is a file; it must be a folder")
    room = 2**62 if args.limit is None else round(args.limit * 1e9)
    image = batch.open_input(args, args.input)
    usual = f"{image.leading_axes}yx{image.colour_axis or ''}"
    data = image.array if image.axes == usual else image.stack()
    limits = args.contrast_limits and tuple(args.contrast_limits)
    if limits is None:
        limits = opening_limits(data, lazy=args.input.is_dir())
    sam = load_model(args.model, device=args.device)
    store = sam.cache.store = EmbeddingStore(args.out, room)
    with StepBar("plane") as bar:
        done = embed_planes(
            sam,
            data,
            axis=args.axis,
            contrast_limits=limits,
            tiles=args.tiles,
            source=args.input,
            rgb=image.is_colour,
            progress=Progress(bar.show),
        )
    made = done.planes - done.found
    print(
        f"{counted(made, 'plane')} embedded, {done.found} found; contrast limits "
        f"{limits[0]:g} to {limits[1]:g}\n{args.out}: "
        f"{_size(store.image_nbytes(done.image))} for this image, "
        f"{_size(store.nbytes)} in all"
    )
    return 0


def _size(nbytes: int) -> str:
    from napari_sam.checkpoints.registry import format_size

    return format_size(nbytes)
