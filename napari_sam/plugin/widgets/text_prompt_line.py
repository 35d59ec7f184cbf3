"""A line for the words that say which candidate is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QLineEdit

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import sentence

if TYPE_CHECKING:
    from qtpy.QtGui import QKeyEvent

__all__ = ["TextPromptLine"]


class TextPromptLine(QLineEdit):  # type: ignore[misc]
    """Reads its text away from the window, when Enter is pressed or it is left."""

    said = Signal(str)
    """The text was understood, or is empty; emitted with it."""

    refused = Signal(str)
    """Nothing of it was understood; emitted with what the user reads."""

    def __init__(self) -> None:
        super().__init__()
        self.setPlaceholderText("the nucleus, not the cell")
        self.setToolTip(
            "Which of the candidates of a click is meant, in English words; may be "
            "empty. Press Enter."
        )
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._said = ""
        self._task = LongTask("napari-sam text", self)
        self._task.done.connect(self._on_read)
        self._task.failed.connect(self._on_failed)
        self.editingFinished.connect(self._read)

    @property
    def is_reading(self) -> bool:
        """Whether a text is still being read."""
        return bool(self._task.is_working)

    def show_text(self, text: str) -> None:
        """Show what is said, unless the user is writing or it is being read."""
        if self.hasFocus() or self.is_reading or text == self._said:
            return
        self._said = text
        self.setText(text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Leave the line with Enter, so that the keys work again; Escape clears it."""
        if event.key() == Qt.Key.Key_Escape:
            self.clear()
            self._read()
            self.clearFocus()
            return
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.clearFocus()

    def _read(self) -> None:
        text = self.text().strip()
        if text == self._said:
            return
        if not text:
            self._task.drop()
            self._said = ""
            self.said.emit("")
            return

        def work(tell: object, is_cancelled: object) -> None:
            # the text encoder takes a moment to load
            from napari_sam.inference.text_prompts import text_prompts

            text_prompts().check_text(text)

        self._task.start(work, text)

    def _on_read(self, text: str, result: object) -> None:
        self._said = text
        self.said.emit(text)

    def _on_failed(self, text: str, error: Exception) -> None:
        self.refused.emit(sentence(error))

    def close_worker(self) -> None:
        """Stop for good."""
        self._task.close()
