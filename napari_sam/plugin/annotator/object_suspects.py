"""Objects that look wrong: found, shown, and spoken of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.plugin.annotator.suspect_review import SuspectReview
from napari_sam.plugin.viewer.navigation import go_to_point

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.annotator.object_edits import ObjectEdits
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.long_task import Tell
    from napari_sam.workflows.objects.suspects import Suspect

__all__ = ["ObjectSuspects", "review_objects"]

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


class ObjectSuspects:
    """The objects of the session that is worked in, as a source of suspects.

    Parameters
    ----------
    workspace, sessions, edits
        Parts of the annotator.
    """

    def __init__(
        self, workspace: Workspace, sessions: Sessions, edits: ObjectEdits
    ) -> None:
        self._at, self._sessions, self._edits = workspace, sessions, edits

    def state(self) -> object:
        """Return what the suspects depend on; None where there is nothing."""
        session, opened = self._sessions.session, self._sessions.current
        if session is None or opened is None or opened.canvas.layer is None:
            return None
        plane = self._at.plane if opened.canvas.is_large else None
        return id(session), session.index.version, plane

    def refresh(self) -> None:
        """Do nothing: the session knows its labels."""

    def why_not(self) -> str:
        """Say why nothing can be looked for; "" if all is well."""
        return self._edits.obstacle()

    def search(self) -> Callable[[Tell, IsCancelled], list[Suspect]]:
        """Return what finds the suspects, the strangest first, away from the window."""
        opened, plane = self._sessions.current, self._at.plane
        if opened is None:
            return lambda tell, is_cancelled: []
        canvas = opened.canvas
        if canvas.is_large and plane is not None:
            labels = np.array(canvas.read(plane))
        else:
            labels = np.array(getattr(canvas.layer, "data", ()))
        listed = opened.session.listed()
        names = {n: one.class_name for n, one in listed.items() if one.class_name}

        def work(tell: Tell, is_cancelled: IsCancelled) -> list[Suspect]:
            from napari_sam.workflows.objects.suspects import find_suspects
            from napari_sam.workflows.progress import Progress

            progress = Progress(tell, is_cancelled)
            return find_suspects(labels, classes=names or None, progress=progress)

        return work

    def key(self, suspect: Suspect) -> tuple[int, str, int]:
        """Return what is the same of a suspect that was seen already."""
        session = self._sessions.session
        area = 0 if session is None else session.index.area(suspect.label)
        return suspect.label, suspect.reason, area

    def show(self, suspect: Suspect) -> None:
        """Bring an object into view, and select it."""
        self._edits.follow()
        image, plane = self._at.image, self._at.plane
        at = suspect.at
        if plane is not None and len(at) == 2 and image.ndim > 2:
            at = tuple(plane.locate([at])[0])
        go_to_point(self._at.viewer, image, at)
        self._edits.selection.select([suspect.label])

    def words(self, suspect: Suspect) -> str:
        """Say what is wrong with an object, as one says it who looks at it."""
        return f"Object {suspect.label}: {self._reason(suspect)}"

    def _reason(self, suspect: Suspect) -> str:
        session = self._sessions.session
        said = _WORDS.get(suspect.reason, suspect.detail)
        if session is None or suspect.reason not in ("large", "small"):
            return said
        usual = float(np.median([session.index.area(n) for n in session.index.labels]))
        area = session.index.area(suspect.label)
        times = area / usual if suspect.reason == "large" else usual / max(area, 1)
        if times < _TOLD:
            return said
        number = f"{times:.0f}" if times >= 10 else f"{times:.1f}"
        return f"about {number} times {said}"


def review_objects(
    workspace: Workspace, sessions: Sessions, edits: ObjectEdits, parent: QObject
) -> SuspectReview:
    """Go from one object that looks wrong to the next, as the labels are."""
    review = SuspectReview(ObjectSuspects(workspace, sessions, edits), parent)
    sessions.looked.connect(review.look_soon)
    sessions.session_changed.connect(review.look_soon)
    return review
