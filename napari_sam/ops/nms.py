"""Non-maximum suppression: of boxes that overlap much, the best stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["box_nms"]


def box_nms(boxes: ArrayLike, scores: ArrayLike, threshold: float) -> NDArray[np.int64]:
    """Choose boxes, best score first, that overlap no better one by too much.

    The rule of torchvision's ``nms``: a box goes when its IoU with a better one that
    stays is greater than `threshold`, where areas are products of differences; of
    equal scores the earlier is the better; two boxes without area never overlap.

    Parameters
    ----------
    boxes
        (N, 4) of two corners, lower ones first, in either order of axes.
    scores
        (N,)
    threshold
        IoU of 0 to 1.

    Returns
    -------
    (K,) int64
        Indices of the boxes that stay, best first.

    Examples
    --------
    >>> from napari_sam.ops.nms import box_nms
    >>> box_nms([(0, 0, 9, 9), (0, 0, 9, 8), (5, 5, 9, 9)], [0.1, 0.3, 0.2], 0.7)
    array([1, 2])
    """
    corners = np.asarray(boxes, np.float32).reshape(-1, 4)
    values = np.asarray(scores)
    if values.shape != (len(corners),):
        raise ValueError(
            f"scores must be one for each of the {len(corners)} boxes, got shape "
            f"{values.shape}"
        )
    order = np.argsort(-values, kind="stable")
    corners = corners[order]
    lows, highs = corners[:, :2].T.copy(), corners[:, 2:].T.copy()
    areas = np.prod(highs - lows, axis=0)
    kept = []
    left = np.arange(len(order))
    while len(left):
        best, left = left[0], left[1:]
        kept.append(order[best])
        sides = np.minimum(highs[:, left], highs[:, [best]])
        sides -= np.maximum(lows[:, left], lows[:, [best]])
        shared = np.prod(np.maximum(sides, 0), axis=0)
        union = areas[left] + areas[best] - shared
        with np.errstate(invalid="ignore", divide="ignore"):
            overlap = (shared / union).astype(np.float64)
        left = left[~(overlap > threshold)]
    return np.asarray(kept, np.int64)
