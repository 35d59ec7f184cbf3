"""Turning a viewer to a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.viewer.layers import world_position

if TYPE_CHECKING:
    from napari_sam.ops.planes import Plane

__all__ = ["go_to_plane"]


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
