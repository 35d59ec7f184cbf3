"""Ctrl+S and the entries of the *File* menu, while objects are annotated.

The active layer is one that shows prompts then. napari's *Save Selected Layers* would
write that one, and *Save All Layers* all of them. So as long as nothing else is
selected, they save the objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, QTimer
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QMenu

from napari_sam.plugin.viewer.layers import is_helper

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.saving import ObjectSaver

__all__ = ["SaveEntries"]

_SAVE = QKeySequence("Ctrl+S")
_SAVE_ALL = (QKeySequence("Ctrl+Alt+S"), QKeySequence("Ctrl+Shift+S"))


def _save_entries(menu: QMenu) -> list[tuple[QAction, QKeySequence]]:
    """Return the entries of a menu that save layers, with their keys."""
    return [
        (entry, keys)
        for entry in menu.actions()
        for keys in (_SAVE, *_SAVE_ALL)
        if entry.shortcut() == keys
    ]


class SaveEntries(QObject):  # type: ignore[misc]
    """Routes Ctrl+S and the *File* menu of a window to the objects.

    It stays with the window: the layers that show prompts do, too.

    Parameters
    ----------
    viewer
        The napari viewer.
    saver
        Saves the objects.
    window
        With a menu bar.
    """

    def __init__(self, viewer: Any, saver: ObjectSaver, window: Any) -> None:
        super().__init__(window)
        self._viewer = viewer
        self._saver = saver
        self._swapped: list[tuple[QAction, QAction]] = []
        window.installEventFilter(self)
        for entry in window.menuBar().actions():
            menu = entry.menu()
            if menu is not None and _save_entries(menu):
                menu.aboutToShow.connect(self._on_menu)
                menu.aboutToHide.connect(self._on_menu_left)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take Ctrl+S before napari does, where it would save what shows prompts."""
        if event.type() == QEvent.Type.ShortcutOverride:
            call = self._call_for(QKeySequence(event.keyCombination()))
            if call is not None:
                event.accept()
                QTimer.singleShot(0, call)
                return True
        return False

    def _call_for(self, keys: QKeySequence) -> Any:
        if keys == _SAVE and self._means_objects():
            return self._saver.save_again
        if keys in _SAVE_ALL and self._has_helpers():
            return self._saver.ask_all
        return None

    def _means_objects(self) -> bool:
        """Whether nothing but helpers, and perhaps the objects, is selected."""
        output = self._saver.layer
        selected = set(self._viewer.layers.selection)
        others = [one for one in selected if not is_helper(one) and one is not output]
        return bool(selected) and not others

    def _has_helpers(self) -> bool:
        return any(is_helper(layer) for layer in self._viewer.layers)

    def _on_menu(self) -> None:
        menu = self.sender()
        self._put_back()
        if not isinstance(menu, QMenu):
            return
        for entry, keys in _save_entries(menu):
            call = self._call_for(keys)
            if call is not None:
                text = entry.text()
                if keys == _SAVE:
                    text = f"Save Objects{'…' if self._saver.asks_first else ''}"
                # shown behind a tab: as its own shortcut the key would be ambiguous
                own = QAction(
                    f"{text}\t{keys.toString(QKeySequence.SequenceFormat.NativeText)}",
                    menu,
                )
                own.triggered.connect(call)
                menu.insertAction(entry, own)
                entry.setVisible(False)
                self._swapped.append((entry, own))

    def _on_menu_left(self) -> None:
        QTimer.singleShot(0, self._put_back)

    def _put_back(self) -> None:
        for entry, own in self._swapped:
            entry.setVisible(True)
            own.deleteLater()
        self._swapped.clear()
