"""What an edit of objects will change, before it is made and after."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.boxes import enclose, to_window
from napari_sam.ops.labels import count_labels
from napari_sam.ops.object_boxes import boxes_of_labels, widen
from napari_sam.workflows.session.label_canvas import LabelEdit, StackEdit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import Box
    from napari_sam.workflows.objects.refine_labels import RefinedObject
    from napari_sam.workflows.session.label_canvas import LabelCanvas
    from napari_sam.workflows.session.object_index import ObjectIndex

__all__ = ["EditResult", "ObjectBlock", "PlanePatch", "boxes_on", "join_edits"]


@dataclass(frozen=True)
class EditResult:
    """What an edit has changed, or would change.

    Attributes
    ----------
    changed
        Labels of objects that have other pixels than before, and are still there.
    made
        Labels of new objects.
    gone
        Labels of objects that are no longer there.
    spared
        Labels of objects that stay as they are, since nothing would be left of them.
    pixels
        How many pixels have another label.
    planes
        Where they lie.
    report
        Of `ObjectEditing.refine`: what became of each object.
    edit
        The pixels themselves, as they were and as they will be.
    """

    changed: tuple[int, ...] = ()
    made: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    spared: tuple[int, ...] = ()
    pixels: int = 0
    planes: tuple[Plane, ...] = ()
    report: tuple[RefinedObject, ...] = ()
    edit: StackEdit = field(default=StackEdit(()), repr=False, compare=False)

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return self.pixels > 0

    @property
    def count(self) -> int:
        """How many of the objects that were there are changed or gone."""
        return len(self.changed) + len(self.gone)

    @classmethod
    def of(
        cls, edit: StackEdit, index: ObjectIndex, spared: Sequence[int] = ()
    ) -> EditResult:
        """Tell what an edit does to the objects of an index."""
        more: dict[int, int] = {}
        for one in edit.edits:
            for values, sign in ((one.before, -1), (one.after, 1)):
                for label, count in count_labels(values).items():
                    more[label] = more.get(label, 0) + sign * count
        touched = more.keys()
        made = {label for label in touched if label not in index}
        gone = {n for n in touched - made if index.area(n) + more[n] == 0}
        return cls(
            tuple(sorted(touched - made - gone)),
            tuple(sorted(made)),
            tuple(sorted(gone)),
            tuple(sorted(spared)),
            sum(len(one.pixels) for one in edit.edits),
            tuple(one.plane for one in edit.edits),
            edit=edit,
        )


class PlanePatch:
    """A window of a plane of labels, as it is and as an edit will leave it.

    Parameters
    ----------
    canvas
        Where the labels are; nothing is written there.
    plane
        Of which plane.
    box
        (row0, col0, row1, col1), half open, within the plane.

    Attributes
    ----------
    before
        (h, w) labels now.
    after
        (h, w) labels then, to be written to.
    """

    def __init__(self, canvas: LabelCanvas, plane: Plane, box: Box) -> None:
        labels = canvas.read(plane)
        self.plane, self.box = plane, box
        self._width = labels.shape[1]
        self.before: NDArray[Any] = np.array(labels[to_window(box)])
        self.after = self.before.copy()

    @classmethod
    def around(
        cls, canvas: LabelCanvas, plane: Plane, found: Mapping[int, Box], margin: int
    ) -> PlanePatch:
        """Take the window around objects, given by their boxes on the plane."""
        shape = plane.shape_in(canvas.shape)
        return cls(canvas, plane, widen(enclose(*found.values()), margin, shape))

    def window(self, box: Box, margin: int) -> tuple[slice, slice]:
        """Return where a box of the plane lies in the patch, with a margin."""
        top, left = self.box[:2]
        within = (box[0] - top, box[1] - left, box[2] - top, box[3] - left)
        shape = (self.before.shape[0], self.before.shape[1])
        return to_window(widen(within, margin, shape))

    def edit(self) -> LabelEdit:
        """Return what turns the plane as it is into what it will be."""
        rows, cols = np.nonzero(self.before != self.after)
        pixels = (rows + self.box[0]) * self._width + cols + self.box[1]
        return LabelEdit(
            self.plane, pixels, self.before[rows, cols], self.after[rows, cols]
        )


class ObjectBlock:
    """An object with all of its planes, cut out of the labels.

    Parameters
    ----------
    canvas
        Where the labels are.
    label
        Which object.
    boxes
        Its box on each of its planes.

    Attributes
    ----------
    box
        (row0, col0, row1, col1) of the window, with a pixel around the object.
    mask
        (..., h, w) bool; an axis before the last two for each axis at which its planes
        stand at different places, none for an object of one plane.
    places
        Where each plane lies in the mask.
    """

    def __init__(
        self, canvas: LabelCanvas, label: int, boxes: Mapping[Plane, Box]
    ) -> None:
        self._canvas, self.label = canvas, label
        first = next(iter(boxes))
        self.box = widen(enclose(*boxes.values()), 1, first.shape_in(canvas.shape))
        at = np.array([[i for i in p.index if i is not None] for p in boxes], np.intp)
        low, high = (at.min(axis=0), at.max(axis=0)) if at.size else (at[0], at[0])
        runs = high > low
        places = [tuple(row) for row in (at - low)[:, runs].tolist()]
        self.places: dict[Plane, tuple[int, ...]] = dict(
            zip(boxes, places, strict=True)
        )
        height, width = self.box[2] - self.box[0], self.box[3] - self.box[1]
        sizes = (high - low + 1)[runs].tolist()
        self.mask = np.zeros((*sizes, height, width), np.bool_)
        for plane, place in self.places.items():
            self.mask[place] = canvas.read(plane)[to_window(self.box)] == label

    def renumber(
        self, parts: NDArray[np.int32], numbers: Sequence[int]
    ) -> list[LabelEdit]:
        """Return edits that give each part of the object a label.

        Parameters
        ----------
        parts
            As the mask: 0 outside the object, 1 for the first part.
        numbers
            The label of each part, 0 for none.
        """
        lookup = np.array([0, *numbers], self._canvas.dtype)
        edits = []
        for plane, place in self.places.items():
            patch = PlanePatch(self._canvas, plane, self.box)
            mask = self.mask[place]
            patch.after[mask] = lookup[parts[place][mask]]
            edits.append(patch.edit())
        return edits


def join_edits(edits: Iterable[LabelEdit]) -> StackEdit:
    """Join edits of different pixels: one for each plane, none without a pixel."""
    by_plane: dict[Plane, list[LabelEdit]] = {}
    for edit in edits:
        if len(edit.pixels):
            by_plane.setdefault(edit.plane, []).append(edit)
    return StackEdit(tuple(_joined(some) for some in by_plane.values()))


def _joined(edits: list[LabelEdit]) -> LabelEdit:
    if len(edits) == 1:
        return edits[0]
    pixels = np.concatenate([edit.pixels for edit in edits])
    order = np.argsort(pixels, kind="stable")
    before = np.concatenate([edit.before for edit in edits])
    after = np.concatenate([edit.after for edit in edits])
    return LabelEdit(edits[0].plane, pixels[order], before[order], after[order])


def boxes_on(
    canvas: LabelCanvas, planes: Mapping[Plane, Iterable[int]]
) -> dict[Plane, dict[int, Box]]:
    """Find the boxes of objects on planes, each given with its labels."""
    return {
        plane: boxes_of_labels(canvas.read(plane), [*labels])
        for plane, labels in planes.items()
    }
