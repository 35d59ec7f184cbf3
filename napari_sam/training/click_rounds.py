"""One crop through the model: prompts in rounds, losses of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam.training.crop import Crop
from napari_sam.training.losses import dense_loss, mask_iou, mask_loss
from napari_sam.training.memory_limit import KeptBytes, prompts_at_once
from napari_sam.training.simulated_prompts import (
    SimulatedPrompts,
    correct,
    first_prompts,
    rough_masks,
)
from napari_sam.training.targets import dense_targets

if TYPE_CHECKING:
    from napari_sam.configs import TrainConfig
    from napari_sam.model.sam import Sam
    from napari_sam.training.distillation import Guided, Guides
    from napari_sam.training.samples import Sample

__all__ = ["Outcome", "Teacher", "score_crop"]


@dataclass(frozen=True)
class Outcome:
    """What one crop gave.

    Attributes
    ----------
    loss
        Of all rounds.
    first_iou, last_iou
        Mean IoU by predicted IoU after the first and the last prompt.
    by_box
        Whether the first prompt was a box.
    """

    loss: float
    first_iou: float
    last_iou: float
    by_box: bool


def _choose(logits: Tensor, scores: Tensor) -> Tensor:
    """Pick, from (B, M, h, w), each object's mask of the highest predicted IoU."""
    best = scores.argmax(1)
    return logits[torch.arange(len(best)), best].detach()


class Teacher:
    """Prompts crops in rounds and lets the model learn from the answers.

    One prompt alone is answered by three masks, of which the best one learns, and
    by the single mask, which learns at the configuration's weight `single`. After
    that each click is answered by the single mask. All predicted IoUs learn from the
    true ones. The configuration's `chosen` lets the candidate learn that the model
    prefers. Where there are guides the single mask of the first prompt and the dense
    head learn from them too.

    Prompts are decoded some at a time where the configuration limits the memory;
    the gradients add up to the same.

    Parameters
    ----------
    sam
        The model.
    config
        The run.
    dtype
        In which the network computes.
    guides
        Models of which this one learns.
    """

    def __init__(
        self,
        sam: Sam,
        config: TrainConfig,
        dtype: torch.dtype = torch.float32,
        guides: Guides | None = None,
    ) -> None:
        self.sam = sam
        self.config = config
        self.dtype = dtype
        self.guides = guides
        self.at_once: int | None = None

    def teach(
        self,
        sample: Sample,
        rng: np.random.Generator,
        weight: float = 1.0,
        features: Tensor | None = None,
    ) -> Outcome:
        """Add the gradients of a sample, times `weight`, to the parameters'."""
        with KeptBytes() as kept:
            crop = Crop(self.sam, sample, self.dtype, features)
        encoded = crop.features
        crop.features = encoded.detach().requires_grad_(encoded.requires_grad)
        if self.at_once is None and len(sample.masks):
            self.at_once = self._measure(crop, sample, kept.total)
        guided = None if self.guides is None else self.guides.look(sample)
        draw = float(rng.random())
        total, count = 0.0, len(sample.masks)
        first = last = 0.0
        at_once = self.at_once or self.config.prompts
        for start in range(0, count, at_once):
            some = slice(start, start + at_once)
            share = len(sample.masks[some]) / count
            loss, ious = self._rounds(crop, sample, some, draw, rng, guided)
            torch.autograd.backward(weight * share * loss)
            total += share * float(loss.detach())
            first, last = first + share * ious[0], last + share * ious[1]
        total += self._teach_dense(crop, sample, weight, guided)
        if encoded.requires_grad and crop.features.grad is not None:
            torch.autograd.backward(encoded, crop.features.grad)
        return Outcome(total, first, last, draw < self.config.boxes)

    def _measure(self, crop: Crop, sample: Sample, image: int) -> int:
        """Choose how many prompts are decoded at a time."""
        if self.config.memory is None:
            return self.config.prompts
        rng = np.random.default_rng(0)
        one = first_prompts(sample.masks[:1], sample.offset, 0.0, rng)
        with KeptBytes() as kept:
            crop.decode(one, None)
        rounds = kept.total * self.config.rounds
        return prompts_at_once(self.config.memory, image, rounds, self.config.prompts)

    def _rounds(
        self,
        crop: Crop,
        sample: Sample,
        some: slice,
        draw: float,
        rng: np.random.Generator,
        guided: Guided | None,
    ) -> tuple[Tensor, tuple[float, float]]:
        """Prompt some objects; return the loss, and IoUs of first and last prompt."""
        config, masks = self.config, sample.masks[some]
        targets = crop.targets[some].to(crop.device)
        by_box = draw < config.boxes
        if by_box or draw < 1 - config.rough_masks:
            noise = config.box_noise if by_box else None
            prompts = first_prompts(masks, sample.offset, noise, rng, config.central)
        else:
            prompts = rough_masks(crop.targets[some][:, 0], rng)
        logits, scores = crop.decode(prompts, None)
        losses = mask_loss(logits, targets, config.focal_alpha)
        ious = mask_iou(logits, targets)
        best = losses[:, 1:].amin(1).mean()
        preferred = losses[torch.arange(len(losses)), 1 + scores[:, 1:].argmax(1)]
        best = best + config.chosen * (preferred.mean() - best)
        loss = best + config.single * losses[:, 0].mean()
        loss = loss + F.mse_loss(scores, ious)
        if guided is not None:
            said = guided.answer(prompts)
            learned = mask_loss(logits[:, :1], said, config.focal_alpha).mean()
            loss = loss + config.guided * learned
        chosen = _choose(logits[:, 1:], scores[:, 1:])
        first = last = mask_iou(chosen, targets[:, 0]).mean()
        for _ in range(config.rounds - 1):
            prompts = correct(prompts, chosen.cpu(), masks, sample.offset, rng)
            logits, scores = crop.decode(prompts, False)
            ious = mask_iou(logits, targets)
            again = mask_loss(logits, targets, config.focal_alpha)
            loss = loss + again.mean()
            loss = loss + F.mse_loss(scores, ious)
            chosen, last = logits[:, 0].detach(), ious.mean()
        return loss, (float(first), float(last))

    def _teach_dense(
        self, crop: Crop, sample: Sample, weight: float, guided: Guided | None
    ) -> float:
        """Let the dense head learn where it is known what is object.

        Of an image of which only some objects are labelled it would learn that all
        is object: it does not learn from those. Nuclei and whole cells are learned on
        a level each, where both are labelled.
        """
        head, weight_of_it = self.sam.dense_head, self.config.dense_weight
        if head is None or not weight_of_it or not sample.complete:
            return 0.0
        dense = self.sam.dense_logits(crop.features)
        size = dense.shape[-1]
        known = None
        if sample.known is not None:
            shares = F.interpolate(sample.known[None, None].float(), (size, size))
            known = shares.to(crop.device)
        # One level alone is that of the objects, whatever they are.
        taught = [sample.labels] if head.levels == 1 else [sample.nuclei, sample.labels]
        loss = dense.new_zeros(())
        levels = dense.chunk(head.levels, dim=1)
        for level, labels in zip(levels, taught, strict=True):
            if labels is None:
                continue
            targets = dense_targets(labels, size).to(crop.device)
            loss = loss + weight_of_it * dense_loss(level, targets, known)
        if guided is not None and guided.dense is not None:
            said = guided.dense.chunk(guided.dense.shape[1] // 3, dim=1)
            for level, one in zip(levels, said, strict=False):
                learned = dense_loss(level, one)
                loss = loss + self.config.guided * weight_of_it * learned
        torch.autograd.backward(weight * loss)
        return float(loss.detach())


@torch.no_grad()
def score_crop(crop: Crop, sample: Sample) -> tuple[Tensor, Tensor, Tensor]:
    """IoU of a sample's objects by one inner click and by a tight box.

    The click is the mean position of the object's pixels, or the object's pixel
    nearest to it; the box is answered by the single mask.

    Returns
    -------
    click, box
        (B,) IoU.
    masks
        (B, h, w) bool, the answers to the clicks at low resolution.
    """
    points, boxes = [], []
    shift = torch.tensor([sample.offset[1], sample.offset[0]], dtype=torch.float32)
    for mask in sample.masks:
        at = torch.nonzero(mask > 0.5).flip(1).float()
        points.append(at[(at - at.mean(0)).norm(dim=1).argmin()] + shift)
        boxes.append(torch.cat([at.amin(0), at.amax(0) + 1]) + shift.repeat(2))
    ones = torch.ones(len(points), 1, dtype=torch.int64)
    clicks = SimulatedPrompts(torch.stack(points)[:, None], ones, None)
    clicked = _choose(*crop.decode(clicks, True)).cpu()
    boxed = crop.decode(SimulatedPrompts(None, None, torch.stack(boxes)), False)[0]
    target = crop.targets[:, 0]
    return (
        mask_iou(clicked, target),
        mask_iou(boxed[:, 0].cpu(), target),
        clicked > 0,
    )
