"""A query in parts: taken out, changed, and written again as a text."""

import pytest

from napari_sam.plugin.search.query_parts import parts_of, text_of
from napari_sam.workflows.queries.read_text import read_text
from napari_sam.workflows.queries.text_query import Condition, TextQuery

QUERY = TextQuery(
    "nucleus",
    (Condition("area", "high"), Condition("border", "away")),
    ("brightest", 3),
    TextQuery(conditions=(Condition("area", "low"),)),
    ("inside", TextQuery("cell")),
    ("fluffy",),
)


def test_every_part_is_said_in_words():
    assert [(part.kind, part.text) for part in parts_of(QUERY)] == [
        ("count", "the 3 brightest"),
        ("condition", "large"),
        ("kind", "nucleus"),
        ("condition", "away from the border"),
        ("relation", "inside cell"),
        ("exclude", "but not: small object"),
        ("unknown", "fluffy?"),
    ]


def test_parts_are_taken_out_one_by_one_until_nothing_is_left():
    query, seen = QUERY, 0
    while parts_of(query):
        parts = parts_of(query)
        query = parts[-1].without
        assert len(parts_of(query)) == len(parts) - 1
        seen += 1
    assert seen == 7 and query == TextQuery()
    assert parts_of(TextQuery()) == ()


def test_a_part_is_changed_to_another_of_its_sort():
    count, large, kind, border, relation, exclude, unknown = parts_of(QUERY)
    changed = dict(large.others)["small"]
    assert changed.conditions[0] == Condition("area", "low")
    assert changed.conditions[1:] == QUERY.conditions[1:]
    assert dict(kind.others)["mitochondrion"].concept == "mitochondrion"
    assert dict(count.others)["the 3 largest"].count == ("largest", 3)
    assert dict(relation.others)["near cell"].relation == ("near", TextQuery("cell"))
    assert [name for name, _ in border.others] == [
        "touching the border",
        "away from the border",
    ]
    assert exclude.others == () and unknown.others == ()


def test_a_number_has_no_other_words():
    query = TextQuery(conditions=(Condition("area", "at_least", 50, "um2"),))
    (part,) = parts_of(query)
    assert part.text == "area ≥ 50 µm²" and part.others == ()


@pytest.mark.parametrize(
    "query",
    [
        TextQuery("nucleus", (Condition("area", "high"), Condition("border", "away"))),
        TextQuery("cell", count=("brightest", 3)),
        TextQuery(None, (Condition("roundness", "high"),)),
        TextQuery("mitochondrion", relation=("near", TextQuery("cell"))),
    ],
)
def test_a_query_that_is_written_again_is_read_as_it_was(query):
    assert read_text(text_of(query)) == query


def test_nothing_is_written_of_nothing():
    assert text_of(TextQuery()) == ""
    assert text_of(TextQuery(unknown=("car",))) == "car"
    assert TextQuery(unknown=("car",)).nothing_understood
    assert not TextQuery("cell", unknown=("car",)).nothing_understood
    assert not TextQuery().nothing_understood
