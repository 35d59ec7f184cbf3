"""Parameters of objects in files of other programs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sam.configs.base_config import Config, form

__all__ = ["ExportConfig"]


class ExportConfig(Config):
    """Parameters of `write_objects`.

    Examples
    --------
    >>> from napari_sam import ExportConfig
    >>> ExportConfig(object_type="annotation").simplify
    0.0
    """

    simplify: float = Field(
        0.0,
        ge=0,
        le=1000,
        description="by how much an outline may move to have fewer corners; 0: it "
        "follows the edges of the pixels",
        json_schema_extra=form(high=10, step=0.5, unit="px"),
    )
    polygons: bool = Field(
        False,
        description="COCO: polygons in place of run lengths, for objects without holes",
    )
    object_type: Literal["detection", "annotation", "cell"] = Field(
        "detection", description="GeoJSON: what QuPath calls the objects"
    )
    ids: bool = Field(False, description="figures: write the number on each object")
    line_width: float = Field(
        2.0,
        gt=0,
        le=100,
        description="figures: width of the outlines",
        json_schema_extra=form(low=0.5, high=10, step=0.5, unit="px"),
    )
    scale_bar: float | None = Field(
        None,
        gt=0,
        description="figures: length of the scale bar in micrometres; a round one of "
        "about a fifth of the width if not given",
    )
