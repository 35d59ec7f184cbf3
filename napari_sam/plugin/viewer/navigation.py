"""Turning a viewer to a plane, or to a place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.viewer.layers import world_position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.ops.planes import Plane

__all__ = ["go_to_plane", "go_to_point"]


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


def go_to_point(viewer: Any, layer: Any, position: Sequence[float]) -> None:
    """Show the plane of a position in a layer's data, in the middle of the canvas.

    The zoom stays, and so do the axes that are displayed.
    """
    missing = viewer.dims.ndim - layer.ndim
    world = world_position(layer, position)
    displayed = tuple(viewer.dims.displayed)
    for axis in viewer.dims.not_displayed:
        if axis >= missing:
            viewer.dims.set_point(axis, float(world[axis - missing]))
    camera = getattr(viewer, "scene", viewer).camera
    center = list(camera.center)
    for place, axis in enumerate(reversed(displayed), start=1):
        if axis >= missing:
            center[-place] = float(world[axis - missing])
    camera.center = tuple(center)
