"""Annotating with clicks: the session behind the dock widget and in scripts.

A session knows no GUI. It has a `SessionState` (the canvas, the committed objects, the
plane, the history) and what works on it: a `Prompting` (what was said about the object
in hand, and the model's candidates), objects that grow, edits, classes. In a script it
asks the model by itself; a window instead takes `Prompting.job`, runs it elsewhere, and
brings the result to `Prompting.deliver`. Both end in the same labels.

The canvas is the truth: an object is a number on it, on any planes, whoever drew it,
and its record is what is known of it. Before objects are listed, edited, deleted or
undone, the session looks at the canvas again; see `SessionState.reconcile`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from napari_sam.inference.channels import colour_last
from napari_sam.inference.promptable import as_promptable
from napari_sam.ops.labels import check_overlap_rule
from napari_sam.workflows.session import (
    class_edits,
    committing,
    object_edits,
    session_recovery,
)
from napari_sam.workflows.session.class_edits import ClassList
from napari_sam.workflows.session.class_suggestions import ClassSuggestions
from napari_sam.workflows.session.growing_session import GrowingObjects
from napari_sam.workflows.session.kept_history import SessionHistory
from napari_sam.workflows.session.label_canvas import ArrayCanvas, make_canvas
from napari_sam.workflows.session.object_editing import ObjectEditing
from napari_sam.workflows.session.prompting import Prompting
from napari_sam.workflows.session.provenance import records_table
from napari_sam.workflows.session.session_journal import JournaledImage, SessionJournal
from napari_sam.workflows.session.session_state import SessionState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs import GrowConfig
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskPrediction, MaskRecord
    from napari_sam.workflows.growing.grown_object import GrownObject
    from napari_sam.workflows.objects.suspects import Suspect
    from napari_sam.workflows.queries.classes import ObjectClassifier
    from napari_sam.workflows.session.label_canvas import LabelCanvas
    from napari_sam.workflows.session.prompt_history import Draft
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

    Attributes
    ----------
    state
        The labels, what is known of their objects, the plane in view and the history.
    model_name, class_name
        For the provenance table: of the model, and the class of the objects to come.
    prompting
        What was said about the object in hand, and the work to answer it elsewhere.
    growing
        What grows along `axis`: the object in hand, and those set aside.
    edit
        Edits of objects: merge, split, grow, smooth and so on; one step each.
    classes
        What objects are sorted into: names, colours, and keys 1 to 9.
    suggestions
        Classes suggested for objects that have none, by label; see `ClassSuggestions`.
    history
        The steps so far, which can be kept beside the labels for another day.
    canvas, index
        Where the labels are written, and counts of all labels on it.
    journal
        What keeps the session on the disk, or None; tell it when labels are saved.

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
        predictor = None if image is None else as_promptable(model)
        self.model_name = predictor.name if predictor is not None else model_name
        self.class_name = ""
        self._overlap = check_overlap_rule(overlap)
        self._clock = clock or (lambda: datetime.now(UTC))
        self.state = state = SessionState(canvas)
        self.canvas, self.index = canvas, state.index
        self.prompting = Prompting(
            state, predictor, image, contrast_limits=contrast_limits, feedback=feedback
        )
        self.growing = GrowingObjects(state, self.prompting, axis, grow)
        self._rgb = rgb
        self.edit = ObjectEditing(state, self.prompting)
        self.classes = ClassList(state)
        self.history = SessionHistory(state)
        self.suggestions = ClassSuggestions(state, self.prompting)
        self.journal: SessionJournal | None = None
        if journal:
            if image is None:
                raise ValueError("a journal is about an image, and there is none")
            self.journal = SessionJournal(JournaledImage.of(image))
            state.on_step = self._note

    def _note(self) -> None:
        if self.journal is not None and self.journal.look(self):
            self.journal.write()

    @property
    def overlap(self) -> OverlapRule:
        """The overlap rule, "keep" or "overwrite"."""
        return self._overlap

    @overlap.setter
    def overlap(self, rule: str) -> None:
        self._overlap = check_overlap_rule(rule)

    @property
    def draft(self) -> Draft:
        """The object in hand on this plane: what was said, and which mask is chosen."""
        return self.state.draft

    def add_point(self, position: Sequence[float], positive: bool = True) -> None:
        """Say that the object is at (row, col), or with ``positive=False`` is not."""
        self.prompting.add_point(position, positive)

    def set_box(self, box: ArrayLike | None) -> None:
        """Say that the object fills the box (row0, col0, row1, col1); None: no box."""
        self.prompting.set_box(box)

    def set_mask(self, mask: ArrayLike | None) -> None:
        """Say that the object looks like the (H, W) mask; None takes it back."""
        self.prompting.set_mask(mask)

    def set_text(self, text: str) -> bool:
        """Say which candidate is meant, in English; see `Prompting.set_text`."""
        return self.prompting.set_text(text)

    @property
    def text(self) -> str:
        """What is said beside the prompts in hand, or else of the next object."""
        return self.prompting.text

    def set_prompts(
        self,
        points: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: ArrayLike | None = None,
    ) -> bool:
        """Replace all prompts in one step; see `Prompting.set_prompts`."""
        return self.prompting.set_prompts(points, labels, box, mask)

    def paint(self, pixels: ArrayLike, erase: bool = False) -> bool:
        """Say which (H, W) pixels belong to the object; see `Prompting.paint`."""
        return self.prompting.paint(pixels, erase)

    def clear(self) -> None:
        """Drop the prompts in hand, of an object that grows on all its planes."""
        if not self.growing.clear():
            self.prompting.clear()

    @property
    def candidates(self) -> MaskPrediction | None:
        """Candidate masks, best predicted IoU first; see `Prompting.candidates`."""
        return self.prompting.candidates

    @property
    def choice(self) -> int:
        """Index of the chosen candidate."""
        return self.prompting.choice

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(H, W) mask of the chosen candidate."""
        return self.prompting.mask

    @property
    def score(self) -> float | None:
        """Predicted IoU of the chosen candidate."""
        return self.prompting.score

    def choose(self, index: int) -> None:
        """Choose a candidate by its place in the ranking; ValueError if none is."""
        self.prompting.choose(index)

    def cycle(self) -> None:
        """Choose the next candidate, after the last the first."""
        self.prompting.cycle()

    @property
    def grown(self) -> GrownObject | None:
        """The object in hand in 3D; see `GrowingObjects.grow`."""
        return self.growing.grow(self._rgb)

    def forget_answers(self) -> None:
        """Ask the model anew, after it or the image has changed."""
        self.prompting.forget_answers()
        self.growing.forget()
        self.suggestions.forget()

    @property
    def objects(self) -> Mapping[int, Record]:
        """All objects on the canvas by label, those of unknown origin first."""
        self.state.reconcile()
        return self.state.listed()

    def listed(self) -> Mapping[int, Record]:
        """Return `objects` as they were when the canvas was last looked at."""
        return self.state.listed()

    def table(self) -> pd.DataFrame:
        """Return how each object came to be, one row each (see `provenance`)."""
        return records_table(self.objects.values())

    def commit(self) -> int:
        """Write the chosen mask as an object, return its label, start the next one.

        See `committing.commit_candidate`; it raises an OverlapError where most of the
        mask belongs to other objects that keep it.
        """
        is_new = self.draft.editing is None
        if is_new and self.growing.in_hand is not None and self.grown is not None:
            return self.growing.commit(self._commit_options())
        return committing.commit_candidate(
            self.state, self.prompting, self._commit_options
        )

    def put_aside(self) -> None:
        """Let the object in hand grow on; see `GrowingObjects.put_aside`."""
        self.growing.put_aside(self._commit_options())

    def commit_found(
        self, found: Sequence[MaskRecord], *, query: str = ""
    ) -> list[int]:
        """Write masks that were found as objects; see `committing.commit_found`."""
        options = self._commit_options()
        return committing.commit_found(self.state, found, options, query)

    def _commit_options(self) -> committing.CommitOptions:
        time = self._clock().isoformat(timespec="seconds")
        return committing.CommitOptions(
            self._overlap, self.class_name, self.model_name, time
        )

    def delete(self, label: int, here: bool = False) -> None:
        """Take an object away; see `object_edits.delete_object`."""
        object_edits.delete_object(self.state, label, here)

    def reopen(self, label: int) -> None:
        """Take an object in hand again; see `object_edits.reopen_object`."""
        object_edits.reopen_object(self.state, label)

    def suspects(self) -> list[Suspect]:
        """List the objects that look wrong; see `object_edits.find_suspects_of`."""
        return object_edits.find_suspects_of(self.state)

    def adopt(self, table: pd.DataFrame) -> list[int]:
        """Take up what a table knows of objects; see `object_edits.adopt_table`."""
        return object_edits.adopt_table(self.state, table)

    def recover(self, work: JournaledWork) -> None:
        """Take up what a session held when it ended; see `session_recovery.recover`."""
        session_recovery.recover(self.state, work)

    def set_class(self, labels: int | Iterable[int], class_name: str) -> None:
        """Give objects another class in one step; see `class_edits.set_class`."""
        class_edits.set_class(self.state, labels, class_name)

    def suggest_classes(
        self, classifier: ObjectClassifier | None = None
    ) -> ClassSuggestions:
        """Suggest classes for objects that have none; see `ClassSuggestions.make`."""
        return self.suggestions.make(classifier)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return self.state.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self.state.can_redo

    def undo(self) -> bool:
        """Undo the last step and go to its plane; False if there is none."""
        return self.state.undo()

    def redo(self) -> bool:
        """Do the last undone step again and go to its plane; False if none."""
        return self.state.redo()

    @property
    def plane(self) -> Plane:
        """The plane that prompts belong to; each has its own object in hand."""
        return self.state.plane

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self.state.plane_shape

    def go_to(self, plane: Plane | Sequence[int | None]) -> None:
        """Go to a plane, as one index or None for each axis; see `SessionState`."""
        self.state.go_to(plane)

    @property
    def labels(self) -> NDArray[Any]:
        """The label array of a session that writes to an array."""
        if not isinstance(self.canvas, ArrayCanvas):
            raise ValueError("this session writes to a canvas of its own, not an array")
        return self.canvas.array
