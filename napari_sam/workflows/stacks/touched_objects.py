"""Which links of a film are to be looked for again where somebody has painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.workflows.stacks.film_labels import FrameTable
    from napari_sam.workflows.stacks.lineage import Lineage, Node

__all__ = ["Unlinked", "lost_divisions", "touched_objects"]

_GROWN = 1.5
"""So many times larger or smaller, an object may be another one."""

_MOVED = 0.25
"""Of its diameter: an object whose centre has moved farther may be another one."""


_NEAR = 2.0
"""Diameters: an object that appears farther away has nothing to do with a change."""


@dataclass(frozen=True, eq=False)
class Unlinked:
    """Objects whose origin is to be looked for again.

    Attributes
    ----------
    objects
        As (frame, track).
    new
        Numbers that no track had before somebody painted with them.
    """

    objects: frozenset[Node] = frozenset()
    new: frozenset[int] = frozenset()

    def with_more(self, objects: Collection[Node], new: Collection[int]) -> Unlinked:
        """Return the same with others; itself where there are none."""
        if not objects:
            return self
        return Unlinked(self.objects.union(objects), self.new.union(new))


def lost_divisions(
    old: Lineage, new: Lineage, before: Mapping[int, FrameTable]
) -> dict[Node, Node | None]:
    """Return origins that bring back divisions which something painted contradicts.

    Who paints with the number of a parent after its division, or of a daughter before
    it, means another object: it is parted from that track, and the division stays.
    """
    there = new.origins()
    origins: dict[Node, Node | None] = {}
    for daughter in old.parents.keys() - new.parents.keys():
        parent = old.parents[daughter]
        first = (old.frames[daughter][0], daughter)
        origin = old.origin(first)
        if first not in there or origin not in there:
            continue
        for one in (parent, daughter):
            known = set(old.frames[one])
            painted = [(t, one) for t in new.frames[one] if t not in known]
            origins |= dict.fromkeys(painted, None)
        origins[first] = origin
    return origins


def touched_objects(
    old: Lineage,
    new: Lineage,
    before: Mapping[int, FrameTable],
    tables: Sequence[FrameTable],
) -> set[Node]:
    """Return the objects whose origin is to be looked for again.

    Parameters
    ----------
    old, new
        The lineage before and after somebody has painted.
    before
        The tables of the frames that changed, as they were.
    tables
        Those of all frames, as they are.

    Returns
    -------
    set of (int, int)
        (frame, track): what has a new number, what changed much, and what may come
        from it. A number that a track had already is one that somebody chose for a new
        object. What was decided on is not among them.
    """
    touched: set[Node] = set()
    gone: set[Node] = set()
    for t, was in before.items():
        now = tables[t]
        gone |= {(t, n) for n in set(was.names.tolist()) - set(now.names.tolist())}
        for row, name in enumerate(now.names.tolist()):
            place = was.place(name)
            if place is None:
                touched |= {(t, name)} if name not in old else set()
            elif _is_another(was, place, now, row):
                touched.add((t, name))
    if not touched and not gone:
        return set()
    origins = old.origins()
    followers = {n for n, o in origins.items() if o in touched | gone}
    there = new.origins()
    places = [_place(tables[t], n) for t, n in touched]
    places += [_place(before[t], n) for t, n in gone]
    near = np.array(places, np.float64)
    reach = {t + 1 for t in before}
    followers |= {
        (t, n)
        for (t, n), origin in there.items()
        if origin is None and t in reach and _is_near(tables[t], n, near)
    }
    free = touched | {node for node in followers if node in there}
    return _whole_divisions(new, free) - new.fixed


def _place(table: FrameTable, name: int) -> NDArray[np.float64]:
    at: NDArray[np.float64] = table.positions[int(np.searchsorted(table.names, name))]
    return at


def _is_near(table: FrameTable, name: int, places: NDArray[np.float64]) -> bool:
    """Whether an object that appears is near to one that somebody has touched."""
    row = int(np.searchsorted(table.names, name))
    ways = np.linalg.norm(places - table.positions[row], axis=1)
    diameter = int(table.sizes[row]) ** (1 / places.shape[1])
    return bool((ways <= _NEAR * diameter).any())


def _is_another(was: FrameTable, place: int, now: FrameTable, row: int) -> bool:
    sizes = int(was.sizes[place]), int(now.sizes[row])
    moved = float(np.linalg.norm(was.positions[place] - now.positions[row]))
    diameter = min(sizes) ** (1 / was.positions.shape[1])
    return max(sizes) > _GROWN * min(sizes) or moved > _MOVED * diameter


def _whole_divisions(lineage: Lineage, free: set[Node]) -> set[Node]:
    """Add the sisters of daughters, so that a division is found or not as a whole."""
    firsts = {d: (lineage.frames[d][0], d) for d in lineage.parents}
    concerned = {lineage.parents[d] for d, first in firsts.items() if first in free}
    sisters = {first for d, first in firsts.items() if lineage.parents[d] in concerned}
    return free | sisters
