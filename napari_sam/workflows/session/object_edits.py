"""Changing objects that are on the canvas: delete, reopen; take up a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.workflows.objects.suspects import find_suspects
from napari_sam.workflows.session.label_canvas import ArrayCanvas, StackEdit, plan_edit
from napari_sam.workflows.session.object_index import planes_of_array
from napari_sam.workflows.session.prompt_history import Draft, make_question
from napari_sam.workflows.session.provenance import read_record

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.workflows.objects.suspects import Suspect
    from napari_sam.workflows.session.label_canvas import LabelEdit
    from napari_sam.workflows.session.provenance import Outline, Record
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["adopt_table", "delete_object", "find_suspects_of", "reopen_object"]


def delete_object(state: SessionState, label: int, here: bool = False) -> None:
    """Take an object away; what lay beneath comes back.

    Parameters
    ----------
    state
        Of the session.
    label
        Any label on the canvas, whoever drew it.
    here
        Only on the present plane; the object stays on its others.

    Raises
    ------
    ValueError
        If there is no such object, or none on the present plane.
    """
    state.reconcile()
    state.check_exists(label, here)
    stored = state.index.planes_of(label)
    outlines = state.snapshot.record(label).outlines
    pixels_here = np.count_nonzero(state.canvas.read(state.plane) == label)
    if here and pixels_here < state.index.area(label):
        removal = _removal(state, label, state.plane)
        state.do(state.snapshot.without_outline(label, state.plane), removal)
        return
    planes = [one.plane for one in outlines if one.plane not in stored]
    edits = [_removal(state, label, plane) for plane in (*planes, *stored)]
    home = edits[0].plane if len(edits) == 1 else state.plane
    edit = edits[0] if len(edits) == 1 else StackEdit(tuple(edits))
    state.do(state.snapshot.without_object(label), edit, home)


def _removal(state: SessionState, label: int, plane: Plane) -> LabelEdit:
    now = state.canvas.read(plane)
    return plan_edit(plane, now, state.snapshot.labels_without(label, now, plane))


def reopen_object(state: SessionState, label: int) -> None:
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
    state.reconcile()
    state.check_exists(label)
    plane = _plane_to_reopen(state, label)
    mask = state.canvas.read(plane) == label
    outline = state.snapshot.record(label).on(plane)
    if outline is None:
        shape = plane.shape_in(state.canvas.shape)
        draft = Draft(make_question(shape, outline=mask), 0, label)
    elif np.array_equal(np.flatnonzero(mask), outline.pixels):
        draft = replace(outline.draft, editing=label)
    else:
        draft = _corrected(outline, mask, label)
    state.set_draft(draft, plane)


def _plane_to_reopen(state: SessionState, label: int) -> Plane:
    if (state.canvas.read(state.plane) == label).any():
        return state.plane
    for outline in reversed(state.snapshot.record(label).outlines):
        if (state.canvas.read(outline.plane) == label).any():
            return outline.plane
    return state.index.planes_of(label)[0]


def _corrected(outline: Outline, mask: NDArray[np.bool_], label: int) -> Draft:
    """Return the draft of an object that was changed on the canvas since it was made.

    What was painted and erased by hand holds when clicks are added.
    """
    made = np.zeros(mask.shape, np.bool_)
    made.ravel()[outline.pixels] = True
    known = outline.draft.edits
    edits = known.followed_by(mask & ~made, made & ~mask) if made.any() else known
    edits = edits.restricted_to(mask)  # the overlap rule may have decided otherwise
    said = outline.draft.question
    points, labels, box = said.prompts.points, said.prompts.labels, said.prompts.box
    question = make_question(
        mask.shape, points, labels, box, outline=mask, text=said.text
    )
    return Draft(question, 0, label, edits)


def find_suspects_of(state: SessionState) -> list[Suspect]:
    """List the objects that look wrong, the most striking first.

    Of a canvas that is large those of the present plane; see
    `napari_sam.find_suspects`.
    """
    state.reconcile()
    canvas = state.canvas
    if canvas.is_large:
        found = find_suspects(canvas.read(state.plane))
        places = [state.plane.locate(one.at)[0].astype(int).tolist() for one in found]
        return [
            replace(one, at=tuple(place))
            for one, place in zip(found, places, strict=True)
        ]
    if isinstance(canvas, ArrayCanvas):
        return find_suspects(canvas.array)
    planes = [canvas.read(plane) for plane in planes_of_array(canvas.shape)]
    return find_suspects(np.stack(planes).reshape(canvas.shape))


def adopt_table(state: SessionState, table: pd.DataFrame) -> list[int]:
    """Take up what a table of an earlier session knows of the objects.

    Rows whose label is no longer there, and prompts that cannot be read, are left
    out; what this session knows already stays.

    Returns
    -------
    list of int
        Labels of which something was taken up. This is not a step of the history.
    """
    state.reconcile()
    added: dict[int, Record] = {}
    for row in table.to_dict("records"):
        record = read_record(row, state.canvas)
        if record is None or record.label in added:
            continue
        known = state.snapshot.records.get(record.label)
        if known is not None and (known.outlines or known.class_name):
            continue
        names_it = bool(record.class_name) and record.label in state.index
        if record.outlines or names_it:
            added[record.label] = record
    state.add_records(added)
    return list(added)
