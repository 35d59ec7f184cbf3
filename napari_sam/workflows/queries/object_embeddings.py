"""A vector for each object: alike objects lie close together, and near their name."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from napari_sam.checkpoints.object_weights import encoder_digest, load_object_head
from napari_sam.inference.channels import channels_last
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.object_features import FACTS, object_features
from napari_sam.inference.views import PlaneView
from napari_sam.ops.label_layers import label_layers
from napari_sam.ops.types import ImageEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.checkpoints.object_weights import LoadedObjectHead
    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.text_tower import PhraseEmbedder
    from napari_sam.inference.views import PlaneEmbedding
    from napari_sam.ops.types import MaskRecord
    from napari_sam.workflows.progress import Progress

__all__ = ["embed_objects", "head_of", "similarity", "text_chances", "tower_of"]


def embed_objects(
    image: ArrayLike | PlaneEmbedding,
    masks: NDArray[Any] | Sequence[MaskRecord],
    *,
    model: str | Path | Predictor = "cells",
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Turn each object of an image into a vector.

    Objects of one kind have vectors with a high cosine, in one image and across images,
    however they are turned and whatever the contrast.

    Parameters
    ----------
    image : (H, W) or (H, W, 1 to 4) array of any real dtype, or an embedding
        See `Predictor.embed`; an embedding must be of the same model.
    masks : (H, W) labels, (N, H, W) bool, or sequence of MaskRecord
        The objects. Those of labels come in rising order of their numbers.
    model : str, Path or Predictor
        The included model, or one that was trained from it with the same encoder, has
        a head that was trained for this. Others fall back to the pooled features of
        their encoder, standardised over the objects of the image, which tell kinds
        apart less well; a warning says so.
    channel_axis : int, optional
        See `segment`.
    progress : Progress, optional
        Asked whether to stop before each tile.

    Returns
    -------
    (N, D) float32 array
        Each row of length 1, so that products are cosines.

    Raises
    ------
    ValueError
        If the image or the masks are not as described.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    find : Objects by text and by examples.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")[:128, :128]
    >>> labels = napari_sam.segment(image)
    >>> vectors = napari_sam.embed_objects(image, labels)
    >>> vectors.shape == (labels.max(), 192)
    True
    """
    sam = as_predictor(model)
    embedding: PlaneEmbedding
    if isinstance(image, (ImageEmbedding, PlaneView)):
        embedding = image
    else:
        embedding = sam.embed(channels_last(image, channel_axis))
    stop = None if progress is None else progress.is_cancelled
    layers, count = label_layers(masks, embedding.geometry.image_shape)
    features: NDArray[np.float32] | None = None
    for layer in layers:
        numbers, found = object_features(sam, embedding, layer, is_cancelled=stop)
        if features is None:
            features = np.zeros((count, found.shape[1]), np.float32)
        features[numbers - 1] = found
    head = head_of(sam)
    if features is None:
        return np.zeros((0, 1 if head is None else _width(head)), np.float32)
    if head is None:
        warnings.warn(
            f"{sam.name} has no head that tells objects apart; the plain features of "
            "its encoder are compared, which is less reliable",
            UserWarning,
            stacklevel=2,
        )
        return _plain(features)
    with torch.inference_mode():
        vectors: NDArray[np.float32] = head.head(torch.from_numpy(features)).numpy()
    return vectors


def head_of(sam: Predictor) -> LoadedObjectHead | None:
    """Return the head that knows the features of a model's encoder, if there is one.

    Parameters
    ----------
    sam
        The model.
    """
    own: LoadedObjectHead | None = getattr(sam, "object_head", None)
    if own is not None:
        return own
    network = getattr(sam, "model", None)
    if network is None:
        return None
    if network not in _DIGESTS:
        _DIGESTS[network] = encoder_digest(network)
    head = _bundled_head()
    return head if _DIGESTS[network] == head.encoder else None


def tower_of(sam: Predictor) -> PhraseEmbedder:
    """Return what embeds the words that the head of a model knows.

    Parameters
    ----------
    sam
        The model.
    """
    own: PhraseEmbedder | None = getattr(sam, "text_tower", None)
    if own is not None:
        return own
    from napari_sam.inference.text_tower import load_text_tower

    return load_text_tower()


_DIGESTS: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


@cache
def _bundled_head() -> LoadedObjectHead:
    return load_object_head()


def similarity(
    vectors: NDArray[np.float32],
    like: NDArray[np.float32],
    unlike: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Compare objects with examples, and with counter-examples.

    Parameters
    ----------
    vectors
        (N, D), the objects.
    like, unlike
        (M, D), what they are to be like, and what not.

    Returns
    -------
    (N,) float32 array
        The mean of the cosine with the mean example and of that with the nearest one;
        less the same of the counter-examples, where there are any.
    """
    score = _nearness(vectors, like)
    if unlike is not None and len(unlike):
        score = score - _nearness(vectors, unlike)
    return score


def _nearness(
    vectors: NDArray[np.float32], examples: NDArray[np.float32]
) -> NDArray[np.float32]:
    mean = examples.mean(axis=0)
    mean = mean / max(float(np.linalg.norm(mean)), 1e-9)
    nearest = (vectors @ examples.T).max(axis=1)
    return np.asarray((vectors @ mean + nearest) / 2, np.float32)


def text_chances(
    head: LoadedObjectHead, vectors: NDArray[np.float32], tower: PhraseEmbedder
) -> NDArray[np.float32]:
    """Say how likely each object is of each kind that the head has learned.

    Parameters
    ----------
    head
        From `head_of`.
    vectors
        (N, D) from `embed_objects`.
    tower
        From `tower_of`.

    Returns
    -------
    (N, K) float32 array
        Rows add up to 1; columns are `head.concepts`.
    """
    with torch.inference_mode():
        words = torch.from_numpy(tower.embed(head.concepts))
        texts = head.head.embed_text(words)
        logits = head.head.alike(torch.from_numpy(vectors), texts)
        chances: NDArray[np.float32] = torch.softmax(logits, dim=1).numpy()
    return chances


def _width(head: LoadedObjectHead) -> int:
    return head.head.config.width + head.head.config.plain


def _plain(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return means inside and around, standardised over the objects, of length 1."""
    pooled = features[:, : 2 * (features.shape[1] - len(FACTS)) // 3]
    standard = (pooled - pooled.mean(axis=0)) / (pooled.std(axis=0) + 1e-3)
    length = np.linalg.norm(standard, axis=1, keepdims=True)
    return np.asarray(standard / np.maximum(length, 1e-9), np.float32)
