"""A progress bar that says what it is about, with a cancel button."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QHBoxLayout,
    QProgressBar,
    QSizePolicy,
    QWidget,
)
from superqt import QElidingLabel

from napari_sam.plugin.widgets.buttons import push_button

__all__ = ["ProgressLine"]

_STEPS = 1000


class ProgressLine(QWidget):  # type: ignore[misc]
    """Takes its place even while nothing runs, so that the dock does not jump."""

    cancelled = Signal()
    """The cancel button was pressed."""

    def __init__(self) -> None:
        super().__init__()
        self.label = QElidingLabel()
        policy = QSizePolicy.Policy
        self.label.setSizePolicy(policy.Ignored, policy.Preferred)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.cancel = push_button("Cancel", "Stop what is under way.")
        self.cancel.clicked.connect(self.cancelled)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 3)
        layout.addWidget(self.bar, 2)
        layout.addWidget(self.cancel)
        for part in (self, self.cancel):
            kept = part.sizePolicy()
            kept.setRetainSizeWhenHidden(True)
            part.setSizePolicy(kept)
        self.hide()

    def show_work(self, text: str, can_cancel: bool = True) -> None:
        """Show that something runs."""
        self.label.setText(text)
        self.cancel.setVisible(can_cancel)
        self.show()

    def set_fraction(self, fraction: float) -> None:
        """Show how far it is, 0 to 1; negative where that is not known."""
        if fraction < 0:
            self.bar.setRange(0, 0)
        else:
            self.bar.setRange(0, _STEPS)
            self.bar.setValue(round(fraction * _STEPS))
