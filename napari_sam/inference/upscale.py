"""From the model's low-resolution masks to masks of the image plane.

SAM resizes a mask twice: to the square frame, and, without the padding, to the
image. Both are linear along each axis, so that their product, one matrix for rows
and one for columns, gives the same result in one step.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.types import FrameGeometry

__all__ = ["upscale_masks"]


@lru_cache(maxsize=32)
def _operator(low: int, frame: int, resized: int, length: int) -> Tensor:
    """(length, low) matrix of both resizings along one axis."""
    eye = torch.eye(low)[None]
    up = F.interpolate(eye, size=frame, mode="linear", align_corners=False)
    down = F.interpolate(
        up[..., :resized], size=length, mode="linear", align_corners=False
    )
    return down[0].T.contiguous()


def upscale_masks(logits: Tensor, geometry: FrameGeometry) -> NDArray[np.bool_]:
    """Upscale (M, h, w) logits on the CPU to (M, H, W) masks of logits above 0."""
    frame = geometry.frame_size
    rows, cols = (
        _operator(low, frame, resized, length)
        for low, resized, length in zip(
            logits.shape[-2:],
            geometry.resized_shape,
            geometry.image_shape,
            strict=True,
        )
    )
    masks = np.empty((len(logits), *geometry.image_shape), np.bool_)
    right = cols.T.contiguous()
    for mask, low in zip(masks, logits, strict=True):
        # One at a time: a mask stays in the processor's cache, a batch does not.
        np.greater((rows @ low @ right).numpy(), 0, out=mask)
    return masks
