"""How edits of objects change the labels of planes, and what is known of them after."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.labels import count_labels
from napari_sam.ops.mask_edits import distance_to_grow, grow_labels
from napari_sam.ops.message_text import listed
from napari_sam.ops.strokes import check_stroke, stroke_pixels
from napari_sam.workflows.session.edit_targets import checked_labels
from napari_sam.workflows.session.label_canvas import plan_edit
from napari_sam.workflows.session.planned_edit import PlanePatch, boxes_on

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import Box
    from napari_sam.workflows.session.edit_targets import Targets
    from napari_sam.workflows.session.label_canvas import LabelEdit
    from napari_sam.workflows.session.planned_edit import EditResult
    from napari_sam.workflows.session.provenance import Record
    from napari_sam.workflows.session.session_state import SessionState
    from napari_sam.workflows.session.snapshot import Snapshot

__all__ = [
    "boxes_by_label",
    "check_no_gap",
    "labels_at_border",
    "labels_below",
    "labels_to_merge",
    "labels_under",
    "merged_record",
    "plan_growth",
    "plan_removal",
    "plan_renaming",
    "plan_shapes",
    "snapshot_after",
]


_MANY_TIMES = 8
"""So often the windows of objects cover their plane that it is gone through at once."""


def labels_under(state: SessionState, stroke: ArrayLike) -> dict[int, int]:
    """Count the pixels of each object under a stroke on the present plane."""
    labels = state.canvas.read(state.plane)
    shape = (labels.shape[0], labels.shape[1])
    pixels = stroke_pixels(check_stroke(stroke, shape), shape)
    return count_labels(labels[pixels[:, 0], pixels[:, 1]])


def labels_to_merge(
    state: SessionState, labels: Iterable[int] | None, stroke: ArrayLike | None
) -> tuple[int, ...]:
    """Return the two objects or more that are given, or crossed by a stroke.

    Raises
    ------
    ValueError
        If they are fewer, or both labels and a stroke are given, or neither.
    """
    if (labels is None) == (stroke is None):
        raise ValueError(
            "give the labels of two objects or more, or a stroke across them"
        )
    if stroke is not None:
        chosen = tuple(sorted(labels_under(state, stroke)))
        crossed = f"the stroke crosses {_objects(chosen)}; draw it across two or more"
        wrong = crossed
    else:
        chosen = checked_labels(labels if labels is not None else ())
        wrong = f"merging takes two objects or more, got {_objects(chosen)}"
    if len(chosen) < 2:
        raise ValueError(wrong)
    return chosen


def _objects(labels: Sequence[int]) -> str:
    return f"only object {labels[0]}" if labels else "none"


def check_no_gap(targets: Targets) -> None:
    """Refuse to merge objects with planes between them.

    Raises
    ------
    ValueError
        If the planes of the objects do not hang together.
    """
    places: dict[int, set[tuple[int, ...]]] = {}
    for plane, labels in targets.planes.items():
        at = tuple(i for i in plane.index if i is not None)
        for label in labels:
            places.setdefault(label, set()).add(at)
    first, *others = targets.labels
    joined, left = set(places[first]), set(others)
    while left:
        reach = {
            tuple(near) for at in joined for near in np.array(at) + _neighbours(len(at))
        }
        met = {label for label in left if not places[label].isdisjoint(reach)}
        if not met:
            raise ValueError(
                f"there are planes between object {first} and "
                f"{listed(sorted(left))}: it would have a gap. Merge them with what "
                "lies between; in a script, gap=True allows it"
            )
        left -= met
        joined.update(*(places[label] for label in met))


def _neighbours(axes: int) -> NDArray[np.intp]:
    """Return the steps to a place itself and those beside it."""
    return np.array([*np.ndindex(*(3,) * axes)], np.intp).reshape(-1, axes) - 1


def boxes_by_label(
    boxes: Mapping[Plane, Mapping[int, Box]],
) -> dict[int, dict[Plane, Box]]:
    """Turn boxes of labels on planes into those of planes by label."""
    found: dict[int, dict[Plane, Box]] = {}
    for plane, own in boxes.items():
        for label, box in own.items():
            found.setdefault(label, {})[plane] = box
    return found


def plan_renaming(
    state: SessionState, targets: Targets, labels: Sequence[int], number: int
) -> list[LabelEdit]:
    """Give all pixels of some objects another number."""
    edits = []
    wanted = frozenset(labels)
    planes = {p: wanted & {*here} for p, here in targets.planes.items()}
    planes = {plane: here for plane, here in planes.items() if here}
    for plane, found in boxes_on(state.canvas, planes).items():
        patch = PlanePatch.around(state.canvas, plane, found, 0)
        patch.after[np.isin(patch.before, [*found])] = number
        edits.append(patch.edit())
    return edits


def plan_growth(
    state: SessionState, targets: Targets, pixels: float
) -> list[LabelEdit]:
    """Grow objects into what is free; the nearest one gets a pixel."""
    edits = []
    margin = int(np.ceil(pixels)) + 1
    for plane, found in boxes_on(state.canvas, targets.planes).items():
        patch = PlanePatch.around(state.canvas, plane, found, margin)
        windows = {n: patch.window(box, margin) for n, box in found.items()}
        sizes = sum(patch.before[at].size for at in windows.values())
        if sizes > _MANY_TIMES * patch.before.size:
            chosen = np.isin(patch.before, [*found])
            patch.after[...] = grow_labels(patch.before, chosen, pixels)
            edits.append(patch.edit())
            continue
        free = patch.before == 0
        nearest = np.full(patch.before.shape, np.inf, np.float32)
        for label, at in windows.items():
            away = distance_to_grow(patch.before[at] == label, free[at], pixels)
            won = (away > 0) & (away < nearest[at])
            nearest[at][won] = away[won]
            patch.after[at][won] = label
        edits.append(patch.edit())
    return edits


def plan_shapes(
    state: SessionState,
    targets: Targets,
    margin: int,
    change: Callable[[NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.bool_]],
) -> tuple[list[LabelEdit], list[int]]:
    """Give objects another shape, plane by plane.

    Parameters
    ----------
    state
        With the labels.
    targets
        Which objects.
    margin
        Pixels around an object that it may need.
    change
        Takes the (h, w) mask of an object and the pixels where it may grow to.

    Returns
    -------
    edits : list of LabelEdit
        Of each plane.
    spared : list of int
        Objects of which nothing would be left; they stay.
    """
    patches = []
    left = {label: state.index.area(label) for label in targets.labels}
    for plane, found in boxes_on(state.canvas, targets.planes).items():
        patch = PlanePatch.around(state.canvas, plane, found, margin)
        for label, box in found.items():
            at = patch.window(box, margin)
            mask = patch.before[at] == label
            shape = change(mask, (patch.before[at] == 0) & (patch.after[at] == 0))
            patch.after[at][mask & ~shape] = 0
            patch.after[at][shape] = label
            left[label] += int(np.count_nonzero(shape)) - int(np.count_nonzero(mask))
        patches.append((patch, found))
    spared = [label for label, area in left.items() if area <= 0]
    for patch, found in patches if spared else ():
        for label in {*spared} & found.keys():
            at = patch.window(found[label], margin)
            patch.after[at][patch.before[at] == label] = label
            grown = (patch.after[at] == label) & (patch.before[at] != label)
            patch.after[at][grown] = 0
    return [patch.edit() for patch, _ in patches], spared


def labels_below(
    state: SessionState, targets: Targets, area: int, scope: str
) -> list[int]:
    """Return the objects that have fewer pixels."""
    if scope == "plane":
        here = count_labels(state.canvas.read(state.plane))
        return [label for label in targets.labels if here[label] < area]
    return [label for label in targets.labels if state.index.area(label) < area]


def labels_at_border(state: SessionState, targets: Targets) -> set[int]:
    """Return the objects that touch the border of one of their planes."""
    found: set[int] = set()
    for plane, here in targets.planes.items():
        labels = state.canvas.read(plane)
        sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
        found |= {*here} & set(np.unique(np.concatenate(sides)).tolist())
    return found


def plan_removal(
    state: SessionState, targets: Targets, labels: frozenset[int]
) -> list[LabelEdit]:
    """Take objects away; what lay beneath one comes back, as with `delete`."""
    edits = []
    planes = {p: labels & {*here} for p, here in targets.planes.items()}
    planes = {plane: here for plane, here in planes.items() if here}
    for plane, found in boxes_on(state.canvas, planes).items():
        above = [label for label in found if _covers(state, label, plane)]
        if above:
            now = state.canvas.read(plane)
            after = np.array(now)
            for label in above:
                after = state.snapshot.labels_without(label, after, plane)
            after[np.isin(after, [*found])] = 0
            edits.append(plan_edit(plane, now, after))
        else:
            patch = PlanePatch.around(state.canvas, plane, found, 0)
            patch.after[np.isin(patch.before, [*found])] = 0
            edits.append(patch.edit())
    return edits


def _covers(state: SessionState, label: int, plane: Plane) -> bool:
    """Whether an object lies over others that may come back."""
    outline = state.snapshot.record(label).on(plane)
    return outline is not None and bool((outline.beneath != 0).any())


def snapshot_after(
    state: SessionState,
    result: EditResult,
    records: Collection[Record],
    removed: frozenset[int] = frozenset(),
) -> Snapshot:
    """Return what is known after an edit.

    Parameters
    ----------
    state
        Before it.
    result
        What it changes. An object that is in hand with pixels that it has no longer
        is put down.
    records
        Of new objects, and of those of which something else is known.
    removed
        Objects that were taken away, on the planes of the edit at least.
    """
    snapshot = state.snapshot
    for label in removed.intersection(result.changed):
        snapshot = snapshot.without_outline(label, state.plane)
    for label in result.gone:
        snapshot = snapshot.without_object(label)
    touched = {*result.changed, *result.gone}
    drafts = {p: d for p, d in snapshot.drafts.items() if d.editing not in touched}
    snapshot = replace(snapshot, drafts=drafts)
    return snapshot.with_records(records) if records else snapshot


def merged_record(state: SessionState, kept: int, others: Sequence[int]) -> Record:
    """Return what is known of an object that others are merged into.

    Parameters
    ----------
    state
        Before that.
    kept
        Its label.
    others
        Theirs, the largest first. On planes on which only they lie, what is known of
        the first of them stays known.
    """
    record = state.snapshot.record(kept)
    taken = {*state.index.planes_of(kept), *(one.plane for one in record.outlines)}
    added = []
    for other in (state.snapshot.record(label) for label in others):
        record = replace(record, class_name=record.class_name or other.class_name)
        added += [one for one in other.outlines if one.plane not in taken]
        taken |= {*state.index.planes_of(other.label)}
    return replace(record, outlines=(*added, *record.outlines))
