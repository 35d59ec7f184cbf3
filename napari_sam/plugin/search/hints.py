"""The hint line of "Segment everything": what is going on, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_sam.ops.message_text import counted, listed
from napari_sam.plugin.annotator.hints import Facts, model_hint, obstacle_hint
from napari_sam.plugin.viewer.hint import Hint, HintKind

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
    skipped
        How many more lay on objects that were there already.
    output_name
        In which layer.
    is_reading
        Whether what was written is being read.
    is_looking
        Whether examples are being looked at.
    is_waiting
        Whether it is being looked which objects are meant.
    is_asked
        Whether anything is said or shown of those that are wanted.
    unknown
        Words that were not understood.
    known
        What is known, where nothing was understood; else "".
    refusal
        Why it is not known which objects are meant, or None.
    notes
        What to know of the answer, a sentence each.
    among
        How many objects were asked about.
    is_ranked
        Whether objects match more or less well.
    lacks_kind
        Whether none of what was found is of the kind that is asked for.
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
    skipped: int = 0
    output_name: str = ""
    is_reading: bool = False
    is_looking: bool = False
    is_waiting: bool = False
    is_asked: bool = False
    unknown: tuple[str, ...] = ()
    known: str = ""
    refusal: Hint | None = None
    notes: tuple[str, ...] = ()
    among: int = 0
    is_ranked: bool = False
    lacks_kind: bool = False

    @property
    def is_kind_in_the_way(self) -> bool:
        """Whether nothing is left for want of the kind that is asked for."""
        return bool(self.found and not self.passing and self.lacks_kind)


def next_step(facts: EverythingFacts) -> Hint:
    """Say the next step, most pressing first."""
    if facts.working:
        return _work_hint(facts)
    return (
        obstacle_hint(facts.common)
        or model_hint(facts.common)
        or _region_hint(facts)
        or black_hint(facts)
        or _query_hint(facts)
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
    left_out = _left_out(facts)
    kind: HintKind = "problem" if left_out else "do"
    return Hint(f"{left_out}{facts.advice} Press Find objects.".strip(), kind)


def _query_hint(facts: EverythingFacts) -> Hint | None:
    """Say how it stands with what was written or shown, if that is in the way."""
    if facts.is_reading:
        return Hint("Reading what you wrote…", "wait")
    if facts.is_looking:
        return Hint("The model looks at the examples…", "wait")
    if facts.known:
        return Hint(
            f"Not understood: {_quoted(facts.unknown)}. Write it in English, as in "
            f"“large round nuclei”. {facts.known}",
            "problem",
        )
    if facts.refusal is not None:
        return facts.refusal
    if facts.is_waiting and facts.passing == 0:
        return Hint("Looking which of the objects are meant…", "wait")
    return None


def _left_out(facts: EverythingFacts) -> str:
    if not facts.unknown:
        return ""
    return f"Not understood, and left out: {_quoted(facts.unknown)}. "


def _quoted(words: tuple[str, ...]) -> str:
    return listed([f"“{word}”" for word in words], most=4)


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
        return _kept_hint(facts)
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
        return _none_left_hint(facts)
    told = _left_out(facts) + "".join(f"{note} " for note in facts.notes)
    if told:
        return Hint(
            f"{told}Press Keep where the coloured objects are right.", "problem"
        )
    if not facts.is_sure:
        return Hint(
            f"The model is not sure of these (best score {facts.best_score:.2f}). "
            "Raise the score until the wrong ones go, or try another mode. Then Keep."
        )
    slider = "Match" if facts.is_ranked else "the sliders"
    return Hint(
        f"Move {slider} until the coloured objects are the right ones, then press Keep."
    )


def _kept_hint(facts: EverythingFacts) -> Hint:
    lay = "lies" if facts.skipped == 1 else "lie"
    skipped = (
        f", {facts.skipped:,} more {lay} on objects that were there already"
        if facts.skipped
        else ""
    )
    return Hint(
        f"{facts.kept or 0:,} kept in “{facts.output_name}”{skipped}. Under the "
        "cursor: K deletes, G edits. U takes all back.",
        "done",
    )


def _none_left_hint(facts: EverythingFacts) -> Hint:
    """Say why nothing is shown of what was found, and what to do."""
    found = counted(facts.found or 0, "object")
    if not facts.is_asked or facts.among == 0:
        return Hint(
            f"{found} found, but the sliders hide all of them. Move one back.",
            "problem",
        )
    told = _left_out(facts) + "".join(f"{note} " for note in facts.notes)
    if facts.is_kind_in_the_way:
        return Hint(
            f"None of the {found} is of this kind. {told}Find any kind?", "problem"
        )
    lower = "Move Match to the left, take" if facts.is_ranked else "Take"
    return Hint(
        f"{told}None of the {found} is meant. {lower} a condition away with its "
        "\u00d7, or say it in other words.",
        "problem",
    )
