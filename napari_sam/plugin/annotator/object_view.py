"""Bringing an object into view: its plane, its place, and a size that is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.viewer.layers import part_in_view
from napari_sam.plugin.viewer.navigation import go_to_plane, go_to_point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["show_object"]

_ROOM = (1 / 40, 1 / 2)
"""Share of the view that an object takes up at least and at most once it is shown."""

_SHOWN_AS = 1 / 8
"""Share that it takes up where that was less, or more."""


def show_object(
    viewer: Any,
    image: Any,
    session: AnnotationSession,
    label: int,
    plane: Plane | None = None,
    *,
    zoom: bool = False,
) -> bool:
    """Bring an object into view; the view stays where it is in sight already.

    Parameters
    ----------
    viewer, image
        The napari viewer, and the image layer of the session.
    session
        Where the object is.
    label
        Which one.
    plane
        The plane that is shown, if any. It stays where the object lies on it; else
        the middle one of the object's planes is shown.
    zoom
        Also change the zoom where the object would be too small or too large to see.

    Returns
    -------
    bool
        False if there is no such object.
    """
    at = _pixels(session, plane, label)
    if plane is None or not len(at):
        planes = session.index.planes_of(label)
        if not planes:
            return False
        plane = planes[len(planes) // 2]
        go_to_plane(viewer, image, plane)
        at = _pixels(session, plane, label)
    if not len(at):
        return False
    top, left, bottom, right = part_in_view(image, plane)
    middle = at[np.abs(at - at.mean(axis=0)).sum(axis=1).argmin()]
    size = int(np.ptp(at, axis=0).max()) + 1
    share = size / max(1, min(bottom - top, right - left))
    zoom = zoom and not _ROOM[0] <= share <= _ROOM[1]
    go_to_point(viewer, image, plane.locate([middle])[0], centre=zoom)
    if zoom:
        camera = getattr(viewer, "scene", viewer).camera  # there since napari 0.9
        camera.zoom = camera.zoom * _SHOWN_AS / share
    return True


def _pixels(
    session: AnnotationSession, plane: Plane | None, label: int
) -> NDArray[np.intp]:
    """Return (N, 2) rows and columns of an object on a plane; none without a plane."""
    if plane is None:
        return np.zeros((0, 2), np.intp)
    return np.argwhere(session.canvas.read(plane) == label)
