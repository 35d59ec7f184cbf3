"""Which kept objects an edit in the window is about, and what keeps it from them.

What is edited are the selected objects; where none is selected, all on the plane shown,
or all there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.ops.labels import count_labels
from napari_sam.plugin.viewer.object_selection import selection_in

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.workflows.session.edit_targets import EditScope

__all__ = ["EditChoice"]

_NO_PLANE = (
    "This view shows no plane of the image; leave the 3D view, or roll the axes."
)


class EditChoice:
    """The objects that edits are about.

    Parameters
    ----------
    workspace, sessions
        Parts of the annotator.

    Attributes
    ----------
    selection
        Which objects are selected.
    scope
        Which objects are edited where none is selected.
    """

    def __init__(self, workspace: Workspace, sessions: Sessions) -> None:
        self._at, self._sessions = workspace, sessions
        self.selection = selection_in(workspace.viewer)
        self.scope: EditScope = "plane"
        self._here: tuple[object, tuple[int, ...]] = (None, ())

    def follow(self) -> None:
        """Let the selection be about the labels that are written to."""
        self.selection.follow(self._sessions.output)

    def selected(self) -> tuple[int, ...]:
        """Return the selected objects that are there."""
        session = self._sessions.session
        if session is None or self.selection.layer is not self._sessions.output:
            return ()
        return tuple(one for one in self.selection.labels if one in session.index)

    def chosen(self) -> tuple[int, ...]:
        """Return the objects that an edit is about."""
        session, plane = self._sessions.session, self._at.plane
        selected = self.selected()
        if selected or session is None:
            return selected
        if self.scope == "all":
            return tuple(sorted(session.index.labels))
        if plane is None:
            return ()
        state = (session, session.index.version, plane)
        if self._here[0] != state:
            self._here = (
                state,
                tuple(sorted(count_labels(session.canvas.read(plane)))),
            )
        return self._here[1]

    def obstacle(self) -> str:
        """Say why no object can be edited; "" if all is well."""
        opened = self._sessions.current
        if self._at.image is None:
            return "Open an image first."
        if self._sessions.problem:
            return self._sessions.problem
        if self._at.plane is None:
            return _NO_PLANE
        if opened is None:
            return "There are no objects to edit."
        if opened.is_counting:
            return "The labels are still being counted; try again in a moment."
        if not opened.session.index.labels:
            return "There are no objects yet: annotate or find some, or choose labels."
        return ""
