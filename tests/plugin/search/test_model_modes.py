"""Which modes a model has, and what it is asked itself."""

from types import SimpleNamespace

import pytest

from napari_sam.plugin.search.model_modes import (
    asked_here,
    query_options,
    resolve_mode,
    why_not,
)
from napari_sam.workflows.queries.text_query import Condition, TextQuery

PLAIN = SimpleNamespace(name="plain", has_dense_head=False)
WITH_MAPS = SimpleNamespace(name="cells", has_dense_head=True)


def asked(query, **state):
    nothing = {"has_examples": False, "is_reading": False, "is_looking": False}
    told = {"text": "", "is_empty": query is None, **nothing, **state}
    return SimpleNamespace(query=query, **told)


def test_modes_that_a_model_has_not_say_why():
    assert [why_not(mode, PLAIN) == "" for mode in ("auto", "grid")] == [True, True]
    assert "no maps of instances" in why_not("instances", PLAIN)
    assert "no maps of instances" in why_not("refined", PLAIN)
    assert why_not("instances", WITH_MAPS) == ""
    assert "SAM 3 does" in why_not("concept", WITH_MAPS)
    assert why_not("concept", None) == ""


def test_models_without_concepts_are_searched_as_before():
    options = {"grid": {"points_per_side": 8}}
    query = asked(TextQuery("nucleus"))
    assert query_options(options, query, PLAIN) is options
    assert resolve_mode("auto", PLAIN, options) == "grid"
    assert resolve_mode("auto", WITH_MAPS, options) == "instances"
    assert resolve_mode("auto", None) == "instances"


def test_a_text_that_names_nuclei_wants_those_inside_cells():
    two_levels = SimpleNamespace(dense_head=SimpleNamespace(levels=2))
    sam = SimpleNamespace(name="cells", has_dense_head=True, model=two_levels)
    nuclei, cells = asked(TextQuery("nucleus")), asked(TextQuery("cell"))
    told = query_options({"instances": {"min_area": 9}}, nuclei, sam)
    assert told["instances"] == {"min_area": 9, "level": "nuclei"}
    assert told["refined"] == {"level": "nuclei"}
    chosen = {"instances": {"level": "cells"}}
    assert query_options(chosen, nuclei, sam)["instances"] == {"level": "cells"}
    assert query_options(chosen, cells, sam) is chosen
    assert query_options(chosen, nuclei, WITH_MAPS) is chosen
    assert query_options(chosen, nuclei, None) is chosen


def test_what_the_model_was_asked_is_not_asked_again():
    large = Condition("area", "high")
    query = TextQuery("nucleus", (large,), unknown=("dividing",))
    assert asked_here("grid", asked(query)) == (query, False)
    assert asked_here("concept", asked(query)) == (TextQuery(None, (large,)), False)
    only_kind = asked(TextQuery("nucleus"))
    assert asked_here("concept", only_kind) == (None, True)
    like = asked(TextQuery("nucleus"), has_examples=True)
    assert asked_here("concept", like) == (None, False)


def test_words_for_sam_3_are_what_it_looks_for():
    pytest.importorskip("transformers")
    from tiny_sam3 import tiny_sam3_predictor

    sam = tiny_sam3_predictor()
    query = asked(
        TextQuery("nucleus", (Condition("area", "high"),)), text="large nuclei"
    )
    options = query_options({"concept": {"min_likelihood": 0.2}}, query, sam)
    assert options["concept"] == {"min_likelihood": 0.2, "phrase": "nucleus"}
    assert resolve_mode("auto", sam, options) == "concept"
    assert resolve_mode("auto", sam, query_options({}, asked(None), sam)) == "grid"
    assert why_not("concept", sam) == ""
