"""The features that classes of objects are learned from.

There is one matrix for the window, the command and scripts, so that a classifier that
was learned in one is of use in the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.encoder_identity import encoder_of
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.object_features import FACTS
from napari_sam.inference.plane_views import PlaneView
from napari_sam.ops.types import ImageEmbedding
from napari_sam.workflows.queries.object_embeddings import (
    describe_objects,
    head_digest,
    head_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor

__all__ = ["classification_features", "classification_source"]

_MEASURED = FACTS[:-1]
"""All but how closely the object was looked at, which is no property of it."""

_OF_INTENSITY = ("brightness", "contrast", "texture")
_COLOURS = ("red", "green", "blue")


def classification_features(
    image_or_embedding: ArrayLike | PlaneEmbedding,
    labels: NDArray[np.integer],
    *,
    model: str | Path | Predictor,
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return what classes of objects are learned from: a row for each object.

    Parameters
    ----------
    image_or_embedding
        (H, W) or (H, W, C), or its embedding by the model. Give the image where it is
        known: an embedding of a plane without tiles holds no intensities. The
        embedding is then found in the model's cache.
    labels
        (H, W), 0 for background.
    model
        A name, a path or a model; see `embed_objects`.

    Returns
    -------
    values : numpy.ndarray
        (N, D) float32; the objects come in rising order of their labels. NaN where
        intensities are not known.
    columns : tuple of str
        Names of the D columns: those of the embedding, which also name what made it,
        then what was measured. Areas and lengths are in pixels, intensities are
        relative to the image. Equal names mean features that can be compared.

    Raises
    ------
    ValueError
        If the image or the labels are not as described.
    """
    sam = as_predictor(model)
    known = describe_objects(image_or_embedding, labels, model=sam)
    facts = known.facts[:, :-1].copy()
    given: Any = image_or_embedding
    pixels = given.image if isinstance(given, PlaneView) else given
    if pixels is None or isinstance(pixels, ImageEmbedding):
        colours = np.full((len(facts), len(_COLOURS)), np.nan, np.float32)
        facts[:, [_MEASURED.index(name) for name in _OF_INTENSITY]] = np.nan
    else:
        colours = _colours(np.asarray(pixels), np.asarray(labels))
    name = classification_source(sam)
    columns = [f"{name} {i}" for i in range(known.vectors.shape[1])]
    values = np.concatenate([known.vectors, facts, colours], axis=1)
    return values.astype(np.float32), (*columns, *_MEASURED, *_COLOURS)


def classification_source(sam: Predictor) -> str:
    """Return what the columns of vectors are called, before their numbers.

    Parameters
    ----------
    sam
        The model; others with the same encoder and head have the same name for it.
    """
    head = head_of(sam)
    if head is None:
        return f"features {encoder_of(sam)[:8]}"
    return f"embedding {head_digest(head)[:8]}"


def _colours(image: NDArray[Any], labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return (N, 3), the mean of each channel relative to the image."""
    numbers = np.unique(labels[labels > 0])
    where = labels > 0
    owner = np.searchsorted(numbers, labels[where])
    area = np.maximum(np.bincount(owner, minlength=len(numbers)), 1)
    planes = image.astype(np.float32)
    planes = planes[..., :3] if planes.ndim == 3 else planes[..., None]
    middle, spread = float(planes.mean()), float(planes.std()) + 1e-6
    means = [
        np.bincount(owner, planes[where, channel], len(numbers)) / area
        for channel in range(planes.shape[2])
    ]
    made = (np.stack(means, axis=1) - middle) / spread
    return np.asarray(made[:, [0, 1 % made.shape[1], -1]], np.float32)
