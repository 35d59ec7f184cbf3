"""The hint line: what is going on, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_sam.ops.message_text import counted
from napari_sam.plugin.viewer.hint import Hint

__all__ = [
    "LOOKS_BLACK",
    "STROKE_STEPS",
    "Facts",
    "model_hint",
    "next_hint",
    "obstacle_hint",
]


@dataclass(frozen=True)
class Facts:
    """All that the hint depends on."""

    has_image: bool = False
    is_3d_view: bool = False
    too_large: tuple[int, int] | None = None
    plane_shown: bool = True
    output_problem: str = ""
    model_state: Literal["ready", "loading", "missing", "failed"] = "ready"
    model_name: str = ""
    model_error: str = ""
    embedding_state: Literal["none", "ready", "working", "stopped", "failed"] = "none"
    embedding_error: str = ""
    tool: str = "point"
    polarity: bool = True
    has_prompts: bool = False
    waiting: bool = False
    candidates: int = 0
    mask_is_empty: bool = False
    editing: int | None = None
    committed: int = 0
    only_negative: bool = False
    score: float | None = None
    is_refused: bool = False
    looks_black: bool = False
    advice: str = ""
    hidden_by: str = ""
    is_colour: bool = False
    is_painted: bool = False
    grows: bool = False
    is_growing: bool = False
    grown_planes: int = 0
    least_sure: int | None = None


LOOKS_BLACK = Hint(
    "The image looks black, and the model sees it as you do: stretch the contrast.",
    "problem",
)
"""Where a few outliers, or the range of the type, set the limits of contrast."""

STROKE_STEPS = {
    "split": Hint(
        "Draw a line across an object, or click once in each of its two parts. "
        "Esc ends."
    ),
    "merge": Hint("Draw a line across the objects that are one. Esc ends."),
}
"""While the tool that draws strokes is in hand, by what they do."""

_UNSURE = 0.3
"""Predicted IoU below which an answer is not offered as if it were good."""

_TOOL_STEPS = {
    "point": "Click an object in the image.",
    "box": "Drag a box around an object.",
    "lasso": "Draw around an object with the mouse held down.",
    "brush": "Paint over an object.",
}


def next_hint(facts: Facts) -> Hint:
    """Say the next step, most pressing first."""
    return obstacle_hint(facts) or model_hint(facts) or _work_hint(facts)


def obstacle_hint(facts: Facts) -> Hint | None:
    """Say what keeps the user from working on a plane, if anything does."""
    if not facts.has_image:
        return Hint(
            "Open an image: drop a file on the window, or File > Open Sample.",
        )
    if facts.is_3d_view and not facts.grows:
        return Hint(
            "Objects are marked on planes. Leave the 3D view: press Ctrl-Y, or the "
            "cube button below the layer list.",
            "problem",
        )
    if facts.too_large is not None:
        height, width = facts.too_large
        return Hint(
            f"This plane has {height} x {width} pixels. Zoom in on some objects, then "
            "work on the part that you see.",
        )
    if not facts.plane_shown and not facts.is_3d_view:
        return Hint(
            "This view does not show a plane of the image. Roll the axes (Ctrl-E) "
            "until it does.",
            "problem",
        )
    if facts.hidden_by:
        return Hint(
            f"“{facts.hidden_by}” lies over the chosen image and hides it.", "problem"
        )
    if facts.output_problem:
        return Hint(facts.output_problem, "problem")
    return None


def model_hint(facts: Facts) -> Hint | None:
    """Say what is wrong with the model or its embedding, if anything is."""
    if facts.model_state == "missing":
        return Hint(
            f"{facts.model_name} is not on this computer yet. Press Download, or "
            "choose another model.",
            "problem",
        )
    if facts.model_state == "failed":
        return Hint(
            f"The model could not be loaded: {facts.model_error} Choose another one.",
            "problem",
        )
    if facts.embedding_state == "failed":
        return Hint(
            f"This plane could not be read: {facts.embedding_error} "
            "Press Try again, or choose another image.",
            "problem",
        )
    if facts.embedding_state == "stopped":
        return Hint(
            "Stopped. Press Try again to let the model look at this plane.", "problem"
        )
    return None


def _work_hint(facts: Facts) -> Hint:
    return (_grown_hint(facts) if facts.grows else None) or _plane_hint(facts)


def _grown_hint(facts: Facts) -> Hint | None:
    """Say the next step where the object in hand grows through the stack."""
    if not facts.has_prompts and facts.grown_planes == 0:
        if facts.is_3d_view:
            return Hint("Click an object in the rendering; it grows in 3D.")
        return None
    if facts.waiting and not facts.is_3d_view:
        return None
    if facts.is_growing:
        return Hint(
            "The object grows through the planes. N keeps it as soon as it is whole; "
            "you need not wait.",
            "wait",
        )
    if facts.grown_planes == 0:
        return None
    planes = counted(facts.grown_planes, "plane")
    if facts.least_sure is None:
        return Hint(f"On {planes}. N keeps the whole object.")
    return Hint(
        f"On {planes}, least sure on plane {facts.least_sure}. N keeps the whole "
        "object. Or go to a plane where it is wrong, and click there."
    )


def _plane_hint(facts: Facts) -> Hint:
    if facts.has_prompts and facts.waiting:
        if facts.model_state == "loading":
            return Hint("Loading the model; your prompt is kept.", "wait")
        if facts.embedding_state != "ready":
            return Hint("The model looks at the plane; your prompt is kept.", "wait")
        return Hint("Segmenting…", "wait")
    if not facts.has_prompts:
        if facts.looks_black:
            return LOOKS_BLACK
        return Hint(_first_step(facts))
    if facts.only_negative:
        return Hint(
            "That is what the object is not. Now click where it is (T switches what a "
            "left click says)."
        )
    if facts.mask_is_empty:
        return Hint("Nothing found there. Add a point on the object, or press U.")
    is_unsure = facts.score is not None and facts.score < _UNSURE
    if is_unsure and not facts.is_painted:
        contrast = "" if facts.is_colour else "stretch the contrast, "
        return Hint(
            f"The model is not sure of this ({facts.score:.2f}). Add a click or draw a "
            f"box; {contrast}or try another model. N keeps it all the same.",
            "info",
        )
    name = "the change" if facts.editing is not None else "it"
    more = "click to add a part, right-click to take one away"
    if facts.candidates > 1:
        return Hint(f"N keeps {name}, Q shows the next candidate. Or {more}.")
    return Hint(f"N keeps {name}. Or {more}.")


def _first_step(facts: Facts) -> str:
    if not facts.tool:
        return "Press a tool below (Object, Box, …) to go on."
    step = _TOOL_STEPS.get(facts.tool, _TOOL_STEPS["point"])
    if facts.tool == "point" and not facts.polarity:
        step = "Click where the object is not (T switches to what it is)."
    if facts.advice and not facts.committed:
        step = f"{step} {facts.advice}"
    if facts.committed:
        count = counted(facts.committed, "object")
        step = f"{count}. Next: {step[0].lower()}{step[1:]}"
        if facts.tool == "point":
            step += " K deletes the one under the cursor, G edits it."
    return step
