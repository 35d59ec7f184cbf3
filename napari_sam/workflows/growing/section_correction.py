"""Answers to clicks that correct a cross section of an object that has grown.

A single click says little of an outline that is far from right, and the model is told
the wrong outline beside it. Two things are known better: where the object is deep
inside, and about which shape it has. So the model is asked with a point deep inside as
well, and each of its candidates is drawn towards the cross section, moved in or out as
far as the click demands. Of the candidates, the one most like that shape comes first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.inference.tiled_prediction import add_mask
from napari_sam.ops import boxes
from napari_sam.ops.mask_overlap import mask_iou
from napari_sam.ops.signed_distance import signed_distance
from napari_sam.ops.types import Multimask, Prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import MaskPrediction

    Mask = NDArray[np.bool_]

__all__ = ["correct_section", "most_like", "move_outline"]

_AWAY = 3.0
"""Pixels that the point deep inside keeps from a click that says "not here"."""

_AGAINST = 0.3
"""What a candidate is worth that does not hold to the last click, as a share."""


def correct_section(
    sam: PromptableModel, embedding: PlaneEmbedding, prompts: Prompts, section: Mask
) -> MaskPrediction:
    """Answer clicks on a plane on which an object has grown.

    Parameters
    ----------
    sam, embedding
        The model, and the plane as it sees it.
    prompts
        The clicks, one at least, in the order in which they came.
    section
        (H, W), the object as it has grown there, not empty.

    Returns
    -------
    MaskPrediction
        Three candidates; their scores are the model's own times the likeness to the
        section, moved as far as the clicks demand.
    """
    clicks = list(zip(prompts.points, prompts.labels == 1, strict=True))
    window = _around(section, prompts.points)
    corner = np.array([part.start for part in window])
    moved = section[window]
    for position, is_inside in clicks:
        moved = move_outline(moved, position - corner, bool(is_inside))
    at, is_inside = clicks[-1]
    row, col = _pixel(at, section.shape)
    inner = _deepest(section, None if is_inside else (row, col))
    asked = replace(
        prompts,
        points=np.concatenate([prompts.points, inner[None]]),
        labels=np.append(prompts.labels, 1),
    )
    asked = add_mask(sam, embedding, asked, section)
    answer = sam.predict_batch(embedding, [asked], Multimask.THREE)[0]
    shape, worth = signed_distance(moved), []
    far = max(float(shape.max()), 2.0)  # no candidate draws it farther than so
    masks = np.zeros_like(answer.masks)
    for k, mask in enumerate(answer.masks):
        known = mask[window]
        holds = 1.0 if mask[row, col] == is_inside else _AGAINST
        worth.append(answer.scores[k] * mask_iou(known, moved) * holds)
        masks[k][window] = np.clip(signed_distance(known), -far, far) + shape > 0
    order = np.argsort(-np.array(worth), kind="stable")
    scores = np.asarray(worth, np.float32)
    return replace(answer, masks=masks, scores=scores).ordered(order)


def most_like(answer: MaskPrediction, section: Mask) -> MaskPrediction:
    """Put that candidate first which is good and most like a section on another plane.

    Parameters
    ----------
    answer
        Of a plane on which nothing has grown yet.
    section
        (H, W), the object on the nearest plane where it has.
    """
    likeness = [mask_iou(mask, section) for mask in answer.masks]
    worth = answer.scores * np.asarray(likeness, np.float32)
    return answer.ordered(np.argsort(-worth, kind="stable"))


def move_outline(mask: Mask, point: NDArray[np.floating], is_inside: bool) -> Mask:
    """Return a shape moved in or out everywhere, as far as one point demands.

    Parameters
    ----------
    mask
        (H, W).
    point
        (row, col) in it.
    is_inside
        Whether the point lies in the shape that is wanted.

    Examples
    --------
    >>> mask = np.zeros((1, 9), bool)
    >>> mask[0, 3:6] = True
    >>> move_outline(mask, np.array([0, 6]), True).astype(int).tolist()
    [[0, 0, 1, 1, 1, 1, 1, 0, 0]]
    >>> move_outline(mask, np.array([0, 3]), False).astype(int).tolist()
    [[0, 0, 0, 0, 1, 0, 0, 0, 0]]
    """
    depths = signed_distance(mask)
    depth = depths[_pixel(point, mask.shape)]
    if (depth > 0) == is_inside:
        return mask
    return np.asarray(depths >= depth if is_inside else depths > depth)


def _pixel(point: NDArray[np.floating], shape: tuple[int, ...]) -> tuple[int, int]:
    row, col = np.rint(np.asarray(point, np.float64)).astype(int).tolist()
    return min(max(row, 0), shape[0] - 1), min(max(col, 0), shape[1] - 1)


def _around(section: Mask, points: NDArray[np.float32]) -> tuple[slice, slice]:
    """Return a window that holds a section, clicks, and as much again around them."""
    box = boxes.from_mask(section)
    assert box is not None  # a section that is not empty is corrected
    low = np.minimum(np.array(box[:2]), np.floor(points.min(axis=0)))
    high = np.maximum(np.array(box[2:]), np.ceil(points.max(axis=0)) + 1)
    pad = (high - low).max() / 2 + 8
    first = np.maximum(low - pad, 0).astype(int)
    last = np.minimum(high + pad, section.shape).astype(int)
    return slice(first[0], last[0]), slice(first[1], last[1])


def _deepest(mask: Mask, away_from: tuple[int, int] | None) -> NDArray[np.float32]:
    """Return the (row, col) farthest from the outline, not beside a pixel."""
    kept = mask
    if away_from is not None:
        rows, cols = np.ogrid[: mask.shape[0], : mask.shape[1]]
        far = np.hypot(rows - away_from[0], cols - away_from[1]) > _AWAY
        kept = mask & far
    box = boxes.from_mask(kept if kept.any() else mask)
    assert box is not None
    part = (kept if kept.any() else mask)[box[0] : box[2], box[1] : box[3]]
    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1]
    row, col = divmod(int(depth.argmax()), depth.shape[1])
    return np.array([row + box[0], col + box[1]], np.float32)
