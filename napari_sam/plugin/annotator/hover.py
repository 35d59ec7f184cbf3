"""The mask under the cursor, shown before anything is clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.viewer.layers import position_on_plane
from napari_sam.workflows.session.answering import Job
from napari_sam.workflows.session.prompt_history import make_question

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.ops.types import MaskPrediction
    from napari_sam.plugin.annotator.prompt_display import PromptDisplay
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.model_host import ModelHost
    from napari_sam.workflows.session.annotation_session import AnnotationSession

__all__ = ["HoverPreview"]


class HoverPreview:
    """Asks the model about the place under the cursor while nothing is in hand.

    Parameters
    ----------
    workspace
        In whose viewer the mouse is followed.
    session
        Returns the session that is worked in, or None.
    display
        With the layers that show the mask, and the tool in hand.
    model_host
        Is asked.
    """

    def __init__(
        self,
        workspace: Workspace,
        session: Callable[[], AnnotationSession | None],
        display: PromptDisplay,
        model_host: ModelHost,
    ) -> None:
        self._workspace = workspace
        self._session = session
        self._display = display
        self._model_host = model_host
        self.is_on = False
        self._is_shown = False
        self._place: object = None
        model_host.answering.hovered.connect(self._on_answer)

    def attach(self) -> None:
        """Start listening to the mouse."""
        callbacks = self._workspace.viewer.mouse_move_callbacks
        if self._on_move not in callbacks:
            callbacks.append(self._on_move)

    def detach(self) -> None:
        """Stop listening."""
        callbacks = self._workspace.viewer.mouse_move_callbacks
        if self._on_move in callbacks:
            callbacks.remove(self._on_move)

    def set_on(self, on: bool) -> None:
        """Switch it on or off."""
        self.is_on = on
        if not on:
            self._hide()

    def forget(self) -> None:
        """Drop an answer that is under way: something was clicked, or moved."""
        self._place = None

    def give_way(self) -> None:
        """Take note that the preview shows the answer to the prompts instead."""
        self._is_shown = False

    def _is_free(self) -> bool:
        session = self._session()
        return session is not None and session.draft.is_empty

    def _on_move(self, viewer: Any, event: Any) -> None:
        key, session = self._workspace.key, self._session()
        if not self.is_on or key is None or session is None or not self._is_free():
            return
        at = position_on_plane(self._workspace.image, key.plane, event.position)
        if at is None or self._display.tool != "point":
            self._hide()
            return
        question = make_question(session.plane_shape, [at], [1])
        self._place = question
        self._model_host.answering.ask_hover(key, Job((question,), None), key)

    def _on_answer(self, key: Any, answer: MaskPrediction) -> None:
        if self._place is None or not self.is_on or not self._is_free():
            return
        layers = self._display.layers
        if layers is not None and key == self._workspace.key:
            self._is_shown = True
            layers.show_mask(answer.masks[0])

    def _hide(self) -> None:
        self._place = None
        layers = self._display.layers
        if self._is_shown and layers is not None and self._is_free():
            layers.show_mask(None)
        self._is_shown = False
