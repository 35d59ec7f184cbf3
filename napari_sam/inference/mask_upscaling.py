"""From the model's low-resolution masks to masks of the image plane.

SAM resizes a mask twice: to the square frame, and, without the padding, to the
image. Where the image is much smaller than the frame, most of the frame's pixels
would be made for nothing. There both resizings are one product: they are linear
along each axis, so that a matrix for rows and one for columns do the same.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.types import FrameGeometry

__all__ = [
    "pixel_weights",
    "upscale_logits",
    "upscale_masks",
    "upscale_window",
    "without_padding",
]


_MAX_WINDOW_SHARE = 0.25
"""Share of the image plane above which a window is not worth being cut."""


class _Axis(NamedTuple):
    """Both resizings along one axis.

    Attributes
    ----------
    matrix
        (length, low)
    first, last
        (length,) low-resolution pixels between which each pixel is interpolated.
    """

    matrix: Tensor
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def reach(self, low: NDArray[np.bool_]) -> tuple[slice, slice]:
        """Where the pixels are that the given low ones touch, and what they need."""
        touched = np.flatnonzero(low)
        if not len(touched):
            return slice(0, 0), slice(0, 0)
        start = int(np.searchsorted(self.last, touched[0], "left"))
        stop = int(np.searchsorted(self.first, touched[-1], "right"))
        if start >= stop:
            return slice(0, 0), slice(0, 0)
        needed = slice(int(self.first[start]), int(self.last[stop - 1]) + 1)
        return slice(start, stop), needed


@lru_cache(maxsize=16)
def _axis(low: int, frame: int, resized: int, length: int) -> _Axis:
    """Make the operator that a resizing to the frame and one to the image are."""
    eye = torch.eye(low)[None]
    up = F.interpolate(eye, size=frame, mode="linear", align_corners=False)
    down = F.interpolate(
        up[..., :resized], size=length, mode="linear", align_corners=False
    )
    matrix = down[0].T.contiguous()
    used = matrix.numpy() != 0
    return _Axis(matrix, used.argmax(1), low - 1 - used[:, ::-1].argmax(1))


def _axes(low: Tensor, geometry: FrameGeometry) -> tuple[_Axis, _Axis]:
    rows, cols = (
        _axis(side, geometry.frame_size, resized, length)
        for side, resized, length in zip(
            low.shape, geometry.resized_shape, geometry.image_shape, strict=True
        )
    )
    return rows, cols


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


def upscale_window(
    low: Tensor, geometry: FrameGeometry, above: float
) -> tuple[Tensor, tuple[int, int]]:
    """Upscale the part of the image plane where logits may exceed a value.

    An interpolated logit never exceeds the largest of those it lies between: most of
    the plane of a small object needs no upscaling to be known.

    Parameters
    ----------
    low
        (h, w) logits on the CPU.
    geometry
        Of the image.
    above
        The value; outside the window no logit is greater.

    Returns
    -------
    logits
        (r, c), as `upscale_logits` makes them. Nothing, or a part, or the plane.
    corner
        (row, col) of its first pixel.
    """
    rows, cols = _axes(low, geometry)
    high = low.numpy() > above
    down, low_down = rows.reach(np.any(high, axis=1))
    right, low_right = cols.reach(np.any(high, axis=0))
    size = (down.stop - down.start) * (right.stop - right.start)
    height, width = geometry.image_shape
    if size > _MAX_WINDOW_SHARE * height * width:
        return upscale_logits(low, geometry), (0, 0)
    part = rows.matrix[down, low_down] @ low[low_down, low_right]
    return part @ cols.matrix[right, low_right].T, (down.start, right.start)


def pixel_weights(
    pixels: NDArray[np.int64], low_shape: tuple[int, int], geometry: FrameGeometry
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say how logits at single pixels come from the low-resolution ones.

    Parameters
    ----------
    pixels
        (N, 2) as (row, col) of the image plane.
    low_shape
        (h, w) of the logits.
    geometry
        Of the image.

    Returns
    -------
    rows, cols
        (N, h) and (N, w): the upscaled logit at pixel n is ``rows[n] @ low @ cols[n]``.
    """
    rows, cols = (
        _hats(pixels[:, axis], geometry.image_shape[axis], resized)
        @ _frame_hats(geometry.frame_size, low_shape[axis])[:resized]
        for axis, resized in enumerate(geometry.resized_shape)
    )
    return rows, cols


@lru_cache(maxsize=4)
def _frame_hats(frame: int, low: int) -> NDArray[np.float64]:
    """Weights of low-resolution logits at all places of the frame."""
    return _hats(np.arange(frame), frame, low)


def _hats(places: NDArray[np.int64], length: int, count: int) -> NDArray[np.float64]:
    """Weights of `count` samples at places of their resizing to a length."""
    source = np.clip((places + 0.5) * (count / length) - 0.5, 0, count - 1)
    away: NDArray[np.float64] = np.abs(source[:, None] - np.arange(count))
    return np.clip(1 - away, 0, 1)


def without_padding(low: Tensor, geometry: FrameGeometry) -> Tensor:
    """Cut the part of (..., h, w) low-resolution logits that the image plane covers."""
    height, width = (
        -(-side * n // geometry.frame_size)
        for side, n in zip(low.shape[-2:], geometry.resized_shape, strict=True)
    )
    return low[..., :height, :width]


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
    rows, cols = _axes(low, geometry)
    return rows.matrix @ low @ cols.matrix.T
