"""How sure an object in 3D is on each plane of its stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QRectF, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import QSizePolicy, QWidget

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtpy.QtGui import QMouseEvent, QPaintEvent

__all__ = ["ConfidenceBar"]

_HEIGHT = 30
_SURE, _UNSURE = QColor("#2d7ff9"), QColor("#ff9f43")
_GIVEN, _HERE, _GROUND = QColor("#35d07f"), QColor("#ffffff"), QColor("#7a828e")
_LOW = 0.6


class ConfidenceBar(QWidget):  # type: ignore[misc]
    """A column for each plane, as high as the object is sure there.

    Green where its outline was given, blue where it is sure, orange where it is not. A
    click goes to the plane.
    """

    chosen = Signal(int)
    """Emitted with the number of the plane that was clicked."""

    def __init__(self) -> None:
        super().__init__()
        self.confidence: dict[int, float] = {}
        self.given: tuple[int, ...] = ()
        self.count, self.here = 0, -1
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "How sure the object is on each plane. Green: you said something there; "
            "blue: sure; orange: not sure. Click to go to a plane."
        )
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def show_confidence(
        self,
        confidence: Mapping[int, float],
        given: tuple[int, ...],
        count: int,
        here: int | None,
    ) -> None:
        """Show an object.

        Parameters
        ----------
        confidence
            By plane on which it lies, 0 to 1.
        given
            Planes on which something was said of it.
        count
            How many planes there are.
        here
            The plane that is shown.
        """
        self.confidence, self.given = dict(confidence), given
        self.count, self.here = count, -1 if here is None else here
        least = min(self.confidence, key=lambda n: self.confidence[n], default=None)
        told = "" if least is None else f", least sure on plane {least}"
        self.setAccessibleName(f"Object on {len(self.confidence)} planes{told}")
        self.update()

    def plane_at(self, x: float) -> int:
        """Return the plane whose column lies at a place of the widget."""
        return min(max(int(x / max(self.width(), 1) * self.count), 0), self.count - 1)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Go to the plane that is clicked."""
        if event is not None and self.count:
            self.chosen.emit(self.plane_at(event.position().x()))

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the columns, a line beneath them, and a mark at the plane shown."""
        if not self.count:
            return
        painter = QPainter(self)
        wide, high = self.width() / self.count, self.height() - 3
        painter.fillRect(QRectF(0, high, self.width(), 1), _GROUND)
        for number, sure in self.confidence.items():
            color = _SURE if sure >= _LOW else _UNSURE
            if number in self.given:
                color = _GIVEN
            tall = max(2.0, sure * (high - 1))
            gap = min(1.0, wide / 4)
            painter.fillRect(
                QRectF(number * wide, high - tall, max(1.0, wide - gap), tall), color
            )
        if self.here >= 0:
            painter.fillRect(
                QRectF(self.here * wide, high + 1, max(2.0, wide), 2), _HERE
            )
        painter.end()
