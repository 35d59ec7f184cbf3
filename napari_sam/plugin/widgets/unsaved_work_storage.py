"""The section "Unsaved work on disk": how much there is, and clearing it."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_sam.checkpoints.registry import format_size
from napari_sam.ops.message_text import counted
from napari_sam.workflows.session.session_recovery import (
    forget_journals,
    journal_sizes,
)

__all__ = ["UnsavedWorkPanel"]


class UnsavedWorkPanel(QCollapsible):  # type: ignore[misc]
    """Closed until somebody opens it; then it counts."""

    def __init__(self) -> None:
        super().__init__("Unsaved work on disk")
        self.toggleButton().setToolTip("What is kept of objects that you did not save.")
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.clear = QPushButton("Clear")
        self.clear.setToolTip(
            "Removes what was kept of sessions that have ended. What you do now, and "
            "what you have saved, stays."
        )
        self.clear.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.clear.clicked.connect(self._on_clear)
        body = QWidget()
        layout = QVBoxLayout(body)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.state)
        layout.addWidget(self.clear)
        self.setContent(body)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.collapse(animate=False)
        self.toggled.connect(self.refresh)

    def refresh(self) -> None:
        """Count anew, if the section is open."""
        if not self.isExpanded():
            return
        sizes = journal_sizes()
        self._show(
            "What you annotate is kept until you save it, and offered when you open "
            f"the image again. Now: {counted(len(sizes), 'session')}, "
            f"{format_size(sum(sizes))}."
        )

    def _show(self, text: str) -> None:
        self.state.setText(text)
        was_blocked = self.blockSignals(True)  # the height is fixed when it is opened
        self.expand(animate=False)
        self.blockSignals(was_blocked)

    def _on_clear(self) -> None:
        try:
            forget_journals()
        except OSError as error:
            self._show(f"Not all could be removed: {error}.")
        else:
            self.refresh()
