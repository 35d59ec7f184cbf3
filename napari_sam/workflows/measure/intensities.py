"""Intensities within objects, gathered plane by plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.workflows.measure.pixel_runs import Runs

__all__ = ["Intensities"]


class Intensities:
    """Sums of one channel over the runs of objects.

    Parameters
    ----------
    keeps_values
        Whether all values within objects are kept, for the median.
    """

    def __init__(self, keeps_values: bool = False) -> None:
        self._keeps = keeps_values
        self._shift: float | None = None
        self._parts: list[tuple[NDArray[np.float64], ...]] = []
        self._values: list[NDArray[Any]] = []

    def add(self, values: NDArray[Any], runs: Runs) -> None:
        """Take the values of the next plane.

        Parameters
        ----------
        values
            (N,) within objects, in the order of the runs.
        runs
            Of the plane.
        """
        if not len(runs):
            return
        if self._shift is None:
            self._shift = float(np.nan_to_num(values[0], posinf=0, neginf=0))
        if self._keeps:
            self._values.append(values)
        begins = np.cumsum(runs.length) - runs.length
        # the variance of large, nearly equal values would drown in their squares
        away = values.astype(np.float64) - self._shift
        self._parts.append(
            (
                np.add.reduceat(away, begins),
                np.add.reduceat(away**2, begins),
                np.minimum.reduceat(values, begins).astype(np.float64),
                np.maximum.reduceat(values, begins).astype(np.float64),
            )
        )

    def columns(
        self, place: NDArray[np.int64], length: NDArray[np.int64], count: int
    ) -> dict[str, NDArray[np.float64]]:
        """Return what is known of each object, by the names of the properties.

        Parameters
        ----------
        place
            (N,) int64, which object each run is of, from 0 up.
        length
            (N,) int64, pixels of each run.
        count
            How many objects there are.
        """
        if not self._parts:
            names = ("mean", "std", "min", "max", "sum", "median")
            return {f"intensity_{name}": np.zeros(count) for name in names}
        sums, squares, low, high = (
            np.concatenate(parts) for parts in zip(*self._parts, strict=True)
        )
        size = np.bincount(place, length, count)
        away = np.bincount(place, sums, count) / size
        spread = np.bincount(place, squares, count) / size - away**2
        order = np.argsort(place, kind="stable")
        begins = np.flatnonzero(np.diff(place[order], prepend=-1))
        mean = away + (self._shift or 0.0)
        found = {
            "intensity_mean": mean,
            "intensity_std": np.sqrt(np.maximum(spread, 0)),
            "intensity_min": np.minimum.reduceat(low[order], begins),
            "intensity_max": np.maximum.reduceat(high[order], begins),
            "intensity_sum": mean * size,
        }
        if self._keeps:
            values = np.concatenate(self._values)
            owner = np.repeat(place, length)
            found["intensity_median"] = _medians(values, owner, size.astype(np.int64))
        return found


def _medians(
    values: NDArray[Any], owner: NDArray[np.int64], size: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the median of each object's values."""
    if values.dtype.kind in "ub" and values.dtype.itemsize <= 2:
        # one sort of whole numbers, object above value, is several times quicker
        both = np.sort((owner << 16) | values.astype(np.int64))
        ordered = (both & 0xFFFF).astype(np.float64)
    else:
        ordered = values[np.lexsort((values, owner))].astype(np.float64)
    first = np.cumsum(size) - size
    lower, upper = ordered[first + (size - 1) // 2], ordered[first + size // 2]
    return np.asarray((lower + upper) / 2, np.float64)
