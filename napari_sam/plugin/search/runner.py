"""A search at work: on its own thread, with progress, a time estimate and a stop."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.workers import LatestWins, Outcome
from napari_sam.plugin.search.search import find_objects, search_plane
from napari_sam.plugin.viewer.hint import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam.ops.types import IsCancelled, MaskRecord
    from napari_sam.plugin.search.search import Search

__all__ = ["Clock", "SearchRunner"]


class Clock:
    """Estimates the time left from steps done; a new phase starts it afresh."""

    def __init__(self) -> None:
        self._began = (perf_counter(), 0)
        self._last = 0

    def left(self, done: int, total: int) -> float:
        """Return the seconds left, negative where that is not known yet."""
        if done < self._last or done == 0:
            self._began = (perf_counter(), done)
        self._last = done
        began, at = self._began
        if done == at:
            return -1.0
        return (perf_counter() - began) / (done - at) * (total - done)


class SearchRunner(QObject):  # type: ignore[misc]
    """Runs one search at a time; a result that is not wanted any more is dropped."""

    progressed = Signal(float, float)
    """How far it is, 0 to 1, and the seconds left; negative where not known."""

    found = Signal(object)
    """A search has ended; emitted with its `Found`."""

    failed = Signal(str)
    """A search could not be done; emitted with why."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.find: Callable[..., Sequence[MaskRecord]] = find_objects
        self._generation = 0
        self._wanted: int | None = None
        self._clock = Clock()
        self._worker = LatestWins("napari-sam search", self)
        self._worker.done.connect(self._on_done)
        self._worker.reported.connect(self._on_reported)
        self.has_begun = False

    @property
    def is_working(self) -> bool:
        """Whether a result is waited for."""
        return self._wanted is not None

    def start(self, predictor: Any, search: Search) -> None:
        """Search a plane, in place of what is searched now."""
        self.cancel()
        self._generation += 1
        token = self._wanted = self._generation
        self.has_begun = False
        self._clock = Clock()
        find, worker = self.find, self._worker

        def work(is_cancelled: IsCancelled) -> Any:
            def progress(done: int, total: int) -> None:
                worker.report(token, (done, total))

            if is_cancelled():
                raise Cancelled
            return search_plane(predictor, search, find, progress, is_cancelled)

        worker.submit(token, work)
        self.progressed.emit(-1.0, -1.0)

    def cancel(self) -> bool:
        """Stop; what is found nevertheless is dropped. False if nothing runs."""
        was_working, self._wanted = self.is_working, None
        self._worker.cancel()
        return was_working

    def close(self) -> None:
        """Stop for good."""
        self._wanted = None
        self._worker.close()

    def _on_reported(self, token: int, steps: tuple[int, int]) -> None:
        if token != self._wanted:
            return
        done, total = steps
        left = self._clock.left(done, total)
        self.has_begun = self.has_begun or done > 0
        known = total > 1 and done > 0
        self.progressed.emit(done / total if known else -1.0, left)

    def _on_done(self, outcome: Outcome) -> None:
        if outcome.token != self._wanted:
            return
        self._wanted = None
        if outcome.error is None:
            self.found.emit(outcome.result)
        elif isinstance(outcome.error, Cancelled):
            self.failed.emit("")
        else:
            self.failed.emit(sentence(outcome.error))
