"""Read what comes next while something is computed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

__all__ = ["read_ahead"]

T = TypeVar("T")
U = TypeVar("U")


def read_ahead(
    read: Callable[[T], U], wanted: Sequence[T], ahead: int = 1
) -> Generator[U]:
    """Yield what is read, in order, while a thread reads a few further ones.

    Parameters
    ----------
    read
        Reads one; what it raises is raised when its turn comes.
    wanted
        What to read.
    ahead
        How many are read, or wait, beside the one that was yielded.

    Examples
    --------
    >>> list(read_ahead(lambda n: n * n, range(4), ahead=2))
    [0, 1, 4, 9]
    """
    pool = ThreadPoolExecutor(1, "reading-ahead")
    try:
        begun = [pool.submit(read, one) for one in wanted[:ahead]]
        for one in range(len(wanted)):
            if one + ahead < len(wanted):
                begun.append(pool.submit(read, wanted[one + ahead]))
            yield begun.pop(0).result()
    finally:
        pool.shutdown(cancel_futures=True)
