"""A volume or a film as a stack of planes, read one at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

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
    array
        Anything that has a shape and can be indexed.
    index
        One entry for each axis: None where it runs, else the index at which it
        stands. Three axes run: that of the stack and the two of its planes.
    axis
        The axis of the stack, one of those that run.
    rgb
        Whether the array has one more axis, of colour, at its end.

    Examples
    --------
    >>> film = np.zeros((10, 3, 20, 30))  # T, Z, Y, X
    >>> stack = Stack.of(film, axis=0, at=(None, 1, None, None))
    >>> len(stack), stack.plane(4).shape
    (10, (20, 30))
    """

    array: Any
    index: tuple[int | None, ...]
    axis: int = 0
    rgb: bool = False

    @classmethod
    def of(
        cls,
        array: Any,
        axis: int = 0,
        at: tuple[int | None, ...] | None = None,
        rgb: bool = False,
    ) -> Stack:
        """Check what is given; `at` is the index, which an array of 3 axes needs not.

        Raises
        ------
        ValueError
            If the shape, the axis or the index do not go together.
        """
        if isinstance(array, Stack):
            return array
        if not hasattr(array, "shape") or not hasattr(array, "__getitem__"):
            array = np.asarray(array)
        shape = tuple(int(n) for n in array.shape)
        ndim = len(shape) - rgb
        index = (None,) * ndim if at is None else tuple(at)
        if len(index) != ndim or sum(i is None for i in index) != 3:
            colour = " with colour" if rgb else ""
            raise ValueError(
                f"a stack has three running axes, got an array of shape {shape}"
                f"{colour}; `at` says at which index all others stand, got {index}"
            )
        axis = axis + ndim if axis < 0 else axis
        if not 0 <= axis < ndim or index[axis] is not None:
            raise ValueError(
                f"axis {axis} does not run in an array of shape {shape} at {index}"
            )
        if 0 in shape:
            raise ValueError(f"the stack is empty: it has shape {shape}")
        stack = cls(array, index, axis, rgb)
        stack.at(0).shape_in(shape[:ndim])
        return stack

    def like(self, labels: Any, what: str = "labels") -> Stack:
        """Return labels of the same array as a stack.

        Raises
        ------
        ValueError
            If they have another shape.
        """
        if not hasattr(labels, "shape") or not hasattr(labels, "__getitem__"):
            labels = np.asarray(labels)
        wanted = tuple(int(n) for n in self.array.shape)
        wanted = wanted[:-1] if self.rgb else wanted
        if tuple(labels.shape) != wanted:
            raise ValueError(
                f"{what} have shape {tuple(labels.shape)}, wanted that of the image, "
                f"{wanted}"
            )
        return replace(self, array=labels, rgb=False)

    def __len__(self) -> int:
        return int(self.array.shape[self.axis])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Sizes of the three running axes, in the order of the array."""
        first, second, third = (
            int(self.array.shape[a]) for a, i in enumerate(self.index) if i is None
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

    def at(self, number: int) -> Plane:
        """Return where a plane lies in the array."""
        index = list(self.index)
        index[self.axis] = int(number)
        return Plane(tuple(index))

    def plane(self, number: int) -> NDArray[Any]:
        """Read a plane: (H, W), or (H, W, C) of colour.

        Raises
        ------
        ValueError
            If there is no such plane.
        """
        if not 0 <= number < len(self):
            raise ValueError(
                f"there is no plane {number}; the stack has planes 0 to {len(self) - 1}"
            )
        return np.asarray(self.at(number).take(self.array))
