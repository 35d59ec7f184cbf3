"""Annotating with clicks: the session behind the dock widget and in scripts.

A session knows no GUI. It holds what was said about the object in hand, the
model's candidates, the committed objects, and a history over all of it. In a
script it asks the model by itself; a window instead takes `AnnotationSession.job`,
runs it elsewhere, and brings the result to `AnnotationSession.deliver`. Both end
in the same labels.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.labels import (
    OverlapRule,
    check_overlap_rule,
    next_free_label,
    pixels_to_label,
)
from napari_sam.ops.planes import Plane
from napari_sam.workflows.answers import AnswerBook, Job, Predicts
from napari_sam.workflows.canvas import ArrayCanvas, LabelCanvas, LabelEdit, plan_edit
from napari_sam.workflows.drafts import Draft, Question, make_question
from napari_sam.workflows.history import History
from napari_sam.workflows.ledger import (
    Ledger,
    Step,
    lift_object,
    make_canvas,
    read_record,
)
from napari_sam.workflows.provenance import Record, records_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.types import ImageEmbedding, MaskPrediction

__all__ = ["AnnotationSession"]

_NO_DRAFT = Draft()


class AnnotationSession:
    """Prompts to candidates to labels, with undo and redo over every step.

    Parameters
    ----------
    predictor
        The model, from `napari_sam.load_model`; None where answers are delivered.
    image
        (..., H, W) array, or (..., H, W, 3 or 4) with `rgb`; None where the labels
        alone give the shape.
    labels
        Integer array (changed in place) or canvas to write to; zeros of the
        image's shape when left out.
    rgb
        Whether the last axis of `image` is colour.
    overlap
        "keep": a pixel stays with the object that has it; "overwrite": the newer
        object takes it.
    contrast_limits
        Intensities that become black and white; robust percentiles when None.
    feedback
        Whether a further click refines the chosen candidate by feeding its logits
        back, as in SAM's interactive training.
    model_name
        Name for the provenance table where no predictor is given.
    clock
        Returns the time for the provenance table.

    Raises
    ------
    ValueError
        If neither image nor labels are given, or their shapes differ.

    Examples
    --------
    >>> import napari_sam
    >>> sam = napari_sam.load_model("cells")                     # doctest: +SKIP
    >>> session = napari_sam.AnnotationSession(sam, image)       # doctest: +SKIP
    >>> session.add_point((120, 85))                             # doctest: +SKIP
    >>> session.add_point((140, 90), positive=False)             # doctest: +SKIP
    >>> session.commit()                                         # doctest: +SKIP
    1
    >>> session.labels, session.table()                          # doctest: +SKIP
    """

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
        self._embedding: tuple[Plane, ImageEmbedding] | None = None
        self._answers = AnswerBook()
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
        return self._ledger.drafts.get(self._plane, _NO_DRAFT)

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
        self._set_draft(self.draft.ask(question, self.feedback))
        return True

    def clear(self) -> None:
        """Drop the prompts in hand; a reopened object stays as it was committed."""
        if not self.draft.is_empty:
            self._set_draft(_NO_DRAFT)

    # --- what the model answers ---------------------------------------------

    @property
    def embedding(self) -> ImageEmbedding:
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

    # --- what becomes a label -----------------------------------------------

    @property
    def objects(self) -> Mapping[int, Record]:
        """The committed objects by label."""
        return MappingProxyType(dict(self._ledger.records))

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in use, in the order of first use."""
        used = (record.class_name for record in self._ledger.records.values())
        return tuple(dict.fromkeys(name for name in used if name))

    @property
    def labels(self) -> NDArray[Any]:
        """The label array of a session that writes to an array."""
        if not isinstance(self.canvas, ArrayCanvas):
            raise ValueError("this session writes to a canvas of its own, not an array")
        return self.canvas.array

    def table(self) -> pd.DataFrame:
        """Return how each object came to be, one row each (see `provenance`)."""
        return records_table(self._ledger.records.values())

    @property
    def next_label(self) -> int:
        """The label that the object in hand will get."""
        if self.draft.editing is not None:
            return self.draft.editing
        here = self.canvas.read(self._plane)
        taken = {self._reserved, int(here.max(initial=0))}
        taken.update(self._ledger.records, self._ledger.retired)
        return next_free_label(taken, self.canvas.dtype)

    def reserve(self, label: int) -> None:
        """Leave labels up to this one to somebody else who writes to the canvas."""
        self._reserved = max(self._reserved, label)

    def commit(self) -> int:
        """Write the chosen mask as an object and start the next one.

        Returns
        -------
        int
            The object's label.

        Raises
        ------
        ValueError
            If there is no mask, it is empty, or the overlap rule leaves it no pixel.
        """
        mask, score = self.mask, self.score
        if mask is None or score is None:
            raise ValueError("nothing to commit: no prompt has been answered here")
        if not mask.any():
            raise ValueError("nothing to commit: the chosen mask is empty")
        label = self.next_label
        now = self.canvas.read(self._plane)
        granted = pixels_to_label(now, mask, label, self._overlap)
        if not granted.any():
            raise ValueError(
                "nothing to commit: every pixel of the mask belongs to another "
                "object; overwrite, or change the prompts"
            )
        after = lift_object(self._ledger, label, now)
        pixels = np.flatnonzero(granted)
        beneath = after.ravel()[pixels].copy()
        after[granted] = label
        record = Record(
            label=label,
            plane=self._plane,
            draft=replace(self.draft, choice=self.choice, editing=None),
            class_name=self._class_of(label),
            score=score,
            model=self.model_name,
            time=self._clock().isoformat(timespec="seconds"),
            pixels=pixels,
            beneath=beneath,
        )
        ledger = self._ledger.with_record(record).with_draft(self._plane, _NO_DRAFT)
        self._do(ledger, plan_edit(self._plane, now, after))
        return label

    def _class_of(self, label: int) -> str:
        record = self._ledger.records.get(label)
        return self.class_name if record is None else record.class_name

    def delete(self, label: int) -> None:
        """Take a committed object away; what lay beneath comes back.

        Raises
        ------
        ValueError
            If the session did not make the object.
        """
        record = self._record(label)
        now = self.canvas.read(record.plane)
        edit = plan_edit(record.plane, now, lift_object(self._ledger, label, now))
        self._do(self._ledger.without_record(label), edit, record.plane)

    def reopen(self, label: int) -> None:
        """Take a committed object in hand again, with its prompts and its choice.

        Its pixels stay until it is committed again. An object that the session did
        not make is reopened with its pixels on this plane as a mask prompt.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        record = self._ledger.records.get(label)
        if record is not None:
            self._set_draft(replace(record.draft, editing=label), record.plane)
            return
        mask = self.canvas.read(self._plane) == label
        if label <= 0 or not mask.any():
            raise ValueError(f"there is no object {label} on this plane")
        question = make_question(self.plane_shape, mask=mask)
        self._set_draft(Draft(question, 0, label))

    def set_class(self, label: int, class_name: str) -> None:
        """Give a committed object another class name.

        Raises
        ------
        ValueError
            If the session did not make the object.
        """
        record = self._record(label)
        if record.class_name != class_name:
            renamed = replace(record, class_name=class_name)
            self._do(self._ledger.with_record(renamed), None, record.plane)

    def adopt(self, table: pd.DataFrame) -> list[int]:
        """Take up objects of an earlier session from its table.

        Rows whose label is no longer there, or that cannot be read, are left out.

        Returns
        -------
        list of int
            Labels of the objects taken up. This is not a step of the history.
        """
        records = dict(self._ledger.records)
        for row in table.to_dict("records"):
            record = read_record(row, self.canvas)
            if record is not None:
                records.setdefault(record.label, record)
        taken = [label for label in records if label not in self._ledger.records]
        self._ledger = replace(self._ledger, records=records)
        return taken

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
        self, ledger: Ledger, edit: LabelEdit | None, plane: Plane | None = None
    ) -> None:
        """Make a step; the ledger and the plane move only once it is written."""
        plane = plane or self._plane
        if edit is not None:
            edit.apply(self.canvas)
        self._history.push(Step(plane, self._ledger, ledger, edit))
        self._ledger, self._plane = ledger, plane

    def _record(self, label: int) -> Record:
        record = self._ledger.records.get(label)
        if record is None:
            raise ValueError(
                f"object {label} was not made in this session; "
                f"its objects are {sorted(self._ledger.records)}"
            )
        return record
