"""A cache with bounds: of what it holds, the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["BoundedCache"]

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class BoundedCache(Generic[K, V]):
    """Values by key, no more of them and no more bytes than wanted. Thread-safe.

    What was put in or asked for last counts as used last. The latest value always
    stays, however large it is.

    Parameters
    ----------
    max_items, max_bytes
        What is held at the most; None: as much as comes. Both may be changed.
    size
        Says how many bytes a value has, when it is put in; its `nbytes` if None.

    Examples
    --------
    >>> cache = BoundedCache(max_items=2)
    >>> for number in (1, 2, 1, 3):
    ...     cache.put(number, str(number))
    >>> cache.get(2), cache.get(1)
    (None, '1')
    """

    def __init__(
        self,
        *,
        max_items: int | None = None,
        max_bytes: int | None = None,
        size: Callable[[V], int] | None = None,
    ) -> None:
        self.max_items = max_items
        self.max_bytes = max_bytes
        self._size = size
        self._held: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.RLock()

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: object) -> bool:
        """Whether a value is held; that does not count as use."""
        return key in self._held

    def keys(self) -> tuple[K, ...]:
        """Return what values are held of, the least recently used first."""
        with self._lock:
            return tuple(self._held)

    def get(self, key: K) -> V | None:
        """Return a value and mark it as just used; None if it is not held."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][0]

    def peek(self, key: K) -> V | None:
        """Return a value as `get` does; that does not count as use."""
        held = self._held.get(key)
        return None if held is None else held[0]

    def put(self, key: K, value: V) -> None:
        """Hold a value as just used, and drop what is beyond the bounds."""
        with self._lock:
            self.replace(key, value)
            self._held.move_to_end(key)
            while len(self._held) > 1 and self._is_full:
                self._nbytes -= self._held.popitem(last=False)[1][1]

    def replace(self, key: K, value: V) -> None:
        """Hold another value in place of one; that does not count as use."""
        with self._lock:
            nbytes = self._bytes_of(value)
            self._nbytes += nbytes - self._held.get(key, (value, 0))[1]
            self._held[key] = value, nbytes

    def pop(self, key: K) -> V | None:
        """Hold a value no longer, and return it; None if it was not held."""
        with self._lock:
            held = self._held.pop(key, None)
            if held is None:
                return None
            self._nbytes -= held[1]
            return held[0]

    def clear(self) -> None:
        """Hold nothing."""
        with self._lock:
            self._held.clear()
            self._nbytes = 0

    @property
    def _is_full(self) -> bool:
        too_many = self.max_items is not None and len(self._held) > self.max_items
        return too_many or (
            self.max_bytes is not None and self._nbytes > self.max_bytes
        )

    def _bytes_of(self, value: V) -> int:
        if self._size is not None:
            return self._size(value)
        return int(getattr(value, "nbytes", 0))
