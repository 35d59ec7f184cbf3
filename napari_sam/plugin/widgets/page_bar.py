"""The row of tabs: what can be done, as icons with words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QSize, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from napari_sam.plugin.widgets.icons import tool_icon

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from napari_sam.plugin.widgets.page_list import Tab

__all__ = ["PageBar"]

_PADDING = 3
"""Pixels at the left and the right of the text of a tab."""


class _TabButton(QToolButton):  # type: ignore[misc]
    """A button that asks for the room of its text and no more: six fit in the dock."""

    def sizeHint(self) -> QSize:
        """Ask for the widest line of the text."""
        hint = super().sizeHint()
        return QSize(self._text_width(), int(hint.height()))

    def minimumSizeHint(self) -> QSize:
        """Ask for as much: a word that is cut is not read."""
        return self.sizeHint()

    def changeEvent(self, event: QEvent) -> None:
        """Ask anew in another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.updateGeometry()

    def _text_width(self) -> int:
        metrics = self.fontMetrics()
        widths = [metrics.horizontalAdvance(line) for line in self.text().split("\n")]
        return int(max([*widths, self.iconSize().width()])) + 2 * _PADDING


class PageBar(QWidget):  # type: ignore[misc]
    """One button for each tab.

    Parameters
    ----------
    tabs
        What there is.
    """

    chosen = Signal(str)
    """Emitted with the name of a tab."""

    def __init__(self, tabs: Sequence[Tab]) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        self.buttons: dict[str, QToolButton] = {}
        self._busy: set[str] = set()
        for tab in tabs:
            button = _TabButton()
            button.setText(tab.text)
            button.setToolTip(tab.tip)
            button.setIcon(tool_icon(tab.name))
            button.setIconSize(QSize(24, 24))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setSizePolicy(
                QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred
            )
            button.clicked.connect(lambda _=False, n=tab.name: self._on_click(n))
            layout.addWidget(button)
            self.buttons[tab.name] = button
        self.setStyleSheet(
            "QToolButton { padding: 3px 0px; border: none; border-radius: 0px;"
            " border-bottom: 3px solid transparent; }"
            "QToolButton:checked { border-bottom: 3px solid #2d7ff9; }"
        )

    def show_busy(self, names: Collection[str]) -> None:
        """Put a dot on the buttons of the tabs on which something is under way."""
        for name in set(names) ^ self._busy:
            self.buttons[name].setIcon(tool_icon(name, name in names))
        self._busy = set(names)

    def show_tab(self, name: str) -> None:
        """Mark the button of a tab."""
        for other, button in self.buttons.items():
            button.setChecked(other == name)

    def _on_click(self, name: str) -> None:
        self.show_tab(name)
        self.chosen.emit(name)
