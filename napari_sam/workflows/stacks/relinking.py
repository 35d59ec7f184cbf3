"""Linking a film again where some links are decided on already."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.workflows.progress import Steps
from napari_sam.workflows.stacks.fixed_links import FixedLinks, Place
from napari_sam.workflows.stacks.track_linking import (
    FrameObjects,
    describe_frame,
    link_tracks,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from numpy.typing import NDArray

    from napari_sam.configs import TrackConfig
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.lineage import Lineage, Node

__all__ = ["find_origins"]


def find_origins(
    read: Callable[[int], NDArray[Any]],
    frames: range,
    lineage: Lineage,
    free: Collection[Node],
    config: TrackConfig,
    progress: Progress | None = None,
) -> dict[Node, Node | None]:
    """Find out where some objects come from, while all others keep their origin.

    Parameters
    ----------
    read
        Returns the labels of a frame, whose numbers are the tracks of the lineage.
    frames
        Those that are looked at. An object of `free` comes from one of them.
    lineage
        The tracks as they are.
    free
        Objects, as (frame, track), whose origin is looked for.
    config
        What may be the same object, with a spacing for each axis of a frame.
    progress
        Steps are frames.

    Returns
    -------
    dict
        The origin of each object of `free`; None where it appears.

    Raises
    ------
    Cancelled
        If `progress.is_cancelled` answered True.
    """
    described = _describe(read, frames, config, progress)
    rows = {
        (t, int(name)): (place, row)
        for place, (t, frame) in enumerate(zip(frames, described, strict=True))
        for row, name in enumerate(frame.names)
    }
    nodes = {place: node for node, place in rows.items()}
    wanted = {node for node in free if node in rows}
    fixed = _fixed(lineage, rows, wanted)
    config = config.model_copy(update={"min_length": 1})  # no object may be lost
    ids, graph = link_tracks(described, config, fixed)
    last: dict[int, Node] = {}
    first: dict[int, Node] = {}
    found: dict[Node, Node | None] = {}
    for place, numbers in enumerate(ids):
        for row, number in enumerate(numbers.tolist()):
            node = nodes[place, row]
            if number in last:
                found[node] = last[number]
            else:
                first[number] = node
            last[number] = node
    for number, node in first.items():
        parents = graph.get(number)
        found[node] = last[parents[0]] if parents else None
    return {node: found[node] for node in wanted}


def _describe(
    read: Callable[[int], NDArray[Any]],
    frames: range,
    config: TrackConfig,
    progress: Progress | None,
) -> list[FrameObjects]:
    steps = Steps("tracking", progress)
    described: list[FrameObjects] = []
    last: NDArray[Any] | None = None
    for place, t in enumerate(frames):
        steps.before(len(frames) - place)
        now = read(t)
        spacing = np.ones(now.ndim)
        if config.spacing is not None:
            spacing = np.asarray(config.spacing, np.float64)
        before = described[-1] if described else None
        described.append(describe_frame(now, last, before, spacing, config.drift))
        last = now
    steps.finish()
    return described


def _fixed(
    lineage: Lineage, rows: Mapping[Node, Place], free: Collection[Node]
) -> FixedLinks:
    """Return the origins that stay, in the frames that are looked at."""
    origins: dict[Place, Place | None] = {}
    links: dict[Node, Node] = {}
    ended = set()
    for node, origin in lineage.origins().items():
        if node in free:
            continue
        if origin is not None and origin in rows and node not in rows:
            ended.add(rows[origin])  # it goes on in a frame that is not looked at
        if node not in rows:
            continue
        origins[rows[node]] = None if origin is None else rows.get(origin)
        if origin is not None:
            links[node] = origin
    counts = Counter(links.values())
    daughters = {
        rows[node]
        for node, origin in links.items()
        if origin in rows and (counts[origin] > 1 or _is_lone(lineage, node, origin))
    }
    return FixedLinks(origins, frozenset(daughters), frozenset(ended))


def _is_lone(lineage: Lineage, node: Node, origin: Node) -> bool:
    """Whether an object begins as the only daughter of its parent."""
    return node[1] != origin[1] and len(lineage.daughters(origin[1])) == 1
