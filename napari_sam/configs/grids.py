"""Parameters of all that asks the model on a grid of points."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from napari_sam.configs.base_config import Config, form

__all__ = ["PROPOSALS", "EdgeConfig", "GridConfig"]


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
