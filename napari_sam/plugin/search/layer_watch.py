"""What happens to the layers of a search: the image, the labels, the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.layers import place_emitters

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LayerWatch"]

_LABEL_EVENTS = ("paint", "data", "labels_update", "set_data")
"""The last comes with napari's own undo, which emits none of the others."""


class LayerWatch(QObject):  # type: ignore[misc]
    """Watches a viewer, and the layers of it that a search is about.

    Parameters
    ----------
    viewer
        The napari viewer.
    parent
        Its owner.
    """

    removed = Signal(object)
    """A layer left the viewer; emitted with it."""

    replaced = Signal()
    """An image has other data."""

    moved = Signal()
    """An image was moved, scaled or turned."""

    shown = Signal()
    """Another plane is shown, or the same one otherwise; or the region has changed."""

    written = Signal()
    """The labels have changed."""

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._is_on = False
        self._viewer_events = Connections()
        self._image_events = Connections()
        self._labels_events = Connections()
        self._region_events = Connections()

    def start(self) -> None:
        """Watch the viewer, and the layers that are set from now on."""
        self._is_on = True
        layers, dims = self._viewer.layers.events, self._viewer.dims.events
        self._viewer_events.add(layers.removed, self._on_removed)
        for emitter in (dims.current_step, dims.order, dims.ndisplay):
            self._viewer_events.add(emitter, self._on_shown)

    def stop(self) -> None:
        """Let go of all events."""
        self._is_on = False
        for events in (
            self._viewer_events,
            self._image_events,
            self._labels_events,
            self._region_events,
        ):
            events.clear()

    def set_images(self, images: Iterable[Any]) -> None:
        """Watch other images; None among them is passed over."""
        self._image_events.clear()
        if not self._is_on:
            return
        for layer in images:
            if layer is None:
                continue
            self._image_events.add(layer.events.data, self._on_data)
            for emitter in place_emitters(layer):
                self._image_events.add(emitter, self._on_moved)
            if not layer.rgb:
                self._image_events.add(layer.events.contrast_limits, self._on_shown)

    def set_labels(self, layer: Any) -> None:
        """Watch another Labels layer, or None."""
        self._labels_events.clear()
        if layer is None or not self._is_on:
            return
        for name in _LABEL_EVENTS:
            if hasattr(layer.events, name):
                self._labels_events.add(getattr(layer.events, name), self._on_labels)

    def set_region(self, layer: Any) -> None:
        """Watch another Shapes layer, or None."""
        self._region_events.clear()
        if layer is not None and self._is_on:
            self._region_events.add(layer.events.data, self._on_shown)

    def _on_removed(self, event: Any) -> None:
        self.removed.emit(event.value)

    def _on_data(self, event: Any = None) -> None:
        self.replaced.emit()

    def _on_moved(self, event: Any = None) -> None:
        self.moved.emit()

    def _on_shown(self, event: Any = None) -> None:
        self.shown.emit()

    def _on_labels(self, event: Any = None) -> None:
        self.written.emit()
