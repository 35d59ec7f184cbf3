"""The committed objects: colour, label, class, score; edit and delete."""

from __future__ import annotations

import math
from copy import copy
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelection, QItemSelectionModel, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QMenu,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sam.plugin.annotator.keybindings import with_key
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.icons import swatch_icon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from qtpy.QtCore import QPoint
    from qtpy.QtGui import QIcon

    from napari_sam.workflows.session.provenance import Record


__all__ = ["ObjectTable"]

_Color = tuple[int, int, int]
_Row = tuple["Record", _Color, int]

_CLASS = 1
_MOST_ROWS = 1000
"""More would take the window seconds to fill in; the keys reach all objects."""
_MOST_ICONS = 256
"""Colours whose patch is kept; napari's labels have fifty."""
_LABEL_ROLE = Qt.ItemDataRole.UserRole
_LIKE = (
    ("Find all like this", True, True),
    ("… and like this", True, False),
    ("… but not like this", False, False),
)
"""What the menu offers, and whether these are examples, in place of those before."""


def _make_table() -> QTableWidget:
    """Return an empty table of objects."""
    table = QTableWidget(0, 4)
    table.setHorizontalHeaderLabels(["Object", "Class", "Score", "Area"])
    table.horizontalHeaderItem(3).setToolTip("Pixels, on all planes.")
    table.verticalHeader().hide()
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    table.setToolTip("Right click: find all objects like those selected.")
    table.setMinimumHeight(90)
    header = table.horizontalHeader()
    header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
    return table


class ObjectTable(QWidget):  # type: ignore[misc]
    """The newest object first; a double click on the class renames it."""

    reopened = Signal(int)
    """An object is to be edited; emitted with its label."""

    deleted = Signal(int)
    """An object is to be deleted; emitted with its label."""

    saved = Signal()
    """The objects are to be saved."""

    renamed = Signal(int, str)
    """An object has another class; emitted with its label and the class."""

    likened = Signal(object, bool, bool)
    """All objects like some are to be found; emitted with their labels, whether they
    are what is wanted, and whether they take the place of those shown before."""

    selected = Signal(object)
    """The user selected objects; emitted with their labels."""

    visited = Signal(int)
    """The user clicked a row; emitted with the object's label."""

    def __init__(self) -> None:
        super().__init__()
        self.table = _make_table()
        self.rest = QLabel()
        self.rest.hide()
        self.edit = push_button(
            with_key("Edit", "reopen_under_cursor"),
            "Take the object in hand again, with its prompts.",
        )
        self.delete = push_button(
            with_key("Delete", "delete_under_cursor"),
            "Delete the selected objects, on all planes where they lie.",
        )
        self.save = push_button(
            "Save…", "Save the labels, and their table beside them (Ctrl+S)."
        )
        row = QHBoxLayout()
        for button in (self.edit, self.delete, self.save):
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.rest)
        layout.addLayout(row)
        self.edit.clicked.connect(self._on_edit)
        self.delete.clicked.connect(self._on_delete)
        self.save.clicked.connect(self.saved)
        self.table.itemSelectionChanged.connect(self._on_selected)
        self.table.cellClicked.connect(self._on_clicked)
        self.table.itemChanged.connect(self._on_changed)
        self.table.customContextMenuRequested.connect(self._on_menu)
        self._shown: Mapping[int, Record] = {}
        self._rows: list[_Row] = []
        self._icons: dict[_Color, QIcon] = {}
        self._version = -1
        self._filling = False
        self._show_buttons()

    @property
    def label(self) -> int | None:
        """Label of the selected object; None where there is not one alone."""
        return self.labels[0] if len(self.labels) == 1 else None

    @property
    def labels(self) -> tuple[int, ...]:
        """Labels of the selected objects."""
        rows = sorted(one.row() for one in self.table.selectionModel().selectedRows())
        return tuple(self._rows[row][0].label for row in rows if row < len(self._rows))

    def show_selected(self, labels: Iterable[int]) -> None:
        """Select the rows of these objects, and bring the first of them into view."""
        wanted = set(labels)
        if set(self.labels) == wanted:
            return
        self._filling = True
        chosen, model = QItemSelection(), self.table.model()
        rows = [
            n for n, (record, *_) in enumerate(self._rows) if record.label in wanted
        ]
        for row in rows:
            index = model.index(row, 0)
            chosen.select(index, model.index(row, model.columnCount() - 1))
        flag = QItemSelectionModel.SelectionFlag
        self.table.selectionModel().select(chosen, flag.ClearAndSelect)
        if rows:
            self.table.scrollToItem(self.table.item(rows[0], 0))
        self._filling = False
        self._show_buttons()

    def like_menu(self) -> QMenu:
        """Return the menu that finds objects like the selected ones."""
        menu, labels = QMenu(self), self.labels
        for text, is_like, anew in _LIKE:
            said = text if len(labels) < 2 else text.replace("this", "these")
            menu.addAction(said).triggered.connect(
                lambda _=False, a=is_like, b=anew: self.likened.emit(labels, a, b)
            )
        return menu

    def _on_menu(self, position: QPoint) -> None:
        if self.labels:
            self.like_menu().popup(self.table.viewport().mapToGlobal(position))

    def show_objects(
        self,
        objects: Mapping[int, Record],
        color: Callable[[int], _Color],
        area: Callable[[int], int] = lambda label: 0,
        version: int = 0,
    ) -> None:
        """Show the objects; does nothing where they are shown already.

        Parameters
        ----------
        objects
            By their labels.
        color, area
            Told a label, return its colour and its pixels.
        version
            Of the pixels: another number where they have changed.
        """
        if objects is self._shown and version == self._version:
            return
        before = self.labels
        self._shown, self._version = objects, version
        self._filling = True
        listed = sorted(objects, reverse=True)[:_MOST_ROWS]
        self.rest.setText(f"The newest {len(listed):,} of {len(objects):,} objects.")
        self.rest.setVisible(len(listed) < len(objects))
        self._lay_out([(objects[one], color(one), area(one)) for one in listed])
        self._filling = False
        self.show_selected(before)
        self._show_buttons()

    def _lay_out(self, wanted: list[_Row]) -> None:
        """Fill in the rows that are new or changed, and take away those that went.

        All of them anew, with each object that is kept, would take longer and longer,
        and leave the heap in pieces.
        """
        rows = self._rows
        for at, row in enumerate(wanted):
            label = row[0].label
            while at < len(rows) and rows[at][0].label > label:
                self.table.removeRow(at)
                del rows[at]
            if at == len(rows) or rows[at][0].label < label:
                self.table.insertRow(at)
                rows.insert(at, row)
            elif rows[at][0] is row[0] and rows[at][1:] == row[1:]:
                continue
            rows[at] = row
            self._fill_row(at, *row)
        del rows[len(wanted) :]
        self.table.setRowCount(len(wanted))

    def _icon(self, color: _Color) -> QIcon:
        """Return the patch of a colour; objects that have the same one share it."""
        if len(self._icons) > _MOST_ICONS:
            self._icons.clear()
        if color not in self._icons:
            self._icons[color] = swatch_icon(color)
        return self._icons[color]

    def _fill_row(self, row: int, record: Record, color: _Color, area: int) -> None:
        score = "" if math.isnan(record.score) else f"{record.score:.2f}"
        texts = (str(record.label), record.class_name, score, f"{area:,}")
        latest = record.latest
        tip = "Drawn by hand or by another program."
        if latest is not None:
            tip = f"{latest.model}, {latest.time}"
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setData(_LABEL_ROLE, record.label)
            if column == 0:
                item.setIcon(self._icon(color))
            if column != _CLASS:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            item.setToolTip(tip)
            self.table.setItem(row, column, item)

    def _label_at(self, row: int) -> int | None:
        item = self.table.item(row, 0)
        return None if item is None else int(item.data(_LABEL_ROLE))

    def _show_buttons(self) -> None:
        count = len(self.table.selectionModel().selectedRows())
        self.edit.setEnabled(count == 1)
        self.delete.setEnabled(count > 0)

    def _on_selected(self) -> None:
        self._show_buttons()
        if not self._filling:
            self.selected.emit(self.labels)

    def _on_clicked(self, row: int, column: int) -> None:
        label = self._label_at(row)
        if label is not None:
            self.visited.emit(label)

    def _on_edit(self) -> None:
        if self.label is not None:
            self.reopened.emit(self.label)

    def _on_delete(self) -> None:
        for label in self.labels:
            self.deleted.emit(label)

    def _on_changed(self, item: Any) -> None:
        if not self._filling and item.column() == _CLASS:
            self.table.clearFocus()
            record, *rest = self._rows[item.row()]
            # it shows another text
            self._rows[item.row()] = (copy(record), rest[0], rest[1])
            self.renamed.emit(int(item.data(_LABEL_ROLE)), str(item.text()).strip())
