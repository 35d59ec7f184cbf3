"""A linear history of steps that can be undone and redone."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["History"]

Step = TypeVar("Step")


class History(Generic[Step]):
    """Steps in the order they were made, and a place between two of them.

    A new step forgets those that were undone before it.
    """

    def __init__(self) -> None:
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether there is an undone step to do again."""
        return bool(self._undone)

    @property
    def done(self) -> tuple[Step, ...]:
        """The steps that can be undone, the oldest first."""
        return tuple(self._done)

    def push(self, step: Step) -> None:
        """Add a step that was just made."""
        self._done.append(step)
        self._undone.clear()

    def back(self) -> Step | None:
        """Move one step back and return that step, or None at the start."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def forward(self) -> Step | None:
        """Move one step forward and return that step, or None at the end."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]

    def clear(self) -> None:
        """Forget every step."""
        self._done.clear()
        self._undone.clear()
