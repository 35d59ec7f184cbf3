"""Buttons for the tools: what the next stroke of the mouse says."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtWidgets import QToolButton, QWidget
from superqt import QFlowLayout

from napari_sam.plugin.widgets.icons import tool_icon

__all__ = ["ToolBar"]

_BUTTONS = (
    ("object", "Object", "Click on the object. Right click: background."),
    (
        "background",
        "Not this",
        "Click on what does not belong to the object, or draw over it.",
    ),
    ("box", "Box", "Drag a box around the object."),
    ("lasso", "Lasso", "Draw around the object with the mouse held down."),
    ("brush", "Brush", "Paint the object roughly; E erases. The model refines it."),
)


class ToolBar(QWidget):  # type: ignore[misc]
    """One button for each tool; the points tool has one for each polarity."""

    chosen = Signal(str, bool)
    """Emitted with the tool's name and whether it says that the object is there."""

    def __init__(self) -> None:
        super().__init__()
        layout = QFlowLayout(self)  # in large letters they need two rows
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setHorizontalSpacing(3)
        layout.setVerticalSpacing(3)
        self.buttons: dict[str, QToolButton] = {}
        for name, text, tip in _BUTTONS:
            button = QToolButton()
            button.setText(text)
            button.setToolTip(tip)
            button.setIcon(tool_icon(name))
            button.setIconSize(QSize(24, 24))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _=False, n=name: self._on_click(n))
            layout.addWidget(button)
            self.buttons[name] = button
        self.setStyleSheet(
            "QToolButton { padding: 4px 3px; border-radius: 4px; }"
            "QToolButton:checked { border: 2px solid #2d7ff9; }"
        )

    def show_tool(self, tool: str, positive: bool) -> None:
        """Mark the button of the tool in hand."""
        if tool == "point":
            tool = "object" if positive else "background"
        for name, button in self.buttons.items():
            button.setChecked(name == tool)

    def _on_click(self, name: str) -> None:
        point = name in ("object", "background")
        self.chosen.emit("point" if point else name, name != "background")
