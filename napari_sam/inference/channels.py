"""Which axis of an image is that of its channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.views import PlaneEmbedding

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["channels_last", "check_channel_axis"]

_MAX_CHANNELS = 4


def check_channel_axis(shape: tuple[int, ...], channel_axis: int) -> int:
    """Return the axis counted from the front.

    Raises
    ------
    ValueError
        If there is no such axis, or it has not 1 to 4 channels.
    """
    if not -len(shape) <= channel_axis < len(shape):
        raise ValueError(
            f"channel_axis is {channel_axis}, but the image has {len(shape)} axes: its "
            f"shape is {shape}"
        )
    axis = channel_axis % len(shape)
    if not 1 <= shape[axis] <= _MAX_CHANNELS:
        raise ValueError(
            f"channel_axis is {channel_axis}, along which an image of shape {shape} "
            f"has {shape[axis]} channels; wanted 1 to {_MAX_CHANNELS}"
        )
    return axis


def channels_last(image: ArrayLike | PlaneEmbedding, channel_axis: int | None) -> Any:
    """Return an image plane as (H, W, C); as it is without a `channel_axis`.

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
    return np.moveaxis(array, check_channel_axis(array.shape, channel_axis), -1)
