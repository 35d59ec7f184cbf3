"""The parameters of a search that a user may set, as a table.

Defaults are those of the configurations that they go to, except for how far down is
searched: there the sieve starts at the configurations' thresholds instead, and can be
opened further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MODES", "OPTIONS", "Option"]

MODES = (
    ("auto", "Best for this model"),
    ("instances", "Instances: cells, nuclei"),
    ("refined", "Refined: outlined anew"),
    ("grid", "Grid of points: anything"),
)
"""The modes and what the user reads."""


@dataclass(frozen=True)
class Option:
    """A number that a user may set.

    Attributes
    ----------
    name
        As the configuration calls it.
    text
        What the user reads.
    default, low, high, step
        The number is whole where the step is.
    tip
        What it does.
    group
        Under which heading.
    nothing
        What the lowest number reads as, if it stands for the default.
    unit
        What stands behind the number.
    """

    name: str
    text: str
    default: float
    low: float
    high: float
    step: float
    tip: str
    group: str
    nothing: str = ""
    unit: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number."""
        return float(self.step).is_integer()


_INSTANCES = (
    Option(
        "seed_depth",
        "Part touching objects",
        0.15,
        0.01,
        1.0,
        0.01,
        "How deep the dip between two objects must be; lower: parted more often.",
        "Objects",
    ),
    Option(
        "foreground_thresh",
        "Object from probability",
        0.52,
        0.05,
        0.95,
        0.01,
        "Pixels that belong to an object with at least this probability are its own; "
        "lower: larger objects, and fainter ones.",
        "Objects",
    ),
    Option(
        "smoothing",
        "Smoothing",
        0.6,
        0.0,
        10.0,
        0.1,
        "Blur before objects are parted, in pixels of the model's maps.",
        "Objects",
        unit=" px",
    ),
    Option(
        "looks",
        "Look at the image",
        1,
        1,
        2,
        1,
        "Twice: the second time with the image turned upside down; outlines are "
        "better, and it takes twice as long.",
        "Objects",
        "once",
        " times",
    ),
    Option(
        "scale",
        "Enlarge the image",
        0.0,
        0.0,
        16.0,
        0.25,
        "How many times the image is enlarged for the model. Automatic: as the objects "
        "that it sees at first need it. Small objects between large ones, such as "
        "nuclei between glands, need a number: about 48 divided by their size in "
        "pixels.",
        "Size",
        "automatic",
        " times",
    ),
    Option(
        "confidence_thresh",
        "Search down to score",
        0.3,
        0.0,
        1.0,
        0.05,
        "Objects with a lower score are not looked for.",
        "What is looked for",
    ),
    Option(
        "min_area",
        "… and area",
        1,
        0,
        100_000,
        10,
        "Objects of fewer pixels are not looked for.",
        "What is looked for",
        unit=" px",
    ),
)

OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "grid": (
        Option(
            "points_per_side",
            "Points per side",
            32,
            1,
            256,
            1,
            "The grid has so many rows and columns of points; more of them find "
            "smaller objects and take longer.",
            "Points",
        ),
        Option(
            "crop_n_layers",
            "Crop layers",
            0,
            0,
            4,
            1,
            "Search again in crops, 4 in the first layer, 16 in the second and so "
            "on, where small objects are seen larger.",
            "Points",
        ),
        Option(
            "crop_n_points_downscale_factor",
            "In crops divided by",
            1,
            1,
            8,
            1,
            "Points per side are divided by this with each layer of crops.",
            "Points",
        ),
        Option(
            "crop_overlap_ratio",
            "Overlap of crops",
            512 / 1500,
            0.0,
            0.9,
            0.05,
            "As a share of the image's shorter side.",
            "Points",
        ),
        Option(
            "box_nms_thresh",
            "Duplicates overlap by",
            0.0,
            0.0,
            1.0,
            0.05,
            "Of two masks whose boxes overlap by more (IoU), the better one stays. "
            "Automatic: what suits the model.",
            "Duplicates",
            "automatic",
        ),
        Option(
            "crop_nms_thresh",
            "… across crops by",
            0.7,
            0.0,
            1.0,
            0.05,
            "The same for masks from different crops.",
            "Duplicates",
        ),
        Option(
            "min_mask_region_area",
            "Mend holes below",
            0,
            0,
            100_000,
            10,
            "Holes of fewer pixels are filled, and islands of fewer removed.",
            "Masks",
            "none",
            " px",
        ),
        Option(
            "stability_score_offset",
            "Stability offset",
            1.0,
            0.0,
            10.0,
            0.1,
            "By how much the cutoff is moved to see how stable a mask is.",
            "Masks",
        ),
        Option(
            "pred_iou_thresh",
            "Search down to score",
            0.5,
            0.0,
            1.0,
            0.05,
            "Masks with a lower score are not looked for; higher is faster, lower "
            "leaves more to the sieve.",
            "Masks",
        ),
        Option(
            "stability_score_thresh",
            "… and stability",
            0.7,
            0.0,
            1.0,
            0.05,
            "Masks that are less stable are not looked for.",
            "Masks",
        ),
    ),
    "instances": _INSTANCES,
    "refined": (
        *_INSTANCES,
        Option(
            "pred_iou_thresh",
            "New outline from score",
            0.75,
            0.0,
            1.0,
            0.05,
            "An object is outlined anew only where the model gives the new outline at "
            "least this score.",
            "New outlines",
        ),
        Option(
            "agreement_thresh",
            "… and agreement",
            0.9,
            0.0,
            1.0,
            0.05,
            "… and where the new outline overlaps the old one at least so much (IoU).",
            "New outlines",
        ),
    ),
}
"""By mode; the names are those of the configurations."""
