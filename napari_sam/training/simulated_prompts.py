"""Simulated annotators: first prompts and corrective clicks (paper, appendix A)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from napari_sam.ops.types import MASK_LOGIT

__all__ = ["SimulatedPrompts", "correct", "first_prompts", "rough_masks"]

_MOST_BOX_NOISE = 20.0
"""Frame pixels."""

_DEEP = 0.8
"""Share of an object's depth from which a click counts as central."""


@dataclass(frozen=True)
class SimulatedPrompts:
    """Prompts of B objects in (x, y) of the model's frame; see `PromptEncoder`."""

    points: Tensor | None
    labels: Tensor | None
    boxes: Tensor | None
    masks: Tensor | None = None


def first_prompts(
    masks: Tensor,
    offset: tuple[int, int],
    box_noise: float | None,
    rng: np.random.Generator,
    central: float = 0.0,
) -> SimulatedPrompts:
    """Prompt each of (B, H, W) masks once: a point inside it, or a loose box.

    The point is uniform in the mask, or, with the chance `central`, among the pixels
    that lie deep in it; it is given where `box_noise` is None. Each
    side of a box moves by Gaussian noise with a standard deviation of `box_noise`
    times the box's side (a tenth in the paper), at most 20 pixels.
    """
    shift = torch.tensor([offset[1], offset[0]], dtype=torch.float32)
    if box_noise is None:
        inner = [_core(m) if central and rng.random() < central else m for m in masks]
        points = torch.stack([_pixel(mask > 0.5, rng) for mask in inner])
        ones = torch.ones(len(masks), 1, dtype=torch.int64)
        return SimulatedPrompts((points + shift)[:, None], ones, None)
    found = []
    for mask in masks:
        at = torch.nonzero(mask > 0.5).flip(1).float()
        low, high = at.amin(0), at.amax(0) + 1
        std = (box_noise * (high - low)).clamp(max=_MOST_BOX_NOISE).repeat(2).numpy()
        noise = np.clip(rng.normal(0, std), -_MOST_BOX_NOISE, _MOST_BOX_NOISE)
        found.append(torch.cat([low, high]) + torch.from_numpy(noise).float())
    corners = torch.stack(found) + shift.repeat(2)
    return SimulatedPrompts(None, None, corners)


def rough_masks(targets: Tensor, rng: np.random.Generator) -> SimulatedPrompts:
    """Prompt with a rough mask alone, as a lasso or a brush would draw it.

    `targets` is (B, h, w) in [0, 1] at low resolution. Each is smoothed and cut at
    a random level, which rounds corners, joins gaps, and grows or shrinks it.
    """
    width = 2 * int(rng.integers(0, 4)) + 1
    smooth = F.avg_pool2d(targets[:, None], width, 1, padding=width // 2)
    level = rng.uniform(0.2, 0.6)
    rough = (smooth > level * smooth.amax((-2, -1), keepdim=True)).float()
    return SimulatedPrompts(None, None, None, 2 * MASK_LOGIT * (rough - 0.5))


def correct(
    prompts: SimulatedPrompts,
    logits: Tensor,
    masks: Tensor,
    offset: tuple[int, int],
    rng: np.random.Generator,
) -> SimulatedPrompts:
    """Add one click where (B, h, w) logits are wrong, and feed the logits back.

    The click is uniform in the error region, on whichever side it falls. A mask
    without an error gets another click inside it.
    """
    shift = torch.tensor([offset[1], offset[0]], dtype=torch.float32)
    scaled = F.interpolate(
        logits[:, None], size=masks.shape[-2:], mode="bilinear", align_corners=False
    )[:, 0]
    points, labels = [], []
    for predicted, mask in zip(scaled > 0, masks > 0.5, strict=True):
        wrong = predicted != mask
        at = _pixel(wrong if wrong.any() else mask, rng)
        points.append(at + shift)
        labels.append(mask[int(at[1]), int(at[0])].long())
    new_points, new_labels = torch.stack(points)[:, None], torch.stack(labels)[:, None]
    if prompts.points is not None and prompts.labels is not None:
        new_points = torch.cat([prompts.points, new_points], 1)
        new_labels = torch.cat([prompts.labels, new_labels], 1)
    return SimulatedPrompts(new_points, new_labels, prompts.boxes, logits[:, None])


def _core(mask: Tensor) -> Tensor:
    """Keep the pixels of a mask that lie deep in it."""
    inside = np.pad(mask.numpy() > 0.5, 1)
    depth = ndimage.distance_transform_edt(inside)[1:-1, 1:-1]
    return torch.from_numpy(depth >= max(_DEEP * depth.max(), 1)).float()


def _pixel(region: Tensor, rng: np.random.Generator) -> Tensor:
    at = torch.nonzero(region)
    return at[rng.integers(len(at))].flip(0).float()
