"""Masks and pixels that are kept for long, in as little room as they need.

What a session keeps of each object lives as long as the session. As arrays it would be
four bytes a pixel, and, beside the large arrays of a model, hold the heap in pieces.
Here it is a few hundred bytes, which Python keeps apart from the heap.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from napari_sam.ops import boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MaskField", "PackedMask", "PixelsField", "ValuesField"]


@dataclass(frozen=True, eq=False, slots=True)
class PackedMask:
    """A mask, cut to the box around its true pixels, eight of them to a byte.

    Attributes
    ----------
    shape
        (H, W) of the mask.
    corner
        (row, col) of the box.
    size
        (h, w) of the box; (0, 0) for an empty mask.
    bits
        The pixels of the box in row order.

    Examples
    --------
    >>> packed = PackedMask.of(np.eye(3, dtype=bool))
    >>> packed.unpack().astype(int).tolist()
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    """

    shape: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]
    bits: bytes

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> PackedMask:
        """Pack a (H, W) bool mask."""
        height, width = mask.shape
        box = boxes.from_mask(mask)
        if box is None:
            return cls((height, width), (0, 0), (0, 0), b"")
        part = mask[boxes.to_window(box)]
        bits = np.packbits(part).tobytes()
        return cls((height, width), box[:2], part.shape, bits)

    def draw(self, mask: NDArray[np.bool_]) -> None:
        """Set the true pixels of an empty (H, W) mask."""
        (top, left), (height, width) = self.corner, self.size
        bits = np.frombuffer(self.bits, np.uint8)
        pixels = np.unpackbits(bits, count=height * width).view(np.bool_)
        mask[top : top + height, left : left + width] = pixels.reshape(height, width)

    def unpack(self) -> NDArray[np.bool_]:
        """Return the (H, W) mask."""
        mask = np.zeros(self.shape, np.bool_)
        self.draw(mask)
        return mask

    @property
    def nbytes(self) -> int:
        """Bytes of the pixels."""
        return len(self.bits)


@dataclass(frozen=True, eq=False, slots=True)
class _Runs:
    """Whole numbers as lengths of runs, in the smallest type that holds them."""

    kind: str
    data: bytes

    @classmethod
    def of(cls, lengths: NDArray[np.integer]) -> _Runs:
        kind = np.min_scalar_type(int(lengths.max(initial=0)))
        return cls(kind.char, lengths.astype(kind).tobytes())

    def unpack(self) -> NDArray[np.intp]:
        return np.frombuffer(self.data, self.kind).astype(np.intp)


@dataclass(frozen=True, eq=False, slots=True)
class _PackedPixels:
    """Ascending numbers: the first, then runs of neighbours and gaps in turn."""

    first: int
    runs: _Runs

    @classmethod
    def of(cls, pixels: NDArray[np.integer]) -> _PackedPixels:
        if not len(pixels):
            return cls(0, _Runs.of(np.zeros(0, np.intp)))
        steps = np.diff(pixels)
        breaks = np.flatnonzero(steps != 1)
        lengths = np.diff(np.concatenate([[-1], breaks, [len(pixels) - 1]]))
        runs = np.zeros(2 * len(breaks) + 1, np.intp)
        runs[::2], runs[1::2] = lengths, steps[breaks]
        return cls(int(pixels[0]), _Runs.of(runs))

    def unpack(self) -> NDArray[np.intp]:
        runs = self.runs.unpack()
        if not len(runs):
            return runs
        steps = np.ones(int(runs[::2].sum()), np.intp)
        steps[np.cumsum(runs[:-1:2])] = runs[1::2]
        steps[0] = self.first
        return np.cumsum(steps)


@dataclass(frozen=True, eq=False, slots=True)
class _PackedValues:
    """Values of which neighbours agree: one of each run, and how often it comes."""

    kind: np.dtype[Any]
    heads: bytes
    runs: _Runs

    @classmethod
    def of(cls, values: NDArray[Any]) -> _PackedValues:
        if not len(values):
            return cls(values.dtype, b"", _Runs.of(np.zeros(0, np.intp)))
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        lengths = np.diff(starts, append=len(values))
        return cls(values.dtype, values[starts].tobytes(), _Runs.of(lengths))

    def unpack(self) -> NDArray[Any]:
        heads = np.frombuffer(self.heads, self.kind)
        return np.repeat(heads, self.runs.unpack())


_NO_OWNER: weakref.ref[Any] = weakref.ref(type("_NoOwner", (), {})())


class MaskField:
    """A field of a dataclass: a (H, W) bool mask, kept packed, or None, the default.

    The array that was given or read last is read again as long as somebody holds it,
    unless it can be written to.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self._packed, self._latest = f"_packed_{name}", f"_latest_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> None: ...
    @overload
    def __get__(self, instance: object, owner: type) -> NDArray[np.bool_] | None: ...
    def __get__(self, instance: object, owner: type) -> NDArray[np.bool_] | None:
        packed = None if instance is None else instance.__dict__[self._packed]
        if packed is None:
            return None
        mask: NDArray[np.bool_] | None = instance.__dict__[self._latest]()
        if mask is None:
            mask = packed.unpack()
            mask.setflags(write=False)
            instance.__dict__[self._latest] = weakref.ref(mask)
        return mask

    def __set__(self, instance: object, mask: NDArray[np.bool_] | None) -> None:
        held = instance.__dict__
        held[self._packed] = None if mask is None else PackedMask.of(mask)
        if mask is not None:
            held[self._latest] = (
                _NO_OWNER if mask.flags.writeable else weakref.ref(mask)
            )


class PixelsField:
    """A field of a dataclass: (N,) indices into a plane, ascending, kept packed."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_packed_{name}"

    def __get__(self, instance: object, owner: type) -> NDArray[np.intp]:
        if instance is None:
            raise AttributeError("there is no default")
        pixels: NDArray[np.intp] = instance.__dict__[self._name].unpack()
        return pixels

    def __set__(self, instance: object, pixels: NDArray[Any]) -> None:
        instance.__dict__[self._name] = _PackedPixels.of(pixels)


class ValuesField:
    """A field of a dataclass: (N,) labels of pixels, kept packed."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"_packed_{name}"

    def __get__(self, instance: object, owner: type) -> NDArray[Any]:
        if instance is None:
            raise AttributeError("there is no default")
        values: NDArray[Any] = instance.__dict__[self._name].unpack()
        return values

    def __set__(self, instance: object, values: NDArray[Any]) -> None:
        instance.__dict__[self._name] = _PackedValues.of(values)
