"""Tables of how well text, examples and classes tell kinds apart."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.evaluation.query_objects import join_kinds, rivals_of
from napari_sam.evaluation.query_scores import (
    EXAMPLES,
    score_classes,
    score_examples,
    score_text,
)
from napari_sam.evaluation.summary_tables import number_text
from napari_sam.workflows.queries.object_embeddings import head_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam.evaluation.query_objects import ImageObjects, KindObjects
    from napari_sam.inference.predictor import Predictor

    Rivals = Mapping[str, tuple[str, ...]]
    Scores = dict[str, dict[str, float]]

__all__ = ["QUERY_MODES", "QueryReport", "QuerySummary", "summarise_queries"]

QUERY_MODES = ("text", "examples", "classes")
"""What is scored on true objects."""

_TITLES: Mapping[str, Mapping[str, str]] = {
    "text": {"ap": "AP", "phrase": "AP phrase", "read": "read", "chance": "chance"},
    "examples": {
        **{f"ap{n}": f"AP {n}" for n in EXAMPLES},
        **{f"plain{n}": f"plain {n}" for n in EXAMPLES},
        "chance": "chance",
    },
    "classes": {f"recall{n}": f"recall {n}" for n in EXAMPLES},
}


@dataclass(frozen=True)
class QuerySummary:
    """One row of the table.

    Attributes
    ----------
    images, objects
        How many were scored.
    among
        The kinds that this one was told from.
    values
        The scores; NaN where one is not defined.
    """

    images: int
    objects: int
    among: tuple[str, ...]
    values: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain types for JSON; what is not defined becomes None."""
        plain = {k: None if math.isnan(v) else v for k, v in self.values.items()}
        counts = {"images": self.images, "n": self.objects}
        return {**counts, "among": list(self.among), **plain}


@dataclass(frozen=True)
class QueryReport:
    """How well kinds are told apart.

    Attributes
    ----------
    mode
        One of `QUERY_MODES`.
    kinds
        The rows.
    mean_of_kinds
        Their mean, each weighing the same.
    pools
        For classes: the kinds of each pool, with the accuracy on all its objects.
    notes
        What a reader should know, a sentence each.
    """

    mode: str
    kinds: Mapping[str, QuerySummary]
    mean_of_kinds: QuerySummary
    pools: Mapping[tuple[str, ...], Mapping[str, float]]
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the report as JSON text."""
        content: dict[str, Any] = {
            "mode": self.mode,
            "kinds": {kind: row.to_dict() for kind, row in self.kinds.items()},
            "mean_of_kinds": self.mean_of_kinds.to_dict(),
            "notes": list(self.notes),
        }
        if self.mode == "classes":
            content["pools"] = [
                {
                    "kinds": list(pool),
                    **{k: None if math.isnan(v) else v for k, v in values.items()},
                }
                for pool, values in self.pools.items()
            ]
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    def to_table(self) -> str:
        """Return a table for a terminal."""
        rows = self._rows()
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = []
        for title, *numbers, among in rows:
            cells = [title.ljust(widths[0])]
            cells += [n.rjust(w) for n, w in zip(numbers, widths[1:-1], strict=True)]
            lines.append("  ".join([*cells, among]))
        return "\n".join(line.rstrip() for line in [*lines, *self._pool_lines()])

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        head, *rows = self._rows()
        lines = [head, ["---", *["---:"] * (len(head) - 2), "---"], *rows]
        table = ["| " + " | ".join(cells) + " |" for cells in lines]
        return "\n".join([*table, *(f"\n{line}" for line in self._pool_lines())])

    def _rows(self) -> list[list[str]]:
        titles = _TITLES[self.mode]
        rows = [["kind", "images", "objects", *titles.values(), "told from"]]
        for kind, row in [*self.kinds.items(), ("mean of kinds", self.mean_of_kinds)]:
            numbers = [number_text(row.values[name]) for name in titles]
            among = ", ".join(row.among)
            rows.append([kind, str(row.images), str(row.objects), *numbers, among])
        return rows

    def _pool_lines(self) -> list[str]:
        lines = []
        for pool, values in self.pools.items():
            shares = [
                f"{number_text(values[f'accuracy{n}'])} with {n}" for n in EXAMPLES
            ]
            lines.append(
                f"accuracy of {', '.join(pool)}: {', '.join(shares)} examples a class"
            )
        return lines


def summarise_queries(
    mode: str,
    images: Sequence[ImageObjects],
    model: Predictor,
    concepts: Mapping[str, str | None],
    phrases: Mapping[str, Sequence[str]],
    all_given: bool = False,
) -> QueryReport:
    """Score the objects of images.

    Parameters
    ----------
    mode
        One of `QUERY_MODES`.
    images
        From `describe_images`; those with an error are left out.
    model
        Described them.
    concepts
        What each kind shows; see `concept_of`.
    phrases
        For text: what is said of each kind.
    all_given
        See `rivals_of`.

    Raises
    ------
    ValueError
        If there is no object.
    """
    kinds = join_kinds(model, images)
    rivals = rivals_of(kinds, concepts, all_given)
    pools: dict[tuple[str, ...], Mapping[str, float]] = {}
    if mode == "classes":
        scores, pools = _classes(kinds, rivals, concepts)
    else:
        scores = {}
        for kind, own in kinds.items():
            others = [kinds[other] for other in rivals[kind]]
            if mode == "examples":
                scores[kind] = score_examples(own, others)
            else:
                concept, said = concepts[kind], phrases[kind]
                scores[kind] = score_text(own, others, concept, said, model)
    rows = {
        kind: QuerySummary(own.images, len(own), rivals[kind], scores[kind])
        for kind, own in kinds.items()
    }
    notes = _notes(mode, rows, model, concepts, phrases)
    return QueryReport(mode, rows, _mean(mode, rows), pools, notes)


def _classes(
    kinds: Mapping[str, KindObjects],
    rivals: Rivals,
    concepts: Mapping[str, str | None],
) -> tuple[Scores, dict[tuple[str, ...], Mapping[str, float]]]:
    """Score the kinds of each pool together."""
    nothing = dict.fromkeys(_TITLES["classes"], math.nan)
    scores: Scores = dict.fromkeys(kinds, nothing)
    pools: dict[tuple[str, ...], Mapping[str, float]] = {}
    for kind in kinds:
        if not rivals[kind] or any(kind in pool for pool in pools):
            continue
        pool = _pool_of(kind, rivals)
        classes = {name: concepts[name] or name for name in pool}
        found = score_classes({name: kinds[name] for name in pool}, classes)
        pools[pool] = found.pop("")
        scores.update(found)
    return scores, pools


def _pool_of(kind: str, rivals: Rivals) -> tuple[str, ...]:
    """Return all kinds that are told from one another, directly or through others."""
    reached = {kind}
    while True:
        more = {other for name in reached for other in rivals[name]} - reached
        if not more:
            return tuple(name for name in rivals if name in reached)
        reached |= more


def _notes(
    mode: str,
    rows: Mapping[str, QuerySummary],
    model: Predictor,
    concepts: Mapping[str, str | None],
    phrases: Mapping[str, Sequence[str]],
) -> tuple[str, ...]:
    notes = []
    head = head_of(model)
    if head is None:
        notes.append(
            f"{model.name} has no head that tells objects apart: the plain features of "
            "its encoder are compared, and text finds no kind"
        )
    alone = [kind for kind, row in rows.items() if not row.among]
    if alone:
        notes.append(
            f"{', '.join(alone)}: shown by no other kind's images, so there is nothing "
            "to tell it from; --among all takes all given kinds"
        )
    if mode == "text":
        for kind, concept in concepts.items():
            if kind not in rows:
                continue
            if not phrases[kind]:
                notes.append(f"{kind}: there is no phrase for it; see --phrases")
            elif head is not None and concept is None:
                known = ", ".join(head.concepts)
                notes.append(
                    f"{kind}: its name says no known kind, so that no phrase is read "
                    f"as it; name its folder by one of {known}"
                )
            elif head is not None and concept not in head.concepts:
                notes.append(f"{kind}: the model has not learned what a {concept} is")
    return tuple(notes)


def _mean(mode: str, rows: Mapping[str, QuerySummary]) -> QuerySummary:
    values = {}
    for name in _TITLES[mode]:
        known = [v for row in rows.values() if not math.isnan(v := row.values[name])]
        values[name] = float(np.mean(known)) if known else math.nan
    images, objects = (
        sum(getattr(row, name) for row in rows.values())
        for name in ("images", "objects")
    )
    return QuerySummary(images, objects, (), values)
