"""Work away from the window: one thread, one waiting place, the latest wins."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.types import IsCancelled

__all__ = ["LatestWins", "Outcome"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """How a task ended.

    Attributes
    ----------
    token
        What the task was submitted with.
    result
        What it returned.
    error
        What it raised, or None; `Cancelled` where it was asked to stop.
    """

    token: Any
    result: Any = None
    error: Exception | None = None


@dataclass(frozen=True, eq=False)
class _Task:
    token: Any
    work: Callable[[IsCancelled], Any]
    weak: bool


class LatestWins(QObject):  # type: ignore[misc]
    """A thread that does one task at a time and remembers only the latest.

    A task submitted while another one runs waits; a later one takes its place, so
    that stale clicks never queue up. Tasks touch no Qt and no napari object.

    Parameters
    ----------
    name
        Name of the thread.
    """

    done = Signal(object)
    """Emitted with an `Outcome`; arrives on the thread of the receiver."""

    reported = Signal(object, object)
    """Emitted with (token, value) by `report`."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._condition = threading.Condition()
        self._waiting: _Task | None = None
        self._running: _Task | None = None
        self._cancelled = threading.Event()
        self._last: Outcome | None = None
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a task runs or waits."""
        with self._condition:
            return self._running is not None or self._waiting is not None

    @property
    def running(self) -> Any:
        """Token of the task that runs, or None."""
        with self._condition:
            return None if self._running is None else self._running.token

    def submit(
        self, token: Any, work: Callable[[IsCancelled], Any], *, weak: bool = False
    ) -> None:
        """Do `work` as soon as the running task has ended.

        Parameters
        ----------
        token
            Comes back in the outcome.
        work
            Called with a function that says whether to stop.
        weak
            A weak task does not take the place of a waiting one that is not.
        """
        with self._condition:
            if self._closed:
                return
            if weak and self._waiting is not None and not self._waiting.weak:
                return
            self._waiting = _Task(token, work, weak)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, name=self._name, daemon=True
                )
                self._thread.start()
            self._condition.notify_all()

    def wait(self, token: Any, seconds: float) -> Outcome | None:
        """Wait a moment for a task; `done` is emitted all the same.

        Returns
        -------
        Outcome or None
            None if the task has not ended in time.
        """

        def ended() -> bool:
            return self._last is not None and self._last.token is token

        with self._condition:
            self._condition.wait_for(ended, seconds)
            return self._last if ended() else None

    def cancel(self) -> None:
        """Drop the waiting task and ask the running one to stop."""
        with self._condition:
            self._waiting = None
            if self._running is not None:
                self._cancelled.set()

    def close(self) -> None:
        """Stop for good, without waiting for the running task."""
        with self._condition:
            self._closed = True
            self._waiting = None
            self._cancelled.set()
            self._condition.notify_all()

    def report(self, token: Any, value: Any) -> None:
        """Tell the window how far a task is; called from within the task."""
        self._emit("reported", token, value)

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._running = None
                while self._waiting is None and not self._closed:
                    self._condition.wait()
                if self._closed or self._waiting is None:
                    return
                task, self._waiting = self._waiting, None
                self._running = task
                self._cancelled.clear()
            outcome = self._do(task)
            with self._condition:
                self._last = outcome
                self._condition.notify_all()
            self._emit("done", outcome)

    def _do(self, task: _Task) -> Outcome:
        try:
            return Outcome(task.token, task.work(self._cancelled.is_set))
        except Cancelled as stop:
            return Outcome(task.token, error=stop)
        except Exception as error:  # noqa: BLE001 - a task's error is the window's to show
            return Outcome(task.token, error=error)

    def _emit(self, signal: str, *values: Any) -> None:
        if not self._closed:
            with contextlib.suppress(RuntimeError):  # the window is gone
                getattr(self, signal).emit(*values)
