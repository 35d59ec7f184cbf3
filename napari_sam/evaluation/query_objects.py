"""True objects of labelled images, as text, examples and classes see them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xxhash

from napari_sam.inference.object_features import FACTS, object_features
from napari_sam.workflows.queries.classification_features import classification_features
from napari_sam.workflows.queries.object_embeddings import head_of, standardised

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.io.labelled_folders import LabelledImage

    Floats = NDArray[np.float32]

__all__ = ["ImageObjects", "KindObjects", "describe_images", "join_kinds", "rivals_of"]


@dataclass(frozen=True, eq=False)
class ImageObjects:
    """The objects of one image.

    Attributes
    ----------
    kind, name
        Which image.
    shown
        Names the content of the image, as hex digits.
    pooled
        (N, P) float32, the plain features of the encoder inside and around each.
    vectors
        (N, D) float32, those of `embed_objects`; (N, 0) without a head.
    features
        (N, F) float32, what classes are learned from.
    error
        Why the image could not be looked at, else None.
    """

    kind: str
    name: str
    shown: str = ""
    pooled: Floats | None = None
    vectors: Floats | None = None
    features: Floats | None = None
    error: str | None = None


def describe_images(
    model: Predictor,
    images: Iterable[LabelledImage],
    max_objects: int | None = None,
) -> Iterator[ImageObjects]:
    """Describe the true objects of images; a bad image is noted and passed over.

    Parameters
    ----------
    model
        Makes the features; its head makes the vectors, where it has one.
    images
        What to read.
    max_objects
        Take at most so many objects of an image, evenly spaced among its labels.
    """
    for item in images:
        try:
            image, labels = item.read()
            yield _describe(model, item, image, labels, max_objects)
        except (ValueError, OSError) as error:
            yield ImageObjects(item.kind, item.name, error=str(error))


def _describe(
    model: Predictor,
    item: LabelledImage,
    image: NDArray[Any],
    labels: NDArray[np.int32],
    max_objects: int | None,
) -> ImageObjects:
    numbers, found = object_features(model, model.embed(image), labels, image)
    features, _ = classification_features(image, labels, model=model)
    count = len(numbers) if max_objects is None else min(max_objects, len(numbers))
    kept = np.arange(count) * len(numbers) // max(count, 1)
    found = found[kept]
    head = head_of(model)
    vectors = np.zeros((count, 0), np.float32)
    if head is not None:
        with torch.inference_mode():
            vectors = head.head(torch.from_numpy(found)).numpy()
    return ImageObjects(
        item.kind,
        item.name,
        f"{image.shape}{xxhash.xxh3_128_hexdigest(np.ascontiguousarray(image).data)}",
        found[:, : 2 * (found.shape[1] - len(FACTS)) // 3],
        vectors,
        features[kept],
    )


@dataclass(frozen=True, eq=False)
class KindObjects:
    """The objects of all images of a kind.

    Attributes
    ----------
    images
        How many there are.
    shown
        Names of their contents.
    plain
        (N, P) float32 of length 1, the plain features, standardised.
    vectors
        (N, D) float32 of length 1, those of `embed_objects`.
    features
        (N, F) float32, what classes are learned from.
    """

    images: int
    shown: frozenset[str]
    plain: Floats
    vectors: Floats
    features: Floats

    def __len__(self) -> int:
        return len(self.plain)


def join_kinds(
    model: Predictor, images: Sequence[ImageObjects]
) -> dict[str, KindObjects]:
    """Join the objects of the images of each kind.

    Parameters
    ----------
    model
        Described them. Plain features are standardised as its head does it; without
        one over all objects, and they are the vectors then.
    images
        From `describe_images`; those with an error are left out.

    Raises
    ------
    ValueError
        If there is no object.
    """
    by_kind: dict[str, list[ImageObjects]] = defaultdict(list)
    for item in images:
        if item.pooled is not None and len(item.pooled):
            by_kind[item.kind].append(item)
    if not by_kind:
        raise ValueError("there is no labelled object to score")
    every = {kind: _joined(items, "pooled") for kind, items in by_kind.items()}
    head = head_of(model)
    if head is None:
        flat = standardised(np.concatenate(list(every.values())))
        ends = np.cumsum([len(part) for part in every.values()])[:-1]
        plain = dict(zip(every, np.split(flat, ends), strict=True))
    else:
        width = head.head.config.pooled
        mean = head.head.mean.numpy()[:width]
        scale = head.head.scale.numpy()[:width]
        plain = {
            kind: _of_length_1((part - mean) / scale) for kind, part in every.items()
        }
    return {
        kind: KindObjects(
            len(items),
            frozenset(item.shown for item in items),
            plain[kind],
            plain[kind] if head is None else _joined(items, "vectors"),
            _joined(items, "features"),
        )
        for kind, items in by_kind.items()
    }


def rivals_of(
    kinds: Mapping[str, KindObjects],
    concepts: Mapping[str, str | None],
    all_given: bool = False,
) -> dict[str, tuple[str, ...]]:
    """Say from which other kinds each kind has to be told.

    Parameters
    ----------
    kinds
        The objects.
    concepts
        What each kind shows; None where that is not known.
    all_given
        Whether a kind has to be told from all others that show another concept, not
        only from those of the same images.

    Returns
    -------
    dict
        For each kind the others, in their order; none where nothing is to be told.
    """
    groups = None if all_given else _same_images(kinds)
    return {
        kind: tuple(
            other
            for other in kinds
            if other != kind
            and (concepts[other] is None or concepts[other] != concepts[kind])
            and (groups is None or groups[other] == groups[kind])
        )
        for kind in kinds
    }


def _same_images(kinds: Mapping[str, KindObjects]) -> dict[str, str]:
    """Name groups of kinds that share an image, directly or through others."""
    group = {kind: kind for kind in kinds}
    for kind, held in kinds.items():
        for other in kinds:
            if held.shown & kinds[other].shown and group[other] != group[kind]:
                old, new = group[other], group[kind]
                group = {name: new if at == old else at for name, at in group.items()}
    return group


def _joined(items: Collection[ImageObjects], name: str) -> Floats:
    return np.concatenate([getattr(item, name) for item in items])


def _of_length_1(values: Floats) -> Floats:
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(length, 1e-9), np.float32)
