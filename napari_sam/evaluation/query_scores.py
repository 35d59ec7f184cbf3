"""How well text, examples and classes tell kinds of true objects apart.

Objects of a kind are ranked among those of the kinds that they are to be told from, by
the similarity to some of them, or by a phrase; or all are sorted into classes that were
learned from a few of each. So the search for objects plays no part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam.workflows.queries.classes import ObjectClassifier
from napari_sam.workflows.queries.object_embeddings import (
    head_of,
    similarity,
    text_chances,
    tower_of,
)
from napari_sam.workflows.queries.read_text import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.evaluation.query_objects import KindObjects
    from napari_sam.inference.predictor import Predictor

    Floats = NDArray[np.float32]

__all__ = [
    "EXAMPLES",
    "average_precision",
    "score_classes",
    "score_examples",
    "score_text",
]

EXAMPLES = (1, 3, 5)
"""Numbers of examples that are scored."""

_RANKING_DRAWS = 40
_SORTING_DRAWS = 10


def average_precision(scores: Floats, wanted: NDArray[np.bool_]) -> float:
    """Return the average precision of a ranking; of equal scores, none is first.

    Parameters
    ----------
    scores
        (N,), the higher the earlier.
    wanted
        (N,), which are right.
    """
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(wanted, scores))


def score_examples(own: KindObjects, others: Sequence[KindObjects]) -> dict[str, float]:
    """Rank the objects of a kind by the similarity to some of them.

    Parameters
    ----------
    own
        The kind.
    others
        Those that it is to be told from.

    Returns
    -------
    dict
        ``ap1``, ``ap3``, ``ap5``: the mean average precision over draws of so many
        examples, which are left out of the ranking; ``plain1`` to ``plain5``: that of
        the plain features; ``chance``: that of a random order. NaN where there is
        nothing to tell it from, or no object beside the examples.
    """
    found = {}
    for title, name in (("ap", "vectors"), ("plain", "plain")):
        mine = getattr(own, name)
        rest = [getattr(other, name) for other in others]
        for count in EXAMPLES:
            found[f"{title}{count}"] = _by_examples(mine, rest, count)
    found["chance"] = _chance(own, others)
    return found


def _by_examples(own: Floats, rest: Sequence[Floats], count: int) -> float:
    if not rest or len(own) <= count:
        return float("nan")
    others = np.concatenate(rest)
    rng = np.random.default_rng(count)
    found = []
    for _ in range(_RANKING_DRAWS):
        chosen = rng.choice(len(own), count, replace=False)
        left = np.delete(own, chosen, axis=0)
        scores = similarity(np.concatenate([left, others]), own[chosen])
        wanted = np.arange(len(scores)) < len(left)
        found.append(average_precision(scores, wanted))
    return float(np.mean(found))


def score_text(
    own: KindObjects,
    others: Sequence[KindObjects],
    concept: str | None,
    phrases: Sequence[str],
    model: Predictor,
) -> dict[str, float]:
    """Rank the objects of a kind by phrases for it.

    Parameters
    ----------
    own, others
        See `score_examples`.
    concept
        What the kind shows.
    phrases
        What is said of it.
    model
        Made the vectors.

    Returns
    -------
    dict
        The mean over phrases: ``ap``, the average precision of the ranking that
        `find` has, by the kind that a phrase is read as; ``phrase``, of the ranking by
        the phrase itself; ``read``, the share of phrases that are read as the
        concept; ``chance``. NaN where there is nothing to tell it from, or no phrase.
    """
    nothing = float("nan")
    if not others or not phrases:
        return {"ap": nothing, "phrase": nothing, "read": nothing, "chance": nothing}
    head = head_of(model)
    vectors = np.concatenate([own.vectors, *(other.vectors for other in others)])
    wanted = np.arange(len(vectors)) < len(own)
    tower = tower_of(model)
    read = [read_text(phrase).concept for phrase in phrases]
    same = np.zeros(len(vectors), np.float32)
    by_kind: list[Floats] = [same] * len(phrases)
    by_phrase = by_kind
    if head is not None:
        chances = text_chances(head, vectors, tower)
        by_kind = [
            chances[:, head.concepts.index(kind)] if kind in head.concepts else same
            for kind in read
        ]
        with torch.inference_mode():
            texts = head.head.embed_text(torch.from_numpy(tower.embed(phrases)))
            logits = head.head.alike(torch.from_numpy(vectors), texts)
        by_phrase = list(logits.numpy().T)
    return {
        "ap": float(np.mean([average_precision(row, wanted) for row in by_kind])),
        "phrase": float(np.mean([average_precision(row, wanted) for row in by_phrase])),
        "read": float(np.mean([kind == concept for kind in read])),
        "chance": _chance(own, others),
    }


def score_classes(
    kinds: Mapping[str, KindObjects], classes: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    """Sort objects into classes that are learned from a few of each.

    Parameters
    ----------
    kinds
        The kinds that are to be told apart.
    classes
        The class of each kind.

    Returns
    -------
    dict
        Of each kind, ``recall1``, ``recall3``, ``recall5``: the share of its objects
        whose class is found with so many examples of each class, which are left out;
        under "" ``accuracy1`` to ``accuracy5``, that of all objects. The mean over
        draws; NaN where a class has no object beside the examples.
    """
    features = np.concatenate([kind.features for kind in kinds.values()])
    owner = np.repeat(list(kinds), [len(kind) for kind in kinds.values()])
    names = np.array([classes[kind] for kind in owner])
    found: dict[str, dict[str, float]] = {kind: {} for kind in (*kinds, "")}
    for count in EXAMPLES:
        draws = _sort(features, names, count)
        for kind, row in found.items():
            title = f"recall{count}" if kind else f"accuracy{count}"
            among = owner == kind if kind else np.ones(len(owner), np.bool_)
            shares = [
                right[among & asked].mean()
                for right, asked in draws
                if (among & asked).any()
            ]
            row[title] = float(np.mean(shares)) if shares else float("nan")
    return found


def _sort(
    features: Floats, names: NDArray[np.str_], count: int
) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return for draws of examples which objects are sorted right, and which count."""
    classes, sizes = np.unique(names, return_counts=True)
    if len(classes) < 2 or sizes.min() <= count:
        return []
    rng = np.random.default_rng(count)
    columns = [str(i) for i in range(features.shape[1])]
    draws = []
    for _ in range(_SORTING_DRAWS):
        chosen = np.concatenate(
            [
                rng.choice(np.flatnonzero(names == name), count, replace=False)
                for name in classes
            ]
        )
        classifier = ObjectClassifier.fit(
            features[chosen], names[chosen].tolist(), columns
        )
        asked = np.ones(len(names), np.bool_)
        asked[chosen] = False
        said = np.array(classifier.suggest(features).names)
        draws.append((said == names, asked))
    return draws


def _chance(own: KindObjects, others: Sequence[KindObjects]) -> float:
    """Return the average precision of a random order, about."""
    if not others:
        return float("nan")
    return len(own) / (len(own) + sum(len(other) for other in others))
