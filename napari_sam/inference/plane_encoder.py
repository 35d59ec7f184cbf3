"""From an image plane to its embedding: found in a cache, or made by the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_sam.inference.embedding_cache import EmbeddingCache, embedding_key
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
    """The image encoder of a model: embeds planes as a whole, and names embeddings.

    `Predictor.encoder` is the one of a model; `Predictor.embed` also looks closer.

    Parameters
    ----------
    placed
        The model on its device.
    name
        What to call the model in messages.
    digest
        What identifies its weights; part of every embedding's key.
    cache
        Holds the latest embeddings; one of 512 MB if None.
    """

    def __init__(
        self,
        placed: PlacedModel,
        name: str,
        digest: str,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self._placed, self._name, self._digest = placed, name, digest
        self.cache = EmbeddingCache() if cache is None else cache

    @property
    def batch_size(self) -> int:
        """How many planes are embedded together; 1 on a CPU."""
        return self._batch_size(self._frame_size)

    @property
    def identity(self) -> str:
        """What identifies the weights and their precision in an embedding's key."""
        return self._identity_at(self._placed.at)

    @property
    def _frame_size(self) -> int:
        return self._placed.at.model.architecture.frame_size

    def _batch_size(self, frame_size: int) -> int:
        return self._placed.batch_size(frame_size)

    def embed(
        self,
        image: ArrayLike,
        contrast_limits: tuple[float, float] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> ImageEmbedding:
        """Embed an image plane as a whole, or find it in the cache.

        See `embed_batch`.
        """
        (made,) = self.embed_batch(
            [image], contrast_limits=contrast_limits, is_cancelled=is_cancelled
        )
        return made

    def embed_batch(
        self,
        images: Sequence[ArrayLike],
        *,
        contrast_limits: tuple[float, float] | None = None,
        frame_size: int | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> list[ImageEmbedding]:
        """Embed several image planes, or tiles of one, each seen as a whole.

        On a GPU those of one shape go through the encoder together, `batch_size` at a
        time. On a CPU they go one by one, which is faster there. The embeddings are
        those of `Predictor.embed`, one by one.

        Parameters
        ----------
        images
            (H, W) or (H, W, 1 to 4) each; see `Predictor.embed`.
        contrast_limits
            Intensities that become black and white in all of them; robust percentiles
            of each if None.
        frame_size
            Side of the frame in which each is seen; the model's own if None. Prompts
            can only be answered in that one, dense maps read from any; see
            `Predictor.map_frames`.
        is_cancelled
            Asked before each block of the encoder.

        Returns
        -------
        list of ImageEmbedding
            One for each image.

        Raises
        ------
        ValueError
            If an image or the limits are not as described, or the model can not see in
            such a frame.
        Cancelled
            If `is_cancelled` answered True.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_sam
        >>> sam = napari_sam.load_model("cells")
        >>> embedded = sam.encoder.embed_batch([np.eye(64)] * 2)
        >>> [one.geometry.image_shape for one in embedded]
        [(64, 64), (64, 64)]
        """
        at = self._placed.at
        side = self._checked_frame(frame_size)
        identity = self._identity_at(at, side)
        planes = [_with_limits(image, contrast_limits) for image in images]
        keys = [embedding_key(*plane, identity) for plane in planes]
        made: dict[str, ImageEmbedding] = {}
        missing: dict[FrameGeometry, dict[str, _Plane]] = {}
        for key, plane in zip(keys, planes, strict=True):
            found = None if key in made else self.cache.get(key)
            if found is not None:
                made[key] = self.cache.move(found, at.device, at.decoder_dtype)
            elif key not in made:
                shape, aspect = plane[0].shape[:2], at.model.architecture.keeps_aspect
                fitted = FrameGeometry.fit(shape, side, aspect)
                missing.setdefault(fitted, {})[key] = plane
        for geometry, wanted in missing.items():
            names, step = list(wanted), self._batch_size(side)
            for some in (names[n : n + step] for n in range(0, len(names), step)):
                shown = [wanted[key] for key in some]
                embedded = self._encode(shown, geometry, is_cancelled)
                made |= zip(some, map(self.cache.put, embedded), strict=True)
        return [made[key] for key in keys]

    def _checked_frame(self, frame_size: int | None) -> int:
        """Return the side of a frame in which the model can see."""
        own = self._frame_size
        if frame_size is None or frame_size == own:
            return own
        step = free_frame_step(self._placed.at.model)
        if step is None or frame_size < step or frame_size % step:
            others = "" if step is None else f", or a multiple of {step}"
            raise ValueError(
                f"{self._name} can not see in a frame of {frame_size} pixels; "
                f"wanted {own}{others}"
            )
        return frame_size

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
        identity = self._identity_at(used, side)  # in another precision, perhaps
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

    def _identity_at(self, at: Placement, frame_size: int | None = None) -> str:
        """Return what identifies the weights and their precision where they are.

        And the frame, where that is not the model's own.
        """
        architecture = at.model.architecture
        own = frame_size in (None, architecture.frame_size)
        frame = "" if own else f"|frame of {frame_size}"
        return f"{self._digest}|{architecture.name}|{at.precision}{frame}"

    def key_of(
        self, image: ArrayLike, contrast_limits: tuple[float, float] | None = None
    ) -> str:
        """Name the embedding that `embed` makes of an image plane."""
        return embedding_key(*_with_limits(image, contrast_limits), self.identity)


def _with_limits(
    image: ArrayLike, contrast_limits: tuple[float, float] | None
) -> tuple[NDArray[Any], tuple[float, float]]:
    """Check an image plane; a part of one comes with the limits of its plane."""
    array = whole_plane(image) if contrast_limits is None else check_image(image)
    return array, contrast_limits or default_limits(array)
