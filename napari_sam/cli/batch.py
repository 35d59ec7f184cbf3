"""Many files through one function: what the commands that write files share.

Files that are finished are skipped, so that a command that was stopped goes on when it
is given again; with other settings it refuses, and says what is another. A file that
fails is reported at the end and does not stop the rest. Hidden files are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.cli.input_output import Job, Plan, hidden, plan
from napari_sam.cli.run_record import RunRecord, file_digest
from napari_sam.ops.message_text import reason

if TYPE_CHECKING:
    import argparse

    from napari_sam.io.plane_array import PlaneArray

__all__ = [
    "Job",
    "Perform",
    "Plan",
    "array_options",
    "array_settings",
    "check_output",
    "model_settings",
    "open_input",
    "plan",
    "run",
    "tell",
    "tell_hidden",
]

# RuntimeError: what PyTorch raises where memory is short.
_REPORTED = (OSError, ValueError, RuntimeError, MemoryError)


_Made = tuple[Path, Path, Mapping[str, Any]]
"""A result, its image, and what it depends on beside."""

Perform = Callable[[Sequence[Job]], Iterator[tuple[Job, Exception | None]]]
"""Does jobs and yields each, in any order, with what went wrong, or None."""


def check_output(option: str, path: Path | None, overwrite: bool) -> None:
    """Refuse, before any work, a file to write whose place is taken or is none.

    Parameters
    ----------
    option
        How the file was named, such as "--json".
    path
        The file; None where none was.
    overwrite
        Whether a file that is there is replaced.

    Raises
    ------
    ValueError
        If its folder does not exist, it is a folder itself, or it is there.
    """
    if path is None:
        return
    if not path.resolve().parent.is_dir():
        raise ValueError(f"there is no folder {path.resolve().parent} to write to")
    if path.is_dir():
        raise ValueError(f"{option} is {path}, which is a folder; it must be a file")
    if path.exists() and not overwrite:
        raise ValueError(
            f"{path} is there already; --overwrite replaces it, or choose another "
            f"{option}"
        )


def open_input(args: argparse.Namespace, path: Path) -> PlaneArray:
    """Open an image with the options of `add_array_arguments`.

    What else the file holds is said on stderr.

    Raises
    ------
    OSError, ValueError
        See `napari_sam.io.image_reader.open_array`.
    """
    from napari_sam.io.image_reader import ArraySource, open_array

    image = open_array(ArraySource(str(path), args.channels, args.axes, args.scene))
    tell(args.command, image.note)
    return image


def array_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return the options of `add_array_arguments` as keyword arguments."""
    return {"channels": args.channels, "axes": args.axes, "scene": args.scene}


def tell_hidden(command: str, count: int) -> None:
    """Say how many hidden files were left out, if any."""
    tell(command, hidden(count) if count else "")


def tell(command: str, sentence: str) -> None:
    """Say something on stderr, above a progress bar that may be there."""
    from tqdm import tqdm

    if sentence:
        tqdm.write(f"napari-sam {command}: {sentence}", file=sys.stderr)


def array_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what of `add_array_arguments` decides about a result."""
    return {**array_options(args), "axes": args.axes.lower()}


def model_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return what tells the model of `add_model_arguments` from another."""
    path = Path(args.model)
    if not path.is_file():
        return {"model": args.model}
    return {"model": path.name, "weights": file_digest(path)}


def run(
    command: str,
    plan: Plan,
    prepare: Callable[[], Callable[[Job], object]] | None,
    settings: Callable[[Path], Mapping[str, Any]],
    overwrite: bool = False,
    perform: Perform | None = None,
    notes: Mapping[Path, Sequence[str]] | None = None,
) -> int:
    """Do jobs behind a progress bar; report those that failed at the end.

    Parameters
    ----------
    command
        What begins each report.
    plan
        What to do; finished jobs are skipped unless `overwrite` says otherwise.
    prepare
        Returns the function that does one job. It is called once, and only if there
        is something to do: it may load a model. None where `perform` is given.
    settings
        Returns what a result depends on, beside its image. A result that was made with
        something else, or of which that is not known, is not finished.
    overwrite
        Whether to do finished jobs again, and to replace results of other settings.
    perform
        Does the jobs in place of what `prepare` returns, and yields each with what
        went wrong, or None.
    notes
        What was said of an image while it was done; it goes into the record.

    Returns
    -------
    The exit code: 0, or 1 if a job failed.

    Raises
    ------
    ValueError
        If there are results of other settings, before anything is done.
    """
    from tqdm import tqdm

    records: dict[Path, RunRecord] = {}
    open_jobs = _left_to_do(plan.jobs, records, command, settings, overwrite)
    skipped = len(plan.jobs) - len(open_jobs)
    failures: list[tuple[Job, Exception]] = []
    if open_jobs:
        note = partial(_note, records=records, command=command, settings=settings)
        note(open_jobs, write=RunRecord.begin)
        perform = perform or partial(_one_by_one, prepare)
        with tqdm(total=len(open_jobs), unit="image", disable=None) as bar:
            for job, problem in perform(open_jobs):
                bar.set_postfix_str(job.source.name, refresh=False)
                bar.update()
                if isinstance(problem, _REPORTED):
                    failures.append((job, problem))
                elif problem is not None:
                    raise problem
                else:
                    try:
                        said = (notes or {}).get(job.source, ())
                        note([job], write=partial(RunRecord.finish, notes=said))
                    except OSError as error:
                        failures.append((job, error))
    print(
        f"{len(open_jobs) - len(failures)} written, {skipped} finished before, "
        f"{len(failures)} failed" + (f", {hidden(plan.hidden)}" * (plan.hidden > 0))
    )
    for job, problem in failures:
        said = reason(problem)
        name = "" if said.startswith(f"{job.source}") else f"{job.source}: "
        print(f"napari-sam {command}: {name}{said}", file=sys.stderr)
    return 1 if failures else 0


def _left_to_do(
    jobs: Sequence[Job],
    records: dict[Path, RunRecord],
    command: str,
    settings: Callable[[Path], Mapping[str, Any]],
    overwrite: bool,
) -> list[Job]:
    """Return the jobs that are not finished.

    Raises
    ------
    ValueError
        If a result that is there was made with something else.
    """
    open_jobs, others = [], []
    for job in jobs:
        problems = []
        for target in job.targets:
            record = records.get(target.parent) or RunRecord(target.parent)
            records[target.parent] = record
            if target.exists():
                told = {"command": command, **settings(target)}
                problem = record.problem(target, job.source, told)
                problems.append(problem)
                if problem:
                    others.append(f"{target}, {problem}")
        if overwrite or len(problems) < len(job.targets) or "" in problems:
            open_jobs.append(job)
    if others and not overwrite:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        raise ValueError(
            f"there is {others[0]}{more}; --overwrite makes it again, or choose "
            "another --out"
        )
    return open_jobs


def _note(
    jobs: Sequence[Job],
    records: Mapping[Path, RunRecord],
    command: str,
    settings: Callable[[Path], Mapping[str, Any]],
    write: Callable[[RunRecord, Iterable[_Made]], None],
) -> None:
    """Write to the records that jobs are begun, or finished."""
    made: dict[Path, list[_Made]] = {}
    for job in jobs:
        for target in job.targets:
            told = {"command": command, **settings(target)}
            made.setdefault(target.parent, []).append((target, job.source, told))
    for folder, some in made.items():
        write(records[folder], some)


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
