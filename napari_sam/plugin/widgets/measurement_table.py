"""The table of measurements: all objects, sorted by any column.

Rows are filled in only while they are seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QSize,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QTableView

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["MeasurementModel", "MeasurementTable"]

_DISPLAY = Qt.ItemDataRole.DisplayRole
_ALIGN = Qt.ItemDataRole.TextAlignmentRole
_TIP = Qt.ItemDataRole.ToolTipRole
_GROUND = Qt.ItemDataRole.BackgroundRole
_MARKED = QColor(90, 96, 105)
_MOST_RANGES = 200
"""Ranges of rows up to which Qt's selection shows them; more would take it long."""
_NUMBER = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)


class MeasurementModel(QAbstractTableModel):  # type: ignore[misc]
    """Shows some columns of a table, in any order of its rows.

    Attributes
    ----------
    columns
        The columns that are shown.
    order
        (N,) which row of the table is shown in each row.
    marked
        (N,) whether each row of the table has another ground; none if it is shorter.
    """

    def __init__(self) -> None:
        super().__init__()
        self.columns: list[str] = []
        self.order: NDArray[np.intp] = np.zeros(0, np.intp)
        self.marked: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._values: list[Any] = []
        self._table: pd.DataFrame | None = None
        self._sorted: tuple[str, bool] = ("", False)

    def show_table(self, table: pd.DataFrame | None, columns: Sequence[str]) -> None:
        """Show columns of a table, sorted as the last one was."""
        self.beginResetModel()
        self._table = table
        self.columns = [] if table is None else [c for c in columns if c in table]
        self._values = (
            [] if table is None else [table[name].to_numpy() for name in self.columns]
        )
        self._sort()
        self.endResetModel()

    def _sort(self) -> None:
        table = self._table
        if table is None:
            self.order = np.zeros(0, np.intp)
            return
        name, is_falling = self._sorted
        self.order = np.arange(len(table))
        if name in table:
            values = table[name].to_numpy()
            if values.dtype.kind not in "biuf":
                values = np.array([str(value) for value in values])
            self.order = np.argsort(values, kind="stable")
            if is_falling:
                count = 0
                if values.dtype.kind == "f":  # what has no value stays at the end
                    count = int(np.isnan(values).sum())
                known = self.order[: len(table) - count]
                self.order = np.concatenate(
                    [known[::-1], self.order[len(table) - count :]]
                )

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of rows."""
        return 0 if parent is not None and parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def data(self, index: QModelIndex, role: int = _DISPLAY) -> Any:
        """Return the text of a cell."""
        if role == _ALIGN:
            kind = self._values[index.column()].dtype.kind
            return _NUMBER if kind in "iuf" else None
        if role == _GROUND:
            row = self.order[index.row()]
            is_marked = row < len(self.marked) and self.marked[row]
            return _MARKED if is_marked else None
        if role != _DISPLAY or not index.isValid():
            return None
        return _text(self._values[index.column()][self.order[index.row()]])

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _DISPLAY
    ) -> Any:
        """Return the name of a column."""
        if orientation != Qt.Orientation.Horizontal or role not in (_DISPLAY, _TIP):
            return None
        return self.columns[section] if section < len(self.columns) else None

    def sort(
        self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder
    ) -> None:
        """Sort by a column; rows without a value come last."""
        if not 0 <= column < len(self.columns):
            return
        is_falling = order == Qt.SortOrder.DescendingOrder
        self._sorted = (self.columns[column], is_falling)
        self.layoutAboutToBeChanged.emit()
        self._sort()
        self.layoutChanged.emit()


def _text(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (float, np.floating)):
        return "" if np.isnan(value) else f"{value:.4g}"
    return str(value)


class MeasurementTable(QTableView):  # type: ignore[misc]
    """A table whose rows can be selected, many at a time."""

    chosen = Signal(object)
    """The user selected rows; emitted with (N,) their rows in the table."""

    entered_row = Signal(int)
    """The user clicked, or went to, a row; emitted with its row in the table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = MeasurementModel()
        self.setModel(self.rows)
        # with the table's own selection the header asks of each row, at each redraw,
        # whether the whole column is selected: 50 ms for ten thousand rows
        self.horizontalHeader().setSelectionModel(QItemSelectionModel(self.rows, self))
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSortingEnabled(True)
        self.setWordWrap(False)
        self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.horizontalHeader().setDefaultSectionSize(96)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(22)
        self.setMinimumHeight(120)
        self.setMinimumWidth(200)
        self._is_showing = False
        self._selected: frozenset[int] = frozenset()
        self.selectionModel().selectionChanged.connect(self._on_selected)
        self.selectionModel().currentRowChanged.connect(self._on_current)
        self.rows.layoutChanged.connect(self._show_again)

    def sizeHint(self) -> QSize:
        """Ask for little room, and take what there is."""
        return QSize(200, 130)

    @property
    def selected_rows(self) -> frozenset[int]:
        """Which rows of the table are selected."""
        return self._selected

    def show_table(self, table: pd.DataFrame | None, columns: Sequence[str]) -> None:
        """Show columns of a table; nothing is selected then."""
        self._is_showing = True
        self.rows.show_table(table, columns)
        self._selected = frozenset()
        self._is_showing = False

    def show_selected(self, chosen: Collection[int], scrolls: bool = True) -> None:
        """Select rows of the table, and bring the first of them into view."""
        if frozenset(chosen) == self._selected:
            return
        self._selected = frozenset(chosen)
        self._show_again()
        if scrolls and self._selected:
            places = np.flatnonzero(np.isin(self.rows.order, list(self._selected)))
            self.scrollTo(self.rows.index(int(places[0]), 0))

    def _show_again(self) -> None:
        """Mark the selected rows where they stand now."""
        model, last = self.rows, self.rows.columnCount() - 1
        wanted = QItemSelection()
        model.marked = np.zeros(0, np.bool_)
        places = np.flatnonzero(np.isin(model.order, list(self._selected)))
        # neighbours are one range: ten thousand ranges would take seconds
        breaks = np.flatnonzero(np.diff(places) > 1) + 1
        parts: list[NDArray[np.intp]] = []
        if len(breaks) < _MOST_RANGES:
            parts = np.split(places, breaks)
        else:
            model.marked = np.zeros(len(model.order), np.bool_)
            model.marked[list(self._selected)] = True
        for part in parts:
            if len(part) and last >= 0:
                first = model.index(int(part[0]), 0)
                wanted.select(first, model.index(int(part[-1]), last))
        self._is_showing = True
        flag = QItemSelectionModel.SelectionFlag
        self.selectionModel().select(wanted, flag.ClearAndSelect)
        self.viewport().update()
        self._is_showing = False

    def _on_selected(self, *_: object) -> None:
        if self._is_showing:
            return
        places: list[int] = []
        for part in self.selectionModel().selection():
            places += range(part.top(), part.bottom() + 1)
        rows = self.rows.order[sorted(set(places))]
        self._selected = frozenset(rows.tolist())
        self.rows.marked = np.zeros(0, np.bool_)
        self.viewport().update()
        self.chosen.emit(rows)

    def _on_current(self, current: QModelIndex, before: QModelIndex) -> None:
        if not self._is_showing and current.isValid():
            self.entered_row.emit(int(self.rows.order[current.row()]))
