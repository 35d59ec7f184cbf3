"""What happens to the image that is annotated: other data, contrast, or place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.image_identity import look_at_plane
from napari_sam.plugin.viewer.layers import place_emitters
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.workspace import Times, Workspace

__all__ = ["ImageWatch"]


class ImageWatch(QObject):  # type: ignore[misc]
    """Watches the image of a workspace.

    Parameters
    ----------
    workspace
        What is worked on.
    times
        How long it waits.
    """

    replaced = Signal()
    """The image has other data."""

    content_changed = Signal()
    """The plane has other intensities, or they are shown otherwise."""

    moved = Signal()
    """The image was moved, scaled or turned."""

    def __init__(self, workspace: Workspace, times: Times, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._events = Connections()
        self._seen_timer = single_shot(self, times.seen, self._look)
        self._contrast_timer = single_shot(
            self, times.contrast, self.content_changed.emit
        )

    @property
    def is_waiting(self) -> bool:
        """Whether a change is still to be told of."""
        return bool(self._seen_timer.isActive() or self._contrast_timer.isActive())

    def start(self, image: Any) -> None:
        """Watch an image."""
        self._events.add(image.events.data, self._on_data)
        self._events.add(image.events.set_data, self._on_seen)
        self._events.add(image.events.contrast_limits, self._on_contrast)
        for emitter in place_emitters(image):
            self._events.add(emitter, self._on_moved)

    def stop(self) -> None:
        """Watch none."""
        self._seen_timer.stop()
        self._events.clear()

    def _on_data(self, event: Any = None) -> None:
        self.replaced.emit()

    def _on_seen(self, event: Any = None) -> None:
        """Look, when napari draws the image anew, whether it has changed."""
        self._seen_timer.start()

    def _on_contrast(self, event: Any = None) -> None:
        self._contrast_timer.start()

    def _on_moved(self, event: Any = None) -> None:
        self.moved.emit()

    def _look(self) -> None:
        image, plane = self._workspace.image, self._workspace.plane
        if image is not None and plane is not None and look_at_plane(image, plane):
            self.content_changed.emit()
