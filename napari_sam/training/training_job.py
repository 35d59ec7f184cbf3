"""One training: on what, from which model, how long; and what came of it."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.io.atomic_write import write_problem
from napari_sam.ops.remote_device import RemoteDeviceError, remote_device
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam.configs import TrainConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.model.sam import Sam
    from napari_sam.ops.remote_device import RemoteDevice
    from napari_sam.training.labelled_images import Source
    from napari_sam.training.trainer import Trainer
    from napari_sam.training.validation import Case

_LOG = logging.getLogger(__name__)

__all__ = ["TrainOutcome", "train", "worst_cases"]

_MINUTES = 5.0


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
    data: str | Path | Sequence[Source],
    out: str | Path,
    *,
    model: str | Path | Predictor = "cells",
    config: TrainConfig | None = None,
    device: str | RemoteDevice = "auto",
    progress: Progress | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
) -> TrainOutcome:
    """Fine-tune a model, and keep the best weights even when asked to stop.

    Parameters
    ----------
    data : str, Path or sequence of Source
        A folder of labelled images, an OME-Zarr image with labels, or what was listed
        of them; see docs/training.md.
    out : str or Path
        Where the weights go, a ``.safetensors`` file.
    model : str, Path or Predictor
        The model to start from: a name of the registry, the path of a checkpoint, or
        a model that was loaded by one of them.
    config : TrainConfig, optional
        How it is trained. What is not set is what fine-tunes the model well, for five
        minutes if neither `minutes` nor `steps` is set.
    device : str or RemoteDevice
        "auto" (CUDA, else MPS, else the CPU) or what PyTorch calls a device; or the
        address of a Dask scheduler, one of whose workers trains. The images are sent
        to it; weights and checkpoints come back. If it is lost, this machine goes on.
    progress : Progress, optional
        Steps are seconds; asked after each step of the training.
    on_event : callable, optional
        Told each metric as it is logged, as a dict.

    Returns
    -------
    TrainOutcome
        Where the weights are, and how good the model was and is.

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
    >>> import napari_sam
    >>> config = napari_sam.TrainConfig(minutes=10)
    >>> outcome = napari_sam.train(
    ...     "MY_IMAGES", "mine.safetensors", config=config
    ... )  # doctest: +SKIP
    >>> outcome.after  # doctest: +SKIP
    (0.81, 0.86)
    """
    from napari_sam.checkpoints.load import load_sam
    from napari_sam.training.trainer import Trainer

    out, progress = Path(out), progress or Progress()
    if out.suffix != ".safetensors":
        raise ValueError(f"out is {out}; its name must end in .safetensors")
    sources, name = _find_sources(data), _source_of(model)
    start = load_sam(name).trainable
    remote = remote_device(device)
    if remote is not None:
        given = _configure(start, name, config), sources, out, start
        found = _train_there(remote, *given, progress, on_event)
        if found is not None:
            return found
    here = str(device) if remote is None else "auto"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        config = _configure(start, name, config)
        # begun anew with every call
        trainer = Trainer(config, sources, out, start, device=here, resumable=False)
    except OSError as error:
        if error.errno is None:  # of images, and in words
            raise
        raise OSError(write_problem(error, out)) from error
    path, problem = out, ""
    try:
        trainer.data.check()
        for told in trainer.data.told_left_out:
            _LOG.warning("left out: %s", told)
        reason = trainer.run(progress.report, progress.is_cancelled, on_event).reason
    except Cancelled:
        if not out.exists():
            raise
        reason = "cancelled"
    except OSError as error:
        problem = write_problem(error, out)
        reason, path = "elsewhere", _save_elsewhere(trainer, out, problem)
    finally:
        trainer.close()
    return _outcome(trainer, path, reason, problem)


def _outcome(trainer: Trainer, path: Path, reason: str, problem: str) -> TrainOutcome:
    return TrainOutcome(
        path,
        reason,
        trainer.before,
        trainer.after,
        trainer.held.objects,
        worst_cases(trainer),
        tuple(trainer.data.told_left_out),
        problem,
    )


def _save_elsewhere(trainer: Trainer, out: Path, problem: str) -> Path:
    """Write the weights to the folder for temporary files; return where.

    Raises
    ------
    OSError
        If they cannot be written there either; `problem` was the first one.
    """
    # A folder of its own: the name may be that of another project's model.
    folder = Path(tempfile.mkdtemp(prefix="napari-sam-"))
    path = folder / out.name
    try:
        trainer.save_to(path)
    except OSError as second:
        shutil.rmtree(folder, ignore_errors=True)
        raise OSError(f"{problem}, and {write_problem(second, path)}") from second
    return path


def _train_there(
    device: RemoteDevice,
    config: TrainConfig,
    sources: Sequence[Source],
    out: Path,
    start: Sam,
    progress: Progress,
    on_event: Callable[[dict[str, Any]], None] | None,
) -> TrainOutcome | None:
    """Train on a worker; None where it was lost, and this machine is to go on."""
    from napari_sam.training.remote_training import train_there

    before = out.stat().st_mtime_ns if out.exists() else None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        reply = train_there(
            device,
            config,
            sources,
            out,
            start,
            anew=True,
            progress=progress,
            on_event=on_event,
        )
    except RemoteDeviceError as error:
        warnings.warn(f"{error}; this machine trains", RuntimeWarning, stacklevel=3)
        return None
    for ending in (".checkpoint", ".lock"):
        with suppress(OSError):
            out.with_name(out.name + ending).unlink(missing_ok=True)
    if reply.result is None and (not out.exists() or out.stat().st_mtime_ns == before):
        raise Cancelled(reply.message)
    return TrainOutcome(
        out,
        "cancelled" if reply.result is None else reply.result.reason,
        reply.before,
        reply.after,
        reply.objects,
        reply.cases,
        reply.left_out,
    )


def _find_sources(data: str | Path | Sequence[Source]) -> list[Source]:
    """List the labelled images of a folder or a zarr image."""
    if not isinstance(data, (str, Path)):
        return list(data)
    from napari_sam.io.image_reader import is_zarr
    from napari_sam.io.labelled_arrays import read_zarr_pairs
    from napari_sam.io.labelled_folders import list_labelled_images

    folder = Path(data)
    if is_zarr(folder) or (folder / ".zattrs").exists():
        return [*read_zarr_pairs(folder)]
    return [*list_labelled_images(folder)]


def _source_of(model: str | Path | Predictor) -> str:
    """Return by which name or path a model can be loaded, as it was trained."""
    source = str(model) if isinstance(model, (str, Path)) else model.source
    if source is None:
        raise ValueError(
            "a training starts from weights as they are stored, and this model was not "
            "loaded by a name or a path; give one"
        )
    return source


def _configure(start: Sam, name: str, config: TrainConfig | None) -> TrainConfig:
    """Fill in what fine-tunes a model well."""
    from napari_sam.training.finetune import fine_tuning

    given = set() if config is None else config.model_fields_set
    changes = {field: getattr(config, field) for field in given}
    is_timed = "minutes" in given or "steps" in given
    minutes = changes.pop("minutes", None if is_timed else _MINUTES)
    return fine_tuning(start, minutes, **{"init": name, **changes})


def worst_cases(trainer: Trainer) -> list[Case]:
    """Show the held-out objects with which the kept weights do worst."""
    if not trainer.held.objects:
        return []
    with trainer.learner.using(trainer.best_values) as sam:
        scores = trainer.held.score(sam)
    return trainer.held.worst(scores, trainer.scores_before)
