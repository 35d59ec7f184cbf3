"""Objects of an image by what is said of them, and by examples."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import FindConfig
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.ops.label_layers import label_layers
from napari_sam.ops.wording import counted
from napari_sam.workflows.objects.segment import segment
from napari_sam.workflows.queries.conditions import (
    fulfils,
    lies,
    measure_for_query,
    ranked_by,
)
from napari_sam.workflows.queries.object_embeddings import (
    describe_objects,
    head_of,
    similarity,
    standardised,
    text_chances,
    tower_of,
)
from napari_sam.workflows.queries.read_text import read_text
from napari_sam.workflows.queries.text_query import TextQuery

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.checkpoints.object_weights import LoadedObjectHead
    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.views import PlaneEmbedding
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.queries.text_query import Condition

__all__ = ["Found", "ask_objects", "find", "numbers_of", "unit_note"]


@dataclass(frozen=True, eq=False)
class Found:
    """What was found.

    Attributes
    ----------
    labels
        (H, W) int32, 0 for background; objects 1 to N, the best match first.
    scores
        (N,) float32, how well each matches: the chance of the kind that the text
        names, or the similarity to the examples; 1 where neither says anything.
    query
        What was understood of the text; None without one.
    notes
        What the user should know, a sentence each.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    query: TextQuery | None
    notes: tuple[str, ...] = ()


def find(
    image: ArrayLike,
    text: str | TextQuery | None = None,
    *,
    like: NDArray[Any] | None = None,
    unlike: NDArray[Any] | None = None,
    model: str | Path | Predictor = "cells",
    config: FindConfig | None = None,
    progress: Progress | None = None,
) -> Found:
    """Find the objects that a text describes, or that are like examples.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) array of any real dtype
        See `Predictor.embed`.
    text : str or TextQuery, optional
        In English, such as "large round nuclei away from the border"; see `read_text`.
    like, unlike : (H, W) labels or (N, D) float array, optional
        Examples and counter-examples: objects of this image as labels, or of other
        images as vectors from `embed_objects`.
    model : str, Path or Predictor
        See `embed_objects`.
    config : FindConfig, optional
        How objects are found, and how well they must match.
    progress : Progress, optional
        Steps are those of the search for objects.

    Returns
    -------
    Found
        Labels with the best match first, scores, and what was understood.

    Raises
    ------
    ValueError
        If neither a text nor examples are given, an argument is not as described, or
        a number of the text is in micrometres and the size of a pixel is not known.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    read_text : What is understood of a text.
    embed_objects : Vectors of objects, as examples for other images.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")[:128, :128]
    >>> found = napari_sam.find(image, "the 3 largest nuclei")
    >>> found.query.count, int(found.labels.max())
    (('largest', 3), 3)
    """
    if text is None and like is None:
        raise ValueError("say what to find: give a text, or examples as `like`")
    if unlike is not None and like is None:
        raise ValueError("counter-examples, `unlike`, need examples, `like`")
    query = read_text(text) if isinstance(text, str) else text
    config, sam = config or FindConfig(), as_predictor(model)
    pixels = np.asarray(image)
    embedding = sam.embed(pixels)
    labels = segment(
        embedding, model=sam, mode=config.mode, config=config.segment, progress=progress
    )
    found = ask_objects(
        pixels, labels, query, like=like, unlike=unlike, model=sam, config=config
    )
    note = unit_note(text, query) if isinstance(text, str) else ""
    return replace(found, notes=(*found.notes, note)) if note else found


def unit_note(text: str, query: TextQuery | None) -> str:
    """Say that numbers were taken for pixels where a text names no unit.

    Parameters
    ----------
    text
        As it was given.
    query
        What was understood of it.

    Returns
    -------
    str
        A sentence, or nothing.

    Examples
    --------
    >>> import napari_sam
    >>> unit_note("larger than 50", napari_sam.read_text("larger than 50"))
    'No unit was given, so numbers are in pixels: area ≥ 50 px².'
    """
    if query is None or re.search(r"px|pix", text.lower()):
        return ""
    said = ", ".join(str(one) for one in numbers_of(query) if one.unit[:2] == "px")
    return f"No unit was given, so numbers are in pixels: {said}." if said else ""


def numbers_of(query: TextQuery) -> list[Condition]:
    """Return all conditions with numbers, also of what is excluded and related."""
    parts = [query.exclude, None if query.relation is None else query.relation[1]]
    found = [one for one in query.conditions if one.numbers]
    return found + [one for part in parts if part for one in numbers_of(part)]


def ask_objects(
    image: NDArray[Any],
    labels: NDArray[np.integer],
    query: TextQuery | None,
    *,
    like: NDArray[Any] | None = None,
    unlike: NDArray[Any] | None = None,
    model: Predictor,
    config: FindConfig | None = None,
    embedding: PlaneEmbedding | None = None,
) -> Found:
    """Choose among objects that are known already; see `find`.

    Parameters
    ----------
    image
        (H, W) or (H, W, 3).
    labels
        (H, W), the objects to choose among.
    query, like, unlike, model, config
        See `find`.
    embedding
        Of the image, where that is known; made where it is None.
    """
    config = config or FindConfig()
    (own,), count = label_layers(labels, image.shape[:2])
    if query is not None and _is_not_understood(query):
        told = f"Not understood: {', '.join(query.unknown)}. {_known(head_of(model))}"
        return Found(np.zeros_like(own), np.zeros(0, np.float32), query, (told,))
    if not count:
        note = "No object was found in the image."
        return Found(own, np.zeros(0, np.float32), query, (note,))
    asked = _Asked(image, own, model, config, embedding)
    kept = np.ones(count, np.bool_)
    scores = np.ones(count, np.float32)
    if like is not None:
        scores = similarity(asked.vectors, asked.examples(like), asked.examples(unlike))
        kept &= scores >= config.min_match
        kept |= asked.is_example(like)
        if unlike is not None:
            kept &= ~asked.is_example(unlike)
    if query is not None:
        chosen, matches = asked.choose(query)
        kept &= chosen
        scores = matches if like is None else scores
    order = np.argsort(-scores, kind="stable")
    order = order[kept[order]]
    if not len(order):
        best = float(scores.max())
        asked.note(
            f"None of {counted(count, 'object')} is as asked; the best match is "
            f"{best:.2f}."
        )
    lookup = np.zeros(count + 1, np.int32)
    lookup[order + 1] = np.arange(1, len(order) + 1)
    return Found(lookup[own], scores[order], query, tuple(asked.notes))


class _Asked:
    """The objects of an image, and what is asked of them."""

    def __init__(
        self,
        image: NDArray[Any],
        labels: NDArray[np.int32],
        model: Predictor,
        config: FindConfig,
        embedding: PlaneEmbedding | None = None,
    ) -> None:
        self._image, self._labels = image, labels
        self._embedding = embedding
        self._model, self._config = model, config
        self._count = int(labels.max())
        self._vectors: NDArray[np.float32] | None = None
        self.notes: list[str] = []

    @cached_property
    def _table(self) -> pd.DataFrame:
        """What is measured of the objects, where a query asks for it."""
        size = self._config.pixel_size
        return measure_for_query(self._labels, self._image, size)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(N, D), made when they are first asked for."""
        if self._vectors is None:
            self._vectors = self._embed(self._labels)
        return self._vectors

    def _embed(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        """Embed objects of the image; without a head beside those that are asked."""
        found = self._describe(labels)
        if head_of(self._model) is not None or not len(found):
            return found
        self.note(
            f"{self._model.name} has no head that tells objects apart; the plain "
            "features of its encoder are compared, which is less reliable."
        )
        return standardised(found, self._describe(self._labels))

    def _describe(self, labels: NDArray[Any]) -> NDArray[np.float32]:
        return describe_objects(
            self._image, labels, model=self._model, embedding=self._embedding
        ).vectors

    def examples(self, given: NDArray[Any] | None) -> NDArray[np.float32]:
        """Return the vectors of examples.

        Raises
        ------
        ValueError
            If there is none, or they are neither labels nor vectors.
        """
        if given is None:
            return np.zeros((0, self.vectors.shape[1]), np.float32)
        values = np.asarray(given)
        if values.dtype.kind == "f":
            if values.ndim != 2 or values.shape[1] != self.vectors.shape[1]:
                raise ValueError(
                    f"vectors of examples must be (N, {self.vectors.shape[1]}), from "
                    f"embed_objects with the same model; got {values.shape}"
                )
            found = values.astype(np.float32)
        else:
            found = self._embed(
                values.astype(np.int32) if values.dtype == np.bool_ else values
            )
        if not len(found):
            raise ValueError("there is no example: the labels are empty")
        return found

    def is_example(self, given: NDArray[Any]) -> NDArray[np.bool_]:
        """Say of each object whether it is an example itself, mostly."""
        values = np.asarray(given)
        if values.dtype.kind == "f":
            return np.zeros(self._count, np.bool_)
        own, bins = self._labels.ravel(), self._count + 1
        inside = np.bincount(own, (values != 0).ravel(), bins)[1:]
        return np.asarray(inside > 0.5 * np.bincount(own, minlength=bins)[1:])

    def choose(
        self, query: TextQuery, among: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Say of each object whether it is as a query says, and how well it matches.

        Words such as "large" compare objects of the kind with one another, of those
        in `among` alone where that is given.
        """
        matches = self._matches(query.concept)
        is_kind = matches >= self._config.min_match
        kept = self._conditions(query, is_kind if among is None else is_kind & among)
        if query.relation is not None:
            kept &= self._related(*query.relation)
        if query.exclude is not None:
            kept &= ~self.choose(query.exclude, kept)[0]
        if query.count is not None:
            kept &= self._first(query.count, kept)
        return kept, matches

    def _conditions(
        self, query: TextQuery, among: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        if not query.conditions:
            return among.copy()
        table: pd.DataFrame = self._table[among]
        inside = np.ones(len(table), np.bool_)
        for condition in query.conditions:
            inside &= fulfils(table, condition)
        kept = among.copy()
        kept[among] = inside
        return kept

    def _first(
        self, count: tuple[str, int], kept: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        order = [i for i in ranked_by(self._table, count[0]) if kept[i]]
        chosen = np.zeros(len(kept), np.bool_)
        chosen[order[: count[1]]] = True
        return chosen

    def _related(self, how: str, other: TextQuery) -> NDArray[np.bool_]:
        """Say which objects lie to others of this image as is asked."""
        theirs, _ = self.choose(replace(other, relation=None))
        lookup = np.concatenate([[False], theirs])
        return lies(self._labels, self._table, how, lookup[self._labels])

    def _matches(self, concept: str | None) -> NDArray[np.float32]:
        """Return the chance of each object to be of a kind; 1 where none is named."""
        ones = np.ones(self._count, np.float32)
        head = head_of(self._model)
        if concept is None:
            return ones
        if head is None or concept not in head.concepts:
            whose = "This model" if head is None else "The included model"
            self.note(
                f"{whose} has not learned what a {concept} looks like, so objects of "
                "all kinds were taken."
            )
            return ones
        chances = text_chances(head, self.vectors, tower_of(self._model))
        return np.asarray(chances[:, head.concepts.index(concept)], np.float32)

    def note(self, text: str) -> None:
        """Tell the user something, once."""
        if text not in self.notes:
            self.notes.append(text)


def _is_not_understood(query: TextQuery) -> bool:
    """Whether nothing at all was understood of a text that names something."""
    return bool(query.unknown) and replace(query, unknown=()) == TextQuery()


def _known(head: LoadedObjectHead | None) -> str:
    names = ", ".join(head.concepts if head is not None else ())
    return f"Known kinds: {names}." if names else "No kinds of objects are known."
