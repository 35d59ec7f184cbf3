"""One press of a tool's button: work away from the window, then a new layer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_info, show_warning
from qtpy.QtCore import QObject, Qt, QTimer
from qtpy.QtWidgets import QLabel

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.model.model_host import shared_predictor
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.widgets.progress_line import ProgressLine
from napari_sam.workflows.progress import Progress as WorkProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtGui import QResizeEvent

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.long_task import Progress

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
        Called away from the window with the predictor, and with a
        `napari_sam.Progress` as `progress`.
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
        self._predictor: Any = None
        self.progress = ProgressLine()
        self.said = _Paragraph()
        self.said.hide()
        layout = gui.native.layout()
        layout.insertWidget(0, _Paragraph(text))
        layout.addWidget(self.progress)
        layout.addWidget(self.said)
        self._task = LongTask("napari-sam tool", self)
        self._task.progressed.connect(self._on_progressed)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_ended)
        self.progress.cancelled.connect(self._task.cancel)
        gui.called.connect(self.start)
        gui.native.destroyed.connect(self._task.close)

    @property
    def is_working(self) -> bool:
        """Whether a job runs."""
        return self._task.is_working

    def start(self, job: ToolJob | None) -> None:
        """Run a job; None where there is nothing to do."""
        if job is None or self._task.is_working:
            return
        self.said.hide()
        # magicgui enables the button by itself once the call is done
        QTimer.singleShot(0, self._show_button)

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> Any:
            predictor = None
            if job.model:
                predictor = shared_predictor(job.model, job.device)
            steps = WorkProgress(progress, is_cancelled)
            result = job.work(predictor, progress=steps)
            return predictor, result

        self._task.start(work, job)

    def _show_button(self) -> None:
        with suppress(RuntimeError):  # the window is gone
            self._button.enabled = not self._task.is_working

    def _on_progressed(self, progress: Progress) -> None:
        title, left = self._task.token.title, progress.seconds_left
        self.progress.set_fraction(progress.fraction)
        text = f"{title}, {max(1, round(left))} s left" if left >= 0 else title
        self.progress.show_work(text)

    def _on_ended(self, job: ToolJob) -> None:
        self._show_button()
        self.progress.hide()

    def _on_failed(self, job: ToolJob, error: Exception) -> None:
        self._on_ended(job)
        self._say(sentence(error), warns=True)

    def _on_done(self, job: ToolJob, outcome: tuple[Any, Any]) -> None:
        self._on_ended(job)
        predictor, result = outcome
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
