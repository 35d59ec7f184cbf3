"""Rings around the selected objects on the canvas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Points

from napari_sam.plugin.viewer.layer_insertion import insert_unselected
from napari_sam.plugin.viewer.layers import HELPER_MARK, spatial_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SelectionMarks"]

_NAME = "SAM selection"
_ROOM = 1.25
"""How much wider than the object its ring is."""


class SelectionMarks:
    """A points layer with a ring around each selected object.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layer: Any = None

    @property
    def layer(self) -> Any:
        """The layer of the rings, or None while there is none."""
        there = self._layer is not None and self._layer in self._viewer.layers
        return self._layer if there else None

    def show(
        self,
        labels: Any,
        positions: NDArray[np.float64],
        sizes: NDArray[np.float64],
    ) -> None:
        """Mark objects, each on the plane of its middle.

        Parameters
        ----------
        labels
            Their layer.
        positions
            (N, ndim), their middles in its data.
        sizes
            (N,) their diameters in its pixels.
        """
        layer = self.layer
        if layer is not None and layer.ndim != labels.ndim:
            self.close()
            layer = None
        if layer is None:
            if not len(positions):
                return
            layer = self._add(labels)
        before = spatial_metadata(layer)
        for name, value in spatial_metadata(labels).items():
            if not np.array_equal(before[name], value):  # each draws the layer anew
                setattr(layer, name, value)
        layer.data = positions
        layer.size = sizes * _ROOM if len(sizes) else 1
        layer.selected_data = set()

    def _add(self, labels: Any) -> Any:
        """Bring the layer into the viewer; what is selected there stays selected."""
        layer = Points(
            np.zeros((0, labels.ndim)),
            face_color="transparent",
            border_color="#ffd23f",
            border_width=0.06,
            name=_NAME,
            metadata={HELPER_MARK: True},
        )
        layer.editable = False
        layers = self._viewer.layers
        insert_unselected(layers, len(layers), layer)
        self._layer = layer
        return layer

    def close(self) -> None:
        """Take the rings away."""
        layer, self._layer = self.layer, None
        if layer is not None:
            self._viewer.layers.remove(layer)
