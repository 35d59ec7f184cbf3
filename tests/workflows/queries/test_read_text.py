"""What texts ask for, by phrases that no rule was written from, and by bad ones."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from napari_sam.workflows.queries.read_text import read_text
from napari_sam.workflows.queries.text_query import Condition, TextQuery

DATA = Path(__file__).parents[2] / "data"


def written(query: TextQuery) -> str:
    """Return a query as the file of phrases writes it."""
    parts = [query.concept] if query.concept else []
    for c in query.conditions:
        numbers = [f"{n:g}" for n in c.numbers]
        parts.append(" ".join([c.property, c.value, *numbers, c.unit]).strip())
    if query.count:
        parts.append(f"count {query.count[0]} {query.count[1]}")
    if query.exclude:
        parts.append(f"exclude ({written(query.exclude)})")
    if query.relation:
        parts.append(f"relation {query.relation[0]} ({written(query.relation[1])})")
    if query.unknown:
        parts.append(f"unknown {', '.join(query.unknown)}")
    return "; ".join(parts)


@pytest.mark.parametrize("name", ["read_text_phrases.toml", "read_text_phrases_2.toml"])
def test_reads_ninety_of_a_hundred_phrases_that_no_rule_was_written_from(name):
    phrases = tomllib.loads((DATA / name).read_text("utf-8"))["phrases"]
    wrong = {
        text: (wanted, got)
        for text, wanted in phrases.items()
        if (got := written(read_text(text))) != wanted
    }
    assert len(phrases) == 100
    assert len(wrong) <= 10, "\n".join(f"{t}: {w} | {g}" for t, (w, g) in wrong.items())


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("cells larger than 50 µm²", Condition("area", "at_least", 50.0, "um2")),
        ("cells larger than 50 μm2", Condition("area", "at_least", 50.0, "um2")),
        ("diameter under 12 px", Condition("diameter", "at_most", 12.0, "px")),
        ("area between 20 and 5 um^2", Condition("area", "between", 5, 20, "um2")),
        ("nuclei over 1,5 mm2", Condition("area", "at_least", 1.5, "mm2")),
        ("gigantic nuclei", Condition("area", "high")),
        ("nuclei that aren't round", Condition("roundness", "low")),
    ],
)
def test_reads_conditions(text, condition):
    assert read_text(text).conditions == (condition,)


@pytest.mark.parametrize(
    ("text", "concept"),
    [
        ("objects", None),
        ("everything", None),
        ("things", None),
        ("the nucleus of the cells", "nucleus"),
        ("whole cells", "cell"),
        ("sand grains", "particle"),
    ],
)
def test_knows_kinds_of_objects(text, concept):
    assert read_text(text).concept == concept


def test_what_is_not_understood_is_said():
    query = read_text("a car with wheels")
    assert query.concept is None
    assert "car" in query.unknown


@pytest.mark.parametrize(
    ("text", "concept", "unknown"),
    [
        ("nuclei but not", "nucleus", ("but not",)),
        ("nuclei but not the objects", "nucleus", ("but not",)),
        ("large cells, except the", "cell", ("except",)),
        ("not", None, ("not",)),
    ],
)
def test_an_exclusion_of_nothing_is_said(text, concept, unknown):
    query = read_text(text)
    assert (query.concept, query.exclude, query.unknown) == (concept, None, unknown)


def test_of_a_long_text_the_beginning_is_read_and_the_rest_is_told():
    query = read_text("nuclei " * 2000)
    assert query.concept == "nucleus"
    assert query.unknown[-1] == "..."


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_text_asks_for_nothing(text):
    with pytest.raises(ValueError, match="the text is empty: say what to find"):
        read_text(text)


@pytest.mark.parametrize("text", ["große Zellkerne", "核", "🦠🦠", "...", "µ²", "not"])
def test_other_languages_and_signs_are_no_accident(text):
    assert isinstance(read_text(text), TextQuery)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("size", "high"), "property must be one of area"),
        (("area", "red"), "area is one of high, low"),
        (("area", "at_least", 5.0, "um"), "'um' is no unit of area"),
        (("area", "between", 5.0, "um2"), "wants 2 number"),
        (("colour", "at_least", 5.0, "px"), "numbers are for area and diameter"),
    ],
)
def test_a_condition_that_no_object_can_be_asked_is_refused(given, wanted):
    with pytest.raises(ValueError, match=wanted):
        Condition(*given)
