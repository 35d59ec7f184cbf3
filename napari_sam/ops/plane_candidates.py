"""Candidates for the objects of a plane: basins of its maps, and what they grow to.

How deep a basin of the distances has to be to be one object, and from which probability
its pixels belong to it, depends on what the image shows. So basins grow together in a
tree, and each of its regions ends at several probabilities. What is measured of such a
candidate, alone and beside the likely objects of the plane, tells how well it will do;
of those that share pixels, the ones that are worth most are chosen in one pass over the
tree. Nested regions are judged and chosen in a like manner by Arteta et al. (Medical
Image Analysis 27, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.ops.basin_tree import BasinTree, grow_basins
from napari_sam.ops.plane_measures import DEEPEST, JOINED_AT, compared, measure
from napari_sam.ops.region_sums import Pixels, sum_up

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.plane_measures import PlaneContent

__all__ = ["THRESHOLDS", "PlaneCandidates", "choose_in_plane", "find_in_plane"]

THRESHOLDS = (0.36, 0.44, 0.52, 0.6, 0.68, 0.76)
"""Probabilities of the foreground at which a candidate may end."""

_DEPTH = 0.05
"""Shallower basins are no candidates."""

_SMOOTHING = 0.6
"""Sigma before basins are parted, in pixels of the model's maps."""

_MOST_BASINS = 64
"""Regions of more basins are no candidates."""

_LIKELY_DEPTH = 0.15
_LIKELY_THRESHOLD = 0.52
_LIKELY_CONFIDENCE = 0.7
"""Depth, least foreground and least confidence of what is likely an object."""


@dataclass(frozen=True, eq=False)
class PlaneCandidates:
    """What may be the objects of a plane.

    Attributes
    ----------
    tree
        Basins and the regions that they grow together to.
    level
        (H, W) uint8: how many of `THRESHOLDS` lie below the foreground.
    region, threshold
        (N,) int64: which region of the tree, which threshold.
    measures
        (N, measures) float32, see `napari_sam.ops.plane_measures`.
    likely
        (N,) bool: what one watershed with usual parameters would take for an object.
    """

    tree: BasinTree
    level: NDArray[np.uint8]
    region: NDArray[np.int64]
    threshold: NDArray[np.int64]
    measures: NDArray[np.float32]
    likely: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.region)


def find_in_plane(
    maps: NDArray[np.float32], content: PlaneContent, min_area: int = 20
) -> PlaneCandidates:
    """Find what may be objects in the dense maps of a plane.

    Parameters
    ----------
    maps
        (3, H, W), see `napari_sam.ops.watershed.maps_to_instances`.
    content
        The image, and how closely it was seen.
    min_area
        Least pixels of a candidate.

    Examples
    --------
    >>> from napari_sam.ops.plane_measures import PlaneContent
    >>> maps = np.ones((3, 20, 40), np.float32)
    >>> maps[0] = 0
    >>> len(find_in_plane(maps, PlaneContent(maps[0])))
    0
    """
    foreground, centre, boundary = maps
    away = (centre + boundary) / 2
    level = np.zeros(foreground.shape, np.uint8)
    for least in THRESHOLDS:
        level += foreground > least
    sigma = _SMOOTHING * max(1.0, content.map_stride / content.scale)
    relief = ndimage.gaussian_filter(away, sigma)
    inside = level > 0
    tree = grow_basins(relief, _DEPTH, inside)
    pixels = Pixels(inside)
    told = content.told(pixels, foreground, away, boundary)
    sums = sum_up(tree, level, len(THRESHOLDS), away, told, pixels)
    measures = measure(tree, sums, THRESHOLDS, content.scale)
    fits = tree.sizes() <= _MOST_BASINS
    region, threshold = np.nonzero(
        (sums.area >= max(1, min_area)) & fits[:, None],
    )
    own = measures[region, threshold]
    likely = _likely(own, threshold)
    found = compared(own, own[likely])
    return PlaneCandidates(tree, level, region, threshold, found, likely)


def _likely(
    own: NDArray[np.float64], threshold: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Tell which candidates one watershed would take for objects."""
    confidence = (own[:, 0] + 1 - own[:, 1]) / 2
    parted = (own[:, JOINED_AT] > _LIKELY_DEPTH) & (own[:, DEEPEST] <= _LIKELY_DEPTH)
    at = threshold == THRESHOLDS.index(_LIKELY_THRESHOLD)
    likely: NDArray[np.bool_] = parted & at & (confidence >= _LIKELY_CONFIDENCE)
    return likely


def choose_in_plane(
    candidates: PlaneCandidates,
    scores: NDArray[np.floating],
    least: float,
    worth: float,
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Choose those candidates that share no pixels and are worth most in sum.

    Parameters
    ----------
    candidates
        From `find_in_plane`.
    scores
        (N,) how good each of them is.
    least
        Those of no higher score are left out.
    worth
        What a candidate is worth is its score less this. Those of a lower score are
        taken only where no other lies.

    Returns
    -------
    labels
        (H, W) int32: 0 background, 1 to n the objects.
    chosen
        (n,) int64, which candidates they are.
    """
    tree = candidates.tree
    best = np.full(tree.count + len(tree.joined), -1)
    order = np.argsort(scores, kind="stable")
    order = order[scores[order] > least]
    best[candidates.region[order]] = order  # of one region's, the last one stays
    taken = _taken(tree, best, scores, worth)
    chosen, first = np.unique(taken[taken >= 0], return_index=True)
    chosen = chosen[np.argsort(first)]  # in the order of their first basins
    number = np.zeros(len(candidates) + 1, np.int64)  # of no candidate: the last, 0
    number[chosen] = np.arange(1, len(chosen) + 1)
    reach = np.full(tree.count + 1, 255, np.uint8)
    has = np.flatnonzero(taken >= 0)
    reach[has + 1] = candidates.threshold[taken[has]] + 1
    labels = np.append(0, number[taken]).astype(np.int32)[tree.basins]
    labels[candidates.level < reach[tree.basins]] = 0
    return labels, chosen


def _taken(
    tree: BasinTree,
    best: NDArray[np.int64],
    scores: NDArray[np.floating],
    worth: float,
) -> NDArray[np.int64]:
    """Return the candidate that each basin becomes a part of; -1 for none."""
    has = best >= 0
    own = np.where(has, scores[best], 0.0) if len(scores) else np.zeros(len(best))
    sure = np.maximum(own - worth, 0).tolist()
    doubtful = own.tolist()
    whole = has.tolist()
    for region, (one, other) in enumerate(tree.joined.tolist(), tree.count):
        parts = sure[one] + sure[other], doubtful[one] + doubtful[other]
        if (
            not whole[region]
            or parts[0] > sure[region]
            or (parts[0] == sure[region] == 0 and parts[1] > doubtful[region])
        ):
            sure[region], doubtful[region] = parts
            whole[region] = False
    found = [-1] * len(best)
    parent = tree.parents().tolist()
    for region in range(len(best) - 1, -1, -1):
        above = found[parent[region]] if parent[region] >= 0 else -1
        if above >= 0:
            found[region] = above
        elif whole[region]:
            found[region] = int(best[region])
    return np.array(found[: tree.count], np.int64)
