"""The planes of a stack through which an object grows, smoothed where noisy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.ops.planes import Plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StackPlanes", "gray_of", "noise_share"]

_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
"""Of which the answer to an image is its noise (Immerkær)."""

_SIGMA = 1.0
"""Of the smoothing of noisy planes, in pixels, along all three axes."""

_LEAST_SIGMA = 0.3
"""Below it planes are so far apart that their neighbours say nothing of them."""


def noise_share(plane: NDArray[Any]) -> float:
    """Estimate the noise of a (H, W) plane, as a share of its range of intensities.

    References
    ----------
    Immerkær, Fast Noise Variance Estimation, Computer Vision and Image Understanding
    64, 1996; with the median in place of the mean.

    Examples
    --------
    >>> noise_share(np.tile(np.arange(20.0), (20, 1)))
    0.0
    """
    seen = gray_of(plane)
    if min(seen.shape) < 3:
        return 0.0
    answer = ndimage.convolve(seen, _LAPLACIAN)[1:-1, 1:-1]
    low, high = np.percentile(ndimage.gaussian_filter(seen, _SIGMA), [1, 99])
    if high <= low:
        return 0.0
    return float(1.4826 * np.median(np.abs(answer)) / (high - low))


def gray_of(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return a plane as finite intensities; of colour the mean of the channels."""
    seen = np.nan_to_num(np.asarray(plane, np.float32), posinf=0, neginf=0)
    return seen.mean(axis=2) if seen.ndim == 3 else seen


@dataclass(frozen=True, eq=False)
class StackPlanes:
    """Planes of an array along an axis, read one at a time.

    Attributes
    ----------
    array
        Anything that can be indexed; with `rgb` the last axis is colour.
    plane
        One of the planes.
    axis
        Along which the others lie.
    rgb
        Whether the last axis of the array is colour.
    sigma
        Of the smoothing along the axis and in the planes, in pixels; None for none.
    """

    array: Any
    plane: Plane
    axis: int
    rgb: bool = False
    sigma: tuple[float, float] | None = None

    def __len__(self) -> int:
        return int(self.array.shape[self.axis])

    def at(self, number: int) -> Plane:
        """Return where a plane lies in the array."""
        index = list(self.plane.index)
        index[self.axis] = int(number)
        return Plane(tuple(index))

    def smoothed(self, step: float) -> StackPlanes:
        """Return the same planes smoothed in 3D.

        Parameters
        ----------
        step
            From plane to plane, in pixels.
        """
        return replace(self, sigma=(_SIGMA / step, _SIGMA))

    def read(self, number: int) -> NDArray[Any]:
        """Return a plane as the model sees it: (H, W), or (H, W, C) with colour."""
        if self.sigma is None:
            return self._raw(number)
        across, inside = self.sigma
        reach = int(2 * across) if across >= _LEAST_SIGMA else 0
        total, weight = np.zeros((), np.float32), 0.0
        for other in range(max(0, number - reach), min(len(self), number + reach + 1)):
            share = float(np.exp(-(((other - number) / across) ** 2) / 2))
            total = total + share * self._raw(other).astype(np.float32)
            weight += share
        mean = np.asarray(total / weight, np.float32)
        sigmas = (inside, inside, 0)[: mean.ndim]
        return np.asarray(ndimage.gaussian_filter(mean, sigmas), np.float32)

    def gray(self, number: int) -> NDArray[np.float32]:
        """Return a plane, smoothed if that is wanted, as (H, W) intensities."""
        return gray_of(self.read(number))

    def _raw(self, number: int) -> NDArray[Any]:
        return np.asarray(self.at(number).take(self.array))
