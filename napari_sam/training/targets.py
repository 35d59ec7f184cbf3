"""What is learned: masks of some objects, and the maps of the dense head."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

__all__ = ["SMALLEST", "dense_targets", "pick_objects"]

SMALLEST = 24
"""Frame pixels of the smallest object that is prompted."""


def pick_objects(labels: Tensor, count: int, rng: np.random.Generator) -> Tensor | None:
    """Pick up to `count` objects of (H, W) labels as (B, H, W) masks of 0 and 1.

    Objects smaller than a few pixels, and those that fill more than 90 % (left
    out in the paper too), are not picked. None if there is no other.
    """
    ids, areas = torch.unique(labels, return_counts=True)
    good = (ids > 0) & (areas >= SMALLEST) & (areas <= 0.9 * labels.numel())
    ids = ids[good]
    if len(ids) == 0:
        return None
    chosen = ids[torch.from_numpy(rng.permutation(len(ids))[:count])]
    masks: Tensor = labels[None] == chosen[:, None, None]
    return masks.float()


def dense_targets(labels: Tensor, size: int) -> Tensor:
    """Targets of the dense head, (1, 3, size, size), from (H, W) labels.

    Foreground; distance to the object's centre; distance to its boundary. The
    centre is the pixel deepest inside the object. Both distances are divided by
    their largest value in the object, and are 1 outside; the boundary distance is
    counted from the deepest point, so that it is 0 there and 1 at the boundary.
    """
    small = F.interpolate(labels[None, None], size=(size, size), mode="nearest-exact")
    named = small[0, 0].numpy().astype(np.int64)
    targets = np.ones((3, size, size), np.float32)
    targets[0] = named > 0
    ids = np.unique(named)
    ids = ids[ids > 0]
    if len(ids) == 0:
        return torch.from_numpy(targets)[None]
    padded = np.pad(named, 1, mode="edge")
    edge = np.zeros(named.shape, bool)
    for dr, dc in ((0, 1), (2, 1), (1, 0), (1, 2)):
        edge |= padded[dr : dr + size, dc : dc + size] != named
    depth = ndimage.distance_transform_edt(~edge & (named > 0)) + 1.0
    row, col = np.indices(named.shape)
    centres = np.array(ndimage.maximum_position(depth, named, ids))
    index = np.searchsorted(ids, named).clip(max=len(ids) - 1)
    away = np.hypot(row - centres[index, 0], col - centres[index, 1])
    deepest = np.asarray(ndimage.maximum(depth, named, ids))
    farthest = np.asarray(ndimage.maximum(away, named, ids)).clip(min=1)
    inside = named > 0
    targets[1][inside] = (away / farthest[index])[inside]
    targets[2][inside] = (1 - (depth - 1) / (deepest[index] - 1).clip(min=1))[inside]
    return torch.from_numpy(targets)[None]
