"""The layer that shows an object as it grows, on every plane and in the 3D view."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_sam.plugin.annotator.prompt_layers import PREVIEW_COLOR, preview_colors
from napari_sam.plugin.viewer.layers import (
    HELPER_MARK,
    shifted_translate,
    spatial_metadata,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.growing.grown_object import GrownObject

__all__ = ["GrownLayer"]


class GrownLayer:
    """The layer "SAM object" of a viewer: as large as the box of the object.

    It is paler than the preview: planes on which something was said stand out.

    Parameters
    ----------
    viewer
        The napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: dict[int, Labels] = {}

    @property
    def layer(self) -> Labels | None:
        """The layer that is shown, or None."""
        shown = [one for one in self._layers.values() if one.visible]
        return shown[0] if shown else None

    def show(
        self, grown: Sequence[GrownObject], image: Any, plane: Plane, axis: int
    ) -> None:
        """Show objects; nothing where there is none.

        Parameters
        ----------
        grown
            In one stack; the first is that in hand.
        image
            The image layer.
        plane
            A plane of the stack.
        axis
            Along which the planes of the stack lie.
        """
        grown = [one for one in grown if one.mask.any()]
        if not grown:
            self.hide()
            return
        low = np.min([one.corner for one in grown], axis=0)
        ends = [np.add(one.corner, one.mask.shape) for one in grown]
        data = np.zeros(np.max(ends, axis=0) - low, np.uint8)
        for one in reversed(grown):
            at = np.subtract(one.corner, low)
            part = data[tuple(map(slice, at, at + one.mask.shape))]
            part[one.mask] = 1
        order = (axis, *plane.axes)
        data = data.transpose(np.argsort(order))
        offset = [0 if i is None else i for i in plane.index]
        for place, start in zip(order, low.tolist(), strict=True):
            offset[place] = start
        sizes = iter(data.shape)
        shape = [next(sizes) if a in order else 1 for a in range(plane.ndim)]
        self._put(data.reshape(shape), image, offset)

    def _put(self, data: Any, image: Any, offset: list[int]) -> None:
        layer = self._layers.get(data.ndim)
        if layer is None:
            layer = self._layers[data.ndim] = Labels(
                data,
                name="SAM object",
                opacity=0.35,
                colormap=preview_colors(PREVIEW_COLOR),
                metadata={HELPER_MARK: True},
            )
            layer.editable = False
        layer.data = data
        for name, value in spatial_metadata(image).items():
            setattr(layer, name, value)
        layer.translate = shifted_translate(image, offset)
        layer.visible = True
        layers = self._viewer.layers
        if layer not in layers:
            active = layers.selection.active
            above = layers.index(image) + 1 if image in layers else len(layers)
            layers.insert(above, layer)
            layers.selection.active = active

    def hide(self) -> None:
        """Show no object; the layer stays, for to remove one can crash napari."""
        with suppress(RuntimeError, AttributeError):  # the window is gone
            for layer in self._layers.values():
                if layer.visible:
                    layer.visible = False
