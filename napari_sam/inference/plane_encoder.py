"""From an image plane to its embedding: found in a cache, or made by the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam.inference.embedding_cache import embedding_key
from napari_sam.inference.preprocess import (
    check_image,
    default_limits,
    to_frame,
    whole_plane,
)
from napari_sam.model.sam import Architecture
from napari_sam.model.tiny_vit import TinyVitConfig
from napari_sam.ops.types import Cancelled, FrameGeometry, ImageEmbedding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.embedding_cache import EmbeddingCache
    from napari_sam.inference.model_placement import PlacedModel, Placement
    from napari_sam.model.network import Network
    from napari_sam.ops.types import IsCancelled

    _Plane = tuple[NDArray[Any], tuple[float, float]]  # and its contrast limits

__all__ = ["PlaneEncoder", "free_frame_step"]


def free_frame_step(model: Network) -> int | None:
    """Return of what a side in pixels must be a multiple for frames of any size.

    None where the encoder knows absolute positions, and so one size only.
    """
    architecture = model.architecture
    encoder = architecture.encoder if isinstance(architecture, Architecture) else None
    return encoder.stride if isinstance(encoder, TinyVitConfig) else None


class PlaneEncoder:
    """The image encoder of a model, and the names of what it makes.

    Parameters
    ----------
    placed
        The model on its device.
    digest
        What identifies its weights; part of every embedding's key.
    """

    def __init__(self, placed: PlacedModel, digest: str) -> None:
        self._placed, self._digest = placed, digest

    def batch_size(self, frame_size: int | None = None) -> int:
        """How many frames go through the encoder together; see `PlacedModel`."""
        own = self._placed.at.model.architecture.frame_size
        return self._placed.batch_size(frame_size or own)

    def encode(
        self,
        image: ArrayLike,
        contrast_limits: tuple[float, float] | None,
        is_cancelled: IsCancelled | None,
        cache: EmbeddingCache,
    ) -> ImageEmbedding:
        """Embed an image plane as a whole, or find it in the cache.

        See `encode_batch`.
        """
        return self.encode_batch([image], contrast_limits, is_cancelled, cache)[0]

    def encode_batch(
        self,
        images: Sequence[ArrayLike],
        contrast_limits: tuple[float, float] | None,
        is_cancelled: IsCancelled | None,
        cache: EmbeddingCache,
        frame_size: int | None = None,
    ) -> list[ImageEmbedding]:
        """Embed image planes, each as a whole, or find them in the cache.

        Those of one shape go through the encoder together, as many at a time as the
        device takes.

        Parameters
        ----------
        images, contrast_limits, is_cancelled, frame_size
            See `napari_sam.inference.predictor.Predictor.embed_batch`.
        cache
            In memory and on disk.

        Raises
        ------
        ValueError
            If an image or the limits are not as described.
        Cancelled
            If `is_cancelled` answered True.
        """
        at = self._placed.at
        side = frame_size or at.model.architecture.frame_size
        identity = self.identity_at(at, side)
        planes = [_with_limits(image, contrast_limits) for image in images]
        keys = [embedding_key(*plane, identity) for plane in planes]
        made: dict[str, ImageEmbedding] = {}
        missing: dict[FrameGeometry, dict[str, _Plane]] = {}
        for key, plane in zip(keys, planes, strict=True):
            found = None if key in made else cache.get(key)
            if found is not None:
                made[key] = cache.move(found, at.device, at.decoder_dtype)
            elif key not in made:
                shape, aspect = plane[0].shape[:2], at.model.architecture.keeps_aspect
                fitted = FrameGeometry.fit(shape, side, aspect)
                missing.setdefault(fitted, {})[key] = plane
        for geometry, wanted in missing.items():
            names, step = list(wanted), self.batch_size(side)
            for some in (names[n : n + step] for n in range(0, len(names), step)):
                shown = [wanted[key] for key in some]
                embedded = self._encode(shown, geometry, is_cancelled)
                made |= zip(some, map(cache.put, embedded), strict=True)
        return [made[key] for key in keys]

    def _encode(
        self,
        planes: Sequence[_Plane],
        geometry: FrameGeometry,
        is_cancelled: IsCancelled | None,
    ) -> list[ImageEmbedding]:
        """Embed planes of one geometry together."""

        def on_block() -> None:
            if is_cancelled is not None and is_cancelled():
                raise Cancelled("the embedding was cancelled")

        on_block()
        side = geometry.frame_size
        frames = [
            to_frame(array, side, limits, geometry.keeps_aspect)[0]
            for array, limits in planes
        ]
        features, used = self._placed.encode(torch.cat(frames), on_block)
        identity = self.identity_at(used, side)  # in another precision, perhaps
        # Copies: a part of a batch would hold all of it in memory.
        parts = (
            [features]
            if len(planes) == 1
            else map(Tensor.clone, torch.split(features, 1))
        )
        return [
            ImageEmbedding(part, geometry, embedding_key(array, limits, identity))
            for part, (array, limits) in zip(parts, planes, strict=True)
        ]

    def identity_at(self, at: Placement, frame_size: int | None = None) -> str:
        """Return what identifies the weights and their precision where they are.

        And the frame, where that is not the model's own.
        """
        architecture = at.model.architecture
        own = frame_size in (None, architecture.frame_size)
        frame = "" if own else f"|frame of {frame_size}"
        return f"{self._digest}|{architecture.name}|{at.precision}{frame}"

    def key_of(
        self, image: ArrayLike, contrast_limits: tuple[float, float] | None
    ) -> str:
        """Name the embedding that `encode` makes of an image plane."""
        array, limits = _with_limits(image, contrast_limits)
        return embedding_key(array, limits, self.identity_at(self._placed.at))


def _with_limits(
    image: ArrayLike, contrast_limits: tuple[float, float] | None
) -> tuple[NDArray[Any], tuple[float, float]]:
    """Check an image plane; a part of one comes with the limits of its plane."""
    array = whole_plane(image) if contrast_limits is None else check_image(image)
    return array, contrast_limits or default_limits(array)
