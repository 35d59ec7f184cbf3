"""What a session knows: drafts, records of objects, and what their labels hide.

The canvas is the truth about which objects there are; a record tells what is known of
one. A record whose label is not on the canvas is kept, for the pixels may come back.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.canvas import ArrayCanvas
from napari_sam.workflows.session.persistent_map import Versions
from napari_sam.workflows.session.prompt_history import NO_DRAFT
from napari_sam.workflows.session.provenance import (
    Outline,
    Record,
    draft_from_json,
    pixels_digest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_sam.workflows.session.canvas import LabelCanvas, LabelEdit, StackEdit
    from napari_sam.workflows.session.prompt_history import Draft

__all__ = ["Ledger", "Step", "lift_object", "make_canvas", "read_record"]


@dataclass(frozen=True, eq=False)
class Ledger:
    """All that undo and redo bring back, besides the labels themselves.

    Attributes
    ----------
    drafts
        The object in hand on each plane that has one.
    records
        What is known of objects, by label.
    retired
        Labels of deleted objects; they are not given out again.
    erased
        The planes on which just that outline was deleted, by label.
    """

    drafts: Mapping[Plane, Draft] = field(default_factory=dict)
    records: Versions[Record] = field(default_factory=Versions)
    retired: Versions[bool] = field(default_factory=Versions)
    erased: Versions[frozenset[Plane]] = field(default_factory=Versions)

    def with_draft(self, plane: Plane, draft: Draft) -> Ledger:
        """Return the ledger with another object in hand on a plane."""
        drafts = {p: d for p, d in self.drafts.items() if p != plane}
        if not draft.is_empty:
            drafts[plane] = draft
        return replace(self, drafts=drafts)

    def with_record(self, record: Record) -> Ledger:
        """Return the ledger with an object committed."""
        return self.with_records([record])

    def with_records(self, records: Iterable[Record]) -> Ledger:
        """Return the ledger with objects committed."""
        added = {record.label: record for record in records}
        made = {r.label: r.latest.plane for r in added.values() if r.latest}
        again = {
            label: self.erased[label] - {plane}
            for label, plane in made.items()
            if plane in self.erased.get(label, ())
        }
        erased = self.erased.updated(again) if again else self.erased
        return replace(self, records=self.records.updated(added), erased=erased)

    def without_object(self, label: int) -> Ledger:
        """Return the ledger with an object deleted, and no draft that edits it."""
        records = self.records.without([label])
        drafts = {p: d for p, d in self.drafts.items() if d.editing != label}
        retired = self.retired.updated({label: True})
        return replace(self, drafts=drafts, records=records, retired=retired)

    def without_outline(self, label: int, plane: Plane) -> Ledger:
        """Return the ledger with an object deleted on one of its planes."""
        drafts = dict(self.drafts)
        if drafts.get(plane, NO_DRAFT).editing == label:
            del drafts[plane]
        records = self.records
        if label in records:
            records = records.updated({label: records[label].without_plane(plane)})
        planes = self.erased.get(label, frozenset()) | {plane}
        erased = self.erased.updated({label: planes})
        return replace(self, drafts=drafts, records=records, erased=erased)


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the history: the ledger on both sides, and the label edit."""

    plane: Plane
    before: Ledger
    after: Ledger
    edit: LabelEdit | StackEdit | None = None


def lift_object(
    ledger: Ledger, label: int, labels: NDArray[Any], plane: Plane
) -> NDArray[Any]:
    """Return (H, W) labels without an object: what lay beneath it comes back.

    A pixel goes back to the object that it was taken from, if that object still
    claims it: it was not deleted, nor committed anew without the pixel.
    """
    lifted = labels.copy()
    flat = lifted.ravel()
    own = np.flatnonzero(flat == label)
    flat[own] = 0
    record = ledger.records.get(label)
    outline = None if record is None else record.on(plane)
    if outline is None:
        return lifted
    kept = np.isin(outline.pixels, own)
    pixels, beneath = outline.pixels[kept], outline.beneath[kept]
    for value in np.unique(beneath[beneath != 0]).tolist():
        back = pixels[beneath == value]
        other = ledger.records.get(value)
        below = None if other is None else other.on(plane)
        if below is not None:
            back = back[np.isin(back, below.pixels)]
        elif (
            value in ledger.retired or plane in ledger.erased.get(value, ())
        ) and value not in flat:  # nobody drew it anew
            continue
        flat[back] = value
    return lifted


def read_record(row: Mapping[Any, Any], canvas: LabelCanvas) -> Record | None:
    """Read what is known of an object from a row of the table.

    Returns
    -------
    Record or None
        None if the row is about no label. Outlines that cannot be read, or whose plane
        does not show the object any more, are left out.
    """
    try:
        label = int(row["index"])
    except (KeyError, TypeError, ValueError):
        return None
    if label <= 0:
        return None
    others: list[Any] = []
    with suppress(TypeError, ValueError):
        others = json.loads(row.get("other_planes") or "[]")
    known = (_read_outline(label, given, canvas) for given in (*others, row))
    outlines = tuple(outline for outline in known if outline is not None)
    name = row.get("class", "")
    return Record(label, name if isinstance(name, str) else "", outlines)


def _read_outline(label: int, given: Any, canvas: LabelCanvas) -> Outline | None:
    """Read an outline; its pixels are none if they were changed since it was made."""
    try:
        index = given["plane"]
        plane = Plane(tuple(json.loads(index) if isinstance(index, str) else index))
        draft = draft_from_json(given["prompts"], plane.shape_in(canvas.shape))
        score = float(given["score"])
        model, time = str(given["model"]), str(given["time"])
    except (KeyError, TypeError, ValueError):
        return None
    pixels = np.flatnonzero(canvas.read(plane) == label)
    if len(pixels) == 0:
        return None
    digest = given.get("digest")
    if not isinstance(digest, str) or digest == pixels_digest(pixels):
        digest = ""
    elif digest:
        pixels = pixels[:0]
    beneath = np.zeros(len(pixels), canvas.dtype)
    return Outline(plane, draft, score, model, time, pixels, beneath, digest)


def make_canvas(
    image: Any, labels: NDArray[Any] | LabelCanvas | None, rgb: bool
) -> LabelCanvas:
    """Return where a session writes: the labels given, or zeros like the image.

    Raises
    ------
    ValueError
        If neither is given or their shapes differ.
    """
    wanted: tuple[int, ...] | None = None
    if image is not None:
        wanted = tuple(image.shape[:-1] if rgb else image.shape)
        if len(wanted) < 2:
            raise ValueError(f"image must have two axes or more, got shape {wanted}")
    if labels is None:
        if wanted is None:
            raise ValueError("give an image, or labels to write to")
        return ArrayCanvas(np.zeros(wanted, np.int32))
    canvas = ArrayCanvas(labels) if isinstance(labels, np.ndarray) else labels
    if wanted is not None and tuple(canvas.shape) != wanted:
        raise ValueError(
            f"labels of shape {tuple(canvas.shape)} do not fit an image of shape "
            f"{wanted}{' with colour' if rgb else ''}"
        )
    return canvas
