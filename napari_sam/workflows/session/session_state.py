"""The state of a session: the canvas, what is known of its objects, and the history.

The canvas is the truth: an object is a number on it, on any planes, whoever drew it.
All that prompts, commits and edits do comes down to `SessionState.do`, one step of
the history each, which is written as a whole or not at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.labels import next_free_label
from napari_sam.ops.object_classes import with_names
from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.history import History
from napari_sam.workflows.session.immutable_map import ImmutableMap
from napari_sam.workflows.session.object_index import (
    ObjectIndex,
    count_planes,
    planes_of_array,
)
from napari_sam.workflows.session.prompt_history import NO_DRAFT
from napari_sam.workflows.session.snapshot import Snapshot, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.workflows.session.label_canvas import (
        LabelCanvas,
        LabelEdit,
        StackEdit,
    )
    from napari_sam.workflows.session.prompt_history import Draft
    from napari_sam.workflows.session.provenance import Record

__all__ = ["SessionState"]


class SessionState:
    """Where a session is: its canvas, its plane, its objects, its history.

    Parameters
    ----------
    canvas
        Where the labels are.

    Attributes
    ----------
    canvas
        The same.
    index
        Counts of all labels on it.
    snapshot
        Drafts and records, between two steps.
    on_step
        Called after each step forward or back.
    """

    def __init__(self, canvas: LabelCanvas) -> None:
        self.canvas = canvas
        self.index = ObjectIndex(canvas)
        self.snapshot = Snapshot()
        self._plane = Plane((0,) * (len(canvas.shape) - 2) + (None, None))
        self._history: History[Step] = History()
        self._listed: tuple[int, object, Mapping[int, Record]] = (-1, None, {})
        self._reserved = 0
        self.on_step: Callable[[], object] | None = None
        if not canvas.is_large:
            self.index.refresh()

    # --- where we are -------------------------------------------------------

    @property
    def plane(self) -> Plane:
        """The plane that prompts belong to."""
        return self._plane

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(H, W) of the plane."""
        return self._plane.shape_in(self.canvas.shape)

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
    def draft(self) -> Draft:
        """The object in hand on this plane."""
        return self.snapshot.drafts.get(self._plane, NO_DRAFT)

    # --- steps --------------------------------------------------------------

    def set_draft(self, draft: Draft, plane: Plane | None = None) -> None:
        """Take another object in hand, on this plane by default: one step."""
        plane = plane or self._plane
        self.do(self.snapshot.with_draft(plane, draft), None, plane)

    def do(
        self,
        snapshot: Snapshot,
        edit: LabelEdit | StackEdit | None,
        plane: Plane | None = None,
    ) -> None:
        """Make a step; snapshot and plane move only once its edit is written."""
        plane = plane or self._plane
        self._write(edit, forward=True)
        self._history.push(Step(plane, self.snapshot, snapshot, edit))
        self.snapshot, self._plane = snapshot, plane
        self._tell()

    def _tell(self) -> None:
        if self.on_step is not None:
            self.on_step()

    def write_planes(self, edit: StackEdit) -> None:
        """Write labels of several planes, made elsewhere, in one step.

        Undo and redo take them back and write them again.
        """
        self.do(self.snapshot, edit)

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._history.can_redo

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that can be undone, the oldest first."""
        return self._history.done

    def take_up(self, steps: Sequence[Step]) -> None:
        """Take up steps that led here in another session; there is none yet."""
        for step in steps:
            self._history.push(step)

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
        self.snapshot, self._plane = step.before, step.plane
        self._tell()
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
        self.snapshot, self._plane = step.after, step.plane
        self._tell()
        return True

    def _write(self, edit: LabelEdit | StackEdit | None, forward: bool) -> None:
        """Write an edit or take it back, as a whole or not at all."""
        if edit is None:
            return
        before = [
            (one.plane, one.pixels, self._values(one.plane, one.pixels))
            for one in edit.edits
        ]
        planes = Counter(one.plane for one in edit.edits)
        known = {p for p, n in planes.items() if n == 1 and self.index.is_true(p)}
        try:
            (edit.apply if forward else edit.revert)(self.canvas)
        except BaseException:
            for plane, pixels, values in before:
                rows, cols = np.divmod(pixels, plane.shape_in(self.canvas.shape)[1])
                self.canvas.restore(plane, rows, cols, values)
            raise
        counted = {
            plane: self.index.recount(plane, values, self._values(plane, pixels))
            for plane, pixels, values in before
            if plane in known
        }
        others = {p for plane in planes.keys() - known for p in self._stored(plane)}
        counted |= count_planes(self.canvas, others, {})
        self.index.take(counted)

    def _values(self, plane: Plane, pixels: NDArray[np.intp]) -> NDArray[Any]:
        """Return the labels of some pixels of a plane."""
        return np.asarray(self.canvas.read(plane).ravel()[pixels])

    # --- the canvas ---------------------------------------------------------

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
            planes = self._stored(self._plane)
        changed = self.index.refresh(planes)
        records = self.snapshot.records
        returned = (self.index.labels - before) & records.keys()
        unknown = [k for k in returned if not self._is_known(records[k])]
        if unknown:
            self.snapshot = replace(self.snapshot, records=records.without(unknown))
        return bool(changed)

    def _stored(self, plane: Plane) -> list[Plane]:
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

    # --- the objects --------------------------------------------------------

    def listed(self) -> Mapping[int, Record]:
        """Return all objects by label, as the canvas was when last looked at."""
        version, records, known = self._listed
        if version != self.index.version or records is not self.snapshot.records:
            found = self._list(known)
            if list(found.items()) != list(known.items()):
                known = MappingProxyType(found)
            self._listed = (self.index.version, self.snapshot.records, known)
        return known

    def _list(self, known: Mapping[int, Record]) -> dict[int, Record]:
        """List the objects; what says the same as what is known stays that."""
        records, first_planes = self.snapshot.records, self.index.first_planes()
        unknown = sorted(first_planes.keys() - records.keys())
        found = {}
        for label in (*unknown, *(k for k in records if k in first_planes)):
            record = self.snapshot.record(label)
            if not record.outlines:
                last, home = known.get(label), first_planes[label]
                says = (record.class_name, (), home)
                if last and (last.class_name, last.outlines, last.home) == says:
                    record = last
                else:
                    record = replace(record, home=home)
            found[label] = record
        return found

    def record(self, label: int) -> Record:
        """Return what is known of a label: only where, if somebody else drew it."""
        record = self.snapshot.record(label)
        if not record.outlines:
            planes = self.index.planes_of(label)
            return replace(record, home=planes[0] if planes else None)
        return record

    def add_records(self, records: Mapping[int, Record]) -> None:
        """Take up what is known from elsewhere; not a step of the history."""
        every = ImmutableMap({**self.snapshot.records, **records})
        named = (record.class_name for record in records.values())
        classes = with_names(self.snapshot.classes, named)
        self.snapshot = replace(self.snapshot, records=every, classes=classes)

    def check_exists(self, label: int, here: bool = False) -> None:
        """Raise ValueError if an object is not there, or not on this plane."""
        if label > 0 and here and (self.canvas.read(self._plane) == label).any():
            return
        if here or label not in self.index:
            where = " on this plane" if here else ""
            raise ValueError(
                f"there is no object {label}{where}; the objects are "
                f"{_some_of(sorted(self.index.labels))}"
            )

    def reserve(self, label: int) -> None:
        """Leave labels up to this one to somebody else who writes to the canvas."""
        self._reserved = max(self._reserved, label)

    def first_free_label(self) -> int:
        """Return the label of the next new object."""
        self.reconcile()
        return self.unused_label()

    @property
    def next_label(self) -> int:
        """The label that the object in hand will get."""
        editing = self.draft.editing
        return self.first_free_label() if editing is None else editing

    def unused_label(self) -> int:
        """Return the same as the canvas was when last looked at."""
        taken = {self._reserved, self.index.highest}
        taken.update(self.snapshot.records, self.snapshot.deleted_labels)
        return next_free_label(taken, self.canvas.dtype)


def _some_of(labels: list[int]) -> str:
    if not labels:
        return "none"
    more = f" and {len(labels) - 20} more" if len(labels) > 20 else ""
    return f"{', '.join(str(label) for label in labels[:20])}{more}"
