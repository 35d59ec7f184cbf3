"""The part of a large image that the window shows, as an image to work on.

A plane of hundreds of millions of pixels is not given to the model as a whole: its
objects would be specks, and masks of its size fill the memory. The part in view becomes
a layer of its own at full resolution, where it lies; its labels are a window on those
of the whole, so that what is kept there is kept in the large layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels

from napari_sam.plugin.viewer.layers import (
    full_data,
    part_in_view,
    plane_shown,
    shape_of,
    shifted_translate,
    spatial_metadata,
)

if TYPE_CHECKING:
    from napari_sam.ops.planes import Plane

__all__ = ["LARGEST", "open_part", "size_if_too_large", "whole_labels"]

LARGEST = 4096**2
"""Pixels up to which a plane is worked on as a whole."""

_WHOLE = "napari-sam whole"
"""Where the labels of a part keep the array that they are a window on."""


def size_if_too_large(viewer: Any, image: Any) -> tuple[int, int] | None:
    """Return (H, W) of the planes of an image that is worked on part by part.

    None for an image that is worked on as a whole.
    """
    shape = shape_of(image)
    plane = plane_shown(viewer, image)
    height, width = shape[-2:] if plane is None else plane.shape_in(shape)
    return (height, width) if height * width > LARGEST else None


def whole_labels(layer: Any) -> Any:
    """Return the labels that a layer is a window on, or the layer's own."""
    return layer.metadata.get(_WHOLE, layer.data)


def open_part(viewer: Any, image: Any, labels: Any) -> tuple[Image, Labels]:
    """Add the part of an image that is shown, and the labels there, to a viewer.

    Parameters
    ----------
    viewer
        The napari viewer.
    image
        The large image layer.
    labels
        The labels layer that is chosen. If it does not have the image's shape, they
        are written to the layer "IMAGE objects"; without one, it is made, not shown.

    Returns
    -------
    part, window
        The new layers. What is written to the second is written to the labels.

    Raises
    ------
    ValueError
        If the view shows no part of the image, or one that is too large, or the
        labels are not an array in memory.
    """
    plane = plane_shown(viewer, image)
    if plane is None:
        raise ValueError("this view does not show a plane of the image")
    corner, slices, name = _part(image, plane)
    whole = _labels_of(viewer, image, labels) or _new_labels(viewer, image)
    data = whole.data
    if not isinstance(data, np.ndarray):
        raise ValueError(
            f"“{whole.name}” is no array in memory; choose “New labels layer” above"
        )
    place = {
        **spatial_metadata(image),
        "translate": shifted_translate(image, corner),
    }
    part = Image(
        _cut(full_data(image), slices),
        name=f"{image.name} {name}",
        rgb=image.rgb,
        blending=image.blending,
        **({} if image.rgb else _look_of(image)),
        **place,
    )
    window = Labels(
        data[slices],
        name=f"{whole.name} {name}",
        metadata={_WHOLE: data},
        **place,
    )
    window.events.paint.connect(lambda: whole.visible and whole.refresh())
    step = viewer.dims.current_step
    viewer.add_layer(part)
    viewer.add_layer(window)
    viewer.dims.current_step = step
    return part, window


def _part(image: Any, plane: Plane) -> tuple[list[int], tuple[slice, ...], str]:
    """Return corner, slices and name of the part in view."""
    top, left, bottom, right = part_in_view(image, plane)
    pixels = (bottom - top) * (right - left)
    if pixels <= 0:
        raise ValueError("the view shows no part of the image; move it over the image")
    if pixels > LARGEST:
        raise ValueError(
            f"the view shows {bottom - top} x {right - left} pixels; zoom in until it "
            f"shows at most about {int(LARGEST**0.5)} x {int(LARGEST**0.5)}"
        )
    corner = [0] * plane.ndim
    slices = [slice(None)] * plane.ndim
    row, col = plane.axes
    corner[row], corner[col] = top, left
    slices[row], slices[col] = slice(top, bottom), slice(left, right)
    return corner, tuple(slices), f"[{top}:{bottom}, {left}:{right}]"


def _cut(data: Any, slices: tuple[slice, ...]) -> Any:
    """Cut a part out without reading it."""
    if isinstance(data, np.ndarray) or hasattr(data, "dask"):
        return data[slices]
    import dask.array as da

    return da.from_array(data)[slices]


def _look_of(image: Any) -> dict[str, Any]:
    return {
        "contrast_limits": tuple(image.contrast_limits),
        "colormap": image.colormap,
        "gamma": image.gamma,
    }


def _labels_of(viewer: Any, image: Any, chosen: Any) -> Any:
    """Find the labels layer of all of an image, or None."""
    named = [one for one in viewer.layers if one.name == _name(image)]
    for layer in (chosen, *named):
        if isinstance(layer, Labels) and tuple(layer.data.shape) == shape_of(image):
            return layer
    return None


def _name(image: Any) -> str:
    return f"{image.name} objects"


def _new_labels(viewer: Any, image: Any) -> Labels:
    """Make labels for all of an image; memory is taken only where they are written."""
    shape = shape_of(image)
    try:
        data = np.zeros(shape, np.int32)
    except MemoryError:
        raise ValueError(f"there is no memory for labels of shape {shape}") from None
    layer = Labels(
        data,
        name=_name(image),
        visible=False,
        **spatial_metadata(image),
    )
    viewer.layers.insert(viewer.layers.index(image) + 1, layer)
    return layer
