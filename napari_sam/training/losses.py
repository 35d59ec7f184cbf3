"""Losses of SAM's training (paper, appendix A): focal, dice and predicted IoU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["dense_loss", "dice_loss", "focal_loss", "mask_iou", "mask_loss"]

_FOCAL_WEIGHT = 20.0


def focal_loss(
    logits: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Focal loss (Lin et al. 2017), mean over the last two axes.

    The target may be any share of a pixel in [0, 1]; for 0 and 1 this is the
    published loss, for shares its continuous form (Li et al. 2020).
    """
    prob = logits.sigmoid()
    cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = alpha * target + (1 - alpha) * (1 - target)
    loss = weight * (prob - target).abs() ** gamma * cross
    return loss.mean(dim=(-2, -1))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - dice, smoothed by 1, over the last two axes."""
    prob = logits.sigmoid()
    overlap = (prob * target).sum(dim=(-2, -1))
    total = prob.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    return 1 - (2 * overlap + 1) / (total + 1)


def mask_loss(logits: Tensor, target: Tensor, alpha: float = 0.25) -> Tensor:
    """20 focal + dice, (..., h, w) -> (...); `alpha` is that of the focal loss."""
    target = target.expand_as(logits)
    focal = focal_loss(logits, target, alpha)
    return _FOCAL_WEIGHT * focal + dice_loss(logits, target)


@torch.no_grad()
def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of the thresholded masks, (..., h, w) -> (...)."""
    predicted, true = logits > 0, target > 0.5
    overlap = (predicted & true).sum(dim=(-2, -1))
    union = (predicted | true).sum(dim=(-2, -1))
    return overlap / union.clamp(min=1)


def dense_loss(logits: Tensor, targets: Tensor, known: Tensor | None = None) -> Tensor:
    """Loss of the dense head for (1, 3, h, w) logits and targets.

    Cross-entropy and dice for the foreground, mean absolute error for the two
    distances, each weighted towards the inside of objects.

    Parameters
    ----------
    logits, targets
        (1, 3, h, w)
    known
        (1, 1, h, w) of 0 and 1, where the targets are known; None: everywhere.
    """
    ones = torch.ones_like(targets[:, :1])
    known = ones if known is None else known
    total = known.sum().clamp(min=1)
    foreground = targets[:, :1]
    inside = (0.25 + foreground) * known
    error = (logits[:, 1:].sigmoid() - targets[:, 1:]).abs()
    loss = (inside * error).sum() / (2 * total)
    cross = F.binary_cross_entropy_with_logits(
        logits[:, :1], foreground, reduction="none"
    )
    seen = torch.where(known > 0, logits[:, :1], -20.0)
    dice = dice_loss(seen, foreground * known).mean()
    return loss + (cross * known).sum() / total + dice
