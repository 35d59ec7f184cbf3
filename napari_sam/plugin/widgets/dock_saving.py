"""Saving from the dock: the saver of its window, and labels that it has saved."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.annotator.saving import saver_in
from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.saved_labels import (
    mark_saved_labels,
    take_up_saved_labels,
)
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam.plugin.annotator.annotator import Annotator
    from napari_sam.plugin.annotator.saving import ObjectSaver

__all__ = ["DockSaving"]


class DockSaving(QObject):  # type: ignore[misc]
    """Saves the annotator's objects, and takes up labels that were saved from here.

    Parameters
    ----------
    viewer
        The napari viewer.
    annotator
        Whose objects are saved.
    parent
        Its owner.

    Attributes
    ----------
    saver
        The saver of the window, or None while the dock is hidden.
    """

    succeeded = Signal(str)
    """Something was saved or opened; emitted with what the user reads."""

    failed = Signal(str)
    """Something could not be saved; emitted with why."""

    opened = Signal()
    """Labels that were saved from here are in the viewer again."""

    def __init__(self, viewer: Any, annotator: Annotator, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._annotator = annotator
        self._inserted = Connections()
        self._look_timer = single_shot(self, 0, self._take_up_saved)
        self.saver: ObjectSaver | None = None

    def ask(self) -> None:
        """Ask where to save the objects."""
        if self.saver is not None:
            self.saver.ask()

    # --- coming and going -----------------------------------------------------------

    def look(self) -> None:
        """Take up what was saved from here, now and when a layer comes."""
        self._inserted.add(self._viewer.layers.events.inserted, self._on_inserted)
        self._take_up_saved()

    def take_over(self, window: QWidget) -> None:
        """Have the saver of a window save the annotator's objects."""
        journals = self._annotator.journals
        saver = self.saver = saver_in(self._viewer, window)
        saver.sessions = self._annotator.sessions
        saver.began.connect(journals.on_saving)
        saver.done.connect(journals.on_saved)
        saver.done.connect(self.succeeded)
        saver.failed.connect(self.failed)

    def leave(self) -> None:
        """Look no more, and let go of the saver."""
        self._inserted.clear()
        self._look_timer.stop()
        saver, self.saver = self.saver, None
        journals = self._annotator.journals
        with suppress(RuntimeError, TypeError):  # the window is gone, and it as well
            if saver is not None:
                saver.began.disconnect(journals.on_saving)
                saver.done.disconnect(journals.on_saved)
                saver.done.disconnect(self.succeeded)
                saver.failed.disconnect(self.failed)
                if saver.sessions is self._annotator.sessions:
                    saver.sessions = None

    # --- labels that were saved -------------------------------------------------------

    def _on_inserted(self, event: Any) -> None:
        """Look at a new layer once napari has drawn it."""
        self._look_timer.start()

    def _take_up_saved(self) -> None:
        """Make labels of what was saved from here."""
        if mark_saved_labels(self._viewer):
            self.opened.emit()
        for labels in take_up_saved_labels(self._viewer):
            self.succeeded.emit(
                f"“{labels.name}” was opened as labels, with its table."
            )
            self.opened.emit()
