"""The classes: key, colour, name, and how many objects have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QItemSelectionModel, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHBoxLayout,
    QHeaderView,
    QInputDialog,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_sam.plugin.widgets.icons import swatch_icon

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam.ops.object_classes import ObjectClass

__all__ = ["ClassTable"]

_KEY, _NAME, _COUNT = range(3)
_NAME_ROLE = Qt.ItemDataRole.UserRole


class ClassTable(QWidget):  # type: ignore[misc]
    """The classes in their order; a double click on name or key changes it."""

    added = Signal(str)
    """A class is to be added; emitted with its name."""

    removed = Signal(str)
    """A class is to be taken away; emitted with its name."""

    renamed = Signal(str, str)
    """A class has another name; emitted with the old and the new one."""

    recoloured = Signal(str, object)
    """A class has another colour; emitted with its name and RGB."""

    rekeyed = Signal(str, object)
    """A class has another key; emitted with its name, and the number or None."""

    refused = Signal(str)
    """What was written into the table cannot be; emitted with why."""

    def __init__(self) -> None:
        super().__init__()
        self.table = QTableWidget(0, 3)
        self.table.setHorizontalHeaderLabels(["Key", "Class", "Objects"])
        self.table.verticalHeader().hide()
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setMinimumHeight(110)
        header, mode = self.table.horizontalHeader(), QHeaderView.ResizeMode
        header.setSectionResizeMode(mode.ResizeToContents)
        header.setSectionResizeMode(_NAME, mode.Stretch)
        self.add = QPushButton("Add class…")
        self.add.setToolTip("Add a class, with a name of your choice.")
        self.colour = QPushButton("Colour…")
        self.colour.setToolTip("Choose another colour for the selected class.")
        self.remove = QPushButton("Remove")
        self.remove.setToolTip(
            "Take the selected class away. Its objects stay, and have no class then."
        )
        row = QHBoxLayout()
        for button in (self.add, self.colour, self.remove):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            row.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.table, 1)
        layout.addLayout(row)
        self.add.clicked.connect(self._on_add)
        self.colour.clicked.connect(self._on_colour)
        self.remove.clicked.connect(self._on_remove)
        self.table.itemSelectionChanged.connect(self._show_buttons)
        self.table.itemChanged.connect(self._on_changed)
        self._shown: tuple[Any, ...] = ()
        self._classes: dict[str, ObjectClass] = {}
        self._is_filling = False
        self._show_buttons()

    @property
    def name(self) -> str:
        """Name of the selected class, "" for none."""
        rows = self.table.selectionModel().selectedRows()
        return (
            str(self.table.item(rows[0].row(), _NAME).data(_NAME_ROLE)) if rows else ""
        )

    def show_classes(
        self, classes: Sequence[ObjectClass], counts: Mapping[str, int]
    ) -> None:
        """Show classes; does nothing where they are shown already."""
        state = (tuple(classes), tuple(counts.get(one.name, 0) for one in classes))
        if state == self._shown:
            return
        before = self.name
        self._shown, self._is_filling = state, True
        self._classes = {one.name: one for one in classes}
        self.table.setRowCount(len(state[0]))
        for row, (one, count) in enumerate(zip(*state, strict=True)):
            self._fill_row(row, one, count)
        self._is_filling = False
        self._select(before if before in self._classes else "")
        self._show_buttons()

    def _fill_row(self, row: int, one: ObjectClass, count: int) -> None:
        texts = ("" if one.key is None else str(one.key), one.name, f"{count:,}")
        tips = (
            "Press it over an object. Double-click to choose another, 1 to 9.",
            "Double-click to rename.",
            "Objects that have this class.",
        )
        for column, (text, tip) in enumerate(zip(texts, tips, strict=True)):
            item = QTableWidgetItem(text)
            item.setData(_NAME_ROLE, one.name)
            item.setToolTip(tip)
            if column == _NAME:
                item.setIcon(swatch_icon(one.colour))
            if column == _COUNT:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                side = Qt.AlignmentFlag.AlignRight
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(row, column, item)

    def _select(self, name: str) -> None:
        self.table.clearSelection()
        flag = QItemSelectionModel.SelectionFlag
        for row in range(self.table.rowCount()):
            if name and self.table.item(row, _NAME).data(_NAME_ROLE) == name:
                self.table.selectionModel().select(
                    self.table.model().index(row, 0), flag.Select | flag.Rows
                )

    def _show_buttons(self) -> None:
        for button in (self.colour, self.remove):
            button.setEnabled(bool(self.name))

    def _on_add(self) -> None:
        name, is_given = QInputDialog.getText(self, "Add class", "Name of the class:")
        if is_given:
            self.added.emit(str(name))

    def _on_colour(self) -> None:
        name = self.name
        chosen = QColorDialog.getColor(
            QColor(*self._classes[name].colour), self, f"Colour of {name}"
        )
        if chosen.isValid():
            rgb = chosen.red(), chosen.green(), chosen.blue()
            self.recoloured.emit(name, rgb)

    def _on_remove(self) -> None:
        if self.name:
            self.removed.emit(self.name)

    def _on_changed(self, item: Any) -> None:
        if self._is_filling:
            return
        self.table.clearFocus()  # so that the keys go to the canvas again
        name, text = str(item.data(_NAME_ROLE)), str(item.text()).strip()
        self._shown = ()  # what was written may be refused
        if item.column() == _NAME:
            self.renamed.emit(name, text)
        elif not text:
            self.rekeyed.emit(name, None)
        elif text.isdecimal():
            self.rekeyed.emit(name, int(text))
        else:
            self.refused.emit(f"The key of a class is 1 to 9; “{text}” is none.")
