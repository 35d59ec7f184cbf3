"""A training as a Dask worker runs it, and what it tells while it does.

What it learns from and what it goes on from come with it, so that the worker need not
see the files. The scheduler imports this module too, and need not have PyTorch.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from napari_sam.ops.lru import BoundedCache
from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.checkpoints.packed_network import PackedNetwork
    from napari_sam.configs import TrainConfig
    from napari_sam.training.labelled_images import Source
    from napari_sam.training.train_result import TrainResult
    from napari_sam.training.validation import Case

__all__ = [
    "ENDINGS",
    "SentSource",
    "TrainingNews",
    "TrainingReply",
    "TrainingTask",
    "news",
    "read_files",
    "run_training",
    "send_source",
    "stop_training",
    "write_files",
]

ENDINGS = ("", ".checkpoint", ".jsonl")
"""What is added to the name of the weights for the files of a run."""


@dataclass(frozen=True, eq=False)
class SentSource:
    """A labelled image that was read elsewhere.

    Attributes
    ----------
    kind, name, complete, contrast_limits
        As of the source that was read.
    image, labels, nuclei
        What was read; None where there is none.
    problem
        Why it could not be read; "" where it was.
    """

    kind: str
    name: str
    image: NDArray[Any] | None = None
    labels: NDArray[np.int32] | None = None
    nuclei: NDArray[np.int32] | None = None
    complete: bool | None = None
    contrast_limits: tuple[float, float] | None = None
    problem: str = ""

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return the image and its labels.

        Raises
        ------
        ValueError
            If they could not be read.
        """
        if self.image is None or self.labels is None:
            raise ValueError(self.problem)
        return self.image, self.labels

    def read_nuclei(self) -> NDArray[np.int32] | None:
        """Return the labels of the nuclei, where there are some."""
        return self.nuclei


def send_source(source: Source) -> SentSource:
    """Read a labelled image, so that it can be learned from elsewhere."""
    told: dict[str, Any] = {
        "complete": getattr(source, "complete", None),
        "contrast_limits": getattr(source, "contrast_limits", None),
    }
    read_nuclei = getattr(source, "read_nuclei", None)
    try:
        image, labels = source.read()
        nuclei = None if read_nuclei is None else read_nuclei()
    except (OSError, ValueError) as error:
        return SentSource(source.kind, source.name, problem=str(error), **told)
    return SentSource(source.kind, source.name, image, labels, nuclei, **told)


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """What a worker is to train.

    Attributes
    ----------
    config, sources, init
        See `napari_sam.training.trainer.Trainer`.
    name
        Of the file with the weights.
    files
        What the run goes on from, by `ENDINGS`.
    """

    config: TrainConfig
    sources: Sequence[SentSource]
    init: PackedNetwork | None
    name: str
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrainingNews:
    """What a training has told since it was last asked.

    Attributes
    ----------
    events
        Metrics, as they are logged.
    progress
        Steps (or seconds) done and in all; None before the first.
    files
        Those that were written meanwhile, by `ENDINGS`.
    """

    events: list[dict[str, Any]]
    progress: tuple[int, int] | None
    files: dict[str, bytes]


@dataclass(frozen=True, eq=False)
class TrainingReply:
    """How a training on a worker ended.

    Attributes
    ----------
    result
        See `Trainer.run`; None where it was stopped.
    message
        What was said when it was stopped.
    before, after, objects, cases
        See `napari_sam.training.training_job.TrainOutcome`.
    left_out
        Images that were left out, and why.
    last
        What was not told before; its files are all that are there at the end.
    """

    result: TrainResult | None
    message: str
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    objects: int
    cases: list[Case]
    left_out: tuple[str, ...]
    last: TrainingNews


class _Run:
    """A training that is under way on this worker."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.progress: tuple[int, int] | None = None
        self.is_stopped = threading.Event()
        self._events: list[dict[str, Any]] = []
        self._sent: dict[str, int] = {}

    def report(self, done: int, total: int) -> None:
        self.progress = done, total

    def hear(self, event: dict[str, Any]) -> None:
        self._events.append(event)

    def tell(self) -> TrainingNews:
        events, self._events = self._events, []
        files = {}
        for ending in ENDINGS:
            path = self.out.with_name(self.out.name + ending)
            try:
                written = path.stat().st_mtime_ns
                if self._sent.get(ending) != written:
                    files[ending] = path.read_bytes()
                    self._sent[ending] = written
            except OSError:
                continue
        return TrainingNews(events, self.progress, files)


_RUNS: dict[str, _Run] = {}
_STOPPED: BoundedCache[str, str] = BoundedCache(max_items=1000, size=lambda token: 0)
"""Runs that were stopped, and may still come."""


def run_training(token: str, task: TrainingTask) -> TrainingReply:
    """Train on this worker, to the end or until it is stopped.

    Parameters
    ----------
    token
        Names the run for `news` and `stop_training`.
    task
        What is trained.

    Raises
    ------
    ValueError, OSError
        See `Trainer`.
    """
    from napari_sam.checkpoints.packed_network import unpack_network
    from napari_sam.model.sam import Sam
    from napari_sam.training.trainer import Trainer
    from napari_sam.training.training_job import worst_cases

    with TemporaryDirectory(prefix="napari-sam-") as folder:
        out = Path(folder, task.name)
        write_files(out, task.files)
        run = _RUNS[token] = _Run(out)
        if token in _STOPPED:
            run.is_stopped.set()
        init = None if task.init is None else unpack_network(task.init)
        if init is not None and not isinstance(init, Sam):
            raise ValueError(f"{init.title} cannot be trained here")
        try:
            trainer = Trainer(task.config, task.sources, out, init)
            trainer.data.check()
            result, message = None, ""
            try:
                result = trainer.run(run.report, run.is_stopped.is_set, run.hear)
            except Cancelled as stopped:
                message = str(stopped)
            return TrainingReply(
                result,
                message,
                trainer.before,
                trainer.after,
                trainer.held.objects,
                worst_cases(trainer),
                tuple(trainer.data.told_left_out),
                replace(run.tell(), files=read_files(out)),
            )
        finally:
            _RUNS.pop(token, None)


def news(token: str) -> TrainingNews | None:
    """Return what a run has told since; None where it is not on this worker."""
    run = _RUNS.get(token)
    return None if run is None else run.tell()


def stop_training(token: str) -> None:
    """Have a run end after its step, with a checkpoint."""
    _STOPPED.put(token, token)
    run = _RUNS.get(token)
    if run is not None:
        run.is_stopped.set()


def read_files(out: Path) -> dict[str, bytes]:
    """Read the files of a run that are there, by `ENDINGS`."""
    paths = {ending: out.with_name(out.name + ending) for ending in ENDINGS}
    return {name: path.read_bytes() for name, path in paths.items() if path.is_file()}


def write_files(out: Path, files: Mapping[str, bytes]) -> None:
    """Write files of a run, each whole or not at all.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    from napari_sam.io.atomic_write import write_atomically

    for ending, content in files.items():
        write_atomically(out.with_name(out.name + ending), partial(_write, content))


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)
