"""Annotating with clicks: the session behind the dock widget and in scripts.

A session knows no GUI. It holds what was said about the object in hand, the
model's candidates, the committed objects, and a history over all of it. In a
script it asks the model by itself; a window instead takes `AnnotationSession.job`,
runs it elsewhere, and brings the result to `AnnotationSession.deliver`. Both end
in the same labels.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.labels import next_free_label, pixels_to_label
from napari_sam.ops.types import Prompts
from napari_sam.workflows.canvas import ArrayCanvas, plan_edit
from napari_sam.workflows.drafts import NO_DRAFT, Draft, Question, make_question
from napari_sam.workflows.ledger import lift_object, read_record
from napari_sam.workflows.prompting import PromptSession
from napari_sam.workflows.provenance import Record, records_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.ops.types import MaskRecord
    from napari_sam.workflows.canvas import StackEdit

__all__ = ["AnnotationSession"]


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
        editing = self.draft.editing
        return self._first_free if editing is None else editing

    @property
    def _first_free(self) -> int:
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
        ledger = self._ledger.with_record(record).with_draft(self._plane, NO_DRAFT)
        self._do(ledger, plan_edit(self._plane, now, after))
        return label

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
            The labels, in the order of the masks; a mask that is left no pixel
            gets none.

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
        free = flat == 0 if self._overlap == "keep" else np.ones(flat.size, np.bool_)
        last = self._first_free - 1
        time = self._clock().isoformat(timespec="seconds")
        records = []
        for mask in found:
            pixels = mask.rle.pixels()
            pixels = pixels[free[pixels]]
            if len(pixels) == 0:
                continue
            last = next_free_label([last], self.canvas.dtype)
            record = Record(
                label=last,
                plane=self._plane,
                draft=Draft(_question_of(mask, self.plane_shape)),
                class_name=self.class_name,
                score=mask.predicted_iou,
                model=self.model_name,
                time=time,
                pixels=pixels,
                beneath=flat[pixels],
            )
            records.append(record)
            free[pixels] = False
            flat[pixels] = last
        return records

    def write_planes(self, edit: StackEdit) -> None:
        """Write labels of several planes, made elsewhere, in one step.

        Undo and redo take them back and write them again.
        """
        self._do(self._ledger, edit)

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

    def _record(self, label: int) -> Record:
        record = self._ledger.records.get(label)
        if record is None:
            raise ValueError(
                f"object {label} was not made in this session; "
                f"its objects are {sorted(self._ledger.records)}"
            )
        return record


_ONE_POSITIVE = np.ones(1, np.int64)
_ONE_POSITIVE.setflags(write=False)


def _question_of(found: MaskRecord, shape: tuple[int, int]) -> Question:
    """Return the prompts with which an automatic mask is taken in hand again.

    As `make_question` would, but without its checks, for there may be thousands.
    """
    row, col = found.point
    if not (-0.5 <= row <= shape[0] - 0.5 and -0.5 <= col <= shape[1] - 0.5):
        raise ValueError(f"point {found.point} lies outside the plane of shape {shape}")
    top, left, bottom, right = found.bbox
    point = np.array([(row, col)], np.float32)
    box = np.array((top, left, bottom - 1, right - 1), np.float32)
    for array in (point, box):
        array.setflags(write=False)
    return Question(Prompts(point, _ONE_POSITIVE, box))
