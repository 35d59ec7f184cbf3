"""The line at the top that always says the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QFont, QFontMetrics
from qtpy.QtWidgets import QFrame, QLabel, QSizePolicy, QVBoxLayout

from napari_sam.plugin.widgets.buttons import push_button

if TYPE_CHECKING:
    from qtpy.QtGui import QResizeEvent

    from napari_sam.plugin.viewer.hint import Hint

__all__ = ["HintLine", "Notice", "NoticeKind"]

NoticeKind = Literal["problem", "done", "info"]
"""What a notice is: something stands in the way or went wrong; something has
succeeded; neither, such as that the user stopped it."""

_COLORS = {
    "do": "#2d7ff9",
    "wait": "#8a93a0",
    "problem": "#e8912d",
    "done": "#3a9d5d",
    "info": "#8a93a0",
}
_ROWS = 5
"""The longest hint has so many rows in a dock of the usual width."""


class Notice:
    """What the user should read once; it goes as soon as the facts change.

    Attributes
    ----------
    kind
        Of what was said at last; the line's colour follows it.
    """

    def __init__(self) -> None:
        self._text = ""
        self._facts: object = None
        self.kind: NoticeKind = "problem"

    def say(self, text: str, kind: NoticeKind = "problem") -> None:
        """Say something from the next look at the facts on."""
        self._text, self._facts, self.kind = text, None, kind

    def text_at(self, facts: object) -> str:
        """Return what there is to read while the facts are these, "" for nothing."""
        if self._facts is None:
            self._facts = facts
        elif self._facts != facts:
            self._text = ""
        return self._text


class HintLine(QFrame):  # type: ignore[misc]
    """Shows a `Hint`, and a button where one press solves the problem.

    Its height is always the same, so that nothing below it moves. A text that is
    longer than the line ends in an ellipsis, and is in the tooltip in full.
    """

    pressed = Signal()
    """The button was pressed."""

    lettered = Signal()
    """The text has another font: that of napari's theme comes with docking."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("samHint")
        self.label = _Text()
        self.label.lettered.connect(self._fit_height)
        self.button = push_button("", "Do what this line offers.")
        self.button.clicked.connect(self.pressed)
        self.button.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 5, 8, 5)
        layout.setSpacing(2)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button, 0, Qt.AlignmentFlag.AlignRight)
        self._kind = ""
        self._fit_height()

    def _fit_height(self) -> None:
        """Have room for the rows, in the font of the text."""
        font = QFont(self.label.font())
        font.setWeight(QFont.Weight.DemiBold)
        row = QFontMetrics(font).lineSpacing() + 1  # Qt's text pane rounds up
        height = _ROWS * row + 12
        if height != self.height() or height != self.minimumHeight():
            self.setFixedHeight(height)
            self.lettered.emit()

    def show_hint(self, hint: Hint, button: str = "") -> None:
        """Show a hint, with a button if it has a text."""
        self.button.setText(button)
        self.button.setVisible(bool(button))
        if hint.kind != self._kind:
            self._kind = hint.kind
            color = _COLORS[hint.kind]
            self.setStyleSheet(
                f"#samHint {{ border: 1px solid {color}; border-left: 5px solid "
                f"{color}; border-radius: 4px; }} "
                "#samHint QLabel { font-weight: 600; border: none; }"
            )
        self.label.setText(hint.text)

    @property
    def text(self) -> str:
        """What the line says, in full."""
        return str(self.label.text())

    @property
    def kind(self) -> str:
        """The kind of what it says; see `Hint` and `NoticeKind`."""
        return self._kind


class _Text(QLabel):  # type: ignore[misc]
    """Wraps; what does not fit gives way to an ellipsis, and goes to the tooltip."""

    lettered = Signal()
    """The font is another one."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""
        self.is_cut = False
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)

    def text(self) -> str:
        """Return what was set, in full."""
        return self._text

    def setText(self, text: str) -> None:
        """Show another text."""
        if text != self._text:
            self._text = text
            self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Cut anew for another size."""
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        """Cut anew for another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self.lettered.emit()
            self._fit()

    def _fit(self) -> None:
        """Show as much of the text as has room."""
        self.is_cut = not self._has_room_for(self._text)
        if self.is_cut:
            low, high = 0, len(self._text)
            while high - low > 1:
                middle = (low + high) // 2
                if self._has_room_for(self._beginning(middle)):
                    low = middle
                else:
                    high = middle
            super().setText(self._beginning(low))
        self.setToolTip(self._text if self.is_cut else "")

    def _beginning(self, length: int) -> str:
        return self._text[:length].rstrip() + "…"

    def _has_room_for(self, text: str) -> bool:
        """Show a text, and say whether all of it is seen."""
        super().setText(text)
        return bool(self.heightForWidth(self.width()) <= self.height())
