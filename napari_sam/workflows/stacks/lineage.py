"""Who is who in a film: the frames of each track, and which track came from which.

A lineage is a value. It says nothing of pixels: what it calls a track is a number in
the labels, and an object is a track in one frame. Each object has an *origin*, the
object before it: of the same track, of the parent where a track begins by a division,
or none where it appears.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from napari_sam.ops.message_text import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Lineage", "Node"]

Node = tuple[int, int]
"""An object of a film: its frame, and its track."""


@dataclass(frozen=True)
class Lineage:
    """The tracks of a film and their relatives.

    Attributes
    ----------
    frames
        The frames in which each track is seen, ascending; frames that are missing
        between them are a gap.
    parents
        The parent of each track that has one. A parent ends before its daughters
        begin.
    fixed
        Objects, as (frame, track), whose origin somebody has decided on: tracking
        again leaves it as it is.

    Examples
    --------
    >>> from napari_sam import Lineage
    >>> lineage = Lineage({1: (0, 1), 2: (2, 4), 3: (2, 3)}, {2: 1, 3: 1})
    >>> lineage.daughters(1), lineage.gaps(2), lineage.origin((2, 3))
    ((2, 3), ((2, 4),), (1, 1))
    """

    frames: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    parents: Mapping[int, int] = field(default_factory=dict)
    fixed: frozenset[Node] = frozenset()

    @classmethod
    def of(
        cls,
        present: Mapping[int, Iterable[int]],
        graph: Mapping[int, Sequence[int]] | None = None,
        fixed: Iterable[Node] = (),
    ) -> tuple[Lineage, tuple[str, ...]]:
        """Return the lineage of labels, and what of the graph does not fit them.

        Parameters
        ----------
        present
            The tracks in each frame.
        graph
            {daughter: [parent]}, as napari's Tracks layer has it.
        fixed
            Objects whose origin somebody has decided on; those that are not there are
            left out.
        """
        frames: dict[int, list[int]] = {}
        for t in sorted(present):
            for track in present[t]:
                frames.setdefault(int(track), []).append(t)
        seen = {track: tuple(at) for track, at in sorted(frames.items())}
        parents: dict[int, int] = {}
        notes = []
        for daughter, given in sorted((graph or {}).items()):
            several = [int(one) for one in _as_list(given)]
            note = _why_not(int(daughter), several, seen)
            if note:
                notes.append(note)
            elif several:
                parents[int(daughter)] = several[0]
        there = {(t, track) for track, at in seen.items() for t in at}
        return cls(seen, parents, frozenset(fixed) & there), tuple(notes)

    def __len__(self) -> int:
        return len(self.frames)

    def __contains__(self, track: object) -> bool:
        return track in self.frames

    @property
    def graph(self) -> dict[int, list[int]]:
        """{daughter: [parent]}, as napari's Tracks layer wants it."""
        return {daughter: [parent] for daughter, parent in self.parents.items()}

    @property
    def divisions(self) -> int:
        """How many tracks divided."""
        return sum(count > 1 for count in Counter(self.parents.values()).values())

    @property
    def largest(self) -> int:
        """The largest number of a track; 0 where there is none."""
        return max(self.frames, default=0)

    def daughters(self, track: int) -> tuple[int, ...]:
        """Return the tracks that came from a track, ascending."""
        return tuple(sorted(d for d, p in self.parents.items() if p == track))

    def family(self, track: int) -> tuple[int, ...]:
        """Return a track and all its relatives: the first parent's descendants."""
        while track in self.parents:
            track = self.parents[track]
        found, left = [], [track]
        while left:
            one = left.pop()
            found.append(one)
            left += self.daughters(one)
        return tuple(sorted(found))

    def gaps(self, track: int) -> tuple[tuple[int, int], ...]:
        """Return the last frame before, and the first after, each gap of a track."""
        at = self.frames[track]
        return tuple((one, other) for one, other in pairwise(at) if other > one + 1)

    def before(self, track: int, frame: int) -> int | None:
        """Return the last frame of a track before a frame; None for none."""
        return max((t for t in self.frames[track] if t < frame), default=None)

    def after(self, track: int, frame: int) -> int | None:
        """Return the first frame of a track at a frame or after; None for none."""
        return min((t for t in self.frames[track] if t >= frame), default=None)

    def origin(self, node: Node) -> Node | None:
        """Return the object before an object; None where it appears."""
        t, track = node
        before = self.before(track, t)
        if before is not None:
            return before, track
        parent = self.parents.get(track)
        return None if parent is None else (self.frames[parent][-1], parent)

    def origins_among(
        self, found: Mapping[Node, Node | None]
    ) -> dict[Node, Node | None]:
        """Return the origins of objects that were found, where both are still there."""
        there = self.origins()
        return {
            node: origin
            for node, origin in found.items()
            if node in there and (origin is None or origin in there)
        }

    def origins(self, tracks: Iterable[int] | None = None) -> dict[Node, Node | None]:
        """Return the origin of every object, or of those of some tracks."""
        found: dict[Node, Node | None] = {}
        for track in self.frames if tracks is None else tracks:
            at = self.frames.get(track, ())
            parent = self.parents.get(track)
            before = None if parent is None else (self.frames[parent][-1], parent)
            for t in at:
                found[t, track] = before
                before = (t, track)
        return found


def _as_list(parents: int | Sequence[int]) -> Sequence[int]:
    return [parents] if isinstance(parents, int) else parents


def _why_not(
    daughter: int, parents: Sequence[int], seen: Mapping[int, tuple[int, ...]]
) -> str:
    """Say why labels do not hold what a graph says of a track; "" if they do."""
    if not parents:
        return ""
    if daughter not in seen:
        return f"Track {daughter} of the graph is not in the labels."
    if len(parents) > 1:
        return (
            f"Track {daughter} has the parents {listed(parents)}, and a track comes "
            "from one: it begins without."
        )
    (parent,) = parents
    if parent not in seen:
        return f"Track {daughter} begins without a parent: {parent} is not there."
    if seen[parent][-1] >= seen[daughter][0]:
        return (
            f"Track {daughter} begins in frame {seen[daughter][0]}, and its parent "
            f"{parent} ends in frame {seen[parent][-1]}, not before: it begins without."
        )
    return ""
