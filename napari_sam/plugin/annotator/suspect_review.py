"""Going from one thing that looks wrong to the next: objects, or places of tracks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.long_task import Tell

__all__ = ["SuspectReview", "SuspectSource"]

_REST_MS = 300
"""Milliseconds after a change after which suspects are looked for anew."""


class SuspectSource(Protocol):
    """What may look wrong, and how it is found, shown and spoken of."""

    def state(self) -> object:
        """Return what the suspects depend on; None where there is nothing."""

    def refresh(self) -> None:
        """Take up what has just changed, before the user goes on."""

    def why_not(self) -> str:
        """Say why nothing can be looked for; "" if all is well."""

    def search(self) -> Callable[[Tell, IsCancelled], list[Any]]:
        """Return what finds the suspects, the strangest first, away from the window."""

    def key(self, suspect: Any) -> Hashable:
        """Return what is the same of a suspect that was seen already."""

    def show(self, suspect: Any) -> None:
        """Bring a suspect into view, and select it."""

    def words(self, suspect: Any) -> str:
        """Say which it is, and what is wrong with it, without a full stop."""


class SuspectReview(QObject):  # type: ignore[misc]
    """Looks for suspects away from the window, and goes from one to the next.

    Each comes once for each reason, the strangest first, unless it has changed
    meanwhile.

    Parameters
    ----------
    source
        What may look wrong.

    Attributes
    ----------
    is_on
        Whether suspects are looked for anew whenever something has changed.
    """

    changed = Signal()
    """There are other suspects, or another one is shown."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    def __init__(self, source: SuspectSource, parent: QObject) -> None:
        super().__init__(parent)
        self._source = source
        self._task = LongTask("napari-sam suspects", self)
        self._task.done.connect(self._on_found)
        self._task.failed.connect(self._on_failed)
        self._timer = single_shot(self, _REST_MS, self._look)
        self._found: list[Any] = []
        self._state: object = None
        self._met: set[Hashable] = set()
        self._goes_on = False
        self.is_on = False

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self._task.close()

    def set_on(self, is_on: bool) -> None:
        """Look for suspects now, and whenever something has changed."""
        self.is_on = is_on
        if is_on:
            self._look()

    @property
    def is_working(self) -> bool:
        """Whether suspects are being looked for."""
        return bool(self._task.is_working) or bool(self._timer.isActive())

    @property
    def is_awaited(self) -> bool:
        """Whether they are, and the user waits for the next one."""
        return self._goes_on and self.is_working

    @property
    def left(self) -> list[Any] | None:
        """The suspects that were not gone to yet; None where that is not known."""
        present = self._source.state()
        if present is None or self._state != present:
            return None
        key = self._source.key
        return [one for one in self._found if key(one) not in self._met]

    # --- looking ----------------------------------------------------------------------

    def look_soon(self, *_: object) -> None:
        """Look for suspects once no more changes come."""
        if self.is_on and self._state != self._source.state():
            self._timer.start()

    def _look(self) -> None:
        """Look for suspects, unless they are known or looked for."""
        state = self._source.state()
        if state is None or self._source.why_not():
            self.changed.emit()
            return
        if state == self._state or self._task.token == state:
            return
        self._task.start(self._source.search(), state)
        self.changed.emit()

    def _on_found(self, state: object, found: list[Any]) -> None:
        self._found, self._state = found, state
        if state != self._source.state():
            self._look()
        elif self._goes_on:
            self._go_on()
        self.changed.emit()

    def _on_failed(self, state: object, error: Exception) -> None:
        if state != self._source.state():  # it was changed meanwhile
            self._look()
            return
        self._goes_on = False
        self.noticed.emit(sentence(error))
        self.changed.emit()

    # --- going on ---------------------------------------------------------------------

    def next_suspect(self) -> None:
        """Go to the next suspect and select it; look for them first if need be."""
        obstacle = self._source.why_not()
        if obstacle:
            self.noticed.emit(obstacle)
            return
        self._source.refresh()
        if self.left is None:
            self._goes_on = True
            self._look()
            return
        self._go_on()

    def _go_on(self) -> None:
        self._goes_on = False
        left = self.left or []
        if not left:
            many = len(self._found)
            seen = f" You have seen all {many}." if many > 1 else ""
            self.succeeded.emit(f"Nothing else looks wrong.{seen}")
            self.changed.emit()
            return
        suspect = left[0]
        self._met.add(self._source.key(suspect))
        self._source.show(suspect)
        more = f" {len(left) - 1:,} more." if len(left) > 1 else " It is the last one."
        self.succeeded.emit(f"{self._source.words(suspect)}.{more}")
        self.changed.emit()
