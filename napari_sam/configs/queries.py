"""Parameters of looking for objects by text and by examples."""

from __future__ import annotations

from pydantic import Field

from napari_sam.configs.base_config import Config
from napari_sam.configs.objects import Mode, SegmentConfig

__all__ = ["FindConfig"]


class FindConfig(Config):
    """Parameters of `find`.

    Examples
    --------
    >>> from napari_sam import FindConfig
    >>> FindConfig(min_match=0.7).mode
    'auto'
    """

    mode: Mode = Field("auto", description="how objects are found; see `segment`")
    segment: SegmentConfig = Field(
        SegmentConfig(), description="parameters of the search for objects"
    )
    min_match: float = Field(
        0.5,
        ge=-1,
        le=1,
        description="smallest match of an object that is kept: the chance of the kind "
        "that a text names, or the similarity to the examples",
    )
    pixel_size: tuple[float, float] | None = Field(
        None, description="(row, col) in micrometres, for texts with such numbers"
    )
    channel_axis: int | None = Field(
        None,
        description="axis of the channels, if it is not the last one of three or four",
    )
