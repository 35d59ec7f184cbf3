"""The progress bar of commands whose number of steps may change as they go."""

from __future__ import annotations

from typing import Any

__all__ = ["StepBar"]


class StepBar:
    """A progress bar that is told (steps done, steps in all); none without a terminal.

    Parameters
    ----------
    unit
        What a step is, such as "plane".
    leave
        Whether it stays when all is done.
    """

    def __init__(self, unit: str, leave: bool = True) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(unit=unit, leave=leave, disable=None)

    def __enter__(self) -> StepBar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def name(self, text: str) -> None:
        """Say what is at work now."""
        self._bar.set_postfix_str(text, refresh=False)

    def show(self, done: int, total: int) -> None:
        """Show that so many steps are done."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)
        self._bar.refresh()
