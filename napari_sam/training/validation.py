"""How good a model is on what is held out, and where it is worst."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam.ops.outlines import window_around
from napari_sam.training.click_rounds import score_crop
from napari_sam.training.crop import Crop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_sam.model.sam import Sam
    from napari_sam.training.samples import Sample

__all__ = ["Case", "HeldOut", "Scores"]


@dataclass(frozen=True, eq=False)
class Scores:
    """IoU of the held-out objects.

    Attributes
    ----------
    clicks, boxes
        (N,) from one click and from the bounding box.
    masks
        One (B, h, w) bool for each sample: the answers to the clicks.
    """

    clicks: NDArray[np.float32]
    boxes: NDArray[np.float32]
    masks: tuple[Tensor, ...]

    @property
    def click(self) -> float:
        """Mean over the objects."""
        return float(self.clicks.mean())

    @property
    def box(self) -> float:
        """Mean over the objects."""
        return float(self.boxes.mean())

    @property
    def mean(self) -> float:
        """By what the best weights are chosen."""
        return (self.click + self.box) / 2


@dataclass(frozen=True, eq=False)
class Case:
    """A held-out object, and what the model makes of one click on it.

    Attributes
    ----------
    image
        (h, w, 3) uint8.
    truth, found
        (h, w) bool.
    before, after
        IoU of one click, before and after the training; `before` is None where it was
        not measured.
    """

    image: NDArray[np.uint8]
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]
    before: float | None
    after: float


class HeldOut:
    """The samples by which a run is watched.

    Parameters
    ----------
    samples
        See `napari_sam.training.dataset.Dataset.validation`.
    dtype
        In which the network computes.
    is_fixed
        Whether the image encoder stays as it is: each is embedded once.
    """

    def __init__(
        self, samples: Sequence[Sample], dtype: torch.dtype, is_fixed: bool
    ) -> None:
        self.samples = tuple(samples)
        self.dtype = dtype
        self.is_fixed = is_fixed
        self._features: dict[int, Tensor] = {}

    @property
    def objects(self) -> int:
        """How many objects there are."""
        return sum(len(sample.masks) for sample in self.samples)

    @torch.no_grad()
    def score(self, sam: Sam) -> Scores:
        """Score a model; there must be an object."""
        clicks, boxes, masks = [], [], []
        for number, sample in enumerate(self.samples):
            crop = Crop(sam, sample, self.dtype, self._features.get(number))
            if self.is_fixed:
                self._features[number] = crop.features
            click, box, found = score_crop(crop, sample)
            clicks.append(click)
            boxes.append(box)
            masks.append(found)
        return Scores(torch.cat(clicks).numpy(), torch.cat(boxes).numpy(), tuple(masks))

    def mean_with(self, familiar: HeldOut, sam: Sam, mean: float) -> float:
        """Average the mean score with that of objects that are learned from.

        Parameters
        ----------
        familiar
            What counts too where hardly anything is held out; may be empty.
        sam
            The model.
        mean
            That of the objects here.
        """
        if not familiar.objects:
            return mean
        known = familiar.score(sam).mean * familiar.objects
        return (self.objects * mean + known) / (self.objects + familiar.objects)

    def worst(
        self, after: Scores, before: Scores | None = None, count: int = 6
    ) -> list[Case]:
        """Show the objects with the least IoU, the worst first."""
        places = [
            (number, index)
            for number, sample in enumerate(self.samples)
            for index in range(len(sample.masks))
        ]
        order = np.argsort(after.clicks, kind="stable")[:count]
        cases = []
        for i in order:
            earlier = None if before is None else float(before.clicks[i])
            cases.append(self._case(places[i], after, earlier, float(after.clicks[i])))
        return cases

    def _case(
        self,
        place: tuple[int, int],
        scores: Scores,
        before: float | None,
        after: float,
    ) -> Case:
        number, index = place
        sample = self.samples[number]
        truth = sample.masks[index].numpy() > 0.5
        found = scores.masks[number][index].numpy()
        found = found.repeat(truth.shape[0] // found.shape[0], 0)
        found = found.repeat(truth.shape[1] // found.shape[1], 1)
        part = window_around(truth)
        image = sample.image[0].permute(1, 2, 0).numpy().round().astype(np.uint8)
        return Case(image[part], truth[part], found[part], before, after)
