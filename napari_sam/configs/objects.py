"""Parameters of all that finds objects in an image plane."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from napari_sam.configs.fields import Config, form

__all__ = [
    "MODES",
    "PROPOSALS",
    "ConceptConfig",
    "DenseLevel",
    "EdgeConfig",
    "GridConfig",
    "InstanceConfig",
    "Mode",
    "PaintOrder",
    "PromptConfig",
    "RefineConfig",
    "SegmentConfig",
    "SelectionRule",
]

PaintOrder = Literal["score", "area"]
"""Whose pixel it is where masks overlap; see `SegmentConfig`."""

Mode = Literal["auto", "grid", "instances", "refined", "concept"]
"""How objects are found; see `napari_sam.segment`."""

DenseLevel = Literal["auto", "nuclei", "cells"]
"""Which objects the dense head is asked for where cells have nuclei: the nuclei, or the
cells; "auto": what the model takes for whole objects."""

MODES: tuple[Mode, ...] = ("auto", "grid", "instances", "refined", "concept")


class GridConfig(Config):
    """Parameters of `generate_masks`, under the names of Meta's generator.

    Examples
    --------
    >>> from napari_sam import GridConfig
    >>> GridConfig(points_per_side=16).pred_iou_thresh
    0.88
    """

    points_per_side: int | None = Field(
        32,
        ge=1,
        description="points along a side of the image's grid",
        json_schema_extra=form(high=256, step=1),
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
        0.88,
        description="predicted IoU that a mask must exceed; 0: no filter",
        json_schema_extra=form(0.0, 1.0, 0.05),
    )
    stability_score_thresh: float = Field(
        0.95,
        description="stability that a mask must reach; 0: no filter",
        json_schema_extra=form(0.0, 1.0, 0.05),
    )
    stability_score_offset: float = Field(
        1.0,
        ge=0,
        description="by how much the stability moves the threshold",
        json_schema_extra=form(high=10.0, step=0.1),
    )
    box_nms_thresh: float = Field(
        0.7,
        ge=0,
        le=1,
        description="IoU of boxes that are duplicates in a crop",
        json_schema_extra=form(step=0.05),
    )
    crop_n_layers: int = Field(
        0,
        ge=0,
        description="layers of crops; layer k has (2 ** k) ** 2",
        json_schema_extra=form(high=4, step=1),
    )
    crop_nms_thresh: float = Field(
        0.7,
        ge=0,
        le=1,
        description="IoU of boxes that are duplicates across crops",
        json_schema_extra=form(step=0.05),
    )
    crop_overlap_ratio: float = Field(
        512 / 1500,
        ge=0,
        lt=1,
        description="overlap of layer 1, in parts of the shorter side",
        json_schema_extra=form(high=0.9, step=0.05),
    )
    crop_n_points_downscale_factor: int = Field(
        1,
        ge=1,
        description="by how much points_per_side shrinks with each layer",
        json_schema_extra=form(high=8, step=1),
    )
    min_mask_region_area: int = Field(
        0,
        ge=0,
        description="area below which holes and islands are mended; 0: none",
        json_schema_extra=form(high=100_000, step=10, unit="px"),
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
        import numpy as np  # the help of the commands comes without it

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
    def _a_grid_for_each_layer(self) -> GridConfig:
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


PROPOSALS = GridConfig(
    points_per_side=64,
    pred_iou_thresh=0,
    stability_score_thresh=0,
    box_nms_thresh=0.9,
)
"""The grid of the SAM paper's proposals: dense, without filters."""


class InstanceConfig(Config):
    """How dense maps become instances, and how closely the image is looked at.

    The defaults were chosen on labelled images of six kinds; see docs/accuracy.md.

    Examples
    --------
    >>> from napari_sam import InstanceConfig
    >>> InstanceConfig(min_area=50).min_area
    50
    """

    level: DenseLevel = Field(
        "auto",
        description="what is found where cells are seen with their nuclei: the nuclei, "
        "the cells, or, by itself, whole objects",
    )
    foreground_thresh: float = Field(
        0.52,
        ge=0,
        le=1,
        description="probability from which a pixel is foreground",
        json_schema_extra=form(0.05, 0.95, 0.01),
    )
    seed_depth: float = Field(
        0.15,
        gt=0,
        le=1,
        description="depth of a basin of the distances that is an object of its own; "
        "lower: touching objects are parted more often",
        json_schema_extra=form(low=0.01, step=0.01),
    )
    confidence_thresh: float = Field(
        0.65,
        ge=0,
        le=1,
        description="least confidence of an instance: the mean of its mean foreground "
        "probability and of how near the distances come to 0 in it",
        json_schema_extra=form(step=0.05),
    )
    min_area: int = Field(
        20,
        ge=0,
        description="least area in pixels of the image",
        json_schema_extra=form(high=100_000, step=10, unit="px"),
    )
    smoothing: float = Field(
        0.6,
        ge=0,
        description="sigma in pixels of the model's maps, before the seeds",
        json_schema_extra=form(high=10.0, step=0.1, unit="px"),
    )
    looks: int = Field(
        1,
        ge=1,
        le=2,
        description="how often what is seen is looked at; 2: once more turned by 180 "
        "degrees, which outlines better and takes twice as long",
        json_schema_extra=form(step=1, unit="times"),
    )
    scale: float | None = Field(
        None,
        gt=0,
        description="frame pixels per pixel of the image; None: by the objects' size",
        json_schema_extra=form(high=16.0, step=0.25, unit="times"),
    )
    small_object: float = Field(
        25.0,
        ge=0,
        description="frame pixels across; images of smaller objects are tiled",
        json_schema_extra=form(unit="frame px"),
    )
    wanted_object: float = Field(
        36.0,
        gt=0,
        description="frame pixels across that tiles aim at",
        json_schema_extra=form(unit="frame px"),
    )


class RefineConfig(Config):
    """How instances are prompted, and which answers count.

    The defaults were chosen on labelled images of five kinds; see docs/accuracy.md.
    """

    with_point: bool = Field(
        True, description="prompt with the deepest point beside the box"
    )
    pred_iou_thresh: float = Field(
        0.75,
        description="least predicted IoU of an answer that counts",
        json_schema_extra=form(0.0, 1.0, 0.05),
    )
    agreement_thresh: float = Field(
        0.9,
        ge=0,
        le=1,
        description="least IoU of the answer and the instance",
        json_schema_extra=form(step=0.05),
    )


class ConceptConfig(Config):
    """What is looked for by a model that knows concepts, such as SAM 3.

    Examples
    --------
    >>> from napari_sam import ConceptConfig
    >>> ConceptConfig(phrase="round cell").min_likelihood
    0.5
    """

    phrase: str = Field(
        "",
        description="what to find, as a noun phrase in English such as 'round cell'; "
        "empty where boxes say it",
    )
    boxes: tuple[tuple[float, float, float, float], ...] = Field(
        (),
        description="examples, each (row0, col0, row1, col1) in pixels, half open",
    )
    counter_boxes: tuple[tuple[float, float, float, float], ...] = Field(
        (), description="examples of what is not meant"
    )
    min_likelihood: float = Field(
        0.5,
        ge=0,
        le=1,
        description="least probability of being an object of the concept",
        json_schema_extra=form(step=0.05),
    )
    min_area: int = Field(
        1,
        ge=1,
        description="least area of an object",
        json_schema_extra=form(unit="px"),
    )

    @property
    def is_empty(self) -> bool:
        """Whether nothing says what is looked for."""
        return not self.phrase.strip() and not self.boxes


class SegmentConfig(Config):
    """Parameters of `segment`, of whichever mode.

    Examples
    --------
    >>> from napari_sam import InstanceConfig, SegmentConfig
    >>> SegmentConfig(instances=InstanceConfig(min_area=50)).order is None
    True
    """

    order: PaintOrder | None = Field(
        None,
        description="whose pixel it is where masks overlap: 'score', that of the mask "
        "with the higher score, or 'area', that of the smaller mask; None: 'area' in "
        "mode 'grid', where parts of an object are masks too, else 'score'",
    )
    grid: GridConfig = Field(
        GridConfig(),
        description="of mode 'grid'; what is not set is as it suits the model",
    )
    instances: InstanceConfig = Field(
        InstanceConfig(), description="of modes 'instances' and 'refined'"
    )
    refine: RefineConfig = Field(RefineConfig(), description="of mode 'refined'")
    concept: ConceptConfig = Field(ConceptConfig(), description="of mode 'concept'")


class PromptConfig(Config):
    """Parameters of `segment_boxes` and `segment_points`."""

    refine: bool = Field(
        True, description="whether each mask is fed back once with its prompt"
    )
    loose: bool = Field(
        False,
        description="whether the boxes leave much room around their objects, or are "
        "guesses: the bundled model fits masks to boxes that are not",
    )
    order: PaintOrder = Field(
        "score",
        description="whose pixel it is where masks overlap: 'score', that of the mask "
        "with the higher score, or 'area', that of the smaller mask",
    )
    scale: float | None = Field(
        None,
        gt=0,
        description="frame pixels per pixel at which objects are seen; None: by their "
        "size",
        json_schema_extra=form(high=16.0, step=0.25, unit="times"),
    )


class EdgeConfig(Config):
    """Parameters of `detect_edges`; the defaults are those of the SAM paper."""

    points_per_side: int = Field(
        16,
        ge=1,
        description="points along a side of the grid",
        json_schema_extra=form(high=256, step=1),
    )
    points_per_batch: int = Field(
        32, ge=1, description="points between two reports of progress"
    )
    box_nms_thresh: float = Field(
        0.7,
        ge=0,
        le=1,
        description="IoU of boxes above which the mask with the lower predicted IoU "
        "is dropped",
        json_schema_extra=form(step=0.05),
    )
    thin: bool = Field(
        True,
        description="whether the edges are thinned to lines; else the strengths stay "
        "on the outlines of all masks",
    )


class SelectionRule(Config):
    """Which of the masks that were found are kept."""

    min_iou: float = Field(
        0.0,
        description="smallest predicted IoU",
        json_schema_extra=form(0.0, 1.0, 0.01),
    )
    min_stability: float = Field(
        0.0,
        description="smallest stability score",
        json_schema_extra=form(0.0, 1.0, 0.01),
    )
    min_area: int = Field(
        0, ge=0, description="smallest area", json_schema_extra=form(unit="px")
    )
    max_area: int | None = Field(
        None,
        ge=0,
        description="largest area; None: any",
        json_schema_extra=form(unit="px"),
    )
    drop_border: bool = Field(
        False, description="drop masks that touch the border of the image"
    )
    only_empty: bool = Field(
        False, description="drop masks of which more than half is labelled already"
    )
