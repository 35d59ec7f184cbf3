"""Steps of long work: reported one by one, and the work can be stopped between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam.ops.types import Cancelled

if TYPE_CHECKING:
    from napari_sam.ops.types import IsCancelled

__all__ = ["Progress", "Report", "Steps"]

Report = Callable[[int, int], None]
"""Told (steps done, steps in all); the latter may grow while more is found to do."""


@dataclass(frozen=True)
class Progress:
    """What long work tells, and what it asks.

    Attributes
    ----------
    report
        Told (steps done, steps in all) before each step and at the end; the latter
        may grow while more is found to do.
    is_cancelled
        Asked before each step and within it; True ends the work with `Cancelled`.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> told = napari_sam.Progress(lambda done, total: print(f"{done} of {total}"))
    >>> planes = np.zeros((2, 8, 8), int)
    >>> tracking = napari_sam.track(planes, progress=told)
    0 of 2
    1 of 2
    2 of 2
    """

    report: Report | None = None
    is_cancelled: IsCancelled | None = None

    @property
    def quiet(self) -> Progress:
        """The same without a report, for work within a step."""
        return Progress(None, self.is_cancelled)

    def part(self, number: int, parts: int) -> Progress:
        """Return what reports the steps of one of several parts as those of all."""
        report = self.report
        if report is None:
            return self
        return Progress(
            lambda done, total: report(number * total + done, parts * total),
            self.is_cancelled,
        )


class Steps:
    """Counts steps, and asks whether to go on.

    Parameters
    ----------
    what
        What is done, for the message of `Cancelled`.
    progress
        What to tell and what to ask before each step.
    """

    def __init__(self, what: str, progress: Progress | None = None) -> None:
        self._what = what
        self._progress = progress or Progress()
        self._done = 0

    @property
    def is_cancelled(self) -> IsCancelled | None:
        """What is asked, for work within a step."""
        return self._progress.is_cancelled

    def before(self, left: int) -> None:
        """Report that a step begins, the first of `left` that are to do.

        Raises
        ------
        Cancelled
            If the work is to stop.
        """
        ask, report = self._progress.is_cancelled, self._progress.report
        if ask is not None and ask():
            raise Cancelled(f"{self._what} was cancelled")
        if report is not None:
            report(self._done, self._done + left)
        if left:
            self._done += 1

    def finish(self) -> None:
        """Report that all is done."""
        self.before(0)
