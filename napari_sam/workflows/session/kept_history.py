"""The latest steps of a session, kept with its labels and taken up another day."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.io.edit_histories import (
    StoredEdit,
    StoredHistory,
    StoredStep,
    read_history,
    write_history,
)
from napari_sam.ops.object_classes import classes_from_json, classes_to_json
from napari_sam.ops.planes import Plane
from napari_sam.workflows.session.label_canvas import LabelEdit, StackEdit
from napari_sam.workflows.session.provenance import COLUMNS, read_record
from napari_sam.workflows.session.snapshot import Step

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.workflows.session.label_canvas import LabelCanvas
    from napari_sam.workflows.session.session_state import SessionState
    from napari_sam.workflows.session.snapshot import Snapshot

__all__ = ["MOST_PIXELS", "MOST_STEPS", "SessionHistory"]

MOST_STEPS = 200
"""Steps that are kept."""

MOST_PIXELS = 4_000_000
"""Pixels that they change together; older steps than these are left out."""


class SessionHistory:
    """The steps of a session that are kept with its labels, as `session.history`.

    Steps of prompts alone are left out: undo goes from one change of the objects to the
    one before. Of the others the latest are kept, `MOST_STEPS` of them at the most, and
    so many that they change `MOST_PIXELS` together.

    Parameters
    ----------
    state
        The labels and the history.
    """

    def __init__(self, state: SessionState) -> None:
        self._state = state

    def kept(self) -> StoredHistory:
        """Return the steps that are kept, to be written on any thread."""
        kept: list[StoredStep] = []
        state, left = self._state, MOST_PIXELS
        for step in reversed(state.steps):
            stored = _stored(step)
            left -= sum(len(edit.pixels) for edit in stored.edits)
            if left < 0 or len(kept) == MOST_STEPS:
                break
            if stored.edits or stored.rows or stored.classes is not None:
                kept.append(stored)
        planes = {edit.plane for step in kept for edit in step.edits}
        digests = {plane: _digest(state.canvas, Plane(plane)) for plane in planes}
        return StoredHistory(tuple(state.canvas.shape), digests, tuple(kept[::-1]))

    def write(self, labels: str | Path) -> Path:
        """Write the steps beside a file of the labels, as ``NAME.history.npz``.

        Raises
        ------
        OSError
            If they cannot be written; what was there before stays.
        """
        return write_history(labels, self.kept())

    def read(self, labels: str | Path) -> int:
        """Take up the steps that were written beside a file of the labels.

        Only a session without a step of its own takes them up, and only where the
        planes that they changed are as they were left.

        Returns
        -------
        int
            How many steps can be undone now; 0 where there are none, or they do not
            fit.

        Raises
        ------
        ValueError
            If the file is no history.
        OSError
            If it cannot be read.
        """
        state, history = self._state, read_history(labels)
        if history is None or state.steps or state.canvas.shape != history.shape:
            return 0
        try:
            for index, digest in history.digests.items():
                if _digest(state.canvas, Plane(index)) != digest:
                    return 0
            steps = _read_steps(state, history)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError):
            return 0  # it tells of no planes, pixels or classes of these labels
        state.take_up(steps)
        return len(steps)


def _stored(step: Step) -> StoredStep:
    edits = () if step.edit is None else step.edit.edits
    before, after = step.before, step.after
    changed = sorted(after.records.differing_from(before.records))
    rows: dict[int, list[Any] | None] = {}
    for label in changed:
        record = before.records.get(label)
        rows[label] = None if record is None else list(record.row)
    has_classes = before.classes != after.classes
    return StoredStep(
        step.plane.index,
        tuple(
            StoredEdit(
                one.plane.index,
                np.asarray(one.pixels, np.int64),
                np.asarray(one.before, np.int64),
                np.asarray(one.after, np.int64),
            )
            for one in edits
        ),
        rows,
        classes_to_json(before.classes) if has_classes else None,
    )


def _read_steps(state: SessionState, history: StoredHistory) -> list[Step]:
    """Go back step by step, on planes of our own, and return the steps in order."""
    past = _PastCanvas(state.canvas)
    after = state.snapshot
    steps = []
    for stored in reversed(history.steps):
        edit = StackEdit(tuple(_edit(one, past) for one in stored.edits))
        edit.revert(past)
        before = _before(stored, after, past)
        steps.append(Step(Plane(stored.plane), before, after, edit))
        after = before
    return steps[::-1]


def _edit(stored: StoredEdit, canvas: LabelCanvas) -> LabelEdit:
    plane, kind = Plane(stored.plane), np.iinfo(canvas.dtype)
    height, width = plane.shape_in(canvas.shape)
    values = np.concatenate([stored.before, stored.after])
    if len(values) and not kind.min <= values.min() <= values.max() <= kind.max:
        raise ValueError("the labels have numbers that their type cannot hold")
    if len(stored.pixels) and not (
        0 <= stored.pixels[0] <= stored.pixels[-1] < height * width
        and (np.diff(stored.pixels) > 0).all()
    ):
        raise ValueError("the pixels do not lie in the plane")
    before, after = (v.astype(canvas.dtype) for v in (stored.before, stored.after))
    return LabelEdit(plane, stored.pixels.astype(np.intp), before, after)


def _before(stored: StoredStep, after: Snapshot, canvas: LabelCanvas) -> Snapshot:
    """Return what was known before a step; `canvas` shows the labels as of then."""
    read: dict[int, Any] = {
        label: row and read_record(dict(zip(COLUMNS, row, strict=False)), canvas)
        for label, row in stored.rows.items()
    }
    known = {label: record for label, record in read.items() if record}
    records = after.records.updated(known)
    records = records.without([n for n in read if n not in known and n in records])
    classes = after.classes
    if stored.classes is not None:
        classes = classes_from_json(stored.classes)
    return replace(after, drafts={}, records=records, classes=classes)


def _digest(canvas: LabelCanvas, plane: Plane) -> str:
    """Return a digest of the labels of a plane, whatever their type."""
    labels = np.ascontiguousarray(canvas.read(plane), np.int64)
    return xxhash.xxh3_64_hexdigest(labels.data)


class _PastCanvas:
    """Planes of a canvas as they were: copies, where they are written to."""

    is_large = True

    def __init__(self, canvas: LabelCanvas) -> None:
        self._canvas = canvas
        self._planes: dict[Plane, NDArray[Any]] = {}
        self.shape, self.dtype = tuple(canvas.shape), canvas.dtype

    def read(self, plane: Plane) -> NDArray[Any]:
        return self._planes.get(plane, self._canvas.read(plane))

    def write(
        self,
        plane: Plane,
        rows: NDArray[np.intp],
        cols: NDArray[np.intp],
        values: NDArray[Any],
    ) -> None:
        if plane not in self._planes:
            self._planes[plane] = np.array(self._canvas.read(plane))
        self._planes[plane][rows, cols] = values

    restore = write

    def one_step(self) -> AbstractContextManager[None]:
        return nullcontext()
