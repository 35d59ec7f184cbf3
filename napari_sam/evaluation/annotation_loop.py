"""A simulated annotator who works through a folder while the model learns.

For each image the model proposes objects. A proposal with an IoU of the goal or more
costs nothing; every other object is clicked, by the protocol of
`napari_sam.evaluation.simulated_clicks`, until its mask reaches the goal or patience
ends. After every few images the model is trained on what was annotated so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.evaluation.simulated_clicks import find_targets, next_click
from napari_sam.ops.types import Prompts
from napari_sam.workflows.objects.preannotate import preannotate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam.evaluation.simulated_clicks import Target
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.io.labelled_folders import LabelledImage
    from napari_sam.ops.types import MaskPrediction

__all__ = ["LoopImage", "clicks_to_goal", "simulate_loop"]

GOAL = 0.9
PATIENCE = 10


@dataclass(frozen=True)
class LoopImage:
    """What one image of the loop cost.

    Attributes
    ----------
    name
        Which one.
    trainings
        How often the model had been trained.
    objects, proposed
        Objects in all, and those that the model proposed well enough.
    clicks
        Of each object, 0 for a proposed one, the patience where it was lost.
    reached
        Share of the objects that reached the goal.
    """

    name: str
    trainings: int
    objects: int
    proposed: int
    clicks: tuple[int, ...]
    reached: float

    @property
    def mean(self) -> float:
        """Clicks per object."""
        return float(np.mean(self.clicks)) if self.clicks else 0.0


def clicks_to_goal(
    model: PromptableModel,
    image: NDArray[Any],
    targets: Sequence[Target],
    goal: float = GOAL,
    patience: int = PATIENCE,
) -> list[int | None]:
    """Click on objects until their masks are good.

    Parameters
    ----------
    model
        A `Predictor`, or what answers as one.
    image
        (H, W) or (H, W, C).
    targets
        The objects.
    goal
        IoU to reach.
    patience
        Clicks after which an object is given up.

    Returns
    -------
    The clicks that each object took; None where it was given up.
    """
    if not targets:
        return []
    embedding = model.embed(image)
    took: list[int | None] = [None] * len(targets)
    points: list[list[tuple[int, int]]] = [[t.first_click()] for t in targets]
    labels: list[list[int]] = [[1] for _ in targets]
    last: list[MaskPrediction | None] = [None] * len(targets)
    left = list(range(len(targets)))
    for click in range(1, patience + 1):
        prompts = [_prompts(points[i], labels[i], last[i]) for i in left]
        answers = model.predict_batch(embedding, prompts)
        still = []
        for i, answer in zip(left, answers, strict=True):
            mask = answer.masks[int(answer.scores.argmax())]
            if targets[i].iou(mask) >= goal:
                took[i] = click
                continue
            found = next_click(mask, targets[i])
            if found is None:
                continue
            points[i].append(found[0])
            labels[i].append(found[1])
            last[i] = answer
            still.append(i)
        left = still
        if not left:
            break
    return took


def _prompts(
    points: list[tuple[int, int]], labels: list[int], last: MaskPrediction | None
) -> Prompts:
    prompts = Prompts.make(points, labels)
    return (
        prompts if last is None else prompts.refining(last, int(last.scores.argmax()))
    )


def simulate_loop(
    model: Any,
    images: Sequence[LabelledImage],
    retrain_after: int = 2,
    train: Callable[[Sequence[LabelledImage]], Any] | None = None,
    *,
    max_objects: int | None = None,
    goal: float = GOAL,
    patience: int = PATIENCE,
) -> Iterator[LoopImage]:
    """Annotate images one after the other.

    Parameters
    ----------
    model
        The `Predictor` to begin with.
    images
        In their order.
    retrain_after
        Images after which `train` is asked for a better model.
    train
        Trains on the images that are done and returns a predictor; None: the model
        stays as it is, for comparison.
    max_objects
        Annotate at most so many objects of an image.
    goal, patience
        See `clicks_to_goal`.
    """
    trainings = 0
    for number, item in enumerate(images):
        if train is not None and number and number % retrain_after == 0:
            model = train(images[:number])
            trainings += 1
        image, labels = item.read()
        targets = find_targets(labels, max_objects)
        proposals = preannotate(image, model=model).labels
        good = [_is_proposed(target, proposals, goal) for target in targets]
        missing = [t for t, is_good in zip(targets, good, strict=True) if not is_good]
        took = clicks_to_goal(model, image, missing, goal, patience)
        lost = sum(clicks is None for clicks in took)
        clicks = [0] * sum(good) + [patience if c is None else c for c in took]
        yield LoopImage(
            item.name,
            trainings,
            len(targets),
            sum(good),
            tuple(clicks),
            1 - lost / max(1, len(targets)),
        )


def _is_proposed(target: Target, proposals: NDArray[np.int32], goal: float) -> bool:
    """Whether the proposal that covers most of an object is good enough."""
    inside = proposals[target.window][target.mask]
    counts = np.bincount(inside)
    counts[0] = 0
    if not counts.any():
        return False
    return bool(target.iou(proposals == counts.argmax()) >= goal)
