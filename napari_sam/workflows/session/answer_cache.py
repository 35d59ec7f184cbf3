"""A cache of the answers of a model, with the masks of all but the latest packed.

A mask of a plane is one byte a pixel, an answer has three, and the objects of a
morning have thousands of answers. All sessions of a process share one cache.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.lru import BoundedCache
from napari_sam.ops.packed_masks import PackedMask
from napari_sam.ops.types import MaskPrediction

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["AnswerCache"]


@dataclass(frozen=True, eq=False)
class _Packed:
    """An answer with packed masks; all else is as it was."""

    masks: tuple[PackedMask, ...]
    shape: tuple[int, ...]
    rest: MaskPrediction

    @classmethod
    def of(cls, answer: MaskPrediction) -> _Packed:
        masks = tuple(PackedMask.of(mask) for mask in answer.masks)
        rest = replace(answer, masks=np.zeros((0, 0, 0), np.bool_))
        return cls(masks, answer.masks.shape, rest)

    def unpack(self) -> MaskPrediction:
        masks = np.zeros(self.shape, np.bool_)
        for mask, packed in zip(masks, self.masks, strict=True):
            packed.draw(mask)
        return replace(self.rest, masks=masks)

    @property
    def nbytes(self) -> int:
        held = sum(mask.nbytes for mask in self.masks)
        return held + self.rest.logits.nbytes + self.rest.scores.nbytes


class AnswerCache:
    """Answers by key, up to a number of bytes; the least recently used go first.

    An answer comes out as it was put in, bit for bit. Thread-safe.

    Parameters
    ----------
    max_bytes
        How much the answers may hold together; the latest one always stays.
    unpacked
        Answers whose masks are left as they are: the one in hand and the one before.

    Attributes
    ----------
    max_bytes, unpacked
        As above; they may be changed.
    """

    def __init__(self, max_bytes: int, unpacked: int = 2) -> None:
        self.unpacked = unpacked
        self._held: BoundedCache[Hashable, MaskPrediction | _Packed]
        self._held = BoundedCache(max_bytes=max_bytes, size=_nbytes)
        self._as_given: OrderedDict[Hashable, None] = OrderedDict()
        self._lock = threading.RLock()

    @property
    def max_bytes(self) -> int:
        """Bytes that are held at the most."""
        return self._held.max_bytes or 0

    @max_bytes.setter
    def max_bytes(self, count: int) -> None:
        self._held.max_bytes = count

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._held.nbytes

    def get(self, key: Hashable) -> MaskPrediction | None:
        """Return an answer and mark it as just used; None if it is not there."""
        with self._lock:
            held = self._held.get(key)
            if held is None:
                return None
            if isinstance(held, _Packed):
                held = held.unpack()
                self.put(key, held)
            else:
                self._as_given.move_to_end(key)
            return held

    def put(self, key: Hashable, answer: MaskPrediction) -> None:
        """Keep an answer; pack older ones, and drop the oldest beyond the limit."""
        with self._lock:
            self._as_given[key] = None
            self._as_given.move_to_end(key)
            while len(self._as_given) > self.unpacked:
                oldest, _ = self._as_given.popitem(last=False)
                given = self._held.peek(oldest)
                if isinstance(given, MaskPrediction):
                    self._held.replace(oldest, _Packed.of(given))
            self._held.put(key, answer)

    def drop(self, key: Hashable) -> None:
        """Forget an answer."""
        with self._lock:
            self._held.pop(key)
            self._as_given.pop(key, None)


def _nbytes(held: MaskPrediction | _Packed) -> int:
    if isinstance(held, MaskPrediction):
        return held.masks.nbytes + held.logits.nbytes + held.scores.nbytes
    return held.nbytes
