"""From an image plane to its embedding: found in a cache, or made by the encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.inference.embedding_cache import embedding_key
from napari_sam.inference.preprocess import (
    check_image,
    default_limits,
    to_frame,
    whole_plane,
)
from napari_sam.ops.types import Cancelled, ImageEmbedding

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.embedding_cache import EmbeddingCache
    from napari_sam.inference.model_placement import PlacedModel, Placement
    from napari_sam.ops.types import IsCancelled

__all__ = ["PlaneEncoder"]


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

    def encode(
        self,
        image: ArrayLike,
        contrast_limits: tuple[float, float] | None,
        is_cancelled: IsCancelled | None,
        cache: EmbeddingCache,
    ) -> ImageEmbedding:
        """Embed an image plane as a whole, or find it in the cache.

        Parameters
        ----------
        image, contrast_limits, is_cancelled
            See `napari_sam.inference.predictor.Predictor.embed`.
        cache
            In memory and on disk.

        Raises
        ------
        ValueError
            If the image or the limits are not as described.
        Cancelled
            If `is_cancelled` answered True.
        """
        array, limits = _with_limits(image, contrast_limits)
        at = self._placed.at
        key = embedding_key(array, limits, self.identity_at(at))
        found = cache.get(key)
        if found is not None:
            return cache.move(found, at.device, at.decoder_dtype)

        def on_block() -> None:
            if is_cancelled is not None and is_cancelled():
                raise Cancelled("the embedding was cancelled")

        on_block()
        architecture = at.model.architecture
        frame, geometry = to_frame(
            array, architecture.frame_size, limits, architecture.keeps_aspect
        )
        features, used = self._placed.encode(frame, on_block)
        if used is not at:  # in another precision, perhaps
            key = embedding_key(array, limits, self.identity_at(used))
        return cache.put(ImageEmbedding(features, geometry, key))

    def identity_at(self, at: Placement) -> str:
        """Return what identifies the weights and their precision where they are."""
        return f"{self._digest}|{at.model.architecture.name}|{at.precision}"

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
