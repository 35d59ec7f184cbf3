"""One press of a tool's button: work away from the window, then a new layer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QLabel

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.model_host import shared_predictor
from napari_sam.plugin.model.workers import LatestWins, Outcome
from napari_sam.plugin.search.runner import Clock
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.widgets.progress_line import ProgressLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QResizeEvent

    from napari_sam.ops.types import IsCancelled

__all__ = ["ToolJob", "ToolRun"]

_WARNING = "#e8912d"


@dataclass(frozen=True, eq=False)
class ToolJob:
    """What a tool does once its button is pressed.

    Attributes
    ----------
    title
        What is going on, for the progress.
    model, device
        With which model; "" where none is needed.
    work
        Called away from the window with the predictor, and with `progress` and
        `is_cancelled` by name.
    finish
        Called in the window with the result; adds the layer, and returns what the
        user should read, "" for nothing.
    warns
        Asked after `finish` with the result: whether that is a warning.
    """

    title: str
    model: str
    device: str
    work: Callable[..., Any]
    finish: Callable[[Any], str]
    warns: Callable[[Any], bool] = lambda result: False


class ToolRun(QObject):  # type: ignore[misc]
    """Runs the jobs of one magicgui widget, one at a time.

    Parameters
    ----------
    gui
        The widget; its button stands still while a job runs.
    text
        What the user reads at the top of it.
    """

    def __init__(self, gui: Any, text: str) -> None:
        super().__init__(gui.native)
        self._button = gui.call_button
        self._clock = Clock()
        self._job: ToolJob | None = None
        self._predictor: Any = None
        self.progress = ProgressLine()
        self.said = _Paragraph()
        self.said.hide()
        layout = gui.native.layout()
        layout.insertWidget(0, _Paragraph(text))
        layout.addWidget(self.progress)
        layout.addWidget(self.said)
        self._worker = LatestWins("napari-sam tool", self)
        self._worker.done.connect(self._on_done)
        self._worker.reported.connect(self._on_reported)
        self.progress.cancelled.connect(self.cancel)
        gui.called.connect(self.start)
        gui.native.destroyed.connect(self._worker.close)

    @property
    def is_working(self) -> bool:
        """Whether a job runs."""
        return self._job is not None

    def start(self, job: ToolJob | None) -> None:
        """Run a job; None where there is nothing to do."""
        if job is None or self._job is not None:
            return
        self._job, self._clock = job, Clock()
        self.said.hide()
        # magicgui enables the button by itself once the call is done
        QTimer.singleShot(0, self._show_button)
        self.progress.show_work(job.title)
        self.progress.set_fraction(-1.0)
        worker = self._worker

        def work(is_cancelled: IsCancelled) -> Any:
            def progress(done: int, total: int) -> None:
                worker.report(job, (done, total))

            predictor = None
            if job.model:
                predictor = shared_predictor(job.model, job.device)
            result = job.work(predictor, progress=progress, is_cancelled=is_cancelled)
            return predictor, result

        worker.submit(job, work)

    def cancel(self) -> None:
        """Stop the job."""
        self._worker.cancel()
        if self._job is not None and not self._worker.is_busy:
            # it had not begun, and nobody else will tell of its end
            self._on_done(Outcome(self._job, error=Cancelled()))

    def _show_button(self) -> None:
        with suppress(RuntimeError):  # the window is gone
            self._button.enabled = self._job is None

    def _on_reported(self, job: ToolJob, steps: tuple[int, int]) -> None:
        if job is not self._job:
            return
        done, total = steps
        left = self._clock.left(done, total)
        self.progress.set_fraction(done / total if total > 1 and done else -1.0)
        text = f"{job.title}, {max(1, round(left))} s left" if left >= 0 else job.title
        self.progress.show_work(text)

    def _on_done(self, outcome: Outcome) -> None:
        job, self._job = self._job, None
        self._show_button()
        self.progress.hide()
        if job is None or isinstance(outcome.error, Cancelled):
            return
        if outcome.error is not None:
            self._say(sentence(outcome.error), warns=True)
            return
        predictor, result = outcome.result
        self._predictor = predictor or self._predictor  # kept for the next time
        with suppress(RuntimeError):  # the window is gone
            self._say(job.finish(result), warns=job.warns(result))

    def _say(self, text: str, warns: bool) -> None:
        """Tell it as napari does, which shows the first line, and in full here."""
        if not text:
            return
        self.said.setText(text)
        self.said.setStyleSheet(f"color: {_WARNING};" if warns else "")
        self.said.show()
        (show_warning if warns else show_info)(text)


class _Paragraph(QLabel):  # type: ignore[misc]
    """A text of several lines, of which none is cut in a dock that is low."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)

    def setText(self, text: str) -> None:
        """Show another text."""
        super().setText(text)
        self._take_room()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take the room that the text needs at another width."""
        super().resizeEvent(event)
        self._take_room()

    def _take_room(self) -> None:
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))
