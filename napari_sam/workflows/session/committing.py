"""Writing masks to the canvas as objects, by the overlap rule, with their records."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.labels import (
    next_free_label,
    pixels_to_label,
    without_fragments,
    without_rims,
)
from napari_sam.ops.types import Prompts
from napari_sam.workflows.session.label_canvas import StackEdit, plan_edit
from napari_sam.workflows.session.prompt_history import NO_DRAFT, Draft, Question
from napari_sam.workflows.session.provenance import Outline, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.labels import OverlapRule
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import MaskRecord
    from napari_sam.workflows.growing.grown_object import GrownObject
    from napari_sam.workflows.session.prompting import Prompting
    from napari_sam.workflows.session.session_state import SessionState

__all__ = [
    "CommitOptions",
    "OverlapError",
    "commit_candidate",
    "commit_found",
    "commit_grown",
    "commit_mask",
]

_MIN_KEPT_SHARE = 0.5
"""Share of a mask that must be left to it; else the user is asked to overwrite."""

_MIN_FREE_SHARE = 0.25
"""The same for masks that were found automatically, which nobody is asked about."""


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


@dataclass(frozen=True)
class CommitOptions:
    """How masks become objects, and what is noted of them.

    Attributes
    ----------
    overlap
        Who gets a pixel that has a label.
    class_name
        Of new objects; may be empty.
    model
        Name of the model that made the masks.
    time
        ISO 8601 in UTC.
    """

    overlap: OverlapRule
    class_name: str
    model: str
    time: str


def commit_candidate(
    state: SessionState, prompting: Prompting, options: Callable[[], CommitOptions]
) -> int:
    """Write the chosen candidate as an object and start the next one.

    Where the overlap rule cuts the mask to pieces, small pieces are left out; what
    would stay of other objects as a thin rim around it goes over to it.

    Parameters
    ----------
    state
        Where to; its draft is the object in hand.
    prompting
        Has the candidates.
    options
        How; asked once there is something to write.

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
    mask, score = prompting.mask, prompting.score
    if mask is None or score is None:
        raise ValueError("there is nothing to keep yet: say first where it is")
    return commit_mask(state, mask, score, prompting.choice, options())


def commit_mask(
    state: SessionState,
    mask: NDArray[np.bool_],
    score: float,
    choice: int,
    options: CommitOptions,
) -> int:
    """Write the mask of the object in hand; see `commit_candidate`.

    Parameters
    ----------
    state
        Where to; its draft is the object in hand.
    mask
        (H, W) mask of the chosen candidate.
    score
        Its predicted IoU.
    choice
        Its place in the ranking.
    options
        How.
    """
    if not mask.any():
        raise ValueError("there is nothing to keep: the chosen mask is empty")
    label, draft, plane = state.next_label, state.draft, state.plane
    now = state.canvas.read(plane)
    granted = _granted(now, mask, label, options.overlap)
    after = state.snapshot.labels_without(label, now, plane)
    pixels = np.flatnonzero(granted)
    beneath = after.ravel()[pixels].copy()
    after[granted] = label
    outline = Outline(
        plane=plane,
        draft=replace(draft, choice=choice, editing=None),
        score=_known_score(state, label, score),
        model=options.model,
        time=options.time,
        pixels=pixels,
        beneath=beneath,
    )
    known = state.snapshot.records.get(label)
    if known is None:
        known = Record(label, options.class_name if draft.editing is None else "")
    snapshot = state.snapshot.with_record(known.with_outline(outline))
    state.do(snapshot.with_draft(plane, NO_DRAFT), plan_edit(plane, now, after))
    return label


def commit_grown(
    state: SessionState,
    grown: GrownObject,
    drafts: Mapping[int, Draft],
    at: Callable[[int], Plane],
    options: CommitOptions,
) -> int:
    """Write an object on all planes on which it has grown, as one step.

    Parameters
    ----------
    state
        Where to.
    grown
        The object.
    drafts
        By plane of its stack, what was said of it there; they are done with.
    at
        Returns where a plane of the stack lies.
    options
        How.

    Raises
    ------
    OverlapError
        If more than half of it belongs to other objects that keep it.
    ValueError
        If it is empty.
    """
    label = state.first_free_label()
    sure = float(np.mean(list(grown.confidence.values()) or [0.0]))
    edits, outlines, wanted, kept = [], [], 0, 0
    owners: set[int] = set()
    snapshot = state.snapshot
    for number in grown.planes:
        plane = at(number)
        now = state.canvas.read(plane)
        mask = grown.on(number, (now.shape[0], now.shape[1]))
        granted = pixels_to_label(now, mask, label, options.overlap)
        owners.update(np.unique(now[mask & ~granted]).tolist())
        wanted += int(np.count_nonzero(mask))
        kept += int(np.count_nonzero(granted))
        after = np.where(granted, label, now).astype(now.dtype)
        edits.append(plan_edit(plane, now, after))
        if number in drafts and granted.any():
            draft = replace(drafts[number], editing=None)
            pixels = np.flatnonzero(granted)
            beneath = now.ravel()[pixels]
            outlines.append(
                Outline(
                    plane, draft, sure, options.model, options.time, pixels, beneath
                )
            )
    if not wanted:
        raise ValueError("there is nothing to keep: the object is empty")
    if kept < _MIN_KEPT_SHARE * wanted:
        raise OverlapError(sorted(owners), kept > 0)
    for plane, draft in state.snapshot.drafts.items():
        if any(draft is one for one in drafts.values()):
            snapshot = snapshot.with_draft(plane, NO_DRAFT)
    record = Record(label, options.class_name, tuple(outlines))
    state.do(snapshot.with_record(record), StackEdit(tuple(edits)))
    return label


def _granted(
    now: NDArray[Any], mask: NDArray[np.bool_], label: int, overlap: OverlapRule
) -> NDArray[np.bool_]:
    """Return the pixels that an object gets of its mask, or say why it does not."""
    granted = pixels_to_label(now, mask, label, overlap)
    if overlap == "overwrite":
        return without_rims(np.where(now == label, 0, now), granted)
    if np.count_nonzero(granted) < _MIN_KEPT_SHARE * np.count_nonzero(mask):
        owners = np.unique(now[mask & ~granted]).tolist()
        raise OverlapError(owners, bool(granted.any()))
    return without_fragments(granted, mask)


def _known_score(state: SessionState, label: int, score: float) -> float:
    """Return the score of an answer; of an outline that stands, that of before."""
    if state.draft.question.outline is None:
        return score
    outline = state.snapshot.record(label).on(state.plane)
    return float("nan") if outline is None else outline.score


def commit_found(
    state: SessionState,
    found: Sequence[MaskRecord],
    options: CommitOptions,
    query: str = "",
) -> list[int]:
    """Write masks that were found automatically as objects, in one step.

    Earlier ones get their pixels first; what the overlap rule leaves to an object is
    decided against the labels as they were before. Each object can be reopened with
    the point that found it and its box as prompts.

    Parameters
    ----------
    state
        Where to.
    found
        Masks of this plane, the best first.
    options
        How.
    query
        What they were found by, such as "large round nuclei"; for the record.

    Returns
    -------
    list of int
        The labels, in the order of the masks. A mask that is left no pixel gets none,
        nor one of which three quarters belong to objects that keep them.

    Raises
    ------
    ValueError
        If a mask does not fit the plane, no mask is left a pixel, or the type of the
        labels has too few numbers.
    """
    for record in found:
        if record.rle.shape != state.plane_shape:
            raise ValueError(
                f"a mask of shape {record.rle.shape} does not fit the plane of "
                f"shape {state.plane_shape}"
            )
    state.reconcile()
    now = state.canvas.read(state.plane)
    after = np.array(now)
    records = _place(state, found, after, options, query)
    if not records:
        raise ValueError(
            "nothing to commit: every pixel of the masks belongs to another object"
            if found
            else "nothing to commit: there is no mask"
        )
    edit = plan_edit(state.plane, now, after)
    state.do(state.snapshot.with_records(records), edit)
    return [record.label for record in records]


def _place(
    state: SessionState,
    found: Sequence[MaskRecord],
    after: NDArray[Any],
    options: CommitOptions,
    query: str,
) -> list[Record]:
    """Paint masks into (H, W) labels; return what was made of them."""
    flat = after.reshape(-1)
    unclaimed = flat == 0
    keep = options.overlap == "keep"
    free = unclaimed.copy() if keep else np.ones(flat.size, np.bool_)
    last = state.first_free_label() - 1
    records = []
    for mask in found:
        pixels = mask.rle.pixels()
        unclaimed_here = np.count_nonzero(unclaimed[pixels])
        if keep and unclaimed_here < _MIN_FREE_SHARE * len(pixels):
            continue  # it is, for the most part, an object that is there
        pixels = pixels[free[pixels]]
        if len(pixels) == 0:
            continue
        last = next_free_label([last], state.canvas.dtype)
        outline = Outline(
            plane=state.plane,
            draft=Draft(_question_of(mask, state.plane_shape)),
            score=mask.predicted_iou,
            model=options.model,
            time=options.time,
            pixels=pixels,
            beneath=flat[pixels],
            query=query,
        )
        records.append(Record(last, options.class_name, (outline,)))
        free[pixels] = False
        flat[pixels] = last
    return records


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
