"""Merging, splitting and mending of kept objects in the window.

What is edited are the selected objects; where none is selected, all on the plane shown,
or all there are. Nothing happens in silence: each edit says what it did, or why not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.ops.labels import count_labels
from napari_sam.ops.wording import counted, listed
from napari_sam.plugin.annotator.edit_kinds import (
    EDITS,
    EditKind,
    Wanted,
    tell_edit,
    tell_preview,
)
from napari_sam.plugin.annotator.edit_sight import EditSight
from napari_sam.plugin.annotator.stroke_tool import StrokeTool
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.navigation import go_to_plane, go_to_point
from napari_sam.plugin.viewer.object_selection import selection_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.strokes import Ridge
    from napari_sam.ops.types import Box
    from napari_sam.plugin.annotator.actions import Actions
    from napari_sam.plugin.annotator.keybindings import KeyBinder
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.workflows.session.annotation_session import AnnotationSession
    from napari_sam.workflows.session.canvas import StackEdit
    from napari_sam.workflows.session.edit_targets import EditScope
    from napari_sam.workflows.session.planned_edit import EditResult

__all__ = ["ObjectEdits"]

_URGENCY = 1
"""Of the model's look at two clicks: the user waits for it."""

_MOST_PREVIEWED = 2500
"""Objects; to try an edit on more takes too long for a line of text."""

_NO_PLANE = (
    "This view shows no plane of the image; leave the 3D view, or roll the axes."
)


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
    selection
        Which objects are selected.
    strokes
        The tool that splits.
    scope
        Which objects are edited where none is selected.
    snap
        What the cut along a stroke follows; None for the stroke itself.
    """

    changed = Signal()
    """The selection, the splitting tool, or the choice of the objects has changed."""

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
        self._at, self._sessions, self._actions = workspace, sessions, actions
        self._host = model_host
        self._sight = EditSight(workspace, model_host)
        self._task = LongTask(model_host.thread, self, urgency=_URGENCY)
        self._task.done.connect(self._on_relief)
        self._task.failed.connect(self._on_no_relief)
        self.selection = selection_in(workspace.viewer)
        self.strokes = StrokeTool(workspace, keys, self)
        self._here: tuple[object, tuple[int, ...]] = (None, ())
        self.scope: EditScope = "plane"
        self.snap: Ridge | None = None
        self.selection.changed.connect(self.changed)
        self.strokes.changed.connect(self.changed)
        self.strokes.drawn.connect(self._on_stroke)
        self.strokes.clicked.connect(self._on_points)

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self._task.close()

    # --- how things stand -----------------------------------------------------------

    @property
    def is_splitting(self) -> bool:
        """Whether the tool that splits is in hand."""
        return self.strokes.is_on

    @property
    def is_looking(self) -> bool:
        """Whether the model is asked where two parts meet."""
        return bool(self._task.is_working)

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

    def why_not(self, name: str) -> str:
        """Say why an edit cannot be made now; "" if it can.

        Parameters
        ----------
        name
            Of `EDITS`, or "split".
        """
        obstacle = self.obstacle()
        if obstacle or name == "split":
            return obstacle
        if name == "merge" and len(self.selected()) < 2:
            return (
                "Select two objects or more: Alt-click one, Alt-Shift-click another. "
                "Or point at each and press Shift-M."
            )
        return "" if self.chosen() else "There is no object on this plane."

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
        kind, count = EDITS[name], len(self.chosen())
        if count > _MOST_PREVIEWED:
            return f"{kind.text}: {counted(count, 'object')} will be looked at."
        try:
            result = kind.run(session.edit, self._wanted(value, preview=True))
        except ValueError as error:
            return sentence(error)
        return tell_preview(kind, result, count)

    def _wanted(self, value: float, preview: bool = False) -> Wanted:
        selected = self.selected()
        scope: EditScope = "all" if selected else self.scope
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

    def follow(self) -> None:
        """Let the selection be about the labels that are written to."""
        self.selection.follow(self._sessions.output)

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

    # --- splitting --------------------------------------------------------------------

    def toggle_split(self) -> None:
        """Take up the tool that splits, or put it down."""
        if self.is_splitting:
            self.strokes.stop()
            return
        obstacle = self.obstacle()
        if obstacle:
            self.noticed.emit(obstacle)
            return
        self.follow()
        self.noticed.emit("")
        self.strokes.start()
        self._sight.look_ahead()

    def _on_stroke(self, line: NDArray[np.float64]) -> None:
        """Cut the object under a stroke, a selected one first."""
        label = self._preferred(line)
        self._split(
            lambda session: session.edit.split(label, line, snap=self.snap, scope="all")
        )

    def _preferred(self, line: NDArray[np.float64]) -> int | None:
        """Return the selected object, if there is one and the stroke touches it."""
        selected, session, plane = self.selected(), self._sessions.session, self._at
        if len(selected) != 1 or session is None or plane.plane is None:
            return None
        labels = session.canvas.read(plane.plane)
        at = np.rint(line).astype(int)
        at = at[((at >= 0) & (at < labels.shape)).all(axis=1)]
        return (
            selected[0] if (labels[at[:, 0], at[:, 1]] == selected[0]).any() else None
        )

    def _on_points(self, points: NDArray[np.float64]) -> None:
        """Part the object on which two points lie, where the model sees a border."""
        session = self._sessions.session
        if session is None or len(points) < 2:
            return
        self._sight.forget_box()
        session.edit.sight = self._sight
        try:
            session.edit.split(points=points, preview=True)
        except ValueError as error:
            self.strokes.forget()
            self.noticed.emit(f"{sentence(error)} Click in both parts of one object.")
            return
        box: Box | None = self._sight.box
        look = None if box is None else self._sight.look(box)
        if look is None:
            self._split(lambda session: session.edit.split(points=points))
            return
        key = self._at.key
        self._task.start(lambda *_: look(), (session, key, box, points))
        self.changed.emit()

    def _on_relief(self, token: Any, relief: NDArray[np.float32]) -> None:
        """Part an object once the model has said where its parts meet."""
        session, key, box, points = token
        if session is not self._sessions.session or key != self._at.key:
            return
        self._sight.bring(key, box, relief)
        self._split(lambda session: session.edit.split(points=points))

    def _on_no_relief(self, token: Any, error: Exception) -> None:
        """Part an object without the model, which could not say where."""
        session, key, _, points = token
        if session is self._sessions.session and key == self._at.key:
            self._split(lambda session: session.edit.split(points=points))

    def _split(self, action: Callable[[AnnotationSession], EditResult]) -> None:
        """Split an object, and keep the tool in hand for the next one."""
        session = self._sessions.session
        if session is None:
            return
        session.edit.sight = self._sight
        results: list[EditResult] = []
        self._actions.edit(lambda session: results.append(action(session)))
        self.strokes.forget()
        if results and results[0]:
            (result,) = results
            parts = [*result.changed, *result.made]
            self.succeeded.emit(
                f"Split into objects {listed(parts)}. U takes it back, Esc ends."
            )
            self.selection.select(parts)
        self.changed.emit()

    # --- going from one to the next ---------------------------------------------------

    def next_object(self) -> None:
        """Select the next object, and go there."""
        self._step(1)

    def previous_object(self) -> None:
        """Select the object before, and go there."""
        self._step(-1)

    def _step(self, step: int) -> None:
        obstacle, session = self.obstacle(), self._sessions.session
        if obstacle or session is None:
            self.noticed.emit(obstacle or "There are no objects.")
            return
        self.follow()
        order, selected = sorted(session.index.labels), self.selected()
        if selected:
            at = int(np.searchsorted(order, selected[-1])) + step
        else:
            at = 0 if step > 0 else -1
        label = order[at % len(order)]
        self.show_object(label)
        self.selection.select([label])
        self.succeeded.emit(f"Object {label}, {at % len(order) + 1} of {len(order)}.")

    def show_object(self, label: int) -> None:
        """Bring an object into view, on the plane shown if it lies there."""
        session, plane, image = self._sessions.session, self._at.plane, self._at.image
        if session is None or plane is None or image is None:
            return
        if not (session.canvas.read(plane) == label).any():
            planes = session.index.planes_of(label)
            if not planes:
                return
            plane = planes[len(planes) // 2]
            go_to_plane(self._at.viewer, image, plane)
        at = np.argwhere(session.canvas.read(plane) == label)
        if len(at):
            middle = at[np.abs(at - at.mean(axis=0)).sum(axis=1).argmin()]
            go_to_point(self._at.viewer, image, plane.locate([middle])[0])
