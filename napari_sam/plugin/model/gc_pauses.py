"""Keeping Python's garbage collector from holding up the window.

A full collection looks at every object of the process, and holds Python's lock
meanwhile: with napari and torch a fifth of a second, which soon falls into a click.
While somebody annotates, what has survived one is set aside (`gc.freeze`) and not
looked at again. It is brought back when a layer leaves, whose data would otherwise
stay in memory, and looked through when the user rests; and for good at the end.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import QObject, QTimer

from napari_sam.plugin.viewer.connections import Connections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam.plugin.annotator.wiring import AnnotationFlow

__all__ = ["GarbageKeeper", "collector_paused"]

_REST_MS = 3000
"""Milliseconds without an answer after which the user is taken to rest."""

_KEEPERS: set[int] = set()


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector, where it runs, for the length of a block."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _after_collection(phase: Literal["start", "stop"], info: dict[str, int], /) -> None:
    if phase == "stop" and info["generation"] == 2:
        gc.freeze()


class GarbageKeeper(QObject):  # type: ignore[misc]
    """Sets objects aside while an annotator has a model, and brings them back.

    Where something else of the process has set objects aside, it is left alone.

    Parameters
    ----------
    annotator
        Whose viewer and model host are watched.
    """

    def __init__(self, annotator: AnnotationFlow) -> None:
        super().__init__(annotator)
        self._viewer = annotator.viewer
        self._model_host = annotator.model_host
        self._events = Connections()
        self._is_attached = False
        self._rest_timer = QTimer(self)
        self._rest_timer.setSingleShot(True)
        self._rest_timer.setInterval(_REST_MS)
        self._rest_timer.timeout.connect(self._collect)
        self._is_due = False
        self._model_host.changed.connect(self._on_model_host)
        for signal in (
            self._model_host.answered,
            self._model_host.hovered,
            self._model_host.embedded,
        ):
            signal.connect(self._on_answer)

    @property
    def is_keeping(self) -> bool:
        """Whether objects are set aside for this annotator."""
        return id(self) in _KEEPERS

    def attach(self) -> None:
        """Begin, as soon as there is a model."""
        self._is_attached = True
        self._on_model_host()

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

    def _on_model_host(self) -> None:
        is_ready = self._is_attached and self._model_host.predictor is not None
        if not is_ready or self.is_keeping:
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

    def _on_answer(self, *answer: object) -> None:
        if self._is_due and self.is_keeping:
            self._rest_timer.start()

    def _collect(self) -> None:
        self._is_due = False
        gc.unfreeze()
        gc.collect()
