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
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed

from napari_sam.ops.candidate_measures import (
    MEASURES,
    SHAPE_MEASURES,
    WIDE_THRESHOLDS,
    ForegroundVoxels,
)
from napari_sam.ops.extended_minima import extended_minima

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[np.float64]

__all__ = ["MEASURES", "VolumeCandidates", "choose_candidates", "find_candidates"]

SMOOTHINGS = (0.7, 1.0, 1.5, 2.2, 3.2)
"""Sigmas before the seeds, in voxels of the smallest side."""

THRESHOLDS = (0.4, 0.52, 0.64, 0.76, 0.86, 0.93)
"""Probabilities of the foreground at which a candidate may end."""

_FLOODED = 0.5
"""Sigma of what is flooded from the seeds: more would shift where objects touch."""

_SEED_DEPTH = 0.05

_OVERLAPS = slice(SHAPE_MEASURES - 3, SHAPE_MEASURES - 1)

_OWN = 0.8
"""Share of its voxels that no better candidate may have."""


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

    @property
    def is_wide(self) -> NDArray[np.bool_]:
        """Which of them end at a threshold at which objects are chosen as a whole."""
        return np.asarray(self.threshold < WIDE_THRESHOLDS, np.bool_)

    def extents(self, scores: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return (N,) the threshold at which the basin of each candidate scores best.

        Parameters
        ----------
        scores
            (N,) how well each ends where its object does.
        """
        basins, at = np.unique(
            np.stack([self.smoothing, self.number]), axis=1, return_inverse=True
        )
        order = np.lexsort([scores, at.ravel()])
        last = np.flatnonzero(np.diff(at.ravel()[order], append=basins.shape[1]))
        best: NDArray[np.int64] = self.threshold[order[last]]
        return best[at.ravel()]

    def labels(self, smoothing: int, threshold: int) -> NDArray[np.int32]:
        """Return the basins of a smoothing, as far as the foreground reaches."""
        inside = self.foreground > THRESHOLDS[threshold]
        return np.where(inside, self.basins[smoothing], 0).astype(np.int32, copy=False)


def find_candidates(
    maps: NDArray[np.float32],
    image: NDArray[np.float32],
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    min_volume: int = 20,
) -> VolumeCandidates:
    """Part the foreground of dense maps of a volume in several ways.

    Parameters
    ----------
    maps
        (3, Z, Y, X), see `napari_sam.ops.watershed.maps_to_volume`.
    image
        (Z, Y, X) from 0, black, to 1, white.
    spacing
        Size of a voxel along each axis, in units of the smallest one.
    min_volume
        Least voxels of a candidate.

    Examples
    --------
    >>> maps = np.ones((3, 5, 20, 40), np.float32)
    >>> maps[0] = 0
    >>> len(find_candidates(maps, maps[0]))
    0
    """
    foreground, centre, boundary = np.asarray(maps, np.float32)
    away = (centre + boundary) / 2
    inside = foreground > THRESHOLDS[0]
    basins = _basins(away, inside, spacing)
    voxels = ForegroundVoxels(np.asarray(maps, np.float32), image, THRESHOLDS, spacing)
    rows, parts = [], []
    for k, (basin, alike) in enumerate(
        zip(basins, _overlaps(voxels, basins), strict=True)
    ):
        volumes = voxels.volumes(basin)
        found = voxels.measure(basin, volumes)
        found[..., _OVERLAPS] = alike
        for j, volume in enumerate(volumes):
            kept = np.flatnonzero(volume >= min_volume)
            kept = kept[kept > 0]
            parts.append(found[j][kept])
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


def _overlaps(
    voxels: ForegroundVoxels, basins: list[NDArray[np.int32]]
) -> list[Values]:
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
    extents: NDArray[np.int64] | None = None,
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
    extents
        (N,) the threshold at which each is to end; None: at its own.

    Returns
    -------
    (Z, Y, X) int32
        0 background, 1 to n the objects.
    """
    labels = np.zeros(candidates.foreground.shape, np.int32)
    boxes = [ndimage.find_objects(basin) for basin in candidates.basins]
    ends = candidates.threshold if extents is None else extents
    count = 0
    for row in np.argsort(-scores, kind="stable").tolist():
        if scores[row] < least:
            break
        k, number = int(candidates.smoothing[row]), int(candidates.number[row])
        box = boxes[k][number - 1]
        basin = candidates.basins[k][box] == number
        foreground = candidates.foreground[box]
        mine = basin & (foreground > THRESHOLDS[int(candidates.threshold[row])])
        free = mine & (labels[box] == 0)
        if np.count_nonzero(free) < max(min_volume, _OWN * np.count_nonzero(mine)):
            continue
        chosen = basin & (foreground > THRESHOLDS[int(ends[row])]) & (labels[box] == 0)
        if np.count_nonzero(chosen) >= min_volume:
            count += 1
            labels[box][chosen] = count
    return labels
