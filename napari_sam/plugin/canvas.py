"""A napari Labels layer as the canvas of an annotation session."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane

__all__ = ["LARGE", "LayerCanvas", "why_not_writable"]

LARGE = 2**25
"""Voxels from which the labels are not searched on the window's thread."""


class LayerCanvas:
    """Labels written through `Labels.data_setitem`, napari's own undoable path.

    Parameters
    ----------
    layer
        The layer, or None for one that is made when the first label is written.
    shape
        Shape of the labels.
    make
        Makes and shows the layer.
    """

    def __init__(
        self,
        layer: Labels | None,
        shape: tuple[int, ...],
        make: Callable[[], Labels] | None = None,
    ) -> None:
        self.layer = layer
        self._shape = shape
        self._make = make
        self.is_writing = False
        self._is_shown_later = False

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the labels."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Integer type of the labels; int32 for a layer still to be made."""
        if self.layer is None:
            return np.dtype(np.int32)
        dtype: np.dtype[Any] = np.dtype(self.layer.data.dtype)
        return dtype

    def highest(self) -> int:
        """Return the highest label; 0 for labels too `LARGE` to be searched here."""
        if self.layer is None or np.prod(self._shape, dtype=float) > LARGE:
            return 0
        return max(0, int(np.asarray(self.layer.data).max(initial=0)))

    def read(self, plane: Plane) -> NDArray[Any]:
        """Return the labels of a plane."""
        if self.layer is None:
            return np.zeros(plane.shape_in(self._shape), self.dtype)
        return np.asarray(plane.take(self.layer.data))

    def write(
        self,
        plane: Plane,
        rows: NDArray[np.intp],
        cols: NDArray[np.intp],
        values: NDArray[Any],
    ) -> None:
        """Write values as one step of the layer's own history."""
        if self.layer is None:
            if self._make is None:
                raise ValueError("there is no labels layer to write to")
            self.layer = self._make()
        self.is_writing = True
        try:
            self.layer.data_setitem(
                plane.indices(rows, cols), values, refresh=not self._is_shown_later
            )
        finally:
            self.is_writing = False

    @contextmanager
    def one_step(self) -> Iterator[None]:
        """Make all that is written within the block one step of the layer's history."""
        if self.layer is None:
            yield
            return
        self._is_shown_later = True
        try:
            with self.layer.block_history():
                yield
        finally:
            self._is_shown_later = False
            self.layer.refresh()


def why_not_writable(layer: Labels, shape: tuple[int, ...]) -> str:
    """Say why objects cannot be written to a layer; empty where they can."""
    if layer.multiscale:
        return f"“{layer.name}” is multiscale and cannot be painted. Choose another."
    if tuple(layer.data.shape) != tuple(shape):
        return (
            f"“{layer.name}” has shape {_by(layer.data.shape)}, the image "
            f"{_by(shape)}. Choose labels of the image's shape, or a new layer."
        )
    if hasattr(layer.data, "dask"):
        return f"“{layer.name}” is lazy (dask). Choose a new layer, or load it first."
    flags = getattr(layer.data, "flags", None)
    if flags is not None and not getattr(flags, "writeable", True):
        return f"“{layer.name}” is read-only. Choose a new layer, or a copy of it."
    return ""


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
