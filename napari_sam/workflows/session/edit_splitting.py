"""Where an object is to be parted: by a stroke or by points on the present plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.mask_splitting import split_at_points, split_at_stroke
from napari_sam.ops.object_boxes import boxes_of_labels
from napari_sam.ops.planes import Plane
from napari_sam.ops.strokes import check_stroke, snap_stroke
from napari_sam.workflows.session.edit_planning import labels_under
from napari_sam.workflows.session.edit_targets import checked_labels, find_targets
from napari_sam.workflows.session.planned_edit import ObjectBlock, boxes_on

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.strokes import Ridge
    from napari_sam.ops.types import Box
    from napari_sam.workflows.session.edit_image_data import EditImageData
    from napari_sam.workflows.session.edit_targets import EditScope
    from napari_sam.workflows.session.session_state import SessionState

__all__ = ["plan_split"]


def plan_split(
    state: SessionState,
    image_data: EditImageData,
    label: int | None,
    stroke: ArrayLike | None,
    points: ArrayLike | None,
    snap: Ridge | None,
    scope: EditScope,
) -> tuple[ObjectBlock, NDArray[np.int32]]:
    """Part an object; see `ObjectEditing.split`.

    Returns
    -------
    block : ObjectBlock
        The object on the planes on which it is parted.
    parts : (..., h, w) int32
        1 for its largest part, 2 for the next one.
    """
    if (stroke is None) == (points is None):
        raise ValueError("give a stroke across the object, or a point in each part")
    if snap not in (None, "dark", "bright"):
        raise ValueError(f"snap must be 'dark', 'bright' or None, got {snap!r}")
    if snap and stroke is None:
        raise ValueError("only a stroke can snap to a ridge, not points")
    if label is not None:
        (label,) = checked_labels(label)
        state.check_exists(label, here=True)
    if stroke is not None:
        return _by_stroke(state, image_data, label, stroke, snap, scope)
    return _by_points(state, image_data, label, points, scope)


def _by_stroke(
    state: SessionState,
    image_data: EditImageData,
    label: int | None,
    stroke: ArrayLike,
    snap: Ridge | None,
    scope: EditScope,
) -> tuple[ObjectBlock, NDArray[np.int32]]:
    line = check_stroke(stroke, state.plane_shape)
    under = labels_under(state, line)
    if label is None and not under:
        raise ValueError("the stroke cuts nothing: there is no object under it")
    chosen = label or max(under, key=lambda n: under[n])
    block, at = _block(state, chosen, scope)
    line = line - block.box[:2]
    if snap:
        seen = image_data.intensities(block.box)
        if seen is None:
            raise ValueError(
                "there is no image to snap to; make the session with one, or leave "
                "snap out"
            )
        line = snap_stroke(line, block.mask[at], seen, snap)
    try:
        return block, split_at_stroke(block.mask, at, line)
    except ValueError as error:
        raise ValueError(
            f"the stroke cuts nothing off object {chosen}; draw it across the object"
        ) from error


def _by_points(
    state: SessionState,
    image_data: EditImageData,
    label: int | None,
    points: ArrayLike | None,
    scope: EditScope,
) -> tuple[ObjectBlock, NDArray[np.int32]]:
    pixels = _checked_points(points, state.plane_shape)
    now = state.canvas.read(state.plane)
    under = [int(now[row, col]) for row, col in pixels.tolist()]
    chosen = label or under[0]
    for pixel, found in zip(pixels.tolist(), under, strict=True):
        if chosen == 0 or found != chosen:
            where = f"object {found}" if found else "the background"
            wanted = f"object {chosen}" if chosen else "the object to be split"
            raise ValueError(
                f"the point {tuple(pixel)} lies on {where}; wanted a point on {wanted} "
                "in each of its parts"
            )
    block, at = _block(state, chosen, scope)
    local = pixels - block.box[:2]
    lead = np.tile(np.array(at, np.intp), (len(local), 1))
    seeds = np.concatenate([lead, local], axis=1)
    return block, split_at_points(block.mask, seeds, image_data.relief(block.box))


def _checked_points(
    points: ArrayLike | None, shape: tuple[int, int]
) -> NDArray[np.intp]:
    given = np.asarray(points, np.float64)
    if given.ndim != 2 or given.shape[1:] != (2,) or len(given) < 2:
        raise ValueError(
            "a split needs two (row, col) points or more, one in each part; got an "
            f"array of shape {given.shape}"
        )
    if not np.isfinite(given).all():
        raise ValueError("points must be finite, got NaN or inf")
    outside = ((given < -0.5) | (given > np.array(shape) - 0.5)).any(axis=1)
    if outside.any():
        raise ValueError(
            f"the point {tuple(given[outside][0].tolist())} lies outside the plane of "
            f"{shape[0]} x {shape[1]} pixels"
        )
    pixels = np.clip(np.rint(given), 0, np.array(shape) - 1).astype(np.intp)
    if len(np.unique(pixels, axis=0)) < len(pixels):
        raise ValueError("two points lie on the same pixel; give one in each part")
    return pixels


def _block(
    state: SessionState, label: int, scope: EditScope
) -> tuple[ObjectBlock, tuple[int, ...]]:
    """Cut out an object, with the place of the present plane in it."""
    targets = find_targets(state, label, scope)
    boxes = {p: own[label] for p, own in boxes_on(state.canvas, targets.planes).items()}
    if state.plane not in boxes:
        boxes = _parallel(state, label, boxes)
    block = ObjectBlock(state.canvas, label, boxes)
    return block, block.places[state.plane]


def _parallel(
    state: SessionState, label: int, stored: dict[Plane, Box]
) -> dict[Plane, Box]:
    """Find an object on the planes that lie as the present one, which cuts others."""
    at = np.array([[i for i in p.index if i is not None] for p in stored], np.intp)
    corners = np.array([*stored.values()], np.intp)
    low = [*at.min(axis=0).tolist(), *corners[:, :2].min(axis=0).tolist()]
    high = [*at.max(axis=0).tolist(), *(corners[:, 2:].max(axis=0) - 1).tolist()]
    standing = [a for a, i in enumerate(state.plane.index) if i is not None]
    found = {}
    for step in np.ndindex(*[high[a] - low[a] + 1 for a in standing]):
        index = list(state.plane.index)
        for axis, more in zip(standing, step, strict=True):
            index[axis] = low[axis] + more
        plane = Plane(tuple(index))
        own = boxes_of_labels(state.canvas.read(plane), [label])
        if own:
            found[plane] = own[label]
    return found
