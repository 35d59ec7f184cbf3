"""The menus over the table of measurements: columns, channels, and what to select."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QMenu, QPushButton

from napari_sam.plugin.measure.layer_measuring import channels_of_viewer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.plugin.measure.layer_measuring import LayerMeasuring
    from napari_sam.plugin.viewer.object_selection import ObjectSelection

    Table = Callable[[], pd.DataFrame | None]

__all__ = ["ChannelsButton", "ColumnsButton", "SelectButton"]

_FIRST = ("frame", "label", "class", "area", "volume", "circularity", "intensity_mean")
"""What the columns that are shown at first begin with, in this order."""


class _MenuButton(QPushButton):  # type: ignore[misc]
    """A button whose menu is filled when it is opened."""

    def __init__(self, text: str, tip: str) -> None:
        super().__init__(text)
        self.setToolTip(tip)
        menu = QMenu(self)
        menu.aboutToShow.connect(self._refill)
        self.setMenu(menu)

    def _refill(self) -> None:
        self.menu().clear()
        self.fill(self.menu())

    def fill(self, menu: QMenu) -> None:
        """Add the entries."""

    @staticmethod
    def tick(menu: QMenu, text: str, is_on: bool, call: Callable[[bool], None]) -> None:
        """Add an entry that is ticked or not, and what a change of it calls."""
        action = menu.addAction(text)
        action.setCheckable(True)
        action.setChecked(is_on)
        action.toggled.connect(call)


class ColumnsButton(_MenuButton):
    """Lists the columns of the table, those that are shown ticked.

    Parameters
    ----------
    measuring
        Measures, and has the table.
    table
        Returns the table, or None.
    """

    changed = Signal()
    """Other columns are shown."""

    def __init__(self, measuring: LayerMeasuring, table: Table) -> None:
        super().__init__("Columns", "Which columns the table has.")
        self._measuring, self._table = measuring, table
        self._hidden: set[str] | None = None

    def shown(self) -> list[str]:
        """Return the columns that are shown, in their order."""
        names = self._names()
        if self._hidden is None and names:
            first = [n for start in _FIRST for n in names if n.startswith(start)]
            # the others stand behind: they are scrolled to
            names = [*first, *(name for name in names if name not in first)]
        return [name for name in names if name not in (self._hidden or ())]

    def hide_columns(self, names: Iterable[str], *_: object) -> None:
        """Hide these columns of the table, and show the others."""
        self._hidden = set(names)
        self.changed.emit()

    def _names(self) -> list[str]:
        table = self._table()
        return [] if table is None else [str(name) for name in table.columns]

    def fill(self, menu: QMenu) -> None:
        """List the columns."""
        is_all = self._measuring.properties == "all"
        self.tick(menu, "Measure everything (slower)", is_all, self._measure_all)
        show_all = partial(self.hide_columns, ())
        menu.addAction("Show all columns").triggered.connect(show_all)
        menu.addSeparator()
        for name in self._names():
            is_shown = name not in (self._hidden or ())
            self.tick(menu, name, is_shown, partial(self._show_column, name))

    def _measure_all(self, is_on: bool) -> None:
        self._measuring.properties = "all" if is_on else None
        self._measuring.measure_now()

    def _show_column(self, name: str, is_on: bool) -> None:
        hidden = set(self._hidden or ())
        self.hide_columns(hidden - {name} if is_on else hidden | {name})


class ChannelsButton(_MenuButton):
    """Lists the images that lie where the labels lie, those that are measured ticked.

    Parameters
    ----------
    measuring
        Measures them.
    viewer
        The napari viewer.
    """

    def __init__(self, measuring: LayerMeasuring, viewer: Any) -> None:
        super().__init__("Channels", "Which images intensities are measured in.")
        self._measuring, self._viewer = measuring, viewer

    def fill(self, menu: QMenu) -> None:
        """List the images."""
        measuring, layer = self._measuring, self._measuring.layer
        found = [] if layer is None else channels_of_viewer(self._viewer, layer)
        for image in found:
            is_used = image.name not in measuring.left_out
            self.tick(menu, image.name, is_used, partial(self._use, image.name))
        if not found:
            menu.addAction("no image lies on these labels").setEnabled(False)

    def _use(self, name: str, is_on: bool) -> None:
        left_out = self._measuring.left_out - {name}
        self._measuring.left_out = left_out if is_on else left_out | {name}
        self._measuring.measure_now()


class SelectButton(_MenuButton):
    """Lists what can be selected: all, none, the others, the objects of a class.

    Parameters
    ----------
    selection
        Of the objects.
    table
        Returns the table, or None.
    """

    def __init__(self, selection: ObjectSelection, table: Table) -> None:
        super().__init__("Select", "Select objects by what was measured of them.")
        self._selection, self._table = selection, table

    def fill(self, menu: QMenu) -> None:
        """List the choices, with their numbers of objects."""
        table = self._table()
        if table is None:
            return
        labels = table["label"].to_numpy()
        chosen = np.isin(labels, self._selection.labels)
        entries = [
            ("All", labels),
            ("None", labels[:0]),
            ("The others", labels[~chosen]),
        ]
        if "class" in table:
            for name, group in table.groupby("class")["label"]:
                entries.append((f"Class {str(name) or 'none'}", group.to_numpy()))
        for text, wanted in entries:
            action = menu.addAction(f"{text} ({len(np.unique(wanted)):,})")
            action.triggered.connect(partial(self._select, wanted))

    def _select(self, labels: NDArray[np.int64], *_: object) -> None:
        self._selection.select(labels)
