"""From dense maps to instances: a seeded watershed, and the objects it leaves.

The maps say of each pixel how likely it is foreground and how far it lies from the
centre and from the boundary of its object (after micro-sam, Archit et al., Nature
Methods 22, 2025). Basins of the mean of both distances are the seeds of a watershed
within the foreground.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.measure import label
from skimage.segmentation import watershed

from napari_sam.configs import FuseConfig, InstanceConfig
from napari_sam.ops.extended_minima import extended_minima
from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Instances", "maps_to_instances", "maps_to_volume", "measure_labels"]

_STABLE_PROBABILITY = 1 / (1 + math.exp(-1.0))
"""Foreground probability at a logit of 1, for the stability score."""


@dataclass(frozen=True, eq=False)
class Instances:
    """The objects of an image plane.

    Attributes
    ----------
    labels
        (H, W) int32: 0 background, i + 1 object i. No two objects overlap.
    scores
        (N,) float32 in [0, 1], the confidence; see `InstanceConfig`.
    stability
        (N,) float32 in [0, 1]: share of the object's pixels that stay foreground
        when the logit must exceed 1.
    points
        (N, 2) int64 (row, col) of the deepest pixel, which lies in the object.
    boxes
        (N, 4) int64 (row0, col0, row1, col1), half open.
    areas
        (N,) int64 in pixels.
    scale
        Frame pixels per pixel at which the objects were seen.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    stability: NDArray[np.float32]
    points: NDArray[np.int64]
    boxes: NDArray[np.int64]
    areas: NDArray[np.int64]
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.scores)

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Return the mask of an object within its box."""
        top, left, bottom, right = self.boxes[index]
        part: NDArray[np.bool_] = self.labels[top:bottom, left:right] == index + 1
        return part

    def keep(self, chosen: NDArray[np.bool_]) -> Instances:
        """Return the `chosen`, (N,) bool, numbered anew in the same order."""
        if chosen.all():
            return self
        numbers = np.zeros(len(self) + 1, np.int32)
        numbers[1:][chosen] = np.arange(1, np.count_nonzero(chosen) + 1)
        return replace(
            self,
            labels=numbers[self.labels],
            scores=self.scores[chosen],
            stability=self.stability[chosen],
            points=self.points[chosen],
            boxes=self.boxes[chosen],
            areas=self.areas[chosen],
        )

    def records(self) -> list[MaskRecord]:
        """Return the objects as masks, in the order of their labels."""
        height, width = self.labels.shape
        found = []
        for index in range(len(self)):
            top, left, bottom, right = self.boxes[index].tolist()
            rle = Rle.encode(self.mask(index), (height, width), (top, left))
            row, col = self.points[index].tolist()
            found.append(
                MaskRecord(
                    rle=rle,
                    area=int(self.areas[index]),
                    bbox=(top, left, bottom, right),
                    predicted_iou=float(self.scores[index]),
                    stability_score=float(self.stability[index]),
                    point=(row, col),
                    crop_box=(0, 0, height, width),
                )
            )
        return found


_DEFAULT = InstanceConfig()


def maps_to_instances(
    maps: NDArray[np.float32],
    config: InstanceConfig = _DEFAULT,
    scale: float = 1.0,
    map_stride: float = 2.0,
) -> Instances:
    """Part the foreground of dense maps into instances.

    Parameters
    ----------
    maps
        (3, H, W) as from `Predictor.dense_maps`.
    config
        Thresholds; what concerns tiles is not used.
    scale
        Frame pixels per pixel at which the maps were made.
    map_stride
        Frame pixels per pixel of the maps themselves, before they were brought to the
        size of the image: they are smoothed accordingly.

    Raises
    ------
    ValueError
        If the maps have another shape.

    Examples
    --------
    >>> maps = np.ones((3, 20, 40), np.float32)
    >>> maps[0] = 0
    >>> len(maps_to_instances(maps))
    0
    """
    maps = np.asarray(maps, np.float32)
    if maps.ndim != 3 or len(maps) != 3:
        raise ValueError(f"dense maps must be (3, H, W), got shape {maps.shape}")
    foreground, centre, boundary = maps
    away = (centre + boundary) / 2
    inside = foreground > config.foreground_thresh
    map_pixel = max(1.0, map_stride / scale)
    relief = ndimage.gaussian_filter(away, config.smoothing * map_pixel)
    seeds = label(extended_minima(relief, config.seed_depth, inside))
    found = measure_labels(_flood(relief, seeds, inside), maps, scale)
    good = found.areas >= max(1, config.min_area)
    return found.keep(good & (found.scores >= config.confidence_thresh))


def _flood(
    relief: NDArray[np.floating], seeds: NDArray[np.integer], inside: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Part the foreground by a watershed from seeds, as scikit-image does.

    A part of the foreground that holds one seed is that seed's as a whole; only what
    holds several is flooded, which takes most of the time.
    """
    parts, count = ndimage.label(inside)
    at = np.flatnonzero(seeds)
    number, part = seeds.ravel()[at], parts.ravel()[at]
    low = np.full(count + 1, np.iinfo(np.int32).max)
    high = np.zeros(count + 1, np.int32)
    np.minimum.at(low, part, number)
    np.maximum.at(high, part, number)
    is_shared = low < high
    is_shared[0] = False
    shared = is_shared[parts]
    labels: NDArray[np.int32] = high[parts]
    if shared.any():
        rows, cols = (np.flatnonzero(shared.any(axis=axis)) for axis in (1, 0))
        box = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
        mask = shared[box]
        flooded = watershed(relief[box], seeds[box] * mask, mask=mask)
        labels[box][mask] = flooded[mask]
    return labels


def measure_labels(
    labels: NDArray[np.int32],
    maps: NDArray[np.float32],
    scale: float = 1.0,
    scores: NDArray[np.floating] | None = None,
) -> Instances:
    """Measure the objects 1 to n of labels.

    Parameters
    ----------
    labels
        (H, W); each number from 1 to the highest has pixels.
    maps, scale
        See `maps_to_instances`.
    scores
        (n,) their confidence; None: what the maps say.
    """
    count = int(labels.max(initial=0))
    pixels = np.flatnonzero(labels)
    number = labels.ravel()[pixels]
    sureness, centre, boundary = (plane.ravel()[pixels] for plane in maps)
    depth = (centre + boundary) / 2
    areas = np.bincount(number, minlength=count + 1)[1:].astype(np.int64)
    least = np.full(count + 1, np.inf, depth.dtype)
    np.minimum.at(least, number, depth)
    deepest = np.flatnonzero(depth == least[number])[::-1]
    first = np.zeros(count + 1, np.int64)
    first[number[deepest]] = pixels[deepest]  # of several, the first one stays
    points = np.stack(np.divmod(first[1:], labels.shape[1]), axis=1)
    least = least[1:]
    boxes = np.array(
        [
            [rows.start, cols.start, rows.stop, cols.stop]
            for rows, cols in ndimage.find_objects(labels)
        ],
        np.int64,
    ).reshape(-1, 4)
    total = np.bincount(number, sureness, count + 1)[1:]
    sure = np.bincount(number, sureness > _STABLE_PROBABILITY, count + 1)[1:]
    if scores is None:
        scores = (total / areas + 1 - least) / 2
    return Instances(
        labels,
        scores.astype(np.float32),
        (sure / areas).astype(np.float32),
        points,
        boxes,
        areas,
        scale,
    )


_FUSED = FuseConfig()

_FLOODED = 0.5
"""Sigma of the maps of a volume that are flooded from the seeds: more would shift where
objects touch."""


def maps_to_volume(
    maps: NDArray[np.float32],
    config: FuseConfig = _FUSED,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> NDArray[np.int32]:
    """Part the foreground of dense maps of a volume into objects, in 3D.

    Parameters
    ----------
    maps
        (3, Z, Y, X) as `maps_to_instances` takes them of a plane.
    config
        Thresholds.
    spacing
        Size of a voxel along each axis, in units of the smallest one: the maps are
        smoothed alike in all directions.

    Returns
    -------
    (Z, Y, X) int32
        0 background, 1 to n the objects.

    Raises
    ------
    ValueError
        If the maps have another shape.

    Examples
    --------
    >>> maps = np.ones((3, 5, 20, 40), np.float32)
    >>> maps[0] = 0
    >>> int(maps_to_volume(maps).max())
    0
    """
    maps = np.asarray(maps, np.float32)
    if maps.ndim != 4 or len(maps) != 3:
        raise ValueError(f"dense maps must be (3, Z, Y, X), got shape {maps.shape}")
    foreground, centre, boundary = maps
    away = (centre + boundary) / 2
    inside = foreground > config.foreground_thresh
    seeding, flooding = (
        ndimage.gaussian_filter(away, [sigma / size for size in spacing])
        for sigma in (config.smoothing, min(config.smoothing, _FLOODED))
    )
    seeds = extended_minima(seeding, config.seed_depth, inside)
    found = watershed(flooding, label(seeds), mask=inside).astype(np.int32)
    flat = found.ravel()
    count = int(flat.max(initial=0))
    volumes = np.bincount(flat, minlength=count + 1)
    total = np.bincount(flat, foreground.ravel(), count + 1)
    least = ndimage.minimum(away, found, np.arange(count + 1)) if count else [1.0]
    scores = (total / np.maximum(volumes, 1) + 1 - np.asarray(least)) / 2
    good = (volumes >= max(1, config.min_volume)) & (scores >= config.confidence_thresh)
    good[0] = False
    numbers = np.zeros(count + 1, np.int32)
    numbers[good] = np.arange(1, np.count_nonzero(good) + 1)
    parted: NDArray[np.int32] = numbers[found]
    return parted
