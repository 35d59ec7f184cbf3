"""The annotator of one viewer: what a user can do, and how things stand.

It owns no widget. The dock widget shows its state after each `changed` and calls
its actions; so do the keys. Its parts: `Wiring` between layers and session, `Asker`
between session and model, `Sessions` on the images of the viewer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.ops.wording import counted
from napari_sam.plugin.annotator.asker import Asker
from napari_sam.plugin.annotator.hint_facts import FactReader
from napari_sam.plugin.annotator.image_parts import open_part
from napari_sam.plugin.annotator.keybindings import KeyBinder
from napari_sam.plugin.annotator.pointer_tools import use_tool
from napari_sam.plugin.annotator.sessions import OpenSession, Sessions
from napari_sam.plugin.annotator.wiring import Wiring
from napari_sam.plugin.annotator.workspace import Times, Workspace
from napari_sam.plugin.model.embedding_store_jobs import EmbeddingStoreJobs
from napari_sam.plugin.model.gc_pauses import GcPauses
from napari_sam.plugin.viewer.active_annotator import claim, release
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layer_pairs import note_pair
from napari_sam.plugin.viewer.layers import (
    covered_by,
    position_on_plane,
    stretch_contrast,
)
from napari_sam.plugin.viewer.navigation import go_to_plane
from napari_sam.workflows.session.annotation_session import OverlapError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.plugin.annotator.hints import Facts
    from napari_sam.plugin.annotator.prompt_layers import PromptLayers
    from napari_sam.plugin.model.model_host import ModelHost, PlaneKey
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["Annotator"]

_TIMES = Times()


class Annotator(QObject):  # type: ignore[misc]
    """Annotates the images of a viewer with a model.

    Parameters
    ----------
    viewer
        The napari viewer, or the proxy that napari gives to plugins.
    model_host
        The model at work.
    times
        How long its parts wait.

    Attributes
    ----------
    sessions
        The sessions on the images, and the labels layer that is written to.
    embedding_jobs
        What is embedded ahead of the user, and kept on disk.
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

    previewed = Signal()
    """The preview shows the answer to the prompts as they are now."""

    def __init__(
        self,
        viewer: Any,
        model_host: ModelHost,
        parent: QObject | None = None,
        *,
        times: Times = _TIMES,
    ) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.model_host = model_host
        self.class_name = ""
        self.overlap: OverlapRule = "keep"
        self._commits_when_answered = False
        self._at = Workspace(viewer)
        self._keys = KeyBinder(self._key_actions())
        self._gc_pauses = GcPauses(
            viewer, lambda: model_host.predictor is not None, times.rest, self
        )
        self.sessions = Sessions(self._at, times.look, self)
        self.embedding_jobs = EmbeddingStoreJobs(model_host, self)
        self._asker = Asker(
            self._at, self.sessions, model_host, self.embedding_jobs, times, self
        )
        self._wiring = Wiring(
            self._at, self.sessions, self._asker, self._keys, times, self
        )
        self._fact_reader = FactReader(
            self._at, self.sessions, self._wiring, model_host
        )
        self._connect()

    def _connect(self) -> None:
        for part in (self.sessions, self._asker, self._wiring):
            part.changed.connect(self.changed)
        noticing = (self.sessions, self._asker, self._wiring, self.embedding_jobs)
        for part in noticing:
            part.noticed.connect(self.noticed)
        self._wiring.previewed.connect(self.previewed)
        self._wiring.prompted.connect(self._on_prompted)
        self._asker.delivered.connect(self._on_delivered)
        self._asker.failed.connect(self._on_failed)
        host = self.model_host
        host.changed.connect(self._gc_pauses.look)
        for signal in (host.answered, host.hovered, host.embedded):
            signal.connect(self._gc_pauses.on_answer)

    def _key_actions(self) -> dict[str, Callable[[], None]]:
        """Return what the keys do, by the names in `keybindings`."""
        return {
            "commit": self.commit,
            "cycle": self.cycle,
            "undo": self.undo,
            "redo": self.redo,
            "reopen_under_cursor": self.reopen_under_cursor,
            "delete_under_cursor": self.delete_under_cursor,
            "clear": self.clear,
            "toggle_hover": self.toggle_hover,
            "toggle_polarity": self.toggle_polarity,
        }

    # --- coming and going -----------------------------------------------------

    def activate(self) -> None:
        """Start working in the viewer."""
        if self.is_active:
            return
        claim(self.viewer, self)
        self._at.is_active = True
        self._gc_pauses.attach()
        self._wiring.attach()
        self.changed.emit()

    def deactivate(self, later: bool = False) -> None:
        """Stop: keys and events are let go, the prompt layers leave the viewer.

        Parameters
        ----------
        later
            Leave the layers until the events at hand are done: a widget is also
            hidden when its window is being destroyed, and the layer list with it.
        """
        if not self.is_active:
            return
        self._wiring.detach(later)
        self._gc_pauses.detach()
        self._at.is_active = False
        release(self.viewer, self)
        self.changed.emit()

    def close(self) -> None:
        """Stop for good."""
        self.deactivate()
        self.embedding_jobs.close()
        self.model_host.close()
        self.sessions.close()

    def set_image(self, image: Any) -> None:
        """Work on another image layer, or None."""
        self._wiring.set_image(image)

    def refresh(self) -> None:
        """Show the session as it is, after somebody else has changed it."""
        self._wiring.refresh()

    # --- how things stand ---------------------------------------------------------

    @property
    def is_active(self) -> bool:
        """Whether it works in the viewer."""
        return self._at.is_active

    @property
    def is_settled(self) -> bool:
        """Whether all that happened is read, answered and shown.

        Work ahead of the user does not count; see `is_idle`.
        """
        parts = (self._wiring, self._asker, self.sessions)
        return not any(part.is_waiting for part in parts)

    @property
    def is_idle(self) -> bool:
        """Whether it is settled, and nothing is embedded that nobody waits for."""
        return self.is_settled and not self._asker.is_ahead

    @property
    def image(self) -> Any:
        """The image layer that is worked on, or None."""
        return self._at.image

    @property
    def plane(self) -> Plane | None:
        """The plane of it that is shown, or None."""
        return self._at.plane

    @property
    def key(self) -> PlaneKey | None:
        """What the embedding that is needed now is of."""
        return self._at.key

    @property
    def layers(self) -> PromptLayers | None:
        """The prompt layers of the image, or None."""
        return self._wiring.stage.layers

    @property
    def tool(self) -> str:
        """The tool in hand, "" for none."""
        return self._wiring.stage.tool

    @property
    def positive(self) -> bool:
        """Whether a left click says that the object is there."""
        return self._wiring.stage.positive

    @property
    def hover(self) -> bool:
        """Whether the mask under the cursor is previewed."""
        return self._wiring.hover.is_on

    @property
    def open_session(self) -> OpenSession | None:
        """The image with its output and its session."""
        return self.sessions.current

    @property
    def session(self) -> AnnotationSession | None:
        """The session on the image and the output that are chosen."""
        return self.sessions.session

    def facts(self) -> Facts:
        """Return what the hint line depends on."""
        return self._fact_reader.read()

    # --- tools ----------------------------------------------------------------------

    def use_tool(self, tool: str, positive: bool | None = None) -> None:
        """Take up a tool: its layer becomes active, in its mode."""
        stage = self._wiring.stage
        if stage.layers is None or stage.buttons is None:
            return
        stage.show()
        if positive is not None:
            stage.buttons.set_positive(positive)
        use_tool(self.viewer, stage.layers, tool)
        self._wiring.push()

    def toggle_polarity(self) -> None:
        """Switch what a left click says."""
        buttons = self._wiring.stage.buttons
        if buttons is not None:
            buttons.set_positive(not buttons.positive)
            self.changed.emit()

    def toggle_hover(self) -> None:
        """Switch the preview under the cursor."""
        self.set_hover(not self.hover)

    def set_hover(self, on: bool) -> None:
        """Switch the preview under the cursor on or off."""
        self._wiring.hover.set_on(on)
        self.changed.emit()

    # --- the object in hand -----------------------------------------------------------

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
        session, opened = self.session, self.open_session
        if session is None or opened is None or self.plane is None:
            return
        self._commits_when_answered = session.job() is not None
        if self._commits_when_answered:
            self._asker.request()
            return
        if opened.is_counting:
            self.noticed.emit("The labels are still being counted; press N again.")
            return
        session.class_name = self.class_name
        session.overlap = "overwrite" if overwrite else self.overlap
        self._act(lambda session: session.commit(), labels=True)
        if self.layers is not None and str(self.layers.preview.mode) == "erase":
            self.layers.preview.mode = "paint"
        output = self.sessions.output
        if output is not None and not output.visible and session.draft.is_empty:
            self.succeeded.emit(f"Kept in “{output.name}”, which is hidden.")

    def overwrite(self) -> None:
        """Keep the object and take the pixels that other objects have."""
        self.commit(overwrite=True)

    def undo(self) -> None:
        """Undo the last step."""
        self._act(lambda session: session.undo(), labels=True)

    def redo(self) -> None:
        """Do the last undone step again."""
        self._act(lambda session: session.redo(), labels=True)

    def clear(self) -> None:
        """Drop the prompts in hand, and what is half drawn."""
        self._act(lambda session: session.clear())
        if self.layers is not None:
            self.layers.drop_drawing()

    # --- objects that are kept ----------------------------------------------------------

    def reopen(self, label: int) -> None:
        """Take an object in hand again, with a tool that adds to it."""
        self._act(lambda session: session.reopen(label))
        if not self.tool:
            self.use_tool("point")

    def delete(self, label: int) -> None:
        """Delete an object, on all planes where it lies."""
        self._act(lambda session: session.delete(label), labels=True)

    def delete_here(self, label: int) -> None:
        """Delete an object on the plane that is shown."""
        session = self.session
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

    def _at_cursor(self, action: Callable[[int], None]) -> None:
        session, plane = self.session, self.plane
        if session is None or plane is None:
            return
        at = position_on_plane(self.image, plane, self.viewer.cursor.position)
        label = 0
        if at is not None:
            row, col = (round(p) for p in at)
            label = int(session.canvas.read(plane)[row, col])
        if label:
            action(label)
        else:
            self.noticed.emit("There is no object under the cursor.")

    # --- the image ----------------------------------------------------------------------

    def retry(self) -> None:
        """Let the model look at a plane again that was stopped or has failed."""
        self._asker.retry()

    def open_part(self) -> None:
        """Work on the part of a large image that is shown."""
        image = self.image
        if image is None:
            return
        try:
            part, window = open_part(self.viewer, image, self.sessions.output)
        except ValueError as error:
            self.noticed.emit(sentence(error))
            return
        note_pair(part, window)
        self.set_image(part)

    def stretch(self) -> None:
        """Stretch the contrast to what the plane holds, without outliers."""
        if self.image is not None and self.plane is not None:
            stretch_contrast(self.image, self.plane)

    def uncover(self) -> None:
        """Hide what lies over the image."""
        above = None if self.image is None else covered_by(self.viewer, self.image)
        if above is not None:
            above.visible = False
            self.changed.emit()

    # --- how an action is done ------------------------------------------------------------

    def _act(
        self, action: Callable[[AnnotationSession], object], labels: bool = False
    ) -> None:
        session = self.session
        if session is None or self.plane is None or not self.is_active:
            return
        self._commits_when_answered = self._wiring.is_refused = False
        self.noticed.emit("")  # what was said of the step before may be true no more
        try:
            action(session)
        except OverlapError as error:
            self._wiring.is_refused = True
            self.noticed.emit(_refusal(error))
            return
        except (ValueError, IndexError, TypeError, OSError, MemoryError) as error:
            self.noticed.emit(sentence(error))
            return
        if labels:
            self.sessions.after_edit()
        if session.plane != self.plane and self.image is not None:
            go_to_plane(self.viewer, self.image, session.plane)
        self._wiring.push()

    def _on_prompted(self) -> None:
        self._commits_when_answered = False

    def _on_delivered(self) -> None:
        session = self.session
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
