"""One plane of an n-dimensional array, and coordinates in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Plane"]


@dataclass(frozen=True)
class Plane:
    """A plane of an array: two axes run, the others stand at one index each.

    The running axes are always taken in array order, so a plane has one
    embedding and one set of prompts however a viewer turns it.

    Attributes
    ----------
    index
        One entry for each axis of the array: None where the axis runs, else the
        index at which it stands.

    Examples
    --------
    >>> Plane((4, None, None)).axes
    (1, 2)
    >>> Plane((4, None, None)).locate([(10.0, 20.0)]).tolist()
    [[4.0, 10.0, 20.0]]
    """

    index: tuple[int | None, ...]

    def __post_init__(self) -> None:
        if sum(i is None for i in self.index) != 2:
            raise ValueError(
                f"a plane has two running axes (None), got index {self.index}"
            )

    @classmethod
    def whole(cls) -> Plane:
        """Return the only plane of a 2D array."""
        return cls((None, None))

    @property
    def ndim(self) -> int:
        """Number of axes of the array."""
        return len(self.index)

    @property
    def axes(self) -> tuple[int, int]:
        """The two running axes, in array order."""
        first, second = (a for a, i in enumerate(self.index) if i is None)
        return first, second

    @property
    def slicer(self) -> tuple[int | slice, ...]:
        """What to index an array with to get the plane."""
        return tuple(slice(None) if i is None else i for i in self.index)

    def thicken(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return (H, W) values with an axis of length 1 for each standing axis."""
        sizes = iter(values.shape)
        return values.reshape([next(sizes) if i is None else 1 for i in self.index])

    def shape_in(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return (H, W) of the plane in an array of `shape`.

        Raises
        ------
        ValueError
            If the array has another number of axes or the plane lies outside it.
        """
        if len(shape) != self.ndim:
            raise ValueError(
                f"plane {self.index} is of a {self.ndim}D array, "
                f"got an array of shape {tuple(shape)}"
            )
        for axis, (size, at) in enumerate(zip(shape, self.index, strict=True)):
            if at is not None and not 0 <= at < size:
                raise ValueError(
                    f"plane {self.index} lies outside an array of shape "
                    f"{tuple(shape)} on axis {axis}"
                )
        return int(shape[self.axes[0]]), int(shape[self.axes[1]])

    def is_beside(self, other: Plane, axis: int) -> bool:
        """Whether both belong to one stack of planes along an axis.

        Examples
        --------
        >>> Plane((0, 3, None, None)).is_beside(Plane((0, 5, None, None)), 1)
        True
        """
        return all(
            i == j or (a == axis and None not in (i, j))
            for a, (i, j) in enumerate(zip(self.index, other.index, strict=True))
        )

    def take(self, array: Any) -> Any:
        """Return the plane of an array; trailing colour axes come along."""
        return array[self.slicer]

    def locate(self, positions: ArrayLike) -> NDArray[np.float64]:
        """Place (N, 2) (row, col) of the plane in the array: (N, ndim)."""
        given = np.asarray(positions, np.float64).reshape(-1, 2)
        placed = np.tile(
            np.asarray([0 if i is None else i for i in self.index], np.float64),
            (len(given), 1),
        )
        placed[:, list(self.axes)] = given
        return placed

    def project(self, coordinates: ArrayLike) -> NDArray[np.float64]:
        """Drop the standing axes of (N, ndim) coordinates: (N, 2) (row, col)."""
        given = np.asarray(coordinates, np.float64).reshape(-1, self.ndim)
        return given[:, list(self.axes)]

    def indices(
        self, rows: NDArray[np.intp], cols: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], ...]:
        """Turn pixels of the plane into fancy indices of the array."""
        running = iter((rows, cols))
        return tuple(
            next(running) if i is None else np.full(len(rows), i, np.intp)
            for i in self.index
        )
