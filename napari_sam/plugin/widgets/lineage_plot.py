"""The lineage of a film as a tree: time to the right, one line for each track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSize, Qt, Signal

from napari_sam.workflows.stacks.lineage_layout import lay_out_lineage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from napari_sam.workflows.stacks.lineage import Lineage

__all__ = ["LineagePlot"]

_Color = tuple[int, int, int]
_Point = tuple[float, float]

_CHOSEN = "#ffd23f"
_SUSPECT = "#ff8a3d"
_NOW = "#8fb8ff"
_GAP = (130, 136, 146)
_NEAR = 0.6
"""Rows from a line within which a click means it."""


class _TreeBox(pg.ViewBox):  # type: ignore[misc]
    """Where the tree is; a click selects, a drag moves it, the wheel zooms."""

    pressed = Signal(object, bool)
    """A place was clicked; emitted with its (x, y), and whether it adds."""

    def __init__(self) -> None:
        super().__init__(enableMenu=False, invertY=True)

    def mouseClickEvent(self, event: Any) -> None:
        """Tell what is clicked; a double click shows all."""
        if event.button() != Qt.MouseButton.LeftButton:
            return
        event.accept()
        if event.double():
            self.autoRange()
            return
        point = self.mapSceneToView(event.scenePos())
        adds = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.pressed.emit((float(point.x()), float(point.y())), adds)


class LineagePlot(pg.PlotWidget):  # type: ignore[misc]
    """Draws a lineage, the selected tracks, and the frame that is shown."""

    pressed = Signal(int, int, bool)
    """A track was clicked; emitted with it, the frame, and whether it adds."""

    def __init__(self) -> None:
        self.box = _TreeBox()
        super().__init__(viewBox=self.box, background=None)
        self.setMinimumSize(200, 180)
        self.setToolTip(
            "Each line is a track, from its first frame to its last; dots are gaps. "
            "Click one to select it and go there; Shift-click a second one. Drag to "
            "move, wheel to zoom, double click to see all."
        )
        self.hideAxis("left")
        self.setLabel("bottom", "frame")
        self.rows: dict[int, float] = {}
        self._lineage: Lineage | None = None
        self._drawn: object = None
        self._marked: list[Any] = []
        self.now = pg.InfiniteLine(0, pen=pg.mkPen(_NOW, width=1))
        self.now.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.box.pressed.connect(self._on_press)

    def sizeHint(self) -> QSize:
        """Ask for little room, and take what there is."""
        return QSize(200, 240)

    # --- what is shown ----------------------------------------------------------

    def show_lineage(
        self,
        lineage: Lineage | None,
        tracks: Collection[int] | None,
        color: Callable[[int], _Color],
    ) -> None:
        """Draw some tracks, or all; the view stays where the same ones are drawn.

        Parameters
        ----------
        lineage
            Who is who; None for nothing.
        tracks
            Those that are drawn; None: all.
        color
            Told a track, returns its colour.
        """
        self.clear()
        self._marked = []
        self._lineage = lineage
        self.rows = {} if lineage is None else lay_out_lineage(lineage, tracks)
        if lineage is None or not self.rows:
            return
        by_color: dict[_Color, list[_Point]] = {}
        gaps: list[_Point] = []
        for track in self.rows:
            by_color.setdefault(color(track), []).extend(self._line(track))
            gaps += self._gap_line(track)
        self._draw(gaps, pg.mkPen(_GAP, width=1, style=Qt.PenStyle.DotLine))
        for shade, points in by_color.items():
            self._draw(points, pg.mkPen(shade, width=2))
        self.addItem(self.now, ignoreBounds=True)
        kind = None if tracks is None else frozenset(self.rows)
        if kind != self._drawn or not self._is_in_view():
            self._drawn = kind
            self.box.autoRange(padding=0.03)

    def _is_in_view(self) -> bool:
        (_, right), (top, bottom) = self.box.viewRange()
        last = max(self.rows.values())
        return bool(right > 0 and top <= last and bottom >= 0)

    def _line(self, track: int) -> list[_Point]:
        """Return the ends of the pieces of a track, and of the line to its parent."""
        lineage = self._lineage
        assert lineage is not None  # there is nothing to draw then
        row, at = self.rows[track], lineage.frames[track]
        gaps = lineage.gaps(track)
        begins = [at[0], *(after for _, after in gaps)]
        ends = [*(before for before, _ in gaps), at[-1]]
        points: list[_Point] = []
        for begin, end in zip(begins, ends, strict=True):
            points += [(begin - 0.4, row), (end + 0.4, row)]
        parent = lineage.parents.get(track)
        if parent in self.rows and parent is not None:
            corner = lineage.frames[parent][-1] + 0.4
            points += [(corner, self.rows[parent]), (corner, row)]
            points += [(corner, row), (at[0] - 0.4, row)]
        return points

    def _gap_line(self, track: int) -> list[_Point]:
        lineage = self._lineage
        assert lineage is not None
        row = self.rows[track]
        gaps = lineage.gaps(track)
        return [p for a, b in gaps for p in ((a + 0.4, row), (b - 0.4, row))]

    def _draw(self, points: Iterable[_Point], pen: Any) -> Any:
        """Draw lines between each two points."""
        x, y = np.array(list(points), float).reshape(-1, 2).T
        item = pg.PlotCurveItem(x, y, connect="pairs", pen=pen, skipFiniteCheck=True)
        item.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
        self.addItem(item)
        return item

    def mark(
        self, tracks: Collection[int], suspects: Iterable[tuple[int, int]] = ()
    ) -> None:
        """Mark the selected tracks, and places (track, frame) that look wrong."""
        for item in self._marked:
            self.removeItem(item)
        self._marked = []
        lines = [p for one in tracks if one in self.rows for p in self._line(one)]
        if lines:
            self._marked.append(self._draw(lines, pg.mkPen(_CHOSEN, width=4)))
        dots = [(t, self.rows[n]) for n, t in suspects if n in self.rows]
        if dots:
            item = pg.ScatterPlotItem(pos=dots, size=7, pen=None, brush=_SUSPECT)
            item.setAcceptedMouseButtons(Qt.MouseButton.NoButton)
            self.addItem(item)
            self._marked.append(item)

    def show_frame(self, frame: int) -> None:
        """Show where in time the viewer is."""
        self.now.setValue(frame)

    # --- what the user does -----------------------------------------------------

    def _on_press(self, place: _Point, adds: bool) -> None:
        """Select the track nearest to a place."""
        lineage = self._lineage
        if lineage is None or not self.rows:
            return

        def distance(track: int) -> float:
            at = lineage.frames[track]
            outside = max(at[0] - 0.5 - place[0], place[0] - at[-1] - 0.5, 0.0)
            return abs(self.rows[track] - place[1]) + 10 * outside

        track = min(self.rows, key=distance)
        if distance(track) <= _NEAR:
            at = lineage.frames[track]
            frame = min(at, key=lambda t: abs(t - place[0]))
            self.pressed.emit(track, frame, adds)
