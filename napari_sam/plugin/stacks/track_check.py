"""Going from one place where tracks look wrong to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.navigation import go_to_point
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from napari_sam.plugin.model.long_task import Tell
    from napari_sam.plugin.stacks.track_editor import TrackEditor
    from napari_sam.workflows.stacks.track_suspects import TrackSuspect

__all__ = ["TrackCheck"]

_REST_MS = 200
"""Milliseconds after a correction after which the tracks are looked at anew."""


class TrackCheck(QObject):  # type: ignore[misc]
    """Looks for suspects away from the window, and goes from one to the next.

    Each place comes once for each reason, the strangest first.

    Parameters
    ----------
    editor
        Whose tracks are looked at.
    viewer
        The napari viewer.

    Attributes
    ----------
    is_on
        Whether the tracks are looked at anew whenever they have changed.
    shown
        The suspect that was gone to last, or None.
    """

    changed = Signal()
    """There are other suspects, or another one is shown."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    def __init__(self, editor: TrackEditor, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._editor, self._viewer = editor, viewer
        self._task = LongTask("napari-sam track suspects", self)
        self._task.done.connect(self._on_found)
        self._task.failed.connect(self._on_failed)
        self._timer = single_shot(self, _REST_MS, self._look)
        self._found: list[TrackSuspect] = []
        self._state: object = None
        self._met: set[tuple[int, int, str]] = set()
        self._goes_on = self.is_on = False
        self.shown: TrackSuspect | None = None
        editor.changed.connect(self._look_soon)

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self._task.close()

    def set_on(self, is_on: bool) -> None:
        """Look for suspects now, and whenever the tracks have changed."""
        self.is_on = is_on
        if is_on:
            self._look()

    @property
    def is_working(self) -> bool:
        """Whether the tracks are being looked at."""
        return bool(self._task.is_working) or bool(self._timer.isActive())

    @property
    def left(self) -> list[TrackSuspect] | None:
        """Suspects that were not gone to yet; None while they are not known."""
        if self._state is None or self._state != self._present():
            return None
        return [one for one in self._found if _key(one) not in self._met]

    def _present(self) -> object:
        session = self._editor.session
        return None if session is None else (id(session), self._editor.version)

    def _look_soon(self) -> None:
        if self.is_on and self._state != self._present():
            self._timer.start()

    def _look(self) -> None:
        state, session = self._present(), self._editor.session
        if session is None or state in (self._state, self._task.token):
            self.changed.emit()
            return
        suspects = session.suspects

        def work(tell: Tell, is_cancelled: Any) -> list[TrackSuspect]:
            return suspects()

        self._task.start(work, state)
        self.changed.emit()

    def _on_found(self, state: object, found: list[TrackSuspect]) -> None:
        self._found, self._state = found, state
        if state != self._present():
            self._look()
        elif self._goes_on:
            self._go_on()
        self.changed.emit()

    def _on_failed(self, state: object, error: Exception) -> None:
        self._goes_on = False
        if state != self._present():  # the tracks were changed meanwhile
            self._look()
            return
        self.noticed.emit(sentence(error))
        self.changed.emit()

    def next_suspect(self) -> None:
        """Go to the next suspect and select it; look for them first if need be."""
        if self._editor.session is None:
            self.noticed.emit("Choose labels of a film first.")
            return
        self._editor.look()
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
            self.shown = None
            self.succeeded.emit(f"Nothing else looks wrong.{seen}")
            self.changed.emit()
            return
        suspect = self.shown = left[0]
        self._met.add(_key(suspect))
        editor = self._editor
        go_to_point(self._viewer, editor.layer, suspect.at)
        editor.selection.follow(editor.layer)
        editor.selection.select([suspect.track])
        more = f" {len(left) - 1:,} more." if len(left) > 1 else " It is the last one."
        said = f"Track {suspect.track}, frame {suspect.frame}: {suspect.detail}.{more}"
        self.succeeded.emit(said)
        self.changed.emit()


def _key(suspect: TrackSuspect) -> tuple[int, int, str]:
    return suspect.track, suspect.frame, suspect.reason
