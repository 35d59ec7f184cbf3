"""Annotating with clicks: the session behind the dock widget and in scripts.

A session knows no GUI. It has a `SessionState` (the canvas, the committed objects, the
plane, the history) and a `Prompting` (what was said about the object in hand, and the
model's candidates). In a script it asks the model by itself; a window instead takes
`AnnotationSession.job`, runs it elsewhere, and brings the result to
`AnnotationSession.deliver`. Both end in the same labels.

The canvas is the truth: an object is a number on it, on any planes, whoever drew it,
and its record is what is known of it. Before objects are listed, edited, deleted or
undone, the session looks at the canvas again; see `AnnotationSession.reconcile`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.channels import colour_last
from napari_sam.ops.labels import check_overlap_rule
from napari_sam.workflows.session import (
    class_edits,
    committing,
    object_edits,
    session_recovery,
)
from napari_sam.workflows.session.canvas import ArrayCanvas, make_canvas
from napari_sam.workflows.session.class_edits import ClassList
from napari_sam.workflows.session.class_suggestions import Suggesting
from napari_sam.workflows.session.growing_session import GrowingObjects
from napari_sam.workflows.session.object_editing import ObjectEditing
from napari_sam.workflows.session.prompting import Prompting
from napari_sam.workflows.session.provenance import records_table
from napari_sam.workflows.session.session_journal import JournaledImage, SessionJournal
from napari_sam.workflows.session.session_state import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs import GrowConfig
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.inference.views import PlaneEmbedding
    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskPrediction, MaskRecord
    from napari_sam.workflows.growing.grown_object import GrownObject
    from napari_sam.workflows.objects.suspects import Suspect
    from napari_sam.workflows.queries.classes import ObjectClassifier
    from napari_sam.workflows.session.answering import Job
    from napari_sam.workflows.session.canvas import LabelCanvas, StackEdit
    from napari_sam.workflows.session.class_suggestions import (
        Suggestion,
        SuggestionAnswer,
        SuggestionJob,
    )
    from napari_sam.workflows.session.object_index import ObjectIndex
    from napari_sam.workflows.session.prompt_history import Draft, Question
    from napari_sam.workflows.session.provenance import Record
    from napari_sam.workflows.session.session_recovery import JournaledWork

__all__ = ["AnnotationSession"]


class AnnotationSession:
    """Prompts to candidates to labels, with undo and redo over every step.

    Parameters
    ----------
    image
        (..., H, W) array, or (..., H, W, 3 or 4) with `rgb`; None where the labels
        alone give the shape, and answers are delivered.
    labels
        Integer array (changed in place) or canvas to write to; zeros of the
        image's shape when left out.
    model
        A name of the registry, the path of a checkpoint, or a loaded model.
    rgb
        Whether the last axis of `image` is colour.
    channel_axis
        The axis of the channels, if it has several; see `segment`.
    overlap
        "keep": a pixel stays with the object that has it; "overwrite": the newer
        object takes it.
    contrast_limits
        Intensities that become black and white; robust percentiles when None.
    feedback
        Whether a further click refines the chosen candidate by feeding its logits
        back, as in SAM's interactive training.
    model_name
        Name for the provenance table where no image is given.
    clock
        Returns the time for the provenance table.
    journal
        Keep what the session holds on the disk after every step, in the user's data
        folder; `unsaved_work` finds it again after a crash.
    axis
        Along which objects grow from the planes on which something is said of them, see
        `grown`; None: each lies on the plane where it is clicked.
    grow
        How objects grow: the size of a voxel, and more.

    Raises
    ------
    ValueError
        If neither image nor labels are given, or their shapes differ.
    OSError
        From any step, if the journal cannot be written; the step is made.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")[:128, :128]
    >>> session = napari_sam.AnnotationSession(image)
    >>> session.add_point((60, 60))
    >>> session.add_point((100, 20), positive=False)
    >>> session.commit()
    1
    >>> session.labels.max(), len(session.table())
    (np.int32(1), 1)

    An object of a volume from one click:

    >>> volume = napari_sam.load_sample("nuclei_3d")[12:15]
    >>> session = napari_sam.AnnotationSession(volume, axis=0)
    >>> session.go_to((1, None, None))
    >>> session.add_point((35, 22))
    >>> session.commit()
    1
    """

    def __init__(
        self,
        image: Any = None,
        labels: NDArray[Any] | LabelCanvas | None = None,
        *,
        model: str | Path | PromptableModel = "cells",
        rgb: bool = False,
        channel_axis: int | None = None,
        overlap: str = "keep",
        contrast_limits: tuple[float, float] | None = None,
        feedback: bool = True,
        model_name: str = "",
        clock: Callable[[], datetime] | None = None,
        journal: bool = False,
        axis: int | None = None,
        grow: GrowConfig | None = None,
    ) -> None:
        if channel_axis is not None and image is not None:
            image, rgb = colour_last(image, channel_axis), True
        canvas = make_canvas(image, labels, rgb)
        predictor = None if image is None else _loaded(model)
        self.model_name = predictor.name if predictor is not None else model_name
        self.class_name = ""
        self._overlap = check_overlap_rule(overlap)
        self._clock = clock or (lambda: datetime.now(UTC))
        self._state = SessionState(canvas)
        self._prompting = Prompting(
            self._state,
            predictor,
            image,
            contrast_limits=contrast_limits,
            feedback=feedback,
        )
        self._growing = GrowingObjects(self._state, self._prompting, axis, grow)
        self._image, self._rgb = image, rgb
        self._edit = ObjectEditing(self._state, self._prompting)
        self._suggesting = Suggesting(self._state)
        self._classes = ClassList(self._state)
        self._journal: SessionJournal | None = None
        if journal:
            if image is None:
                raise ValueError("a journal is about an image, and there is none")
            self._journal = SessionJournal(JournaledImage.of(image))
            self._state.on_step = self._note

    def _note(self) -> None:
        if self._journal is not None and self._journal.look(self):
            self._journal.write()

    @property
    def journal(self) -> SessionJournal | None:
        """What keeps the session on the disk; tell it when the labels are saved."""
        return self._journal

    @property
    def predictor(self) -> PromptableModel | None:
        """The model; None where answers are delivered."""
        return self._prompting.predictor

    @property
    def overlap(self) -> OverlapRule:
        """The overlap rule, "keep" or "overwrite"."""
        return self._overlap

    @overlap.setter
    def overlap(self, rule: str) -> None:
        self._overlap = check_overlap_rule(rule)

    # --- prompts ------------------------------------------------------------

    @property
    def draft(self) -> Draft:
        """The object in hand on this plane: what was said, and which mask is chosen."""
        return self._state.draft

    @property
    def drafts(self) -> Mapping[Plane, Draft]:
        """The objects in hand by plane, of the planes that have one."""
        return self._state.snapshot.drafts

    def add_point(self, position: Sequence[float], positive: bool = True) -> None:
        """Say that the object is at (row, col), or with ``positive=False`` is not."""
        self._prompting.add_point(position, positive)

    def set_box(self, box: ArrayLike | None) -> None:
        """Say that the object fills the box (row0, col0, row1, col1); None: no box."""
        self._prompting.set_box(box)

    def set_mask(self, mask: ArrayLike | None) -> None:
        """Say that the object looks like the (H, W) mask; None takes it back."""
        self._prompting.set_mask(mask)

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
        return self._prompting.set_text(text)

    @property
    def text(self) -> str:
        """What is said beside the prompts in hand, or else of the next object."""
        return self._prompting.text

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
        return self._prompting.set_prompts(points, labels, box, mask)

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
        return self._prompting.paint(pixels, erase)

    def edit_pixels(
        self, painted: NDArray[np.bool_], erased: NDArray[np.bool_]
    ) -> bool:
        """Paint and erase (H, W) pixels in one step; see `paint`."""
        return self._prompting.edit_pixels(painted, erased)

    def clear(self) -> None:
        """Drop the prompts in hand; a reopened object stays as it was committed.

        Of an object that grows they are dropped on all its planes.
        """
        if not self._growing.clear():
            self._prompting.clear()

    # --- objects in 3D --------------------------------------------------------

    @property
    def growing(self) -> GrowingObjects:
        """What grows along `axis`: the object in hand, and those set aside."""
        return self._growing

    @property
    def grown(self) -> GrownObject | None:
        """The object in hand in 3D, with the confidence of each plane.

        What was said on any of its planes holds there. After a correction only the
        planes between it and its neighbours are done again. None where nothing is said,
        or the session grows no objects; see `AnnotationSession`.
        """
        job = self._growing.job(self._image, self._rgb)
        while (
            job is not None and self._image is not None and self.predictor is not None
        ):
            self._growing.deliver(job, job.run(self.predictor))
            job = self._growing.job(self._image, self._rgb)
        sprout = self._growing.sprout
        return None if sprout is None else sprout.grown

    # --- candidates ---------------------------------------------------------

    @property
    def embedding(self) -> PlaneEmbedding:
        """The embedding of this plane, made when it is first needed."""
        return self._prompting.embedding

    @property
    def candidates(self) -> MaskPrediction | None:
        """Candidate masks for the prompts, best predicted IoU first.

        None where nothing was said, or where answers are delivered and this one
        has not come yet.
        """
        return self._prompting.candidates

    @property
    def choice(self) -> int:
        """Index of the chosen candidate."""
        return self._prompting.choice

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(H, W) mask of the chosen candidate."""
        return self._prompting.mask

    @property
    def score(self) -> float | None:
        """Predicted IoU of the chosen candidate."""
        return self._prompting.score

    def choose(self, index: int) -> None:
        """Choose a candidate by its place in the ranking; ValueError if none is."""
        self._prompting.choose(index)

    def cycle(self) -> None:
        """Choose the next candidate, after the last the first."""
        self._prompting.cycle()

    # --- answers made elsewhere ---------------------------------------------

    def job(self) -> Job | None:
        """Return the work left to answer the prompts, or None if there is none."""
        return self._prompting.job()

    def prefetch(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> Job | None:
        """Return the work to answer prompts that may be given next; None if known."""
        return self._prompting.prefetch(points, labels, box, mask)

    @property
    def prefetched(self) -> Question | None:
        """The question whose answer was last prefetched."""
        return self._prompting.prefetched

    def deliver(self, answers: Iterable[tuple[Question, MaskPrediction]]) -> None:
        """Take the result of a `Job`; it may come late or for another plane."""
        self._prompting.deliver(answers)

    def forget_answers(self) -> None:
        """Ask the model anew, after it or the image has changed."""
        self._prompting.forget_answers()
        self._growing.forget()
        self._suggesting.forget()

    # --- objects ------------------------------------------------------------

    @property
    def objects(self) -> Mapping[int, Record]:
        """All objects on the canvas by label, those of unknown origin first."""
        self.reconcile()
        return self.listed()

    def listed(self) -> Mapping[int, Record]:
        """Return `objects` as they were when the canvas was last looked at."""
        return self._state.listed()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in use, in the order of first use."""
        used = (record.class_name for record in self.listed().values())
        return tuple(dict.fromkeys(name for name in used if name))

    def table(self) -> pd.DataFrame:
        """Return how each object came to be, one row each (see `provenance`)."""
        return records_table(self.objects.values())

    @property
    def next_label(self) -> int:
        """The label that the object in hand will get."""
        return committing.next_label(self._state)

    def reserve(self, label: int) -> None:
        """Leave labels up to this one to somebody else who writes to the canvas."""
        self._state.reserve(label)

    def commit(self) -> int:
        """Write the chosen mask as an object and start the next one.

        With an `axis` it is written on all planes on which it has grown, as one step.
        Where the overlap rule cuts the mask to pieces, small pieces are left out; what
        would stay of other objects as a thin rim around it goes over to it.

        Returns
        -------
        int
            The object's label.

        Raises
        ------
        OverlapError
            If more than half of the mask belongs to other objects that keep it.
        ValueError
            If there is no mask, or it is empty.
        """
        is_new = self.draft.editing is None
        if is_new and self._growing.sprout is not None and self.grown is not None:
            return self._growing.commit(self._commit_options())
        mask, score = self.mask, self.score
        if mask is None or score is None:
            raise ValueError("there is nothing to keep yet: say first where it is")
        return committing.commit_mask(
            self._state, mask, score, self.choice, self._commit_options()
        )

    def put_aside(self) -> None:
        """Let the object in hand grow on, and keep it once it is whole.

        For windows, where growing is done elsewhere; the next object can be begun.
        """
        self._growing.put_aside(self._commit_options())

    def commit_found(
        self, found: Sequence[MaskRecord], *, query: str = ""
    ) -> list[int]:
        """Write masks that were found automatically as objects, in one step.

        Earlier ones get their pixels first; what the overlap rule leaves to an
        object is decided against the labels as they were before. Each object can
        be reopened with the point that found it and its box as prompts.

        Parameters
        ----------
        found
            Masks of this plane, the best first.
        query
            What they were found by, such as "large round nuclei"; for the record.

        Returns
        -------
        list of int
            The labels, in the order of the masks. A mask that is left no pixel gets
            none, nor one of which three quarters belong to objects that keep them.

        Raises
        ------
        ValueError
            If a mask does not fit the plane, no mask is left a pixel, or the type
            of the labels has too few numbers.
        """
        options = self._commit_options()
        return committing.commit_found(self._state, found, options, query)

    def _commit_options(self) -> committing.CommitOptions:
        time = self._clock().isoformat(timespec="seconds")
        return committing.CommitOptions(
            self._overlap, self.class_name, self.model_name, time
        )

    def write_planes(self, edit: StackEdit) -> None:
        """Write labels of several planes, made elsewhere, in one step.

        Undo and redo take them back and write them again.
        """
        self._state.do(self._state.snapshot, edit)

    def delete(self, label: int, here: bool = False) -> None:
        """Take an object away; what lay beneath comes back.

        Parameters
        ----------
        label
            Any label on the canvas, whoever drew it.
        here
            Only on the present plane; the object stays on its others.

        Raises
        ------
        ValueError
            If there is no such object, or none on the present plane.
        """
        object_edits.delete_object(self._state, label, here)

    def reopen(self, label: int) -> None:
        """Take an object in hand again, on the present plane if it lies there.

        Its pixels stay until it is committed again. Where they are those that its
        prompts once gave, the prompts and the choice are taken up. Where they were
        changed since, or are of unknown origin, the mask in hand is what the canvas
        shows, and clicks refine it.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        object_edits.reopen_object(self._state, label)

    @property
    def edit(self) -> ObjectEditing:
        """Edits of objects: merge, split, grow, smooth and so on; one step each."""
        return self._edit

    def suspects(self) -> list[Suspect]:
        """List the objects that look wrong, the most striking first.

        Of a canvas that is large those of the present plane; see
        `napari_sam.find_suspects`.
        """
        return object_edits.find_suspects_of(self._state)

    def adopt(self, table: pd.DataFrame) -> list[int]:
        """Take up what a table of an earlier session knows of the objects.

        Rows whose label is no longer there, and prompts that cannot be read, are left
        out; what this session knows already stays.

        Returns
        -------
        list of int
            Labels of which something was taken up. This is not a step of the history.
        """
        return object_edits.adopt_table(self._state, table)

    def recover(self, work: JournaledWork) -> None:
        """Take up what another session held when it ended; one step of the history.

        Parameters
        ----------
        work
            From `napari_sam.unsaved_work`. Planes that it tells of are as they were
            there, the others stay; what is known of the objects comes back, and the
            prompts that were in hand.

        Raises
        ------
        ValueError
            If it is about labels of another shape, or of numbers too high.
        """
        session_recovery.recover(self._state, work)

    # --- classes --------------------------------------------------------------

    @property
    def classes(self) -> ClassList:
        """What objects are sorted into: names, colours, and keys 1 to 9."""
        return self._classes

    def set_class(self, labels: int | Iterable[int], class_name: str) -> None:
        """Give one or several objects another class, in one step.

        Parameters
        ----------
        labels
            The object, or the objects.
        class_name
            Its name; a class that is not there yet is added. "" takes the class away.

        Raises
        ------
        ValueError
            If there is no such object; then none gets the class.
        """
        class_edits.set_class(self._state, labels, class_name)

    @property
    def suggestions(self) -> Mapping[int, Suggestion]:
        """What `suggest_classes` said of objects that have no class, by label.

        Each is a class and its probability. They are no classes: no table and no export
        has them, before they are accepted.
        """
        return self._suggesting.current

    def suggest_classes(
        self, classifier: ObjectClassifier | None = None
    ) -> Mapping[int, Suggestion]:
        """Suggest a class for each object that has none; see `suggestions`.

        The objects of the plane in view are looked at; those of planes that were looked
        at before count as well. An object on several of them is described where it is
        largest. This is not a step of the history.

        Parameters
        ----------
        classifier
            Learned from other objects, see `classifier`; None: it is learned from the
            objects that have a class.

        Returns
        -------
        mapping of int to Suggestion
            Of each object its likeliest class, and the probability of that.

        Raises
        ------
        ValueError
            If there are fewer than two classes with an example each, the classifier
            was learned with another model, or the session has no image.
        """
        answer = self.suggestion_job(classifier).run(*self._looked_at())
        self._suggesting.deliver(answer)
        return self.suggestions

    def classifier(self) -> ObjectClassifier:
        """Return what is learned from the objects that have a class.

        It can be saved, and asked about other images: see `suggest_classes`.

        Raises
        ------
        ValueError
            If there are fewer than two classes with an example each.
        """
        job = self.suggestion_job()
        if self._prompting.image is None:  # of what was looked at elsewhere
            answer = replace(job, labels=None).run(None, self.model_name)
        else:
            answer = job.run(*self._looked_at())
        self._suggesting.deliver(answer)
        return answer.classifier

    def next_unsure(self, after: int | None = None) -> int | None:
        """Return the object of which the class is least sure; None for none.

        Parameters
        ----------
        after
            An object with a suggestion: the next one after it, and after the last the
            first.

        Raises
        ------
        ValueError
            If no class was suggested yet.
        """
        doubted = self._suggesting.by_doubt()
        if not doubted:
            if self._suggesting.classifier is None:
                raise ValueError(
                    "no class was suggested yet; give an object of each of two "
                    "classes its class first"
                )
            return None
        at = doubted.index(after) + 1 if after in doubted else 0
        return doubted[at % len(doubted)]

    def accept_suggestions(
        self, labels: Iterable[int] | None = None, min_probability: float = 0.0
    ) -> list[int]:
        """Make suggestions classes, in one step.

        Parameters
        ----------
        labels
            Of these objects; None: of all that have one.
        min_probability
            Only of those whose class is at least so probable, 0 to 1.

        Returns
        -------
        list of int
            The objects that got a class.

        Raises
        ------
        ValueError
            If an object has no suggestion, or the probability is not 0 to 1.
        """
        wanted = None if labels is None else list(labels)
        names = self._suggesting.acceptable(wanted, min_probability)
        if names:
            class_edits.give_classes(self._state, names)
        return list(names)

    def suggestion_job(
        self, classifier: ObjectClassifier | None = None
    ) -> SuggestionJob:
        """Return the work of `suggest_classes`, to be done elsewhere."""
        return self._suggesting.job(classifier)

    def deliver_suggestions(self, answer: SuggestionAnswer | None) -> None:
        """Take the result of a `SuggestionJob`; None drops the suggestions."""
        if answer is None:
            self._suggesting.drop()
        else:
            self._suggesting.deliver(answer)

    def _looked_at(self) -> tuple[Any, PromptableModel]:
        """Return the plane in view, and the model."""
        if self._prompting.image is None or self.predictor is None:
            raise ValueError(
                "the session has no image to look at; make it with one, or do the "
                "work of suggestion_job elsewhere"
            )
        plane = self.plane.take(self._prompting.image)
        return np.asarray(plane), self.predictor

    # --- history, plane and canvas ------------------------------------------

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return self._state.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._state.can_redo

    def undo(self) -> bool:
        """Undo the last step and go to its plane; False if there is none."""
        return self._state.undo()

    def redo(self) -> bool:
        """Do the last undone step again and go to its plane; False if none."""
        return self._state.redo()

    @property
    def plane(self) -> Plane:
        """The plane that prompts belong to; each has its own object in hand."""
        return self._state.plane

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self._state.plane_shape

    def go_to(self, plane: Plane | Sequence[int | None]) -> None:
        """Go to another plane, given as one index or None for each axis.

        Raises
        ------
        ValueError
            If the plane does not lie in the labels.
        """
        self._state.go_to(plane)

    @property
    def canvas(self) -> LabelCanvas:
        """Where the labels are written."""
        return self._state.canvas

    @property
    def labels(self) -> NDArray[Any]:
        """The label array of a session that writes to an array."""
        if not isinstance(self.canvas, ArrayCanvas):
            raise ValueError("this session writes to a canvas of its own, not an array")
        return self.canvas.array

    @property
    def index(self) -> ObjectIndex:
        """Counts of all labels on the canvas."""
        return self._state.index

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
        return self._state.reconcile()


def _loaded(model: str | Path | PromptableModel) -> PromptableModel:
    if not isinstance(model, (str, Path)):
        return model
    # It needs torch, which a window must not wait for.
    from napari_sam.inference.loaded_models import as_predictor

    return as_predictor(model)
