"""The parameters of a search that a user may set, as a table.

Defaults, bounds, steps and units are those of the configurations that they go to,
except for how far down is searched: there the sieve starts at the configurations'
thresholds instead, and can be opened further.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam.configs import mode_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KINDS", "LEVELS", "MODES", "OPTIONS", "Option"]

MODES = (
    ("auto", "Best for this model"),
    ("instances", "Instances: cells, nuclei"),
    ("refined", "Refined: outlined anew"),
    ("grid", "Grid of points: anything"),
    ("concept", "Concept: what words name"),
)
"""The modes and what the user reads."""

KINDS = (
    ("any", "Anything"),
    ("auto", "As the model sees it"),
    ("nuclei", "Nuclei"),
    ("tissue", "Stained tissue"),
    ("cells", "Cells"),
    ("rods", "Rods: bacteria, worms"),
    ("membranes", "Membranes: neurites, walls"),
    ("organelles", "Organelles"),
    ("particles", "Particles"),
)
"""What an image may look like, and what the user reads."""

LEVELS = (("auto", "Whole objects"), ("nuclei", "Nuclei inside cells"))
"""What is outlined where cells are seen with their nuclei, and what the user reads."""


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
    is_own
        Whether the default is the form's own; a default of the configuration is not
        set, so that it may be another for each kind of images.
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
    is_own: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is a whole number."""
        return float(self.step).is_integer()


def _option(
    mode: str,
    name: str,
    text: str,
    group: str,
    tip: str,
    *,
    default: float | None = None,
    nothing: str = "",
) -> Option:
    """Describe a parameter of a mode; `default` is the form's own, if it has one."""
    one = mode_settings(mode)[name]
    low, high, step = one.low or 0.0, one.high, one.step
    assert high is not None and step is not None  # a test holds every option to it
    start = one.default if default is None else default
    return Option(
        name,
        text,
        low if start is None else start,
        low,
        high,
        step,
        tip,
        group,
        nothing,
        f" {one.unit}" if one.unit else "",
        default is not None,
    )


_INSTANCES = (
    _option(
        "instances",
        "seed_depth",
        "Split touching objects",
        "Objects",
        "How deep the dip between two objects must be; lower: split more often. Set "
        "here, the depth is the same for all objects; else it is chosen for each.",
    ),
    _option(
        "instances",
        "foreground_thresh",
        "Object from probability",
        "Objects",
        "Pixels that belong to an object with at least this probability are its own; "
        "lower: larger objects, and fainter ones. Set here, it is the same for all "
        "objects; else it is chosen for each.",
    ),
    _option(
        "instances",
        "smoothing",
        "Smoothing",
        "Objects",
        "Blur before objects are split, in pixels of the model's maps.",
    ),
    _option(
        "instances",
        "looks",
        "Look at the image",
        "Objects",
        "Twice: the second time with the image turned upside down; outlines are "
        "better, and it takes twice as long.",
        nothing="once",
    ),
    _option(
        "instances",
        "scale",
        "Enlarge the image",
        "Size",
        "How many times the image is enlarged for the model. Automatic: as the objects "
        "that it sees at first need it. Small objects between large ones, such as "
        "nuclei between glands, need a number: about 48 divided by their size in "
        "pixels.",
        nothing="automatic",
    ),
    _option(
        "instances",
        "confidence_thresh",
        "Search down to score",
        "What is looked for",
        "Objects with a lower score are not looked for.",
        default=0.3,
    ),
    _option(
        "instances",
        "min_area",
        "… and area",
        "What is looked for",
        "Objects of fewer pixels are not looked for.",
        default=1,
    ),
)

OPTIONS: Mapping[str, tuple[Option, ...]] = {
    "grid": (
        _option(
            "grid",
            "points_per_side",
            "Points per side",
            "Points",
            "The grid has so many rows and columns of points; more of them find "
            "smaller objects and take longer.",
        ),
        _option(
            "grid",
            "crop_n_layers",
            "Crop layers",
            "Points",
            "Search again in crops, 4 in the first layer, 16 in the second and so "
            "on, where small objects are seen larger.",
        ),
        _option(
            "grid",
            "crop_n_points_downscale_factor",
            "In crops divided by",
            "Points",
            "Points per side are divided by this with each layer of crops.",
        ),
        _option(
            "grid",
            "crop_overlap_ratio",
            "Overlap of crops",
            "Points",
            "As a share of the image's shorter side.",
        ),
        _option(
            "grid",
            "box_nms_thresh",
            "Duplicates overlap by",
            "Duplicates",
            "Of two masks whose boxes overlap by more (IoU), the better one stays. "
            "Automatic: what suits the model.",
            default=0.0,
            nothing="automatic",
        ),
        _option(
            "grid",
            "crop_nms_thresh",
            "… across crops by",
            "Duplicates",
            "The same for masks from different crops.",
        ),
        _option(
            "grid",
            "min_mask_region_area",
            "Fill holes below",
            "Masks",
            "Holes of fewer pixels are filled, and islands of fewer removed.",
            nothing="none",
        ),
        _option(
            "grid",
            "stability_score_offset",
            "Stability offset",
            "Masks",
            "By how much the cutoff is moved to see how stable a mask is.",
        ),
        _option(
            "grid",
            "pred_iou_thresh",
            "Search down to score",
            "Masks",
            "Masks with a lower score are not looked for; higher is faster, lower "
            "leaves more to the sieve.",
            default=0.5,
        ),
        _option(
            "grid",
            "stability_score_thresh",
            "… and stability",
            "Masks",
            "Masks that are less stable are not looked for.",
            default=0.7,
        ),
    ),
    "instances": _INSTANCES,
    "refined": (
        *_INSTANCES,
        _option(
            "refined",
            "pred_iou_thresh",
            "New outline from score",
            "New outlines",
            "An object is outlined anew only where the model gives the new outline at "
            "least this score.",
        ),
        _option(
            "refined",
            "agreement_thresh",
            "… and agreement",
            "New outlines",
            "… and where the new outline overlaps the old one at least so much (IoU).",
        ),
    ),
    "concept": (
        _option(
            "concept",
            "min_likelihood",
            "Search down to likelihood",
            "Masks",
            "Objects that are less likely to be what the words name are not looked "
            "for; lower leaves more to the sieve.",
            default=0.2,
        ),
    ),
}
"""By mode; the names are those of the configurations."""
