"""Turning a viewer to a plane, or to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.viewer.layers import world_position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.ops.planes import Plane

__all__ = ["go_to_plane", "go_to_point"]

_EDGE = 0.05
"""Part of what is seen, at each of its sides, that counts as out of sight."""


def go_to_plane(viewer: Any, image: Any, plane: Plane) -> None:
    """Show a plane of an image: roll the axes if need be, then step to it."""
    missing = viewer.dims.ndim - image.ndim
    shown = tuple(sorted(viewer.dims.displayed))
    wanted = tuple(axis + missing for axis in plane.axes)
    if viewer.dims.ndisplay != 2:
        viewer.dims.ndisplay = 2
    if shown != wanted:
        standing = [axis for axis in range(viewer.dims.ndim) if axis not in wanted]
        viewer.dims.order = (*standing, *wanted)
    world = world_position(image, plane.locate([(0.0, 0.0)])[0])
    for axis, index in enumerate(plane.index):
        if index is not None:
            viewer.dims.set_point(axis + missing, world[axis])


def go_to_point(
    viewer: Any, layer: Any, position: Sequence[float], *, centre: bool = False
) -> None:
    """Show the plane of a position in a layer's data, with the position in sight.

    The camera moves only if it has to, and takes the position to the middle of the
    canvas then; or always, with `centre`. The zoom stays, and so do the axes that are
    displayed.
    """
    missing = viewer.dims.ndim - layer.ndim
    world = world_position(layer, position)
    displayed = tuple(viewer.dims.displayed)
    for axis in viewer.dims.not_displayed:
        if axis >= missing:
            viewer.dims.set_point(axis, float(world[axis - missing]))
    shown = [axis - missing for axis in displayed if axis >= missing]
    is_flat = len(displayed) == 2 and not centre
    if is_flat and _is_in_sight(layer, position, shown):
        return
    camera = getattr(viewer, "scene", viewer).camera
    center = list(camera.center)
    for place, axis in enumerate(reversed(displayed), start=1):
        if axis >= missing:
            center[-place] = float(world[axis - missing])
    camera.center = tuple(center)


def _is_in_sight(layer: Any, position: Sequence[float], axes: list[int]) -> bool:
    """Whether a position lies in what was drawn of a layer, not quite at its edge."""
    if not layer.visible:
        return False  # what it knows of the canvas is of the time when it was seen
    corners = np.asarray(layer.corner_pixels, np.float64)[:, axes]
    if getattr(layer, "multiscale", False):
        corners = corners * np.asarray(layer.downsample_factors)[layer.data_level][axes]
    low, high = corners
    ends = np.asarray(layer.extent.data)[:, axes]
    edge = _EDGE * (high - low)
    place = np.asarray(position, np.float64)[axes]
    is_below = (place < low + edge) & (low > ends[0])
    is_above = (place > high - edge) & (high < ends[1])
    return bool((high > low).all() and not (is_below | is_above).any())
