"""What undo and redo bring back besides the labels: drafts and records of objects.

The canvas is the truth about which objects there are; a record tells what is known of
one. A record whose label is not on the canvas is kept, for the pixels may come back.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.object_classes import with_names
from napari_sam.workflows.session.immutable_map import ImmutableMap
from napari_sam.workflows.session.prompt_history import NO_DRAFT
from napari_sam.workflows.session.provenance import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.session.label_canvas import LabelEdit, StackEdit
    from napari_sam.workflows.session.prompt_history import Draft

__all__ = ["Snapshot", "Step"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A session between two steps, without the labels themselves.

    Attributes
    ----------
    drafts
        The object in hand on each plane that has one.
    records
        What is known of objects, by label.
    deleted_labels
        Labels of deleted objects; they are not given out again.
    deleted_planes
        The planes on which just that outline was deleted, by label.
    classes
        What objects are sorted into; each class that an object was given is there.
    """

    drafts: Mapping[Plane, Draft] = field(default_factory=dict)
    records: ImmutableMap[Record] = field(default_factory=ImmutableMap)
    deleted_labels: ImmutableMap[bool] = field(default_factory=ImmutableMap)
    deleted_planes: ImmutableMap[frozenset[Plane]] = field(default_factory=ImmutableMap)
    classes: tuple[ObjectClass, ...] = ()

    def record(self, label: int) -> Record:
        """Return what is known of a label: nothing but the number, if that."""
        return self.records.get(label) or Record(label)

    def with_draft(self, plane: Plane, draft: Draft) -> Snapshot:
        """Return the snapshot with another object in hand on a plane."""
        drafts = {p: d for p, d in self.drafts.items() if p != plane}
        if not draft.is_empty:
            drafts[plane] = draft
        return replace(self, drafts=drafts)

    def with_record(self, record: Record) -> Snapshot:
        """Return the snapshot with an object committed."""
        return self.with_records([record])

    def with_records(self, records: Iterable[Record]) -> Snapshot:
        """Return the snapshot with objects committed."""
        added = {record.label: record for record in records}
        made = {r.label: r.latest.plane for r in added.values() if r.latest}
        again = {
            label: self.deleted_planes[label] - {plane}
            for label, plane in made.items()
            if plane in self.deleted_planes.get(label, ())
        }
        deleted = self.deleted_planes.updated(again) if again else self.deleted_planes
        records_now = self.records.updated(added)
        classes = with_names(self.classes, (r.class_name for r in added.values()))
        return replace(
            self, records=records_now, deleted_planes=deleted, classes=classes
        )

    def without_object(self, label: int) -> Snapshot:
        """Return the snapshot with an object deleted, and no draft that edits it."""
        records = self.records.without([label])
        drafts = {p: d for p, d in self.drafts.items() if d.editing != label}
        deleted = self.deleted_labels.updated({label: True})
        return replace(self, drafts=drafts, records=records, deleted_labels=deleted)

    def without_outline(self, label: int, plane: Plane) -> Snapshot:
        """Return the snapshot with an object deleted on one of its planes."""
        drafts = dict(self.drafts)
        if drafts.get(plane, NO_DRAFT).editing == label:
            del drafts[plane]
        records = self.records
        if label in records:
            records = records.updated({label: records[label].without_plane(plane)})
        planes = self.deleted_planes.get(label, frozenset()) | {plane}
        deleted = self.deleted_planes.updated({label: planes})
        return replace(self, drafts=drafts, records=records, deleted_planes=deleted)

    def labels_without(
        self, label: int, labels: NDArray[Any], plane: Plane
    ) -> NDArray[Any]:
        """Return (H, W) labels without an object: what lay beneath it comes back.

        A pixel goes back to the object that it was taken from, if that object still
        claims it: it was not deleted, nor committed anew without the pixel.
        """
        remaining = labels.copy()
        flat = remaining.ravel()
        own = np.flatnonzero(flat == label)
        flat[own] = 0
        record = self.records.get(label)
        outline = None if record is None else record.on(plane)
        if outline is None:
            return remaining
        kept = np.isin(outline.pixels, own)
        pixels, beneath = outline.pixels[kept], outline.beneath[kept]
        for value in np.unique(beneath[beneath != 0]).tolist():
            back = pixels[beneath == value]
            other = self.records.get(value)
            below = None if other is None else other.on(plane)
            if below is not None:
                back = back[np.isin(back, below.pixels)]
            elif self._is_deleted(value, plane) and value not in flat:
                continue  # nobody drew it anew
            flat[back] = value
        return remaining

    def _is_deleted(self, label: int, plane: Plane) -> bool:
        deleted_here = self.deleted_planes.get(label, ())
        return label in self.deleted_labels or plane in deleted_here


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the history: the snapshot on both sides, and the label edit."""

    plane: Plane
    before: Snapshot
    after: Snapshot
    edit: LabelEdit | StackEdit | None = None
