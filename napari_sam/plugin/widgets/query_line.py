"""The line "What?": what is looked for in words, and below it what was understood."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QFlowLayout

from napari_sam.ops.message_text import counted
from napari_sam.plugin.search.query_parts import parts_of
from napari_sam.plugin.viewer.timers import single_shot
from napari_sam.plugin.widgets.dock_layout import form

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QKeyEvent

    from napari_sam.plugin.search.object_query import ObjectQuery
    from napari_sam.plugin.search.query_parts import QueryPart

__all__ = ["QueryChip", "QueryLine"]

_PLACEHOLDER = "large round nuclei   ·   the 3 brightest cells away from the border"
_TIP = (
    "What to find, in English: a kind of object, and how large, round, bright or "
    "coloured it is and where it lies. Enter starts, Esc clears. Empty: everything."
)
_PAUSE_MS = 400
"""Milliseconds after the last letter, from which the text is read."""

_ROWS = 2
"""Rows of chips that have their room from the start, so that nothing moves."""

_BLUE, _ORANGE = "#2d7ff9", "#e8912d"


class _Line(QLineEdit):  # type: ignore[misc]
    """A line that Escape clears."""

    escaped = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Clear with Escape; it stays with the line."""
        if event.key() == Qt.Key.Key_Escape:
            self.escaped.emit()
            event.accept()
            return
        super().keyPressEvent(event)


class QueryChip(QFrame):  # type: ignore[misc]
    """One thing that is looked for, with a button that takes it away.

    Parameters
    ----------
    text, tip
        What the user reads, and over it.
    remove
        Takes it away.
    others
        What it may be changed to: text, and what changes it.
    is_unknown
        Whether it is a word that was not understood.
    """

    def __init__(
        self,
        text: str,
        tip: str,
        remove: Callable[[], object],
        others: tuple[tuple[str, Callable[[], object]], ...] = (),
        is_unknown: bool = False,
    ) -> None:
        super().__init__()
        self.setObjectName("samChip")
        color = _ORANGE if is_unknown else _BLUE
        self.setStyleSheet(
            f"#samChip {{ border: 1px solid {color}; border-radius: 8px; }} "
            "#samChip QPushButton { background: transparent; border: none; "
            "padding: 2px 5px; min-width: 0px; }"
        )
        self.said = QPushButton(text)
        self.said.setToolTip(tip)
        self.remove = QPushButton("\u00d7")
        self.remove.setToolTip(f"Take “{text}” away.")
        for button in (self.said, self.remove):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.remove.clicked.connect(lambda: remove())
        if others:
            menu = QMenu(self.said)
            for name, change in others:
                action = menu.addAction(name)
                action.setCheckable(True)
                action.setChecked(name == text)
                action.triggered.connect(lambda _=False, change=change: change())
            self.said.setMenu(menu)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(3, 0, 1, 0)
        layout.setSpacing(0)
        layout.addWidget(self.said)
        layout.addWidget(self.remove)
        policy = QSizePolicy.Policy
        self.setSizePolicy(policy.Maximum, policy.Fixed)

    @property
    def text(self) -> str:
        """What the user reads."""
        return str(self.said.text())


class QueryLine(QWidget):  # type: ignore[misc]
    """A line to write in, and chips of what was understood.

    Parameters
    ----------
    query
        What is looked for.

    Attributes
    ----------
    line
        Where it is written.
    chips
        What was understood, and what was not.
    """

    entered = Signal()
    """The user wants it found."""

    def __init__(self, query: ObjectQuery) -> None:
        super().__init__()
        self._query = query
        self.line = _Line()
        self.line.setPlaceholderText(_PLACEHOLDER)
        self.line.setToolTip(_TIP)
        self.line.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.line.setClearButtonEnabled(True)
        self.chips: tuple[QueryChip, ...] = ()
        self._shown: tuple[Any, ...] = ()
        self._everything = QLabel("everything")
        self._everything.setEnabled(False)
        self._room = QWidget()
        self._pause = single_shot(self, _PAUSE_MS, self._on_pause)
        self._lay_out()
        self.line.textEdited.connect(self._on_edited)
        self.line.textChanged.connect(self._on_changed)
        self.line.returnPressed.connect(self._on_entered)
        self.line.escaped.connect(self._on_escaped)
        query.changed.connect(self.show_query)

    def _lay_out(self) -> None:
        flow = self._flow = QFlowLayout(self._room)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(4)
        flow.setVerticalSpacing(3)
        flow.addWidget(self._everything)
        self._fit_height()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(form(("What?", self.line)))
        layout.addWidget(self._room)

    def _fit_height(self) -> None:
        """Have room for the usual rows of chips, in the font of the text."""
        row = self._room.fontMetrics().lineSpacing() + 10
        self._room.setMinimumHeight(_ROWS * row + 3 * (_ROWS - 1))

    def changeEvent(self, event: QEvent) -> None:
        """Measure anew in another font."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit_height()

    # --- what the user does -----------------------------------------------------

    def _on_edited(self, text: str) -> None:
        self._pause.start()

    def _on_changed(self, text: str) -> None:
        if not text and self._query.text:  # the button of the line clears it at once
            self._on_pause()

    def _on_pause(self) -> None:
        self._pause.stop()
        self._query.set_text(self.line.text())

    def _on_entered(self) -> None:
        self._on_pause()
        self.entered.emit()

    def _on_escaped(self) -> None:
        """Clear the text; where there is none, the examples."""
        if self.line.text():
            self.line.clear()
            self._on_pause()
        elif self._query.has_examples:
            self._query.drop_examples(True)

    def take_text(self) -> None:
        """Take what is written now, without waiting for a pause."""
        self._on_pause()

    def drop_kind(self) -> None:
        """Look for any kind of object; the other conditions stay."""
        if self._query.query is not None:
            self._change(replace(self._query.query, concept=None))

    def _change(self, part: Any) -> None:
        self._query.set_query(part)
        self.line.setText(self._query.text)

    # --- what is shown ----------------------------------------------------------

    def show_query(self) -> None:
        """Show what was understood, and how many examples there are."""
        query = self._query
        if query.is_reading:
            return  # what stands there goes when the text is read
        shown = query.query, query.counts
        if shown == self._shown:
            return
        self._shown = shown
        for chip in self.chips:
            self._flow.removeWidget(chip)
            chip.hide()
            chip.deleteLater()
        said = () if query.query is None else parts_of(query.query)
        self.chips = (*map(self._chip_of, said), *self._example_chips())
        for chip in self.chips:
            self._flow.addWidget(chip)
        self._everything.setVisible(not self.chips)
        self._room.updateGeometry()

    def _chip_of(self, part: QueryPart) -> QueryChip:
        is_unknown = part.kind == "unknown"
        tip = "Not understood, and left out." if is_unknown else ""
        if part.others:
            tip = "Click to choose something else."
        return QueryChip(
            part.text,
            tip,
            partial(self._change, part.without),
            tuple((name, partial(self._change, other)) for name, other in part.others),
            is_unknown,
        )

    def _example_chips(self) -> list[QueryChip]:
        chips = []
        for is_like, count in zip((True, False), self._query.counts, strict=True):
            if count:
                like = "like" if is_like else "not like"
                text = f"{like} {counted(count, 'example')}"
                tip = "Objects that you chose in the image or in the table."
                drop = partial(self._query.drop_examples, is_like)
                chips.append(QueryChip(text, tip, drop))
        return chips
