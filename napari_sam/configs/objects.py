"""Parameters of all that finds objects in an image plane."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_sam.configs.base_config import Config, form
from napari_sam.configs.grids import GridConfig

__all__ = [
    "MODES",
    "ConceptConfig",
    "DenseLevel",
    "ImageKind",
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

ImageKind = Literal[
    "nuclei", "tissue", "cells", "rods", "membranes", "organelles", "particles"
]
"""What an image shows. nuclei: in fluorescence, or gray; tissue: nuclei of stained
sections; cells: whole cells, also yeast and blood; rods: bacteria, worms and other long
bodies; membranes: neurites, axons, walls of plant cells; organelles: mitochondria,
chloroplasts; particles: powders, grains, gravel."""

DenseLevel = Literal["auto", "nuclei", "cells"]
"""Which objects the dense head is asked for where cells have nuclei: the nuclei, or the
cells; "auto": what the model takes for whole objects."""

MODES: tuple[Mode, ...] = ("auto", "grid", "instances", "refined", "concept")


class InstanceConfig(Config):
    """How dense maps become instances, and how closely the image is looked at.

    The defaults were chosen on labelled images of six kinds, those of single kinds of
    images (`napari_sam.configs.image_kinds`) on images of each; see docs/accuracy.md.

    Examples
    --------
    >>> from napari_sam import InstanceConfig
    >>> InstanceConfig(min_area=50).min_area
    50
    """

    kind: Literal["auto", "any", ImageKind] = Field(
        "any",
        description="what the image shows: thresholds that are not set are those that "
        "suit it; any: the same for all; auto: as it looks to the model",
    )
    level: DenseLevel = Field(
        "auto",
        description="what is found where cells are seen with their nuclei: the nuclei, "
        "the cells, or, by itself, whole objects",
    )
    parting: Literal["auto", "watershed"] = Field(
        "auto",
        description="'auto': a scorer chooses among what watersheds of many depths and "
        "thresholds part, if the model has one, the kind is neither membranes nor "
        "organelles, the level is not that of nuclei, and foreground_thresh, "
        "seed_depth and smoothing are as usual; 'watershed': one, with these "
        "parameters",
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
        description="least confidence of an instance: of one that was chosen, as the "
        "scorer says; else the mean of its mean foreground probability and of how near "
        "the distances come to 0 in it",
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
