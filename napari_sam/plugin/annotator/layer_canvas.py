"""A napari Labels layer as the canvas of an annotation session."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.annotator.image_parts import whole_labels
from napari_sam.plugin.viewer.layer_pairs import lie_together
from napari_sam.plugin.viewer.layers import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane

__all__ = ["LayerCanvas", "why_not_writable"]

_LARGE = 2**25
"""Voxels from which labels are not looked at as a whole with every action."""


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
        self._is_large = bool(np.prod(shape, dtype=float) > _LARGE)

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

    @property
    def is_large(self) -> bool:
        """Whether looking at all planes takes longer than a click may."""
        return self._is_large or self.is_window

    @property
    def is_window(self) -> bool:
        """Whether the layer is a window on labels that are larger."""
        return (
            self.layer is not None and whole_labels(self.layer) is not self.layer.data
        )

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
            at = plane.indices(rows, cols)
            if self.layer.visible and self.layer.loaded:
                shown_now = not self._is_shown_later
                self.layer.data_setitem(at, values, refresh=shown_now)
            else:
                # What napari has loaded for display may be of another plane.
                self.layer.data[at] = values
        finally:
            self.is_writing = False

    def restore(
        self,
        plane: Plane,
        rows: NDArray[np.intp],
        cols: NDArray[np.intp],
        values: NDArray[Any],
    ) -> None:
        """Put values back after a write that failed."""
        if self.layer is not None:
            self.layer.data[plane.indices(rows, cols)] = values
            self.show()

    def show(self) -> None:
        """Have the layer drawn as its data are now."""
        if self.layer is not None and self.layer.visible:
            self.is_writing = True
            try:
                self.layer.refresh(extent=False, highlight=False, thumbnail=False)
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
            self.show()


def why_not_writable(layer: Labels, image: Any) -> str:
    """Say why objects of an image cannot be written to a layer; empty if they can."""
    shape = shape_of(image)
    if layer.multiscale:
        return f"“{layer.name}” is multiscale and cannot be painted. Choose another."
    if tuple(layer.data.shape) != shape:
        return (
            f"“{layer.name}” has shape {_by(layer.data.shape)}, the image "
            f"{_by(shape)}. Choose labels of the image's shape, or a new layer."
        )
    if not isinstance(layer.data, np.ndarray):
        return (
            f"“{layer.name}” is not in memory: it is read from the disk as needed. "
            "Choose a new layer, or labels that are loaded as a whole."
        )
    if not layer.data.flags.writeable:
        return f"“{layer.name}” is read-only. Choose a new layer, or a copy of it."
    if not lie_together(image, layer):
        return (
            f"“{layer.name}” does not lie on “{image.name}”: it has another scale or "
            "place. Choose labels of this image, or a new layer."
        )
    return ""


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)
