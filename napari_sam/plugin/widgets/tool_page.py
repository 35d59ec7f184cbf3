"""A page with a few choices and one button: the work makes a new layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QLabel, QSpinBox

from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.widgets.dock_layout import main_button
from napari_sam.plugin.widgets.page import Page, Work
from napari_sam.plugin.widgets.tool_runs import ToolRun

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QPushButton, QVBoxLayout

    from napari_sam.plugin.widgets.tool_runs import ToolJob

__all__ = ["ToolPage", "count_box", "number_box", "tick"]


class ToolPage(Page):
    """One tool: what it does, its choices, its button.

    A tool says what it does in `text`, what it needs in `lacking`, and returns its
    work in `job`.

    Parameters
    ----------
    shared
        What all pages share.
    """

    text = ""
    """What the tool does, in a sentence or two."""

    press = "Start"
    """What its button says."""

    def make_controls(self) -> None:
        """Make the button, and what runs the work."""
        self.run = ToolRun(self)
        self.start = main_button(self.press, f"sam{type(self).__name__}", self.text)

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button."""
        return (self.start,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Say what the tool does, and lay out its choices."""
        said = QLabel(self.text)
        said.setWordWrap(True)
        layout.addWidget(said)
        self.lay_out_choices(layout)
        layout.addStretch(1)

    def lay_out_choices(self, layout: QVBoxLayout) -> None:
        """Lay out the choices of the tool."""

    def connect_controls(self) -> None:
        """Connect the button to the work."""
        self.start.clicked.connect(self._on_start)
        self.run.changed.connect(self.changed)
        self.run.said.connect(self.say)
        self.destroyed.connect(self.run.close)

    # --- what a tool says of itself ---------------------------------------------

    def lacking(self) -> Hint | None:
        """Say what is missing before the work can begin, if anything is."""
        return self.obstacle()

    def job(self) -> ToolJob:
        """Return the work that the choices stand for.

        Raises
        ------
        ValueError
            If there is nothing to work on; says what is wanted.
        """
        raise NotImplementedError

    # --- for the dock -------------------------------------------------------------

    def _on_start(self) -> None:
        self.begin(self.job)

    def begin(self, make: Callable[[], ToolJob]) -> None:
        """Begin with some work; says so where that cannot be."""
        if self.run.is_working:
            return
        try:
            job = make()
        except ValueError as error:
            self.say(sentence(error))
            return
        self.say("")
        self.run.start(job, self.shared.model_host.predictor)

    def cancel(self) -> None:
        """Stop the work."""
        self.run.cancel()

    def close_page(self) -> None:
        """Stop the work for good."""
        self.run.close()

    @property
    def holds_image(self) -> bool:
        """Whether the work is under way."""
        return bool(self.run.is_working)

    def work(self) -> Work | None:
        """Return how far the work is."""
        run = self.run
        return Work(run.text, run.progress.fraction) if run.is_working else None

    def facts(self) -> object:
        """Return what notices are about: they go when other work begins."""
        return self.shared.image, self.run.is_working, self.lacking()

    def next_step(self) -> Hint:
        """Say the next step."""
        if self.run.is_working:
            return Hint(f"{self.run.text}. You can go on working meanwhile.", "wait")
        return self.lacking() or Hint(f"Press {self.press}.")

    def show_state(self) -> None:
        """Show whether the button can be pressed."""
        self.start.setEnabled(not self.run.is_working and self.lacking() is None)


def tick(text: str, tip: str, is_on: bool = True) -> QCheckBox:
    """Return a box to tick."""
    box = QCheckBox(text)
    box.setChecked(is_on)
    box.setToolTip(tip)
    box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return box


def count_box(low: int, high: int, value: int, tip: str) -> QSpinBox:
    """Return a box for a whole number."""
    return _numbered(QSpinBox(), low, high, value, tip)


def number_box(
    low: float, high: float, value: float, tip: str, step: float
) -> QDoubleSpinBox:
    """Return a box for a number."""
    box = _numbered(QDoubleSpinBox(), low, high, value, tip)
    box.setSingleStep(step)
    return box


def _numbered(box: Any, low: float, high: float, value: float, tip: str) -> Any:
    box.setRange(low, high)
    box.setValue(value)
    box.setToolTip(tip)
    box.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    box.editingFinished.connect(box.clearFocus)
    return box
