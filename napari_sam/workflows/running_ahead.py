"""Make the next calls on threads while the result of an earlier one is used."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

    from napari_sam.ops.types import IsCancelled

__all__ = ["run_ahead"]

Result = TypeVar("Result")

_POLL_INTERVAL = 0.005
"""Seconds between two questions whether to stop."""


def run_ahead(
    calls: Iterable[Callable[[IsCancelled | None], Result]],
    *,
    ahead: int = 1,
    threads: int = 1,
    is_cancelled: IsCancelled | None = None,
) -> Generator[Result]:
    """Yield what calls return, in their order, while threads make the next ones.

    Parameters
    ----------
    calls
        Each is taken when there is room for it, and is given what it may ask whether
        to stop. What it raises is raised when its turn comes.
    ahead
        How many are made, or wait, beside the one whose result is used; none: they are
        made on the thread of the caller.
    threads
        How many are made at a time.
    is_cancelled
        Asked on the thread of the caller alone, while it waits.

    Raises
    ------
    Cancelled
        If `is_cancelled` answered True.

    Examples
    --------
    >>> calls = [lambda ask: 1, lambda ask: 2, lambda ask: 3]
    >>> list(run_ahead(calls, ahead=2))
    [1, 2, 3]
    """
    if ahead < 1:
        for call in calls:
            yield call(is_cancelled)
        return
    is_stopped = Event()
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, "napari-sam running ahead")
    try:
        for call in calls:
            waiting.append(pool.submit(call, is_stopped.is_set))
            if len(waiting) > ahead:
                yield _result(waiting.popleft(), is_cancelled)
        while waiting:
            yield _result(waiting.popleft(), is_cancelled)
    finally:
        is_stopped.set()
        pool.shutdown(cancel_futures=True)


def _result(future: Future[Result], is_cancelled: IsCancelled | None) -> Result:
    while is_cancelled is not None and not future.done():
        wait([future], timeout=_POLL_INTERVAL)
        if is_cancelled():
            raise Cancelled("the work was cancelled")
    return future.result()
