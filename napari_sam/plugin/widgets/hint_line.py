"""The line at the top that always says the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy

if TYPE_CHECKING:
    from napari_sam.plugin.hints import Hint

__all__ = ["HintLine", "Notice"]

_COLORS = {"do": "#2d7ff9", "wait": "#8a93a0", "problem": "#e8912d"}


class Notice:
    """What the user should read once; it goes as soon as the facts change."""

    def __init__(self) -> None:
        self._text = ""
        self._facts: object = None

    def say(self, text: str) -> None:
        """Say something from the next look at the facts on."""
        self._text, self._facts = text, None

    def text_at(self, facts: object) -> str:
        """Return what there is to read while the facts are these, "" for nothing."""
        if self._facts is None:
            self._facts = facts
        elif self._facts != facts:
            self._text = ""
        return self._text


class HintLine(QFrame):  # type: ignore[misc]
    """Shows a `Hint`, and a button where one press solves the problem."""

    pressed = Signal()
    """The button was pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("samHint")
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.label.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.label.setSizePolicy(
            QSizePolicy.Policy.Expanding, QSizePolicy.Policy.MinimumExpanding
        )
        self.button = QPushButton()
        self.button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.button.clicked.connect(self.pressed)
        self.button.hide()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 8, 8, 8)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button)
        self.setMinimumHeight(72)
        self._kind = ""

    def show_hint(self, hint: Hint, button: str = "") -> None:
        """Show a hint, with a button if it has a text."""
        self.label.setText(hint.text)
        self.button.setText(button)
        self.button.setVisible(bool(button))
        if hint.kind != self._kind:
            self._kind = hint.kind
            color = _COLORS[hint.kind]
            self.setStyleSheet(
                f"#samHint {{ border: 1px solid {color}; border-left: 5px solid "
                f"{color}; border-radius: 4px; }} #samHint QLabel {{ font-size: 13px; "
                "font-weight: 600; border: none; }"
            )

    @property
    def text(self) -> str:
        """What the line says."""
        return str(self.label.text())
