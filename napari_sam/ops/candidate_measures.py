"""What is measured of a part of a volume that may be an object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["MEASURES", "SHAPE_MEASURES", "WIDE_THRESHOLDS", "ForegroundVoxels"]

MEASURES = (
    "mean foreground",
    "least distance",
    "mean distance",
    "mean distance to the boundary",
    "volume by that of an ellipsoid with the same moments",
    "second axis by the first",
    "third axis by the first",
    "surface of a ball by the surface",
    "share of the surface at other objects",
    "fall of the foreground at the surface",
    "distance to the boundary at the surface",
    "share at the border",
    "volume at the least threshold",
    "volume at the highest of the wide thresholds",
    "overlap at the smoothing before",
    "overlap at the smoothing after",
    "threshold",
    "volume at the highest threshold",
    "contrast of the image",
    "fall of the image at the surface",
    "fall of the image by its highest at any threshold",
    "fall of the foreground by its highest at any threshold",
    "intensity at the surface, from that outside, 0, to that of the core, 1",
)
"""What is measured of a candidate: nothing that depends on how large its voxels are."""

WIDE_THRESHOLDS = 4
"""So many of the thresholds, the lowest ones, are those of objects as a whole."""

SHAPE_MEASURES = 17
"""So many of the measures, the first ones, tell nothing of the image."""

_IMAGE_SIGMA = 0.7
"""Of the smoothing of the image, in voxels of the smallest side."""

_LEAST_CONTRAST = 0.02


class ForegroundVoxels:
    """The voxels of the foreground, one after the other.

    Parameters
    ----------
    maps
        (3, Z, Y, X) dense maps.
    image
        (Z, Y, X) from 0, black, to 1, white.
    thresholds
        Ascending probabilities of the foreground at which a candidate may end.
    spacing
        Size of a voxel along each axis, in units of the smallest one.
    """

    def __init__(
        self,
        maps: NDArray[np.float32],
        image: NDArray[np.float32],
        thresholds: Sequence[float],
        spacing: tuple[float, float, float],
    ) -> None:
        self.foreground, centre, self.boundary = maps
        self.spacing, self.thresholds = spacing, thresholds
        sigmas = [_IMAGE_SIGMA / size for size in spacing]
        self.image = ndimage.gaussian_filter(image, sigmas)
        inside = self.foreground > thresholds[0]
        self.at = np.flatnonzero(inside)
        places = np.stack(np.unravel_index(self.at, inside.shape))
        ends = np.array(inside.shape)[:, None] - 1
        self.at_border = ((places == 0) | (places == ends)).any(axis=0)
        self.places = places * np.array(spacing)[:, None]
        self.inside = self.foreground.ravel()[self.at]
        self.away = ((centre + self.boundary) / 2).ravel()[self.at]
        self.near = self.boundary.ravel()[self.at]
        self.light = self.image.ravel()[self.at]

    def volumes(self, basin: NDArray[np.int32]) -> list[Values]:
        """Return how many voxels each number has, at each threshold."""
        numbers = basin.ravel()[self.at]
        count = int(numbers.max(initial=0)) + 1
        return [
            np.bincount(numbers[self.inside > least], minlength=count).astype(float)
            for least in self.thresholds
        ]

    def measure(self, basin: NDArray[np.int32], volumes: list[Values]) -> Values:
        """Return (thresholds, numbers, `MEASURES`) of basins, overlaps left open."""
        own, lights = [], []
        for number in range(len(self.thresholds)):
            shape, light = self._at(basin, number, volumes)
            own.append(shape)
            lights.append(light)
        shapes = np.stack(own)
        core, surface, outside, falls = np.stack(lights, axis=1)
        has_core = np.stack(volumes) > 0
        last = has_core.shape[0] - 1 - has_core[::-1].argmax(axis=0)
        every = np.arange(len(last))
        ground, top = outside[0], core[last, every]
        contrast = top - ground
        scale = np.where(
            np.abs(contrast) < _LEAST_CONTRAST, _LEAST_CONTRAST, np.abs(contrast)
        ) * np.where(contrast < 0, -1, 1)
        level = np.clip((surface - ground) / scale, -2, 3)
        shown = contrast / (np.abs(top) + np.abs(ground) + 0.05)
        named = np.zeros((*level.shape, 3))  # overlaps are left open
        named[..., 2] = np.arange(len(shapes))[:, None]
        light = np.stack(
            [
                volumes[-1] / np.maximum(np.stack(volumes), 1),
                np.broadcast_to(shown, level.shape),
                np.clip(falls / scale, -1, 1),
                _by_highest(falls),
                _by_highest(shapes[..., 9]),
                level,
            ],
            axis=2,
        )
        return np.concatenate([shapes, named, light], axis=2)

    def _at(
        self, basin: NDArray[np.int32], threshold: int, volumes: list[Values]
    ) -> tuple[Values, Values]:
        """Return (numbers, 14) measures at a threshold, and (4, numbers) intensities.

        These are the mean inside, on the surface and just outside, and how much it
        falls from the last voxel to the next one; all but the first where no other
        object is.
        """
        on = self.inside > self.thresholds[threshold]
        numbers = basin.ravel()[self.at[on]]
        count = len(volumes[0])
        volume = np.maximum(volumes[threshold], 1)

        def mean(values: NDArray[np.generic]) -> Values:
            total = np.bincount(numbers, values[on], count)
            return np.asarray(total / volume, np.float64)

        least = np.ones(count)
        np.minimum.at(least, numbers, self.away[on])
        axes = self._axes(mean)
        unit = float(np.prod(self.spacing))
        ellipsoid = 4 / 3 * np.pi * np.sqrt(np.prod(5 * axes, axis=1))
        shown = np.zeros(basin.size, np.int32)
        shown[self.at[on]] = numbers
        surface = self._surface(shown.reshape(basin.shape), count)
        ball = (36 * np.pi) ** (1 / 3) * volume ** (2 / 3)
        shape = np.stack(
            [
                mean(self.inside),
                least,
                mean(self.away),
                mean(self.near),
                volume * unit / np.maximum(ellipsoid, 1e-3),
                np.sqrt(axes[:, 1] / axes[:, 2]),
                np.sqrt(axes[:, 0] / axes[:, 2]),
                1.5 * ball / np.maximum(surface[0], 1),
                *(surface[1:4] / np.maximum(surface[0], 1)),
                mean(self.at_border),
                volumes[0] / volume,
                volumes[WIDE_THRESHOLDS - 1] / volume,
            ],
            axis=1,
        )
        mine, other = surface[5:] / np.maximum(surface[4], 1)
        light = np.stack([mean(self.light), (mine + other) / 2, other, mine - other])
        return shape, light

    def _axes(self, mean: Callable[[NDArray[np.generic]], Values]) -> Values:
        """Return the variances of the voxels of each number, ascending."""
        centre = [mean(one) for one in self.places]
        spread = np.empty((len(centre[0]), 3, 3))
        for a in range(3):
            for b in range(a, 3):
                along = mean(self.places[a] * self.places[b]) - centre[a] * centre[b]
                spread[:, a, b] = spread[:, b, a] = along
            spread[:, a, a] += self.spacing[a] ** 2 / 12
        axes: Values = np.maximum(np.linalg.eigvalsh(spread), 1e-6)
        return axes

    def _surface(self, numbers: NDArray[np.int32], count: int) -> Values:
        """Return (7, numbers) sums over the faces of voxels at another number.

        Their count, how many lie at another object, how much the foreground falls, and
        the distance to the boundary; then of those at no other object their count, and
        the image inside and outside.
        """
        total = np.zeros((7, count))
        for axis in range(3):
            one, other = (_shifted(numbers, axis, end) for end in (0, 1))
            differs = one != other
            sides = one[differs], other[differs]
            inside, near, light = (
                [_shifted(values, axis, end)[differs] for end in (0, 1)]
                for values in (self.foreground, self.boundary, self.image)
            )
            nearest, fall = np.maximum(*near), inside[0] - inside[1]
            for number, beyond, change, lights in (
                (*sides, fall, light),
                (*reversed(sides), -fall, light[::-1]),
            ):
                total[0] += np.bincount(number, minlength=count)
                total[1] += np.bincount(number[beyond > 0], minlength=count)
                total[2] += np.bincount(number, change, count)
                total[3] += np.bincount(number, nearest, count)
                free = beyond == 0
                total[4] += np.bincount(number[free], minlength=count)
                total[5] += np.bincount(number[free], lights[0][free], count)
                total[6] += np.bincount(number[free], lights[1][free], count)
        return total


def _by_highest(values: Values) -> Values:
    """Return (thresholds, numbers) divided by the highest amount of each number."""
    highest = np.abs(values).max(axis=0)
    return np.asarray(values / np.maximum(highest, 1e-6), np.float64)


def _shifted(values: NDArray[Any], axis: int, end: int) -> NDArray[Any]:
    """Return all planes across an axis but the last, or but the first."""
    along = np.moveaxis(values, axis, 0)
    return along[1:] if end else along[:-1]
