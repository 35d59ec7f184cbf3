"""A line for the user: what it says, and whether it is a step, a wait or trouble."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Hint", "HintKind", "reason", "sentence"]

HintKind = Literal["do", "wait", "problem", "done", "info"]


@dataclass(frozen=True)
class Hint:
    """A line for the user.

    Attributes
    ----------
    text
        What it says.
    kind
        "do": the next step; "wait": something is under way; "problem": something
        stands in the way, and the text says what to do; "done": something has
        succeeded; "info": something to know that is neither.
    """

    text: str
    kind: HintKind = "do"


def sentence(error: Exception | str) -> str:
    """Return an error, or what is said of one, as a sentence for the user."""
    text = str(error).strip() or type(error).__name__
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def reason(error: Exception) -> str:
    """Return an error as the end of a sentence, after a colon."""
    text = str(error).strip() or type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."
