"""What the hint line of the annotator depends on, read from its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.plugin.annotator.hints import Facts
from napari_sam.plugin.viewer.layers import covered_by, looks_black
from napari_sam.plugin.viewer.sample_data import advice_on

if TYPE_CHECKING:
    from napari_sam.plugin.annotator.object_growing import ObjectGrowing
    from napari_sam.plugin.annotator.prompt_sync import PromptSync
    from napari_sam.plugin.annotator.sessions import Sessions
    from napari_sam.plugin.annotator.workspace import Workspace
    from napari_sam.plugin.model.embedded_planes import PlaneKey
    from napari_sam.plugin.model.model_host import ModelHost

__all__ = ["FactReader"]


class FactReader:
    """Reads the facts; what takes time is looked at once for each look of a plane.

    Parameters
    ----------
    workspace, sessions, prompt_sync, model_host, growing
        The parts of the annotator.
    """

    def __init__(
        self,
        workspace: Workspace,
        sessions: Sessions,
        prompt_sync: PromptSync,
        model_host: ModelHost,
        growing: ObjectGrowing,
    ) -> None:
        self._at = workspace
        self._sessions = sessions
        self._prompt_sync = prompt_sync
        self._model_host = model_host
        self._growing = growing
        self._black: tuple[PlaneKey, bool] | None = None

    def read(self) -> Facts:
        """Return the facts as they are now."""
        at, display, host = self._at, self._prompt_sync.display, self._model_host
        session, key, image = self._sessions.session, at.key, at.image
        draft = None if session is None else session.draft
        answer = None if session is None else session.candidates
        mask = None if session is None else session.mask
        grown = self._growing.grown
        least = None if grown is None else grown.least_sure()
        return Facts(
            has_image=image is not None,
            is_3d_view=at.viewer.dims.ndisplay == 3,
            too_large=at.size_if_too_large,
            plane_shown=at.plane is not None,
            output_problem=self._sessions.problem,
            model_state=host.model_state,
            model_error=host.model_error,
            embedding_state=host.planes.state(key),
            embedding_error=host.planes.error(key),
            tool=display.tool,
            polarity=display.positive,
            has_prompts=draft is not None and not draft.is_empty,
            waiting=session is not None and session.prompting.job() is not None,
            candidates=0 if answer is None else len(answer.scores),
            mask_is_empty=mask is not None and not mask.any(),
            editing=None if draft is None else draft.editing,
            committed=0 if session is None else len(session.listed()),
            only_negative=draft is not None and draft.is_only_negative,
            score=None if session is None else session.score,
            is_refused=self._prompt_sync.is_refused,
            looks_black=self._looks_black(),
            hidden_by=self._hidden_by(),
            is_colour=image is not None and bool(image.rgb),
            is_painted=draft is not None and not draft.edits.is_empty,
            grows=self._growing.is_on,
            is_growing=self._growing.is_working,
            grown_planes=0 if grown is None else len(grown.planes),
            least_sure=least,
            advice="" if image is None else advice_on(image),
        )

    def _hidden_by(self) -> str:
        image = self._at.image
        above = None if image is None else covered_by(self._at.viewer, image)
        return "" if above is None else str(above.name)

    def _looks_black(self) -> bool:
        """Whether the plane is shown nearly black."""
        key = self._at.key
        if self._at.image is None or key is None:
            return False
        if self._black is None or self._black[0] != key:
            self._black = (key, looks_black(self._at.image, key.plane))
        return self._black[1]
