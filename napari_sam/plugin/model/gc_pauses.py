"""Keeping Python's garbage collector from holding up the window.

A full collection looks at every object of the process, and holds Python's lock
meanwhile: with napari and torch a fifth of a second, which soon falls into a click.
While somebody annotates, what has survived one is set aside (`gc.freeze`) and not
looked at again. It is brought back when a layer leaves, whose data would otherwise
stay in memory, and looked through when the user rests; and for good at the end.
"""

from __future__ import annotations

import gc
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject

from napari_sam.plugin.viewer.connections import Connections
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["GcPauses", "collector_paused"]

_KEEPERS: set[int] = set()


@dataclass
class _Pause:
    """Counts the blocks that want the collector paused, on whatever thread."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    blocks: int = 0
    was_on: bool = False


_PAUSE = _Pause()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector, where it runs, for the length of a block.

    Blocks on several threads may overlap; the collector comes back after the last one.
    What was made meanwhile, of which little should be garbage, then counts as old:
    it would otherwise be looked through at once, all of it, and some of it twice.
    """
    with _PAUSE.lock:
        if not _PAUSE.blocks:
            _PAUSE.was_on = gc.isenabled()
            gc.disable()
        _PAUSE.blocks += 1
    try:
        yield
    finally:
        with _PAUSE.lock:
            _PAUSE.blocks -= 1
            if not _PAUSE.blocks and _PAUSE.was_on:
                _take_for_old()
                gc.enable()


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
        self._is_due = False

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
        self._rest_timer.stop()
        self._events.clear()
        if self.is_keeping:
            _KEEPERS.discard(id(self))
            if not _KEEPERS:
                gc.callbacks.remove(_after_collection)
                gc.unfreeze()

    def look(self) -> None:
        """Begin now if there is a model."""
        if not self._is_attached or self.is_keeping or not self._has_model():
            return
        if not _KEEPERS:
            if gc.get_freeze_count():
                return
            gc.callbacks.append(_after_collection)
            gc.freeze()
        _KEEPERS.add(id(self))
        self._events.add(self._viewer.layers.events.removed, self._on_removed)
        self._wait()

    def _on_removed(self, event: Any) -> None:
        gc.unfreeze()
        self._wait()

    def _wait(self) -> None:
        """Have all objects looked through when the user rests."""
        self._is_due = True
        self._rest_timer.start()

    def on_answer(self, *answer: object) -> None:
        """Take note that the user does not rest: something was answered."""
        if self._is_due and self.is_keeping:
            self._rest_timer.start()

    def _collect(self) -> None:
        self._is_due = False
        gc.unfreeze()
        gc.collect()
