"""Objects merged, parted, grown and mended: each edit is one step of the history.

An edit changes the objects that it names and free pixels, on all planes of an object;
never a pixel of another one. Nothing else of the labels is looked at: an edit takes as
long as its objects are large.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_sam.ops import mask_edits
from napari_sam.ops.labels import next_free_label
from napari_sam.workflows.session import edit_planning
from napari_sam.workflows.session.edit_image_data import SessionImageData
from napari_sam.workflows.session.edit_refining import plan_refinement
from napari_sam.workflows.session.edit_splitting import plan_split
from napari_sam.workflows.session.edit_targets import find_targets
from napari_sam.workflows.session.planned_edit import (
    EditResult,
    ObjectBlock,
    boxes_on,
    join_edits,
)
from napari_sam.workflows.session.provenance import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs import RefineLabelsConfig
    from napari_sam.ops.strokes import Ridge
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.session.edit_image_data import EditImageData
    from napari_sam.workflows.session.edit_targets import EditScope, Labels, Targets
    from napari_sam.workflows.session.label_canvas import LabelEdit
    from napari_sam.workflows.session.prompting import Prompting
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["ObjectEditing"]


class ObjectEditing:
    """The edits of a session, as `AnnotationSession.edit`.

    Where a method takes `labels`, that is one object, several, or None for every object
    of the `scope`: "all" is all planes, "plane" only the present one. With `preview`
    nothing changes, and the result tells what would. An edit that changes nothing is no
    step.

    Parameters
    ----------
    state
        The labels and the history.
    prompting
        The image and the model, where the session has them.

    Attributes
    ----------
    image_data
        What `split` sees of the image; of the session's image and model by default.
    """

    def __init__(self, state: SessionState, prompting: Prompting) -> None:
        self._state = state
        self._prompting = prompting
        self.image_data: EditImageData = SessionImageData(state, prompting)

    # --- one of several, several of one -------------------------------------

    def merge(
        self,
        labels: Iterable[int] | None = None,
        *,
        stroke: ArrayLike | None = None,
        gap: bool = False,
        preview: bool = False,
    ) -> EditResult:
        """Make one object of several.

        The largest one keeps its number, its record and its class; where it has no
        class, it gets that of the largest one that has.

        Parameters
        ----------
        labels
            Two objects or more; all of their planes.
        stroke
            In place of labels, (N, 2) as (row, col): the objects that it crosses on the
            present plane.
        gap
            Whether the planes of the objects may be apart from each other.
        preview
            Whether only to tell what would change.

        Raises
        ------
        ValueError
            If that are fewer than two objects, one is not there, or planes lie between.
        """
        state = self._state
        chosen = edit_planning.labels_to_merge(state, labels, stroke)
        targets = find_targets(state, chosen, "all")
        if not gap and len(state.canvas.shape) > 2:
            edit_planning.check_no_gap(targets)
        kept, *others = sorted(chosen, key=lambda n: (-state.index.area(n), n))
        edits = edit_planning.plan_renaming(state, targets, others, kept)
        merged = edit_planning.merged_record(state, kept, others)
        known = [merged] if merged.outlines or merged.class_name else []
        return self._do(edits, preview, records=known)

    def split(
        self,
        label: int | None = None,
        stroke: ArrayLike | None = None,
        *,
        points: ArrayLike | None = None,
        snap: Ridge | None = None,
        scope: EditScope = "all",
        preview: bool = False,
    ) -> EditResult:
        """Part an object along a stroke, or between points.

        The largest part keeps number and record; each other one is a new object of the
        same class. Together they are the object, pixel by pixel.

        A stroke is extended at both ends to the edge of the object. The other planes of
        the object are cut along the same line. Points are one in each part: the parts
        meet where the model sees a border, or, without a model that has a dense head,
        at the waist of the object.

        Parameters
        ----------
        label
            Which object; None: the one that the stroke crosses for the longest, or
            that the first point lies on.
        stroke
            (N, 2) as (row, col) on the present plane.
        points
            (N, 2) as (row, col) on the present plane, in place of a stroke.
        snap
            "dark" or "bright": the cut follows the darkest or brightest line beside
            the stroke.
        scope
            Whether to part the object on all of its planes or on the present one.
        preview
            Whether only to tell what would change.

        Raises
        ------
        ValueError
            If the stroke cuts nothing, a point lies beside the object, there is no
            image to snap to, or the type of the labels has too few numbers.
        """
        split = plan_split(
            self._state, self.image_data, label, stroke, points, snap, scope
        )
        return self._renumber([split], preview)

    def pieces_to_objects(
        self, labels: Labels = None, *, scope: EditScope = "all", preview: bool = False
    ) -> EditResult:
        """Make an object of each separate piece; the largest keeps number and record.

        On all planes, pieces of neighbouring planes that touch are one.
        """
        return self._renumber(self._pieces(labels, scope), preview)

    def keep_largest_piece(
        self, labels: Labels = None, *, scope: EditScope = "all", preview: bool = False
    ) -> EditResult:
        """Leave an object its largest piece alone; see `pieces_to_objects`."""
        edits = [
            edit
            for block, pieces in self._pieces(labels, scope)
            for edit in block.renumber(
                pieces, [block.label, *[0] * (int(pieces.max()) - 1)]
            )
        ]
        return self._do(edits, preview)

    def _pieces(
        self, labels: Labels, scope: EditScope
    ) -> list[tuple[ObjectBlock, NDArray[np.int32]]]:
        """Return the objects that have several pieces, with these."""
        canvas = self._state.canvas
        targets = find_targets(self._state, labels, scope)
        boxes = boxes_on(canvas, targets.planes)
        found = []
        for label, own in edit_planning.boxes_by_label(boxes).items():
            block = ObjectBlock(canvas, label, own)
            pieces, count = mask_edits.label_pieces(block.mask)
            if count > 1:
                found.append((block, pieces))
        return found

    def _renumber(
        self,
        blocks: Sequence[tuple[ObjectBlock, NDArray[np.int32]]],
        preview: bool,
    ) -> EditResult:
        """Leave each first part its number, and give the others new ones."""
        state = self._state
        last = state.unused_label() - 1 if blocks else 0
        edits: list[LabelEdit] = []
        records = []
        for block, parts in blocks:
            numbers = [block.label]
            for _ in range(int(parts.max()) - 1):
                last = next_free_label([last], state.canvas.dtype)
                numbers.append(last)
                name = state.snapshot.record(block.label).class_name
                records.append(Record(last, name))
            edits += block.renumber(parts, numbers)
        return self._do(edits, preview, records=records)

    # --- the shape ----------------------------------------------------------

    def grow(
        self,
        labels: Labels = None,
        pixels: float = 1,
        *,
        scope: EditScope = "all",
        preview: bool = False,
    ) -> EditResult:
        """Grow objects by some pixels into what is free, plane by plane.

        Where two of them would get the same pixel, the nearer one does.
        """
        _check_positive("pixels", pixels)
        targets = find_targets(self._state, labels, scope)
        edits = edit_planning.plan_growth(self._state, targets, pixels)
        return self._do(edits, preview)

    def shrink(
        self,
        labels: Labels = None,
        pixels: float = 1,
        *,
        scope: EditScope = "all",
        preview: bool = False,
    ) -> EditResult:
        """Take some pixels off the edge of objects, plane by plane.

        At the border of the image they keep theirs. An object of which nothing would
        be left stays as it is.
        """
        _check_positive("pixels", pixels)
        return self._reshape(
            labels, scope, preview, 1, lambda mask, _: mask_edits.shrink(mask, pixels)
        )

    def fill_holes(
        self, labels: Labels = None, *, scope: EditScope = "all", preview: bool = False
    ) -> EditResult:
        """Fill the holes of objects, plane by plane; others within them stay."""
        return self._reshape(labels, scope, preview, 1, mask_edits.fill_holes)

    def smooth(
        self,
        labels: Labels = None,
        sigma: float = 2,
        *,
        scope: EditScope = "all",
        preview: bool = False,
    ) -> EditResult:
        """Smooth the edge of objects, plane by plane.

        What is thinner than about `sigma` pixels goes, and notches close. An object of
        which nothing would be left stays as it is.
        """
        _check_positive("sigma", sigma)
        margin = int(np.ceil(sigma)) + 1
        return self._reshape(
            labels,
            scope,
            preview,
            margin,
            lambda mask, free: mask_edits.smooth(mask, free, sigma),
        )

    def _reshape(
        self,
        labels: Labels,
        scope: EditScope,
        preview: bool,
        margin: int,
        change: Callable[[NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.bool_]],
    ) -> EditResult:
        targets = find_targets(self._state, labels, scope)
        edits, spared = edit_planning.plan_shapes(self._state, targets, margin, change)
        return self._do(edits, preview, spared=spared)

    def refine(
        self,
        labels: Labels = None,
        *,
        scope: EditScope = "plane",
        config: RefineLabelsConfig | None = None,
        progress: Progress | None = None,
        preview: bool = False,
    ) -> EditResult:
        """Draw objects anew where the model is surer; see `napari_sam.refine_labels`.

        Returns
        -------
        EditResult
            Its `report` tells of each object whether it was drawn anew, and how much
            it agrees with what was there.

        Raises
        ------
        ValueError
            If the session has no image and no model.
        Cancelled
            If `progress.is_cancelled` answered True; nothing is changed then.
        """
        edits, report = plan_refinement(
            self._state, self._prompting, labels, scope, config, progress
        )
        return replace(self._do(edits, preview), report=report)

    # --- away with it -------------------------------------------------------

    def remove(
        self, labels: Labels, *, scope: EditScope = "all", preview: bool = False
    ) -> EditResult:
        """Take objects away, as one step; with None every object of the scope."""
        targets = find_targets(self._state, labels, scope)
        return self._remove(targets, targets.labels, preview)

    def remove_small(
        self,
        min_area: int,
        labels: Labels = None,
        *,
        scope: EditScope = "all",
        preview: bool = False,
    ) -> EditResult:
        """Take away objects of fewer than `min_area` pixels, all planes together.

        With the scope "plane" the pixels on the present plane count.
        """
        _check_positive("min_area", min_area)
        targets = find_targets(self._state, labels, scope)
        small = edit_planning.labels_below(self._state, targets, min_area, scope)
        return self._remove(targets, small, preview)

    def remove_at_border(
        self, labels: Labels = None, *, scope: EditScope = "all", preview: bool = False
    ) -> EditResult:
        """Take away objects that touch the border of a plane.

        The first and the last plane of a stack are no border.
        """
        targets = find_targets(self._state, labels, scope)
        cut = edit_planning.labels_at_border(self._state, targets)
        return self._remove(targets, cut, preview)

    def _remove(
        self, targets: Targets, labels: Iterable[int], preview: bool
    ) -> EditResult:
        chosen = frozenset(labels)
        edits = edit_planning.plan_removal(self._state, targets, chosen)
        return self._do(edits, preview, removed=chosen)

    # --- the step -----------------------------------------------------------

    def _do(
        self,
        edits: Iterable[LabelEdit],
        preview: bool,
        *,
        records: Sequence[Record] = (),
        spared: Sequence[int] = (),
        removed: frozenset[int] = frozenset(),
    ) -> EditResult:
        state = self._state
        result = EditResult.of(join_edits(edits), state.index, spared)
        if result and not preview:
            snapshot = edit_planning.snapshot_after(state, result, records, removed)
            state.do(snapshot, result.edit)
        return result


def _check_positive(name: Literal["pixels", "sigma", "min_area"], value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be above 0, got {value}")
