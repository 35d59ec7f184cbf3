"""Going from one object that looks wrong to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.navigation import go_to_point
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.object_edits import ObjectEdits
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.long_task import Tell
    from napari_sam.workflows.objects.suspects import Suspect

__all__ = ["SuspectCheck"]

_REST_MS = 300
"""Milliseconds after a change of the labels after which they are looked at anew."""

_WORDS = {
    "large": "larger than the others",
    "small": "smaller than the others",
    "long": "much longer than the others",
    "ragged": "its outline is ragged beside the others",
    "bright": "brighter than the others",
    "dark": "darker than the others",
}
"""Of reasons whose detail is a number of deviations."""

_TOLD = 1.2
"""So many times larger or smaller is worth to be told as a number."""


class SuspectCheck(QObject):  # type: ignore[misc]
    """Looks for suspects away from the window, and goes from one to the next.

    Each object comes once for each reason, the strangest first, unless it has changed
    meanwhile.

    Parameters
    ----------
    workspace, sessions, edits
        Parts of the annotator.

    Attributes
    ----------
    is_on
        Whether the labels are looked at anew whenever they have changed.
    shown
        The suspect that was gone to last, or None.
    """

    changed = Signal()
    """There are other suspects, or another one is shown."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        edits: ObjectEdits,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._at, self._sessions, self._edits = workspace, sessions, edits
        self._task = LongTask("napari-sam suspects", self)
        self._task.done.connect(self._on_found)
        self._task.failed.connect(self._on_failed)
        self._timer = single_shot(self, _REST_MS, self._look)
        self._found: list[Suspect] = []
        self._state: object = None
        self._met: set[tuple[int, str, int]] = set()
        self._goes_on = False
        self.is_on = False
        self.shown: Suspect | None = None
        sessions.looked.connect(self._look_soon)
        sessions.session_changed.connect(self._look_soon)

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self._task.close()

    def set_on(self, is_on: bool) -> None:
        """Look for suspects now, and whenever the labels have changed."""
        self.is_on = is_on
        if is_on:
            self._look()

    @property
    def is_working(self) -> bool:
        """Whether the objects are being looked at."""
        return bool(self._task.is_working) or bool(self._timer.isActive())

    @property
    def is_awaited(self) -> bool:
        """Whether they are, and the user waits for the next one."""
        return self._goes_on and self.is_working

    @property
    def left(self) -> list[Suspect] | None:
        """The suspects that were not gone to yet; None where that is not known."""
        if self._state != self._present() or self._present() is None:
            return None
        return [one for one in self._found if self._key(one) not in self._met]

    def _key(self, suspect: Suspect) -> tuple[int, str, int]:
        session = self._sessions.session
        area = 0 if session is None else session.index.area(suspect.label)
        return suspect.label, suspect.reason, area

    def _present(self) -> object:
        """Return what the suspects depend on; None where there is nothing."""
        session, opened = self._sessions.session, self._sessions.current
        if session is None or opened is None or opened.canvas.layer is None:
            return None
        plane = self._at.plane if opened.canvas.is_large else None
        return id(session), session.index.version, plane

    # --- looking ----------------------------------------------------------------------

    def _look_soon(self, event: Any = None) -> None:
        if self.is_on and self._state != self._present():
            self._timer.start()

    def _look(self) -> None:
        """Look for suspects, unless they are known or looked for."""
        state, opened = self._present(), self._sessions.current
        if state is None or opened is None or self._edits.obstacle():
            self.changed.emit()
            return
        if state == self._state or self._task.token == state:
            return
        canvas, session, plane = opened.canvas, opened.session, self._at.plane
        if canvas.is_large and plane is not None:
            labels = np.array(canvas.read(plane))
        else:
            labels = np.array(getattr(canvas.layer, "data", ()))
        listed = session.listed()
        names = {n: one.class_name for n, one in listed.items() if one.class_name}

        def work(tell: Tell, is_cancelled: Any) -> list[Suspect]:
            from napari_sam.workflows.objects.suspects import find_suspects
            from napari_sam.workflows.progress import Progress

            progress = Progress(tell, is_cancelled)
            return find_suspects(labels, classes=names or None, progress=progress)

        self._task.start(work, state)
        self.changed.emit()

    def _on_found(self, state: object, found: list[Suspect]) -> None:
        self._found, self._state = found, state
        if state != self._present():
            self._look()
        elif self._goes_on:
            self._go_on()
        self.changed.emit()

    def _on_failed(self, state: object, error: Exception) -> None:
        self._goes_on = False
        self.noticed.emit(sentence(error))
        self.changed.emit()

    def words(self, suspect: Suspect) -> str:
        """Say what is wrong with an object, as one says it who looks at it."""
        session = self._sessions.session
        said = _WORDS.get(suspect.reason, suspect.detail)
        if session is None or suspect.reason not in ("large", "small"):
            return said
        usual = float(np.median([session.index.area(n) for n in session.index.labels]))
        area = session.index.area(suspect.label)
        times = area / usual if suspect.reason == "large" else usual / max(area, 1)
        if times < _TOLD:
            return said
        return (
            f"about {times:.0f} times {said}"
            if times >= 10
            else (f"about {times:.1f} times {said}")
        )

    # --- going on ---------------------------------------------------------------------

    def next_suspect(self) -> None:
        """Go to the next suspect and select it; look for them first if need be."""
        obstacle = self._edits.obstacle()
        if obstacle:
            self.noticed.emit(obstacle)
            return
        if self.left is None:
            self._goes_on = True
            self._look()
            return
        self._go_on()

    def start_again(self) -> None:
        """Forget which suspects were gone to."""
        self._met.clear()
        self.shown = None
        self.changed.emit()

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
        suspect = left[0]
        self._met.add(self._key(suspect))
        self.shown = suspect
        self._edits.follow()
        image, plane = self._at.image, self._at.plane
        at = suspect.at
        if plane is not None and len(at) == 2 and image.ndim > 2:
            at = tuple(plane.locate([at])[0])
        go_to_point(self._at.viewer, image, at)
        self._edits.selection.select([suspect.label])
        more = f" {len(left) - 1:,} more." if len(left) > 1 else " It is the last one."
        self.succeeded.emit(f"Object {suspect.label}: {self.words(suspect)}.{more}")
        self.changed.emit()
