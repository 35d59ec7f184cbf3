"""What ``napari-sam segment`` does with images larger than memory."""

from __future__ import annotations

import errno
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli import batch
from napari_sam.configs import BlockConfig

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from napari_sam.io.image_reader import PlaneArray
    from napari_sam.workflows.blocks.block_run import BlockRun, BlockTask, Request
    from napari_sam.workflows.blocks.worker_pool import Pool

__all__ = ["add_arguments", "is_wanted", "run"]

_BLOCK = BlockConfig().block


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options about workers, and those about how an image is cut up."""
    where = parser.add_argument_group("more than one process or machine")
    where.add_argument(
        "--workers",
        type=batch.count,
        metavar="N",
        help="processes on this machine, one model each",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a running dask scheduler, such as tcp://10.0.0.1:8786, whose workers "
        "have this package and see the same files",
    )
    where.add_argument(
        "--threads",
        type=batch.count,
        default=1,
        metavar="N",
        help="threads of each of these workers (default: 1)",
    )
    large = parser.add_argument_group("an image larger than memory (--out LABELS.zarr)")
    large.add_argument(
        "--block",
        type=batch.count,
        default=_BLOCK,
        metavar="N",
        help=f"most pixels across of a block (default: {_BLOCK})",
    )


def is_wanted(args: argparse.Namespace) -> bool:
    """Whether the output is a zarr store, not a folder of files."""
    return any(part.lower().endswith(".zarr") for part in args.out.parts)


def run(args: argparse.Namespace, settings: Mapping[str, str]) -> int:
    """Segment one image block by block, and return the exit code.

    Raises
    ------
    ValueError
        If the arguments do not go together, or there is another run in the way.
    OSError
        If a file cannot be read or written.
    """
    from napari_sam.io.image_reader import ArraySource
    from napari_sam.io.ome_zarr import recover_label_image
    from napari_sam.io.process_lock import claim
    from napari_sam.workflows.blocks.block_run import Request, identify
    from napari_sam.workflows.blocks.worker_pool import open_pool

    source = _check(args)
    place = ArraySource(str(source), args.channels, args.axes, args.scene)
    image = batch.open_input(args, source)
    model = Path(args.model)
    request = Request(
        place,
        str(model.resolve()) if model.is_file() else args.model,
        args.mode,
        dict(settings),
        args.block,
        args.device,
        None if args.workers is None and args.scheduler is None else args.threads,
    )
    folder = _folder_of(args.out)
    try:
        with claim(folder), open_pool(args.workers, args.scheduler) as pool:
            recover_label_image(args.out.resolve())
            identity = pool.call(identify, request)
            if not args.overwrite and _is_finished(args.out, identity):
                _clear(folder)
                print(f"{args.out} is finished; nothing to do")
                return 0
            return _segment(args, folder, request, image, identity, pool)
    except KeyboardInterrupt:
        print("\nFinished blocks are kept; the same command goes on.", file=sys.stderr)
        raise


def _folder_of(out: Path) -> Path:
    """Return where the blocks of a run lie: beside the outermost store."""
    out = out.resolve()
    if out.parent.name != "labels":
        return out.with_name(f"{out.name}.blocks")
    store = next(p for p in reversed(out.parents) if p.suffix.lower() == ".zarr")
    return store.with_suffix(f".{out.name}.blocks")


def _check(args: argparse.Namespace) -> Path:
    """Refuse what does not go together; return the path of the image."""
    if len(args.inputs) != 1:
        raise ValueError(
            f"--out {args.out} holds the labels of one image, got {len(args.inputs)} "
            "inputs; give a folder as --out for many"
        )
    for name, given in (
        ("--features", args.features),
        ("--properties", args.properties),
        ("--pixel-size", args.pixel_size),
        ("--roi", args.roi),
        ("--text", args.text is not None),
        ("--like", args.like),
        ("--unlike", args.unlike),
        ("--min-match", args.min_match is not None),
        ("--format", args.format != "tif"),
    ):
        if given:
            raise ValueError(f"{name} does not go with --out {args.out}")
    source, out = Path(args.inputs[0]).resolve(), args.out.resolve()
    if out == source or out in source.parents:
        raise ValueError(f"--out {args.out} is the image; choose another")
    if source in out.parents and out.parent != source / "labels":
        raise ValueError(
            f"--out {args.out} lies in the image; within it, labels are "
            f"{args.inputs[0]}/labels/NAME"
        )
    return source


def _is_finished(out: Path, identity: dict[str, Any]) -> bool:
    """Whether the labels are there already, of the same run.

    Raises
    ------
    ValueError
        If something else is there.
    """
    from napari_sam.io.ome_zarr import read_note

    if not out.exists():
        return False
    note = read_note(out)
    if note == identity:
        return True
    what = "labels of another run" if note else "something else"
    raise ValueError(
        f"{out} exists and holds {what}; --overwrite replaces it, or choose another "
        "--out"
    )


def _segment(
    args: argparse.Namespace,
    folder: Path,
    request: Request,
    image: PlaneArray,
    identity: dict[str, Any],
    pool: Pool,
) -> int:
    from napari_sam.io.ome_zarr import write_label_image
    from napari_sam.workflows.blocks.block_run import BlockRun

    run = BlockRun.start(folder, request, pool, identity, args.overwrite)
    failures = _do_blocks(run, request, image, pool)
    if failures:
        for task, problem in failures:
            reason = " ".join(str(problem).split()) or type(problem).__name__
            where = f"block {task.block} of plane {task.plane or 0}"
            print(f"napari-sam segment: {where}: {reason}", file=sys.stderr)
        print(f"{len(failures)} blocks failed; the same command tries them again")
        return 1
    count = 0

    def fill(labels: Any) -> None:
        nonlocal count
        count = run.paint(labels, image)

    write_label_image(
        args.out.resolve(),
        image,
        run.plan.sides,
        fill,
        identity,
        Path(request.source.path),
    )
    _clear(folder)
    print(f"{count} objects written to {args.out}")
    return 0


def _clear(folder: Path) -> None:
    """Remove the blocks of a finished run; what cannot be removed does no harm."""
    from napari_sam.workflows.blocks.block_run import BlockRun

    with suppress(OSError, ValueError):
        BlockRun.clear(folder)


def _do_blocks(
    run: BlockRun, request: Request, image: PlaneArray, pool: Pool
) -> list[tuple[BlockTask, Exception]]:
    """Do the blocks that are not done; return those that failed.

    Raises
    ------
    OSError
        If the disk is full: what is done stays.
    """
    from tqdm import tqdm

    tasks = run.tasks(image)
    left = [task for task in tasks if not run.is_done(task)]
    failures: list[tuple[BlockTask, Exception]] = []
    with tqdm(
        total=len(tasks), initial=len(tasks) - len(left), unit="block", disable=None
    ) as bar:
        for task, problem in pool.map_unordered(run.work(request), left):
            if isinstance(problem, OSError) and problem.errno == errno.ENOSPC:
                raise OSError(
                    f"the disk of {run.folder} is full; make room, and the same "
                    "command goes on"
                )
            if problem is not None:
                failures.append((task, problem))
            bar.update()
    return failures
