"""A search at work: on its own thread, with progress, a time estimate and a stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.model.workers import WorkThread
from napari_sam.plugin.search.search import find_objects, search_plane
from napari_sam.plugin.viewer.hint import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam.ops.types import IsCancelled, MaskRecord
    from napari_sam.plugin.model.long_task import Progress
    from napari_sam.plugin.search.search import Found, Search

__all__ = ["SearchRunner"]


class SearchRunner(QObject):  # type: ignore[misc]
    """Runs one search at a time; a result that is not wanted any more is dropped.

    Attributes
    ----------
    find
        Finds the masks; see `search_plane`.
    thread
        Who works; does what is more urgent in between.
    """

    progressed = Signal(float, float)
    """How far it is, 0 to 1, and the seconds left; negative where not known."""

    found = Signal(object)
    """A search has ended; emitted with its `Found`."""

    failed = Signal(str)
    """A search could not be done; emitted with why, "" where it was stopped."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.find: Callable[..., Sequence[MaskRecord]] = find_objects
        self.thread = WorkThread("napari-sam search")
        self._task = LongTask(self.thread, self)
        self._task.progressed.connect(self._on_progressed)
        self._task.done.connect(self._on_done)
        self._task.failed.connect(self._on_failed)
        self._task.cancelled.connect(self._on_cancelled)

    @property
    def is_working(self) -> bool:
        """Whether a result is waited for."""
        return self._task.is_working

    @property
    def has_begun(self) -> bool:
        """Whether a first step of the search is done."""
        return self._task.has_begun

    def start(self, predictor: Any, search: Search) -> None:
        """Search a plane, in place of what is searched now."""
        find = self.find

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> Found:
            return search_plane(predictor, search, find, progress, is_cancelled)

        self._task.start(work)

    def cancel(self) -> bool:
        """Stop; what is found nevertheless is dropped. False if nothing runs."""
        return self._task.drop()

    def close(self) -> None:
        """Stop for good."""
        self._task.close()

    def _on_progressed(self, progress: Progress) -> None:
        self.progressed.emit(progress.fraction, progress.seconds_left)

    def _on_done(self, token: object, found: Found) -> None:
        self.found.emit(found)

    def _on_failed(self, token: object, error: Exception) -> None:
        self.failed.emit(sentence(error))

    def _on_cancelled(self, token: object) -> None:
        self.failed.emit("")
