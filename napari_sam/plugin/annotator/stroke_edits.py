"""Objects split and merged by strokes, or by points, that are drawn over the image.

The tool stays in hand after an edit, for the next object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.ops.message_text import counted, listed
from napari_sam.plugin.annotator.edit_image_data import WindowImageData
from napari_sam.plugin.annotator.stroke_tool import StrokeTool
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.viewer.hint import sentence

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from numpy.typing import NDArray

    from napari_sam.ops.strokes import Ridge
    from napari_sam.ops.types import Box
    from napari_sam.plugin.annotator.actions import Actions
    from napari_sam.plugin.annotator.edit_choice import EditChoice
    from napari_sam.plugin.annotator.keybindings import KeyBinder
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.workflows.session.annotation_session import AnnotationSession
    from napari_sam.workflows.session.planned_edit import EditResult

    Purpose = Literal["split", "merge"]

__all__ = ["StrokeEdits"]

_URGENCY = 1
"""Of the model's look at two clicks: the user waits for it."""

_ONE_CLICK = "Hold the button down, and draw a line across two objects or more."


class StrokeEdits(QObject):  # type: ignore[misc]
    """Splits the object that a stroke crosses, or merges the objects that it crosses.

    Parameters
    ----------
    workspace, sessions, actions
        Parts of the annotator.
    model_host
        The model at work.
    keys
        Binds the annotator's keys.
    choice
        With the selection.

    Attributes
    ----------
    tool
        Draws the strokes.
    purpose
        What a stroke does: "split" or "merge".
    snap
        What a cut along a stroke follows; None for the stroke itself.
    """

    changed = Signal()
    """The tool is taken up or put down, or an object is parted."""

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
        choice: EditChoice,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._at, self._sessions, self._actions = workspace, sessions, actions
        self._choice = choice
        self._image_data = WindowImageData(workspace, model_host)
        self._task = LongTask(model_host.thread, self, urgency=_URGENCY)
        self._task.done.connect(self._on_relief)
        self._task.failed.connect(self._on_no_relief)
        self.tool = StrokeTool(workspace, keys, self)
        self.purpose: Purpose = "split"
        self.snap: Ridge | None = None
        self.tool.changed.connect(self.changed)
        self.tool.drawn.connect(self._on_stroke)
        self.tool.clicked.connect(self._on_points)

    def close(self) -> None:
        """Stop for good; touches no Qt."""
        self._task.close()

    @property
    def in_hand(self) -> Purpose | None:
        """What the next stroke does; None while the tool is not in hand."""
        return self.purpose if self.tool.is_on else None

    @property
    def is_looking(self) -> bool:
        """Whether the model is asked where two parts meet."""
        return bool(self._task.is_working)

    def toggle(self, purpose: Purpose) -> None:
        """Take the tool up, or put it down where it is in hand for that already."""
        if self.in_hand == purpose:
            self.stop()
            return
        obstacle = self._choice.obstacle()
        if obstacle:
            self.noticed.emit(obstacle)
            return
        self._choice.follow()
        self.noticed.emit("")
        self.purpose = purpose
        self.tool.forget()
        if self.tool.is_on:
            self.changed.emit()
        self.tool.start()
        if purpose == "split":
            self._image_data.look_ahead()

    def stop(self) -> None:
        """Put the tool down."""
        self.tool.stop()

    # --- what is drawn ----------------------------------------------------------------

    def _on_stroke(self, line: NDArray[np.float64]) -> None:
        """Merge the objects under a stroke, or cut one, a selected one first."""
        if self.purpose == "merge":
            self._do(lambda session: session.edit.merge(stroke=line))
            return
        label, snap = self._preferred(line), self.snap
        self._do(
            lambda session: session.edit.split(label, line, snap=snap, scope="all")
        )

    def _preferred(self, line: NDArray[np.float64]) -> int | None:
        """Return the selected object, if there is one and the stroke touches it."""
        selected, session = self._choice.selected(), self._sessions.session
        plane = self._at.plane
        if len(selected) != 1 or session is None or plane is None:
            return None
        labels = session.canvas.read(plane)
        at = np.rint(line).astype(int)
        at = at[((at >= 0) & (at < labels.shape)).all(axis=1)]
        return (
            selected[0] if (labels[at[:, 0], at[:, 1]] == selected[0]).any() else None
        )

    def _on_points(self, points: NDArray[np.float64]) -> None:
        """Part the object on which two points lie, where the model sees a border."""
        session = self._sessions.session
        if self.purpose == "merge":
            self.tool.forget()
            self.noticed.emit(_ONE_CLICK)
            return
        if session is None or len(points) < 2:
            return
        self._image_data.forget_box()
        session.edit.image_data = self._image_data
        try:
            session.edit.split(points=points, preview=True)
        except ValueError as error:
            self.tool.forget()
            self.noticed.emit(f"{sentence(error)} Click in both parts of one object.")
            return
        box: Box | None = self._image_data.box
        look = None if box is None else self._image_data.look(box)
        if look is None:
            self._do(lambda session: session.edit.split(points=points))
            return
        key = self._at.key
        self._task.start(lambda *_: look(), (session, key, box, points))
        self.changed.emit()

    def _on_relief(self, token: Any, relief: NDArray[np.float32]) -> None:
        """Part an object once the model has said where its parts meet."""
        session, key, box, points = token
        if session is not self._sessions.session or key != self._at.key:
            return
        self._image_data.bring(key, box, relief)
        self._do(lambda session: session.edit.split(points=points))

    def _on_no_relief(self, token: Any, error: Exception) -> None:
        """Part an object without the model, which could not say where."""
        session, key, _, points = token
        if session is self._sessions.session and key == self._at.key:
            self._do(lambda session: session.edit.split(points=points))

    # --- the edit ---------------------------------------------------------------------

    def _do(self, action: Callable[[AnnotationSession], EditResult]) -> None:
        """Make an edit, say what it did, and select what came of it."""
        session = self._sessions.session
        if session is None:
            return
        session.edit.image_data = self._image_data
        results: list[EditResult] = []
        self._actions.edit(lambda session: results.append(action(session)))
        self.tool.forget()
        if results and results[0]:
            (result,) = results
            self.succeeded.emit(f"{_told(result)} U takes it back, Esc ends.")
            self._choice.selection.select([*result.changed, *result.made])
        self.changed.emit()


def _told(result: EditResult) -> str:
    """Say what a stroke did."""
    if result.gone:
        count = counted(len(result.gone) + 1, "object")
        return f"{count} merged into object {listed(result.changed)}."
    return f"Split into objects {listed([*result.changed, *result.made])}."
