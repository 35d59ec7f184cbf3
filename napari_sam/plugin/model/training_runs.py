"""Trainings away from the window, and what the user reads about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam.configs import TrainConfig
from napari_sam.ops.message_text import counted
from napari_sam.plugin.viewer.hint import sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_sam.training.labelled_images import Source
    from napari_sam.training.training_job import TrainOutcome

__all__ = [
    "TrainJob",
    "ending_in_words",
    "gain_in_words",
    "left_out_in_words",
    "run_training",
]

_NAMED = 6

_ENDINGS = {
    "minutes": "The time is over.",
    "steps": "All steps are done.",
    "patience": "It got no better, so it ended early.",
    "diverged": "The training went wrong (it diverged); the best weights before that "
    "are kept.",
    "cancelled": "Stopped; the best weights so far are kept.",
}


@dataclass(frozen=True)
class TrainJob:
    """What is to be trained; see `napari_sam.train`."""

    sources: Sequence[Source]
    out: Path
    model: str = "cells"
    device: str = "auto"
    config: TrainConfig = field(default_factory=TrainConfig)


def run_training(job: TrainJob, **steps: Any) -> TrainOutcome:
    """Train; away from the window, because it imports torch."""
    from napari_sam.plugin.model.torch_loading import load_torch_library

    load_torch_library()
    from napari_sam.training.training_job import train

    return train(
        job.sources,
        job.out,
        model=job.model,
        config=job.config,
        device=job.device,
        **steps,
    )


def ending_in_words(result: TrainOutcome) -> str:
    """Say how a training ended, and where its model is."""
    if result.reason == "elsewhere":
        return (
            f"{sentence(result.problem)} The model is among the temporary files, as "
            f"{result.path}. Mend that, and export it."
        )
    return f"{_ENDINGS[result.reason]} “{result.path.stem}” is in the list of models."


def left_out_in_words(told: Sequence[str]) -> str:
    """Say which images were left out, or "" where there is none."""
    if not told:
        return ""
    named = "; ".join(told[:_NAMED])
    more = f"; and {len(told) - _NAMED} more" if len(told) > _NAMED else ""
    return f"{counted(len(told), 'image')} left out: {named}{more}."


def gain_in_words(result: TrainOutcome) -> str:
    """Say how good the model was and is, on what it did not learn from."""
    if result.after is None:
        return (
            "There were too few objects to hold some out, so nobody knows how much "
            "better it is. Try it on an image that it has not seen."
        )
    before = result.before or result.after
    lines = [
        f"{name}: IoU {old:.2f} before, {new:.2f} after"
        for name, old, new in zip(
            ("One click", "Box"), before, result.after, strict=True
        )
    ]
    held_out = counted(result.objects, "object")
    return f"On {held_out} held out. " + "; ".join(lines) + "."
