"""Models of which another one learns what they say together.

Distillation (Hinton et al. 2015) of an ensemble into one model. Every second guide sees
the crop turned by 180 degrees: a model that is asked twice in this way answers a click
better than when it is asked once, at twice the time; the one that learns takes as long
as before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam.training.crop import Crop
from napari_sam.training.simulated_prompts import SimulatedPrompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.model.sam import Sam
    from napari_sam.training.samples import Sample

__all__ = ["Guided", "Guides"]


class Guides:
    """Models that answer together.

    Parameters
    ----------
    sams
        The models, on the device of the one that learns.
    dtype
        In which they compute.
    """

    def __init__(self, sams: Sequence[Sam], dtype: torch.dtype = torch.float32) -> None:
        self.sams = [sam.eval().requires_grad_(False) for sam in sams]
        self.dtype = dtype

    @torch.no_grad()
    def look(self, sample: Sample) -> Guided:
        """Let each see a crop, every second one turned."""
        seen = []
        for number, sam in enumerate(self.sams):
            turned = number % 2 == 1
            shown = _turn(sample) if turned else sample
            seen.append((Crop(sam, shown, self.dtype), turned))
        maps = [
            _back(crop.sam.dense_logits(crop.features), turned)
            for crop, turned in seen
            if crop.sam.dense_head is not None
        ]
        shares = [one.sigmoid() for one in maps]
        dense = torch.stack(shares).mean(0) if shares else None
        sides = (sample.image.shape[3], sample.image.shape[2])
        return Guided(seen, sample.offset, sides, dense)


@dataclass(frozen=True)
class Guided:
    """A crop as the guides see it.

    Attributes
    ----------
    crops
        One of each guide, and whether it is turned.
    offset
        (row, col) of the crop in the frame.
    sides
        (width, height) of the crop in frame pixels.
    dense
        (1, 3, h, w) mean of the dense heads, in [0, 1]; None if there is none.
    """

    crops: Sequence[tuple[Crop, bool]]
    offset: tuple[int, int]
    sides: tuple[int, int]
    dense: Tensor | None

    @torch.no_grad()
    def answer(self, prompts: SimulatedPrompts) -> Tensor:
        """Say how likely each pixel belongs: (B, 1, h, w), the mean single mask."""
        answers = []
        for crop, turned in self.crops:
            asked = self._turned(prompts) if turned else prompts
            logits, _ = crop.decode(asked, False)
            answers.append(_back(logits, turned).sigmoid())
        return torch.stack(answers).mean(0)

    def _turned(self, prompts: SimulatedPrompts) -> SimulatedPrompts:
        """Turn first prompts with the crop."""
        corner = torch.tensor([self.offset[1], self.offset[0]], dtype=torch.float32)
        ends = 2 * corner + torch.tensor(self.sides)
        points, boxes, masks = prompts.points, prompts.boxes, prompts.masks
        return SimulatedPrompts(
            None if points is None else ends - 1 - points,
            prompts.labels,
            None if boxes is None else (ends.repeat(2) - boxes)[:, [2, 3, 0, 1]],
            None if masks is None else masks.flip((-2, -1)),
        )


def _turn(sample: Sample) -> Sample:
    return replace(
        sample, image=sample.image.flip((2, 3)), masks=sample.masks.flip((1, 2))
    )


def _back(maps: Tensor, turned: bool) -> Tensor:
    return maps.float().flip((-2, -1)) if turned else maps.float()
