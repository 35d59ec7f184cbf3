"""Parameters of images that are larger than memory."""

from __future__ import annotations

from pydantic import Field

from napari_sam.configs.base_config import Config, form
from napari_sam.configs.objects import SegmentConfig

__all__ = ["BlockConfig"]


class BlockConfig(Config):
    """Parameters of `segment_large`: how the image is cut, and of each block."""

    block: int = Field(
        2048,
        ge=1,
        description="most pixels across of the part of a plane that a block is "
        "responsible for",
        json_schema_extra=form(step=64, unit="px"),
    )
    halo: int | None = Field(
        None,
        ge=1,
        description="pixels that are looked at around it; None: by the size of the "
        "objects",
        json_schema_extra=form(step=1, unit="px"),
    )
    max_window_side: int = Field(
        2048,
        ge=1,
        description="most pixels across of a part that is seen as a whole to measure "
        "the objects; smaller images are read as a whole for their contrast",
        json_schema_extra=form(step=64, unit="px"),
    )
    segment: SegmentConfig = Field(
        SegmentConfig(), description="how the objects of a block are found"
    )
