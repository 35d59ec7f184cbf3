"""From an image of any kind to the square frame that a model expects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sam.ops.channel_composite import is_one_signal, robust_limits, signal_of
from napari_sam.ops.types import MASK_LOGIT, FrameGeometry

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "binary_to_logits",
    "check_image",
    "colour_limits",
    "default_limits",
    "sample_limits",
    "to_frame",
    "to_rgb",
    "whole_plane",
]

_MOST_SAMPLES = 1 << 20

_SAMPLED_PLANES = 16
_SAMPLED_PIXELS = 1 << 16

_MAX_SAMPLED_WHOLE = 1 << 26
"""Pixels of a plane above which parts of it are sampled."""

_SAMPLE_SIDE = 512
_SAMPLES_PER_AXIS = 4


def check_image(image: ArrayLike) -> NDArray[Any]:
    """Return the image as an array of (H, W) or (H, W, C), C in 1 to 4.

    Raises
    ------
    ValueError
        If the shape or the data type is another.
    """
    array = np.asarray(image)
    wanted = "wanted (H, W) or (H, W, channels) with 1 to 4 channels"
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise ValueError(f"image has shape {array.shape}; {wanted}")
    if 0 in array.shape:
        raise ValueError(f"image is empty: it has shape {array.shape}; {wanted}")
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"image has dtype {array.dtype}; wanted a real number type or bool"
        )
    return array


def whole_plane(image: ArrayLike) -> NDArray[Any]:
    """Return a whole plane as it is seen: colour that shows one signal as gray.

    Never of a part of a plane, which is seen as its plane is; see `is_one_signal`.

    Raises
    ------
    ValueError
        See `check_image`.
    """
    array = check_image(image)
    has_colour = array.ndim == 3 and array.shape[2] >= 3
    return signal_of(array) if has_colour and is_one_signal(array) else array


def default_limits(image: NDArray[Any]) -> tuple[float, float]:
    """Contrast limits of an image for which none are given; see `to_rgb`.

    They are the one rule for scripts, commands, training and, as `colour_limits`, for
    colour in the window: 8-bit colour is as it is, and the robust range of all that is
    deeper is stretched, be it 12 bits in 16 or floats of 0 to 255. Colour that shows
    one signal is stretched as gray images are.
    """
    if image.dtype == np.bool_:
        return 0.0, 1.0
    if image.ndim == 3 and image.shape[2] >= 3:
        if is_one_signal(image):
            return robust_limits(signal_of(image))
        if image.dtype == np.uint8:
            return 0.0, 255.0
        image = image[..., :3]  # opacity is no intensity
    return robust_limits(image)


def sample_limits(
    count: int, read: Callable[[int], NDArray[Any]], rgb: bool
) -> tuple[float, float]:
    """Return one contrast range for the planes of a stack, from up to 16 of them.

    Parameters
    ----------
    count
        How many planes there are.
    read
        Reads one by its number: (H, W), or (H, W, C) with `rgb`.
    rgb
        Whether the planes have colour.
    """
    numbers = np.linspace(0, count - 1, min(count, _SAMPLED_PLANES))
    samples = []
    for number in np.unique(np.round(numbers).astype(int)).tolist():
        plane = read(number)
        pixels = plane.reshape(-1, 1, plane.shape[-1] if rgb else 1)
        samples.append(pixels[:: max(1, len(pixels) // _SAMPLED_PIXELS)])
    return default_limits(np.concatenate(samples))


def colour_limits(image: Any) -> tuple[float, float]:
    """Return the contrast limits of colour, for which no viewer has a slider.

    Of a plane they are those of `default_limits`; of a stack those of `sample_limits`.
    Nothing is read of 8-bit colour that is not in memory, and pieces of a plane of more
    than 64 megapixels.

    Parameters
    ----------
    image
        (..., H, W, 3 | 4): an array of NumPy, dask, zarr or anything indexed alike.
    """
    shape = tuple(int(length) for length in image.shape)
    if np.dtype(image.dtype) == np.uint8:
        if isinstance(image, np.ndarray) and is_one_signal(image):
            return robust_limits(signal_of(image))
        return 0.0, 255.0
    if math.prod(shape[-3:-1]) > _MAX_SAMPLED_WHOLE:
        return default_limits(_samples(image, shape))
    if len(shape) == 3:
        return default_limits(np.asarray(image))
    places = list(np.ndindex(shape[:-3]))
    return sample_limits(len(places), lambda n: np.asarray(image[places[n]]), rgb=True)


def _samples(image: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Read pieces of the middle plane, evenly spaced: (N, 512, C)."""
    middle = tuple(length // 2 for length in shape[:-3])
    corners = [
        [int(n) for n in np.linspace(0, max(0, side - _SAMPLE_SIDE), _SAMPLES_PER_AXIS)]
        for side in shape[-3:-1]
    ]
    read = [
        np.asarray(
            image[(*middle, slice(r, r + _SAMPLE_SIDE), slice(c, c + _SAMPLE_SIDE))]
        )
        for r in corners[0]
        for c in corners[1]
    ]
    return np.concatenate([part.reshape(-1, 1, shape[-1]) for part in read])


def _check_limits(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = (float(limit) for limit in limits)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(
            f"contrast_limits are {limits}; wanted (low, high) with low <= high, both "
            "finite"
        )
    return low, high


def to_rgb(
    image: ArrayLike, contrast_limits: tuple[float, float] | None = None
) -> NDArray[np.float32]:
    """Map an image to (H, W, 3) float32 intensities of 0 to 255.

    Parameters
    ----------
    image
        (H, W), or (H, W, C) of one channel (shown as grey), two (red and green),
        three (red, green, blue) or four (the last is opacity and is left out), of
        any real dtype. NaN is black, infinities are black and white.
    contrast_limits
        Intensities that become 0 and 255; what lies outside is clipped. When left
        out: 0 and 255 for 8-bit colour, False and True for bool, and robust
        percentiles over all channels for everything else.

    Raises
    ------
    ValueError
        If the shape, the dtype or the limits are not as described.
    """
    # a part of a plane comes with the limits of its plane
    array = whole_plane(image) if contrast_limits is None else check_image(image)
    low, high = _check_limits(contrast_limits or default_limits(array))
    if array.ndim == 3 and array.shape[2] == 4:
        array = array[..., :3]
    wide = np.float64 if array.dtype.itemsize > 4 else np.float32
    values: NDArray[Any] = array.astype(wide)
    if array.dtype.kind == "f":
        values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    # Halves keep the difference finite at the far ends of a float's range.
    span = max(high / 2 - low / 2, float(np.finfo(wide).tiny))
    values = np.clip((values / 2 - low / 2) / span, 0, 1)
    grey: NDArray[np.float32] = values.astype(np.float32) * np.float32(255)
    if grey.ndim == 2:
        grey = grey[..., None]
    channels = grey.shape[2]
    if channels == 1:
        return np.repeat(grey, 3, axis=2)
    if channels == 2:
        return np.concatenate([grey, np.zeros_like(grey[..., :1])], axis=2)
    return grey


def to_frame(
    image: ArrayLike,
    frame_size: int,
    contrast_limits: tuple[float, float] | None = None,
    keeps_aspect: bool = True,
) -> tuple[Tensor, FrameGeometry]:
    """Resize an image so that its longer side is `frame_size`.

    Antialiased bilinear, as the published models expect; the values are rounded to
    whole numbers, as their 8-bit images are. The work goes in strips of rows, so
    that a huge image is never held as floats as a whole.

    Parameters
    ----------
    image, contrast_limits
        As for `to_rgb`.
    frame_size
        Side of the model's frame in pixels.
    keeps_aspect
        False: both sides become `frame_size`.

    Returns
    -------
    frame
        (1, 3, H', W') float32 of 0 to 255, not yet padded.
    geometry
        The map between the two.
    """
    array = whole_plane(image) if contrast_limits is None else check_image(image)
    height, width = array.shape[:2]
    geometry = FrameGeometry.fit((height, width), frame_size, keeps_aspect)
    limits = contrast_limits or default_limits(array)
    rows = max(1, _MOST_SAMPLES // width)
    strips = []
    for top in range(0, height, rows):
        rgb = to_rgb(array[top : top + rows], limits)
        strip = torch.from_numpy(rgb).permute(2, 0, 1)[None]
        strips.append(_resize(strip, (strip.shape[2], geometry.resized_shape[1])))
    frame = _resize(torch.cat(strips, dim=2), geometry.resized_shape)
    return frame.clamp(0, 255).round(), geometry


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    if image.shape[2:] == size:
        return image
    return F.interpolate(
        image, size=size, mode="bilinear", align_corners=False, antialias=True
    )


def binary_to_logits(
    mask: NDArray[np.bool_], geometry: FrameGeometry, mask_size: int
) -> NDArray[np.float32]:
    """Turn a mask of the image plane into a mask prompt.

    Parameters
    ----------
    mask
        (H, W) bool, the shape of the image plane.
    geometry
        Of the embedding that the prompt is for.
    mask_size
        Side of the model's low-resolution masks.

    Returns
    -------
    (mask_size, mask_size) float32
        Logits of a probability of 0.999 inside and 0.001 outside, with soft edges.

    Raises
    ------
    ValueError
        If the mask does not have the shape of the plane.
    """
    if mask.shape != geometry.image_shape:
        raise ValueError(
            f"mask has shape {mask.shape}, but the image plane has "
            f"{geometry.image_shape}"
        )
    ratio = mask_size / geometry.frame_size
    size = [max(1, round(n * ratio)) for n in geometry.resized_shape]
    soft = F.interpolate(
        torch.from_numpy(mask.astype(np.float32))[
            None, None
        ],  # a copy: it may be frozen
        size=size,
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )[0, 0]
    if mask.any() and not bool((soft > 0.5).any()):
        soft = soft / soft.max()  # thinner than a low-resolution pixel
    share = torch.zeros(mask_size, mask_size)
    share[: size[0], : size[1]] = soft
    return ((share - 0.5) * (2 * MASK_LOGIT)).numpy()
