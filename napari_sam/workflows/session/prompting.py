"""The first half of an annotation session: prompts, candidates, undo and redo."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.labels import OverlapRule, check_overlap_rule
from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.answering import AnswerBook, Job
from napari_sam.workflows.session.history import History
from napari_sam.workflows.session.object_index import ObjectIndex, planes_of_array
from napari_sam.workflows.session.prompt_history import (
    NO_DRAFT,
    Draft,
    Question,
    make_question,
)
from napari_sam.workflows.session.session_state import Ledger, Step, make_canvas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.inference.views import PlaneEmbedding
    from napari_sam.ops.types import MaskPrediction
    from napari_sam.workflows.session.canvas import LabelCanvas, LabelEdit, StackEdit
    from napari_sam.workflows.session.prompt_history import PixelEdits
    from napari_sam.workflows.session.provenance import Record

__all__ = ["PromptSession"]

_Edited = tuple["MaskPrediction", "PixelEdits", "MaskPrediction"]
"""An answer, what was painted and erased in it, and what came of it."""


class PromptSession:
    """Prompts, candidates and history of a session; see `AnnotationSession`."""

    def __init__(
        self,
        predictor: PromptableModel | None = None,
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
        self._edited: _Edited | None = None
        self._listed: tuple[int, Any, Mapping[int, Record]] = (-1, None, {})
        self.foreseen: Question | None = None
        self._ledger = Ledger()
        self._history: History[Step] = History()
        self._reserved = 0
        self.index = ObjectIndex(self.canvas)
        if not self.canvas.is_large:
            self.index.refresh()

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
        known = self.draft.question
        if question.same_prompts(known):
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
        given = make_question(self.plane_shape, mask=pixels).mask
        if given is None:
            return False
        nothing = np.zeros(self.plane_shape, np.bool_)
        return self.edit_pixels(*((nothing, given) if erase else (given, nothing)))

    def edit_pixels(
        self, painted: NDArray[np.bool_], erased: NDArray[np.bool_]
    ) -> bool:
        """Paint and erase (H, W) pixels in one step; see `paint`."""
        draft = self.draft
        if draft.is_empty and not painted.any():
            return False
        edits = draft.edits.then(painted, erased)
        question = draft.question
        if not question.says_where and edits.painted is not None:
            points, labels = question.prompts.points, question.prompts.labels
            question = make_question(
                self.plane_shape, points, labels, None, edits.painted
            )
        self._set_draft(replace(draft, question=question, edits=edits))
        return True

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
            made = self.predictor.embed(
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
        answer = self._answers.get(draft.question)
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
        try:
            self._write(step.edit, forward=False)
        except BaseException:
            self._history.forward()
            raise
        self._ledger, self._plane = step.before, step.plane
        return True

    def redo(self) -> bool:
        """Do the last undone step again and go to its plane; False if none."""
        step = self._history.forward()
        if step is None:
            return False
        try:
            self._write(step.edit, forward=True)
        except BaseException:
            self._history.back()
            raise
        self._ledger, self._plane = step.after, step.plane
        return True

    # --- the canvas -----------------------------------------------------------

    def reconcile(self) -> bool:
        """Look at the canvas again, for others may have written to it.

        What is counted, listed and done afterwards is about the labels as they are.
        This is not a step of the history. It is done by itself before anything that
        reads or writes objects; on a canvas that is large, which its window counts as a
        whole once, on the planes concerned.

        Returns
        -------
        bool
            Whether the labels were changed by somebody else.
        """
        before = self.index.labels
        planes: list[Plane] | None = None
        if self.canvas.is_large:
            planes = self._stored_planes(self._plane)
        changed = self.index.refresh(planes)
        returned = (self.index.labels - before) & self._ledger.records.keys()
        records = self._ledger.records
        strange = [k for k in returned if not self._is_known(records[k])]
        if strange:
            self._ledger = replace(self._ledger, records=records.without(strange))
        return bool(changed)

    def _stored_planes(self, plane: Plane) -> list[Plane]:
        """Return the planes of the last two axes that a plane crosses, if few."""
        if plane.axes == (plane.ndim - 2, plane.ndim - 1):
            return [plane]
        return [] if self.canvas.is_large else list(planes_of_array(self.canvas.shape))

    def _is_known(self, record: Record) -> bool:
        """Whether a label that came back has any pixel that its record tells of."""
        for outline in record.outlines:
            now = self.canvas.read(outline.plane).ravel()
            if (now[outline.pixels] == record.label).any():
                return True
        return not any(len(outline.pixels) for outline in record.outlines)

    def _write(self, edit: LabelEdit | StackEdit | None, forward: bool) -> None:
        """Write an edit or take it back, as a whole or not at all."""
        if edit is None:
            return
        before = [
            (one.plane, one.pixels, self.canvas.read(one.plane).ravel()[one.pixels])
            for one in edit.edits
        ]
        try:
            (edit.apply if forward else edit.revert)(self.canvas)
        except BaseException:
            for plane, pixels, values in before:
                rows, cols = np.divmod(pixels, plane.shape_in(self.canvas.shape)[1])
                self.canvas.restore(plane, rows, cols, values)
            raise
        touched = {p for one in edit.edits for p in self._stored_planes(one.plane)}
        self.index.refresh(touched)

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
        self._write(edit, forward=True)
        self._history.push(Step(plane, self._ledger, ledger, edit))
        self._ledger, self._plane = ledger, plane
