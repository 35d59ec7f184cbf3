"""A volume or a film as a stack of planes, read one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.channels import as_colour, check_channel_axis
from napari_sam.ops.planes import Plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Stack"]


@dataclass(frozen=True, eq=False)
class Stack:
    """Planes of an array along one axis.

    Whatever holds the data (NumPy, a memory map, Dask, Zarr) is asked for one plane
    at a time and never made concrete as a whole.

    Attributes
    ----------
    array : array
        Anything that has a shape and can be indexed.
    axis : int
        The axis across the planes, best the one with the coarsest steps. Like `at` it
        counts without the axis of the channels.
    at : tuple of (int or None), optional
        One entry for each axis: None where it runs, else the index at which it
        stands. Three axes run: that of the stack and the two of its planes. An array
        of three axes needs none.
    channel_axis : int, optional
        The axis of the channels, if the array has one. Three or four of 8 bit are a
        colour; others are seen as in `ChannelArray`.

    Raises
    ------
    ValueError
        If the shape, the axes and the index do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_sam import Stack
    >>> film = np.zeros((10, 3, 20, 30))  # T, Z, Y, X
    >>> stack = Stack(film, axis=0, at=(None, 1, None, None))
    >>> len(stack), stack.plane(4).shape
    (10, (20, 30))
    """

    array: Any
    axis: int = 0
    at: tuple[int | None, ...] | None = None
    channel_axis: int | None = None

    def __post_init__(self) -> None:
        array = self.array
        if not hasattr(array, "shape") or not hasattr(array, "__getitem__"):
            array = np.asarray(array)
        whole = tuple(int(n) for n in array.shape)
        channel_axis = self.channel_axis
        if channel_axis is not None:
            channel_axis = check_channel_axis(whole, channel_axis)
            array, channel_axis = as_colour(array, channel_axis)
            whole = tuple(int(n) for n in array.shape)
        shape = tuple(n for a, n in enumerate(whole) if a != channel_axis)
        ndim = len(shape)
        index = (None,) * ndim if self.at is None else tuple(self.at)
        if len(index) != ndim or sum(i is None for i in index) != 3:
            channels = "" if channel_axis is None else " with channels"
            runs = sum(i is None for i in index)
            more = "; `Stack(array, at=...)` says at which index the others stand"
            raise ValueError(
                "a stack has three running axes (planes, rows, columns); an array of "
                f"shape {whole}{channels} has {runs}"
                f"{'' if self.at is None else f' with at={index}'}"
                f"{more if runs > 3 else ''}"
            )
        axis = self.axis + ndim if self.axis < 0 else self.axis
        if not 0 <= axis < ndim or index[axis] is not None:
            raise ValueError(
                f"axis {axis} does not run in an array of shape {whole} at {index}"
            )
        if 0 in whole:
            raise ValueError(f"the stack is empty: it has shape {whole}")
        for name, value in (
            ("array", array),
            ("axis", axis),
            ("at", index),
            ("channel_axis", channel_axis),
        ):
            object.__setattr__(self, name, value)
        self.place_of(0).shape_in(shape)

    @classmethod
    def of(cls, volume: Any, channel_axis: int | None = None) -> Stack:
        """Return a stack as it is, or that of the first axis of an array.

        Raises
        ------
        ValueError
            If an array has not three axes beside the channels, or a stack was given
            with a `channel_axis`.
        """
        if not isinstance(volume, Stack):
            return cls(volume, channel_axis=channel_axis)
        if channel_axis is not None:
            raise ValueError("give channel_axis to the Stack, not beside it")
        return volume

    @property
    def index(self) -> tuple[int | None, ...]:
        """One entry for each axis but that of the channels; see `at`."""
        assert self.at is not None  # filled in when the stack was made
        return self.at

    @property
    def labels_shape(self) -> tuple[int, ...]:
        """Shape of labels of the whole array: that of the array without channels."""
        return tuple(
            int(n) for a, n in enumerate(self.array.shape) if a != self.channel_axis
        )

    def like(self, labels: Any, what: str = "labels") -> Stack:
        """Return labels of the same array as a stack.

        Raises
        ------
        ValueError
            If they have another shape.
        """
        if not hasattr(labels, "shape") or not hasattr(labels, "__getitem__"):
            labels = np.asarray(labels)
        if tuple(labels.shape) != self.labels_shape:
            raise ValueError(
                f"{what} have shape {tuple(labels.shape)}, wanted that of the image, "
                f"{self.labels_shape}"
            )
        return replace(self, array=labels, channel_axis=None)

    def __len__(self) -> int:
        return self.labels_shape[self.axis]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of the three running axes, in the order of the array."""
        first, second, third = (
            n for n, i in zip(self.labels_shape, self.index, strict=True) if i is None
        )
        return first, second, third

    @property
    def place(self) -> int:
        """Position of the stack's axis among the three that run."""
        return sum(i is None for i in self.index[: self.axis])

    @property
    def plane_shape(self) -> tuple[int, int]:
        """(H, W) of each plane."""
        height, width = (n for i, n in enumerate(self.shape) if i != self.place)
        return height, width

    def place_of(self, number: int) -> Plane:
        """Return where a plane lies in the array."""
        index = list(self.index)
        index[self.axis] = int(number)
        return Plane(tuple(index))

    def plane(self, number: int) -> NDArray[Any]:
        """Read a plane: (H, W), or (H, W, C) with channels.

        Raises
        ------
        ValueError
            If there is no such plane.
        """
        if not 0 <= number < len(self):
            raise ValueError(
                f"there is no plane {number}; the stack has planes 0 to {len(self) - 1}"
            )
        slicer = list(self.place_of(number).slicer)
        if self.channel_axis is None:
            return np.asarray(self.array[tuple(slicer)])
        slicer.insert(self.channel_axis, slice(None))
        plane = np.asarray(self.array[tuple(slicer)])
        before = sum(isinstance(i, slice) for i in slicer[: self.channel_axis])
        return np.moveaxis(plane, before, -1)

    def part(self, within: tuple[slice, ...]) -> Stack:
        """Read a part of the volume, and return it as a stack of its own.

        Parameters
        ----------
        within
            A slice of each of the three running axes, in the order of the array.
        """
        pieces = iter(within)
        slicer: list[int | slice] = [
            next(pieces) if at is None else at for at in self.index
        ]
        if self.channel_axis is not None:
            slicer.insert(self.channel_axis, slice(None))
        read = np.asarray(self.array[tuple(slicer)])
        if self.channel_axis is None:
            return Stack(read, self.place)
        before = sum(isinstance(i, slice) for i in slicer[: self.channel_axis])
        return Stack(np.moveaxis(read, before, -1), self.place, channel_axis=-1)
