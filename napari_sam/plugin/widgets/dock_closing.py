"""When a dock is gone for good, of which napari and Qt tell its widget nothing."""

from __future__ import annotations

import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Signal
from qtpy.QtWidgets import QApplication

from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

__all__ = ["DockEnd"]


class DockEnd(QObject):  # type: ignore[misc]
    """Watches a widget that is docked.

    Only a window of its own is told when it is closed. The x of a dock takes the widget
    out of it and leaves it alive; the main window hides it.

    Parameters
    ----------
    widget
        What is docked; it keeps this alive.
    """

    hidden = Signal()
    """It is not seen any more, perhaps for a while only."""

    undocked = Signal()
    """It was closed, or taken out of its dock; the window stays."""

    ended = Signal()
    """Its window was closed, or the program ends."""

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        self._window: Callable[[], Any] = lambda: None
        self._was_docked = False
        # timers of its own: a pending call of a method would keep all of it alive
        self._dock_timer = single_shot(self, 0, self._look_at_dock)
        self._window_timer = single_shot(self, 0, self._look_at_window)
        widget.installEventFilter(self)
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.ended)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """See what happens to the widget and to its window."""
        kind = event.type()
        if watched is self._widget:
            if kind == QEvent.Type.Show:
                self._watch_window()
            elif kind == QEvent.Type.Hide:
                self.hidden.emit()
            elif kind == QEvent.Type.Close:
                self.undocked.emit()
            elif kind == QEvent.Type.ParentChange:
                self._on_moved()
        elif kind == QEvent.Type.Close and watched is self._window():
            self.hidden.emit()
            self._window_timer.start()  # it may refuse
        return False

    def _watch_window(self) -> None:
        window = self._widget.window()
        if window is not self._widget and window is not self._window():
            self._window = weakref.ref(window)  # PySide6 would keep it for ever
            window.installEventFilter(self)

    def _on_moved(self) -> None:
        if self._widget.parentWidget() is not None:
            self._was_docked = True
        elif self._was_docked:
            self._dock_timer.start()  # it may come into another dock

    def _look_at_dock(self) -> None:
        if self._widget.parentWidget() is None:
            self.undocked.emit()

    def _look_at_window(self) -> None:
        window = self._window()
        with suppress(RuntimeError):  # all is gone already, and `destroyed` was told
            if window is None or not window.isVisible():
                self.ended.emit()
