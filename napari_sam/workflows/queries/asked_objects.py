"""The objects of one image, measured once, and asked as often as is wanted."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_sam.ops.label_layers import label_layers
from napari_sam.workflows.queries.conditions import (
    fulfils,
    lies,
    measure_for_query,
    ranked_by,
)
from napari_sam.workflows.queries.object_embeddings import (
    describe_objects,
    head_of,
    standardised,
    text_chances,
    tower_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import MaskRecord
    from napari_sam.workflows.queries.text_query import TextQuery

__all__ = ["AskedObjects"]


class AskedObjects:
    """Objects of an image, and what can be asked of them.

    Parameters
    ----------
    image
        (H, W) or (H, W, C), what is measured.
    masks
        (H, W) labels, or the N masks, which may overlap. Objects of labels come in
        rising order of their numbers.
    model
        The model.
    embedding
        Of the image, by this model; made when it is first needed where it is None.
    pixel_size
        (row, col) in micrometres, if known.

    Raises
    ------
    ValueError
        If the masks have another shape than the image.
    """

    def __init__(
        self,
        image: NDArray[Any],
        masks: NDArray[np.integer] | Sequence[MaskRecord],
        model: Predictor,
        *,
        embedding: PlaneEmbedding | None = None,
        pixel_size: tuple[float, float] | None = None,
    ) -> None:
        self._image, self._masks, self._model = image, masks, model
        self._embedding = embedding
        self._pixel_size = pixel_size
        self._layers, self._count = label_layers(masks, image.shape[:2])

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _tables(self) -> list[pd.DataFrame]:
        """What is measured of the objects of each layer, where a query asks for it."""
        size = self._pixel_size
        return [measure_for_query(one, self._image, size) for one in self._layers]

    @cached_property
    def _table(self) -> pd.DataFrame:
        return pd.concat(self._tables).sort_index() if self._tables else pd.DataFrame()

    @cached_property
    def vectors(self) -> NDArray[np.float32]:
        """(N, D) as from `embed_objects`, made when they are first asked for."""
        return self.embed(self._masks)

    def embed(
        self, masks: NDArray[np.integer] | Sequence[MaskRecord]
    ) -> NDArray[np.float32]:
        """Embed objects of the image, so that they can be compared with these.

        Parameters
        ----------
        masks
            (H, W) labels, or masks. For a model without a head their plain features
            are standardised over the objects that are asked.

        Returns
        -------
        (M, D) float32
        """
        found = self._describe(masks)
        if head_of(self._model) is not None or not len(found):
            return found
        return standardised(found, self._describe(self._masks))

    def _describe(
        self, masks: NDArray[np.integer] | Sequence[MaskRecord]
    ) -> NDArray[np.float32]:
        return describe_objects(
            self._image, masks, model=self._model, embedding=self._embedding
        ).vectors

    def are_in(self, labels: NDArray[Any]) -> NDArray[np.bool_]:
        """Say of each object whether most of it lies in (H, W) labels or a mask."""
        found = np.zeros(self._count, np.bool_)
        covered = (labels != 0).ravel()
        for layer in self._layers:
            own, bins = layer.ravel(), self._count + 1
            areas = np.bincount(own, minlength=bins)[1:]
            inside = np.bincount(own, covered, bins)[1:]
            found |= (areas > 0) & (inside > 0.5 * areas)
        return found

    def matches(self, concept: str | None) -> NDArray[np.float32]:
        """Return (N,) the chance of each object to be of a kind.

        It is 1 where none is named, or where the model has not learned the kind.
        """
        head = head_of(self._model)
        if head is None or concept is None or not self.knows(concept):
            return np.ones(self._count, np.float32)
        column = head.concepts.index(concept)
        return np.asarray(self._chances[:, column], np.float32)

    def knows(self, concept: str | None) -> bool:
        """Say whether the model has learned what a kind looks like."""
        head = head_of(self._model)
        return head is not None and concept in head.concepts

    def kind_of_most(self, among: NDArray[np.bool_]) -> str | None:
        """Return the kind that most of some objects look like; None if not known.

        Parameters
        ----------
        among
            (N,) which objects.
        """
        head = head_of(self._model)
        if head is None or not among.any():
            return None
        nearest = self._chances[among].argmax(axis=1)
        return str(head.concepts[int(np.bincount(nearest).argmax())])

    def notes_of(self, query: TextQuery | None) -> tuple[str, ...]:
        """Say which kinds that a query names the model has not learned."""
        if query is None:
            return ()
        others = (query.exclude, None if query.relation is None else query.relation[1])
        notes = []
        if query.concept is not None and not self.knows(query.concept):
            whose = "This" if head_of(self._model) is None else "The included"
            notes.append(
                f"{whose} model has not learned what a {query.concept} looks like, so "
                "objects of all kinds were taken."
            )
        notes += [note for other in others for note in self.notes_of(other)]
        return tuple(dict.fromkeys(notes))

    @cached_property
    def _chances(self) -> NDArray[np.float32]:
        head = head_of(self._model)
        assert head is not None  # asked only then
        return text_chances(head, self.vectors, tower_of(self._model))

    def choose(
        self,
        query: TextQuery,
        min_match: float,
        among: NDArray[np.bool_] | None = None,
        there: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.bool_]:
        """Say of each object whether it is as a query says.

        Words such as "large" compare objects of the kind with one another.

        Parameters
        ----------
        query
            What is asked.
        min_match
            The smallest chance of the kind.
        among
            (N,) which objects may be chosen, and are compared; None: all.
        there
            (N,) to which objects others may lie; None: all.

        Raises
        ------
        ValueError
            If a number is in micrometres, and the size of a pixel is not known.
        """
        every = np.ones(self._count, np.bool_)
        among = every if among is None else among
        there = every if there is None else there
        kept = among & (self.matches(query.concept) >= min_match)
        kept = self._fulfil(query, kept)
        if query.relation is not None:
            how, other = query.relation
            kept &= self._lie(how, replace(other, relation=None), min_match, there)
        if query.exclude is not None:
            kept &= ~self.choose(query.exclude, min_match, kept, there)
        if query.count is not None:
            order = [i for i in ranked_by(self._table, query.count[0]) if kept[i]]
            kept = np.zeros_like(kept)
            kept[order[: query.count[1]]] = True
        return kept

    def _fulfil(self, query: TextQuery, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if not query.conditions:
            return among.copy()
        table = self._table[among]
        inside = np.ones(len(table), np.bool_)
        for condition in query.conditions:
            inside &= fulfils(table, condition)
        kept = among.copy()
        kept[among] = inside
        return kept

    def _lie(
        self, how: str, other: TextQuery, min_match: float, there: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Say which objects lie to others of this image as is asked."""
        theirs = self.choose(other, min_match, there, there)
        lookup = np.concatenate([[False], theirs])
        ground = np.zeros(self._image.shape[:2], np.bool_)
        for layer in self._layers:
            ground |= lookup[layer]
        found = np.zeros(self._count, np.bool_)
        for layer, table in zip(self._layers, self._tables, strict=True):
            places = table.index.to_numpy(np.int64) - 1
            found[places] = lies(layer, table, how, ground)
        return found
