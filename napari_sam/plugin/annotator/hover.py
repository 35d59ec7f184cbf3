"""The mask under the cursor, shown before anything is clicked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam.plugin.viewer.layers import position_on_plane
from napari_sam.workflows.session.answering import Job
from napari_sam.workflows.session.prompt_history import make_question

if TYPE_CHECKING:
    from napari_sam.ops.types import MaskPrediction
    from napari_sam.plugin.annotator.wiring import AnnotationFlow

__all__ = ["HoverPreview"]


class HoverPreview:
    """Asks the model about the place under the cursor while nothing is in hand.

    Parameters
    ----------
    annotator
        Whose viewer, layers and model host are used.
    """

    def __init__(self, annotator: AnnotationFlow) -> None:
        self._annotator = annotator
        self.is_on = False
        self.is_shown = False
        self._place: object = None
        annotator.model_host.hovered.connect(self._on_answer)

    def attach(self) -> None:
        """Start listening to the mouse."""
        callbacks = self._annotator.viewer.mouse_move_callbacks
        if self._on_move not in callbacks:
            callbacks.append(self._on_move)

    def detach(self) -> None:
        """Stop listening."""
        callbacks = self._annotator.viewer.mouse_move_callbacks
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

    def _is_free(self) -> bool:
        session = self._annotator.session
        return session is not None and session.draft.is_empty

    def _on_move(self, viewer: Any, event: Any) -> None:
        owner = self._annotator
        key, session = owner.key, owner.session
        if not self.is_on or key is None or session is None or not self._is_free():
            return
        at = position_on_plane(owner.image, key.plane, event.position)
        if at is None or owner.tool != "point":
            self._hide()
            return
        question = make_question(session.plane_shape, [at], [1])
        self._place = question
        owner.model_host.ask_hover(key, Job((question,), None), key)

    def _on_answer(self, key: Any, answer: MaskPrediction) -> None:
        owner = self._annotator
        if self._place is None or not self.is_on or not self._is_free():
            return
        if owner.layers is not None and key == owner.key:
            self.is_shown = True
            owner.layers.show_mask(answer.masks[0])

    def _hide(self) -> None:
        self._place = None
        owner = self._annotator
        if self.is_shown and owner.layers is not None and self._is_free():
            owner.layers.show_mask(None)
        self.is_shown = False
