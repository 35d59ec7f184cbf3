"""Text beside clicks: which of the candidates is meant; and text alone.

A click on a nucleus may mean the nucleus, a part of it, or the cell. The decoder draws
all three, and the text chooses among them: each candidate is embedded as an object is,
and compared with the kind that the text names, and with the kind that it names as not
meant; what else it says (large, round, whole) is measured on the candidates. The text
changes nothing in the masks; text alone proposes objects of the image.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam.inference.object_features import object_features
from napari_sam.inference.plane_views import PlaneView, whole_embedding
from napari_sam.ops.label_layers import label_layers
from napari_sam.ops.types import MaskPrediction, Multimask, Prompts
from napari_sam.workflows.objects.segment import segment
from napari_sam.workflows.queries.candidate_text import (
    read_wanted,
    understood,
    warn,
)
from napari_sam.workflows.queries.conditions import (
    fulfils,
    measure_for_query,
    ranked_by,
)
from napari_sam.workflows.queries.find import ask_objects
from napari_sam.workflows.queries.object_embeddings import (
    head_of,
    text_chances,
    tower_of,
)
from napari_sam.workflows.queries.text_query import TextQuery

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.queries.candidate_text import WantedCandidate
    from napari_sam.workflows.queries.text_query import Condition

__all__ = ["answer_with_text", "check_text", "rank_by_text"]

_PROPOSED = 3
"""Objects that text alone proposes at the most."""

_UNLIKE = 0.1
"""What a candidate's match is multiplied by where it is not as the text says."""

_SCORE_POWER = 0.5
"""Power of the predicted IoU that goes with the match, in the order of candidates.

Chosen on clicks into training images of sixteen kinds; see docs/find.md.
"""

_COMPARED = ("area", "diameter", "brightness", "contrast", "texture")
"""Properties in which the candidates of one click are compared with one another."""

_OF_IMAGE = ("brightness", "contrast", "texture", "colour")
"""Properties that are not known from an embedding alone."""


def answer_with_text(
    sam: Predictor, embedding: PlaneEmbedding, prompts: Prompts, text: str
) -> MaskPrediction:
    """Answer prompts and a text; see `Predictor.predict`.

    Parameters
    ----------
    sam
        The model.
    embedding
        Of the plane.
    prompts
        Where the object is; empty: the text alone says what is wanted.
    text
        Which object is meant, in English.

    Returns
    -------
    MaskPrediction
        With `matches`. Three candidates for the prompts, the one first that goes best
        with the text; or the up to three objects of the plane that match best.

    Raises
    ------
    ValueError
        If the text is empty, or nothing in it is understood.
    """
    wanted = read_wanted(text, sam)
    if prompts.is_empty:
        return _propose(sam, embedding, wanted.query)
    answer = sam.predict_prompts(embedding, prompts, Multimask.THREE)
    return _ranked(sam, embedding, answer, wanted)


def check_text(text: str) -> None:
    """Check that a text can choose among candidates.

    Parameters
    ----------
    text
        In English.

    Raises
    ------
    ValueError
        If it is empty, or nothing in it is understood.
    """
    understood(text)


def rank_by_text(
    sam: Predictor, embedding: PlaneEmbedding, answer: MaskPrediction, text: str
) -> MaskPrediction:
    """Put the candidates of an answer into the order in which they go with a text.

    Parameters
    ----------
    sam
        The model that answered.
    embedding
        Of the plane that it answered about.
    answer
        Its candidates.
    text
        Which of them is meant, in English.

    Returns
    -------
    MaskPrediction
        The same candidates, the one first that goes best with the text; with
        `matches`. Scores stay as they are.

    Raises
    ------
    ValueError
        If the text is empty, or nothing in it is understood.
    """
    return _ranked(sam, embedding, answer, read_wanted(text, sam))


# --- the candidates of a click -------------------------------------------------------


def _ranked(
    sam: Predictor,
    embedding: PlaneEmbedding,
    answer: MaskPrediction,
    wanted: WantedCandidate,
) -> MaskPrediction:
    like_kind = _kind_matches(sam, embedding, answer, wanted)
    as_said = _measured_matches(embedding, answer.masks, wanted)
    is_any = answer.masks.any(axis=(1, 2))
    matches = (like_kind * as_said * is_any).astype(np.float32)
    together = matches * np.maximum(answer.scores, 1e-3) ** _SCORE_POWER
    order = np.argsort(-together, kind="stable")
    return replace(answer, matches=matches).ordered(order)


def _kind_matches(
    sam: Predictor,
    embedding: PlaneEmbedding,
    answer: MaskPrediction,
    wanted: WantedCandidate,
) -> NDArray[np.float64]:
    """Return (M,), the chance of each candidate to be of the kind that is meant."""
    matches = np.ones(len(answer.masks))
    concept, unlike = wanted.query.concept, wanted.unlike
    named = [name for name in (concept, *unlike) if name is not None]
    if not named:
        return matches
    head = head_of(sam)
    known = () if head is None else head.concepts
    if head is None:
        warn(
            f"{sam.name} has no head that knows kinds of objects, so of the text only "
            "what is said of size and looks chooses among the candidates"
        )
    elif unknown := [name for name in named if name not in known]:
        warn(
            f"the model has not learned what a {unknown[0]} looks like, so the rest of "
            "the text chooses among the candidates"
        )
    if concept not in known and wanted.size_of_kinds and not wanted.size:
        areas = answer.masks.sum(axis=(1, 2)) * wanted.size_of_kinds
        matches = matches * _share(areas)
    if head is not None and any(name in known for name in named):
        with torch.inference_mode():
            seen = torch.from_numpy(_features(sam, embedding, answer))
            vectors = head.head(seen).numpy()
        chances = text_chances(head, vectors, tower_of(sam))
        for name in named:
            if name in known:
                chance = chances[:, known.index(name)]
                matches = matches * (chance if name == concept else 1 - chance)
    return matches


def _features(
    sam: Predictor, embedding: PlaneEmbedding, answer: MaskPrediction
) -> NDArray[np.float32]:
    """Measure the candidates as objects, in the view that they were drawn in."""
    shown, image, masks = whole_embedding(embedding), None, answer.masks
    if isinstance(embedding, PlaneView):
        view = answer.view or embedding.plane
        shown = embedding.embed(sam, view)
        rows, cols = slice(view[0], view[2]), slice(view[1], view[3])
        masks = masks[:, rows, cols]
        image = None if embedding.image is None else embedding.image[rows, cols]
    layers, count = label_layers(masks, shown.geometry.image_shape)
    features: NDArray[np.float32] | None = None
    for layer in layers:
        numbers, found = object_features(sam, shown, layer, image)
        if features is None:
            features = np.zeros((count, found.shape[1]), np.float32)
        features[numbers - 1] = found
    if features is None:
        raise ValueError("there is no candidate to compare with the text")
    return features


def _measured_matches(
    embedding: PlaneEmbedding, masks: NDArray[np.bool_], wanted: WantedCandidate
) -> NDArray[np.float64]:
    """Return (M,), 1 for candidates that look as is said, less for others."""
    matches = np.ones(len(masks))
    if wanted.size:
        matches *= _share(masks.sum(axis=(1, 2)) * wanted.size)
    query = wanted.query
    excluded = query.exclude or TextQuery()
    asked = [*query.conditions, *excluded.conditions]
    if not asked and query.count is None and excluded.count is None:
        return matches
    image = embedding.image if isinstance(embedding, PlaneView) else None
    if image is None and any(c.property in _OF_IMAGE for c in asked):
        warn(
            "brightness, contrast, texture and colour are not known from an embedding "
            "of a plane that is seen as a whole, and do not choose among the candidates"
        )
    table = _measure(masks, image)
    for part, like in ((query, True), (excluded, False)):
        for condition in part.conditions:
            if image is not None or condition.property not in _OF_IMAGE:
                matches *= _as_said(table, condition, like)
        if part.count is not None:
            order = ranked_by(table, part.count[0])
            ranks = np.empty(len(order))
            ranks[order] = np.arange(len(order))
            matches *= _share(-ranks if like else ranks)
    return matches


def _measure(
    masks: NDArray[np.bool_], image: NDArray[np.generic] | None
) -> pd.DataFrame:
    import pandas as pd

    shape = masks.shape[1:]
    seen = np.zeros(shape, np.float32) if image is None else image
    layers, count = label_layers(masks, (shape[0], shape[1]))
    parts = [measure_for_query(layer, seen) for layer in layers]
    return pd.concat(parts).reindex(range(1, count + 1))


def _as_said(
    table: pd.DataFrame, condition: Condition, like: bool
) -> NDArray[np.float64]:
    """Return (N,), 1 for objects that are (or are not) as a condition says."""
    if condition.property in _COMPARED and not condition.numbers:
        values = table[condition.property].to_numpy(np.float64)
        return _share(values if (condition.value == "high") == like else -values)
    return np.where(fulfils(table, condition) == like, 1.0, _UNLIKE)


def _share(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return (N,), 1 for the highest value and less for the others by their rank."""
    known = np.nan_to_num(np.asarray(values, np.float64), nan=-np.inf)
    ranks = (known[:, None] < known).sum(axis=1) / max(1, len(known) - 1)
    return np.asarray(_UNLIKE**ranks, np.float64)


# --- text alone ----------------------------------------------------------------------


def _propose(
    sam: Predictor, embedding: PlaneEmbedding, query: TextQuery
) -> MaskPrediction:
    """Return the objects of the plane that match a text best, as candidates."""
    whole = whole_embedding(embedding)
    shape = whole.geometry.image_shape
    image = embedding.image if isinstance(embedding, PlaneView) else None
    labels = segment(embedding, model=sam)
    found = ask_objects(
        np.zeros(shape, np.float32) if image is None else image,
        labels,
        query,
        model=sam,
        embedding=embedding,
    )
    for note in found.notes:
        warn(note)
    count = min(_PROPOSED, len(found.scores))
    masks = found.labels == np.arange(1, count + 1)[:, None, None]
    side = sam.mask_size
    logits = [sam.mask_to_logits(whole, mask) for mask in masks]
    scores = found.scores[:count]
    return MaskPrediction(
        masks=masks,
        scores=scores,
        logits=np.stack(logits) if logits else np.zeros((0, side, side), np.float32),
        view=(0, 0, *shape) if isinstance(embedding, PlaneView) else None,
        matches=scores,
    )
