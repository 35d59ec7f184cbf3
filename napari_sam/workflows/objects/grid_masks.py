"""Everything in an image: a grid of points, three masks each, the good ones kept.

The automatic mask generator of the SAM paper (section 5 and appendix B), with the
parameters, the defaults and the results of Meta's ``SamAutomaticMaskGenerator``.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from napari_sam.inference.views import PlaneView
from napari_sam.ops.boxes import areas_of
from napari_sam.ops.nms import box_nms
from napari_sam.ops.types import Cancelled, ImageEmbedding, IsCancelled, MaskRecord
from napari_sam.workflows.objects.crops import Crop, make_crops
from napari_sam.workflows.objects.mask_cleaning import clean_records
from napari_sam.workflows.objects.mask_filters import CandidateFilter, pixel_boxes
from napari_sam.workflows.objects.point_grids import (
    check_exclude,
    check_roi,
    even_grid,
    points_in_crop,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.views import PlaneEmbedding

__all__ = ["AutomaticConfig", "estimate_seconds", "generate_masks"]

_SAMPLE = 8
"""Points that are decoded for an estimate of time, after as many to warm up."""


class AutomaticConfig(BaseModel):
    """Parameters of `generate_masks`, under the names of Meta's generator.

    Examples
    --------
    >>> from napari_sam import AutomaticConfig
    >>> AutomaticConfig(points_per_side=16).pred_iou_thresh
    0.88
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points_per_side: int | None = Field(
        32, ge=1, description="points along a side of the image's grid"
    )
    point_grids: tuple[tuple[tuple[float, float], ...], ...] | None = Field(
        None,
        description="instead of points_per_side: for each crop layer (N, 2) points as "
        "(row, col) from 0 to 1",
    )
    points_per_batch: int = Field(
        64, ge=1, description="points between two reports of progress"
    )
    pred_iou_thresh: float = Field(
        0.88, description="predicted IoU that a mask must exceed; 0: no filter"
    )
    stability_score_thresh: float = Field(
        0.95, description="stability that a mask must reach; 0: no filter"
    )
    stability_score_offset: float = Field(
        1.0, ge=0, description="by how much the stability moves the threshold"
    )
    box_nms_thresh: float = Field(
        0.7, ge=0, le=1, description="IoU of boxes that are duplicates in a crop"
    )
    crop_n_layers: int = Field(
        0, ge=0, description="layers of crops; layer k has (2 ** k) ** 2"
    )
    crop_nms_thresh: float = Field(
        0.7, ge=0, le=1, description="IoU of boxes that are duplicates across crops"
    )
    crop_overlap_ratio: float = Field(
        512 / 1500,
        ge=0,
        lt=1,
        description="overlap of layer 1, in parts of the shorter side",
    )
    crop_n_points_downscale_factor: int = Field(
        1, ge=1, description="by how much points_per_side shrinks with each layer"
    )
    min_mask_region_area: int = Field(
        0, ge=0, description="pixels below which holes and islands are mended; 0: none"
    )
    stability: Literal["exact", "fast"] = Field(
        "exact",
        description="'fast' measures stability on the model's low-resolution masks; "
        "for nuclei of about 20 pixels it differs by 0.02 in the mean, 0.15 at most",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_kind_of_grid(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("point_grids") is not None:
            if data.get("points_per_side") is not None:
                raise ValueError("give points_per_side or point_grids, not both")
            data = {**data, "points_per_side": None}
        return data

    @field_validator("point_grids", mode="before")
    @classmethod
    def _as_tuples(cls, grids: Any) -> Any:
        if grids is None:
            return None
        arrays = [np.asarray(grid, np.float64) for grid in grids]
        for array in arrays:
            if array.ndim != 2 or array.shape[1] != 2:
                raise ValueError(
                    f"a point grid must be (N, 2) as (row, col), got {array.shape}"
                )
            if not ((array >= 0) & (array <= 1)).all():
                raise ValueError("a point grid must lie between 0 and 1")
        return tuple(tuple(map(tuple, array.tolist())) for array in arrays)

    @model_validator(mode="after")
    def _a_grid_for_each_layer(self) -> AutomaticConfig:
        layers = self.crop_n_layers
        if self.point_grids is not None:
            if len(self.point_grids) <= layers:
                raise ValueError(
                    f"point_grids has {len(self.point_grids)} grids, but the image and "
                    f"{layers} layers of crops want {layers + 1}"
                )
        elif self.points_per_side is None:
            raise ValueError("give points_per_side or point_grids")
        elif self.points_per_side < self.crop_n_points_downscale_factor**layers:
            factor = self.crop_n_points_downscale_factor
            raise ValueError(
                f"points_per_side is {self.points_per_side}; divided by {factor} for "
                f"each of {layers} layers it leaves no point"
            )
        return self

    def unit_grid(self, layer: int) -> NDArray[np.float64]:
        """(N, 2) points of a layer as (row, col) from 0 to 1."""
        if self.point_grids is not None:
            return np.asarray(self.point_grids[layer], np.float64).reshape(-1, 2)
        assert self.points_per_side is not None  # the validator saw to it
        factor = self.crop_n_points_downscale_factor**layer
        return even_grid(int(self.points_per_side / factor))


_DEFAULT = AutomaticConfig()

_Part = tuple[Crop, "NDArray[np.float64]"]
"""A crop, and the (N, 2) points that are asked in it."""


def _lay_grids(
    config: AutomaticConfig,
    shape: tuple[int, int],
    roi: NDArray[np.bool_] | None,
    occupied: NDArray[np.bool_] | None,
) -> list[_Part]:
    """Choose the points of each crop; crops without a point are left out."""
    crops = make_crops(shape, config.crop_n_layers, config.crop_overlap_ratio)
    grids = [config.unit_grid(crop.layer) for crop in crops]
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


def generate_masks(
    sam: Predictor,
    image_or_embedding: ArrayLike | PlaneEmbedding,
    config: AutomaticConfig = _DEFAULT,
    *,
    roi: NDArray[np.bool_] | None = None,
    exclude: NDArray[np.integer] | None = None,
    contrast_limits: tuple[float, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> list[MaskRecord]:
    """Find the masks of everything in an image.

    Each point of a grid is asked for three masks. Those stay that the model thinks
    good (predicted IoU), that hardly change with their threshold (stability) and
    that a better one does not double (box NMS); with `crop_n_layers`, the search is
    repeated in crops. Duplicates are found as in Meta's code: by boxes whose sides
    are differences of pixel indices, one less than the sides of `MaskRecord.bbox`.

    Parameters
    ----------
    sam
        The model.
    image_or_embedding
        (H, W) or (H, W, 1 to 4), see `Predictor.embed`; or its embedding, unless
        crops are asked for.
    config
        All thresholds.
    roi
        (H, W) bool: only there are points prompted. Masks may reach beyond.
    exclude
        (H, W) labels: no point is prompted where they are not 0, and a mask that
        has more than half of its pixels there is dropped before duplicates are
        looked for. What is left of a mask is not clipped.
    contrast_limits
        For an image; see `Predictor.embed`. The crops get those of the image.
    progress
        Told (batches done, batches in all): (0, n) before the first and then after
        each batch of `points_per_batch` points.
    is_cancelled
        Asked before each batch and within the embedding.

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
        If an argument is not as described, or no point of the grid lies in `roi`;
        before any work.
    Cancelled
        If `is_cancelled` answered True.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> sam = napari_sam.load_model("cells")
    >>> config = napari_sam.AutomaticConfig(points_per_side=2)
    >>> masks = napari_sam.generate_masks(sam, np.eye(64), config)
    """
    view = PlaneView.of(image_or_embedding, sam.frame_size, contrast_limits)
    if config.crop_n_layers > 0 and isinstance(image_or_embedding, ImageEmbedding):
        raise ValueError(
            "crops are cut from the image, but an embedding was given; give the "
            "image, or set crop_n_layers to 0"
        )
    keep, parts = _plan(view.shape, config, roi, exclude)
    size = config.points_per_batch
    done, total = 0, sum(-(-len(points) // size) for _, points in parts)
    if progress is not None:
        progress(done, total)
    records: list[MaskRecord] = []
    for crop, points in parts:
        decoder = sam.point_decoder(view.embed(sam, crop.box, is_cancelled))
        found: list[MaskRecord] = []
        for start in range(0, len(points), size):
            if is_cancelled is not None and is_cancelled():
                raise Cancelled("the search for masks was cancelled")
            found += keep.records(decoder, crop, points[start : start + size])
            done += 1
            if progress is not None:
                progress(done, total)
        scores = [record.predicted_iou for record in found]
        records += _unique(found, scores, config.box_nms_thresh)
    return _finish(records, config)


def _plan(
    shape: tuple[int, int],
    config: AutomaticConfig,
    roi: NDArray[np.bool_] | None,
    exclude: NDArray[np.integer] | None,
) -> tuple[CandidateFilter, list[_Part]]:
    """Check the regions, and say what is asked where and what is kept."""
    inside = None if roi is None else check_roi(roi, shape)
    occupied = None if exclude is None else check_exclude(exclude, shape)
    keep = CandidateFilter(
        shape,
        config.pred_iou_thresh,
        config.stability_score_thresh,
        config.stability_score_offset,
        config.stability == "fast",
        occupied,
    )
    return keep, _lay_grids(config, shape, inside, occupied)


def _unique(
    records: list[MaskRecord], scores: ArrayLike, threshold: float
) -> list[MaskRecord]:
    """Drop duplicates; the best score goes first."""
    return [
        records[i]
        for i in box_nms(pixel_boxes([one.bbox for one in records]), scores, threshold)
    ]


def _finish(records: list[MaskRecord], config: AutomaticConfig) -> list[MaskRecord]:
    """Drop the duplicates across crops, and mend small regions where asked."""
    if config.crop_n_layers > 0:
        boxes = np.array([record.crop_box for record in records]).reshape(-1, 4)
        areas = areas_of(boxes)
        # The smaller a crop, the finer its masks.
        scores = 1 / areas.astype(np.float32)
        records = _unique(records, scores, config.crop_nms_thresh)
    if config.min_mask_region_area > 0:
        threshold = max(config.box_nms_thresh, config.crop_nms_thresh)
        records = clean_records(records, config.min_mask_region_area, threshold)
    return records


def estimate_seconds(
    sam: Predictor,
    embedding: ImageEmbedding,
    config: AutomaticConfig = _DEFAULT,
    *,
    roi: NDArray[np.bool_] | None = None,
    exclude: NDArray[np.integer] | None = None,
) -> float:
    """Estimate how long `generate_masks` will take with these arguments.

    A few points that are spread over the grid are decoded and judged, and their time
    is multiplied. Crops count with their points, but not the embedding of each.
    Once the search runs, `progress` tells more.

    Parameters
    ----------
    sam, config, roi, exclude
        As for `generate_masks`.
    embedding
        Of the whole image plane.

    Returns
    -------
    Seconds, 0 where no point is to be asked.
    """
    keep, parts = _plan(embedding.geometry.image_shape, config, roi, exclude)
    if not parts:
        return 0.0
    count = sum(len(points) for _, points in parts)
    crop, points = parts[0]
    whole = Crop(0, (0, 0, *embedding.geometry.image_shape))
    spread = np.linspace(0, len(points) - 1, _SAMPLE).round().astype(np.int64)
    sample = points[spread] + np.array(crop.corner)
    decoder = sam.point_decoder(embedding)
    seconds = 0.0
    for _ in range(2):
        start = time.perf_counter()
        list(keep.records(decoder, whole, sample))
        seconds = time.perf_counter() - start
    return seconds * count / _SAMPLE
