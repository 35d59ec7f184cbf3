"""Trainings away from the window, and what the user reads about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.ops.wording import counted

if TYPE_CHECKING:
    from napari_sam.training.training_job import TrainJob, TrainOutcome

__all__ = ["ending_in_words", "gain_in_words", "run_training"]

_ENDINGS = {
    "minutes": "The time is over.",
    "steps": "All steps are done.",
    "patience": "It got no better, so it ended early.",
    "diverged": "The training went wrong (it diverged); the best weights before that "
    "are kept.",
    "elsewhere": "There was no room for the model; it is among the temporary files. "
    "Make room and export it.",
    "cancelled": "Stopped; the best weights so far are kept.",
}


def run_training(job: TrainJob, **steps: Any) -> TrainOutcome:
    """Train; away from the window, because it imports torch."""
    from napari_sam.plugin.model.torch_loading import load_torch_library

    load_torch_library()
    from napari_sam.training.training_job import train

    return train(job, **steps)


def ending_in_words(result: TrainOutcome) -> str:
    """Say how a training ended, and where its model is."""
    if result.reason == "elsewhere":
        return f"{_ENDINGS[result.reason]} It is {result.path}."
    return f"{_ENDINGS[result.reason]} “{result.path.stem}” is in the list of models."


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
