"""Features of boxes, as torchvision's ``roi_align`` pools them.

The library torchvision has to fit the version of PyTorch to the digit and is not asked
of anybody: this one function of it is all that SAM 3 needs.

References
----------
He et al., Mask R-CNN, ICCV 2017.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["roi_align"]


def roi_align(features: Tensor, boxes: Sequence[Tensor], size: int) -> Tensor:
    """Pool the features in boxes to squares.

    Each cell is the mean of bilinear samples, of which there is one for each feature
    cell that it covers along each axis, or a part of one.

    Parameters
    ----------
    features
        (B, C, H, W).
    boxes
        For each of the B: (N, 4) as (x0, y0, x1, y1) in cells of the features.
    size
        Side of the squares.

    Returns
    -------
    (sum of all N, C, size, size)

    Examples
    --------
    >>> ramp = torch.arange(4.0).expand(1, 1, 4, 4)
    >>> roi_align(ramp, [torch.tensor([[0.0, 0.0, 2.0, 2.0]])], 2)[0, 0]
    tensor([[0.5000, 1.5000],
            [0.5000, 1.5000]])
    """
    height, width = features.shape[-2:]
    pooled = []
    for one, own in zip(features, boxes, strict=True):
        for x0, y0, x1, y1 in own.tolist():
            down = _weights(y0, y1, height, size).to(one)
            across = _weights(x0, x1, width, size).to(one)
            pooled.append(down @ one @ across.mT)
    if not pooled:
        return features.new_zeros(0, features.shape[1], size, size)
    return torch.stack(pooled)


def _weights(start: float, stop: float, length: int, size: int) -> Tensor:
    """Say how each of `size` cells along an axis comes from its features.

    Returns
    -------
    (size, length)
    """
    across = max(stop - start, 1.0)
    count = max(1, math.ceil(across / size))
    step = across / size / count
    at = start + (torch.arange(size * count, dtype=torch.float64) + 0.5) * step
    is_near = (at >= -1) & (at <= length)
    at = at.clamp(0, length - 1)
    low = at.floor().long().clamp(max=length - 1)
    part = at - low
    weights = torch.zeros(size * count, length, dtype=torch.float64)
    rows = torch.arange(size * count)
    weights[rows, low] += 1 - part
    weights[rows, (low + 1).clamp(max=length - 1)] += part
    weights[~is_near] = 0
    return weights.view(size, count, length).mean(dim=1).float()
