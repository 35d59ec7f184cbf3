"""The hint line of "Segment everything": what is going on, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_sam.ops.wording import counted
from napari_sam.plugin.annotator.hints import Facts, model_hint, obstacle_hint
from napari_sam.plugin.viewer.hint import Hint

__all__ = ["EverythingFacts", "black_hint", "next_step"]


@dataclass(frozen=True)
class EverythingFacts:
    """All that the hint depends on.

    Attributes
    ----------
    common
        What stands in the annotator's way would stand in this one's, too.
    working
        Whether a search runs.
    has_begun
        Whether it is past the first look at the plane.
    region_problem
        Why the region that is chosen is none; "" where it is fine.
    is_black
        Whether the plane is shown nearly black.
    advice
        What to know about this image before a search, or "".
    found
        How many objects were found; None before a search.
    left_out
        How many lie mostly outside the region, and were left out.
    passing
        How many of them pass the sieve.
    best_score
        The best score among them.
    is_sure
        Whether any passed the thresholds with which sieving starts.
    is_shown
        Whether the preview is in the viewer.
    is_here
        Whether the plane that they lie on is displayed.
    kept
        How many were kept at last; None where that is not the last that was done.
    output_name
        In which layer.
    """

    common: Facts = field(default_factory=Facts)
    working: bool = False
    has_begun: bool = False
    region_problem: str = ""
    is_black: bool = False
    advice: str = ""
    found: int | None = None
    left_out: int = 0
    passing: int = 0
    best_score: float = 0.0
    is_sure: bool = True
    is_shown: bool = False
    is_here: bool = True
    kept: int | None = None
    output_name: str = ""


def next_step(facts: EverythingFacts) -> Hint:
    """Say the next step, most pressing first."""
    if facts.working:
        return _work_hint(facts)
    return (
        obstacle_hint(facts.common)
        or model_hint(facts.common)
        or _region_hint(facts)
        or black_hint(facts)
        or _found_hint(facts)
        or _start_hint(facts)
    )


def _work_hint(facts: EverythingFacts) -> Hint:
    if not facts.has_begun:
        return Hint("The model looks at the plane…", "wait")
    return Hint("Finding objects. You can go on working meanwhile.", "wait")


def _start_hint(facts: EverythingFacts) -> Hint:
    if facts.common.model_state == "loading":
        return Hint("Loading the model…", "wait")
    return Hint(f"{facts.advice} Press Find objects.".strip())


def black_hint(facts: EverythingFacts) -> Hint | None:
    """Say that the contrast hides what is there, if it does."""
    if not facts.is_black or facts.found:
        return None
    return Hint(
        "The image looks black, and to the model as well: stretch the contrast, then "
        "press Find objects.",
        "problem",
    )


def _region_hint(facts: EverythingFacts) -> Hint | None:
    return Hint(facts.region_problem) if facts.region_problem else None


def _found_hint(facts: EverythingFacts) -> Hint | None:
    if facts.kept is not None:
        return Hint(
            f"{facts.kept:,} kept in “{facts.output_name}”. Under the cursor: K "
            "deletes, G edits. U takes all back.",
            "done",
        )
    if facts.found is None:
        return None
    if facts.found == 0 and facts.left_out:
        return Hint(
            f"{counted(facts.left_out, 'object')} found here, but mostly outside the "
            "region. Draw a larger one around whole objects.",
            "problem",
        )
    if facts.found == 0:
        return Hint(
            "Nothing was found. Stretch the contrast until you see the objects "
            "clearly, look at a smaller region, or try another mode.",
            "problem",
        )
    if not facts.is_here:
        return Hint(f"{counted(facts.found, 'object')} found on another plane.")
    if not facts.is_shown:
        return Hint(f"{counted(facts.found, 'object')} found, and hidden now.")
    if facts.passing == 0:
        return Hint(
            f"{counted(facts.found, 'object')} found, and none passes the sieve. Move "
            "a slider back.",
            "problem",
        )
    if not facts.is_sure:
        return Hint(
            f"The model is not sure of these (best score {facts.best_score:.2f}). "
            "Raise the score until the wrong ones go, or try another mode. Then Keep."
        )
    return Hint(
        "Move the sliders until the coloured objects are the right ones, then press "
        "Keep."
    )
