"""Names of embeddings, and a cache that holds the latest of them in memory."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.types import ImageEmbedding

__all__ = ["EmbeddingCache", "embedding_key"]


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
    digest.update(f"{model}|{limits[0]!r}|{limits[1]!r}".encode())
    digest.update(f"|{image.dtype.str}|{image.shape}|".encode())
    for part in image if image.ndim > 1 else [image]:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


class EmbeddingCache:
    """The most recently used embeddings, up to a number of bytes; thread-safe."""

    def __init__(self, max_bytes: int = 512 * 2**20) -> None:
        self.max_bytes = max_bytes
        self._items: OrderedDict[str, ImageEmbedding] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        with self._lock:
            return sum(item.nbytes for item in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> ImageEmbedding | None:
        """Find an embedding and mark it as just used."""
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key]

    def put(self, embedding: ImageEmbedding) -> None:
        """Keep an embedding; drop the longest unused beyond the limit."""
        with self._lock:
            self._items[embedding.key] = embedding
            self._items.move_to_end(embedding.key)
            held = sum(item.nbytes for item in self._items.values())
            while held > self.max_bytes and self._items:
                held -= self._items.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()
