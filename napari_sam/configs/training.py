"""All that a training run depends on, as one checked file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from napari_sam.configs.base_config import Config, form

__all__ = ["AugmentConfig", "TrainConfig", "read_config"]


_UNBOUNDED = 1_000_000
"""More steps than any run takes."""


class AugmentConfig(Config):
    """How images are changed before the model sees them."""

    zoom: tuple[float, float] = Field(
        (0.6, 1.8),
        description="range of the factor on the inference scale; 1 is likeliest",
    )
    rotate: float = Field(0.5, ge=0, le=1, description="chance of a free angle")
    brightness: float = Field(0.15, ge=0, description="std of the added offset")
    contrast: float = Field(0.25, ge=0, description="std of the log contrast factor")
    gamma: float = Field(0.35, ge=0, description="std of the log gamma")
    invert: float = Field(0.15, ge=0, le=1, description="chance of a negative")
    blur: float = Field(0.2, ge=0, le=1, description="chance of a Gaussian blur")
    noise: float = Field(0.3, ge=0, le=1, description="chance of Gaussian noise")
    channels: float = Field(
        0.3, ge=0, le=1, description="chance to mix, drop or tint the channels"
    )


class TrainConfig(Config):
    """A training run. Lengths are in steps, sides in frame pixels."""

    architecture: str = Field("cells", description="which network is trained")
    init: str | None = Field(
        None, description="checkpoint to start from: a name or a path"
    )
    seed: int = Field(0, description="of the random numbers")
    steps: int = Field(
        1000,
        ge=1,
        description="how many; where `minutes` is given and this is not, as many as "
        "they allow",
        json_schema_extra=form(unit="steps"),
    )
    minutes: float | None = Field(
        None,
        gt=0,
        description="end after so many minutes of work; the schedule fits",
        json_schema_extra=form(unit="min"),
    )

    what: Literal["all", "decoder", "adapters"] = Field(
        "all",
        description="what is trained: all; all but the image encoder, on embeddings "
        "that are made once; or, of the encoder, low-rank additions to its weights",
    )
    dense_head: bool = Field(
        False,
        description="give the model a dense head where its start has none, and both "
        "levels, nuclei and whole cells, where it has one",
    )
    rank: int = Field(8, ge=1, description="rank of the adapters")
    embeddings: int = Field(
        160, ge=1, description="views that are embedded once, where `what` is decoder"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto: bfloat16 where the device computes it faster"
    )
    memory: float | None = Field(
        None,
        gt=0,
        description="gigabytes of activations held at a time; None: all that a step "
        "needs",
        json_schema_extra=form(unit="GB"),
    )

    window: int = Field(
        256,
        ge=64,
        description="side of a training crop",
        json_schema_extra=form(unit="frame px"),
    )
    full_frames: float = Field(
        0.25, ge=0, le=1, description="share of whole frames instead of crops"
    )
    crops: int = Field(2, ge=1, description="crops a step")
    prompts: int = Field(8, ge=1, description="objects prompted in each crop")
    rounds: int = Field(2, ge=1, description="first prompt and corrective clicks")
    chosen: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share with which, of three candidates, the one that the model "
        "prefers learns in place of the best one: for objects of one kind, of which "
        "a click means the whole",
    )
    single: float = Field(
        0.5,
        ge=0,
        description="weight of the single mask beside the three candidates where one "
        "prompt alone is answered; boxes are always answered by it",
    )
    boxes: float = Field(0.4, ge=0, le=1, description="share of first prompts")
    box_noise: float = Field(
        0.1, ge=0, description="std of a box's sides, in parts of its size"
    )
    central: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of first clicks that fall deep inside the object, as by "
        "hand, in place of anywhere in it",
    )
    rough_masks: float = Field(
        0.04, ge=0, le=1, description="share of first prompts that are rough masks"
    )
    guides: tuple[str, ...] = Field(
        (),
        description="models, by name or path, whose mean answer to a first prompt is "
        "learned too; every second one sees the crop turned by 180 degrees",
    )
    guided: float = Field(
        1.0, ge=0, description="weight of what the guides say, beside the labels"
    )
    kinds: dict[str, float] = Field(
        default_factory=dict,
        description="sampling weight of each kind of image; 1 where not named",
    )

    partial: tuple[str, ...] = Field(
        (), description="kinds of which only some objects are labelled; * for all"
    )
    whole_cells: tuple[str, ...] = Field(
        (),
        description="kinds whose labels are cells with visible nuclei: nuclei are "
        "learned from the folder `nuclei` beside the labels, or not at all",
    )
    empty: tuple[str, ...] = Field(
        (),
        description="kinds of which images without labels are known to hold no object",
    )
    closer: bool = Field(
        False, description="look at small objects as closely as the annotator does"
    )
    glances: float = Field(
        0.2,
        ge=0,
        le=1,
        description="with `closer`, share of images seen as a whole all the same: by "
        "them the dense head tells how closely to look",
    )

    rendered: float = Field(
        0.0, ge=0, le=1, description="share of rendered scenes instead of images"
    )

    lr_encoder: float = Field(
        1e-4, ge=0, description="learning rate of the image encoder"
    )
    lr_decoder: float = Field(
        3e-4, ge=0, description="learning rate of all but the image encoder"
    )
    weight_decay: float = Field(
        0.05, ge=0, description="by which share of the learning rate weights shrink"
    )
    warmup: int = Field(
        50,
        ge=0,
        description="steps over which the learning rate rises",
        json_schema_extra=form(unit="steps"),
    )
    schedule: Literal["cosine", "step"] = Field(
        "cosine",
        description="how the learning rate falls: as a cosine, or in steps",
    )
    milestones: tuple[float, ...] = Field(
        (2 / 3, 26 / 27), description="shares of the run at which 'step' cuts by ten"
    )
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    ema: float = Field(0.998, ge=0, lt=1, description="decay of the averaged weights")
    focal_alpha: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="weight of the object in the focal loss, against that of the "
        "background; the paper's weighs a pixel of background three times",
    )
    dense_weight: float = Field(0.3, ge=0, description="weight of the dense head")

    choosing: bool = Field(
        False,
        description="whether the scorer that chooses the objects of a plane among "
        "candidates goes on learning at the end of the run, for the model's own maps",
    )
    held_out: float = Field(0.04, ge=0, lt=1, description="share kept for validation")
    hold: Literal["images", "objects"] = Field(
        "images",
        description="what is kept: whole images, or, where there are few images, a "
        "strip of objects of each",
    )
    validate_every: int = Field(
        200,
        ge=1,
        description="steps between two validations where `minutes` is not given",
        json_schema_extra=form(unit="steps"),
    )
    validations: int = Field(
        10, ge=1, description="how many in all where `minutes` is given"
    )
    validation_images: int = Field(
        40, ge=1, description="most images by which a validation judges"
    )
    patience: int = Field(
        0, ge=0, description="validations without gain before an early stop; 0: never"
    )
    checkpoint_minutes: float = Field(
        4.0,
        gt=0,
        description="minutes between two checkpoints, from which a stopped run goes on",
        json_schema_extra=form(unit="min"),
    )
    augment: AugmentConfig = Field(
        AugmentConfig(), description="how images are changed before they are seen"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_minutes(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("minutes") is not None:
            return {"steps": _UNBOUNDED, **values}
        return values


def read_config(path: str | Path) -> TrainConfig:
    """Read a TOML file.

    Raises
    ------
    ValueError
        If the file is no TOML, or a key or value in it is not known.
    """
    try:
        return TrainConfig.model_validate(
            tomllib.loads(Path(path).read_text(encoding="utf-8"))
        )
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not a TOML file: {error}") from error
    except ValidationError as error:
        raise ValueError(f"{path} is no training configuration: {error}") from error
