"""Annotating with clicks: the session behind the dock widget and in scripts.

A session knows no GUI. It holds what was said about the object in hand, the
model's candidates, the committed objects, and a history over all of it. In a
script it asks the model by itself; a window instead takes `AnnotationSession.job`,
runs it elsewhere, and brings the result to `AnnotationSession.deliver`. Both end
in the same labels.

The canvas is the truth: an object is a number on it, on any planes, whoever drew it,
and its record is what is known of it. Before objects are listed, edited, deleted or
undone, the session looks at the canvas again; see `AnnotationSession.reconcile`.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.labels import (
    next_free_label,
    pixels_to_label,
    without_fragments,
    without_rims,
)
from napari_sam.ops.types import Prompts
from napari_sam.workflows.session.canvas import (
    ArrayCanvas,
    LabelEdit,
    StackEdit,
    plan_edit,
)
from napari_sam.workflows.session.persistent_map import Versions
from napari_sam.workflows.session.prompt_history import (
    NO_DRAFT,
    Draft,
    Question,
    make_question,
)
from napari_sam.workflows.session.prompting import PromptSession
from napari_sam.workflows.session.provenance import Outline, Record, records_table
from napari_sam.workflows.session.session_state import lift_object, read_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskRecord

__all__ = ["AnnotationSession", "OverlapError"]


_LEAST_KEPT = 0.5
"""Share of a mask that must be left to it; else the user is asked to overwrite."""

_LEAST_FOUND = 0.25
"""The same for masks that were found automatically, which nobody is asked about."""


class AnnotationSession(PromptSession):
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

    # --- what becomes a label -----------------------------------------------

    @property
    def objects(self) -> Mapping[int, Record]:
        """All objects on the canvas by label, those of unknown origin first."""
        self.reconcile()
        return self.listed()

    def listed(self) -> Mapping[int, Record]:
        """Return `objects` as they were when the canvas was last looked at."""
        version, records, known = self._listed
        if version != self.index.version or records is not self._ledger.records:
            found = self._list(known)
            if list(found.items()) != list(known.items()):
                known = MappingProxyType(found)
            self._listed = (self.index.version, self._ledger.records, known)
        return known

    def _list(self, known: Mapping[int, Record]) -> dict[int, Record]:
        """List the objects; what says the same as what is known stays that."""
        records, homes = self._ledger.records, self.index.first_planes()
        strange = sorted(homes.keys() - records.keys())
        found = {}
        for label in (*strange, *(k for k in records if k in homes)):
            record = records.get(label) or Record(label)
            if not record.outlines:
                last, home = known.get(label), homes[label]
                says = (record.class_name, (), home)
                if last and (last.class_name, last.outlines, last.home) == says:
                    record = last
                else:
                    record = replace(record, home=home)
            found[label] = record
        return found

    def _record(self, label: int) -> Record:
        """Return what is known of a label: nothing, where somebody else drew it."""
        record = self._ledger.records.get(label) or Record(label)
        if not record.outlines:
            planes = self.index.planes_of(label)
            return replace(record, home=planes[0] if planes else None)
        return record

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in use, in the order of first use."""
        used = (record.class_name for record in self.listed().values())
        return tuple(dict.fromkeys(name for name in used if name))

    @property
    def labels(self) -> NDArray[Any]:
        """The label array of a session that writes to an array."""
        if not isinstance(self.canvas, ArrayCanvas):
            raise ValueError("this session writes to a canvas of its own, not an array")
        return self.canvas.array

    def table(self) -> pd.DataFrame:
        """Return how each object came to be, one row each (see `provenance`)."""
        return records_table(self.objects.values())

    @property
    def next_label(self) -> int:
        """The label that the object in hand will get."""
        editing = self.draft.editing
        return self._first_free if editing is None else editing

    @property
    def _first_free(self) -> int:
        self.reconcile()
        taken = {self._reserved, self.index.highest}
        taken.update(self._ledger.records, self._ledger.retired)
        return next_free_label(taken, self.canvas.dtype)

    def reserve(self, label: int) -> None:
        """Leave labels up to this one to somebody else who writes to the canvas."""
        self._reserved = max(self._reserved, label)

    def commit(self) -> int:
        """Write the chosen mask as an object and start the next one.

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
        mask, score = self.mask, self.score
        if mask is None or score is None:
            raise ValueError("there is nothing to keep yet: say first where it is")
        if not mask.any():
            raise ValueError("there is nothing to keep: the chosen mask is empty")
        label = self.next_label
        now = self.canvas.read(self._plane)
        granted = self._granted(now, mask, label)
        after = lift_object(self._ledger, label, now, self._plane)
        pixels = np.flatnonzero(granted)
        beneath = after.ravel()[pixels].copy()
        after[granted] = label
        outline = Outline(
            plane=self._plane,
            draft=replace(self.draft, choice=self.choice, editing=None),
            score=self._known_score(label, score),
            model=self.model_name,
            time=self._clock().isoformat(timespec="seconds"),
            pixels=pixels,
            beneath=beneath,
        )
        known = self._ledger.records.get(label)
        if known is None:
            new = self.draft.editing is None
            known = Record(label, self.class_name if new else "")
        ledger = self._ledger.with_record(known.with_outline(outline))
        edit = plan_edit(self._plane, now, after)
        self._do(ledger.with_draft(self._plane, NO_DRAFT), edit)
        return label

    def _granted(
        self, now: NDArray[Any], mask: NDArray[np.bool_], label: int
    ) -> NDArray[np.bool_]:
        """Return the pixels that an object gets of its mask, or say why it does not."""
        granted = pixels_to_label(now, mask, label, self._overlap)
        if self._overlap == "overwrite":
            return without_rims(np.where(now == label, 0, now), granted)
        if np.count_nonzero(granted) < _LEAST_KEPT * np.count_nonzero(mask):
            owners = np.unique(now[mask & ~granted]).tolist()
            raise OverlapError(owners, bool(granted.any()))
        return without_fragments(granted, mask)

    def _known_score(self, label: int, score: float) -> float:
        """Return the score of an answer; of an outline that stands, that of before."""
        if self.draft.question.outline is None:
            return score
        record = self._ledger.records.get(label)
        outline = None if record is None else record.on(self._plane)
        return float("nan") if outline is None else outline.score

    def commit_found(self, found: Sequence[MaskRecord]) -> list[int]:
        """Write masks that were found automatically as objects, in one step.

        Earlier ones get their pixels first; what the overlap rule leaves to an
        object is decided against the labels as they were before. Each object can
        be reopened with the point that found it and its box as prompts.

        Parameters
        ----------
        found
            Masks of this plane, the best first.

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
        for record in found:
            if record.rle.shape != self.plane_shape:
                raise ValueError(
                    f"a mask of shape {record.rle.shape} does not fit the plane of "
                    f"shape {self.plane_shape}"
                )
        self.reconcile()
        now = self.canvas.read(self._plane)
        after = np.array(now)
        records = self._place(found, after)
        if not records:
            raise ValueError(
                "nothing to commit: every pixel of the masks belongs to another object"
                if found
                else "nothing to commit: there is no mask"
            )
        edit = plan_edit(self._plane, now, after)
        self._do(self._ledger.with_records(records), edit)
        return [record.label for record in records]

    def _place(self, found: Sequence[MaskRecord], plane: NDArray[Any]) -> list[Record]:
        """Paint masks into (H, W) labels; return what was made of them."""
        flat = plane.reshape(-1)
        unclaimed = flat == 0
        keep = self._overlap == "keep"
        free = unclaimed.copy() if keep else np.ones(flat.size, np.bool_)
        last = self._first_free - 1
        time = self._clock().isoformat(timespec="seconds")
        records = []
        for mask in found:
            pixels = mask.rle.pixels()
            unclaimed_here = np.count_nonzero(unclaimed[pixels])
            if keep and unclaimed_here < _LEAST_FOUND * len(pixels):
                continue  # it is, for the most part, an object that is there
            pixels = pixels[free[pixels]]
            if len(pixels) == 0:
                continue
            last = next_free_label([last], self.canvas.dtype)
            outline = Outline(
                plane=self._plane,
                draft=Draft(_question_of(mask, self.plane_shape)),
                score=mask.predicted_iou,
                model=self.model_name,
                time=time,
                pixels=pixels,
                beneath=flat[pixels],
            )
            records.append(Record(last, self.class_name, (outline,)))
            free[pixels] = False
            flat[pixels] = last
        return records

    def write_planes(self, edit: StackEdit) -> None:
        """Write labels of several planes, made elsewhere, in one step.

        Undo and redo take them back and write them again.
        """
        self._do(self._ledger, edit)

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
        self.reconcile()
        self._check_is_there(label, here)
        stored = self.index.planes_of(label)
        record = self._ledger.records.get(label)
        outlines = () if record is None else record.outlines
        pixels_here = np.count_nonzero(self.canvas.read(self._plane) == label)
        if here and pixels_here < self.index.area(label):
            edit: LabelEdit | StackEdit = self._lift(label, self._plane)
            self._do(self._ledger.without_outline(label, self._plane), edit)
            return
        planes = [one.plane for one in outlines if one.plane not in stored]
        edits = [self._lift(label, plane) for plane in (*planes, *stored)]
        home = edits[0].plane if len(edits) == 1 else self._plane
        edit = edits[0] if len(edits) == 1 else StackEdit(tuple(edits))
        self._do(self._ledger.without_object(label), edit, home)

    def _lift(self, label: int, plane: Plane) -> LabelEdit:
        now = self.canvas.read(plane)
        return plan_edit(plane, now, lift_object(self._ledger, label, now, plane))

    def _check_is_there(self, label: int, here: bool) -> None:
        if label > 0 and here and (self.canvas.read(self._plane) == label).any():
            return
        if here or label not in self.index:
            where = " on this plane" if here else ""
            raise ValueError(
                f"there is no object {label}{where}; the objects are "
                f"{_some_of(sorted(self.index.labels))}"
            )

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
        self.reconcile()
        self._check_is_there(label, here=False)
        plane = self._plane_to_reopen(label)
        mask = self.canvas.read(plane) == label
        record = self._ledger.records.get(label)
        outline = None if record is None else record.on(plane)
        shape = plane.shape_in(self.canvas.shape)
        if outline is None:
            draft = Draft(make_question(shape, outline=mask), 0, label)
        elif np.array_equal(np.flatnonzero(mask), outline.pixels):
            draft = replace(outline.draft, editing=label)
        else:
            draft = _corrected(outline, mask, label)
        self._set_draft(draft, plane)

    def _plane_to_reopen(self, label: int) -> Plane:
        if (self.canvas.read(self._plane) == label).any():
            return self._plane
        record = self._record(label)
        for outline in reversed(record.outlines):
            if (self.canvas.read(outline.plane) == label).any():
                return outline.plane
        return self.index.planes_of(label)[0]

    def set_class(self, label: int, class_name: str) -> None:
        """Give an object another class name.

        Raises
        ------
        ValueError
            If there is no such object.
        """
        self.reconcile()
        self._check_is_there(label, here=False)
        record = self._record(label)
        if record.class_name != class_name:
            renamed = replace(record, class_name=class_name)
            ledger = self._ledger.with_record(renamed)
            latest = record.latest
            self._do(ledger, None, self._plane if latest is None else latest.plane)

    def adopt(self, table: pd.DataFrame) -> list[int]:
        """Take up what a table of an earlier session knows of the objects.

        Rows whose label is no longer there, and prompts that cannot be read, are left
        out; what this session knows already stays.

        Returns
        -------
        list of int
            Labels of which something was taken up. This is not a step of the history.
        """
        self.reconcile()
        records = dict(self._ledger.records)
        taken = []
        for row in table.to_dict("records"):
            record = read_record(row, self.canvas)
            if record is None or record.label in records:
                continue
            if not record.outlines and not self._is_plain(record):
                continue
            records[record.label] = record
            taken.append(record.label)
        self._ledger = replace(self._ledger, records=Versions(records))
        return taken

    def _is_plain(self, record: Record) -> bool:
        """Whether a record without outlines tells anything of an object here."""
        return bool(record.class_name) and record.label in self.index


class OverlapError(ValueError):
    """Most of a mask belongs to other objects, and the overlap rule leaves it there.

    Attributes
    ----------
    owners
        Labels of the objects that have the pixels.
    """

    def __init__(self, owners: list[int], some: bool) -> None:
        self.owners = owners
        which = f"object {owners[0]}" if len(owners) == 1 else "other objects"
        part = "more than half" if some else "every pixel"
        super().__init__(
            f"{part} of the mask belongs to {which}; overwrite, or change the prompts"
        )


def _some_of(labels: list[int]) -> str:
    if not labels:
        return "none"
    more = f" and {len(labels) - 20} more" if len(labels) > 20 else ""
    return f"{', '.join(str(label) for label in labels[:20])}{more}"


def _corrected(outline: Outline, mask: NDArray[np.bool_], label: int) -> Draft:
    """Return the draft of an object that was changed on the canvas since it was made.

    What was painted and erased by hand holds when clicks are added.
    """
    made = np.zeros(mask.shape, np.bool_)
    made.ravel()[outline.pixels] = True
    known = outline.draft.edits
    edits = known.then(mask & ~made, made & ~mask) if made.any() else known
    edits = edits.as_in(mask)  # the overlap rule may have decided otherwise
    prompts = outline.draft.question.prompts
    question = make_question(
        mask.shape, prompts.points, prompts.labels, prompts.box, outline=mask
    )
    return Draft(question, 0, label, edits)


_ONE_POSITIVE = np.ones(1, np.int64)
_ONE_POSITIVE.setflags(write=False)


def _question_of(found: MaskRecord, shape: tuple[int, int]) -> Question:
    """Return the prompts with which an automatic mask is taken in hand again.

    As `make_question` would, but without its checks, for there may be thousands.
    """
    row, col = found.point
    if not (-0.5 <= row <= shape[0] - 0.5 and -0.5 <= col <= shape[1] - 0.5):
        raise ValueError(f"point {found.point} lies outside the plane of shape {shape}")
    point = np.array([(row, col)], np.float32)
    box = np.array(found.bbox, np.float32)
    for array in (point, box):
        array.setflags(write=False)
    return Question(Prompts(point, _ONE_POSITIVE, box))
