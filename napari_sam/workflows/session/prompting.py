"""Prompts for the object in hand, and the candidates that the model answers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.text_prompts import text_prompts
from napari_sam.workflows.session.answering import Answering
from napari_sam.workflows.session.prompt_history import (
    NO_DRAFT,
    Draft,
    Question,
    make_question,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskPrediction
    from napari_sam.workflows.session.answering import Job
    from napari_sam.workflows.session.prompt_history import PixelEdits
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["Prompting"]

_Edited = tuple["MaskPrediction", "PixelEdits", "MaskPrediction"]
"""An answer, what was painted and erased in it, and what came of it."""


class Prompting:
    """What is said about the object in hand on a plane, and what the model answers.

    Each change is a step of the state's history.

    Parameters
    ----------
    state
        Where the drafts are kept.
    predictor
        The model; None where answers are delivered.
    image
        (..., H, W) or (..., H, W, 3 or 4) array; None where answers are delivered.
    contrast_limits
        Intensities that become black and white; robust percentiles when None.
    feedback
        Whether a further click refines the chosen candidate.

    Attributes
    ----------
    prefetched
        The question whose answer was last asked for ahead, see `prefetch`.
    outline_here
        Returns the outline that an object in 3D has on this plane where nothing was
        said yet, or None; clicks refine it.
    section_beside
        Returns the (H, W) outline of that object on the nearest plane on which it has
        grown, or None.
    next_text
        What is said beside the prompts of the objects to come; see `set_text`.
    """

    def __init__(
        self,
        state: SessionState,
        predictor: PromptableModel | None = None,
        image: Any = None,
        *,
        contrast_limits: tuple[float, float] | None = None,
        feedback: bool = True,
    ) -> None:
        self.predictor = predictor
        self.image = image
        self.contrast_limits = contrast_limits
        self.feedback = feedback
        self.next_text = ""
        self.prefetched: Question | None = None
        self.outline_here: Callable[[], Draft | None] = lambda: None
        self.section_beside: Callable[[], NDArray[np.bool_] | None] = lambda: None
        self._state = state
        self._answering = Answering()
        self._embedding: tuple[Plane, PlaneEmbedding] | None = None
        self._edited: _Edited | None = None

    # --- what was said ------------------------------------------------------

    def _to_change(self) -> Draft:
        """Return what a prompt on this plane changes: the draft, or what grew here."""
        draft = self.draft
        return (self.outline_here() or draft) if draft.is_empty else draft

    def _ask(self, question: Question) -> Draft:
        """Return what is in hand once a question was asked."""
        draft = self._to_change()
        if draft.is_empty and question.prompts.box is None and question.mask is None:
            question = replace(question, beside=self.section_beside())
        return draft.ask(question, self.feedback)

    @property
    def draft(self) -> Draft:
        """The object in hand on this plane."""
        return self._state.draft

    @property
    def drafts(self) -> Mapping[Plane, Draft]:
        """The objects in hand by plane, of the planes that have one."""
        return self._state.snapshot.drafts

    def add_point(self, position: Sequence[float], positive: bool = True) -> None:
        """Say that the object is at (row, col), or with ``positive=False`` is not."""
        prompts, mask = self.draft.question.prompts, self.draft.question.mask
        self.set_prompts(
            [*prompts.points.tolist(), tuple(position)],
            [*prompts.labels.tolist(), int(positive)],
            prompts.box,
            mask,
        )

    def set_box(self, box: ArrayLike | None) -> None:
        """Say that the object fills the box (row0, col0, row1, col1); None: no box."""
        question = self.draft.question
        self.set_prompts(
            question.prompts.points, question.prompts.labels, box, question.mask
        )

    def set_mask(self, mask: ArrayLike | None) -> None:
        """Say that the object looks like the (H, W) mask; None takes it back."""
        prompts = self.draft.question.prompts
        self.set_prompts(prompts.points, prompts.labels, prompts.box, mask)

    def set_text(self, text: str) -> bool:
        """Say which of the candidates is meant, such as "the nucleus, not the cell".

        It holds for the object in hand, as one step of the history, and for those to
        come, until something else is said. See `Predictor.predict`.

        Parameters
        ----------
        text
            In English; "" takes it back.

        Returns
        -------
        bool
            Whether the object in hand is asked anew.

        Raises
        ------
        ValueError
            If nothing of the text is understood.
        """
        said = text.strip()
        if said:
            text_prompts().check_text(said)
        self.next_text = said
        draft = self.draft
        if draft.question.is_empty or draft.question.text == said:
            return False
        question = replace(draft.question, text=said)
        self._state.set_draft(replace(draft, question=question, choice=0))
        return True

    @property
    def text(self) -> str:
        """What is said beside the prompts in hand, or else of the next object."""
        question = self.draft.question
        return self.next_text if question.is_empty else question.text

    def _question(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Question:
        """Check prompts, and say beside them what is said in words."""
        shape = self._state.plane_shape
        return make_question(shape, points, labels, box, mask, text=self.text)

    def set_prompts(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> bool:
        """Replace all prompts for the object in hand; one step of the history.

        Points added at the end refine the chosen candidate (see `feedback`); after
        any other change the prompts are answered afresh.

        Parameters
        ----------
        points
            (N, 2) as (row, col).
        labels
            (N,) 1 where the point lies on the object, 0 where it does not.
        box
            (row0, col0, row1, col1).
        mask
            (H, W) bool.

        Returns
        -------
        bool
            Whether anything changed.

        Raises
        ------
        ValueError
            If a prompt has the wrong shape or a point lies outside the plane.
        """
        question = self._question(points, labels, box, mask)
        if question.same_prompts(self._to_change().question):
            return False
        draft = self._ask(question)
        if self.prefetched is not None and self.prefetched.is_same(draft.question):
            draft = replace(draft, question=self.prefetched)
        self._state.set_draft(draft)
        return True

    def prefetch(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Job | None:
        """Return the work to answer prompts that may be given next.

        Nothing changes but `prefetched`, the question. Once the work is delivered, and
        these are given, their answer is known. See `set_prompts`.

        Returns
        -------
        Job or None
            None if the answer is known.
        """
        question = self._question(points, labels, box, mask)
        self.prefetched = self._ask(question).question
        return self._answering.job(self.prefetched)

    def paint(self, pixels: ArrayLike, erase: bool = False) -> bool:
        """Say which pixels belong to the object; they hold, whatever else is said.

        What is painted where nothing was said is a prompt as well: the object looks
        about like it.

        Parameters
        ----------
        pixels
            (H, W) bool mask.
        erase
            Say that the pixels do not belong to the object.

        Returns
        -------
        bool
            Whether anything changed.

        Raises
        ------
        ValueError
            If the mask does not have the shape of the plane.
        """
        given = make_question(self._state.plane_shape, mask=pixels).mask
        if given is None:
            return False
        nothing = np.zeros(self._state.plane_shape, np.bool_)
        return self.edit_pixels(*((nothing, given) if erase else (given, nothing)))

    def edit_pixels(
        self, painted: NDArray[np.bool_], erased: NDArray[np.bool_]
    ) -> bool:
        """Paint and erase (H, W) pixels in one step; see `paint`."""
        draft = self._to_change()
        if draft.is_empty and not painted.any():
            return False
        edits = draft.edits.followed_by(painted, erased)
        question = draft.question
        if not question.says_where and edits.painted is not None:
            points, labels = question.prompts.points, question.prompts.labels
            question = make_question(
                self._state.plane_shape, points, labels, None, edits.painted
            )
        self._state.set_draft(replace(draft, question=question, edits=edits))
        return True

    def clear(self) -> None:
        """Drop the prompts in hand; a reopened object stays as it was committed."""
        if not self.draft.is_empty:
            self._state.set_draft(NO_DRAFT)

    # --- what the model answers ---------------------------------------------

    @property
    def embedding(self) -> PlaneEmbedding:
        """The embedding of this plane, made when it is first needed."""
        if self.predictor is None or self.image is None:
            raise ValueError("the session was made without a predictor or an image")
        plane = self._state.plane
        if self._embedding is None or self._embedding[0] != plane:
            made = self.predictor.embed(
                np.asarray(plane.take(self.image)),
                contrast_limits=self.contrast_limits,
            )
            self._embedding = (plane, made)
        return self._embedding[1]

    def job(self) -> Job | None:
        """Return the work left to answer the prompts, or None if there is none."""
        return self._answering.job(self.draft.question)

    def deliver(self, answers: Iterable[tuple[Question, MaskPrediction]]) -> None:
        """Take the result of a `Job`; it may come late or for another plane."""
        for question, answer in answers:
            self._answering.put(question, answer)

    def known_answer(self, question: Question) -> MaskPrediction | None:
        """Return what is known of the answer to a question of any plane."""
        return self._answering.get(question)

    def forget_answers(self) -> None:
        """Ask the model anew, after it or the image has changed."""
        self._answering.clear()
        self._edited = None
        self._embedding = None

    @property
    def candidates(self) -> MaskPrediction | None:
        """Candidate masks for the prompts, best predicted IoU first.

        None where nothing was said, or where answers are delivered and this one
        has not come yet.
        """
        if self.predictor is not None and self.image is not None:
            job = self.job()
            if job is not None:
                self.deliver(job.run(self.predictor, self.embedding))
        draft = self.draft
        answer = self._answering.get(draft.question)
        if answer is None or draft.edits.is_empty:
            return answer
        known = self._edited
        if known is None or known[0] is not answer or known[1] is not draft.edits:
            edited = replace(answer, masks=draft.edits.apply(answer.masks))
            known = self._edited = (answer, draft.edits, edited)
        return known[2]

    @property
    def choice(self) -> int:
        """Index of the chosen candidate."""
        candidates = self.candidates
        last = 0 if candidates is None else len(candidates.scores) - 1
        return min(self.draft.choice, last)

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(H, W) mask of the chosen candidate."""
        candidates = self.candidates
        return None if candidates is None else candidates.masks[self.choice]

    @property
    def score(self) -> float | None:
        """Predicted IoU of the chosen candidate."""
        candidates = self.candidates
        return None if candidates is None else float(candidates.scores[self.choice])

    def choose(self, index: int) -> None:
        """Choose a candidate by its place in the ranking.

        Raises
        ------
        ValueError
            If there is no such candidate.
        """
        candidates = self.candidates
        count = 0 if candidates is None else len(candidates.scores)
        if not 0 <= index < count:
            raise ValueError(f"candidate {index} does not exist, there are {count}")
        if index != self.choice:
            self._state.set_draft(replace(self.draft, choice=index))

    def cycle(self) -> None:
        """Choose the next candidate, after the last the first."""
        candidates = self.candidates
        if candidates is not None:
            self.choose((self.choice + 1) % len(candidates.scores))
