"""Objects of frames, and the tracks that they are joined to.

Links, over frames in which an object was missed too, and divisions are chosen for the
whole film at once, see `napari_sam.workflows.stacks.link_choice`. Reaches count in
diameters of the objects, so that the same numbers suit bacteria and embryos.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.ops.drift import common_shift
from napari_sam.workflows.stacks.fixed_links import FixedLinks
from napari_sam.workflows.stacks.link_choice import choose
from napari_sam.workflows.stacks.link_costs import (
    Appearances,
    Divisions,
    Links,
    division_costs,
    link_costs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import TrackConfig
    from napari_sam.workflows.stacks.fixed_links import Place

__all__ = ["FrameObjects", "describe_frame", "link_tracks"]


@dataclass(frozen=True, eq=False)
class FrameObjects:
    """The objects of a frame.

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
    lengths
        (N,) float64, the longest side of the box around each, in diameters.
    contact
        (N,) float64, the share of the outline that lies on other objects.
    whole
        (N, 2 or 3) float64: as `centres`, of the whole object where a part of it is
        covered.
    spread
        (N,) float64, the variance of `whole` along an axis.
    covered
        (N,) bool, whether a part is covered by another object.
    drift
        (2 or 3,) int64, pixels by which the field has moved since the first frame.
    """

    names: NDArray[np.int64]
    positions: NDArray[np.float64]
    centres: NDArray[np.float64]
    sizes: NDArray[np.float64]
    diameters: NDArray[np.float64]
    lengths: NDArray[np.float64]
    contact: NDArray[np.float64]
    whole: NDArray[np.float64]
    spread: NDArray[np.float64]
    covered: NDArray[np.bool_]
    drift: NDArray[np.int64]


def describe_frame(
    now: NDArray[Any],
    last: NDArray[Any] | None,
    before: FrameObjects | None,
    spacing: NDArray[np.float64],
    correct_drift: bool,
) -> FrameObjects:
    """Measure the objects of a frame, and how far the field moved since the last."""
    axes = np.nonzero(now)
    names, flat, counts = np.unique(now[axes], return_inverse=True, return_counts=True)
    sums = [np.bincount(flat, weights=axis, minlength=len(names)) for axis in axes]
    positions = np.stack(sums, axis=1) / counts[:, None]
    sizes = np.asarray(counts * np.prod(spacing), np.float64)
    diameters = np.sqrt(4 * sizes / np.pi)
    if now.ndim == 3:
        diameters = np.cbrt(6 * sizes / np.pi)
    drift = np.zeros(now.ndim, np.int64)
    if last is not None and before is not None:
        shift = common_shift(last > 0, now > 0) if correct_drift else drift
        drift = before.drift + shift
    lengths, contact = _outlines(now, names, spacing)
    centres = (positions - drift) * spacing
    return FrameObjects(
        names.astype(np.int64),
        positions,
        centres,
        sizes,
        diameters,
        lengths / diameters,
        contact,
        centres,
        np.zeros(len(names)),
        np.zeros(len(names), bool),
        drift,
    )


def _outlines(
    now: NDArray[Any], names: NDArray[Any], spacing: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how long objects are, and how much of their outlines lies on others."""
    count = len(names)
    places = np.where(now > 0, np.searchsorted(names, now) + 1, 0)
    boxes = ndimage.find_objects(places)
    sides = np.array([[side.stop - side.start for side in box] for box in boxes])
    lengths = (sides.reshape(count, now.ndim) * spacing).max(axis=1, initial=0.0)
    faces, shared = np.zeros(count + 1), np.zeros(count + 1)
    for axis in range(now.ndim):
        along = np.moveaxis(places, axis, 0)
        one, other = along[:-1], along[1:]
        at = one != other
        for here, there in ((one[at], other[at]), (other[at], one[at])):
            faces += np.bincount(here, minlength=count + 1)
            shared += np.bincount(here[there > 0], minlength=count + 1)
    return lengths, shared[1:] / np.maximum(faces[1:], 1)


def link_tracks(
    frames: Sequence[FrameObjects],
    config: TrackConfig,
    fixed: FixedLinks | None = None,
) -> tuple[list[NDArray[np.int64]], dict[int, list[int]]]:
    """Return the id of each object of each frame, 0 for none, and the graph.

    Links that are `fixed` are made whatever they cost.
    """
    fixed = fixed or FixedLinks()
    seen = Appearances.of(frames)
    links = link_costs(seen, config)
    none = np.zeros(0, np.int64)
    divisions = Divisions(none, none, none, np.zeros(0))
    if config.divisions:
        divisions = division_costs(seen, config)
    places = [(t, i) for t, one in enumerate(frames) for i in range(len(one.names))]
    if fixed:
        links, divisions = _not_fixed(links, divisions, places, fixed)
    held, divided = choose(len(seen), links, divisions)
    heads = np.full(len(seen), -1)
    order = np.argsort(links.before[held])
    before, after = links.before[held][order], links.after[held][order]
    number = {place: n for n, place in enumerate(places)}
    after_of = dict(zip(before.tolist(), after.tolist(), strict=True))
    after_of |= {number[one]: number[two] for one, two in fixed.continued.items()}
    parents = {
        int(child): int(divisions.parent[k])
        for k in divided.tolist()
        for child in (divisions.one[k], divisions.other[k])
    }
    parents |= {number[one]: number[two] for one, two in fixed.divisions.items()}
    tracks = _follow(after_of, len(seen))
    for track in tracks:
        heads[track] = track[0]
    related = {*parents, *(int(heads[parent]) for parent in parents.values())}
    kept = [
        track
        for track in tracks
        if len(track) >= config.min_length or track[0] in related
    ]
    ids = np.zeros(len(seen), np.int64)
    for name, track in enumerate(kept, start=1):
        ids[track] = name
    graph = {
        int(ids[child]): [int(ids[parent])] for child, parent in sorted(parents.items())
    }
    parts = [ids[a:b] for a, b in zip(seen.first, seen.first[1:], strict=False)]
    return parts, dict(sorted(graph.items()))


def _follow(after_of: dict[int, int], count: int) -> list[list[int]]:
    """Return the chains of `count` objects, each from its first to its last one."""
    tracks: list[list[int]] = []
    for head in sorted(set(range(count)) - set(after_of.values())):
        track = [head]
        while track[-1] in after_of:
            track.append(after_of[track[-1]])
        tracks.append(track)
    return tracks


def _not_fixed(
    links: Links,
    divisions: Divisions,
    places: Sequence[Place],
    fixed: FixedLinks,
) -> tuple[Links, Divisions]:
    """Return the links and divisions between objects that nothing is decided of."""
    gone = np.array([place in fixed.used for place in places], bool)
    come = np.array([place in fixed.origins for place in places], bool)
    free = ~gone[links.before] & ~come[links.after]
    taken = gone[divisions.parent] | come[divisions.one] | come[divisions.other]
    return (
        Links(links.before[free], links.after[free], links.gain[free]),
        Divisions(
            divisions.parent[~taken],
            divisions.one[~taken],
            divisions.other[~taken],
            divisions.gain[~taken],
        ),
    )
