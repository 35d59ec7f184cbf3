"""From the model's low-resolution masks to masks of the image plane.

SAM resizes a mask twice: to the square frame, and, without the padding, to the
image. Where the image is much smaller than the frame, most of the frame's pixels
would be made for nothing. There both resizings are one product: they are linear
along each axis, so that a matrix for rows and one for columns do the same.
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

__all__ = ["upscale_logits", "upscale_masks", "without_padding"]


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
    masks = np.empty((len(logits), *geometry.image_shape), np.bool_)
    for mask, low in zip(masks, logits, strict=True):
        # One at a time: a mask stays in the processor's cache, a batch does not.
        np.greater(upscale_logits(low, geometry).numpy(), 0, out=mask)
    return masks


def upscale_logits(low: Tensor, geometry: FrameGeometry) -> Tensor:
    """Upscale (h, w) logits on the CPU to (H, W) logits of the image plane."""
    shrinks = 2 * max(geometry.image_shape) <= geometry.frame_size
    return (_at_once if shrinks else _in_steps)(low, geometry)


def without_padding(low: Tensor, geometry: FrameGeometry) -> Tensor:
    """Cut the (h, w) part of low-resolution logits that the image plane covers."""
    height, width = (
        -(-side * n // geometry.frame_size)
        for side, n in zip(low.shape, geometry.resized_shape, strict=True)
    )
    return low[:height, :width]


def _in_steps(low: Tensor, geometry: FrameGeometry) -> Tensor:
    height, width = geometry.resized_shape
    frame = _resize(low[None, None], (geometry.frame_size,) * 2)
    image = frame[..., :height, :width]
    if geometry.image_shape != geometry.resized_shape:
        image = _resize(image, geometry.image_shape)
    return image[0, 0]


def _resize(x: Tensor, shape: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=shape, mode="bilinear", align_corners=False)


def _at_once(low: Tensor, geometry: FrameGeometry) -> Tensor:
    rows, cols = (
        _operator(side, geometry.frame_size, resized, length)
        for side, resized, length in zip(
            low.shape, geometry.resized_shape, geometry.image_shape, strict=True
        )
    )
    return rows @ low @ cols.T
