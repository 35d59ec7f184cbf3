"""Which axis of an image is that of its channels, and what the model sees of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.plane_views import PlaneEmbedding
from napari_sam.io.channel_array import ChannelArray
from napari_sam.ops.channel_composite import ChannelComposite

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = [
    "are_colour",
    "as_colour",
    "channels_last",
    "check_channel_axis",
    "colour_last",
]

_COLOURS = 4
"""Channels of a picture at the most: red, green, blue and opacity."""


def check_channel_axis(shape: tuple[int, ...], channel_axis: int) -> int:
    """Return the axis counted from the front.

    Raises
    ------
    ValueError
        If there is no such axis, or it is longer than a plane is wide or high.
    """
    if not -len(shape) <= channel_axis < len(shape):
        raise ValueError(
            f"channel_axis is {channel_axis}, but the image has {len(shape)} axes: its "
            f"shape is {shape}"
        )
    axis = channel_axis % len(shape)
    plane = [n for a, n in enumerate(shape) if a != axis][-2:]
    if shape[axis] < 1 or (shape[axis] > _COLOURS and shape[axis] > min(plane)):
        raise ValueError(
            f"channel_axis is {channel_axis}, along which an image of shape {shape} "
            f"has {shape[axis]} channels, more than its planes of {plane[0]} x "
            f"{plane[1]} pixels have rows or columns; wanted the axis of the channels"
        )
    return axis


def are_colour(count: int, dtype: Any) -> bool:
    """Whether so many channels are a colour picture: three or four of 8 bit."""
    return count in (3, _COLOURS) and np.dtype(dtype) == np.uint8


def channels_last(image: ArrayLike | PlaneEmbedding, channel_axis: int | None) -> Any:
    """Return an image plane as the model sees it; as it is without a `channel_axis`.

    Returns
    -------
    (H, W, 1), (H, W, 3) or (H, W, 4) array
        One channel, or a colour picture, in the image's own type; of other channels
        the uint8 of their `ChannelComposite`.

    Raises
    ------
    ValueError
        If the axis does not suit the image, or an embedding was given with one.
    """
    if channel_axis is None:
        return image
    if isinstance(image, PlaneEmbedding):
        raise ValueError("an embedding has no channels; leave out channel_axis")
    array = np.asarray(image)
    if array.ndim != 3:
        raise ValueError(
            f"an image plane with channel_axis has three axes, got shape {array.shape}"
        )
    last = np.moveaxis(array, check_channel_axis(array.shape, channel_axis), -1)
    count = last.shape[-1]
    if count == 1 or are_colour(count, last.dtype) or last.dtype.kind not in "buif":
        return last
    return ChannelComposite.of(last).apply(last)


def as_colour(array: Any, channel_axis: int) -> tuple[Any, int]:
    """Return an array whose channels are gray or a colour, and their axis.

    Parameters
    ----------
    array
        (..., H, W) with the channels along one axis; anything with a shape, a dtype
        and slicing.
    channel_axis
        That axis, counted from the front.

    Returns
    -------
    array, axis
        The same array where it has one channel, or is a colour picture; else a
        `ChannelArray`, whose last axis is red, green and blue.
    """
    count = int(array.shape[channel_axis])
    if count == 1 or are_colour(count, array.dtype):
        return array, channel_axis
    others = len(array.shape) - 1
    letters = list("abdefghijk"[: others - 2] + "yx")
    letters.insert(channel_axis, "c")
    return ChannelArray(array, "".join(letters), range(count)), others


def colour_last(image: Any, channel_axis: int) -> Any:
    """Return an array of planes with their channels last, as colour.

    Raises
    ------
    ValueError
        If the axis does not suit the image.
    """
    if not hasattr(image, "shape"):
        image = np.asarray(image)
    shape = tuple(int(n) for n in image.shape)
    array, axis = as_colour(image, check_channel_axis(shape, channel_axis))
    if axis == len(array.shape) - 1:
        return array
    return np.moveaxis(np.asarray(array), axis, -1)
