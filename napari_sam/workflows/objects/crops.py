"""Parts of an image that are searched on their own, so that small objects are seen.

Layers of overlapping crops as in Meta's automatic mask generator (SAM paper,
appendix B; ``segment_anything.utils.amg``): layer 0 is the image, layer k has 2^k
crops along each side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Crop", "make_crops", "near_crop_edge"]

_EDGE_TOLERANCE = 20
"""Pixels within which a box touches an edge."""


@dataclass(frozen=True)
class Crop:
    """A part of an image plane.

    Attributes
    ----------
    layer
        0 for the whole plane.
    box
        (row0, col0, row1, col1), half open.
    """

    layer: int
    box: tuple[int, int, int, int]

    @property
    def corner(self) -> tuple[int, int]:
        """(row, col) of the first pixel."""
        return self.box[:2]

    @property
    def shape(self) -> tuple[int, int]:
        """(h, w) in pixels."""
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    @property
    def slices(self) -> tuple[slice, slice]:
        """What cuts it out of the plane."""
        return slice(self.box[0], self.box[2]), slice(self.box[1], self.box[3])


def make_crops(shape: tuple[int, int], layers: int, overlap_ratio: float) -> list[Crop]:
    """Lay crops over an image plane.

    Parameters
    ----------
    shape
        (H, W) of the plane.
    layers
        How many layers follow the whole plane.
    overlap_ratio
        By how much of the plane's shorter side the crops of layer 1 overlap; the
        pixels halve from layer to layer.

    Returns
    -------
    list of Crop
        The plane first; within a layer column after column, each from top to bottom.
        Crops that would hold no pixel, as in a plane of fewer pixels than crops, are
        left out.
    """
    crops = [Crop(0, (0, 0, *shape))]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(shape) * (2 / count))
        sides = [math.ceil((overlap * (count - 1) + n) / count) for n in shape]
        tops, lefts = ([(side - overlap) * i for i in range(count)] for side in sides)
        for left, top in product(lefts, tops):
            bottom, right = (
                min(top + sides[0], shape[0]),
                min(left + sides[1], shape[1]),
            )
            if top < bottom and left < right:
                crops.append(Crop(layer, (top, left, bottom, right)))
    return crops


def near_crop_edge(
    boxes: NDArray[np.int64], crop: Crop, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Whether boxes touch an edge at which the crop, not the image plane, ends.

    What touches it may go on beyond it. `boxes` are (N, 4) of pixel indices, the
    last ones inside, in the plane of `shape`; "touches" means 20 pixels or less.
    """
    at_crop = np.abs(boxes - np.array(crop.box)) <= _EDGE_TOLERANCE
    at_plane = np.abs(boxes - np.array([0, 0, *shape])) <= _EDGE_TOLERANCE
    near: NDArray[np.bool_] = (at_crop & ~at_plane).any(1)
    return near
