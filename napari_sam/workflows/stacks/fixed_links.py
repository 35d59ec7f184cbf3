"""Links of a film that are decided on, so that linking only looks for the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["FixedLinks", "Place"]

Place = tuple[int, int]
"""An object as (frame, row in the frame)."""


@dataclass(frozen=True)
class FixedLinks:
    """Where some objects come from.

    Attributes
    ----------
    origins
        The object before, of the same track or the parent; None where an object
        appears.
    daughters
        Those of them that are daughters of their origin.
    ended
        Objects that no other one may come from.
    """

    origins: Mapping[Place, Place | None] = field(default_factory=dict)
    daughters: frozenset[Place] = frozenset()
    ended: frozenset[Place] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.origins or self.ended)

    @cached_property
    def used(self) -> frozenset[Place]:
        """Objects from which nothing else may come."""
        return self.ended | {o for o in self.origins.values() if o is not None}

    @cached_property
    def continued(self) -> dict[Place, Place]:
        """The object after each one that goes on as it."""
        return {
            origin: place
            for place, origin in self.origins.items()
            if origin is not None and place not in self.daughters
        }

    @cached_property
    def divisions(self) -> dict[Place, Place]:
        """The origin of each daughter."""
        pairs = ((place, self.origins.get(place)) for place in self.daughters)
        return {place: origin for place, origin in pairs if origin is not None}

    @cached_property
    def _by_frames(self) -> dict[tuple[int, int], list[tuple[Place, Place]]]:
        found: dict[tuple[int, int], list[tuple[Place, Place]]] = {}
        for origin, place in self.continued.items():
            found.setdefault((origin[0], place[0]), []).append((origin, place))
        return found

    def between(self, frame: int, later: int) -> list[tuple[Place, Place]]:
        """Return the objects of a frame that go on in another, with what they are."""
        return self._by_frames.get((frame, later), [])

    def free(self, pairs: list[tuple[Place, Place]]) -> NDArray[np.bool_]:
        """Return which pairs of objects may still be linked."""
        used, origins = self.used, self.origins
        free = [one not in used and other not in origins for one, other in pairs]
        return np.array(free, np.bool_)
