"""What a user can do with tools, the object in hand, and those that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.pointer_tools import use_tool
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layers import position_on_plane
from napari_sam.plugin.viewer.navigation import go_to_plane
from napari_sam.workflows.session.committing import OverlapError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.plugin.annotator.prompt_requests import PromptRequests
    from napari_sam.plugin.annotator.prompt_sync import PromptSync
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["Actions"]


class Actions(QObject):  # type: ignore[misc]
    """Acts on the session that is worked in, and has what comes of it shown.

    Parameters
    ----------
    workspace, sessions, requests, prompt_sync
        The parts of the annotator.

    Attributes
    ----------
    class_name, overlap
        What the next objects are called, and who gets a pixel that is labelled
        already.
    """

    changed = Signal()
    """What the widget shows may have changed."""

    noticed = Signal(str)
    """Something is in the way or went wrong; emitted with what the user reads once."""

    succeeded = Signal(str)
    """Something is done; emitted with what the user reads once."""

    likened = Signal(object, bool, bool)
    """All objects like some are to be found; see `Annotator.likened`."""

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        requests: PromptRequests,
        prompt_sync: PromptSync,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._at = workspace
        self._sessions = sessions
        self._requests = requests
        self._prompt_sync = prompt_sync
        self._commits_when_answered = False
        self.class_name = ""
        self.overlap: OverlapRule = "keep"
        prompt_sync.prompted.connect(self._on_prompted)
        requests.delivered.connect(self._on_delivered)
        requests.failed.connect(self._on_failed)

    # --- tools ----------------------------------------------------------------------

    def use_tool(self, tool: str, positive: bool | None = None) -> None:
        """Take up a tool: its layer becomes active, in its mode."""
        display = self._prompt_sync.display
        if display.layers is None or display.buttons is None:
            return
        self._prompt_sync.take_up()
        display.show()
        if positive is not None:
            display.buttons.set_positive(positive)
        use_tool(self._at.viewer, display.layers, tool)
        self._prompt_sync.push()

    def toggle_polarity(self) -> None:
        """Switch what a left click says."""
        buttons = self._prompt_sync.display.buttons
        if buttons is not None:
            buttons.set_positive(not buttons.positive)
            self.changed.emit()

    def toggle_hover(self) -> None:
        """Switch the preview under the cursor."""
        self.set_hover(not self._prompt_sync.hover.is_on)

    def set_hover(self, on: bool) -> None:
        """Switch the preview under the cursor on or off."""
        self._prompt_sync.hover.set_on(on)
        self.changed.emit()

    # --- the object in hand ---------------------------------------------------------

    def cycle(self) -> None:
        """Choose the next candidate."""
        self._act(lambda session: session.cycle())

    def choose(self, index: int) -> None:
        """Choose a candidate."""
        self._act(lambda session: session.choose(index))

    def commit(self, overwrite: bool = False) -> None:
        """Keep the object, now or as soon as its mask has come, and start the next.

        Parameters
        ----------
        overwrite
            Take the pixels of other objects, whatever the overlap rule says.
        """
        session, opened = self._sessions.session, self._sessions.current
        if session is None or opened is None or not self._is_at_work:
            return
        is_flat = self._at.plane is not None
        self._commits_when_answered = is_flat and session.prompting.job() is not None
        if self._commits_when_answered:
            self._requests.request()
            return
        if opened.is_counting:
            self.noticed.emit("The labels are still being counted; press N again.")
            return
        session.class_name = self.class_name
        session.overlap = "overwrite" if overwrite else self.overlap
        growing_object = session.growing.in_hand
        is_new = session.draft.editing is None
        if is_new and growing_object is not None and not growing_object.is_whole:
            self._act(lambda session: session.put_aside())
            self.succeeded.emit(
                "The object is kept as soon as it has grown. Go on with the next one."
            )
            return
        self._act(lambda session: session.commit(), labels=True)
        layers = self._prompt_sync.display.layers
        if layers is not None and str(layers.preview.mode) == "erase":
            layers.preview.mode = "paint"
        output = self._sessions.output
        if output is not None and not output.visible and session.draft.is_empty:
            self.succeeded.emit(f"Kept in “{output.name}”, which is hidden.")

    def overwrite(self) -> None:
        """Keep the object and take the pixels that other objects have."""
        self.commit(overwrite=True)

    def set_text(self, text: str) -> None:
        """Say in words which candidate is meant, "" for none."""
        self._act(lambda session: session.set_text(text))

    def undo(self) -> None:
        """Undo the last step."""
        self._act(lambda session: session.undo(), labels=True)

    def redo(self) -> None:
        """Do the last undone step again."""
        self._act(lambda session: session.redo(), labels=True)

    def clear(self) -> None:
        """Drop the prompts in hand, and what is half drawn."""
        self._act(lambda session: session.clear())
        if self._prompt_sync.display.layers is not None:
            self._prompt_sync.display.layers.drop_drawing()

    # --- objects that are kept ------------------------------------------------------

    def reopen(self, label: int) -> None:
        """Take an object in hand again, with a tool that adds to it."""
        self._act(lambda session: session.reopen(label))
        if not self._prompt_sync.display.tool:
            self.use_tool("point")

    def delete(self, label: int) -> None:
        """Delete an object, on all planes where it lies."""
        self._act(lambda session: session.delete(label), labels=True)

    def delete_here(self, label: int) -> None:
        """Delete an object on the plane that is shown."""
        session = self._sessions.session
        self._act(lambda session: session.delete(label, here=True), labels=True)
        left = 0 if session is None else len(session.index.planes_of(label))
        if left:
            self.succeeded.emit(
                f"Object {label} is deleted on this plane; it stays on "
                f"{counted(left, 'other plane')}. Delete in the table takes it whole."
            )

    def rename(self, label: int, class_name: str) -> None:
        """Give a committed object another class."""
        self._act(lambda session: session.set_class(label, class_name), labels=True)

    def reopen_under_cursor(self) -> None:
        """Take the object under the cursor in hand again."""
        self._at_cursor(self.reopen)

    def delete_under_cursor(self) -> None:
        """Delete the object under the cursor, on the plane that is shown."""
        self._at_cursor(self.delete_here)

    def like_under_cursor(self) -> None:
        """Find all objects like the one under the cursor."""
        self._at_cursor(lambda label: self.likened.emit((label,), True, True))

    def unlike_under_cursor(self) -> None:
        """Leave out, of those that are found, what is like the one under the cursor."""
        self._at_cursor(lambda label: self.likened.emit((label,), False, False))

    def edit(self, action: Callable[[AnnotationSession], object]) -> None:
        """Change the session, and have what comes of it shown; trouble is told."""
        self._act(action, labels=True)

    def label_at_cursor(self) -> int:
        """Return the label of the object under the cursor, 0 for none."""
        session, plane = self._sessions.session, self._at.plane
        if session is None or plane is None:
            return 0
        at = position_on_plane(self._at.image, plane, self._at.viewer.cursor.position)
        if at is None:
            return 0
        row, col = (round(p) for p in at)
        return int(session.canvas.read(plane)[row, col])

    def _at_cursor(self, action: Callable[[int], None]) -> None:
        if self._sessions.session is None or self._at.plane is None:
            return
        label = self.label_at_cursor()
        if label:
            action(label)
        else:
            self.noticed.emit("There is no object under the cursor.")

    @property
    def _is_at_work(self) -> bool:
        """Whether a plane is shown, or a 3D view in which objects grow."""
        session = self._sessions.session
        grows = session is not None and session.growing.axis is not None
        return self._at.plane is not None or (
            grows and self._at.viewer.dims.ndisplay == 3
        )

    # --- how an action is done ------------------------------------------------------

    def _act(
        self, action: Callable[[AnnotationSession], object], labels: bool = False
    ) -> None:
        session = self._sessions.session
        if session is None or not self._is_at_work or not self._at.is_active:
            return
        self._commits_when_answered = self._prompt_sync.is_refused = False
        self.noticed.emit("")  # what was said of the step before may be true no more
        try:
            action(session)
        except OverlapError as error:
            self._prompt_sync.is_refused = True
            self.noticed.emit(_refusal(error))
            return
        except (ValueError, IndexError, TypeError, OSError, MemoryError) as error:
            self.noticed.emit(sentence(error))
            return
        if labels:
            self._sessions.after_edit()
        is_flat = self._at.plane is not None
        if is_flat and session.plane != self._at.plane and self._at.image is not None:
            go_to_plane(self._at.viewer, self._at.image, session.plane)
        self._prompt_sync.push()

    def _on_prompted(self) -> None:
        self._commits_when_answered = False

    def _on_delivered(self) -> None:
        session = self._sessions.session
        is_here = session is not None and session.candidates is not None
        if self._commits_when_answered and is_here:
            self.commit()

    def _on_failed(self, message: str) -> None:
        self._commits_when_answered = False
        self.noticed.emit(f"The model could not answer: {message}")


def _refusal(error: OverlapError) -> str:
    owners = error.owners
    which = f"object {owners[0]}" if len(owners) == 1 else f"{len(owners)} objects"
    return f"This lies on {which}. Overwrite takes the pixels, Esc drops the prompts."
