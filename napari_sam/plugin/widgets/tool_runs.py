"""One press of a tool's button: work away from the window, then a new layer."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask, Progress
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.workflows.progress import Progress as WorkProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.types import IsCancelled

__all__ = ["ToolJob", "ToolRun"]


@dataclass(frozen=True, eq=False)
class ToolJob:
    """What a tool does once its button is pressed.

    Attributes
    ----------
    title
        What is going on, for the progress.
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
    work: Callable[..., Any]
    finish: Callable[[Any], str]
    warns: Callable[[Any], bool] = lambda result: False


class ToolRun(QObject):  # type: ignore[misc]
    """Runs the jobs of one tool, one at a time.

    Attributes
    ----------
    progress
        How far the job is.
    """

    changed = Signal()
    """A job has begun, has got further, or has ended."""

    said = Signal(str, str)
    """Emitted at the end with what the user reads, and its `NoticeKind`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.progress = Progress()
        self._task = LongTask("napari-sam tool", self)
        self._task.progressed.connect(self._on_progressed)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_cancelled)

    @property
    def is_working(self) -> bool:
        """Whether a job runs."""
        return self._task.is_working

    @property
    def text(self) -> str:
        """What is going on, and how long it will take."""
        job, left = self._task.token, self.progress.seconds_left
        title = "" if job is None else str(job.title)
        return f"{title}, {max(1, round(left))} s left" if left >= 0 else title

    def start(self, job: ToolJob, predictor: Any) -> None:
        """Run a job with a model; does nothing while another one runs."""
        if self.is_working:
            return

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> Any:
            steps = WorkProgress(progress, is_cancelled)
            return job.work(predictor, progress=steps)

        self._task.start(work, job)

    def cancel(self) -> None:
        """Stop the job."""
        self._task.cancel()

    def close(self) -> None:
        """Stop for good."""
        self._task.close()

    def _on_progressed(self, progress: Progress) -> None:
        self.progress = progress
        self.changed.emit()

    def _on_cancelled(self, job: ToolJob) -> None:
        self.said.emit("Stopped. Nothing was changed.", "info")
        self.changed.emit()

    def _on_failed(self, job: ToolJob, error: Exception) -> None:
        self.said.emit(sentence(error), "problem")
        self.changed.emit()

    def _on_done(self, job: ToolJob, result: Any) -> None:
        with suppress(RuntimeError):  # the window is gone
            text = job.finish(result)
            self.said.emit(text, "problem" if job.warns(result) else "done")
        self.changed.emit()
