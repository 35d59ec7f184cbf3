"""Several planes at once, where the workers of another machine embed them."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import IsCancelled

__all__ = ["in_order", "planes_at_once"]

Result = TypeVar("Result")

_BREATH = 0.005
"""Seconds between two questions whether to stop."""


def planes_at_once(sam: PromptableModel) -> int:
    """Say how many planes are best embedded at a time: one on this machine.

    With workers it is one more than there are, so that one is on its way meanwhile.
    """
    remote = getattr(sam, "remote", None)
    return 1 if remote is None or remote.problem else int(remote.workers) + 1


def in_order(
    calls: Iterable[Callable[[IsCancelled | None], Result]],
    at_once: int,
    is_cancelled: IsCancelled | None = None,
) -> Generator[Result, None, None]:
    """Make calls, several at a time, and yield what they return in their order.

    Parameters
    ----------
    calls
        Each is taken when there is room for it, and is given what it may ask whether
        to stop.
    at_once
        How many are made at a time; one: on the thread of the caller.
    is_cancelled
        Asked on the thread of the caller alone.

    Raises
    ------
    Cancelled
        If `is_cancelled` answered True.

    Examples
    --------
    >>> list(in_order([lambda ask: 1, lambda ask: 2, lambda ask: 3], at_once=2))
    [1, 2, 3]
    """
    if at_once <= 1:
        for call in calls:
            yield call(is_cancelled)
        return
    is_stopped = Event()
    waiting: deque[Future[Result]] = deque()

    def next_result() -> Result:
        first = waiting.popleft()
        while not first.done():
            wait([first], timeout=_BREATH)
            if is_cancelled is not None and is_cancelled():
                raise Cancelled("the embedding was cancelled")
        return first.result()

    pool = ThreadPoolExecutor(at_once, thread_name_prefix="napari-sam plane")
    try:
        for call in calls:
            waiting.append(pool.submit(call, is_stopped.is_set))
            if len(waiting) >= at_once:
                yield next_result()
        while waiting:
            yield next_result()
    finally:
        is_stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
