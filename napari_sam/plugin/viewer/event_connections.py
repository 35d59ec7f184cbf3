"""Connections to events that end together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Connections"]


class Connections:
    """Event connections that are undone as one; each connect has its disconnect.

    The callbacks must be bound methods: napari holds those weakly.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Any, Callable[..., Any]]] = []

    def __len__(self) -> int:
        return len(self._pairs)

    def add(self, emitter: Any, callback: Callable[..., Any]) -> None:
        """Connect a callback to an emitter."""
        emitter.connect(callback)
        self._pairs.append((emitter, callback))

    def clear(self) -> None:
        """Disconnect all."""
        while self._pairs:
            emitter, callback = self._pairs.pop()
            emitter.disconnect(callback)
