"""Icons of the tools, drawn at the size asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

from napari_sam.plugin.annotator.prompt_layers import BACKGROUND_COLOR, OBJECT_COLOR

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["swatch_icon", "tool_icon"]

_GREY = "#98a2b3"
_BUSY = "#2d7ff9"
_SIZE = 64


def tool_icon(name: str, is_busy: bool = False) -> QIcon:
    """Return the icon of a tool of the annotator, or of a tab of the dock.

    The tools are "object", "background", "box", "lasso" and "brush"; the tabs
    "annotate", "classes", "find", "volume", "measure" and "learn". A busy one
    has a dot.
    """

    def draw(painter: QPainter) -> None:
        _DRAWINGS[name](painter)
        if is_busy:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(_BUSY))
            painter.drawEllipse(QRectF(44, 0, 20, 20))

    return _painted(draw)


def swatch_icon(color: tuple[int, int, int]) -> QIcon:
    """Return a round patch of a colour."""

    def draw(painter: QPainter) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(*color))
        painter.drawEllipse(QRectF(12, 12, 40, 40))

    return _painted(draw)


def _painted(draw: Callable[[QPainter], None]) -> QIcon:
    pixmap = QPixmap(_SIZE, _SIZE)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    draw(painter)
    painter.end()
    return QIcon(pixmap)


def _pen(color: str, width: float = 5.0, dashed: bool = False) -> QPen:
    pen = QPen(QColor(color), width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    if dashed:
        pen.setDashPattern([1.6, 2.0])
    return pen


def _dot(painter: QPainter, color: str, plus: bool) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(color))
    painter.drawEllipse(QRectF(8, 8, 48, 48))
    painter.setPen(_pen("#10151c", 6))
    painter.drawLine(QPointF(20, 32), QPointF(44, 32))
    if plus:
        painter.drawLine(QPointF(32, 20), QPointF(32, 44))


def _draw_object(painter: QPainter) -> None:
    _dot(painter, OBJECT_COLOR, plus=True)


def _draw_background(painter: QPainter) -> None:
    _dot(painter, BACKGROUND_COLOR, plus=False)


def _draw_box(painter: QPainter) -> None:
    painter.setPen(_pen(_GREY, 5, dashed=True))
    painter.drawRect(QRectF(9, 14, 46, 36))


def _draw_lasso(painter: QPainter) -> None:
    path = QPainterPath(QPointF(18, 46))
    path.cubicTo(QPointF(0, 24), QPointF(20, 6), QPointF(36, 10))
    path.cubicTo(QPointF(62, 14), QPointF(60, 40), QPointF(42, 46))
    path.cubicTo(QPointF(34, 50), QPointF(26, 44), QPointF(22, 56))
    painter.setPen(_pen(_GREY))
    painter.drawPath(path)


def _draw_brush(painter: QPainter) -> None:
    painter.setPen(_pen(_GREY, 7))
    painter.drawLine(QPointF(54, 10), QPointF(32, 34))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(_GREY))
    path = QPainterPath(QPointF(10, 56))
    path.cubicTo(QPointF(16, 50), QPointF(12, 38), QPointF(24, 34))
    path.cubicTo(QPointF(38, 32), QPointF(40, 54), QPointF(10, 56))
    painter.drawPath(path)


def _draw_annotate(painter: QPainter) -> None:
    """Draw a cell, and the arrow that points at it."""
    painter.setPen(_pen(_GREY, 5))
    painter.drawEllipse(QRectF(6, 6, 40, 36))
    arrow = QPainterPath(QPointF(28, 24))
    for x, y in ((32, 58), (40, 49), (50, 60), (56, 54), (46, 44), (57, 40)):
        arrow.lineTo(QPointF(x, y))
    arrow.closeSubpath()
    painter.setPen(_pen("#10151c", 2))
    painter.setBrush(QColor(OBJECT_COLOR))
    painter.drawPath(arrow)


def _draw_classes(painter: QPainter) -> None:
    """Draw cells of three kinds, one of them pale."""
    painter.setPen(Qt.PenStyle.NoPen)
    cells = ((6, 8, 0, 255), (34, 6, 1, 255), (8, 36, 1, 255), (36, 34, 0, 110))
    for x, y, kind, opacity in cells:
        color = QColor((OBJECT_COLOR, "#e69f00")[kind])
        color.setAlpha(opacity)
        painter.setBrush(color)
        painter.drawEllipse(QRectF(x, y, 24, 22))


def _draw_find(painter: QPainter) -> None:
    """Draw a magnifier over cells."""
    painter.setPen(_pen(_GREY, 5))
    painter.drawEllipse(QRectF(8, 8, 38, 38))
    painter.setPen(_pen(_GREY, 9))
    painter.drawLine(QPointF(43, 43), QPointF(56, 56))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(OBJECT_COLOR))
    for x, y, side in ((17, 17, 9), (28, 20, 10), (20, 29, 10)):
        painter.drawEllipse(QRectF(x, y, side, side))


def _draw_volume(painter: QPainter) -> None:
    """Draw planes on one another, with a cell on each."""
    for y in (38, 25, 12):
        plane = QPainterPath(QPointF(6, y + 8))
        for x, dy in ((32, -4), (58, 8), (32, 20)):
            plane.lineTo(QPointF(x, y + dy))
        plane.closeSubpath()
        painter.setPen(_pen(_GREY, 4))
        painter.setBrush(QColor("#3a4250"))
        painter.drawPath(plane)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(OBJECT_COLOR))
        painter.drawEllipse(QRectF(25, y + 4, 14, 8))


def _draw_measure(painter: QPainter) -> None:
    """Draw the bars of a histogram, one of them chosen."""
    painter.setPen(_pen(_GREY, 5))
    painter.drawLine(QPointF(6, 58), QPointF(58, 58))
    painter.setPen(Qt.PenStyle.NoPen)
    for x, height, color in ((9, 18, _GREY), (25, 44, OBJECT_COLOR), (41, 28, _GREY)):
        painter.setBrush(QColor(color))
        painter.drawRect(QRectF(x, 54 - height, 13, height))


def _draw_learn(painter: QPainter) -> None:
    """Draw a curve that rises."""
    painter.setPen(_pen(_GREY, 5))
    painter.drawLine(QPointF(9, 8), QPointF(9, 56))
    painter.drawLine(QPointF(9, 56), QPointF(58, 56))
    curve = QPainterPath(QPointF(16, 48))
    curve.cubicTo(QPointF(22, 18), QPointF(36, 18), QPointF(56, 14))
    painter.setPen(_pen(OBJECT_COLOR, 6))
    painter.drawPath(curve)


_DRAWINGS = {
    "annotate": _draw_annotate,
    "classes": _draw_classes,
    "find": _draw_find,
    "volume": _draw_volume,
    "measure": _draw_measure,
    "learn": _draw_learn,
    "object": _draw_object,
    "background": _draw_background,
    "box": _draw_box,
    "lasso": _draw_lasso,
    "brush": _draw_brush,
}
