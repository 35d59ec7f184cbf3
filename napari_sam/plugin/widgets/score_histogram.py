"""How many objects have which score or match, and which of them are left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qtpy.QtGui import QPaintEvent

__all__ = ["ScoreHistogram"]

_BINS = 50
_HEIGHT = 64
_PASSING = QColor("#2d7ff9")
_REST = QColor("#7a828e")
_LINE = QColor("#ffd23f")
_TEXT_HEIGHT = 14


class ScoreHistogram(QWidget):  # type: ignore[misc]
    """Bars over scores up to 1: blue for what passes, grey for the rest.

    Attributes
    ----------
    low
        Where the bars begin.
    """

    def __init__(self) -> None:
        super().__init__()
        self.all_counts: NDArray[np.int64] = np.zeros(_BINS, np.int64)
        self.passing_counts: NDArray[np.int64] = np.zeros(_BINS, np.int64)
        self.threshold = 0.0
        self.low = 0.0
        self.name = "score"
        self.setFixedHeight(_HEIGHT + _TEXT_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "How many objects have which score or match. Blue: those that are left."
        )

    def show_scores(
        self,
        scores: NDArray[np.floating],
        passing: NDArray[np.floating],
        threshold: float,
        low: float = 0.0,
        name: str = "score",
    ) -> None:
        """Show scores.

        Parameters
        ----------
        scores
            (N,) of all masks.
        passing
            (M,) of those that pass.
        threshold
            Where to draw the line.
        low
            Where the bars begin: the lowest place of the slider that moves the line.
        name
            What the scores are.
        """
        self.low, self.name = low, name
        edges = np.linspace(low, 1, _BINS + 1)
        self.all_counts = np.histogram(np.clip(scores, low, 1), edges)[0]
        self.passing_counts = np.histogram(np.clip(passing, low, 1), edges)[0]
        self.threshold = threshold
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw."""
        painter = QPainter(self)
        width, most = float(self.width()), float(max(1, self.all_counts.max()))
        bar = width / _BINS
        for counts, color in (
            (self.all_counts, _REST),
            (self.passing_counts, _PASSING),
        ):
            for index in np.flatnonzero(counts).tolist():
                height = max(2.0, _HEIGHT * float(counts[index]) / most)
                place = QRectF(index * bar, _HEIGHT - height, max(1.0, bar - 1), height)
                painter.fillRect(place, color)
        painter.setPen(QPen(_REST, 1))
        painter.drawLine(0, _HEIGHT, self.width(), _HEIGHT)
        if self.threshold > self.low:
            at = (self.threshold - self.low) / (1 - self.low) * width
            painter.setPen(QPen(_LINE, 2))
            painter.drawLine(round(at), 0, round(at), _HEIGHT)
        self._draw_scale(painter)
        painter.end()

    def _draw_scale(self, painter: QPainter) -> None:
        painter.setPen(_REST)
        font = painter.font()
        font.setPointSizeF(max(6.0, font.pointSizeF() * 0.85))
        painter.setFont(font)
        row = QRectF(0, _HEIGHT + 1, self.width(), _TEXT_HEIGHT)
        align = Qt.AlignmentFlag
        painter.drawText(row, align.AlignLeft, f"{self.low:.1f}")
        painter.drawText(row, align.AlignHCenter, self.name)
        painter.drawText(row, align.AlignRight, "1.0")
