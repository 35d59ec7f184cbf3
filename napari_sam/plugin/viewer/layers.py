"""Where a layer lies, which plane of it is shown, and what it holds there.

The one place where world and data coordinates meet.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from napari.layers import Image, Labels
from napari.utils.transforms import Affine

from napari_sam.io.calibration import Calibration
from napari_sam.ops.planes import Plane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "HELPER_MARK",
    "calibration_of",
    "covered_by",
    "data_position",
    "display_range",
    "full_data",
    "is_helper",
    "is_labels_of_user",
    "layers_above",
    "looks_black",
    "onto_plane",
    "part_in_view",
    "pixel_size_of",
    "place_emitters",
    "plane_reader",
    "plane_shown",
    "plane_translate",
    "position_on_plane",
    "shape_of",
    "shifted_translate",
    "spacing_of",
    "spatial_metadata",
    "stretch_contrast",
    "to_layer",
    "world_position",
]


HELPER_MARK = "napari-sam helper"
"""In the metadata of layers that show prompts and previews, not the user's data."""

_COLOUR_LIMITS: dict[int, tuple[ref[Any], tuple[float, float]]] = {}
"""Limits of the arrays of open layers, by their identity: each is read once."""

_PLACE_EVENTS = ("scale", "translate", "rotate", "shear", "affine", "units")


def shape_of(image: Any) -> tuple[int, ...]:
    """Return the shape of an image layer without its colour axis, full resolution."""
    shape = tuple(int(size) for size in full_data(image).shape)
    return shape[:-1] if getattr(image, "rgb", False) else shape


def is_helper(layer: Any) -> bool:
    """Whether a layer shows prompts or a preview, and is nothing to save or to use."""
    return HELPER_MARK in layer.metadata


def spatial_metadata(layer: Any) -> dict[str, Any]:
    """Return what puts another layer of the same axes in the same place.

    One layer left in pixels beside another in micrometres switches units off for
    all, so the units come along.
    """
    return {
        "scale": np.asarray(layer.scale, float),
        "translate": np.asarray(layer.translate, float),
        "rotate": np.asarray(layer.rotate, float),
        "shear": np.asarray(layer.shear, float),
        "affine": np.asarray(layer.affine.affine_matrix, float),
        "units": tuple(str(unit) for unit in layer.units),
    }


def calibration_of(layer: Any) -> Calibration | None:
    """Return what a layer says of its axes; None where it has no scale and no units.

    The names of the axes are the layer's where they are letters, else (T, Z,) Y, X.
    """
    units = tuple(None if str(u) == "pixel" else str(u) for u in layer.units)
    scale = tuple(float(abs(size)) for size in layer.scale)
    if not any(units) and all(size == 1 for size in scale):
        return None
    axes = "".join(layer.axis_labels)
    if len(axes) != layer.ndim or not axes.isalpha():
        axes = "tzyx"[-layer.ndim :]
    if len(axes) != layer.ndim:
        return None
    last = units[-1] or ""
    text = "micron" if last == "micrometer" else last
    return Calibration(axes.lower(), scale, units, "imagej", text)


def pixel_size_of(image: Any, plane: Plane) -> tuple[float, float] | None:
    """Return (row, col) in micrometres of a pixel of a plane; None without lengths."""
    sizes = []
    for axis in plane.axes:
        unit = image.units[axis]
        if not unit.is_compatible_with("micrometer"):
            return None
        length = abs(float(image.scale[axis])) * unit
        sizes.append(float(length.to("micrometer").magnitude))
    return sizes[0], sizes[1]


def is_labels_of_user(layer: Any) -> bool:
    """Whether a layer holds labels to work on, and is no preview of ours."""
    return isinstance(layer, Labels) and not is_helper(layer)


def layers_above(layers: Any, layer: Any) -> list[Any]:
    """Return the layers that lie above one of them, the lowest first.

    A slice of napari's list is another such list, to which each layer and the menus are
    connected for good: they would grow with every look.
    """
    return list(layers)[layers.index(layer) + 1 :]


def covered_by(viewer: Any, image: Any) -> Any:
    """Return the image layer that hides an image from view, or None.

    That is one above it that is visible, lets nothing shine through, and reaches over
    half of it.
    """
    if image not in viewer.layers:
        return None
    low, high = (np.asarray(end)[-2:] for end in image.extent.world)
    for layer in layers_above(viewer.layers, image):
        is_opaque = layer.opacity > _OPAQUE and str(layer.blending) in _HIDING
        if not (isinstance(layer, Image) and layer.visible and is_opaque):
            continue
        first, last = (np.asarray(end)[-2:] for end in layer.extent.world)
        common = np.minimum(high, last) - np.maximum(low, first)
        if (common > 0).all() and 2 * common.prod() > (high - low).prod():
            return layer
    return None


_OPAQUE = 0.9
_HIDING = ("opaque", "translucent", "translucent_no_depth")


def shifted_translate(layer: Any, offset: Sequence[float]) -> NDArray[np.float64]:
    """Return the translate that puts pixel 0 where `layer` has pixel `offset`."""
    linear = Affine(
        scale=layer.scale, rotate=layer.rotate, shear=layer.shear, ndim=layer.ndim
    ).linear_matrix
    moved = np.asarray(layer.translate) + linear @ np.asarray(offset, float)
    return np.asarray(moved, float)


def plane_translate(image: Any, plane: Plane) -> NDArray[np.float64]:
    """Return the translate that puts a layer of one plane where the plane lies."""
    return shifted_translate(image, [0 if i is None else i for i in plane.index])


def place_emitters(layer: Any) -> Iterator[Any]:
    """Yield what is emitted when a layer is moved, scaled or turned."""
    for name in _PLACE_EVENTS:
        if hasattr(layer.events, name):
            yield getattr(layer.events, name)


def plane_shown(viewer: Any, image: Any) -> Plane | None:
    """Return the plane of an image that a viewer shows, or None if it shows none.

    None in a 3D view, where an axis that the image lacks runs, or where the
    viewer stands outside the image.
    """
    dims = viewer.dims
    if dims.ndisplay != 2:
        return None
    missing = dims.ndim - image.ndim
    running = [axis - missing for axis in dims.displayed]
    if min(running) < 0:
        return None
    at = np.asarray(image.world_to_data(dims.point))
    index = tuple(
        None if axis in running else int(np.round(at[axis]))
        for axis in range(image.ndim)
    )
    shape = shape_of(image)
    inside = all(
        i is None or 0 <= i < size for i, size in zip(index, shape, strict=True)
    )
    return Plane(index) if inside else None


def position_on_plane(
    image: Any, plane: Plane, world: Sequence[float]
) -> tuple[float, float] | None:
    """Return the (row, col) of a world position on a plane, or None if outside."""
    (position,) = plane.project([image.world_to_data(world)]).tolist()
    shape = plane.shape_in(shape_of(image))
    if all(-0.5 <= p < size - 0.5 for p, size in zip(position, shape, strict=True)):
        return position[0], position[1]
    return None


def data_position(layer: Any, world: Sequence[float]) -> NDArray[np.float64]:
    """Return (ndim,), where a world position lies in a layer's data."""
    return np.asarray(layer.world_to_data(world), np.float64)


def world_position(layer: Any, position: Any) -> NDArray[np.float64]:
    """Return (ndim,), where a position in a layer's data lies in the world."""
    return np.asarray(layer.data_to_world(position), np.float64)


def spacing_of(layer: Any) -> tuple[float, ...]:
    """Return the size of a layer's pixels along each axis, as napari scales them."""
    return tuple(abs(float(step)) for step in layer.scale)


def to_layer(
    target: Any, source: Any, positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bring (N, ndim) positions in one layer to another of as many axes."""
    world = _affinely(source.data_to_world, positions)
    return _affinely(target.world_to_data, world)


def _affinely(
    convert: Callable[[Any], Any], positions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Convert (N, ndim) positions at once with a conversion of one, which is affine."""
    ndim = positions.shape[1]
    zero = np.asarray(convert(np.zeros(ndim)))
    axes = np.array([np.asarray(convert(unit)) - zero for unit in np.eye(ndim)])
    return np.asarray(positions @ axes + zero, np.float64)


def onto_plane(
    source: Any, positions: Any, viewer: Any, image: Any, plane: Plane
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Bring positions in one layer to a plane of an image.

    Parameters
    ----------
    source
        The layer in whose pixels the positions are; on axes that it lacks, it is
        where the viewer stands.
    positions
        (N, ndim of the source).

    Returns
    -------
    (N, 2) float64
        (row, col) on the plane.
    (N,) bool
        Whether the position lies on this plane and not on another one.
    """
    given = np.asarray(positions, np.float64).reshape(-1, source.ndim)
    world = np.tile(np.asarray(viewer.dims.point, np.float64), (len(given), 1))
    world[:, -source.ndim :] = _affinely(source.data_to_world, given)
    data = _affinely(image.world_to_data, world[:, -image.ndim :])
    here = np.ones(len(given), np.bool_)
    for axis, index in enumerate(plane.index):
        if index is not None:
            here &= np.abs(data[:, axis] - index) <= 0.5 + 1e-6
    return plane.project(data), here


def part_in_view(image: Any, plane: Plane) -> tuple[int, int, int, int]:
    """Return (row0, col0, row1, col1), half open, of what the canvas shows of a plane.

    It has no pixel where the view lies beside the image.
    """
    corners = np.asarray(image.corner_pixels, np.float64)
    if image.multiscale:
        corners = corners * image.downsample_factors[image.data_level]
    low, high = plane.project(corners)
    shape = plane.shape_in(shape_of(image))
    r0, c0 = (int(np.clip(np.floor(v), 0, n)) for v, n in zip(low, shape, strict=True))
    r1, c1 = (int(np.clip(np.ceil(v), 0, n)) for v, n in zip(high, shape, strict=True))
    return r0, c0, r1, c1


def plane_reader(image: Any, plane: Plane) -> Callable[[], NDArray[Any]]:
    """Return a function that reads one plane of an image, fit for another thread.

    Only the plane is read of a lazy or multiscale image, the latter at its full
    resolution.
    """
    data = full_data(image)

    def read() -> NDArray[Any]:
        return np.asarray(plane.take(data))

    return read


def display_range(image: Any) -> tuple[float, float]:
    """Return the intensities that the model sees black and white.

    Of gray those that are shown; of colour, whose range napari has no slider for, those
    of every command: see `napari_sam.inference.preprocess.colour_limits`.
    """
    if not image.rgb:
        low, high = image.contrast_limits
        return float(low), float(high)
    data = full_data(image)
    kept = _COLOUR_LIMITS.get(id(data))
    if kept is not None and kept[0]() is data:
        return kept[1]
    from napari_sam.inference.preprocess import colour_limits

    limits = colour_limits(data)
    with suppress(TypeError):  # of what cannot be referred to weakly
        forget = partial(_COLOUR_LIMITS.pop, id(data), None)
        _COLOUR_LIMITS[id(data)] = (ref(data, lambda _: forget()), limits)
    return limits


def full_data(image: Any) -> Any:
    """Return the array of an image layer, that of full resolution."""
    return image.data[0] if image.multiscale else image.data


_DARK = 0.1
"""Of the range of contrast; what is darker than this is hardly told from black."""

_NEARLY_ALL = 99.9
"""Per cent of the pixels; the others may be outliers."""

_STRETCH = (0.5, 99.8)
"""Percentiles that are shown black and white after the contrast was stretched."""

_LOOKED_AT = 256
"""Pixels along a side of a plane that are looked at: there is no time for more."""

_MIDDLE = 1024
"""Of a lazy plane, no more than so many pixels along a side are read."""


def looks_black(image: Any, plane: Plane) -> bool:
    """Say whether a plane is shown nearly black, although there is something in it.

    That is so where a few outliers, or the range of the type, set the limits of
    contrast. The model sees what is shown, and finds nothing then.

    Parameters
    ----------
    image
        The image layer. In a colour image, which has no limits of contrast, nothing
        could be stretched; the answer is False.
    plane
        Which plane of it.
    """
    if image.rgb:
        return False
    values = _sample(image, plane)
    low, high = (float(limit) for limit in image.contrast_limits)
    if not values.size or high <= low:
        return False
    first, dark, bright = np.percentile(values, [_STRETCH[0], _STRETCH[1], _NEARLY_ALL])
    return bool(bright < low + _DARK * (high - low) and dark > first)


def stretch_contrast(image: Any, plane: Plane) -> None:
    """Set the limits of contrast to what a plane holds, without outliers."""
    values = _sample(image, plane)
    if image.rgb or not values.size:
        return
    low, high = np.percentile(values, _STRETCH).tolist()
    if high > low:
        image.contrast_limits = (low, high)


def _sample(image: Any, plane: Plane) -> NDArray[np.float64]:
    """Return some finite values of a plane: all along it; a lazy one's middle."""
    data = full_data(image)
    row, col = plane.axes
    slicer: list[Any] = [0 if i is None else i for i in plane.index]
    for axis in (row, col):
        size = int(data.shape[axis])
        read = size if isinstance(data, np.ndarray) else min(size, _MIDDLE)
        start = (size - read) // 2
        slicer[axis] = slice(start, start + read, max(1, -(-read // _LOOKED_AT)))
    values = np.asarray(data[tuple(slicer)], np.float64)
    return values[np.isfinite(values)]
