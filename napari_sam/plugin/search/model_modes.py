"""Which modes of *Segment everything* a model has, and what a model is asked itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam.workflows.queries.text_query import TextQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam.plugin.search.object_query import ObjectQuery

__all__ = [
    "LEVEL_MODES",
    "asked_here",
    "parts_nuclei",
    "query_options",
    "resolve_mode",
    "why_not",
]

LEVEL_MODES = ("instances", "refined")
"""Modes that can outline nuclei or whole cells."""


_NO_MAPS = (
    "This model has no maps of instances; choose another model for it, such as the "
    "bundled one, or the mode Grid."
)
_NO_CONCEPTS = (
    "This model does not find objects by words itself; SAM 3 does. With this model, "
    "search first: what you write below then chooses among what was found."
)


def _knows_concepts(predictor: Any) -> bool:
    if predictor is None:
        return False
    from napari_sam.inference.sam3_concepts import finds_concepts

    return finds_concepts(predictor)


def resolve_mode(
    mode: str, predictor: Any, options: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """Say what "auto" stands for with a model; before there is one, "instances".

    As `napari_sam.workflows.objects.segment.choose_mode`, but without loading torch.

    Parameters
    ----------
    mode
        The mode that is chosen.
    predictor
        The model, or None.
    options
        By mode; that of "concept" may name what is looked for.
    """
    if mode != "auto":
        return mode
    phrase = (options or {}).get("concept", {}).get("phrase")
    if phrase and _knows_concepts(predictor):
        return "concept"
    has_head = predictor is None or getattr(predictor, "has_dense_head", False)
    return "instances" if has_head else "grid"


def why_not(mode: str, predictor: Any) -> str:
    """Say why a model cannot be searched with in a mode; "" if it can."""
    if predictor is None or mode in ("auto", "grid"):
        return ""
    if mode == "concept":
        return "" if _knows_concepts(predictor) else _NO_CONCEPTS
    return "" if getattr(predictor, "has_dense_head", False) else _NO_MAPS


def parts_nuclei(predictor: Any) -> bool:
    """Whether a model can outline nuclei where it sees cells with them.

    Before there is a model, it may.
    """
    if predictor is None:
        return True
    from napari_sam.inference.dense_maps import sees_nuclei

    return sees_nuclei(predictor)


def query_options(
    options: Mapping[str, Mapping[str, Any]], asked: ObjectQuery, predictor: Any
) -> Mapping[str, Mapping[str, Any]]:
    """Add to the parameters of the modes what a model is to know of what is looked for.

    A model that knows concepts is asked for them itself; one that can outline the
    nuclei inside cells does so where nuclei are looked for, unless it is told what to
    outline.

    Parameters
    ----------
    options
        By mode.
    asked
        What is looked for.
    predictor
        The model, or None.
    """
    told = {mode: dict(own) for mode, own in options.items()}
    if _knows_concepts(predictor):
        from napari_sam.workflows.queries.concept_search import phrase_of

        told.setdefault("concept", {})["phrase"] = phrase_of(asked.query, asked.text)
        return told
    names_nuclei = asked.query is not None and asked.query.names_nuclei
    if not (names_nuclei and predictor is not None and parts_nuclei(predictor)):
        return options
    for mode in LEVEL_MODES:
        told.setdefault(mode, {}).setdefault("level", "nuclei")
    return told


def asked_here(mode: str, asked: ObjectQuery) -> tuple[TextQuery | None, bool]:
    """Return what is asked of objects that were found, and whether that is nothing.

    What a model that knows concepts was asked itself is left out.
    """
    query = asked.query
    if query is None or mode != "concept":
        return query, asked.is_empty
    rest = replace(query, concept=None, unknown=(), exclude=None, relation=None)
    if rest != TextQuery():
        return rest, False
    return None, not (asked.has_examples or asked.is_reading or asked.is_looking)
