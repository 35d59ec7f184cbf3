"""Objects from the boxes or points of any detector, many at a time.

As in the paper's instance segmentation (section 7.4 and appendix D.4), a box is
answered by a mask, and that mask is fed back once together with the box. Small
objects of a large image are prompted in tiles, where the model sees them larger; see
`napari_sam.workflows.views`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam.inference.tiling import choose_tiles
from napari_sam.inference.upscale import without_padding
from napari_sam.ops.painting import check_paint_order, records_to_labels
from napari_sam.ops.rle import Rle
from napari_sam.ops.stability import stability_score
from napari_sam.ops.types import MaskRecord, Prompts
from napari_sam.workflows.steps import Steps
from napari_sam.workflows.views import Views

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.painting import PaintOrder
    from napari_sam.ops.types import (
        Box,
        FrameGeometry,
        ImageEmbedding,
        IsCancelled,
        MaskPrediction,
    )
    from napari_sam.workflows.steps import Progress

    Ask = Callable[[int, NDArray[np.int64]], Prompts]

__all__ = ["answer_prompts", "segment_boxes", "segment_points"]

_BATCH = 32
"""Objects asked about between two reports; their masks are in memory at one time."""

_PROBES = 16
"""Points that are tried to learn how large objects are."""


def segment_boxes(
    sam: Predictor,
    image_or_embedding: ArrayLike | ImageEmbedding,
    boxes: ArrayLike,
    *,
    refine: bool = True,
    order: PaintOrder = "score",
    scale: float | None = None,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> NDArray[np.int32]:
    """Outline the object in each box.

    Parameters
    ----------
    sam
        The model.
    image_or_embedding
        (H, W) or (H, W, 1 to 4), see `Predictor.embed`; or its embedding, which is
        never tiled.
    boxes
        (N, 4) of (row0, col0, row1, col1) in pixels; two corners in any order.
    refine
        Whether each mask is fed back once with its box.
    order
        Whose pixel it is where masks overlap; see `records_to_labels`.
    scale
        Frame pixels per pixel at which objects are seen; None: by their size.
    contrast_limits
        For an image; see `Predictor.embed`.
    progress
        Told (batches done, batches in all).
    is_cancelled
        Asked before each batch and within the embedding.

    Returns
    -------
    (H, W) int32
        Box i becomes label i + 1, which is missing where nothing was found or others
        cover it. All 0 where there is no box.

    Raises
    ------
    ValueError
        If an argument is not as described, or a box lies outside the image; before
        any work.
    Cancelled
        If `is_cancelled` answered True.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> sam = napari_sam.load_model("cells")
    >>> napari_sam.segment_boxes(sam, np.eye(64), [(8, 8, 56, 56)]).shape
    (64, 64)
    """
    order = check_paint_order(order)
    views = Views.of(sam, image_or_embedding, contrast_limits)
    corners = _check_boxes(boxes, views.shape)
    steps = Steps("the segmentation of boxes", progress, is_cancelled)
    if scale is None:
        areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1) * np.pi / 4
        scale = views.better_scale(areas) if len(corners) else None

    def ask(index: int, corner: NDArray[np.int64]) -> Prompts:
        return Prompts.make(box=corners[index] - np.tile(corner, 2))

    records = answer_prompts(views, corners, ask, scale, refine, steps)
    return records_to_labels(records, views.shape, order)


def segment_points(
    sam: Predictor,
    image_or_embedding: ArrayLike | ImageEmbedding,
    points: ArrayLike,
    *,
    refine: bool = True,
    order: PaintOrder = "score",
    scale: float | None = None,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> NDArray[np.int32]:
    """Outline the object at each point; see `segment_boxes`.

    Of three masks the one with the highest predicted IoU is taken. Unless `scale` is
    given, a few points are tried first to learn how large the objects are.

    Parameters
    ----------
    points
        (N, 2) of (row, col) in pixels, one for each object.
    sam, image_or_embedding, refine, order, scale, contrast_limits
        As for `segment_boxes`.
    progress, is_cancelled
        As for `segment_boxes`.

    Returns
    -------
    (H, W) int32
        Point i becomes label i + 1.

    Raises
    ------
    ValueError
        If an argument is not as described, or a point lies outside the image.
    Cancelled
        If `is_cancelled` answered True.
    """
    order = check_paint_order(order)
    views = Views.of(sam, image_or_embedding, contrast_limits)
    at = _check_points(points, views.shape)
    steps = Steps("the segmentation of points", progress, is_cancelled)

    def ask(index: int, corner: NDArray[np.int64]) -> Prompts:
        return Prompts.make(points=[at[index] - corner])

    if scale is None and len(at) and views.better_scale([]) is not None:
        some = np.unique(np.linspace(0, len(at) - 1, _PROBES).round().astype(int))
        tried = answer_prompts(
            views,
            np.tile(at[some], 2),
            lambda i, corner: ask(int(some[i]), corner),
            None,
            False,
            steps,
        )
        scale = views.better_scale([record.area for record in tried])
    records = answer_prompts(views, np.tile(at, 2), ask, scale, refine, steps)
    return records_to_labels(records, views.shape, order)


def _check_boxes(boxes: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    array = np.asarray(boxes, np.float64)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(
            f"boxes must be (N, 4) as (row0, col0, row1, col1), got shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError("boxes must be finite, got NaN or inf")
    pairs = np.sort(array.reshape(-1, 2, 2), axis=1)
    outside = (pairs[:, 1] <= 0).any(axis=1) | (pairs[:, 0] >= shape).any(axis=1)
    if outside.any():
        number = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"box {number}, {tuple(array[number].tolist())}, lies outside the image "
            f"plane of {shape[0]} x {shape[1]} pixels"
        )
    return np.clip(pairs, 0, shape).reshape(-1, 4)


def _check_points(points: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    array = np.asarray(points, np.float64)
    if array.size == 0:
        return np.zeros((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"points must be (N, 2) as (row, col), got {array.shape}")
    outside = ~((array >= -0.5) & (array <= shape)).all(axis=1)
    if outside.any():
        number = int(np.flatnonzero(outside)[0])
        raise ValueError(
            f"point {number}, {tuple(array[number].tolist())}, lies outside the image "
            f"plane of {shape[0]} x {shape[1]} pixels"
        )
    return array


def answer_prompts(
    views: Views,
    boxes: NDArray[Any],
    ask: Ask,
    scale: float | None,
    refine: bool,
    steps: Steps,
) -> list[MaskRecord]:
    """Ask about each object in the view that shows it best.

    Parameters
    ----------
    views
        The model and the image plane.
    boxes
        (N, 4) where the objects are; a point twice where no more is known.
    ask
        Makes the prompts of object i in a view whose corner is given.
    scale
        Frame pixels per pixel; None: as a whole. An object that no tile holds is seen
        as a whole.
    refine
        Whether each mask is fed back once with its prompts.
    steps
        Told of each batch.

    Returns
    -------
    list of MaskRecord
        One for each object, in order; its mask may be empty.
    """
    tiles = [views.whole] if scale is None else views.lay(scale)
    chosen = choose_tiles(boxes, tiles, views.shape)
    groups = [(views.whole if t < 0 else tiles[t], chosen == t) for t in set(chosen)]
    jobs = [
        (box, members[start : start + _BATCH].tolist())
        for box, which in sorted(groups, key=lambda group: group[0])
        for members in [np.flatnonzero(which)]
        for start in range(0, len(members), _BATCH)
    ]
    found: dict[int, MaskRecord] = {}
    for number, (box, some) in enumerate(jobs):
        steps.before(len(jobs) - number)
        corner = np.array(box[:2])
        prompts = [ask(i, corner) for i in some]
        found.update(
            zip(some, _answer(views, box, prompts, refine, steps), strict=True)
        )
    steps.finish()
    return [found[i] for i in range(len(boxes))]


def _answer(
    views: Views, box: Box, prompts: list[Prompts], refine: bool, steps: Steps
) -> list[MaskRecord]:
    """Ask about some objects in one view."""
    embedding = views.embed(box, steps.is_cancelled)
    answers = views.sam.predict_batch(embedding, prompts)
    if refine:
        again = [
            replace(prompt, mask_logits=answer.logits[0])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        answers = views.sam.predict_batch(embedding, again)
    geometry = embedding.geometry
    return [
        _record(answer, prompt, geometry, box, views.shape)
        for answer, prompt in zip(answers, prompts, strict=True)
    ]


def _record(
    answer: MaskPrediction,
    prompt: Prompts,
    geometry: FrameGeometry,
    box: Box,
    shape: tuple[int, int],
) -> MaskRecord:
    """Keep an answer's best mask, placed in the plane."""
    rle = Rle.encode(answer.masks[0], shape, (box[0], box[1]))
    if prompt.box is None:
        row, col = prompt.points[0].tolist()
    else:
        row, col = prompt.box.reshape(2, 2).mean(axis=0).tolist()
    low = without_padding(torch.from_numpy(answer.logits[0]), geometry)[None]
    return MaskRecord(
        rle=rle,
        area=rle.area,
        bbox=rle.bbox or (0, 0, 0, 0),
        predicted_iou=float(answer.scores[0]),
        stability_score=float(stability_score(low)[0]),
        point=(row + box[0], col + box[1]),
        crop_box=box,
    )
