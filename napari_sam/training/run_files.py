"""The files of a training run: whole ones or none, and a log that may fail."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_sam.checkpoints.export import in_half_precision
from napari_sam.checkpoints.instance_scorer_weights import (
    INSTANCE_SCORER,
    scorer_to_text,
)
from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from napari_sam.configs import TrainConfig
    from napari_sam.model.candidate_scorer import CandidateScorer

__all__ = [
    "append_line",
    "describe_run",
    "read_config_of",
    "shown_metrics",
    "write_state",
    "write_weights",
]


def write_weights(
    path: Path, weights: Mapping[str, Tensor], metadata: dict[str, str]
) -> None:
    """Write weights as float16 safetensors.

    Raises
    ------
    OSError
        If they cannot be written; an older file is as it was.
    """
    half = in_half_precision(weights)
    _write(path, lambda part: save_file(half, part, metadata))


def describe_run(
    config: TrainConfig,
    step: int,
    object_size: float | None,
    instance_scorer: CandidateScorer | None,
) -> dict[str, str]:
    """Return what the file of the weights says of the run that made them.

    Parameters
    ----------
    config
        The run.
    step
        Of the weights.
    object_size
        Pixels across of the objects that were learned from.
    instance_scorer
        What chooses objects among candidates, if that was learned.
    """
    told = {"step": str(step), "config": config.model_dump_json()}
    if object_size is not None:
        told["object_size"] = f"{object_size:.1f}"
    if instance_scorer is not None:
        told[INSTANCE_SCORER] = scorer_to_text(instance_scorer)
    return told


def shown_metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Round metrics for a log."""
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in metrics.items()}


def read_config_of(path: Path) -> str | None:
    """Return the configuration that weights were trained with, as JSON, or None."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("config")
    except (OSError, SafetensorError):
        return None


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write what a run goes on from.

    Raises
    ------
    OSError
        If it cannot be written; an older file is as it was.
    """
    _write(path, lambda part: torch.save(dict(state), part))


def append_line(path: Path, entry: Mapping[str, Any]) -> None:
    """Add a line of JSON to a log, or nothing where the disk is full."""
    with suppress(OSError), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file or none; whatever goes wrong with the disk is an OSError."""

    def checked(part: Path) -> None:
        try:
            write(part)
        except (RuntimeError, SafetensorError) as error:
            raise OSError(f"{path} cannot be written: {error}") from error

    write_atomically(path, checked)
