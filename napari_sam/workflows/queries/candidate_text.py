"""What a text says of the candidates of a click: which kind, the whole or a part."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam.workflows.queries.object_embeddings import head_of
from napari_sam.workflows.queries.read_text import read_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.queries.text_query import TextQuery

__all__ = ["WantedCandidate", "read_wanted", "understood", "warn"]

_PARTS = frozenset(("nucleus", "mitochondrion", "chloroplast"))
_WHOLES = frozenset(
    ("cell", "neurite", "neuron", "axon", "yeast", "red blood cell", "white blood cell")
)
"""Kinds that lie in others, and those that they lie in."""

_WHOLE = re.compile(r"\b(?:whole|entire|complete|full|outer|outermost)\b", re.I)
_PART = re.compile(r"\b(?:part|subpart|sub-part|inner|innermost)\b", re.I)
_LEVEL = re.compile(f"{_WHOLE.pattern}|{_PART.pattern}", re.I)
_NOT = re.compile(r"\b(?:not|no|without|except|excluding|but)\b")


@dataclass(frozen=True)
class WantedCandidate:
    """What a text says of the candidates of one click.

    Attributes
    ----------
    query
        What was read.
    unlike
        Kinds that are not meant.
    size
        1 where the whole is meant, -1 where a part is, 0 where neither is said.
    size_of_kinds
        The same, as it follows from what is meant and what is not.
    """

    query: TextQuery
    unlike: tuple[str, ...]
    size: int
    size_of_kinds: int


def understood(text: str, sam: Predictor | None = None) -> tuple[TextQuery, int]:
    """Read a text, and whether it means the whole (1), a part (-1) or neither (0)."""
    if not isinstance(text, str) or not text.strip():
        read_text(text)  # it says what is wrong
    said = _NOT.split(text.lower(), maxsplit=1)
    size = _level(said[0]) or -_level("".join(said[1:]))
    query = read_text(_LEVEL.sub("object", text) if size else text)
    if query.nothing_understood and not size:
        head = None if sam is None else head_of(sam)
        known = "" if head is None else f"; known kinds: {', '.join(head.concepts)}"
        raise ValueError(
            f"nothing is understood of the text {text!r}: say a kind of object, such "
            f"as 'nucleus', or how it looks, such as 'the small one'{known}"
        )
    return query, size


def read_wanted(text: str, sam: Predictor) -> WantedCandidate:
    """Read which of the candidates of a click a text means.

    Raises
    ------
    ValueError
        If the text is empty, or nothing in it is understood.
    """
    query, size = understood(text, sam)
    if query.unknown:
        left = ", ".join(query.unknown)
        warn(f"not understood, and left out of the text: {left}")
    unlike = [] if query.exclude is None else [query.exclude.concept]
    if query.relation is not None:
        if query.relation[0] == "inside":
            unlike.append(query.relation[1].concept)
        else:
            warn(
                f"which object is {query.relation[0]} others does not choose among "
                "the candidates of a click"
            )
    others = tuple(c for c in unlike if c is not None and c != query.concept)
    return WantedCandidate(query, others, size, _level_of_kinds(query.concept, others))


def _level(text: str) -> int:
    """Return 1 for words that mean the whole, -1 for those that mean a part."""
    found = [
        (match.start(), size)
        for pattern, size in ((_WHOLE, 1), (_PART, -1))
        if (match := pattern.search(text)) is not None
    ]
    return min(found)[1] if found else 0


def _level_of_kinds(concept: str | None, others: Sequence[str]) -> int:
    """Return -1 for a kind that lies in those that are not meant, 1 the other way."""
    if concept in _PARTS and any(other in _WHOLES for other in others):
        return -1
    if concept in _WHOLES and any(other in _PARTS for other in others):
        return 1
    return 0


def warn(text: str) -> None:
    """Warn the user of what a text cannot say."""
    warnings.warn(text, UserWarning, stacklevel=5)
