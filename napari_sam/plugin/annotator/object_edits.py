"""Merging and mending of kept objects in the window.

Nothing happens in silence: each edit says what it did, or why not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.edit_choice import EditChoice
from napari_sam.plugin.annotator.edit_kinds import (
    EDITS,
    EditKind,
    Wanted,
    tell_edit,
    tell_preview,
)
from napari_sam.plugin.annotator.object_browsing import ObjectBrowser
from napari_sam.plugin.annotator.stroke_edits import StrokeEdits
from napari_sam.plugin.viewer.hint import sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.plugin.annotator.actions import Actions
    from napari_sam.plugin.annotator.keybindings import KeyBinder
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.workflows.session.annotation_session import AnnotationSession
    from napari_sam.workflows.session.edit_targets import EditScope
    from napari_sam.workflows.session.label_canvas import StackEdit
    from napari_sam.workflows.session.planned_edit import EditResult

__all__ = ["ObjectEdits"]

_MOST_PREVIEWED = 2500
"""Objects; to try an edit on more takes too long for a line of text."""


class ObjectEdits(QObject):  # type: ignore[misc]
    """Edits the objects of the session that is worked in.

    Parameters
    ----------
    workspace, sessions, actions
        Parts of the annotator.
    model_host
        The model at work.
    keys
        Binds the annotator's keys.

    Attributes
    ----------
    choice
        Which objects are edited.
    selection
        Which objects are selected.
    strokes
        Splits and merges by what is drawn.
    """

    changed = Signal()
    """The selection, the tool for strokes, or the choice of the objects has changed."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        actions: Actions,
        model_host: ModelHost,
        keys: KeyBinder,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._sessions, self._actions = sessions, actions
        self.choice = choice = EditChoice(workspace, sessions)
        self.selection = choice.selection
        self.strokes = StrokeEdits(
            workspace, sessions, actions, model_host, keys, choice, self
        )
        self._browser = ObjectBrowser(workspace, sessions, choice)
        self.selection.changed.connect(self.changed)
        self.strokes.changed.connect(self.changed)
        self.strokes.noticed.connect(self.noticed)
        self.strokes.succeeded.connect(self.succeeded)

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self.strokes.close()

    # --- how things stand -----------------------------------------------------------

    def selected(self) -> tuple[int, ...]:
        """Return the selected objects that are there."""
        return self.choice.selected()

    def obstacle(self) -> str:
        """Say why no object can be edited; "" if all is well."""
        return self.choice.obstacle()

    def follow(self) -> None:
        """Let the selection be about the labels that are written to."""
        self.choice.follow()

    def why_not(self, name: str) -> str:
        """Say why an edit cannot be made now; "" if it can.

        Parameters
        ----------
        name
            Of `EDITS`, or "stroke" for what is drawn.
        """
        obstacle = self.obstacle()
        if obstacle or name == "stroke":
            return obstacle
        if name == "merge" and len(self.selected()) < 2:
            return (
                "Select two objects or more: Alt-click one, Alt-Shift-click another. "
                "Or point at each and press Shift-M."
            )
        if name == "remove" and not self.selected():
            return "Select the objects to delete. K deletes the one under the cursor."
        return "" if self.choice.chosen() else "There is no object on this plane."

    # --- edits of any number of objects -----------------------------------------------

    def apply(self, name: str, value: float = 0.0) -> None:
        """Make an edit of `EDITS`, and say what came of it."""
        why = self.why_not(name)
        if why:
            self.noticed.emit(why)
            return
        kind, wanted = EDITS[name], self._wanted(value)
        self._do(kind, lambda session: kind.run(session.edit, wanted))

    def preview(self, name: str, value: float = 0.0) -> str:
        """Say what an edit would do, or why it cannot be made."""
        why, session = self.why_not(name), self._sessions.session
        if why or session is None:
            return why
        kind, count = EDITS[name], len(self.choice.chosen())
        if count > _MOST_PREVIEWED:
            return f"{kind.text}: {counted(count, 'object')} will be looked at."
        try:
            result = kind.run(session.edit, self._wanted(value, preview=True))
        except ValueError as error:
            return sentence(error)
        return tell_preview(kind, result, count)

    def _wanted(self, value: float, preview: bool = False) -> Wanted:
        selected = self.selected()
        scope: EditScope = "all" if selected else self.choice.scope
        return Wanted(selected or None, scope, value, preview)

    def _do(
        self, kind: EditKind, action: Callable[[AnnotationSession], EditResult]
    ) -> EditResult | None:
        """Make an edit, and say what it did; what is in its way is said as well."""
        results: list[EditResult] = []
        self._actions.edit(lambda session: results.append(action(session)))
        if not results:
            return None
        (result,) = results
        (self.succeeded if result else self.noticed).emit(tell_edit(kind, result))
        if result:
            self._reselect(kind.name, result)
        return result

    def _reselect(self, name: str, result: EditResult) -> None:
        """Select what became of the selected objects."""
        self.follow()
        kept = [one for one in self.selection.labels if one not in result.gone]
        if name in ("merge", "split"):
            kept = [*result.changed, *result.made]
        elif name == "pieces_to_objects" and kept:
            kept = [*kept, *result.made]
        self.selection.select(kept)
        self.changed.emit()

    def write(self, edit: StackEdit) -> bool:
        """Write an edit that was made elsewhere, as one step; whether that was done."""
        done: list[bool] = []

        def write(session: AnnotationSession) -> None:
            session.state.write_planes(edit)
            done.append(True)

        self._actions.edit(write)
        return bool(done)

    def merge_under_cursor(self) -> None:
        """Merge the selected objects, and the one under the cursor, into one."""
        obstacle = self.obstacle()
        if obstacle:
            self.noticed.emit(obstacle)
            return
        self.follow()
        here, selected = self._actions.label_at_cursor(), self.selected()
        wanted = tuple(dict.fromkeys([*selected, *([here] if here else [])]))
        if len(wanted) < 2:
            self.selection.select(wanted)
            first = f"Object {wanted[0]} is selected. " if wanted else ""
            other = "another one" if wanted else "an object"
            said = f"{first}Point at {other}, and press Shift-M."
            (self.succeeded if wanted else self.noticed).emit(said)
            return
        self._do(EDITS["merge"], lambda session: session.edit.merge(wanted))

    # --- going from one to the next ---------------------------------------------------

    def next_object(self) -> None:
        """Select the next object, and go there."""
        self._step(1)

    def previous_object(self) -> None:
        """Select the object before, and go there."""
        self._step(-1)

    def _step(self, by: int) -> None:
        try:
            told = self._browser.step(by)
        except ValueError as error:
            self.noticed.emit(str(error))
            return
        self.succeeded.emit(told)
