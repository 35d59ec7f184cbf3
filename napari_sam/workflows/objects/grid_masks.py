"""Everything in an image: a grid of points, three masks each, the good ones kept.

The automatic mask generator of the SAM paper (section 5 and appendix B), with the
parameters, the defaults and the results of Meta's ``SamAutomaticMaskGenerator``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.configs import GridConfig
from napari_sam.inference.channels import channels_last
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.plane_views import PlaneView
from napari_sam.ops.boxes import areas_of
from napari_sam.ops.nms import box_nms
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.ops.types import Cancelled, ImageEmbedding, MaskRecord
from napari_sam.workflows.objects.crops import Crop, make_crops
from napari_sam.workflows.objects.mask_cleaning import clean_records
from napari_sam.workflows.objects.mask_filters import CandidateFilter, pixel_boxes
from napari_sam.workflows.objects.point_grids import (
    check_exclude,
    check_roi,
    layer_grid,
    points_in_crop,
)
from napari_sam.workflows.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor

__all__ = ["estimate_seconds", "generate_masks", "grid_defaults"]

_TIMED_POINTS = 8
"""Points that are decoded for an estimate of time, after as many to warm up."""

_DENSE_HEAD_DEFAULTS = GridConfig(
    points_per_side=28,
    pred_iou_thresh=0.65,
    stability_score_thresh=0.85,
    box_nms_thresh=0.5,
)

_CropGrid = tuple[Crop, "NDArray[np.float64]"]
"""A crop, and the (N, 2) points that are asked in it."""


def _lay_grids(
    config: GridConfig,
    shape: tuple[int, int],
    roi: NDArray[np.bool_] | None,
    occupied: NDArray[np.bool_] | None,
) -> list[_CropGrid]:
    """Choose the points of each crop; crops without a point are left out."""
    crops = make_crops(shape, config.crop_n_layers, config.crop_overlap_ratio)
    grids = [layer_grid(config, crop.layer) for crop in crops]
    laid = list(zip(grids, crops, strict=True))
    if roi is not None and not any(len(points_in_crop(*pair, roi)) for pair in laid):
        raise ValueError(
            "no point of the grid lies in roi; give a larger one, or more points by "
            "points_per_side"
        )
    free = roi
    if occupied is not None:
        free = ~occupied if roi is None else roi & ~occupied
    parts = [(crop, points_in_crop(grid, crop, free)) for grid, crop in laid]
    return [(crop, points) for crop, points in parts if len(points)]


def grid_defaults(model: Predictor) -> GridConfig:
    """Return the grid that suits a model.

    The thresholds of Meta's generator suit Meta's models and micro-sam's. A model with
    a dense head of ours was trained as the bundled one, which judges its masks more
    cautiously and draws softer edges: with Meta's thresholds hardly a mask would be
    left.
    """
    return _DENSE_HEAD_DEFAULTS if model.has_quick_maps else GridConfig()


def generate_masks(
    image: ArrayLike | PlaneEmbedding,
    *,
    model: str | Path | Predictor = "cells",
    config: GridConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> list[MaskRecord]:
    """Find the masks of everything in an image.

    Each point of a grid is asked for three masks. Those stay that the model thinks
    good (predicted IoU), that hardly change with their threshold (stability) and
    that a better one does not double (box NMS); with `crop_n_layers`, the search is
    repeated in crops. Duplicates are found as in Meta's code: by boxes whose sides
    are differences of pixel indices, one less than the sides of `MaskRecord.bbox`.

    Parameters
    ----------
    image : (H, W) or (H, W, 1 to 4) array of any real dtype, or an embedding
        See `Predictor.embed`. Crops need the image.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    config : GridConfig, optional
        All thresholds. What is not set in it suits the model; see `grid_defaults`.
    scope : Scope, optional
        No point is prompted outside `roi`, nor where `exclude` is not 0; a mask that
        has more than half of its pixels there is dropped before duplicates are
        looked for. What is left of a mask is not clipped. Crops get the contrast
        limits of the image.
    channel_axis : int, optional
        The axis of the channels; None: the last one, if there are three.
    progress : Progress, optional
        Steps are batches of `points_per_batch` points.

    Returns
    -------
    list of MaskRecord
        In the order of Meta's generator: without crops the best predicted IoU first,
        with crops the masks of the smallest crops first; unchanged masks first where
        small regions were mended. Empty where nothing passes. An empty mask has a
        stability of 0, so that it passes only where stability is not asked for.

    Raises
    ------
    ValueError
        If an argument is not as described, or no point of the grid lies in the
        region; before any work.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    segment : Labels of all objects, by this or by a model's dense head.
    propose : Many masks without thresholds, the most likely objects first.

    References
    ----------
    Kirillov et al., Segment Anything, 2023, section 5 and appendix B; Meta's
    ``SamAutomaticMaskGenerator``.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> config = napari_sam.GridConfig(points_per_side=2)
    >>> masks = napari_sam.generate_masks(np.eye(64), config=config)
    """
    sam = as_predictor(model)
    config = _with_defaults(config, sam)
    scope, progress = scope or Scope(), progress or Progress()
    image = channels_last(image, channel_axis)
    view = PlaneView.of(image, sam.frame_size, scope.contrast_limits)
    if config.crop_n_layers > 0 and isinstance(image, ImageEmbedding):
        raise ValueError(
            "crops are cut from the image, but an embedding was given; give the "
            "image, or set crop_n_layers to 0"
        )
    keep, parts = _plan(view.shape, config, scope)
    size, is_cancelled = config.points_per_batch, progress.is_cancelled
    done, total = 0, sum(-(-len(points) // size) for _, points in parts)
    report = progress.report or _no_report
    report(done, total)
    records: list[MaskRecord] = []
    for crop, points in parts:
        decoder = sam.point_decoder(view.embed(sam, crop.box, is_cancelled))
        found: list[MaskRecord] = []
        for start in range(0, len(points), size):
            if is_cancelled is not None and is_cancelled():
                raise Cancelled("the search for masks was cancelled")
            found += keep.records(decoder, crop, points[start : start + size])
            done += 1
            report(done, total)
        scores = [record.predicted_iou for record in found]
        records += _without_duplicates(found, scores, config.box_nms_thresh)
    return _finish(records, config)


def _with_defaults(config: GridConfig | None, model: Predictor) -> GridConfig:
    """Return all parameters: those that are set, and those that suit the model."""
    defaults = grid_defaults(model)
    return defaults if config is None else config.over(defaults)


def _no_report(done: int, total: int) -> None:
    pass


def _plan(
    shape: tuple[int, int],
    config: GridConfig,
    scope: Scope,
) -> tuple[CandidateFilter, list[_CropGrid]]:
    """Check the regions, and say what is asked where and what is kept."""
    inside = None if scope.roi is None else check_roi(scope.roi, shape)
    occupied = None if scope.exclude is None else check_exclude(scope.exclude, shape)
    keep = CandidateFilter(
        shape,
        config.pred_iou_thresh,
        config.stability_score_thresh,
        config.stability_score_offset,
        config.stability == "fast",
        occupied,
    )
    return keep, _lay_grids(config, shape, inside, occupied)


def _without_duplicates(
    records: list[MaskRecord], scores: ArrayLike, threshold: float
) -> list[MaskRecord]:
    """Drop duplicates; the best score goes first."""
    boxes = pixel_boxes([one.bbox for one in records])
    return [records[i] for i in box_nms(boxes, scores, threshold)]


def _finish(records: list[MaskRecord], config: GridConfig) -> list[MaskRecord]:
    """Drop the duplicates across crops, and mend small regions where asked."""
    if config.crop_n_layers > 0:
        boxes = np.array([record.crop_box for record in records]).reshape(-1, 4)
        areas = areas_of(boxes)
        # The smaller a crop, the finer its masks.
        scores = 1 / areas.astype(np.float32)
        records = _without_duplicates(records, scores, config.crop_nms_thresh)
    if config.min_mask_region_area > 0:
        threshold = max(config.box_nms_thresh, config.crop_nms_thresh)
        records = clean_records(records, config.min_mask_region_area, threshold)
    return records


def estimate_seconds(
    embedding: ImageEmbedding,
    *,
    model: Predictor,
    config: GridConfig | None = None,
    scope: Scope | None = None,
) -> float:
    """Estimate how long `generate_masks` will take with these arguments.

    A few points that are spread over the grid are decoded and judged, and their time
    is multiplied. Crops count with their points, but not the embedding of each.
    Once the search runs, `progress` tells more.

    Parameters
    ----------
    embedding
        Of the whole image plane.
    model, config, scope
        As for `generate_masks`.

    Returns
    -------
    Seconds, 0 where no point is to be asked.
    """
    shape = embedding.geometry.image_shape
    keep, parts = _plan(shape, _with_defaults(config, model), scope or Scope())
    if not parts:
        return 0.0
    count = sum(len(points) for _, points in parts)
    crop, points = parts[0]
    whole = Crop(0, (0, 0, *embedding.geometry.image_shape))
    spread = np.linspace(0, len(points) - 1, _TIMED_POINTS).round().astype(np.int64)
    sample = points[spread] + np.array(crop.corner)
    decoder = model.point_decoder(embedding)
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        list(keep.records(decoder, whole, sample))
        seconds = time.perf_counter() - start
    return seconds * count / _TIMED_POINTS
