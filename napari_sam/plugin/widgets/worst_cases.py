"""Pictures of the objects with which a model does worst."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QLabel, QVBoxLayout, QWidget

from napari_sam.ops.outlines import FOUND, TRUTH, draw_outlines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.training.validation import Case

__all__ = ["CaseStrip"]

_SIDE = 84
_COLUMNS = 3


class CaseStrip(QWidget):  # type: ignore[misc]
    """Up to six pictures, each with its IoU before and after."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self.count = 0

    def show_cases(self, cases: Sequence[Case]) -> None:
        """Show these in place of what was there."""
        while self._grid.count():
            self._grid.takeAt(0).widget().deleteLater()
        self.count = len(cases)
        for number, case in enumerate(cases):
            self._grid.addWidget(_card(case), number // _COLUMNS, number % _COLUMNS)


def _card(case: Case) -> QWidget:
    outlines = [(case.truth, TRUTH), (case.found, FOUND)]
    picture = np.ascontiguousarray(draw_outlines(case.image, outlines, _SIDE))
    height, width = picture.shape[:2]
    held = QImage(
        picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
    ).copy()
    image = QLabel()
    image.setPixmap(
        QPixmap.fromImage(held).scaled(
            _SIDE,
            _SIDE,
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
    )
    before = "" if case.before is None else f"{case.before:.2f} → "
    text = QLabel(f"{before}{case.after:.2f}")
    card = QWidget()
    layout = QVBoxLayout(card)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(1)
    layout.addWidget(image)
    layout.addWidget(text)
    card.setToolTip(
        "Green: the outline that you drew. Orange: what the model makes of one click "
        "in the middle. Below: IoU before and after the training."
    )
    return card
