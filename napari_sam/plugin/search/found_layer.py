"""The layer that shows what was found and not kept yet."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_sam.plugin.viewer.layers import (
    HELPER_MARK,
    plane_translate,
    spatial_metadata,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane

__all__ = ["FOUND_LAYER", "FoundLayer"]

FOUND_LAYER = "SAM objects found"
"""Name of the layer."""

_DIM = 0.15
"""Opacity of labels that what was found lies over: the two look the same."""


class FoundLayer:
    """A Labels layer on one plane of an image; there only while it is wanted.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._image: Any = None
        self._plane: Plane | None = None
        self.layer: Any = None
        self.is_changing = False
        self._dimmed: tuple[Any, float] | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self._viewer.layers

    def show(
        self,
        image: Any,
        plane: Plane,
        labels: NDArray[np.int32],
        highest: int,
        over: Any = None,
    ) -> None:
        """Show (H, W) labels on a plane of an image.

        Parameters
        ----------
        image
            The image layer.
        plane
            The plane of it.
        labels
            What to show.
        highest
            The highest label that this preview will ever hold.
        over
            The labels layer with the objects that are there already, or None. It is
            dim until the preview leaves.
        """
        data = plane.thicken(labels)
        if highest <= np.iinfo(np.uint16).max:
            data = data.astype(np.uint16)  # napari draws it without a detour
        same = image is self._image and plane == self._plane
        if self.is_shown and same and data.dtype == self.layer.data.dtype:
            # Setting the data costs several times as much: extents, dims, history.
            self.layer.data[...] = data
            self.layer.refresh(extent=False, highlight=False, thumbnail=False)
            self._dim(over)
            return
        self.take_down()
        self._dim(over)
        self._image, self._plane = image, plane
        self.layer = Labels(
            data,
            name=FOUND_LAYER,
            opacity=0.6,
            metadata={HELPER_MARK: True},
            **spatial_metadata(image),
        )
        self.place_like_image()
        self.layer.editable = False
        self._add()

    def _add(self) -> None:
        """Put the layer on top, but leave the active layer active."""
        selection = self._viewer.layers.selection
        active = selection.active
        self.is_changing = True
        try:
            self._viewer.add_layer(self.layer)
            if active is not None:
                selection.active = active
        finally:
            self.is_changing = False

    def _dim(self, layer: Any) -> None:
        """Make labels dim, and those before as they were, unless the user did so."""
        if self._dimmed is not None:
            before, opacity = self._dimmed
            if before is layer:
                return
            self._dimmed = None
            if before.opacity == _DIM:
                before.opacity = opacity
        if layer is not None and layer.opacity > _DIM:
            self._dimmed = layer, layer.opacity
            layer.opacity = _DIM

    def place_like_image(self) -> None:
        """Follow the image after it was moved or scaled."""
        if self.layer is None or self._plane is None:
            return
        for name, value in spatial_metadata(self._image).items():
            setattr(self.layer, name, value)
        self.layer.translate = plane_translate(self._image, self._plane)

    def take_down(self) -> None:
        """Take the layer out of the viewer."""
        self._dim(None)
        layer, self.layer = self.layer, None
        self.is_changing = True
        try:
            with suppress(RuntimeError, AttributeError):  # the window is gone
                if layer is not None and layer in self._viewer.layers:
                    self._viewer.layers.remove(layer)
        finally:
            self.is_changing = False
