"""All keys, over the window: shown and hidden by "?", closed by Escape or a click.

napari has no name for the key "?", so that no layer and no viewer could bind it; what
is typed into the window is looked at instead, unless somebody writes a text.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QFrame,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from napari_sam.plugin.annotator.keybindings import all_keys

if TYPE_CHECKING:
    from qtpy.QtGui import QMouseEvent

    from napari_sam.plugin.annotator.keybindings import KeyHelp

__all__ = ["KeyOverlay"]

_COLUMNS = 2
_WHERE = {
    "points": "on the points layer",
    "project": "while a folder is open",
    "classes": "on the page Classes",
    "tracks": "on the page Correct tracks",
}
_STYLE = (
    "#samKeys { background: rgba(20, 24, 31, 225); border: 1px solid #5a6675; "
    "border-radius: 8px; } #samKeys QLabel { color: #e8ecf1; background: transparent; }"
)
_WRITERS = (QLineEdit, QTextEdit, QPlainTextEdit, QAbstractSpinBox)


class KeyOverlay(QObject):  # type: ignore[misc]
    """Shows and hides the panel in the window where a dock is.

    Parameters
    ----------
    dock
        Whose window it is.

    Attributes
    ----------
    panel
        The panel; None while it was never shown.
    """

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._handle: Any = None
        self.panel: QFrame | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the panel is seen."""
        return self.panel is not None and bool(self.panel.isVisible())

    def start(self) -> None:
        """Look at the keys that are typed into the window."""
        self.stop()
        self._handle = _topmost(self._dock).windowHandle()
        if self._handle is not None:
            self._handle.installEventFilter(self)

    def stop(self) -> None:
        """Hide the panel, and look no more."""
        handle, self._handle = self._handle, None
        with suppress(RuntimeError):  # the window is gone
            if handle is not None:
                handle.removeEventFilter(self)
            self.hide()

    def toggle(self) -> None:
        """Show or hide the panel."""
        if self.is_shown:
            self.hide()
        else:
            self.show()

    def hide(self) -> None:
        """Hide the panel."""
        if self.panel is not None:
            self.panel.hide()

    def show(self) -> None:
        """Show the panel in the middle of the window."""
        window = _topmost(self._dock)
        if self.panel is None or self.panel.parentWidget() is not window:
            self.panel = _Panel(window)
        panel = self.panel
        panel.adjustSize()
        left = self._dock.mapTo(window, self._dock.rect().topLeft()).x()
        room = left if left > window.width() // 2 else window.width()
        middle = (room - panel.width()) // 2, (window.height() - panel.height()) // 2
        panel.move(max(0, middle[0]), max(0, middle[1]))
        panel.show()
        panel.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Take the key "?", and Escape while the panel is seen."""
        if event.type() != QEvent.Type.KeyPress:
            return False
        if self.is_shown and event.key() == Qt.Key.Key_Escape:
            self.hide()
            return True
        if event.text() != "?" or isinstance(QApplication.focusWidget(), _WRITERS):
            return False
        self.toggle()
        return True


def _topmost(widget: QWidget) -> QWidget:
    """Return the window of a widget; of a dock that floats, the one it belongs to."""
    while widget.parentWidget() is not None:
        widget = widget.parentWidget()
    return widget


class _Panel(QFrame):  # type: ignore[misc]
    """The keys by what they are about."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("samKeys")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setStyleSheet(_STYLE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(18, 14, 18, 14)
        grid = QGridLayout()
        grid.setHorizontalSpacing(28)
        grid.setVerticalSpacing(10)
        themes = sorted(all_keys(), key=lambda one: _THEMES.index(one.theme))
        grouped = [(t, tuple(some)) for t, some in groupby(themes, lambda k: k.theme)]
        for number, (theme, keys) in enumerate(grouped):
            place = (number // _COLUMNS, number % _COLUMNS)
            grid.addLayout(_theme(theme, keys), *place, Qt.AlignmentFlag.AlignTop)
        layout.addLayout(grid)
        layout.addWidget(QLabel("? or Escape closes this."))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close."""
        self.hide()


_THEMES = [
    *("Objects", "Correct", "Tools", "Classes", "Tracks", "Find", "Folder", "Help")
]


def _theme(theme: str, keys: tuple[KeyHelp, ...]) -> QGridLayout:
    """Lay out the keys of a theme; those of the digits are one row."""
    grid = QGridLayout()
    grid.setVerticalSpacing(2)
    grid.setHorizontalSpacing(10)
    where = _WHERE.get(keys[0].where, "") if len({k.where for k in keys}) == 1 else ""
    title = QLabel(f"{theme}, {where}" if where else theme)
    title.setStyleSheet("font-weight: 700; color: #8fb8ff;")
    grid.addWidget(title, 0, 0, 1, 2)
    rows = [(k.key, k.text) for k in keys if not k.action.startswith("give_class")]
    if len(rows) < len(keys):
        rows.insert(0, ("1 to 9", "class of the object"))
    for number, (key, text) in enumerate(rows, start=1):
        name = QLabel(key)
        name.setStyleSheet("font-weight: 700;")
        grid.addWidget(name, number, 0)
        grid.addWidget(QLabel(text), number, 1)
    grid.setColumnStretch(1, 1)
    return grid
