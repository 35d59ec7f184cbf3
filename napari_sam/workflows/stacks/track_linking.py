"""Objects of frames, and the tracklets and tracks that they are joined to.

Two steps, each a linear assignment, after Jaqaman et al., Robust single-particle
tracking in live-cell time-lapse sequences, Nature Methods 5, 2008, in a simple form.
First the objects of neighbouring frames are linked, by how far they moved and how much
they overlap. Then the tracklets are joined: over frames in which an object was missed,
and to the parent that divided. Distances count in diameters of the objects, so that the
same numbers suit bacteria and embryos.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import KDTree

from napari_sam.ops.assignment import assign
from napari_sam.ops.drift import common_shift

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import TrackConfig

__all__ = ["FrameObjects", "describe_frame", "link_tracks"]


@dataclass(frozen=True, eq=False)
class FrameObjects:
    """The objects of a frame, and which of the frame before they overlap.

    Attributes
    ----------
    names
        (N,) int64, their labels in the frame, ascending.
    positions
        (N, 2 or 3) float64, centroids in pixels.
    centres
        The same in units of the spacing, less the drift.
    sizes, diameters
        (N,) float64: areas or volumes, and the diameter of a disc or ball of that
        size.
    pairs
        (P, 2) int64: who in the frame before overlaps whom here, sorted.
    iou
        (P,) float64.
    drift
        (2 or 3,) int64, pixels by which the field has moved since the first frame.
    """

    names: NDArray[np.int64]
    positions: NDArray[np.float64]
    centres: NDArray[np.float64]
    sizes: NDArray[np.float64]
    diameters: NDArray[np.float64]
    pairs: NDArray[np.int64]
    iou: NDArray[np.float64]
    drift: NDArray[np.int64]


def describe_frame(
    now: NDArray[Any],
    last: NDArray[Any] | None,
    before: FrameObjects | None,
    spacing: NDArray[np.float64],
    correct_drift: bool,
) -> FrameObjects:
    """Measure the objects of a frame, and how they overlap with those before."""
    axes = np.nonzero(now)
    names, flat, counts = np.unique(now[axes], return_inverse=True, return_counts=True)
    sums = [np.bincount(flat, weights=axis, minlength=len(names)) for axis in axes]
    positions = np.stack(sums, axis=1) / counts[:, None]
    sizes = np.asarray(counts * np.prod(spacing), np.float64)
    diameters = np.sqrt(4 * sizes / np.pi)
    if now.ndim == 3:
        diameters = np.cbrt(6 * sizes / np.pi)
    pairs, iou = np.zeros((0, 2), np.int64), np.zeros(0)
    drift = np.zeros(now.ndim, np.int64)
    if last is not None and before is not None:
        shift = common_shift(last > 0, now > 0) if correct_drift else drift
        drift = before.drift + shift
        there = [axis - s for axis, s in zip(axes, shift, strict=True)]
        in_frame = np.logical_and.reduce(
            [(i >= 0) & (i < n) for i, n in zip(there, now.shape, strict=True)]
        )
        earlier = np.zeros(len(flat), last.dtype)
        earlier[in_frame] = last[tuple(i[in_frame] for i in there)]
        both = earlier > 0
        old = np.searchsorted(before.names, earlier[both])
        width = max(len(names), 1)
        keys, shared = np.unique(old * width + flat[both], return_counts=True)
        pairs = np.stack([keys // width, keys % width], axis=1)
        volume = shared * float(np.prod(spacing))
        iou = volume / (before.sizes[pairs[:, 0]] + sizes[pairs[:, 1]] - volume)
    centres = (positions - drift) * spacing
    names = names.astype(np.int64)
    return FrameObjects(names, positions, centres, sizes, diameters, pairs, iou, drift)


@dataclass(eq=False)
class _Tracklet:
    """A track while it is put together: its objects as (frame, position)."""

    objects: list[tuple[int, int]]
    parent: int = -1


def link_tracks(
    frames: Sequence[FrameObjects], config: TrackConfig
) -> tuple[list[NDArray[np.int64]], dict[int, list[int]]]:
    """Return the id of each object of each frame, 0 for none, and the graph."""
    tracklets = _close_gaps(_follow(frames, config), frames, config)
    if config.divisions:
        tracklets = _divide(tracklets, frames, config)
    parents = {tracklet.parent for tracklet in tracklets}
    kept = [
        n
        for n, tracklet in enumerate(tracklets)
        if len(tracklet.objects) >= config.min_length
        or tracklet.parent >= 0
        or n in parents
    ]
    kept.sort(key=lambda n: tracklets[n].objects[0])
    names = {n: name for name, n in enumerate(kept, start=1)}
    ids = [np.zeros(len(frame.names), np.int64) for frame in frames]
    for n, name in names.items():
        for t, position in tracklets[n].objects:
            ids[t][position] = name
    graph = {
        name: [names[tracklets[n].parent]]
        for n, name in names.items()
        if tracklets[n].parent >= 0
    }
    return ids, graph


def _follow(frames: Sequence[FrameObjects], config: TrackConfig) -> list[_Tracklet]:
    """Link the objects of neighbouring frames."""
    tracklets: list[_Tracklet] = []
    at: NDArray[np.int64] = np.zeros(0, np.int64)
    for t, frame in enumerate(frames):
        now = np.full(len(frame.names), -1)
        if t:
            first, second, costs = _candidates(frames[t - 1], frame, config)
            chosen = assign(first, second, costs, limit=1.0)
            now[second[chosen]] = at[first[chosen]]
        for position in range(len(now)):
            if now[position] < 0:
                now[position] = len(tracklets)
                tracklets.append(_Tracklet([]))
            tracklets[now[position]].objects.append((t, position))
        at = now
    return tracklets


def _candidates(
    before: FrameObjects, frame: FrameObjects, config: TrackConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the pairs that may be the same object, and what each link costs.

    The cost is the mean of the way, as a share of the farthest one, and of what is
    missing to a whole overlap; so it is at most 1.
    """
    first, second, way = _near(before, frame, config.max_move)
    iou = np.zeros(len(first))
    if len(frame.pairs) and len(first):
        width = len(frame.names)
        keys = frame.pairs[:, 0] * width + frame.pairs[:, 1]  # ascending
        wanted = first * width + second
        place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        iou = np.where(keys[place] == wanted, frame.iou[place], 0.0)
    growth = _ratio(before.sizes[first], frame.sizes[second])
    fits = growth <= config.max_growth
    costs = (way + 1 - iou) / 2
    return first[fits], second[fits], costs[fits]


def _ratio(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(one, other) / np.minimum(one, other)


def _near(
    before: FrameObjects, frame: FrameObjects, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return pairs within reach, in diameters of the earlier; the way as its share."""
    none = np.zeros(0, np.int64)
    if not len(before.names) or not len(frame.names):
        return none, none, np.zeros(0)
    limits = reach * before.diameters
    found = KDTree(frame.centres).query_ball_point(before.centres, limits)
    first = np.repeat(np.arange(len(found)), [len(one) for one in found])
    second = np.array([j for one in found for j in sorted(one)], np.int64)
    gaps = np.linalg.norm(before.centres[first] - frame.centres[second], axis=1)
    return first, second, gaps / limits[first]


def _pick(
    frames: Sequence[FrameObjects], objects: Sequence[tuple[int, int]]
) -> FrameObjects:
    """Return objects of several frames as if they were in one."""
    axes = frames[0].centres.shape[1]

    def gather(name: str) -> NDArray[Any]:
        return np.array([getattr(frames[t], name)[i] for t, i in objects])

    return FrameObjects(
        np.arange(len(objects)),
        gather("positions").reshape(-1, axes),
        gather("centres").reshape(-1, axes),
        gather("sizes"),
        gather("diameters"),
        np.zeros((0, 2), np.int64),
        np.zeros(0),
        np.zeros(axes, np.int64),
    )


def _close_gaps(
    tracklets: list[_Tracklet], frames: Sequence[FrameObjects], config: TrackConfig
) -> list[_Tracklet]:
    """Join what ends to what begins soon after, nearby and of the same size."""
    if not config.max_gap or not tracklets:
        return tracklets
    ends = _pick(frames, [tracklet.objects[-1] for tracklet in tracklets])
    begins = _pick(frames, [tracklet.objects[0] for tracklet in tracklets])
    reach = config.max_move * float(np.sqrt(config.max_gap + 1))
    first, second, way = _near(ends, begins, reach)
    end = np.array([tracklet.objects[-1][0] for tracklet in tracklets])
    begin = np.array([tracklet.objects[0][0] for tracklet in tracklets])
    apart = begin[second] - end[first]
    fits = (apart >= 2) & (apart <= config.max_gap + 1)
    # A random walk goes as far as the root of the time.
    costs = way * reach / (config.max_move * np.sqrt(np.maximum(apart, 1)))
    fits &= _ratio(ends.sizes[first], begins.sizes[second]) <= config.max_growth
    first, second, costs = first[fits], second[fits], costs[fits]
    chosen = assign(first, second, costs, limit=1.0)
    after = dict(zip(first[chosen].tolist(), second[chosen].tolist(), strict=True))
    heads = set(range(len(tracklets))) - set(after.values())
    joined = []
    for n in sorted(heads):
        objects = list(tracklets[n].objects)
        while n in after:
            n = after[n]
            objects += tracklets[n].objects
        joined.append(_Tracklet(objects))
    return joined


def _divide(
    tracklets: list[_Tracklet], frames: Sequence[FrameObjects], config: TrackConfig
) -> list[_Tracklet]:
    """Make tracks that begin beside another one its daughters.

    Where a track begins, each object nearby in the frame before may be the parent,
    if what it was linked to fits as the other daughter.
    """
    following = {
        at: after
        for tracklet in tracklets
        for at, after in zip(tracklet.objects, tracklet.objects[1:], strict=False)
        if after[0] == at[0] + 1
    }
    found = [
        candidate
        for t in range(1, len(frames))
        for candidate in _possible_parents(t, frames, tracklets, following, config)
    ]
    numbers: dict[tuple[int, int], int] = {}
    parents = [numbers.setdefault(at, len(numbers)) for _, at, _ in found]
    news = [n for n, _, _ in found]
    costs = np.array([cost for _, _, cost in found])
    chosen = assign(np.array(parents), np.array(news), costs, limit=1.0)
    return _cut(tracklets, {found[k][0]: found[k][1] for k in chosen.tolist()})


def _possible_parents(
    t: int,
    frames: Sequence[FrameObjects],
    tracklets: Sequence[_Tracklet],
    following: dict[tuple[int, int], tuple[int, int]],
    config: TrackConfig,
) -> Iterator[tuple[int, tuple[int, int], float]]:
    """Yield (a track that begins in frame t, its possible parent, the cost)."""
    before, frame = frames[t - 1], frames[t]
    new = [n for n, tracklet in enumerate(tracklets) if tracklet.objects[0][0] == t]
    begins = _pick(frames, [tracklets[n].objects[0] for n in new])
    for parent, k, way in zip(
        *_near(before, begins, config.division_move), strict=True
    ):
        sister = following.get((t - 1, int(parent)))
        if sister is None:
            continue
        one, other = begins.sizes[k], frame.sizes[sister[1]]
        balance = min(one, other) / max(one, other)
        growth = (one + other) / before.sizes[parent]
        fits = 1 / config.division_growth <= growth <= config.division_growth
        if fits and balance >= config.division_balance:
            yield new[k], (t - 1, int(parent)), float(way + 1 - balance) / 2


def _cut(
    tracklets: Sequence[_Tracklet], cuts: dict[int, tuple[int, int]]
) -> list[_Tracklet]:
    """Cut each parent where it divides; `cuts` has the last object of each parent."""
    result: list[_Tracklet] = []
    ending: dict[tuple[int, int], int] = {}
    first_part: list[int] = []
    dividing = set(cuts.values())
    for tracklet in tracklets:
        first_part.append(len(result))
        part: list[tuple[int, int]] = []
        parent = -1
        for at in tracklet.objects:
            part.append(at)
            if at in dividing:
                ending[at] = len(result)
                result.append(_Tracklet(part, parent))
                parent, part = ending[at], []
        result.append(_Tracklet(part, parent))
    for n, at in cuts.items():
        result[first_part[n]].parent = ending[at]
    return result
