"""The first half of an annotation session: prompts, candidates, undo and redo."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.labels import OverlapRule, check_overlap_rule
from napari_sam.ops.planes import Plane
from napari_sam.workflows.answers import AnswerBook, Job, Predicts
from napari_sam.workflows.drafts import NO_DRAFT, Draft, Question, make_question
from napari_sam.workflows.history import History
from napari_sam.workflows.ledger import Ledger, Step, make_canvas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.tiled import PlaneEmbedding
    from napari_sam.ops.types import MaskPrediction
    from napari_sam.workflows.canvas import LabelCanvas, LabelEdit, StackEdit

__all__ = ["PromptSession"]


class PromptSession:
    """Prompts, candidates and history of a session; see `AnnotationSession`."""

    def __init__(
        self,
        predictor: Predicts | None = None,
        image: Any = None,
        labels: NDArray[Any] | LabelCanvas | None = None,
        *,
        rgb: bool = False,
        overlap: str = "keep",
        contrast_limits: tuple[float, float] | None = None,
        feedback: bool = True,
        model_name: str = "",
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.predictor = predictor
        self.image = image
        self.canvas = make_canvas(image, labels, rgb)
        self.contrast_limits = contrast_limits
        self.feedback = feedback
        self.class_name = ""
        self.model_name = predictor.name if predictor is not None else model_name
        self._overlap = check_overlap_rule(overlap)
        self._clock = clock or (lambda: datetime.now(UTC))
        ndim = len(self.canvas.shape)
        self._plane = Plane((0,) * (ndim - 2) + (None, None))
        self._embedding: tuple[Plane, PlaneEmbedding] | None = None
        self._answers = AnswerBook()
        self.foreseen: Question | None = None
        self._ledger = Ledger()
        self._history: History[Step] = History()
        self._reserved = self.canvas.highest()

    # --- where we are -------------------------------------------------------

    @property
    def overlap(self) -> OverlapRule:
        """The overlap rule, "keep" or "overwrite"."""
        return self._overlap

    @overlap.setter
    def overlap(self, rule: str) -> None:
        self._overlap = check_overlap_rule(rule)

    @property
    def plane(self) -> Plane:
        """The plane that prompts belong to; each has its own object in hand."""
        return self._plane

    def go_to(self, plane: Plane | Sequence[int | None]) -> None:
        """Go to another plane, given as one index or None for each axis.

        Raises
        ------
        ValueError
            If the plane does not lie in the labels.
        """
        plane = plane if isinstance(plane, Plane) else Plane(tuple(plane))
        plane.shape_in(self.canvas.shape)
        self._plane = plane

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self._plane.shape_in(self.canvas.shape)

    # --- what was said ------------------------------------------------------

    @property
    def draft(self) -> Draft:
        """The object in hand on this plane."""
        return self._ledger.drafts.get(self._plane, NO_DRAFT)

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
        question = make_question(self.plane_shape, points, labels, box, mask)
        if question.same_prompts(self.draft.question):
            return False
        draft = self.draft.ask(question, self.feedback)
        if self.foreseen is not None and self.foreseen.is_same(draft.question):
            draft = replace(draft, question=self.foreseen)
        self._set_draft(draft)
        return True

    def foresee(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Job | None:
        """Return the work to answer prompts that may be given next.

        Nothing changes but `foreseen`, the question. Once the work is delivered, and
        these are given, their answer is known. See `set_prompts`.

        Returns
        -------
        Job or None
            None if the answer is known.
        """
        question = make_question(self.plane_shape, points, labels, box, mask)
        self.foreseen = self.draft.ask(question, self.feedback).question
        return self._answers.job(self.foreseen)

    def clear(self) -> None:
        """Drop the prompts in hand; a reopened object stays as it was committed."""
        if not self.draft.is_empty:
            self._set_draft(NO_DRAFT)

    # --- what the model answers ---------------------------------------------

    @property
    def embedding(self) -> PlaneEmbedding:
        """The embedding of this plane, made when it is first needed."""
        if self.predictor is None or self.image is None:
            raise ValueError("the session was made without a predictor or an image")
        if self._embedding is None or self._embedding[0] != self._plane:
            # It needs torch, which a window's session must not wait for.
            from napari_sam.workflows.closer import embed_tiled

            made = embed_tiled(
                self.predictor,
                np.asarray(self._plane.take(self.image)),
                contrast_limits=self.contrast_limits,
            )
            self._embedding = (self._plane, made)
        return self._embedding[1]

    def job(self) -> Job | None:
        """Return the work left to answer the prompts, or None if there is none."""
        return self._answers.job(self.draft.question)

    def deliver(self, answers: Iterable[tuple[Question, MaskPrediction]]) -> None:
        """Take the result of a `Job`; it may come late or for another plane."""
        for question, answer in answers:
            self._answers.put(question, answer)

    def forget_answers(self) -> None:
        """Ask the model anew, after it or the image has changed."""
        self._answers.clear()
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
        return self._answers.get(self.draft.question)

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
            self._set_draft(replace(self.draft, choice=index))

    def cycle(self) -> None:
        """Choose the next candidate, after the last the first."""
        candidates = self.candidates
        if candidates is not None:
            self.choose((self.choice + 1) % len(candidates.scores))

    # --- history ------------------------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._history.can_redo

    def undo(self) -> bool:
        """Undo the last step and go to its plane; False if there is none."""
        step = self._history.back()
        if step is None:
            return False
        if step.edit is not None:
            step.edit.revert(self.canvas)
        self._ledger, self._plane = step.before, step.plane
        return True

    def redo(self) -> bool:
        """Do the last undone step again and go to its plane; False if none."""
        step = self._history.forward()
        if step is None:
            return False
        if step.edit is not None:
            step.edit.apply(self.canvas)
        self._ledger, self._plane = step.after, step.plane
        return True

    # --- inner parts --------------------------------------------------------

    def _set_draft(self, draft: Draft, plane: Plane | None = None) -> None:
        plane = plane or self._plane
        self._do(self._ledger.with_draft(plane, draft), None, plane)

    def _do(
        self,
        ledger: Ledger,
        edit: LabelEdit | StackEdit | None,
        plane: Plane | None = None,
    ) -> None:
        """Make a step; the ledger and the plane move only once it is written."""
        plane = plane or self._plane
        if edit is not None:
            edit.apply(self.canvas)
        self._history.push(Step(plane, self._ledger, ledger, edit))
        self._ledger, self._plane = ledger, plane
