"""Parameters of what mends labels: refining them, and finding those that look wrong."""

from __future__ import annotations

from pydantic import Field

from napari_sam.configs.base_config import Config, form

__all__ = ["RefineLabelsConfig", "SuspectConfig", "TrackSuspectConfig"]


class RefineLabelsConfig(Config):
    """Which answers replace the objects of `refine_labels`.

    The defaults were chosen on eroded, dilated and jagged labels of two kinds of
    image; see docs/correct.md.

    Examples
    --------
    >>> from napari_sam import RefineLabelsConfig
    >>> RefineLabelsConfig(min_gain=0.1).min_gain
    0.1
    """

    with_mask: bool = Field(
        True, description="prompt with the object itself beside its box"
    )
    pred_iou_thresh: float = Field(
        0.85,
        description="least predicted IoU of an answer that counts",
        json_schema_extra=form(0.0, 1.0, 0.05),
    )
    agreement_thresh: float = Field(
        0.5,
        ge=0,
        le=1,
        description="least IoU of the answer and the object; below, it is another one",
        json_schema_extra=form(step=0.05),
    )
    min_gain: float = Field(
        0.03,
        ge=0,
        le=1,
        description="by how much the answer must be better in the model's own eyes: "
        "its predicted IoU beside that part of it that the object agrees with",
        json_schema_extra=form(step=0.01),
    )


class SuspectConfig(Config):
    """What is strange enough for `find_suspects`.

    Examples
    --------
    >>> from napari_sam import SuspectConfig
    >>> SuspectConfig(border=False).outlier_thresh
    3.5
    """

    outlier_thresh: float = Field(
        3.5,
        gt=0,
        description="robust z-score from which size, shape or intensity is far from "
        "that of the other objects",
        json_schema_extra=form(1.0, 10.0, 0.5),
    )
    min_objects: int = Field(
        8,
        ge=2,
        description="so many objects are compared at least",
        json_schema_extra=form(high=1000, step=1),
    )
    border: bool = Field(
        True, description="whether objects that touch the border are listed"
    )


class TrackSuspectConfig(Config):
    """What is strange enough for `find_track_suspects`.

    Examples
    --------
    >>> from napari_sam import TrackSuspectConfig
    >>> TrackSuspectConfig(min_length=5).outlier_thresh
    3.5
    """

    outlier_thresh: float = Field(
        3.5,
        gt=0,
        description="robust z-score from which a change of size or a way is far from "
        "that of the other objects",
        json_schema_extra=form(1.0, 10.0, 0.5),
    )
    min_links: int = Field(
        8,
        ge=2,
        description="so many links are compared at least",
        json_schema_extra=form(high=1000, step=1),
    )
    min_length: int = Field(
        3,
        ge=1,
        description="tracks without relatives that have fewer frames are listed",
        json_schema_extra=form(step=1, unit="frames"),
    )
    border_distance: float = Field(
        0.5,
        ge=0,
        description="an object that begins nearer to the border may have come in",
        json_schema_extra=form(0.0, 10.0, 0.1, "diameters"),
    )
    division_balance: float = Field(
        0.6,
        gt=0,
        le=1,
        description="ratio of the sizes of two daughters below which they are unlike",
        json_schema_extra=form(0.05, 1.0, 0.05),
    )
    spacing: tuple[float, ...] | None = Field(
        None,
        description="size of a pixel along (Y, X) or (Z, Y, X), in any unit; None: "
        "all the same",
    )
