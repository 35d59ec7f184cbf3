"""Steps of long work: reported one by one, and the work can be stopped between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from napari_sam.ops.types import IsCancelled

__all__ = ["Progress", "Steps"]

Progress = Callable[[int, int], None]
"""Told (steps done, steps in all); the latter may grow while more is found to do."""


class Steps:
    """Counts steps, and asks whether to go on.

    Parameters
    ----------
    what
        What is done, for the message of `Cancelled`.
    progress, is_cancelled
        What to tell and what to ask before each step.
    """

    def __init__(
        self,
        what: str,
        progress: Progress | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> None:
        self._what = what
        self._progress = progress
        self.is_cancelled = is_cancelled
        self._done = 0

    def before(self, left: int) -> None:
        """Report that a step begins, the first of `left` that are to do.

        Raises
        ------
        Cancelled
            If the work is to stop.
        """
        if self.is_cancelled is not None and self.is_cancelled():
            raise Cancelled(f"{self._what} was cancelled")
        if self._progress is not None:
            self._progress(self._done, self._done + left)
        if left:
            self._done += 1

    def finish(self) -> None:
        """Report that all is done."""
        self.before(0)
