"""Names of embeddings, and a cache that holds them in memory and on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.lru import BoundedCache
from napari_sam.ops.types import ImageEmbedding

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from numpy.typing import NDArray

    from napari_sam.io.embedding_store import EmbeddingStore, Origin

__all__ = [
    "EmbeddingCache",
    "embedding_key",
    "laid_out",
    "made_from",
    "rounded_features",
]


def embedding_key(image: NDArray[Any], limits: tuple[float, float], model: str) -> str:
    """Name an embedding by all that it depends on, as a hex digest.

    Parameters
    ----------
    image
        The image plane; its shape, dtype and every value count.
    limits
        The contrast limits in use.
    model
        What identifies the weights and their precision.
    """
    digest = hashlib.blake2b(digest_size=20)
    low, high = (float(limit) for limit in limits)
    digest.update(f"{model}|{low!r}|{high!r}".encode())
    digest.update(f"|{image.dtype.str}|{image.shape}|".encode())
    for part in image if image.ndim > 1 else [image]:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


_ORIGIN: ContextVar[Origin | Mapping[str, Origin] | None] = ContextVar(
    "origin", default=None
)


@contextmanager
def made_from(origin: Origin | Mapping[str, Origin]) -> Iterator[None]:
    """Count what is embedded within the block with an image, in stores on disk.

    Several images that are embedded together are told apart by their embeddings' keys.
    Nothing else depends on it: what is found, and what is answered, is the same
    without. It holds for the thread that enters the block.
    """
    token = _ORIGIN.set(origin)
    try:
        yield
    finally:
        _ORIGIN.reset(token)


class EmbeddingCache:
    """The most recently used embeddings, in memory and, if wanted, on disk.

    With a store on disk every embedding is rounded to float16 before it is used at
    all, so that the same prompts give the same masks whether it was read or has just
    been made. Thread-safe.

    Parameters
    ----------
    max_bytes
        Held in memory at the most; the longest unused go first, the latest stays.
    store
        Where all of them are kept on disk, or None.
    max_bytes_beside_store
        Held in memory at the most while all are on disk, from where each is read back
        within milliseconds.
    """

    def __init__(
        self,
        max_bytes: int = 512 * 2**20,
        store: EmbeddingStore | None = None,
        max_bytes_beside_store: int = 192 * 2**20,
    ) -> None:
        self.max_bytes = max_bytes
        self.max_bytes_beside_store = max_bytes_beside_store
        self._store = store
        self._items: BoundedCache[str, ImageEmbedding] = BoundedCache()
        self._scales: dict[str, float] = {}

    @property
    def store(self) -> EmbeddingStore | None:
        """The store on disk; another one, or none, empties the memory."""
        return self._store

    @store.setter
    def store(self, store: EmbeddingStore | None) -> None:
        if store is not self._store:
            self._store = store
            self.clear()

    @property
    def nbytes(self) -> int:
        """Bytes held in memory."""
        return self._items.nbytes

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: str) -> bool:
        """Whether an embedding is at hand; it is not read from disk."""
        return key in self._items or (self._store is not None and key in self._store)

    def get(self, key: str) -> ImageEmbedding | None:
        """Find an embedding, in memory or on disk, and mark it as just used.

        One from disk has float32 features on the CPU.
        """
        held = self._items.get(key)
        if held is not None:
            return held
        stored = None if self._store is None else self._store.get(key)
        if stored is None:
            return None
        import torch

        features = laid_out(torch.from_numpy(stored.features).float()[None])
        embedding = ImageEmbedding(features, stored.geometry, key)
        if stored.closer_scale is not None:
            self._scales[key] = stored.closer_scale
        self._remember(embedding)
        return embedding

    def put(self, embedding: ImageEmbedding) -> ImageEmbedding:
        """Keep an embedding; drop the longest unused beyond the limit.

        Returns
        -------
        ImageEmbedding
            The one to use: rounded if there is a store on disk.
        """
        if self._store is not None:
            small = rounded_features(embedding.features)
            values = small[0].cpu().numpy()
            origin = _ORIGIN.get()
            if isinstance(origin, Mapping):
                origin = origin.get(embedding.key)
            self._store.put(embedding.key, values, embedding.geometry, origin)
            rounded = laid_out(small.to(embedding.features.dtype))
            embedding = replace(embedding, features=rounded)
        self._remember(embedding)
        return embedding

    def _remember(self, embedding: ImageEmbedding) -> None:
        """Hold an embedding in memory."""
        limit, store = self.max_bytes, self._store
        if store is not None and not store.problem:
            limit = min(limit, self.max_bytes_beside_store)
        self._items.max_bytes = limit
        self._items.put(embedding.key, embedding)

    def move(self, embedding: ImageEmbedding, place: Any, dtype: Any) -> ImageEmbedding:
        """Bring an embedding to a device and a dtype, and hold that in memory."""
        features = embedding.features.to(place, dtype)
        if features is embedding.features:
            return embedding
        moved = replace(embedding, features=features)
        self._remember(moved)
        return moved

    def note_scale(self, key: str, scale: float) -> None:
        """Note at which scale the objects of an embedded plane are looked at.

        See `napari_sam.inference.image_scale.embed_with_tiles`, which finds it out.
        """
        self._scales[key] = scale
        if self._store is not None:
            self._store.note_scale(key, scale)

    def closer_scale(self, key: str) -> float | None:
        """Return the scale that was noted, None without one."""
        if key not in self._scales and self._store is not None:
            scale = self._store.closer_scale(key)
            if scale is not None:
                self._scales[key] = scale
        return self._scales.get(key)

    def clear(self) -> None:
        """Forget what is in memory; what is on disk stays."""
        self._items.clear()
        self._scales.clear()


def laid_out(features: torch.Tensor) -> torch.Tensor:
    """Put the channels of a pixel side by side, as the mask decoder reads them.

    One layout for what was made and what was read also keeps sums in one order.
    """
    import torch

    return features.contiguous(memory_format=torch.channels_last)


def rounded_features(features: torch.Tensor) -> torch.Tensor:
    """Round to float16; what is beyond its range becomes its largest."""
    import torch

    largest = torch.finfo(torch.float16).max
    return features.clamp(-largest, largest).half()
