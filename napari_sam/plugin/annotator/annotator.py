"""The annotator of one viewer: what a user can do, and how things stand.

It owns no widget. The dock widget shows its state after each `changed` and calls
its actions; so do the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.ops.wording import counted
from napari_sam.plugin.annotator.hints import Facts
from napari_sam.plugin.annotator.image_parts import open_part, size_if_too_large
from napari_sam.plugin.annotator.pointer_tools import use_tool
from napari_sam.plugin.annotator.wiring import AnnotationFlow
from napari_sam.plugin.viewer.hint import sentence
from napari_sam.plugin.viewer.layer_pairs import note_pair
from napari_sam.plugin.viewer.layers import (
    covered_by,
    looks_black,
    position_on_plane,
    stretch_contrast,
)
from napari_sam.plugin.viewer.navigation import go_to_plane
from napari_sam.plugin.viewer.sample_data import advice_on
from napari_sam.workflows.session.annotation_session import OverlapError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["Annotator"]


class Annotator(AnnotationFlow):
    """The actions of the annotator; see `AnnotationFlow` for its parameters."""

    # --- actions --------------------------------------------------------------------

    def use_tool(self, tool: str, positive: bool | None = None) -> None:
        """Take up a tool: its layer becomes active, in its mode."""
        if self.layers is None or self.buttons is None:
            return
        self._prompt_stage.show()
        if positive is not None:
            self.buttons.set_positive(positive)
        use_tool(self.viewer, self.layers, tool)
        self._push()

    def toggle_polarity(self) -> None:
        """Switch what a left click says."""
        if self.buttons is not None:
            self.buttons.set_positive(not self.buttons.positive)
            self.changed.emit()

    def toggle_hover(self) -> None:
        """Switch the preview under the cursor."""
        self.set_hover(not self._hover.is_on)

    def set_hover(self, on: bool) -> None:
        """Switch the preview under the cursor on or off."""
        self._hover.set_on(on)
        self.changed.emit()

    @property
    def hover(self) -> bool:
        """Whether the mask under the cursor is previewed."""
        return self._hover.is_on

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
        session = self.session
        if session is None or self.plane is None:
            return
        self._commit_when_answered = session.job() is not None
        if self._commit_when_answered:
            self._request()
            return
        if self.open_session is not None and self.open_session.is_counting:
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

    def retry(self) -> None:
        """Let the model look at a plane again that was stopped or has failed."""
        if self.key is not None:
            self.model_host.retry(self.key)
            self._embed_here()

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

    def _act(
        self, action: Callable[[AnnotationSession], object], labels: bool = False
    ) -> None:
        session = self.session
        if session is None or self.plane is None or not self.is_active:
            return
        self._commit_when_answered = self.is_refused = False
        self.noticed.emit("")  # what was said of the step before may be true no more
        try:
            action(session)
        except OverlapError as error:
            self.is_refused = True
            self.noticed.emit(_refusal(error))
            return
        except (ValueError, IndexError, TypeError, OSError, MemoryError) as error:
            self.noticed.emit(sentence(error))
            return
        if labels:
            self.sessions.after_edit()
        if session.plane != self.plane and self.image is not None:
            go_to_plane(self.viewer, self.image, session.plane)
        self._push()

    def _size_if_too_large(self) -> tuple[int, int] | None:
        if self.image is None:
            return None
        return size_if_too_large(self.viewer, self.image)

    # --- for the widget -----------------------------------------------------------

    def facts(self) -> Facts:
        """Return what the hint line depends on."""
        session, key = self.session, self.key
        draft = None if session is None else session.draft
        answer = None if session is None else session.candidates
        mask = None if session is None else session.mask
        return Facts(
            has_image=self.image is not None,
            is_3d_view=self.viewer.dims.ndisplay == 3,
            too_large=self._size_if_too_large(),
            plane_shown=self.plane is not None,
            output_problem=self.sessions.problem,
            model_state=self.model_host.model_state,
            model_error=self.model_host.model_error,
            embedding_state=self.model_host.embedding_state(key),
            embedding_error=self.model_host.embedding_error(key),
            tool=self.tool,
            polarity=self.positive,
            has_prompts=draft is not None and not draft.is_empty,
            waiting=session is not None and session.job() is not None,
            candidates=0 if answer is None else len(answer.scores),
            mask_is_empty=mask is not None and not mask.any(),
            editing=None if draft is None else draft.editing,
            committed=0 if session is None else len(session.listed()),
            only_negative=draft is not None and draft.is_only_negative,
            score=None if session is None else session.score,
            is_refused=self.is_refused,
            looks_black=self._looks_black(),
            hidden_by=self._hidden_by(),
            is_colour=self.image is not None and bool(self.image.rgb),
            is_painted=draft is not None and not draft.edits.is_empty,
            advice="" if self.image is None else advice_on(self.image),
        )

    def _hidden_by(self) -> str:
        above = None if self.image is None else covered_by(self.viewer, self.image)
        return "" if above is None else str(above.name)

    def uncover(self) -> None:
        """Hide what lies over the image."""
        above = None if self.image is None else covered_by(self.viewer, self.image)
        if above is not None:
            above.visible = False
            self.changed.emit()

    def _looks_black(self) -> bool:
        """Whether the plane is shown nearly black; looked at once for each look."""
        key = self.key
        if self.image is None or key is None:
            return False
        if self._black is None or self._black[0] != key:
            self._black = (key, looks_black(self.image, key.plane))
        return self._black[1]


def _refusal(error: OverlapError) -> str:
    owners = error.owners
    which = f"object {owners[0]}" if len(owners) == 1 else f"{len(owners)} objects"
    return f"This lies on {which}. Overwrite takes the pixels, Esc drops the prompts."
