"""Long work behind a window: one at a time, with progress, time left and a stop."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.workers import LatestWins, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.workers import WorkThread

    Tell = Callable[[int, int], None]

__all__ = ["Clock", "LongTask", "Progress"]

_REPORT_STEP = 0.002
"""Of the whole work; the window is told of no smaller step."""


class Clock:
    """Estimates the time left from steps done; a new phase starts it afresh.

    Parameters
    ----------
    latest
        Estimate from so many of the last steps alone, where some steps take long and
        others no time; None: from all.
    now
        Tells the time in seconds.
    """

    def __init__(
        self, latest: int | None = None, now: Callable[[], float] = perf_counter
    ) -> None:
        self._latest = latest
        self._now = now
        self._steps: list[tuple[float, int]] = [] if latest else [(now(), 0)]
        self._least = 3 if latest else 2

    def left(self, done: int, total: int) -> float:
        """Return the seconds left, negative where that is not known yet."""
        if done == 0 or (self._steps and done < self._steps[-1][1]):
            self._steps.clear()
        self._steps.append((self._now(), done))
        if self._latest is None:
            del self._steps[1:-1]
        else:
            del self._steps[: -self._latest]
        (began, first), (ended, last) = self._steps[0], self._steps[-1]
        if last == first or len(self._steps) < self._least:
            return -1.0
        return (ended - began) / (last - first) * (total - done)


@dataclass(frozen=True)
class Progress:
    """How far work is.

    Attributes
    ----------
    done, total
        Steps; both 0 while nothing is known.
    seconds_left
        Negative where that is not known.
    """

    done: int = 0
    total: int = 0
    seconds_left: float = -1.0

    @property
    def fraction(self) -> float:
        """0 to 1; negative where that is not known."""
        return self.done / self.total if self.total > 1 and self.done else -1.0


@dataclass(eq=False)
class _Run:
    """One start of the work; which one it is tells a result that is wanted."""

    token: Any


@dataclass(frozen=True, eq=False)
class _Told:
    value: Any


class LongTask(QObject):  # type: ignore[misc]
    """Does one piece of work at a time away from the window.

    Each start ends with one of `done`, `failed` and `cancelled`, unless it is dropped
    or another start takes its place: then nothing more is heard of it.

    Parameters
    ----------
    thread
        Who does the work; or the name of a thread of its own.
    urgency
        See `LatestWins`.
    latest
        See `Clock`.
    """

    progressed = Signal(object)
    """How far the work is; emitted with a `Progress`."""

    told = Signal(object)
    """What the work told on its way; see `tell`."""

    done = Signal(object, object)
    """Emitted with the token of the start, and what the work returned."""

    failed = Signal(object, object)
    """Emitted with the token of the start, and the exception."""

    cancelled = Signal(object)
    """The work was stopped; emitted with the token of the start."""

    def __init__(
        self,
        thread: WorkThread | str,
        parent: QObject | None = None,
        *,
        urgency: float = 0,
        latest: int | None = None,
    ) -> None:
        super().__init__(parent)
        self._latest = latest
        self._clock = Clock(latest)
        self._run: _Run | None = None
        self._at_work: _Run | None = None
        self._worker = LatestWins(thread, self, urgency=urgency)
        self._worker.done.connect(self._on_done)
        self._worker.reported.connect(self._on_reported)
        self.has_begun = False

    @property
    def is_working(self) -> bool:
        """Whether the end of a start is waited for."""
        return self._run is not None

    @property
    def is_busy(self) -> bool:
        """Whether the thread is at it, be it for a start that was dropped."""
        return bool(self._worker.is_busy)

    @property
    def token(self) -> Any:
        """That of the start whose end is waited for, or None."""
        return None if self._run is None else self._run.token

    def start(
        self, work: Callable[[Tell, IsCancelled], Any], token: object = None
    ) -> None:
        """Do work, in place of what is done now.

        Parameters
        ----------
        work
            Called away from the window with `progress(done, total)`, which it may call,
            and `is_cancelled`. Touches no Qt and no napari object.
        token
            Comes back when the work has ended.
        """
        self._worker.cancel()
        run = self._run = _Run(token)
        self._clock = Clock(self._latest)
        self.has_begun = False
        tell = _thinned(lambda steps: self._worker.report(run, steps))

        def call(is_cancelled: IsCancelled) -> Any:
            if is_cancelled():
                raise Cancelled
            self._at_work = run
            return work(tell, is_cancelled)

        self._worker.submit(run, call)
        self.progressed.emit(Progress())

    def tell(self, value: Any) -> None:
        """Tell the window of a part of the result; called from within the work."""
        self._worker.report(self._at_work, _Told(value))

    def cancel(self) -> None:
        """Ask the work to stop; `cancelled` tells of its end, or `done` does."""
        self._worker.cancel()
        if self._run is not None and not self._worker.is_busy:
            # it had not begun, and nobody else will tell of its end
            self._on_done(Outcome(self._run, error=Cancelled()))

    def drop(self) -> bool:
        """Stop, and hear no more of it; whether there was something to stop."""
        was_working, self._run = self.is_working, None
        self._worker.cancel()
        return was_working

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self._run = None
        self._worker.close()

    def _on_reported(self, run: _Run, steps: tuple[int, int] | _Told) -> None:
        if run is not self._run:
            return
        if isinstance(steps, _Told):
            self.told.emit(steps.value)
            return
        done, total = steps
        self.has_begun = self.has_begun or done > 0
        self.progressed.emit(Progress(done, total, self._clock.left(done, total)))

    def _on_done(self, outcome: Outcome) -> None:
        run = self._run
        if run is None or outcome.token is not run:
            return
        self._run = None
        if outcome.error is None:
            self.done.emit(run.token, outcome.result)
        elif isinstance(outcome.error, Cancelled):
            self.cancelled.emit(run.token)
        else:
            self.failed.emit(run.token, outcome.error)


def _thinned(report: Callable[[tuple[int, int]], None]) -> Tell:
    """Return a function that reports steps, but none that nobody would see."""
    told, told_total = -1.0, -1

    def tell(done: int, total: int) -> None:
        nonlocal told, told_total
        fraction = done / total if total else -1.0
        is_step = fraction - told >= _REPORT_STEP or fraction < told
        if is_step or total != told_total or done == total:
            told, told_total = fraction, total
            report((done, total))

    return tell
