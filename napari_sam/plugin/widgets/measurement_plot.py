"""A histogram of one column of measurements, or a scatter plot of two.

A drag with the left button draws a gate: what lies in it is selected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainterPath
from qtpy.QtWidgets import (
    QGraphicsItem,
    QGraphicsPathItem,
    QHBoxLayout,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from skimage.measure import points_in_poly

from napari_sam.plugin.widgets.dock_layout import data_choice, form

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["COUNT", "MeasurementPlot"]

COUNT = "count"
"""What the choice of the vertical axis says for a histogram."""

_NO_GROUPS = "none"
_ALL = (122, 130, 142, 150)
_CHOSEN = (255, 210, 63, 230)
_GROUPS = ("#4c9be8", "#f2994a", "#6fcf97", "#bb6bd9", "#eb5757", "#2dd4bf", "#c9b458")
_BINS = (8, 60)
_NEAR = 8.0
"""Pixels of the screen within which a click finds a point."""
_FEW = 12
"""Different values up to which a column tells groups apart."""


class _GateBox(pg.ViewBox):  # type: ignore[misc]
    """Where the plot is; the left button draws in it, the others move it."""

    gated = Signal(object, bool)
    """A gate was drawn; emitted with its (N, 2) corners, and whether it adds."""

    pressed = Signal(object, bool)
    """A place was clicked; emitted with its (x, y), and whether it adds."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False)
        self._corners: list[tuple[float, float]] = []
        self._outline = QGraphicsPathItem()
        self._outline.setPen(pg.mkPen(_CHOSEN, width=1.5))
        self.addItem(self._outline, ignoreBounds=True)

    def mouseDragEvent(self, event: Any, axis: int | None = None) -> None:
        """Draw a gate with the left button."""
        if event.button() != Qt.MouseButton.LeftButton:
            super().mouseDragEvent(event, axis=axis)
            return
        event.accept()
        if event.isStart():
            self._corners = [self._place(event.buttonDownScenePos())]
        self._corners.append(self._place(event.scenePos()))
        path = QPainterPath()
        if not event.isFinish():
            path.moveTo(*self._corners[0])
            for corner in self._corners[1:]:
                path.lineTo(*corner)
        self._outline.setPath(path)
        if event.isFinish():
            adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.gated.emit(np.array(self._corners), adds)

    def mouseClickEvent(self, event: Any) -> None:
        """Select what is clicked."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        event.accept()
        if event.double():
            self.enableAutoRange()
            return
        adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.pressed.emit(self._place(event.scenePos()), adds)

    def _place(self, position: Any) -> tuple[float, float]:
        point = self.mapSceneToView(position)
        return float(point.x()), float(point.y())


class _View(pg.PlotWidget):  # type: ignore[misc]
    """Asks for little room, and takes what there is."""

    def sizeHint(self) -> QSize:
        """Return less than a graphics view asks for: the dock would scroll."""
        return QSize(200, 160)


class MeasurementPlot(QWidget):  # type: ignore[misc]
    """Plots columns of a table.

    Attributes
    ----------
    across, up
        The choices of the two axes.
    groups
        The choice of the column by which points have colours.
    """

    chosen = Signal(object)
    """Objects were selected in the plot; emitted with (N,) their rows."""

    def __init__(self) -> None:
        super().__init__()
        self.across = data_choice((), "The column along the plot.")
        self.up = data_choice((), "The column upwards; or how many objects there are.")
        self.groups = data_choice((), "Objects of one value have one colour.")
        self.box = _GateBox()
        self.view = _View(viewBox=self.box, background=None)
        self.view.setMinimumHeight(150)
        self.view.setMinimumWidth(200)
        self.view.setToolTip(
            "Drag with the left button around objects to select them (Shift adds); "
            "click one to go there. Wheel and right button zoom, a double click shows "
            "all."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        axes = QWidget()
        row = QHBoxLayout(axes)
        row.setContentsMargins(0, 0, 0, 0)
        for choice in (self.across, self.up):  # the names are long, the dock is narrow
            choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            choice.setMinimumWidth(70)
        row.addWidget(self.across, 1)
        row.addWidget(self.up, 1)
        self._form = form(("Plot", axes), ("Groups", self.groups))
        layout.addLayout(self._form)
        layout.addWidget(self.view, 1)
        self._table: pd.DataFrame | None = None
        self._chosen: NDArray[np.intp] = np.zeros(0, np.intp)
        self._marked: list[Any] = []
        self._edges: NDArray[np.float64] = np.zeros(0)
        for choice in (self.across, self.up, self.groups):
            choice.activated.connect(self._on_choice)
        self.box.gated.connect(self._on_gate)
        self.box.pressed.connect(self._on_press)

    # --- what is shown ----------------------------------------------------------

    def show_table(self, table: pd.DataFrame | None) -> None:
        """Plot another table; the choices stay where they can."""
        self._table = table
        self._chosen = np.zeros(0, np.intp)
        if table is not None:
            names = [str(name) for name in table.columns]
            numbers = [c for c in names if table[c].dtype.kind in "iuf"]
            first = next((c for c in numbers if c not in ("label", "frame")), "")
            self._fill(self.across, numbers, first)
            self._fill(self.up, [COUNT, *numbers], COUNT)
            few = [
                c
                for c in names
                if table[c].dtype.kind not in "f" and 1 < table[c].nunique() <= _FEW
            ]
            self._fill(self.groups, [_NO_GROUPS, *few], _NO_GROUPS)
            self._form.setRowVisible(1, bool(few))
        self._draw()

    @staticmethod
    def _fill(choice: Any, names: Sequence[str], first: str) -> None:
        before = choice.currentText()
        if [choice.itemText(i) for i in range(choice.count())] == list(names):
            return
        choice.clear()
        choice.addItems(list(names))
        wanted = before if before in names else first
        choice.setCurrentIndex(max(0, choice.findText(wanted)))

    def show_selected(self, rows: Collection[int]) -> None:
        """Mark objects."""
        self._chosen = np.fromiter(rows, np.intp, len(rows))
        self._mark()

    @property
    def is_histogram(self) -> bool:
        """Whether one column is plotted."""
        return bool(self.up.currentText() == COUNT)

    def _on_choice(self, index: int) -> None:
        for choice in (self.across, self.up, self.groups):
            choice.clearFocus()
        self._draw()
        self.box.enableAutoRange()

    def _column(self, choice: Any) -> NDArray[np.float64] | None:
        name = choice.currentText()
        if self._table is None or name not in self._table:
            return None
        return np.asarray(self._table[name], np.float64)

    def _draw(self) -> None:
        self.view.clear()
        self._marked = []
        x, y = self._column(self.across), self._column(self.up)
        self.view.setLabel("bottom", self.across.currentText())
        up = "objects" if self.is_histogram else self.up.currentText()
        self.view.setLabel("left", up)
        if x is None:
            return
        if self.is_histogram:
            known = x[np.isfinite(x)]
            self._edges = _edges_of(known)
            self._add_bars(known, _ALL)
        elif y is not None:
            for rows, colour in self._parts():
                points = self._add_points(x[rows], y[rows], colour, 5)
                # so they are not drawn again when what is selected changes
                points.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)
        self._mark()

    def _parts(self) -> list[tuple[NDArray[np.intp], Any]]:
        """Return the rows of each group, with their colour."""
        name = self.groups.currentText()
        if self._table is None or name not in self._table:
            total = 0 if self._table is None else len(self._table)
            return [(np.arange(total), _ALL)]
        values = self._table[name].to_numpy()
        kinds = list(dict.fromkeys(values.tolist()))
        return [
            (np.flatnonzero(values == kind), QColor(_GROUPS[i % len(_GROUPS)]))
            for i, kind in enumerate(kinds)
        ]

    def _add_points(
        self, x: NDArray[Any], y: NDArray[Any], colour: Any, size: int
    ) -> Any:
        item = pg.ScatterPlotItem(x, y, size=size, pen=None, brush=pg.mkBrush(colour))
        self.view.addItem(item)
        return item

    def _add_bars(self, values: NDArray[Any], colour: Any) -> Any:
        counts, _ = np.histogram(values, self._edges)
        item = pg.BarGraphItem(
            x0=self._edges[:-1],
            x1=self._edges[1:],
            y0=0,
            y1=counts,
            pen=None,
            brush=pg.mkBrush(colour),
        )
        self.view.addItem(item)
        return item

    def _mark(self) -> None:
        """Draw what is selected over the rest."""
        for item in self._marked:
            self.view.removeItem(item)
        self._marked = []
        x, y = self._column(self.across), self._column(self.up)
        rows = self._chosen[self._chosen < (0 if x is None else len(x))]
        if x is None or not len(rows):
            return
        if self.is_histogram:
            self._marked = [self._add_bars(x[rows], _CHOSEN)]
        elif y is not None:
            self._marked = [self._add_points(x[rows], y[rows], _CHOSEN, 7)]

    # --- what the user does -----------------------------------------------------

    def _on_gate(self, corners: NDArray[np.float64], adds: bool) -> None:
        """Select what lies in a gate; in a histogram, between its two sides."""
        x, y = self._column(self.across), self._column(self.up)
        if x is None:
            return
        if self.is_histogram:
            low, high = corners[:, 0].min(), corners[:, 0].max()
            inside = (x >= low) & (x <= high)
        elif y is not None and len(corners) > 2:
            inside = points_in_poly(np.stack([x, y], axis=1), corners)
        else:
            return
        self._choose(np.flatnonzero(inside), adds)

    def _on_press(self, place: tuple[float, float], adds: bool) -> None:
        """Select the point, or the bar, at a place; nothing where there is none."""
        x, y = self._column(self.across), self._column(self.up)
        if x is None:
            return
        if self.is_histogram:
            at = int(np.searchsorted(self._edges, place[0], side="right")) - 1
            if 0 <= at < len(self._edges) - 1:
                low, high = self._edges[at], self._edges[at + 1]
                is_last = at == len(self._edges) - 2
                inside = (x >= low) & ((x <= high) if is_last else (x < high))
                self._choose(np.flatnonzero(inside), adds)
            return
        if y is None or not len(x):
            return
        width, height = self.box.viewPixelSize()
        away = np.hypot((x - place[0]) / width, (y - place[1]) / height)
        near = int(np.argmin(np.where(np.isfinite(away), away, np.inf)))
        self._choose(np.array([near] if away[near] <= _NEAR else [], np.intp), adds)

    def _choose(self, rows: NDArray[np.intp], adds: bool) -> None:
        if adds:
            rows = np.union1d(self._chosen, rows)
        self.chosen.emit(rows)


def _edges_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the edges of the bars of a histogram."""
    if not len(values):
        return np.array([0.0, 1.0])
    whole = np.histogram_bin_edges(values, "sqrt")
    number = int(np.clip(len(whole) - 1, *_BINS))
    edges: NDArray[np.float64] = np.histogram_bin_edges(values, number)
    return edges
