"""What the commands do with images larger than memory: blocks, workers, going on."""

from __future__ import annotations

import errno
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from napari_sam.cli import arguments

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from napari_sam.io.plane_array import PlaneArray
    from napari_sam.workflows.blocks.worker_pool import Pool

__all__ = ["Work", "add_worker_arguments", "check_places", "is_wanted", "run_blocks"]


class Work(NamedTuple):
    """What is done block by block, on this machine or others.

    Attributes
    ----------
    name
        The command, for messages.
    request
        What is to be done; it can be sent to other processes.
    image
        What it is done with.
    identify
        Returns all that the labels of the request depend on.
    start
        Begins the run, or goes on: `BlockRun.start`, or another's with the same
        parameters.
    where
        Says which block a task is.
    """

    name: str
    request: Any
    image: PlaneArray
    identify: Callable[[Any], dict[str, Any]]
    start: Callable[..., Any]
    where: Callable[[Any], str]


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options about processes and machines."""
    where = parser.add_argument_group("more than one process or machine")
    where.add_argument(
        "--workers",
        type=arguments.count,
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
        type=arguments.count,
        default=1,
        metavar="N",
        help="threads of each of these workers (default: 1)",
    )


def is_wanted(args: argparse.Namespace) -> bool:
    """Whether the output is a zarr store, not a folder of files."""
    return any(part.lower().endswith(".zarr") for part in args.out.parts)


def check_places(args: argparse.Namespace) -> Path:
    """Return the path of the only image.

    Raises
    ------
    ValueError
        If there are several, the labels would lie where they cannot, or two clusters
        are named.
    """
    if args.scheduler is not None and "://" in args.device:
        raise ValueError(
            f"--scheduler {args.scheduler} does whole blocks, and --device "
            f"{args.device} embeds planes; give one of them"
        )
    if len(args.inputs) != 1:
        raise ValueError(
            f"--out {args.out} holds the labels of one image, got {len(args.inputs)} "
            "inputs; give a folder as --out for many"
        )
    source, out = Path(args.inputs[0]).resolve(), args.out.resolve()
    if out == source or out in source.parents:
        raise ValueError(f"--out {args.out} is the image; choose another")
    if source in out.parents and out.parent != source / "labels":
        raise ValueError(
            f"--out {args.out} lies in the image; within it, labels are "
            f"{args.inputs[0]}/labels/NAME"
        )
    return source


def run_blocks(args: argparse.Namespace, work: Work) -> int:
    """Do the blocks of one image, and return the exit code.

    Raises
    ------
    ValueError
        If there is another run in the way.
    OSError
        If a file cannot be read or written.
    """
    from napari_sam.io.ome_zarr import recover_label_image
    from napari_sam.io.process_lock import claim
    from napari_sam.workflows.blocks.worker_pool import open_pool

    folder = _folder_of(args.out)
    try:
        with claim(folder), open_pool(args.workers, args.scheduler) as pool:
            recover_label_image(args.out.resolve())
            identity = pool.call(work.identify, work.request)
            if not args.overwrite and _is_finished(args.out, identity):
                _clear(folder)
                print(f"{args.out} is finished; nothing to do")
                return 0
            return _segment(args, folder, work, identity, pool)
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
    work: Work,
    identity: dict[str, Any],
    pool: Pool,
) -> int:
    from napari_sam.io.ome_zarr import write_label_image

    request, image = work.request, work.image
    run = work.start(folder, request, pool, identity, args.overwrite)
    failures = _do_blocks(run, request, image, pool)
    if failures:
        for task, problem in failures:
            reason = " ".join(str(problem).split()) or type(problem).__name__
            where = work.where(task)
            print(f"napari-sam {work.name}: {where}: {reason}", file=sys.stderr)
        print(f"{len(failures)} blocks failed; the same command tries them again")
        return 1
    count = 0

    def fill(labels: Any) -> None:
        nonlocal count
        count = run.paint(labels, image)

    write_label_image(
        args.out.resolve(),
        image,
        run.plan.sides[-2:],
        fill,
        identity,
        Path(request.source.path),
    )
    _clear(folder)
    print(f"{count} objects written to {args.out}")
    return 0


def _clear(folder: Path) -> None:
    """Remove the blocks of a finished run; what cannot be removed does no harm."""
    from napari_sam.workflows.blocks.run_folder import RunFolder

    with suppress(OSError, ValueError):
        RunFolder.clear(folder)


def _do_blocks(
    run: Any, request: Any, image: PlaneArray, pool: Pool
) -> list[tuple[Any, Exception]]:
    """Do the blocks that are not done; return those that failed.

    Raises
    ------
    OSError
        If the disk is full: what is done stays.
    """
    from tqdm import tqdm

    tasks = run.tasks(image)
    left = [task for task in tasks if not run.is_done(task)]
    failures: list[tuple[Any, Exception]] = []
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
