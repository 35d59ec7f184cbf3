"""The books of a session: drafts, committed objects, and what their labels hide."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.planes import Plane
from napari_sam.workflows.canvas import ArrayCanvas
from napari_sam.workflows.provenance import Record, draft_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_sam.workflows.canvas import LabelCanvas, LabelEdit, StackEdit
    from napari_sam.workflows.drafts import Draft

__all__ = ["Ledger", "Step", "lift_object", "make_canvas", "read_record"]


@dataclass(frozen=True, eq=False)
class Ledger:
    """All that undo and redo bring back, besides the labels themselves.

    Attributes
    ----------
    drafts
        The object in hand on each plane that has one.
    records
        The committed objects by label.
    retired
        Labels of deleted objects; they are not given out again.
    """

    drafts: Mapping[Plane, Draft] = field(default_factory=dict)
    records: Mapping[int, Record] = field(default_factory=dict)
    retired: frozenset[int] = frozenset()

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
        return replace(self, records={**self.records, **added})

    def without_record(self, label: int) -> Ledger:
        """Return the ledger with an object deleted, and no draft that edits it."""
        records = {k: r for k, r in self.records.items() if k != label}
        drafts = {p: d for p, d in self.drafts.items() if d.editing != label}
        return Ledger(drafts, records, self.retired | {label})


@dataclass(frozen=True, eq=False)
class Step:
    """One step of the history: the ledger on both sides, and the label edit."""

    plane: Plane
    before: Ledger
    after: Ledger
    edit: LabelEdit | StackEdit | None = None


def lift_object(ledger: Ledger, label: int, labels: NDArray[Any]) -> NDArray[Any]:
    """Return (H, W) labels without an object: what lay beneath it comes back.

    A pixel goes back to the object that it was taken from, if that object still
    claims it: it was not deleted, nor committed anew without the pixel.
    """
    lifted = labels.copy()
    flat = lifted.ravel()
    own = np.flatnonzero(flat == label)
    flat[own] = 0
    record = ledger.records.get(label)
    if record is None:
        return lifted
    kept = np.isin(record.pixels, own)
    pixels, beneath = record.pixels[kept], record.beneath[kept]
    for value in np.unique(beneath[beneath != 0]).tolist():
        back = pixels[beneath == value]
        other = ledger.records.get(value)
        if other is not None:
            back = back[np.isin(back, other.pixels)]
        elif value in ledger.retired:
            continue
        flat[back] = value
    return lifted


def read_record(row: Mapping[Any, Any], canvas: LabelCanvas) -> Record | None:
    """Read an object from a row of the table; None if it is not (or no longer) one."""
    try:
        label = int(row["index"])
        plane = Plane(tuple(json.loads(row["plane"])))
        draft = draft_from_json(row["prompts"], plane.shape_in(canvas.shape))
        score = float(row["score"])
        texts = {key: str(row[key]) for key in ("class", "model", "time")}
    except (KeyError, TypeError, ValueError):
        return None
    pixels = np.flatnonzero(canvas.read(plane) == label)
    if label <= 0 or len(pixels) == 0:
        return None
    return Record(
        label=label,
        plane=plane,
        draft=draft,
        class_name=texts["class"],
        score=score,
        model=texts["model"],
        time=texts["time"],
        pixels=pixels,
        beneath=np.zeros(len(pixels), canvas.dtype),
    )


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
