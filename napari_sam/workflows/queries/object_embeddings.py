"""A vector for each object: alike objects lie close together, and near their name."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import xxhash

from napari_sam.checkpoints.object_weights import load_object_head
from napari_sam.inference.channels import channels_last
from napari_sam.inference.encoder_identity import encoder_of
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.object_features import FACTS, object_features
from napari_sam.inference.plane_views import PlaneView
from napari_sam.ops.label_layers import label_layers
from napari_sam.ops.lru import BoundedCache
from napari_sam.ops.types import ImageEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.checkpoints.object_weights import LoadedObjectHead
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.text_tower import PhraseEmbedder
    from napari_sam.ops.types import MaskRecord
    from napari_sam.workflows.progress import Progress

__all__ = [
    "ObjectDescriptions",
    "describe_objects",
    "embed_objects",
    "head_digest",
    "head_of",
    "object_vectors",
    "similarity",
    "standardised",
    "text_chances",
    "tower_of",
]


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
    vectors = object_vectors(
        image, masks, sam, channel_axis=channel_axis, progress=progress
    )
    if head_of(sam) is None and len(vectors):
        warnings.warn(
            f"{sam.name} has no head that tells objects apart; the plain features of "
            "its encoder are compared, which is less reliable",
            UserWarning,
            stacklevel=2,
        )
    return vectors


def object_vectors(
    image: ArrayLike | PlaneEmbedding,
    masks: NDArray[Any] | Sequence[MaskRecord],
    sam: Predictor,
    *,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Return what `embed_objects` does, and warn of nothing.

    For threads: warnings cannot be silenced there while others are shown elsewhere.
    """
    vectors = describe_objects(
        image, masks, model=sam, channel_axis=channel_axis, progress=progress
    ).vectors
    if head_of(sam) is not None or not len(vectors):
        return vectors.copy()
    return standardised(vectors)


@dataclass(frozen=True, eq=False)
class ObjectDescriptions:
    """What a model and measurements say of objects.

    Attributes
    ----------
    vectors
        (N, D) float32, read-only: the vectors of the head; without one the pooled
        features inside and around, as they are.
    facts
        (N, 7) float32, read-only, the columns of
        `napari_sam.inference.object_features.FACTS`.
    """

    vectors: NDArray[np.float32]
    facts: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return int(self.vectors.nbytes + self.facts.nbytes)


def describe_objects(
    image: ArrayLike | PlaneEmbedding,
    masks: NDArray[Any] | Sequence[MaskRecord],
    *,
    model: Predictor,
    embedding: PlaneEmbedding | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> ObjectDescriptions:
    """Embed and measure objects, or find what was said of them the last time.

    Parameters
    ----------
    image, masks, model, channel_axis, progress
        See `embed_objects`.
    embedding
        Of the image, where it is known already.
    """
    pixels: NDArray[Any] | None = None
    if isinstance(image, (ImageEmbedding, PlaneView)):
        embedding = image
    else:
        pixels = np.asarray(channels_last(image, channel_axis))
        embedding = model.embed(pixels) if embedding is None else embedding
    stop = None if progress is None else progress.is_cancelled
    layers, count = label_layers(masks, embedding.geometry.image_shape)
    head = head_of(model)
    key = _key(embedding, "" if head is None else head_digest(head), pixels, layers)
    known = _KNOWN.setdefault(model, _cache())
    found = known.get(key)
    if found is not None:
        return found
    made: ObjectDescriptions | None = None
    for layer in layers:
        numbers, features = object_features(model, embedding, layer, pixels, stop)
        facts = features[:, -len(FACTS) :]
        vectors = _vectors(model, features)
        if made is None:
            made = ObjectDescriptions(
                np.zeros((count, vectors.shape[1]), np.float32),
                np.zeros((count, len(FACTS)), np.float32),
            )
        made.vectors[numbers - 1], made.facts[numbers - 1] = vectors, facts
    if made is None:
        width = 1 if head is None else _width(head)
        empty = np.zeros((0, width), np.float32)
        return ObjectDescriptions(empty, np.zeros((0, len(FACTS)), np.float32))
    made.vectors.setflags(write=False)
    made.facts.setflags(write=False)
    known.put(key, made)
    return made


def _cache() -> BoundedCache[str, ObjectDescriptions]:
    return BoundedCache(max_items=64, max_bytes=64 * 2**20)


_KNOWN: WeakKeyDictionary[Any, BoundedCache[str, ObjectDescriptions]]
_KNOWN = WeakKeyDictionary()
"""What each model said of objects, by embedding and labels."""


def _key(
    embedding: PlaneEmbedding,
    head: str,
    pixels: NDArray[Any] | None,
    layers: Sequence[NDArray[np.int32]],
) -> str:
    """Name descriptions by all that they depend on; the embedding names the model."""
    digest = xxhash.xxh3_128()
    tiles = embedding.tiles if isinstance(embedding, PlaneView) else ()
    is_measured = pixels is not None or isinstance(embedding, PlaneView)
    digest.update(
        f"{embedding.key}|{head}|{is_measured}|{tiles}|{len(layers)}".encode()
    )
    for layer in layers:
        digest.update(np.ascontiguousarray(layer).data)
    return digest.hexdigest()


def _vectors(sam: Predictor, features: NDArray[np.float32]) -> NDArray[np.float32]:
    head = head_of(sam)
    if head is None:
        return features[:, : 2 * (features.shape[1] - len(FACTS)) // 3]
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
    head = _bundled_head()
    return head if encoder_of(sam) == head.encoder else None


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


@cache
def head_digest(head: LoadedObjectHead) -> str:
    """Return what a head is recognised by, as hex digits.

    Parameters
    ----------
    head
        From `head_of`.
    """
    digest = xxhash.xxh3_64()
    for name, value in sorted(head.head.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


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


_PRODUCTS = 2**23
"""Pairs of an object and an example that are compared at once."""


def _nearness(
    vectors: NDArray[np.float32], examples: NDArray[np.float32]
) -> NDArray[np.float32]:
    mean = examples.mean(axis=0)
    mean = mean / max(float(np.linalg.norm(mean)), 1e-9)
    nearest = np.empty(len(vectors), np.float32)
    step = max(1, _PRODUCTS // len(examples))
    for start in range(0, len(vectors), step):  # all at once would be quadratic
        part = slice(start, start + step)
        nearest[part] = (vectors[part] @ examples.T).max(axis=1)
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
        logits = head.head.alike(torch.tensor(vectors), texts)
        chances: NDArray[np.float32] = torch.softmax(logits, dim=1).numpy()
    return chances


def _width(head: LoadedObjectHead) -> int:
    return head.head.config.width + head.head.config.plain


def standardised(
    pooled: NDArray[np.float32], over: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Standardise plain features; each row becomes of length 1.

    Parameters
    ----------
    pooled
        (N, P) from `describe_objects` of a model without a head.
    over
        (M, P), the objects whose mean becomes 0; these themselves if None.
    """
    over = pooled if over is None else over
    standard = (pooled - over.mean(axis=0)) / (over.std(axis=0) + 1e-3)
    length = np.linalg.norm(standard, axis=1, keepdims=True)
    return np.asarray(standard / np.maximum(length, 1e-9), np.float32)
