"""The candidates as small pictures with the model's own estimate of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from napari_sam.plugin.annotator.prompt_layers import PREVIEW_COLOR, color_on
from napari_sam.plugin.model.thumbnails import candidate_picture, common_window

if TYPE_CHECKING:
    from napari_sam.ops.types import MaskPrediction
    from napari_sam.plugin.model.thumbnails import PlanePicture

__all__ = ["CandidateStrip"]

_COUNT = 3
_SIDE = 84
_TIP = (
    "Candidate {n}: the model expects an overlap (IoU) of {score:.2f} with the "
    "true outline. Click to choose, Q for the next."
)

_EMPTY = "An outline that the model offers comes here after a click or a box."


class CandidateStrip(QWidget):  # type: ignore[misc]
    """Up to three candidates; a click chooses one."""

    chosen = Signal(int)
    """Emitted with the place of the candidate in the ranking."""

    def __init__(self) -> None:
        super().__init__()
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        self.buttons: list[QToolButton] = []
        for index in range(_COUNT):
            button = QToolButton()
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setIconSize(QSize(_SIDE, _SIDE))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setFixedHeight(_SIDE + 30)
            button.clicked.connect(lambda _=False, i=index: self.chosen.emit(i))
            layout.addWidget(button)
            self.buttons.append(button)
        self.setStyleSheet(
            "QToolButton { border: 2px solid transparent; border-radius: 4px; }"
            "QToolButton:disabled { border: 1px dashed #5a6270; }"
            f"QToolButton:checked {{ border-color: {PREVIEW_COLOR}; "
            "font-weight: 700; }"
        )
        self._shown: MaskPrediction | None = None
        self._picture: PlanePicture | None = None
        self.show_candidates(None, None, 0)

    def show_candidates(
        self,
        answer: MaskPrediction | None,
        picture: PlanePicture | None,
        choice: int,
    ) -> None:
        """Show the candidates of an answer over a plane, the chosen one marked."""
        count = 0 if answer is None else min(_COUNT, len(answer.scores))
        if answer is not self._shown or picture is not self._picture or count == 0:
            self._draw(answer, picture, count)
        self._shown, self._picture = answer, picture
        for index, button in enumerate(self.buttons):
            button.setChecked(index == choice and index < count)

    def _draw(
        self, answer: MaskPrediction | None, picture: PlanePicture | None, count: int
    ) -> None:
        ground = None
        if picture is not None and answer is not None:
            ground = picture.ground_of(answer.masks[0])
        color = QColor(PREVIEW_COLOR if ground is None else color_on(ground))
        tint = (color.red(), color.green(), color.blue())
        window = None if answer is None else common_window(answer.masks)
        for index, button in enumerate(self.buttons):
            button.setEnabled(index < count)
            if answer is None or window is None or index >= count:
                button.setIcon(QIcon())
                button.setText("")
                button.setToolTip(_EMPTY)
                continue
            score = float(answer.scores[index])
            button.setText(f"{index + 1}:  {score:.2f}")
            button.setToolTip(_TIP.format(n=index + 1, score=score))
            if picture is not None:
                pixels = candidate_picture(
                    picture, answer.masks[index], window, _SIDE, tint
                )
                height, width = pixels.shape[:2]
                image = QImage(
                    pixels.tobytes(),
                    width,
                    height,
                    3 * width,
                    QImage.Format.Format_RGB888,
                )
                button.setIcon(QIcon(QPixmap.fromImage(image)))
