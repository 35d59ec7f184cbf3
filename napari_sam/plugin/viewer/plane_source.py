"""The plane that a tool works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.viewer.layers import (
    display_range,
    plane_reader,
    plane_shown,
    plane_translate,
    shape_of,
    spatial_metadata,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane

__all__ = ["PlaneSource", "shown_plane"]


@dataclass(frozen=True, eq=False)
class PlaneSource:
    """The displayed plane of an image, and what makes new layers fit it.

    Attributes
    ----------
    image
        The image layer.
    plane
        The plane.
    read
        Reads its pixels; fit for another thread.
    contrast_limits
        What is shown black and white.
    """

    image: Any
    plane: Plane
    read: Callable[[], NDArray[Any]]
    contrast_limits: tuple[float, float]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.plane.shape_in(shape_of(self.image))

    def full(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return an array like the image that holds (H, W) values on the plane."""
        whole = np.zeros(shape_of(self.image), plane.dtype)
        whole[self.plane.slicer] = plane
        return whole

    @property
    def place(self) -> dict[str, Any]:
        """What puts a layer of one plane where this one lies."""
        translate = plane_translate(self.image, self.plane)
        return {**spatial_metadata(self.image), "translate": translate}


def shown_plane(viewer: Any, image: Any) -> PlaneSource:
    """Return the displayed plane of an image.

    Raises
    ------
    ValueError
        If there is no image, or the view shows no plane of it; says what to do.
    """
    if image is None:
        raise ValueError("open an image first")
    plane = plane_shown(viewer, image)
    if plane is None:
        raise ValueError(
            "this view does not show a plane of the image; leave the 3D view, or roll "
            "the axes until it does"
        )
    return PlaneSource(image, plane, plane_reader(image, plane), display_range(image))
