"""What a correction of tracks has changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam.workflows.stacks.lineage import Lineage

__all__ = ["TrackEdit", "compare_lineages"]


@dataclass(frozen=True)
class TrackEdit:
    """What a correction has changed.

    Attributes
    ----------
    tracks
        Those that have other frames or another parent than before, and are still
        there.
    made
        Numbers of new tracks.
    gone
        Numbers of tracks that are there no longer.
    frames
        Those whose labels changed.
    """

    tracks: tuple[int, ...] = ()
    made: tuple[int, ...] = ()
    gone: tuple[int, ...] = ()
    frames: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.tracks or self.made or self.gone)


def compare_lineages(before: Lineage, after: Lineage) -> TrackEdit:
    """Tell two lineages apart."""
    old, new = before.frames, after.frames
    both = old.keys() & new.keys()
    changed = {
        one
        for one in both
        if old[one] != new[one] or before.parents.get(one) != after.parents.get(one)
    }
    frames = {
        t
        for one in old.keys() | new.keys()
        for t in set(old.get(one, ())) ^ set(new.get(one, ()))
    }
    return TrackEdit(
        tuple(sorted(changed)),
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
        tuple(sorted(frames)),
    )
