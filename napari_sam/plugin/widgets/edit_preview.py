"""What an edit would change, said while the mouse is over its button."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QLabel

from napari_sam.plugin.annotator.edit_kinds import EDITS
from napari_sam.plugin.viewer.timers import single_shot
from napari_sam.plugin.widgets.tool_page import count_box

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_sam.plugin.annotator.object_edits import ObjectEdits

__all__ = ["EditPreview"]

_WAIT_MS = 120
"""Milliseconds over a button after which its edit is tried."""

_PROMPT = "Point at a button to read what it would change."


class EditPreview(QLabel):  # type: ignore[misc]
    """Tries the edit over whose button the mouse is, and says what it would change.

    Parameters
    ----------
    edits
        Tries them.

    Attributes
    ----------
    numbers
        The box for each number that edits take, by its name.
    is_on
        Whether edits are tried.
    """

    def __init__(self, edits: ObjectEdits) -> None:
        super().__init__(_PROMPT)
        self._edits = edits
        self._pointed = ""
        self.is_on = False
        self._timer = single_shot(self, _WAIT_MS, self._show)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setMinimumHeight(2 * self.fontMetrics().lineSpacing() + 4)
        self.numbers = {
            "pixels": count_box(1, 100, 2, "Pixels by which objects grow or shrink."),
            "sigma": count_box(1, 50, 2, "Pixels: more smooths more."),
            "min_area": count_box(2, 1_000_000, 30, "Pixels; smaller objects go."),
        }
        for key, box in self.numbers.items():
            box.setSuffix(" px")
            box.setProperty("number", key)
            box.valueChanged.connect(self._on_number)
        edits.selection.changed.connect(self.try_soon)

    def watch(self, name: str, button: QWidget) -> None:
        """Try an edit of `EDITS`, or none, while the mouse is over a button."""
        button.setProperty("edit", name)
        button.installEventFilter(self)

    def value(self, name: str) -> float:
        """Return the number that an edit takes, 0 for none."""
        kind = EDITS.get(name)
        return float(self.numbers[kind.value].value()) if kind and kind.value else 0.0

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """See when the mouse comes, even to a button that is disabled."""
        if event.type() == QEvent.Type.Enter:
            self._pointed = str(watched.property("edit"))
            self.try_soon()
        return False

    def try_soon(self, *_: Any) -> None:
        """Try the edit again: what it is about has changed."""
        self._timer.start()

    def _on_number(self, number: int) -> None:
        """Try the edit that the number is for."""
        key = str(self.sender().property("number"))
        if getattr(EDITS.get(self._pointed), "value", "") != key:
            self._pointed = next(n for n, kind in EDITS.items() if kind.value == key)
        self.try_soon()

    def _show(self) -> None:
        name = self._pointed
        if not self.is_on or name not in EDITS:
            self.setText(_PROMPT)
            return
        self.setText(self._edits.preview(name, self.value(name)))
