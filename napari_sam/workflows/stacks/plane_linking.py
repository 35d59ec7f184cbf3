"""Objects of planes to objects of a volume.

What overlaps most in neighbouring planes is the same object: a linear assignment of the
objects of each two planes by their IoU, then a second one over planes in which an
object was missed. A plane's object belongs to one object at the most, so that one plane
in which two objects flow together does not join them for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from napari_sam.configs import LinkConfig
from napari_sam.ops import boxes
from napari_sam.ops.assignment import assign
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.workflows.progress import Progress

__all__ = ["link_planes"]


_DEFAULT = LinkConfig()


def link_planes(
    planes: ArrayLike,
    config: LinkConfig = _DEFAULT,
    *,
    out: NDArray[np.int32] | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Give the objects of neighbouring planes common labels.

    Parameters
    ----------
    planes
        (Z, Y, X) integers, 0 for background; what a number stands for may change from
        plane to plane.
    config
        What may be the same object.
    out
        Where the labels go; `planes` itself, to save memory.
    progress
        Steps are planes.

    Returns
    -------
    (Z, Y, X) int32
        0 background, 1 to n the objects, in the order of their first planes.

    Raises
    ------
    ValueError
        If the planes are not as described.
    Cancelled
        If `progress` said so.

    Examples
    --------
    >>> planes = np.array([[[1, 1, 0, 2]], [[7, 7, 0, 0]], [[3, 3, 0, 1]]])
    >>> link_planes(planes).tolist()
    [[[1, 1, 0, 0]], [[1, 1, 0, 0]], [[1, 1, 0, 0]]]
    """
    given = np.asarray(planes)
    if given.ndim != 3 or given.dtype.kind not in "iu" or 0 in given.shape:
        raise ValueError(
            f"wanted (Z, Y, X) integers, got {given.dtype} of shape {given.shape}"
        )
    if given.min() < 0:
        raise ValueError(f"labels must be 0 or more, got {given.min()}")
    steps = Steps("linking planes", progress)
    nodes = _Nodes(given)
    links: list[tuple[int, int]] = []
    for z in range(1, len(given)):
        steps.before(len(given) - z)
        links += nodes.links(z - 1, z, config.min_overlap)
    ahead, behind = {i for i, _ in links}, {j for _, j in links}
    for gap in range(1, config.max_gap + 1):
        for z in range(gap + 1, len(given)):
            steps.before(len(given) - z)
            first = z - gap - 1
            for i, j in nodes.links(first, z, config.gap_overlap, ahead, behind):
                links.append((i, j))
                ahead.add(i)
                behind.add(j)
    volume = np.zeros(given.shape, np.int32) if out is None else out
    nodes.paint(volume, links, min(config.min_length, len(given)))
    if config.fill and config.max_gap:
        _fill(volume, config.max_gap)
    steps.finish()
    return volume


class _Nodes:
    """The objects of all planes, numbered through in the order of planes."""

    def __init__(self, planes: NDArray[np.integer]) -> None:
        self._planes = planes
        self._names: list[NDArray[np.integer]] = []
        self._areas: list[NDArray[np.int64]] = []
        for plane in planes:
            names, areas = np.unique(plane, return_counts=True)
            self._names.append(names[names > 0])
            self._areas.append(areas[names > 0])
        numbers = [len(names) for names in self._names]
        self._starts = np.concatenate([[0], np.cumsum(numbers)]).astype(np.int64)

    def links(
        self,
        z: int,
        after: int,
        least: float,
        ahead: set[int] | frozenset[int] = frozenset(),
        behind: set[int] | frozenset[int] = frozenset(),
    ) -> list[tuple[int, int]]:
        """Link the objects of two planes, but not those that are linked that way."""
        one, other = self._planes[z], self._planes[after]
        both = (one > 0) & (other > 0)
        first = np.searchsorted(self._names[z], one[both])
        second = np.searchsorted(self._names[after], other[both])
        width = max(len(self._names[after]), 1)
        keys, shared = np.unique(first * width + second, return_counts=True)
        i, j = keys // width, keys % width
        iou = shared / (self._areas[z][i] + self._areas[after][j] - shared)
        i, j = i + self._starts[z], j + self._starts[after]
        free = np.array(
            [
                a not in ahead and b not in behind
                for a, b in zip(i.tolist(), j.tolist(), strict=True)
            ],
            np.bool_,
        )
        i, j, iou = i[free], j[free], iou[free]
        chosen = assign(i, j, 1 - iou, limit=1 - least)
        return list(zip(i[chosen].tolist(), j[chosen].tolist(), strict=True))

    def paint(
        self, volume: NDArray[np.int32], links: list[tuple[int, int]], min_length: int
    ) -> None:
        """Paint what is linked in one label, without what is too short."""
        number = int(self._starts[-1])
        ends = np.array(links, np.int64).reshape(-1, 2)
        table = coo_matrix((np.ones(len(ends)), ends.T), (number, number))
        count, group = connected_components(table, directed=False)
        plane = np.repeat(np.arange(len(self._planes)), np.diff(self._starts))
        first, last = np.full(count, number), np.full(count, -1)
        np.minimum.at(first, group, plane)
        np.maximum.at(last, group, plane)
        kept = last - first + 1 >= min_length
        # scipy numbers groups by their first node, which is in their first plane
        names = np.where(kept, np.cumsum(kept), 0).astype(np.int32)[group]
        for z, labels in enumerate(self._planes):
            here = names[self._starts[z] : self._starts[z + 1]]
            place = np.searchsorted(self._names[z], labels)
            volume[z] = np.where(labels > 0, np.append(here, 0)[place], 0)


def _fill(volume: NDArray[np.int32], max_gap: int) -> None:
    """Draw objects into the planes where they were missed, between their outlines."""
    seen: dict[int, int] = {}
    for z in range(len(volume)):
        for label in np.unique(volume[z]).tolist():
            last = seen.get(label, z)
            if label and 1 < z - last <= max_gap + 1:
                _fill_gap(volume, label, last, z)
            seen[label] = z


def _fill_gap(volume: NDArray[np.int32], label: int, low: int, high: int) -> None:
    first, second = volume[low] == label, volume[high] == label
    box = boxes.from_mask(first | second)
    if box is None:
        return
    window = boxes.to_window(box)
    one, other = _signed(first[window]), _signed(second[window])
    for z in range(low + 1, high):
        share = (z - low) / (high - low)
        drawn = (1 - share) * one + share * other > 0
        plane = volume[z][window]
        plane[drawn & (plane == 0)] = label


def _signed(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how deep each pixel lies in the mask, below 0 outside."""
    padded = np.pad(mask, 1)
    depth = distance_transform_edt(padded) - distance_transform_edt(~padded)
    return np.asarray(depth[1:-1, 1:-1], np.float64)
