"""A small plot of curves that grow, painted by Qt alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from qtpy.QtGui import QPaintEvent

__all__ = ["CurvePlot"]

_COLORS = ("#8a93a0", "#2d7ff9", "#e8912d", "#2fb170")
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 34, 18, 18


class CurvePlot(QWidget):  # type: ignore[misc]
    """Loss against the left axis, scores of 0 to 1 against the right one.

    Parameters
    ----------
    left
        Name of the curve that belongs to the left axis, which starts at 0.
    right
        Names of the others.
    across
        What the points lie along.
    """

    def __init__(self, left: str, right: tuple[str, ...], across: str) -> None:
        super().__init__()
        self.left = left
        self.across = across
        self.curves: dict[str, list[tuple[float, float]]] = {
            name: [] for name in (left, *right)
        }
        self.setMinimumHeight(150)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def clear(self) -> None:
        """Forget all points."""
        for points in self.curves.values():
            points.clear()
        self.update()

    def add(self, name: str, at: float, value: float) -> None:
        """Add a point to a curve."""
        self.curves[name].append((at, value))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint axes, legend and curves."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = painter.font()
        font.setPixelSize(10)
        painter.setFont(font)
        box = QRectF(
            _LEFT,
            _TOP,
            max(1, self.width() - _LEFT - _RIGHT),
            max(1, self.height() - _TOP - _BOTTOM),
        )
        points = [p for curve in self.curves.values() for p in curve]
        last = max((at for at, _ in points), default=0.0) or 1.0
        losses = [value for _, value in self.curves[self.left]]
        top = max(losses, default=0.0) * 1.05 or 1.0
        scores = [
            value
            for name, curve in self.curves.items()
            for _, value in curve
            if name != self.left
        ]
        low = max(0.0, min(scores, default=0.0) - 0.05)
        high = min(1.0, max(scores, default=1.0) + 0.05)
        self._paint_axes(painter, box, last, top, (low, high))
        for number, (name, curve) in enumerate(self.curves.items()):
            limits = (0.0, top) if name == self.left else (low, high)
            self._paint_curve(painter, box, curve, last, limits, number)
        painter.end()

    def _paint_axes(
        self,
        painter: QPainter,
        box: QRectF,
        last: float,
        top: float,
        scores: tuple[float, float],
    ) -> None:
        ink = self.palette().text().color()
        painter.setPen(QPen(QColor(128, 128, 128, 90)))
        for part in range(5):
            y = box.bottom() - box.height() * part / 4
            painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))
        painter.setPen(QPen(ink))
        left, right = Qt.AlignmentFlag.AlignRight, Qt.AlignmentFlag.AlignLeft
        for part in (0, 2, 4):
            y = box.bottom() - box.height() * part / 4 - 7
            value = top * part / 4
            painter.drawText(QRectF(0, y, _LEFT - 4, 14), left, f"{value:.2g}")
            value = scores[0] + (scores[1] - scores[0]) * part / 4
            place = QRectF(box.right() + 4, y, _RIGHT - 4, 14)
            painter.drawText(place, right, f"{value:.2f}")
        below = QRectF(box.left(), box.bottom() + 2, box.width(), 14)
        painter.drawText(below, left, f"{last:.0f} {self.across}")
        x = box.left()
        for number, name in enumerate(self.curves):
            painter.setPen(QPen(QColor(_COLORS[number % len(_COLORS)])))
            painter.drawText(QPointF(x, 11), name)
            x += painter.fontMetrics().horizontalAdvance(name) + 12

    def _paint_curve(
        self,
        painter: QPainter,
        box: QRectF,
        curve: list[tuple[float, float]],
        last: float,
        limits: tuple[float, float],
        number: int,
    ) -> None:
        low, high = limits
        span = max(high - low, 1e-9)
        shape = QPolygonF()
        for at, value in curve:
            share = min(1.0, max(0.0, (value - low) / span))
            shape.append(
                QPointF(
                    box.left() + box.width() * at / last,
                    box.bottom() - box.height() * share,
                )
            )
        color = QColor(_COLORS[number % len(_COLORS)])
        painter.setPen(QPen(color, 1.6))
        painter.drawPolyline(shape)
        painter.setBrush(color)
        places: list[Any] = [shape.at(i) for i in range(shape.size())]
        if len(places) <= 30:
            for place in places:
                painter.drawEllipse(place, 2, 2)
        painter.setBrush(Qt.BrushStyle.NoBrush)
