"""Simulated annotation: how good are masks after so many clicks, or from a box.

The protocol is that of the SAM paper (section 7.1, appendix D.1); where the clicks
fall is told in `napari_sam.evaluation.simulated_clicks`.

After each click all clicks so far go to the model together with the logits of the
mask it gave last. The model answers by its own rule for ambiguous prompts
(`Prompts.is_ambiguous`): three candidates for a first click, of which the one with
the highest predicted IoU counts, and the single-mask token for more and for a box.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam.evaluation.image_reading import read_in_turn
from napari_sam.evaluation.simulated_clicks import find_targets, next_click
from napari_sam.ops.types import Prompts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.evaluation.simulated_clicks import Target
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.io.labelled_folders import LabelledImage
    from napari_sam.ops.types import MaskPrediction

__all__ = [
    "CLICKS",
    "ImageScores",
    "ObjectScores",
    "score_image",
    "score_images",
]

CLICKS = 5
"""Clicks given to each object."""

_MAX_CHUNK = 64
_MAX_CHUNK_PIXELS = 1 << 24


@dataclass(frozen=True)
class ObjectScores:
    """What the protocol measured on one object.

    Attributes
    ----------
    label
        Its value in the label image.
    clicks
        IoU after 1, 2, ... `CLICKS` clicks.
    box
        IoU of the best-scored answer to its bounding box.
    best_of_3
        Largest IoU among the candidates for the first click (the oracle).
    predicted
        Predicted IoU of every candidate for the first click and for the box.
    actual
        True IoU of the same candidates.
    """

    label: int
    clicks: tuple[float, ...]
    box: float
    best_of_3: float
    predicted: tuple[float, ...]
    actual: tuple[float, ...]

    def clicks_to(self, goal: float) -> int:
        """Clicks until the IoU first reached a goal, `CLICKS` where it never did."""
        reached = [number for number, iou in enumerate(self.clicks, 1) if iou >= goal]
        return min([CLICKS, *reached])

    def reaches(self, goal: float) -> bool:
        """Whether the IoU ever reached a goal."""
        return max(self.clicks) >= goal


@dataclass(frozen=True)
class ImageScores:
    """The scores of one image's objects, or why there are none.

    Attributes
    ----------
    kind, name
        Which image.
    objects
        One entry for each object.
    error
        What went wrong, or None.
    """

    kind: str
    name: str
    objects: tuple[ObjectScores, ...] = ()
    error: str | None = None


@dataclass(eq=False)
class _Trial:
    """One object while it is being annotated."""

    target: Target
    points: list[tuple[int, int]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    last: MaskPrediction | None = None
    clicks: list[float] = field(default_factory=list)
    box: float = 0.0
    best_of_3: float = 0.0
    predicted: list[float] = field(default_factory=list)
    actual: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._click(self.target.first_click(), 1)

    def _click(self, point: tuple[int, int], label: int) -> None:
        self.points.append(point)
        self.labels.append(label)

    def click_prompts(self) -> Prompts:
        prompts = Prompts.make(self.points, self.labels)
        if self.last is None:
            return prompts
        return prompts.refining(self.last, int(self.last.scores.argmax()))

    def box_prompts(self) -> Prompts:
        return Prompts.make(box=self.target.box)

    def is_done(self) -> bool:
        return len(self.clicks) == len(self.points)

    def take_candidates(self, answer: MaskPrediction) -> tuple[int, list[float]]:
        """Note all candidates; return the index of the best-scored one and IoUs."""
        ious = [self.target.iou(mask) for mask in answer.masks]
        self.predicted.extend(answer.scores.tolist())
        self.actual.extend(ious)
        return int(answer.scores.argmax()), ious

    def take_box(self, answer: MaskPrediction) -> None:
        best, ious = self.take_candidates(answer)
        self.box = ious[best]

    def take_click(self, answer: MaskPrediction) -> None:
        """Note the answer to the clicks so far and place the next click."""
        if not self.clicks:
            best, ious = self.take_candidates(answer)
            self.best_of_3 = max(ious)
            self.clicks.append(ious[best])
        else:
            best = int(answer.scores.argmax())
            self.clicks.append(self.target.iou(answer.masks[best]))
        self.last = answer
        if len(self.clicks) < CLICKS:
            click = next_click(answer.masks[best], self.target)
            if click is not None:
                self._click(*click)

    def scores(self) -> ObjectScores:
        # Nothing was left to correct where clicks are missing: the mask stays.
        missing = CLICKS - len(self.clicks)
        return ObjectScores(
            self.target.label,
            (*self.clicks, *self.clicks[-1:] * missing),
            self.box,
            self.best_of_3,
            tuple(self.predicted),
            tuple(self.actual),
        )


def score_image(
    model: PromptableModel,
    image: NDArray[Any],
    labels: NDArray[np.integer[Any]],
    max_objects: int | None = None,
    *,
    tiled: bool = True,
) -> list[ObjectScores]:
    """Annotate every object of an image and score the masks.

    Parameters
    ----------
    model
        A `Predictor`, or anything that embeds and answers prompts as it does.
    image
        (H, W) or (H, W, 3 | 4).
    labels
        (H, W) of integers, 0 for background.
    max_objects
        Score at most so many objects.
    tiled
        Whether small objects are looked at closer, as in the annotator; see
        `Predictor.embed`.
    """
    targets = find_targets(labels, max_objects)
    if not targets:
        return []
    embedding = model.embed(image, scale="auto" if tiled else "whole")
    chunk = min(_MAX_CHUNK, max(1, _MAX_CHUNK_PIXELS // labels.size))
    scores: list[ObjectScores] = []
    for start in range(0, len(targets), chunk):
        trials = [_Trial(target) for target in targets[start : start + chunk]]
        _annotate(model, embedding, trials)
        scores.extend(trial.scores() for trial in trials)
    return scores


def _annotate(
    model: PromptableModel, embedding: PlaneEmbedding, trials: list[_Trial]
) -> None:
    answers = model.predict_batch(embedding, [t.box_prompts() for t in trials])
    for trial, answer in zip(trials, answers, strict=True):
        trial.take_box(answer)
    for _ in range(CLICKS):
        open_trials = [t for t in trials if not t.is_done()]
        if not open_trials:
            return
        answers = model.predict_batch(
            embedding, [t.click_prompts() for t in open_trials]
        )
        for trial, answer in zip(open_trials, answers, strict=True):
            trial.take_click(answer)


def score_images(
    model: PromptableModel,
    images: Iterable[LabelledImage],
    max_objects: int | None = None,
    *,
    tiled: bool = True,
) -> Iterator[ImageScores]:
    """Score images one after the other; a bad one is noted and passed over."""
    for item, read in read_in_turn(images):
        try:
            if isinstance(read, Exception):
                raise read
            objects = score_image(model, *read, max_objects, tiled=tiled)
        except (ValueError, OSError) as error:
            yield ImageScores(item.kind, item.name, error=str(error))
        else:
            yield ImageScores(item.kind, item.name, tuple(objects))
