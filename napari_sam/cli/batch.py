"""Many files through one function: what the commands that write files share.

Files that are finished are skipped, so that a command that was stopped goes on when it
is given again. A file that fails is reported at the end and does not stop the rest.
"""

from __future__ import annotations

import argparse
import glob
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

__all__ = [
    "Job",
    "Perform",
    "add_array_arguments",
    "add_batch_arguments",
    "add_model_arguments",
    "check_folder_of",
    "count",
    "plan",
    "run",
    "size",
]

_MAGIC = frozenset("*?[")

# RuntimeError: what PyTorch raises where memory is short.
_REPORTED = (OSError, ValueError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Job:
    """A file to read, and the files that come of it, the last to be written last."""

    source: Path
    targets: tuple[Path, ...]

    @property
    def is_done(self) -> bool:
        """Whether all files that come of it are there."""
        return all(target.exists() for target in self.targets)


Perform = Callable[[Sequence[Job]], Iterator[tuple[Job, Exception | None]]]
"""Does jobs and yields each, in any order, with what went wrong, or None."""


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


def check_folder_of(path: Path | None) -> None:
    """Refuse, before any work, a file to write whose folder does not exist."""
    if path is not None and not path.resolve().parent.is_dir():
        raise ValueError(f"there is no folder {path.resolve().parent} to write to")


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
        help="do finished images again; they are skipped otherwise",
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
        help="auto, cpu, cuda or mps (default: auto)",
    )


def add_array_arguments(parser: argparse._ActionsContainer) -> None:
    """Add --channel and --axes, for files of more than two axes."""
    parser.add_argument(
        "--channel",
        type=int,
        metavar="N",
        help="which channel to look at, from 0 up, where there are several",
    )
    parser.add_argument(
        "--axes",
        default="",
        metavar="TCZYX",
        help="a letter for each axis, for files that do not name them",
    )


def plan(
    inputs: Sequence[str], out: Path, endings: Sequence[str], stores: bool = False
) -> list[Job]:
    """Find the input files, and name what will come of each.

    Parameters
    ----------
    inputs
        Paths of files or folders, and patterns, in which ``**`` stands for folders of
        any depth. A path without any file is kept, to be reported.
    out
        The folder of the outputs.
    endings
        What follows the name of an input (without its suffix) in those of the outputs.
    stores
        Whether zarr images are inputs too.

    Raises
    ------
    ValueError
        If a folder or a pattern has no image, two inputs would write the same file, or
        an output would replace an input.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out is {out}, which is a file; it must be a folder")
    jobs: dict[str, Job] = {}
    known: set[Path] = set()
    for source in (path for text in inputs for path in _expand(text, stores)):
        if source.resolve() in known:
            continue
        known.add(source.resolve())
        if source.stem in jobs:
            raise ValueError(
                f"{jobs[source.stem].source} and {source} would write the same file; "
                "give them one by one, with an --out of their own"
            )
        targets = tuple(out / f"{source.stem}{ending}" for ending in endings)
        jobs[source.stem] = Job(source, targets)
    for job in jobs.values():
        for target in job.targets:
            if target.resolve() in known:
                raise ValueError(
                    f"{target} is an input and would be replaced; choose another --out"
                )
    return list(jobs.values())


def _expand(text: str, stores: bool) -> list[Path]:
    """List the files, and zarr images, that a path, folder or pattern stands for."""
    from napari_sam.io.arrays import is_zarr
    from napari_sam.io.images import IMAGE_SUFFIXES

    def is_store(item: Path) -> bool:
        return stores and is_zarr(item)

    path = Path(text)
    if path.is_dir() and not is_store(path):
        found = [
            item
            for item in sorted(path.iterdir())
            if (item.is_file() and item.suffix.lower() in IMAGE_SUFFIXES)
            or is_store(item)
        ]
        if not found:
            raise ValueError(f"the folder {text} holds no image")
        return found
    if path.exists() or not _MAGIC & set(text):
        return [path]
    matches = [Path(item) for item in sorted(glob.glob(text, recursive=True))]
    found = [item for item in matches if item.is_file() or is_store(item)]
    if not found:
        raise ValueError(f"no file matches {text}")
    return found


def run(
    command: str,
    jobs: Iterable[Job],
    prepare: Callable[[], Callable[[Job], object]] | None,
    overwrite: bool = False,
    perform: Perform | None = None,
) -> int:
    """Do jobs behind a progress bar; report those that failed at the end.

    Parameters
    ----------
    command
        What begins each report.
    jobs
        What to do; finished ones are skipped unless `overwrite` says otherwise.
    prepare
        Returns the function that does one job. It is called once, and only if there
        is something to do: it may load a model. None where `perform` is given.
    overwrite
        Whether to do finished jobs again.
    perform
        Does the jobs in place of what `prepare` returns, and yields each with what
        went wrong, or None.

    Returns
    -------
    The exit code: 0, or 1 if a job failed.
    """
    from tqdm import tqdm

    everything = list(jobs)
    open_jobs = [job for job in everything if overwrite or not job.is_done]
    skipped = len(everything) - len(open_jobs)
    failures: list[tuple[Job, Exception]] = []
    if open_jobs:
        perform = perform or partial(_one_by_one, prepare)
        with tqdm(total=len(open_jobs), unit="image", disable=None) as bar:
            for job, problem in perform(open_jobs):
                bar.set_postfix_str(job.source.name, refresh=False)
                bar.update()
                if isinstance(problem, _REPORTED):
                    failures.append((job, problem))
                elif problem is not None:
                    raise problem
    print(
        f"{len(open_jobs) - len(failures)} written, {skipped} finished before, "
        f"{len(failures)} failed"
    )
    for job, problem in failures:
        reason = " ".join(str(problem).split()) or type(problem).__name__
        print(f"napari-sam {command}: {job.source}: {reason}", file=sys.stderr)
    return 1 if failures else 0


def _one_by_one(
    prepare: Callable[[], Callable[[Job], object]] | None, jobs: Iterable[Job]
) -> Iterator[tuple[Job, Exception | None]]:
    if prepare is None:
        raise ValueError("there is nothing that does the jobs")
    work = prepare()
    for job in jobs:
        try:
            work(job)
        except _REPORTED as error:
            yield job, error
        else:
            yield job, None
