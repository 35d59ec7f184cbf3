"""A query in parts that a user can take out or change one by one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from napari_sam.workflows.queries.concepts import CONCEPTS
from napari_sam.workflows.queries.text_query import (
    COUNTS,
    PROPERTIES,
    RELATIONS,
    Condition,
    TextQuery,
)

__all__ = ["QueryPart", "known_words", "parts_of", "text_of"]

_PLACES = ("position", "border")
"""Properties that are said after the kind."""

PartKind = Literal["kind", "condition", "count", "relation", "exclude", "unknown"]


@dataclass(frozen=True)
class QueryPart:
    """One thing that was understood of a text, or one word that was not.

    Attributes
    ----------
    kind
        What sort of thing.
    text
        What the user reads.
    without
        The query without it.
    others
        What it may be changed to: what the user reads, and the query then.
    """

    kind: PartKind
    text: str
    without: TextQuery
    others: tuple[tuple[str, TextQuery], ...] = ()


def parts_of(query: TextQuery) -> tuple[QueryPart, ...]:
    """Take a query apart, in the order in which it is said."""
    parts = []
    if query.count is not None:
        parts.append(_count_part(query, query.count))
    conditions = [_condition_part(query, i) for i in range(len(query.conditions))]
    is_place = [c.property in _PLACES for c in query.conditions]
    parts += [part for part, last in zip(conditions, is_place, strict=True) if not last]
    if query.concept is not None:
        parts.append(_concept_part(query, query.concept))
    parts += [part for part, last in zip(conditions, is_place, strict=True) if last]
    if query.relation is not None:
        parts.append(_relation_part(query, query.relation))
    if query.exclude is not None:
        text = f"but not: {query.exclude}"
        parts.append(QueryPart("exclude", text, replace(query, exclude=None)))
    for place, word in enumerate(query.unknown):
        rest = (*query.unknown[:place], *query.unknown[place + 1 :])
        without = replace(query, unknown=rest)
        parts.append(QueryPart("unknown", f"{word}?", without))
    return tuple(parts)


def _concept_part(query: TextQuery, concept: str) -> QueryPart:
    others = tuple((name, replace(query, concept=name)) for name in CONCEPTS)
    return QueryPart("kind", concept, replace(query, concept=None), others)


def _condition_part(query: TextQuery, place: int) -> QueryPart:
    condition = query.conditions[place]
    before, after = query.conditions[:place], query.conditions[place + 1 :]
    others: list[tuple[str, TextQuery]] = []
    if not condition.numbers:
        for value in PROPERTIES[condition.property]:
            other = Condition(condition.property, value)
            changed = replace(query, conditions=(*before, other, *after))
            others.append((str(other), changed))
    without = replace(query, conditions=(*before, *after))
    return QueryPart("condition", str(condition), without, tuple(others))


def _count_part(query: TextQuery, count: tuple[str, int]) -> QueryPart:
    others = tuple(
        (_counted(how, count[1]), replace(query, count=(how, count[1])))
        for how in COUNTS
    )
    return QueryPart("count", _counted(*count), replace(query, count=None), others)


def _counted(how: str, number: int) -> str:
    return f"the {how}" if number == 1 else f"the {number} {how}"


def _relation_part(query: TextQuery, relation: tuple[str, TextQuery]) -> QueryPart:
    how, other = relation
    others = tuple(
        (f"{name} {other}", replace(query, relation=(name, other)))
        for name in RELATIONS
    )
    without = replace(query, relation=None)
    return QueryPart("relation", f"{how} {other}", without, others)


def text_of(query: TextQuery) -> str:
    """Write a query as a text that is read like it; "" where it asks for nothing."""
    known = replace(query, unknown=())
    said = "" if known == TextQuery() else str(known)
    return " ".join([*([said] if said else []), *query.unknown])


def known_words() -> str:
    """Say in a sentence what is known."""
    return (
        f"Known are {', '.join(CONCEPTS)}; how large, round, bright or coloured they "
        "are, and where they lie."
    )
