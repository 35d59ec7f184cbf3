"""Work away from the window: one waiting place, the latest wins.

What computes with torch for one window does so on one thread. OpenMP keeps a team of
threads for each thread that computes, and two teams on the cores of one send each
other to sleep at every barrier: a prompt then takes half as long again.
"""

from __future__ import annotations

import atexit
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.free_memory import give_back_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.types import IsCancelled

__all__ = ["LatestWins", "Outcome", "WorkThread", "call_aside"]

_IDLE = 10.0
"""Seconds without work after which a thread ends, and its OpenMP team with it."""

_REST = 1.0
"""Seconds without work after which the memory that it took is given back."""

_BUSY = 4.0
"""Seconds of work without a rest after which that is done all the same."""

_SILENT = 3.0
"""Seconds that the end of the program waits for a task without a word of it."""

_GOODBYE = 60.0
"""Seconds that it waits at the most. A step of a training can take many seconds,
and a thread that computes with torch while Python ends aborts the process."""

_BREATH = 0.002
"""Seconds between two looks at a call that is made aside."""


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


class WorkThread:
    """A thread that works for one or more `LatestWins`, the urgent ones first.

    While it does one task, more urgent ones are done wherever that task asks whether
    it is cancelled.

    Parameters
    ----------
    name
        Name of the thread.
    idle, rest, busy
        Seconds: without work after which it ends; without work after which
        memory is given back; of work after which that is done all the same.
    now
        Tells the time, in seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        idle: float = _IDLE,
        rest: float = _REST,
        busy: float = _BUSY,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._now = now
        self._idle, self._rest, self._busy = idle, rest, busy
        self._wake = threading.Condition()
        self._lanes: list[LatestWins] = []
        self._thread: threading.Thread | None = None
        self._works = False
        _THREADS.add(self)

    def add(self, lane: LatestWins) -> None:
        """Work for another one."""
        with self._wake:
            self._lanes.append(lane)
            self._lanes.sort(key=lambda lane: -lane.urgency)

    def remove(self, lane: LatestWins) -> None:
        """Work for it no more."""
        with self._wake:
            self._lanes.remove(lane)
            self._wake.notify_all()

    def close(self) -> None:
        """Close all that it works for, and end with the task that it is at."""
        for lane in tuple(self._lanes):
            lane.close()

    def wake(self) -> None:
        """See to it that somebody works on what waits."""
        with self._wake:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._loop, name=self._name, daemon=True
                )
                self._thread.start()
            self._wake.notify_all()

    def serve(self, above: float) -> None:
        """Do what waits and is more urgent; called on this thread."""
        while (lane := self._most_urgent(above)) is not None:
            lane.work_once()

    def _most_urgent(self, above: float = float("-inf")) -> LatestWins | None:
        for lane in tuple(self._lanes):
            if lane.urgency <= above:
                return None
            if lane.is_waiting:
                return lane
        return None

    def _loop(self) -> None:
        tidied, is_tidy = self._now(), False
        while True:
            with self._wake:
                if self._most_urgent() is None:
                    pause = self._idle if is_tidy else min(self._rest, self._idle)
                    self._wake.wait(pause if self._lanes else 0)
                lane = self._most_urgent()
                if lane is None and is_tidy:
                    self._thread = None
                    return
                self._works = lane is not None
            is_tidy = lane is None
            if lane is not None:
                try:
                    lane.work_once()
                finally:
                    with self._wake:
                        self._works = False
                        self._wake.notify_all()
            if is_tidy or self._now() - tidied > self._busy:
                give_back_memory()
                tidied = self._now()

    def cancel_all(self) -> None:
        """Ask all tasks to stop."""
        for lane in tuple(self._lanes):
            lane.cancel()

    def rest(self, seconds: float) -> bool:
        """Wait for the task that runs; whether none runs any more."""
        with self._wake:
            return self._wake.wait_for(lambda: not self._works, seconds)


_THREADS: weakref.WeakSet[WorkThread] = weakref.WeakSet()


@atexit.register
def _rest_all() -> None:
    """Let no thread compute while Python ends: within torch it would be aborted."""
    threads = tuple(_THREADS)
    for thread in threads:
        thread.cancel_all()
    if not all(thread.rest(_SILENT) for thread in threads):
        sys.stderr.write("napari-sam: waiting for a computation to stop.\n")
    for thread in threads:
        thread.rest(_GOODBYE)


class _Voice(QObject):  # type: ignore[misc]
    """What the working thread speaks through.

    It has no parent: no window takes it away while a thread emits. Qt itself parts it
    from the `LatestWins` that it is connected to, when that one goes.
    """

    done = Signal(object)
    reported = Signal(object, object)


class LatestWins(QObject):  # type: ignore[misc]
    """Does one task at a time and remembers only the latest that waits.

    A task submitted while another one runs waits; a later one takes its place, so
    that stale clicks never queue up. Tasks touch no Qt and no napari object.

    Parameters
    ----------
    thread
        Who does the tasks; or the name of a thread of its own.
    urgency
        How urgent its tasks are among those of the thread; the larger, the more.
    """

    done = Signal(object)
    """Emitted with an `Outcome`; arrives on the thread of the receiver."""

    reported = Signal(object, object)
    """Emitted with (token, value) by `report`."""

    def __init__(
        self,
        thread: WorkThread | str,
        parent: QObject | None = None,
        *,
        urgency: float = 0,
    ) -> None:
        super().__init__(parent)
        self.urgency = urgency
        self._condition = threading.Condition()
        self._waiting: _Task | None = None
        self._running: _Task | None = None
        self._cancelled = threading.Event()
        self._last: Outcome | None = None
        self._closed = False
        self._voice = _Voice()
        self._voice.done.connect(self.done)
        self._voice.reported.connect(self.reported)
        self._thread = WorkThread(thread) if isinstance(thread, str) else thread
        self._thread.add(self)

    @property
    def is_busy(self) -> bool:
        """Whether a task runs or waits."""
        with self._condition:
            return self._running is not None or self._waiting is not None

    @property
    def is_waiting(self) -> bool:
        """Whether a task waits."""
        return self._waiting is not None

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
        self._thread.wake()

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
            if self._closed:
                return
            self._closed = True
            self._waiting = None
            self._cancelled.set()
        self._thread.remove(self)

    def report(self, token: Any, value: Any) -> None:
        """Tell the window how far a task is; called from within the task."""
        self._emit("reported", token, value)

    def work_once(self) -> None:
        """Do the task that waits, if any; called by the thread."""
        with self._condition:
            if self._waiting is None:
                return
            task, self._waiting = self._waiting, None
            self._running = task
            self._cancelled.clear()
        outcome = self._do(task)
        with self._condition:
            self._running = None
            self._last = outcome
            self._condition.notify_all()
        self._emit("done", outcome)

    def _is_cancelled(self) -> bool:
        self._thread.serve(self.urgency)
        return self._cancelled.is_set()

    def _do(self, task: _Task) -> Outcome:
        try:
            return Outcome(task.token, task.work(self._is_cancelled))
        except Cancelled as stop:
            return Outcome(task.token, error=stop)
        except Exception as error:  # noqa: BLE001 - a task's error is the window's to show
            return Outcome(task.token, error=error)
        except BaseException as error:  # noqa: BLE001 - the thread has more to do
            told = f"the work was ended by {type(error).__name__}: {error}"
            return Outcome(task.token, error=RuntimeError(told))

    def _emit(self, signal: str, *values: Any) -> None:
        if not self._closed:
            getattr(self._voice, signal).emit(*values)


def call_aside(call: Callable[[], Any], is_cancelled: IsCancelled) -> Any:
    """Make a call that cannot be stopped, such as reading a file, and let go of it.

    It is made on a thread of its own, while `is_cancelled` is asked.

    Raises
    ------
    Cancelled
        If `is_cancelled` answered True; the call goes on, and nobody hears of it.
    """
    outcome: list[Outcome] = []

    def make() -> None:
        try:
            outcome.append(Outcome(None, call()))
        except Exception as error:  # noqa: BLE001 - raised below, where it is waited for
            outcome.append(Outcome(None, error=error))
        except BaseException as error:  # noqa: BLE001 - not of the one who waits
            told = f"the call was ended by {type(error).__name__}: {error}"
            outcome.append(Outcome(None, error=RuntimeError(told)))

    thread = threading.Thread(target=make, name="napari-sam reading", daemon=True)
    thread.start()
    while thread.is_alive():
        if is_cancelled():
            raise Cancelled
        thread.join(_BREATH)
    if outcome[0].error is not None:
        raise outcome[0].error
    return outcome[0].result
