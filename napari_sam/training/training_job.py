"""One training as a window starts it: what from, on what, how long; and what came."""

from __future__ import annotations

import logging
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.io.atomic_write import write_problem
from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam.ops.types import IsCancelled
    from napari_sam.training.labelled_images import Source
    from napari_sam.training.trainer import Trainer
    from napari_sam.training.validation import Case

_LOG = logging.getLogger(__name__)

__all__ = ["TrainJob", "TrainOutcome", "train"]


@dataclass(frozen=True)
class TrainJob:
    """What is to be trained.

    Attributes
    ----------
    sources
        The labelled images; see `napari_sam.io.labelled_arrays`.
    out
        Where the weights go, a ``.safetensors`` file.
    start
        Name or path of the model to start from.
    minutes
        How long.
    device
        Where the network computes.
    changes
        More fields of `napari_sam.training.config.TrainConfig`.
    """

    sources: Sequence[Source]
    out: Path
    start: str = "cells"
    minutes: float = 5.0
    device: str = "auto"
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TrainOutcome:
    """How a training ended.

    Attributes
    ----------
    path
        The weights.
    reason
        See `TrainResult.reason`; "cancelled" too, and "elsewhere": the weights could
        not be written to their place, and are in a folder of their own among the
        temporary files.
    before, after
        Mean IoU of the held-out objects from (one click, a box); None where nothing
        was held out.
    objects
        How many were held out.
    cases
        The worst of them.
    left_out
        Images that could not be read, or whose labels do not fit, and why.
    problem
        Why the weights are elsewhere.
    """

    path: Path
    reason: str
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    objects: int
    cases: list[Case]
    left_out: tuple[str, ...] = ()
    problem: str = ""


def train(
    job: TrainJob,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> TrainOutcome:
    """Train, and keep the best weights even when asked to stop.

    Parameters
    ----------
    job
        What to do.
    on_event
        Told each metric as it is logged; see `Trainer.run`.
    progress
        Told (seconds done, seconds in all).
    is_cancelled
        Asked after each step.

    Raises
    ------
    ValueError
        If there is nothing to train on, labels do not fit their image, or another
        training writes to the same place.
    OSError
        If the weights cannot be written, neither there nor in the folder for temporary
        files.
    Cancelled
        If it was asked to stop before there were any weights.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_sam.io.labelled_folders import list_labelled_images
    >>> job = TrainJob(
    ...     list_labelled_images("MY_IMAGES"), Path("mine.safetensors")
    ... )  # doctest: +SKIP
    >>> train(job).after  # doctest: +SKIP
    (0.81, 0.86)
    """
    from napari_sam.checkpoints.load import load_sam
    from napari_sam.training.finetune import fine_tuning
    from napari_sam.training.trainer import Trainer

    start = load_sam(job.start).model
    config = fine_tuning(start, job.minutes, init=job.start, **job.changes)
    try:
        job.out.parent.mkdir(parents=True, exist_ok=True)
        trainer = Trainer(
            config,
            list(job.sources),
            job.out,
            start,
            device=job.device,
            resumable=False,  # a window begins anew
        )
    except OSError as error:
        if error.errno is None:  # of images, and in words
            raise
        raise OSError(write_problem(error, job.out)) from error
    path, problem = job.out, ""
    try:
        trainer.data.check()
        for told in trainer.data.told_left_out:
            _LOG.warning("left out: %s", told)
        result = trainer.run(progress, is_cancelled, on_event)
        reason = result.reason
    except Cancelled:
        if not job.out.exists():
            raise
        reason = "cancelled"
    except OSError as error:
        problem = write_problem(error, job.out)
        # A folder of its own: the name may be that of another project's model.
        folder = Path(tempfile.mkdtemp(prefix="napari-sam-"))
        reason, path = "elsewhere", folder / job.out.name
        try:
            trainer.save_to(path)
        except OSError as second:
            shutil.rmtree(folder, ignore_errors=True)
            raise OSError(f"{problem}, and {write_problem(second, path)}") from second
    finally:
        trainer.close()
    return TrainOutcome(
        path,
        reason,
        trainer.before,
        trainer.after,
        trainer.held.objects,
        _worst(trainer),
        tuple(trainer.data.told_left_out),
        problem,
    )


def _worst(trainer: Trainer) -> list[Case]:
    """Show the held-out objects with which the kept weights do worst."""
    if not trainer.held.objects:
        return []
    with trainer.learner.using(trainer.best_values) as sam:
        scores = trainer.held.score(sam)
    return trainer.held.worst(scores, trainer.scores_before)
