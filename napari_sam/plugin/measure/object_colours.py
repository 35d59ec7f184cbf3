"""Colours a labels layer by what was measured of its objects; off with one call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from napari.utils.colormaps import DirectLabelColormap, ensure_colormap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ObjectColours"]

_MAP = "viridis"
_LEVELS = 128
"""Different colours at the most."""
_UNKNOWN = np.array([0.6, 0.6, 0.6, 1.0])
_NOTHING = np.zeros(4)


class ObjectColours:
    """The colours of one labels layer, and those that it had before."""

    def __init__(self) -> None:
        self._layer: ref[Any] | None = None
        self._before: Any = None

    @property
    def layer(self) -> Any:
        """The layer that is coloured, or None."""
        return None if self._layer is None else self._layer()

    def show(
        self, layer: Any, labels: Sequence[int], values: NDArray[np.float64]
    ) -> None:
        """Give each object the colour of its value, from the lowest to the highest.

        Parameters
        ----------
        layer
            The labels layer.
        labels
            (N,) its objects.
        values
            (N,) float64; an object without one, NaN, is grey.
        """
        if layer is not self.layer:
            self.clear()
            self._layer, self._before = ref(layer), layer.colormap
        colours = np.tile(_UNKNOWN, (len(labels), 1))
        known = np.isfinite(values)
        if known.any():
            low, high = np.percentile(values[known], (1, 99))
            share = (values[known] - low) / (high - low if high > low else 1.0)
            # few colours are quicker: napari then draws with one byte for each pixel
            level = np.rint(np.clip(share, 0, 1) * (_LEVELS - 1)).astype(int)
            scale = ensure_colormap(_MAP).map(np.linspace(0, 1, _LEVELS))
            colours[known] = scale[level]
        chosen: dict[int | None, Any] = {None: _UNKNOWN, 0: _NOTHING}
        chosen |= dict(zip(map(int, labels), colours, strict=True))
        layer.colormap = DirectLabelColormap(color_dict=chosen)

    def clear(self) -> None:
        """Give the layer the colours back that it had."""
        layer, self._layer = self.layer, None
        if layer is not None:
            layer.colormap = self._before
        self._before = None
