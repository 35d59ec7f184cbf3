"""Several channels of an image in a file, seen as one colour image."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.channel_composite import ChannelComposite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["ChannelArray"]

_SAMPLED_PLANES = 5
_SAMPLED_SIDE = 1024
_SAMPLES_PER_AXIS = 3
_READ_WHOLE = 1 << 24
"""Pixels of a plane up to which it is sampled as a whole."""


class ChannelArray:
    """Red, green and blue of some channels of an array; indexed like one.

    How the channels become colours is chosen once for the whole array, from up to five
    planes of it, when something is first read; see `ChannelComposite`.

    Parameters
    ----------
    array
        Anything with a shape, a dtype and slicing.
    axes
        One letter for each axis; "c" is that of the channels.
    channels
        Which of them, two or more.

    Attributes
    ----------
    axes
        Those of the result: without "c", with "s" at the end.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, array: Any, axes: str, channels: Sequence[int]) -> None:
        self._array = array
        self._channels = list(channels)
        self._at = axes.index("c")
        self._from = axes.replace("c", "")
        self.axes = f"{self._from}s"

    @property
    def _sizes(self) -> tuple[int, ...]:
        shape = tuple(int(length) for length in self._array.shape)
        return shape[: self._at] + shape[self._at + 1 :]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result."""
        return (*self._sizes, 3)

    @property
    def ndim(self) -> int:
        """Number of axes of the result."""
        return len(self.shape)

    @property
    def chunks(self) -> tuple[int, ...] | None:
        """Shape of the pieces in which it is stored, if it is in pieces."""
        chunks = getattr(self._array, "chunks", None)
        if chunks is None or any(isinstance(piece, tuple) for piece in chunks):
            return None
        kept = [n for axis, n in enumerate(chunks) if axis != self._at]
        return (*map(int, kept), 3)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        places = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in places:
            at = places.index(Ellipsis)
            fill = [slice(None)] * (self.ndim - len(places) + 1)
            places[at : at + 1] = fill
        places += [slice(None)] * (self.ndim - len(places))
        *places, colour = places
        colours = self.composite.apply(self._read(places))
        return np.asarray(colours[..., colour])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)

    def _read(self, places: Sequence[Any]) -> NDArray[Any]:
        """Return the channels of some place, last."""
        parts = []
        for channel in self._channels:  # lists do not index every kind of array
            index = (*places[: self._at], channel, *places[self._at :])
            parts.append(np.asarray(self._array[index]))
        return np.stack(parts, axis=-1)

    @cached_property
    def composite(self) -> ChannelComposite:
        """How the channels become colours."""
        sizes = dict(zip(self._from, self._sizes, strict=True))
        leading = [axis for axis in self._from if axis not in "yx"]
        planes = math.prod(sizes[axis] for axis in leading)
        numbers = np.linspace(0, planes - 1, min(planes, _SAMPLED_PLANES))
        samples = []
        for number in np.unique(np.round(numbers).astype(int)):
            index = np.unravel_index(number, [sizes[axis] for axis in leading] or [1])
            at: dict[str, Any] = dict(zip(leading, map(int, index), strict=False))
            for window in _windows(sizes["y"], sizes["x"]):
                at["y"], at["x"] = window
                read = self._read([at[axis] for axis in self._from])
                samples.append(read.reshape(-1, len(self._channels)))
        return ChannelComposite.of(np.concatenate(samples))


def _windows(height: int, width: int) -> list[tuple[slice, slice]]:
    """Return what is looked at of a plane: all of it, or some windows."""
    if height * width <= _READ_WHOLE:
        return [(slice(None), slice(None))]
    rows, cols = (
        [
            slice(int(n), int(n) + _SAMPLED_SIDE)
            for n in np.linspace(0, max(0, side - _SAMPLED_SIDE), _SAMPLES_PER_AXIS)
        ]
        for side in (height, width)
    )
    return [(row, col) for row in rows for col in cols]
