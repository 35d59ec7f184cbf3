"""Non-maximum suppression: of boxes that overlap much, the best stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["box_nms", "duplicate_boxes"]

_CHUNK = 128
"""Boxes that are compared with all others at one time."""


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
    order = np.argsort(-values, kind="stable").astype(np.int64)
    left = np.arange(len(order))
    corners = corners[order]
    kept = []
    while len(left):
        # The best ones among themselves, then all others against those that stay.
        head, left = left[:_CHUNK], left[_CHUNK:]
        doubles = _overlap(corners[head], corners[head]) > threshold
        stays = np.ones(len(head), np.bool_)
        for i in range(len(head)):
            if stays[i]:
                stays[i + 1 :] &= ~doubles[i, i + 1 :]
        head = head[stays]
        kept.append(head)
        left = left[~(_overlap(corners[head], corners[left]) > threshold).any(0)]
    return order[np.concatenate(kept)] if kept else order


def duplicate_boxes(boxes: ArrayLike, threshold: float) -> list[NDArray[np.int64]]:
    """Find for each box the later ones that overlap it by too much.

    With these at hand, `box_nms` of any part of the boxes, best first, costs no
    comparison of boxes.

    Parameters
    ----------
    boxes
        (N, 4), best first; see `box_nms`.
    threshold
        IoU of 0 to 1.

    Returns
    -------
    list of (K,) int64
        For each box the indices of those after it with a greater IoU.
    """
    corners = np.asarray(boxes, np.float32).reshape(-1, 4)
    found: list[NDArray[np.int64]] = []
    for start in range(0, len(corners), _CHUNK):
        some = corners[start : start + _CHUNK]
        doubles = _overlap(some, corners[start:]) > threshold
        for i in range(len(some)):
            found.append(np.flatnonzero(doubles[i, i + 1 :]) + start + i + 1)
    return found


def _overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, M) IoU of boxes, rounded to float32 as in torchvision."""
    sides = [
        np.minimum(a[:, None, 2 + i], b[:, 2 + i]) - np.maximum(a[:, None, i], b[:, i])
        for i in (0, 1)
    ]
    shared = np.maximum(sides[0], 0) * np.maximum(sides[1], 0)
    areas_a, areas_b = (np.prod(c[:, 2:] - c[:, :2], axis=1) for c in (a, b))
    union = areas_a[:, None] + areas_b - shared
    with np.errstate(invalid="ignore", divide="ignore"):
        overlap: NDArray[np.float32] = shared / union
    return overlap.astype(np.float64)
