"""The sliders: which of the objects that were found are to be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QLabeledDoubleSlider, QRangeSlider

from napari_sam.configs import SelectionRule
from napari_sam.ops.message_text import counted
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.score_histogram import ScoreHistogram
from napari_sam.plugin.widgets.tool_page import tick

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SievePanel"]

_STEPS = 1000
"""Places of the area slider; they are even in the logarithm of the area."""

_BORDER_TIP = "Objects that touch the border of the image go."
_EMPTY_TIP = "Objects that lie mostly on the labels that are chosen above go."


class SievePanel(QWidget):  # type: ignore[misc]
    """Sliders that make a `SelectionRule`, one for the match, and a histogram.

    The histogram shows the match where there is one, else the score, over the range of
    the slider that moves its line.
    """

    ruled = Signal(object)
    """Emitted with the `SelectionRule` that is set now."""

    matched = Signal(float)
    """Emitted with the smallest match that is set now."""

    def __init__(self) -> None:
        super().__init__()
        self.histogram = ScoreHistogram()
        self.min_match = _score_slider(
            "Objects that match worse go: the chance of the kind that you named, or "
            "how alike they are to your examples. Needs a kind or an example."
        )
        self.min_match.setEnabled(False)
        self.min_iou = _score_slider(
            "Objects with a lower score go. The score is the overlap (IoU) with the "
            "true outline that the model expects."
        )
        self.min_stability = _score_slider(
            "Objects that are less stable go: how little a mask changes when its "
            "cutoff is moved."
        )
        self.area = QRangeSlider(Qt.Orientation.Horizontal)
        self.area.setRange(0, _STEPS)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setToolTip("Objects that are smaller or larger go.")
        self.area_text = QLabel()
        self.drop_border = tick("Drop objects at the border", _BORDER_TIP, False)
        self.only_empty = tick("Only where nothing is labelled yet", _EMPTY_TIP, False)
        tip = "Set the sliders as they were after the search."
        self.reset = push_button("Reset", tip)
        self.count = QLabel()
        self.count.setStyleSheet("font-weight: 700;")
        self._low, self._high = 1, 1
        self._start = SelectionRule()
        self._setting = self._is_matched = False
        self._lay_out()
        for slider in (self.min_iou, self.min_stability, self.area):
            slider.valueChanged.connect(self._on_changed)
        self.drop_border.toggled.connect(self._on_changed)
        self.only_empty.toggled.connect(self._on_changed)
        self.min_match.valueChanged.connect(self._on_match)
        self.reset.clicked.connect(self._on_reset)

    def _lay_out(self) -> None:
        self._stability_label = QLabel("Stability at least")
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(4)
        self._match_label = QLabel("Match at least")
        rows = (
            (self._match_label, self.min_match),
            (QLabel("Score at least"), self.min_iou),
            (self._stability_label, self.min_stability),
            (QLabel("Area"), self.area),
        )
        for row, (label, control) in enumerate(rows):
            grid.addWidget(label, row, 0)
            grid.addWidget(control, row, 1)
        grid.addWidget(self.area_text, len(rows), 1)
        grid.setColumnStretch(1, 1)
        last = QHBoxLayout()
        last.addWidget(self.count, 1)
        last.addWidget(self.reset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.histogram)
        layout.addLayout(grid)
        layout.addWidget(self.drop_border)
        layout.addWidget(self.only_empty)
        layout.addLayout(last)
        policy = QSizePolicy.Policy
        self.setSizePolicy(policy.Preferred, policy.Maximum)

    # --- what is set --------------------------------------------------------------

    @property
    def rule(self) -> SelectionRule:
        """The rule that the controls stand for."""
        low, high = self.area.value()
        return SelectionRule(
            min_iou=self._score_at(self.min_iou),
            min_stability=round(float(self.min_stability.value()), 3),
            min_area=0 if low <= 0 else self._area_at(low),
            max_area=None if high >= _STEPS else self._area_at(high),
            drop_border=self.drop_border.isChecked(),
            only_empty=self.only_empty.isChecked(),
        )

    @staticmethod
    def _score_at(slider: QLabeledDoubleSlider) -> float:
        """Return what a slider says; at its lowest place it hides nothing."""
        value = float(slider.value())
        return 0.0 if value <= float(slider.minimum()) else round(value, 3)

    def _area_at(self, place: float) -> int:
        ratio: float = (self._high / self._low) ** (place / _STEPS)
        return round(self._low * ratio)

    def _place_of(self, area: float) -> float:
        if self._high <= self._low:
            return 0.0
        ratio = np.log(max(area, 1) / self._low) / np.log(self._high / self._low)
        return float(np.clip(_STEPS * ratio, 0, _STEPS))

    def start(
        self,
        areas: NDArray[np.integer],
        scores: NDArray[np.floating],
        rule: SelectionRule,
        has_stability: bool,
    ) -> None:
        """Set the controls for other masks.

        Parameters
        ----------
        areas, scores
            (N,) of the masks.
        rule
            Where the controls stand at first; the border and the empty ground stay
            as they are.
        has_stability
            Whether the stability tells anything.
        """
        self._low = max(1, int(areas.min(initial=2**62))) if len(areas) else 1
        self._high = max(self._low, int(areas.max(initial=1)))
        self._start = rule
        self._setting = True
        self.min_iou.setRange(_lowest(scores), 1)
        self._setting = False
        for control in (self._stability_label, self.min_stability):
            control.setVisible(has_stability)
        self.set_rule(
            rule.model_copy(
                update={
                    "drop_border": self.drop_border.isChecked(),
                    "only_empty": self.only_empty.isChecked(),
                }
            )
        )

    def set_rule(self, rule: SelectionRule) -> None:
        """Set the controls; `ruled` is emitted once."""
        self._setting = True
        self.min_iou.setValue(rule.min_iou)
        self.min_stability.setValue(rule.min_stability)
        low = self._place_of(rule.min_area) if rule.min_area > self._low else 0
        high = _STEPS if rule.max_area is None else self._place_of(rule.max_area)
        self.area.setValue((int(np.ceil(low)), int(high)))
        self.drop_border.setChecked(rule.drop_border)
        self.only_empty.setChecked(rule.only_empty)
        self._setting = False
        self._on_changed()

    def _on_reset(self) -> None:
        self.set_rule(self._start)

    def _on_changed(self) -> None:
        if self._setting:
            return
        rule = self.rule
        low = max(rule.min_area, self._low)
        high = self._high if rule.max_area is None else rule.max_area
        self.area_text.setText(f"{low:,} to {high:,} pixels")
        self.ruled.emit(rule)

    # --- what is shown ------------------------------------------------------------

    def show_match(self, matches: NDArray[np.floating] | None, least: float) -> None:
        """Set the slider of the match; None: nothing is named or shown.

        Parameters
        ----------
        matches
            (N,) of the objects that were asked about.
        least
            The smallest match that is wanted.
        """
        is_matched = self._is_matched = matches is not None
        self.min_match.setEnabled(is_matched)
        self._match_label.setEnabled(is_matched)
        if matches is None:
            return
        low = min(_lowest(matches), np.floor(least * 10) / 10)
        self._setting = True
        self.min_match.setRange(float(low), 1)
        if abs(float(self.min_match.value()) - least) >= 0.005:
            self.min_match.setValue(least)
        self._setting = False

    def _on_match(self, value: float) -> None:
        if not self._setting:
            self.matched.emit(round(float(value), 3))

    def show_result(
        self,
        scores: NDArray[np.floating],
        passing: NDArray[np.floating],
        total: int,
    ) -> None:
        """Show the scores or matches of all objects and of those left, and how many."""
        name = "match" if self._is_matched else "score"
        slider = self.min_match if self._is_matched else self.min_iou
        low, at = float(slider.minimum()), float(slider.value())
        self.histogram.show_scores(scores, passing, at, low, name)
        self.count.setText(f"{len(passing):,} of {counted(total, 'object')}")


def _lowest(scores: NDArray[np.floating]) -> float:
    """Return where the range of scores begins: a round number below all of them."""
    if not len(scores):
        return 0.0
    return min(0.8, float(np.floor(scores.min() * 10) / 10))


def _score_slider(tip: str) -> QLabeledDoubleSlider:
    slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, 1)
    slider.setSingleStep(0.01)
    slider.setDecimals(2)
    slider.setToolTip(tip)
    slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return slider
