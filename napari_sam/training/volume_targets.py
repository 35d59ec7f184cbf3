"""What the head for volumes learns to say of each voxel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["volume_targets"]

_MOST_DEPTH = 5.0
"""Depth of a voxel, in widths, that is believed at the most."""


def volume_targets(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Return the maps of labels, as `napari_sam.training.targets` does in a plane.

    How many times as deep as wide a voxel is, is told from the objects: they count as
    as deep as they are wide.

    Parameters
    ----------
    labels
        (Z, Y, X): 0 background, other numbers the objects.

    Returns
    -------
    (3, Z, Y, X) float32
        Foreground; distance to the object's deepest voxel and to its boundary, both
        divided by their largest value in the object, so that the first is 0 at the
        centre and the second 1 at the boundary; both are 1 outside.
    """
    named = np.asarray(labels)
    targets = np.ones((3, *named.shape), np.float32)
    targets[0] = named > 0
    boxes = ndimage.find_objects(named)
    sizes = np.array([[s.stop - s.start for s in b] for b in boxes if b is not None])
    if not len(sizes):
        return targets
    high, wide = np.median(sizes[:, 0]), np.median(sizes[:, 1:])
    depth = float(np.clip(wide / high, 1, _MOST_DEPTH))
    for number, box in enumerate(boxes, 1):
        if box is not None:
            whole = _with_margin(box, named.shape)
            inside = named[whole] == number
            at = (slice(None), *whole)
            targets[at][1:, inside] = _distances(inside, (depth, 1.0, 1.0))
    return targets


def _with_margin(
    box: tuple[slice, ...], shape: tuple[int, ...]
) -> tuple[slice, slice, slice]:
    """Return a box with a voxel around it, as far as there is one."""
    low, mid, end = (
        slice(max(0, side.start - 1), min(size, side.stop + 1))
        for side, size in zip(box, shape, strict=True)
    )
    return low, mid, end


def _distances(
    inside: NDArray[np.bool_], sampling: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Return (2, N) distances of the voxels of an object, to centre and boundary."""
    deep = ndimage.distance_transform_edt(inside, sampling=sampling)
    if not np.isfinite(deep).all() or inside.all():
        deep = np.ones(inside.shape)
    centre = np.unravel_index(int(deep.argmax()), inside.shape)
    at = np.argwhere(inside)
    away = np.sqrt((((at - np.array(centre)) * np.array(sampling)) ** 2).sum(1))
    depths = deep[inside]
    least = depths.min()
    span = max(float(depths.max() - least), 1e-6)
    near = 1 - (depths - least) / span
    found = np.stack([away / max(float(away.max()), 1.0), near])
    return np.asarray(found, np.float32)
