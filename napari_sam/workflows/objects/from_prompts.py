"""Objects from the boxes or points of any detector, many at a time.

As in the paper's instance segmentation (section 7.4 and appendix D.4), a box is
answered by a mask, and that mask is fed back once together with the box. Small
objects of a large image are prompted in tiles, where the model sees them larger; see
`napari_sam.inference.image_scale`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam.configs import PromptConfig
from napari_sam.inference.channels import channels_last
from napari_sam.inference.image_scale import PROMPT_SCALE_RULE
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.mask_upscaling import without_padding
from napari_sam.inference.plane_views import PlaneEmbedding, PlaneView
from napari_sam.inference.preprocess import check_image
from napari_sam.ops.boxes import areas_of, clip_boxes
from napari_sam.ops.label_painting import records_to_labels
from napari_sam.ops.rle import Rle
from napari_sam.ops.roi_and_contrast import require_limits_only
from napari_sam.ops.stability_score import stability_score
from napari_sam.ops.types import MaskRecord, Prompts
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.ops.types import FrameGeometry, MaskPrediction
    from napari_sam.workflows.progress import Progress

__all__ = ["answer_prompts", "segment_boxes", "segment_points"]

_BATCH = 32
"""Objects asked about between two reports; their masks are in memory at one time."""


def segment_boxes(
    image: ArrayLike | PlaneEmbedding,
    boxes: ArrayLike,
    *,
    model: str | Path | Predictor = "cells",
    config: PromptConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Outline the object in each box.

    Parameters
    ----------
    image : (H, W) or (H, W, 1 to 4) array of any real dtype, or an embedding
        See `Predictor.embed`; an embedding is taken as it is.
    boxes : (N, 4) array
        (row0, col0, row1, col1) in pixels, half open; two corners in any order.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    config : PromptConfig, optional
        How boxes are asked about, and whose pixel it is where masks overlap.
    scope : Scope, optional
        Its contrast limits; every box is asked about.
    channel_axis : int, optional
        The axis of the channels; None: the last one, if there are three.
    progress : Progress, optional
        Steps are batches of boxes.

    Returns
    -------
    (H, W) int32 array
        Box i becomes label i + 1, which is missing where nothing was found or others
        cover it. All 0 where there is no box.

    Raises
    ------
    ValueError
        If an argument is not as described, or a box lies outside the image; before
        any work.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    segment_points : The same with a point for each object.
    segment : Without boxes.

    References
    ----------
    Kirillov et al., Segment Anything, 2023, section 7.4 and appendix D.4.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> napari_sam.segment_boxes(np.eye(64), [(8, 8, 56, 56)]).shape
    (64, 64)
    """
    config = config or PromptConfig()
    limits = require_limits_only(scope, "segment_boxes")
    image = channels_last(image, channel_axis)
    shape = plane_shape(image)
    corners = _check_boxes(boxes, shape)
    sam = as_predictor(model)
    prompts = [Prompts.make(box=box, loose=config.loose) for box in corners]
    scale = config.scale
    if scale is None:
        areas = areas_of(corners) * np.pi / 4
        scale = PROMPT_SCALE_RULE.scale(areas, sam.frame_size / max(shape))
    steps = Steps("the segmentation of boxes", progress)
    records = answer_prompts(sam, image, prompts, config.refine, scale, limits, steps)
    return records_to_labels(records, shape, config.order)


def segment_points(
    image: ArrayLike | PlaneEmbedding,
    points: ArrayLike,
    *,
    model: str | Path | Predictor = "cells",
    config: PromptConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Outline the object at each point.

    Of three masks the one with the highest predicted IoU is taken. Unless the
    configuration says at which scale, the model's dense head says how large objects
    are; a model without one sees the image as a whole.

    Parameters
    ----------
    image : (H, W) or (H, W, 1 to 4) array of any real dtype, or an embedding
        See `Predictor.embed`; an embedding is taken as it is.
    points : (N, 2) array
        (row, col) in pixels, one for each object.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    config : PromptConfig, optional
        How points are asked about, and whose pixel it is where masks overlap.
    scope : Scope, optional
        Its contrast limits; every point is asked about.
    channel_axis : int, optional
        The axis of the channels; None: the last one, if there are three.
    progress : Progress, optional
        Steps are batches of points.

    Returns
    -------
    (H, W) int32 array
        Point i becomes label i + 1, which is missing where nothing was found or
        others cover it.

    Raises
    ------
    ValueError
        If an argument is not as described, or a point lies outside the image; before
        any work.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    segment_boxes : The same with a box around each object.
    Predictor.predict : One object by several points, with all candidates.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> napari_sam.segment_points(np.eye(64), [(32, 32)]).shape
    (64, 64)
    """
    config = config or PromptConfig()
    limits = require_limits_only(scope, "segment_points")
    image = channels_last(image, channel_axis)
    shape = plane_shape(image)
    prompts = [Prompts.make([point]) for point in _check_points(points, shape)]
    steps = Steps("the segmentation of points", progress)
    sam, scale = as_predictor(model), config.scale
    records = answer_prompts(sam, image, prompts, config.refine, scale, limits, steps)
    return records_to_labels(records, shape, config.order)


def plane_shape(image_or_embedding: ArrayLike | PlaneEmbedding) -> tuple[int, int]:
    """Return (H, W) of an image plane or of what was embedded.

    Raises
    ------
    ValueError
        If it is no image; see `Predictor.embed`.
    """
    if isinstance(image_or_embedding, PlaneEmbedding):
        return image_or_embedding.geometry.image_shape
    image = check_image(image_or_embedding)
    return image.shape[0], image.shape[1]


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
    return clip_boxes(pairs.reshape(-1, 4), shape)


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
    sam: Predictor,
    image_or_embedding: ArrayLike | PlaneEmbedding,
    prompts: Sequence[Prompts],
    refine: bool,
    scale: float | None,
    contrast_limits: tuple[float, float] | None,
    steps: Steps,
) -> list[MaskRecord]:
    """Ask about each object in the view that shows it best.

    Parameters
    ----------
    sam
        The model.
    image_or_embedding, scale, contrast_limits
        As for `segment_boxes`. Nothing is embedded where nothing is asked.
    prompts
        Of each object.
    refine
        Whether each mask is fed back once with its prompts.
    steps
        Told of each batch.

    Returns
    -------
    list of MaskRecord
        One for each object, in order; its mask may be empty.
    """
    if not prompts:
        return []
    embedding = image_or_embedding
    if not isinstance(embedding, PlaneEmbedding):
        embedding = sam.embed(
            embedding,
            scale="auto" if scale is None else scale,
            contrast_limits=contrast_limits,
            is_cancelled=steps.is_cancelled,
        )
    if isinstance(embedding, PlaneView):
        views = [embedding.tile_for(prompt) for prompt in prompts]
    else:
        views = [(0, 0, *embedding.geometry.image_shape)] * len(prompts)
    jobs = [
        (view, members[start : start + _BATCH])
        for view in sorted(set(views))
        for members in [[i for i, other in enumerate(views) if other == view]]
        for start in range(0, len(members), _BATCH)
    ]
    found: dict[int, MaskRecord] = {}
    for number, (view, some) in enumerate(jobs):
        steps.before(len(jobs) - number)
        if isinstance(embedding, PlaneView):
            embedding.embed(sam, view, steps.is_cancelled)
        asked = [prompts[i] for i in some]
        answers = sam.predict_batch(embedding, asked)
        if refine:
            again = [
                prompt.refining(answer)
                for prompt, answer in zip(asked, answers, strict=True)
            ]
            answers = sam.predict_batch(embedding, again)
        for i, answer in zip(some, answers, strict=True):
            found[i] = _record(answer, prompts[i], embedding.geometry)
    steps.finish()
    return [found[i] for i in range(len(prompts))]


def _record(
    answer: MaskPrediction, prompt: Prompts, geometry: FrameGeometry
) -> MaskRecord:
    """Keep an answer's best mask."""
    shape = geometry.image_shape
    view = answer.view or (0, 0, *shape)
    top, left, bottom, right = view
    rle = Rle.encode(answer.masks[0, top:bottom, left:right], shape, (top, left))
    if prompt.box is None:
        row, col = prompt.points[0].tolist()
    else:
        row, col = prompt.box.reshape(2, 2).mean(axis=0).tolist()
    shown = geometry.of_part((bottom - top, right - left))
    low = without_padding(torch.from_numpy(answer.logits[0]), shown)[None]
    return MaskRecord(
        rle=rle,
        area=rle.area,
        bbox=rle.bbox or (0, 0, 0, 0),
        predicted_iou=float(answer.scores[0]),
        stability_score=float(stability_score(low)[0]),
        point=(row, col),
        crop_box=view,
    )
