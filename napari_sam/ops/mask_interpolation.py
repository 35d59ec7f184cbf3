"""The shape between two shapes of an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["interpolate_masks"]


def interpolate_masks(
    first: NDArray[np.bool_], second: NDArray[np.bool_], weight: float
) -> NDArray[np.bool_]:
    """Return the mask between two masks, in as many axes as they have.

    Signed distances to both outlines are averaged (shape-based interpolation, Raya and
    Udupa, IEEE Trans. Med. Imaging 9, 1990), after both are moved to the place between
    their centres. `napari_sam.ops.mask_patches` does the same for patches of a plane.

    Parameters
    ----------
    first, second
        Of one shape, not empty.
    weight
        0 gives the first, 1 the second.

    Examples
    --------
    >>> left, right = np.zeros((2, 5, 30), bool)
    >>> left[1:4, 2:7], right[1:4, 22:27] = True, True
    >>> np.flatnonzero(interpolate_masks(left, right, 0.5).any(axis=0)).tolist()
    [12, 13, 14, 15, 16]
    """
    pixels = [np.argwhere(mask) for mask in (first, second)]
    way = pixels[1].mean(axis=0) - pixels[0].mean(axis=0)
    moves = [np.rint(way * weight), np.rint(-way * (1 - weight))]
    moved = [one + move.astype(int) for one, move in zip(pixels, moves, strict=True)]
    corner = np.min([one.min(axis=0) for one in moved], axis=0) - 1
    sizes = np.max([one.max(axis=0) for one in moved], axis=0) - corner + 2
    depth = np.zeros(tuple(sizes))
    for one, share in zip(moved, (1 - weight, weight), strict=True):
        mask = np.zeros(tuple(sizes), np.bool_)
        mask[tuple((one - corner).T)] = True
        inside = ndimage.distance_transform_edt(mask)
        outside = ndimage.distance_transform_edt(~mask)
        depth += share * np.where(mask, inside - 0.5, 0.5 - outside)
    found = np.argwhere(depth > 0) + corner
    found = found[((found >= 0) & (found < first.shape)).all(axis=1)]
    between = np.zeros(first.shape, np.bool_)
    between[tuple(found.T)] = True
    return between
