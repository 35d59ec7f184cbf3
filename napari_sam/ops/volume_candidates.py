"""Candidates for the objects of a volume: the same maps, parted in several ways.

How much dense maps have to be smoothed before each basin is one object depends on the
size of the objects, and where an object ends on how far it is blurred. So there is one
watershed for each of several smoothings, and each of its basins ends at several
probabilities. What is measured of a candidate tells how well it will do as an object;
of those that share voxels, the best ones are chosen. Nested regions are judged and
chosen in a like manner by Arteta et al. (Medical Image Analysis 27, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed

from napari_sam.ops.extended_minima import extended_minima

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["MEASURES", "VolumeCandidates", "choose_candidates", "find_candidates"]

SMOOTHINGS = (0.7, 1.0, 1.5, 2.2, 3.2)
"""Sigmas before the seeds, in voxels of the smallest side."""

THRESHOLDS = (0.4, 0.52, 0.64, 0.76)
"""Probabilities of the foreground at which a candidate may end."""

_FLOODED = 0.5
"""Sigma of what is flooded from the seeds: more would shift where objects touch."""

_SEED_DEPTH = 0.05

_OWN = 0.8
"""Share of its voxels that no better candidate may have."""

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
    "volume at the highest threshold",
    "overlap at the smoothing before",
    "overlap at the smoothing after",
    "threshold",
)
"""What is measured of a candidate: nothing that depends on how large its voxels are."""


@dataclass(frozen=True, eq=False)
class VolumeCandidates:
    """What may be the objects of a volume.

    Attributes
    ----------
    basins
        (Z, Y, X) int32 for each smoothing, 0 background.
    foreground
        (Z, Y, X) float32, probability.
    smoothing, threshold, number
        (N,) int64: which basins, which threshold, and which number there.
    measures
        (N, len(MEASURES)) float32.
    """

    basins: tuple[NDArray[np.int32], ...]
    foreground: NDArray[np.float32]
    smoothing: NDArray[np.int64]
    threshold: NDArray[np.int64]
    number: NDArray[np.int64]
    measures: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.number)

    def labels(self, smoothing: int, threshold: int) -> NDArray[np.int32]:
        """Return the basins of a smoothing, as far as the foreground reaches."""
        inside = self.foreground > THRESHOLDS[threshold]
        return np.where(inside, self.basins[smoothing], 0).astype(np.int32, copy=False)


def find_candidates(
    maps: NDArray[np.float32],
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    min_volume: int = 20,
) -> VolumeCandidates:
    """Part the foreground of dense maps of a volume in several ways.

    Parameters
    ----------
    maps
        (3, Z, Y, X), see `napari_sam.ops.watershed.maps_to_volume`.
    spacing
        Size of a voxel along each axis, in units of the smallest one.
    min_volume
        Least voxels of a candidate.

    Examples
    --------
    >>> maps = np.ones((3, 5, 20, 40), np.float32)
    >>> maps[0] = 0
    >>> len(find_candidates(maps))
    0
    """
    foreground, centre, boundary = np.asarray(maps, np.float32)
    away = (centre + boundary) / 2
    inside = foreground > THRESHOLDS[0]
    basins = _basins(away, inside, spacing)
    voxels = _Voxels(foreground, away, boundary, inside, spacing)
    rows, parts = [], []
    for k, (basin, alike) in enumerate(
        zip(basins, _overlaps(voxels, basins), strict=True)
    ):
        volumes = voxels.volumes(basin)
        for j in range(len(THRESHOLDS)):
            kept = np.flatnonzero(volumes[j] >= min_volume)
            kept = kept[kept > 0]
            found = voxels.measure(basin, j, volumes)
            found[:, -3:-1], found[:, -1] = alike, j
            parts.append(found[kept])
            rows.append(np.stack([np.full_like(kept, k), np.full_like(kept, j), kept]))
    smoothing, threshold, number = np.concatenate(rows, axis=1)
    measures = np.concatenate(parts).astype(np.float32)
    return VolumeCandidates(
        tuple(basins), foreground, smoothing, threshold, number, measures
    )


def _basins(
    away: NDArray[np.float32],
    inside: NDArray[np.bool_],
    spacing: tuple[float, float, float],
) -> list[NDArray[np.int32]]:
    """Part the foreground once for each smoothing of what the seeds are found in."""
    flooded = ndimage.gaussian_filter(away, [_FLOODED / size for size in spacing])
    basins = []
    for smoothing in SMOOTHINGS:
        relief = ndimage.gaussian_filter(away, [smoothing / size for size in spacing])
        seeds = extended_minima(relief, _SEED_DEPTH, inside)
        basins.append(watershed(flooded, label(seeds), mask=inside).astype(np.int32))
    return basins


class _Voxels:
    """The voxels of the foreground, one after the other."""

    def __init__(
        self,
        foreground: NDArray[np.float32],
        away: NDArray[np.float32],
        boundary: NDArray[np.float32],
        inside: NDArray[np.bool_],
        spacing: tuple[float, float, float],
    ) -> None:
        self.foreground, self.boundary, self.spacing = foreground, boundary, spacing
        self.at = np.flatnonzero(inside)
        places = np.stack(np.unravel_index(self.at, inside.shape))
        ends = np.array(inside.shape)[:, None] - 1
        self.at_border = ((places == 0) | (places == ends)).any(axis=0)
        self.places = places * np.array(spacing)[:, None]
        self.inside = foreground.ravel()[self.at]
        self.away = away.ravel()[self.at]
        self.near = boundary.ravel()[self.at]

    def volumes(self, basin: NDArray[np.int32]) -> list[Values]:
        """Return how many voxels each number has, at each threshold."""
        numbers = basin.ravel()[self.at]
        count = int(numbers.max(initial=0)) + 1
        return [
            np.bincount(numbers[self.inside > least], minlength=count).astype(float)
            for least in THRESHOLDS
        ]

    def measure(
        self, basin: NDArray[np.int32], threshold: int, volumes: list[Values]
    ) -> Values:
        """Return (numbers, measures) of the basins, the last three left open."""
        on = self.inside > THRESHOLDS[threshold]
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
        return np.stack(
            [
                mean(self.inside),
                least,
                mean(self.away),
                mean(self.near),
                volume * unit / np.maximum(ellipsoid, 1e-3),
                np.sqrt(axes[:, 1] / axes[:, 2]),
                np.sqrt(axes[:, 0] / axes[:, 2]),
                1.5 * ball / np.maximum(surface[0], 1),
                *(surface[1:] / np.maximum(surface[0], 1)),
                mean(self.at_border),
                volumes[0] / volume,
                volumes[-1] / volume,
                *np.zeros((3, count)),
            ],
            axis=1,
        )

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
        """Return (4, numbers) sums over the faces of voxels at another number.

        Their count, how many lie at another object, how much the foreground falls, and
        the distance to the boundary.
        """
        total = np.zeros((4, count))
        for axis in range(3):
            one, other = (_shifted(numbers, axis, end) for end in (0, 1))
            differs = one != other
            sides = one[differs], other[differs]
            told = [
                [_shifted(values, axis, end)[differs] for end in (0, 1)]
                for values in (self.foreground, self.boundary)
            ]
            near = np.maximum(*told[1])
            falls = told[0][0] - told[0][1]
            for number, beyond, fall in (
                (*sides, falls),
                (*reversed(sides), -falls),
            ):
                total[0] += np.bincount(number, minlength=count)
                total[1] += np.bincount(number[beyond > 0], minlength=count)
                total[2] += np.bincount(number, fall, count)
                total[3] += np.bincount(number, near, count)
        return total


def _shifted(values: NDArray[Any], axis: int, end: int) -> NDArray[Any]:
    """Return all planes across an axis but the last, or but the first."""
    along = np.moveaxis(values, axis, 0)
    return along[1:] if end else along[:-1]


def _overlaps(voxels: _Voxels, basins: list[NDArray[np.int32]]) -> list[Values]:
    """Return (numbers, 2) of each smoothing: the best IoU with the ones beside it.

    -1 where there is none.
    """
    on = voxels.inside > THRESHOLDS[1]
    flat = [basin.ravel()[voxels.at[on]].astype(np.int64) for basin in basins]
    sizes = [
        np.bincount(one, minlength=int(b.max(initial=0)) + 1)
        for one, b in zip(flat, basins, strict=True)
    ]
    found = [np.full((len(one), 2), -1.0) for one in sizes]
    for k in range(len(basins) - 1):
        width = len(sizes[k + 1])
        pairs, shared = np.unique(flat[k] * width + flat[k + 1], return_counts=True)
        one, other = np.divmod(pairs, width)
        iou = shared / (sizes[k][one] + sizes[k + 1][other] - shared)
        np.maximum.at(found[k][:, 1], one, iou)
        np.maximum.at(found[k + 1][:, 0], other, iou)
    return found


def choose_candidates(
    candidates: VolumeCandidates,
    scores: NDArray[np.floating],
    least: float,
    min_volume: int = 20,
) -> NDArray[np.int32]:
    """Return the candidates that are best where several share voxels, as labels.

    Parameters
    ----------
    candidates
        From `find_candidates`.
    scores
        (N,) how good each of them is.
    least
        Those below are left out.
    min_volume
        Least voxels of an object.

    Returns
    -------
    (Z, Y, X) int32
        0 background, 1 to n the objects.
    """
    labels = np.zeros(candidates.foreground.shape, np.int32)
    boxes = [ndimage.find_objects(basin) for basin in candidates.basins]
    count = 0
    for row in np.argsort(-scores, kind="stable").tolist():
        if scores[row] < least:
            break
        k, number = int(candidates.smoothing[row]), int(candidates.number[row])
        box = boxes[k][number - 1]
        reach = THRESHOLDS[int(candidates.threshold[row])]
        mine = candidates.basins[k][box] == number
        mine &= candidates.foreground[box] > reach
        free = mine & (labels[box] == 0)
        voxels = np.count_nonzero(free)
        if voxels >= max(min_volume, _OWN * np.count_nonzero(mine)):
            count += 1
            labels[box][free] = count
    return labels
