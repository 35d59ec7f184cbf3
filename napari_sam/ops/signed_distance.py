"""How deep each pixel of a plane or a volume lies in a shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["signed_distance"]


def signed_distance(
    mask: NDArray[np.bool_], spacing: Sequence[float] | None = None
) -> NDArray[np.float64]:
    """Return the distance to the outline, positive inside.

    It is half a pixel at the pixels along the outline. Where there is no outline, it is
    as far as the longest side.

    Parameters
    ----------
    mask
        Of any number of axes.
    spacing
        Size of a pixel along each axis; 1 where None.

    Examples
    --------
    >>> signed_distance(np.array([[False, True, True, True]])).tolist()
    [[-0.5, 0.5, 1.5, 2.5]]
    >>> signed_distance(np.zeros((1, 3), bool)).tolist()
    [[-3.0, -3.0, -3.0]]
    """
    if mask.all() or not mask.any():
        far = float(max(mask.shape, default=1))
        return np.full(mask.shape, far if mask.any() else -far)
    inside = ndimage.distance_transform_edt(mask, spacing)
    outside = ndimage.distance_transform_edt(~mask, spacing)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside), np.float64)
