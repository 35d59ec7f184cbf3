"""Keeping Python's garbage collector from holding up the window, and from harming it.

The collector runs on whatever thread makes an object too many, at whatever moment. Of
what it finds, much belongs to the window: napari's canvas notes on an unlocked list
what the graphics card is to delete, and Qt's objects may go on their own thread only.
A thread that computes would end the program, if it collected while the window draws;
so would the window's own, within Qt's painting. While somebody annotates, objects are
therefore collected on the window's thread alone, between two events.

A full collection looks at every object of the process, and holds Python's lock
meanwhile: with napari and torch a fifth of a second, which soon falls into a click.
What has survived one is set aside (`gc.freeze`) and not looked at again. It is brought
back and looked through when the user rests; after a layer has left, whose data stay in
memory until then, at some moment even if the user does not; and for good at the end.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, QTimer

from napari_sam.plugin.viewer.event_connections import Connections
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["GcPauses", "collector_paused"]

_YOUNG_MS = 200
"""Milliseconds between two looks at whether there is something to collect."""

_LIMIT = 5
"""Times of rest for which the data of a layer that has left stay at the most."""

_KEEPERS: set[int] = set()


@dataclass
class _Automatic:
    """Collections at any moment, on any thread: off while somebody wants them off.

    Attributes
    ----------
    blocks
        How many `collector_paused` are under way, on whatever threads.
    holders
        How many want them off: those blocks, and one for all keepers.
    was_on
        Whether they were on before the first holder.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    blocks: int = 0
    holders: int = 0
    was_on: bool = False

    def hold(self, blocks: int = 0) -> None:
        """Switch them off."""
        with self.lock:
            if not self.holders:
                self.was_on = gc.isenabled()
                gc.disable()
            self.holders += 1
            self.blocks += blocks

    def release(self, blocks: int = 0) -> None:
        """Switch them on again, if nobody else wants them off."""
        with self.lock:
            self.holders -= 1
            self.blocks -= blocks
            if blocks and not self.blocks and self.was_on:
                _take_for_old()
            if not self.holders and self.was_on:
                gc.enable()


_AUTOMATIC = _Automatic()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector, where it runs, for the length of a block.

    Blocks on several threads may overlap; the collector comes back after the last one.
    What was made meanwhile, of which little should be garbage, then counts as old:
    it would otherwise be looked through at once, all of it, and some of it twice.
    """
    _AUTOMATIC.hold(1)
    try:
        yield
    finally:
        _AUTOMATIC.release(1)


def _take_for_old() -> None:
    """Move all objects to the oldest generation, without a look at them."""
    if _KEEPERS:
        gc.freeze()
    elif not gc.get_freeze_count():  # else not ours to bring back
        gc.freeze()
        gc.unfreeze()


def _after_collection(phase: Literal["start", "stop"], info: dict[str, int], /) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


class GcPauses(QObject):  # type: ignore[misc]
    """Sets objects aside while somebody annotates with a model, and brings them back.

    Where something else of the process has set objects aside, it is left alone.

    Parameters
    ----------
    viewer
        Whose layers are watched.
    has_model
        Says whether there is a model to annotate with; `look` asks it.
    rest_ms
        Milliseconds without an answer after which the user is taken to rest.
    """

    def __init__(
        self,
        viewer: Any,
        has_model: Callable[[], bool],
        rest_ms: int,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._has_model = has_model
        self._events = Connections()
        self._is_attached = False
        self._rest_timer = single_shot(self, rest_ms, self._collect)
        self._young_timer = QTimer(self)
        self._young_timer.setInterval(_YOUNG_MS)
        self._young_timer.timeout.connect(self._collect_young)
        self._limit_timer = single_shot(self, _LIMIT * rest_ms, self._collect)

    @property
    def is_keeping(self) -> bool:
        """Whether objects are set aside for this one."""
        return id(self) in _KEEPERS

    def attach(self) -> None:
        """Begin, as soon as there is a model."""
        self._is_attached = True
        self.look()

    def detach(self) -> None:
        """Bring everything back."""
        self._is_attached = False
        has_left = self._limit_timer.isActive()
        for timer in (self._rest_timer, self._limit_timer, self._young_timer):
            timer.stop()
        self._events.clear()
        if self.is_keeping:
            _KEEPERS.discard(id(self))
            if not _KEEPERS:
                gc.callbacks.remove(_after_collection)
                gc.unfreeze()
                _AUTOMATIC.release()
            elif has_left and not _AUTOMATIC.blocks:  # others do not know of it
                gc.unfreeze()
                gc.collect()

    def look(self) -> None:
        """Begin now if there is a model."""
        if not self._is_attached or self.is_keeping or not self._has_model():
            return
        if not _KEEPERS:
            if gc.get_freeze_count():
                return
            _AUTOMATIC.hold()
            gc.callbacks.append(_after_collection)
            gc.freeze()
        _KEEPERS.add(id(self))
        self._events.add(self._viewer.layers.events.removed, self._on_removed)
        self._young_timer.start()
        self._wait()

    def _on_removed(self, event: Any) -> None:
        """Have a layer's data let go soon.

        Not at once: napari has the collector run for every layer that leaves, and with
        everything brought back each of those runs would hold the window.
        """
        if not self._limit_timer.isActive():
            self._limit_timer.start()
        self._wait()

    def _wait(self) -> None:
        """Have all objects looked through when the user rests: while the timer runs."""
        self._rest_timer.start()

    def on_answer(self, *answer: object) -> None:
        """Take note that the user does not rest: something was answered."""
        if self._rest_timer.isActive():
            self._wait()

    def _collect_young(self) -> None:
        """Collect what the collector would by itself; nothing is drawn meanwhile."""
        counts, thresholds = gc.get_count(), gc.get_threshold()
        if _AUTOMATIC.blocks or not (_AUTOMATIC.was_on and thresholds[0]):
            return
        if not self._rest_timer.isActive() and counts[2] > thresholds[2]:
            self._wait()
        if counts[1] > thresholds[1]:
            gc.collect(1)
        elif counts[0] > thresholds[0]:
            gc.collect(0)

    def _collect(self) -> None:
        if _AUTOMATIC.blocks:
            self._wait()
            return
        for timer in (self._rest_timer, self._limit_timer):
            timer.stop()
        gc.unfreeze()
        gc.collect()
