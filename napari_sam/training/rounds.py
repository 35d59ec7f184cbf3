"""One crop through the model: prompts in rounds, losses of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam.training.dataset import dense_targets
from napari_sam.training.losses import dense_loss, mask_iou, mask_loss
from napari_sam.training.sampling import (
    SimulatedPrompts,
    correct,
    first_prompts,
    rough_masks,
)

if TYPE_CHECKING:
    import numpy as np

    from napari_sam.model.sam import Sam
    from napari_sam.training.config import TrainConfig
    from napari_sam.training.dataset import Sample

__all__ = ["Outcome", "run_rounds", "score_sample"]


@dataclass(frozen=True)
class Outcome:
    """What one crop gave.

    Attributes
    ----------
    loss
        Scalar with a graph behind it.
    first_iou, last_iou
        Mean IoU by predicted IoU after the first and the last prompt.
    by_box
        Whether the first prompt was a box.
    """

    loss: Tensor
    first_iou: float
    last_iou: float
    by_box: bool


class _Crop:
    """A sample's features and positions, ready to be prompted."""

    def __init__(self, sam: Sam, sample: Sample) -> None:
        self.sam = sam
        stride = sam.architecture.encoder.stride
        self.features = sam.image_encoder(sam.normalise(sample.image))
        rows, cols = self.features.shape[-2:]
        top, left = (n // stride for n in sample.offset)
        position = sam.prompt_encoder.dense_position()
        self.position = position[..., top : top + rows, left : left + cols]
        self.targets = F.avg_pool2d(sample.masks[:, None], stride // 4)

    def decode(
        self, prompts: SimulatedPrompts, multimask: bool | None
    ) -> tuple[Tensor, Tensor]:
        sparse, dense = self.sam.prompt_encoder(
            prompts.points, prompts.labels, prompts.boxes, prompts.masks
        )
        masks, scores = self.sam.mask_decoder(
            self.features, self.position, sparse, dense, multimask
        )
        return masks, scores


def _choose(logits: Tensor, scores: Tensor) -> Tensor:
    """Pick, from (B, M, h, w), each object's mask of the highest predicted IoU."""
    best = scores.argmax(1)
    return logits[torch.arange(len(best)), best].detach()


def run_rounds(
    sam: Sam, sample: Sample, config: TrainConfig, rng: np.random.Generator
) -> Outcome:
    """Prompt a crop's objects in rounds and sum the losses.

    One prompt alone is answered by three masks, of which the best one learns, and
    by the single mask, which learns at half weight. After that each click is
    answered by the single mask. All predicted IoUs learn from the true ones.
    """
    crop = _Crop(sam, sample)
    draw = rng.random()
    by_box = draw < config.boxes
    if by_box or draw < 1 - config.rough_masks:
        noise = config.box_noise if by_box else None
        prompts = first_prompts(sample.masks, sample.offset, noise, rng)
    else:
        prompts = rough_masks(crop.targets[:, 0], rng)
    logits, scores = crop.decode(prompts, None)
    losses = mask_loss(logits, crop.targets)
    ious = mask_iou(logits, crop.targets)
    loss = losses[:, 1:].amin(1).mean() + 0.5 * losses[:, 0].mean()
    loss = loss + F.mse_loss(scores, ious)
    chosen = _choose(logits[:, 1:], scores[:, 1:])
    first = last = mask_iou(chosen, crop.targets[:, 0]).mean()
    for _ in range(config.rounds - 1):
        prompts = correct(prompts, chosen, sample.masks, sample.offset, rng)
        logits, scores = crop.decode(prompts, False)
        ious = mask_iou(logits, crop.targets)
        loss = loss + mask_loss(logits, crop.targets).mean()
        loss = loss + F.mse_loss(scores, ious)
        chosen, last = logits[:, 0].detach(), ious.mean()
    if sam.dense_head is not None and config.dense_weight:
        dense = sam.dense_head(crop.features)
        targets = dense_targets(sample.labels, dense.shape[-1])
        loss = loss + config.dense_weight * dense_loss(dense, targets)
    return Outcome(loss, float(first), float(last), by_box)


@torch.no_grad()
def score_sample(sam: Sam, sample: Sample) -> tuple[float, float]:
    """Mean IoU of a sample's objects by one inner click and by a tight box.

    The click is the mean position of the object's pixels, or the object's pixel
    nearest to it.
    """
    crop = _Crop(sam, sample)
    points, boxes = [], []
    shift = torch.tensor([sample.offset[1], sample.offset[0]], dtype=torch.float32)
    for mask in sample.masks:
        at = torch.nonzero(mask > 0.5).flip(1).float()
        points.append(at[(at - at.mean(0)).norm(dim=1).argmin()] + shift)
        boxes.append(torch.cat([at.amin(0), at.amax(0) + 1]) + shift.repeat(2))
    ones = torch.ones(len(points), 1, dtype=torch.int64)
    found = []
    for prompts in (
        SimulatedPrompts(torch.stack(points)[:, None], ones, None),
        SimulatedPrompts(None, None, torch.stack(boxes)),
    ):
        chosen = _choose(*crop.decode(prompts, True))
        found.append(float(mask_iou(chosen, crop.targets[:, 0]).mean()))
    return found[0], found[1]
