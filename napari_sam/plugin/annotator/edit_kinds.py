"""The edits of objects that the window offers: a table, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam.ops.message_text import counted, listed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    from napari_sam.workflows.session.edit_targets import EditScope
    from napari_sam.workflows.session.object_editing import ObjectEditing
    from napari_sam.workflows.session.planned_edit import EditResult

__all__ = ["EDITS", "EditKind", "Wanted", "tell_edit", "tell_preview"]


@dataclass(frozen=True)
class Wanted:
    """What an edit is to work on.

    Attributes
    ----------
    labels
        The objects; None for every one of the scope.
    scope
        See `EditScope`.
    value
        Pixels or a sigma, for the edits that take such a number.
    preview
        Whether only to tell what would change.
    """

    labels: tuple[int, ...] | None
    scope: EditScope
    value: float = 0.0
    preview: bool = False


@dataclass(frozen=True)
class EditKind:
    """An edit that works on any number of objects.

    Attributes
    ----------
    name
        Of the method of `ObjectEditing`.
    text, tip
        What the user reads on its button, and over it.
    done
        What became of an object: "3 objects ...".
    nothing
        What is said where nothing changes.
    value
        The number that it takes: "pixels", "sigma", "min_area"; "" for none.
    """

    name: str
    text: str
    tip: str
    done: str
    nothing: str
    value: str = ""

    def run(self, editing: ObjectEditing, wanted: Wanted) -> EditResult:
        """Edit the objects of a session; ValueError as the method raises it."""
        return _RUNS[self.name](editing, wanted)


def _merge(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    return editing.merge(wanted.labels or (), preview=wanted.preview)


def _grow(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    scope, preview = wanted.scope, wanted.preview
    return editing.grow(wanted.labels, wanted.value, scope=scope, preview=preview)


def _shrink(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    scope, preview = wanted.scope, wanted.preview
    return editing.shrink(wanted.labels, wanted.value, scope=scope, preview=preview)


def _fill(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    scope, preview = wanted.scope, wanted.preview
    return editing.fill_holes(wanted.labels, scope=scope, preview=preview)


def _smooth(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    scope, preview = wanted.scope, wanted.preview
    return editing.smooth(wanted.labels, wanted.value, scope=scope, preview=preview)


def _keep_largest(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    scope, preview = wanted.scope, wanted.preview
    return editing.keep_largest_piece(wanted.labels, scope=scope, preview=preview)


def _pieces(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    scope, preview = wanted.scope, wanted.preview
    return editing.pieces_to_objects(wanted.labels, scope=scope, preview=preview)


def _remove(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    return editing.remove(wanted.labels or (), preview=wanted.preview)


def _remove_small(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    least, scope = int(wanted.value), wanted.scope
    return editing.remove_small(
        least, wanted.labels, scope=scope, preview=wanted.preview
    )


def _remove_at_border(editing: ObjectEditing, wanted: Wanted) -> EditResult:
    scope, preview = wanted.scope, wanted.preview
    return editing.remove_at_border(wanted.labels, scope=scope, preview=preview)


_RUNS: Final[dict[str, Callable[[ObjectEditing, Wanted], EditResult]]] = {
    "merge": _merge,
    "grow": _grow,
    "shrink": _shrink,
    "fill_holes": _fill,
    "smooth": _smooth,
    "keep_largest_piece": _keep_largest,
    "pieces_to_objects": _pieces,
    "remove": _remove,
    "remove_small": _remove_small,
    "remove_at_border": _remove_at_border,
}

EDITS = {
    kind.name: kind
    for kind in (
        EditKind(
            "merge",
            "Merge",
            "Make one object of those selected. The largest keeps its number.",
            "merged",
            "There is nothing to merge.",
        ),
        EditKind(
            "grow",
            "Grow",
            "Grow objects by so many pixels, never over another one.",
            "grown",
            "No object can grow: there is no free pixel beside it.",
            "pixels",
        ),
        EditKind(
            "shrink",
            "Shrink",
            "Take so many pixels off the edge of objects.",
            "made smaller",
            "No object can shrink so far: nothing would be left of it.",
            "pixels",
        ),
        EditKind(
            "fill_holes",
            "Fill holes",
            "Fill the holes of objects. Other objects within them stay.",
            "filled",
            "No object has a hole.",
        ),
        EditKind(
            "smooth",
            "Smooth",
            "Smooth the outlines: what is thinner than about so many pixels goes.",
            "smoothed",
            "No outline would change.",
            "sigma",
        ),
        EditKind(
            "keep_largest_piece",
            "Keep largest piece",
            "Leave each object its largest piece alone.",
            "left one piece",
            "No object has several pieces.",
        ),
        EditKind(
            "pieces_to_objects",
            "Pieces to objects",
            "Make each piece of an object an object.",
            "taken apart",
            "No object has several pieces.",
        ),
        EditKind(
            "remove",
            "Delete",
            "Take the selected objects away, on all of their planes.",
            "changed",
            "There is nothing to delete.",
        ),
        EditKind(
            "remove_small",
            "Remove small",
            "Take away objects of fewer pixels, all planes together.",
            "changed",
            "No object is so small.",
            "min_area",
        ),
        EditKind(
            "remove_at_border",
            "Remove at border",
            "Take away objects that the border of the image cuts off.",
            "changed",
            "No object touches the border.",
        ),
    )
}
"""By the names of the methods."""


def tell_edit(kind: EditKind, result: EditResult) -> str:
    """Say what an edit has done, in a sentence or two."""
    if not result:
        return kind.nothing
    if kind.name == "merge":
        count, (kept,) = len(result.gone) + 1, result.changed or (0,)
        return f"{counted(count, 'object')} merged into object {kept}. {_BACK}"
    return f"{_parts(result, kind.done, 'removed', 'new')}. {_BACK}"


_BACK = "U takes it back."


def tell_preview(kind: EditKind, result: EditResult, among: int) -> str:
    """Say what an edit would do.

    Parameters
    ----------
    kind, result
        The edit, and its preview.
    among
        How many objects it was asked about.
    """
    if not result:
        return kind.nothing
    pixels = counted(result.pixels, "pixel")
    made = f", {len(result.made)} new" if result.made else ""
    gone = f", {len(result.gone)} of them removed" if result.gone else ""
    spared = f", {len(result.spared)} left as they are" if result.spared else ""
    if kind.name == "merge":
        kept = listed(result.changed)
        return f"{counted(among, 'object')} would become object {kept}."
    count = f"{result.count:,} of {counted(among, 'object')}"
    if result.gone and not result.changed:
        return f"{kind.text}: {count} would be removed ({pixels})."
    return f"{kind.text}: {count} would change{gone}{made}{spared} ({pixels})."


def _parts(result: EditResult, done: str, gone: str, made: str) -> str:
    said = []
    if result.changed:
        said.append(f"{counted(len(result.changed), 'object')} {done}")
    if result.gone:
        said.append(f"{counted(len(result.gone), 'object')} {gone}")
    if result.made:
        said.append(f"{counted(len(result.made), 'object')} {made}")
    if result.spared:
        said.append(f"{len(result.spared)} left as they are")
    return ", ".join(said)
