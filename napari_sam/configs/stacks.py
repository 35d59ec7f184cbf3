"""Parameters of all that links and follows objects through planes and frames."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from napari_sam.configs.base_config import Config, form
from napari_sam.configs.objects import SegmentConfig

__all__ = [
    "DIRECTIONS",
    "Direction",
    "GrowConfig",
    "LinkConfig",
    "PropagationConfig",
    "TrackConfig",
]

Direction = Literal["both", "forward", "backward"]
"""Where objects are followed beyond their first and last seed."""

DIRECTIONS: tuple[Direction, ...] = ("both", "forward", "backward")


class LinkConfig(Config):
    """What may be the same object in another plane.

    The defaults were chosen on volumes of nuclei and of plant cells; see
    docs/accuracy.md. The farther apart planes lie in comparison with the size of the
    objects, the less they overlap: lower `min_overlap` and `min_length` then.
    """

    min_overlap: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="least IoU of an object in neighbouring planes",
        json_schema_extra=form(0.01, 0.99, 0.05),
    )
    max_gap: int = Field(
        0,
        ge=0,
        description="planes in a row in which an object may be missed",
        json_schema_extra=form(high=20, step=1, unit="planes"),
    )
    gap_overlap: float = Field(
        0.8,
        gt=0,
        lt=1,
        description="least IoU across planes where it was missed",
        json_schema_extra=form(0.01, 0.99, 0.05),
    )
    min_length: int = Field(
        3,
        ge=1,
        description="least planes of an object, first to last, if there are as "
        "many planes",
        json_schema_extra=form(step=1, unit="planes"),
    )
    fill: bool = Field(
        True, description="whether missed planes are filled, on free ground"
    )


class PropagationConfig(Config):
    """How objects are followed from plane to plane.

    The defaults were chosen by measurement; see docs/accuracy.md.
    """

    until: tuple[int, int] | None = Field(
        None, description="first and last plane, inclusive; None: the stack's"
    )
    direction: Direction = Field(
        "both",
        description="'forward': no plane before an object's first seed; 'backward': "
        "none after its last one; 'both': neither",
    )
    engine: Literal["auto", "prompts", "memory"] = Field(
        "auto",
        description="'prompts': the last plane's mask is the next plane's prompt; "
        "'memory': the model remembers the planes where the object was, as SAM 2 does; "
        "'auto': by its memory where the model has one",
    )
    memory_planes: int = Field(
        6,
        ge=1,
        le=6,
        description="engine 'memory': how many of the last planes are remembered; "
        "fewer are faster",
    )
    prompts: tuple[Literal["box", "mask", "points"], ...] = Field(
        ("box", "mask"),
        min_length=1,
        description="what of the last plane's mask is said to the next: its box, its "
        "logits, points inside, or several of them",
    )
    points: int = Field(3, ge=1, description="how many points are said")
    margin: float = Field(
        0.05, ge=0, description="by which part of its sides the box is widened"
    )
    multimask: bool = Field(
        False,
        description="ask for three masks, and take that with the highest product of "
        "predicted IoU and IoU with the last plane's",
    )
    memory: int = Field(
        0,
        ge=0,
        description="how many earlier masks, beside the seed, a mask has to be like in "
        "its area to be taken of the three; 0: it is compared with the last one alone",
        json_schema_extra=form(high=20, step=1),
    )
    min_score: float = Field(
        0.3,
        description="predicted IoU below which an object is lost",
        json_schema_extra=form(0.0, 1.0, 0.05),
    )
    min_overlap: float = Field(
        0.35, ge=0, le=1, description="least IoU with the last plane's mask"
    )
    max_change: float = Field(
        2.5,
        ge=1,
        description="most by which the area may grow or shrink from plane to plane, "
        "as a factor",
    )
    min_foreground: float = Field(
        0.6,
        ge=0,
        le=1,
        description="where the model has a dense head: least mean probability of "
        "foreground in the mask, as a share of the highest on the way",
    )
    min_contrast: float = Field(
        0.4,
        ge=0,
        le=1,
        description="least difference of the mask's mean intensity from that of a ring "
        "around it, as a share of the largest on the way",
    )
    min_area: int = Field(
        4, ge=1, description="least area", json_schema_extra=form(unit="px")
    )
    max_gap: int = Field(
        0,
        ge=0,
        description="planes or frames in a row on which an object may be missed, and "
        "is looked for on the next; 1 or 2 for films, where a frame may be dim",
        json_schema_extra=form(high=20, step=1),
    )
    sure_score: float = Field(
        0.6,
        description="predicted IoU from which the model is sure, between seeds",
        json_schema_extra=form(0.0, 1.0, 0.05),
    )
    agreement: float = Field(
        0.6,
        ge=0,
        le=1,
        description="least IoU, between seeds, of the ways from both sides, and of "
        "either with the interpolated shape",
    )
    min_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="least share of its mask that an object must keep from others; "
        "else it ends there",
    )
    scale: float | None = Field(
        None,
        gt=0,
        description="frame pixels per pixel of the image, for the whole run; None: by "
        "the size of the seeds",
        json_schema_extra=form(unit="times"),
    )

    @field_validator("prompts")
    @classmethod
    def _known_once(cls, says: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(says)) < len(says):
            raise ValueError(f"prompts names something twice: {says}")
        return says


class GrowConfig(Config):
    """How one object grows through a stack; see `AnnotationSession`.

    The defaults were chosen by measurement among a few settings; see docs/accuracy.md.
    """

    spacing: tuple[float, float, float] | None = Field(
        None,
        description="size of a voxel along the stack's axis, and along the rows and "
        "columns of its planes, in any unit; None: all the same",
    )
    noise: float = Field(
        0.12,
        ge=0,
        description="noise, as a share of the range of intensities, from which planes "
        "are smoothed in 3D before the model sees them",
    )
    max_depth: float = Field(
        2.5,
        gt=0,
        description="how far an object is followed from its outermost outline, in "
        "radii of a disc of its area",
        json_schema_extra=form(0.1, 20.0, 0.1, "radii"),
    )
    ridge: float = Field(
        0.3,
        ge=0,
        description="how much brighter than the object its rim must be, in standard "
        "deviations of the plane, to be taken for a stained membrane",
    )
    follow: PropagationConfig = Field(
        PropagationConfig(), description="how it is followed from plane to plane"
    )

    @field_validator("spacing")
    @classmethod
    def _positive(cls, sizes: Any) -> Any:
        if sizes is not None and not all(0 < size < float("inf") for size in sizes):
            raise ValueError(f"spacing must be three sizes above 0, got {sizes}")
        return sizes


class TrackConfig(Config):
    """What may be the same object in another frame.

    Lengths are in diameters of the object: that of a disc or a ball of its size.
    """

    max_move: float = Field(
        1.0,
        gt=0,
        description="farthest way of an object from a frame to the next",
        json_schema_extra=form(0.1, 10.0, 0.1, "diameters"),
    )
    max_growth: float = Field(
        3.0, gt=1, description="largest ratio of an object's sizes in two frames"
    )
    max_gap: int = Field(
        2,
        ge=0,
        description="frames in a row in which an object may be missed",
        json_schema_extra=form(high=20, step=1, unit="frames"),
    )
    divisions: bool = Field(True, description="whether objects may divide")
    division_move: float = Field(
        1.0,
        gt=0,
        description="farthest way of a daughter from its parent",
        json_schema_extra=form(unit="diameters"),
    )
    division_balance: float = Field(
        0.5, gt=0, le=1, description="least ratio of the sizes of two daughters"
    )
    division_growth: float = Field(
        2.0, gt=1, description="largest ratio of the daughters' size to the parent's"
    )
    drift: bool = Field(
        True, description="whether the field may move as a whole, as a stage does"
    )
    min_length: int = Field(
        1,
        ge=1,
        description="least number of frames of an object without relatives",
        json_schema_extra=form(step=1, unit="frames"),
    )
    spacing: tuple[float, ...] | None = Field(
        None,
        description="size of a pixel along (Y, X) or (Z, Y, X), in any unit; None: "
        "all the same",
    )
    link: LinkConfig = Field(
        LinkConfig(),
        description="how the planes of three-dimensional frames are linked, where a "
        "model finds the objects",
    )
    segment: SegmentConfig = Field(
        SegmentConfig(),
        description="how the objects of a plane are found, where a model finds them",
    )

    @field_validator("spacing", mode="before")
    @classmethod
    def _as_tuple(cls, sizes: Any) -> Any:
        return tuple(sizes) if hasattr(sizes, "__array__") else sizes
