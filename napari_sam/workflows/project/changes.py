"""A change of the labels of an image, as its journal describes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam.ops.label_changes import changed_labels, describe_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.ops.label_planes import LabelPlanes

__all__ = ["LabelChange"]


@dataclass(frozen=True, eq=False)
class LabelChange:
    """From some labels to others.

    Attributes
    ----------
    new
        The labels afterwards.
    by_plane
        Which objects changed on each plane, by its indices.
    objects
        All of them, rising.
    gone
        Those that have no pixel left on any plane.
    """

    new: LabelPlanes
    by_plane: Mapping[tuple[int, ...], list[int]]
    objects: list[int]
    gone: list[int]

    @classmethod
    def of(
        cls,
        old: LabelPlanes,
        changed: Mapping[tuple[int, ...], NDArray[np.int32]],
    ) -> LabelChange:
        """Find out which objects change where planes are replaced."""
        new = old.with_planes(changed)
        by_plane = {
            at: changed_labels(old.plane(at), values) for at, values in changed.items()
        }
        objects = sorted({label for here in by_plane.values() for label in here})
        there = new.objects() if objects else set()
        return cls(new, by_plane, objects, [n for n in objects if n not in there])

    @property
    def remaining(self) -> list[int]:
        """The objects that changed and have pixels."""
        gone = set(self.gone)
        return [label for label in self.objects if label not in gone]

    @property
    def size(self) -> int:
        """Count the objects that changed, once for each plane."""
        return sum(map(len, self.by_plane.values()))

    def described(self) -> dict[str, Any]:
        """Return the fields of the event that describes it."""
        planes = []
        for at, labels in self.by_plane.items():
            held = self.new.planes.get(at)
            here = {} if held is None else held.areas
            objects = describe_objects(
                self.new.plane(at), [label for label in labels if label in here]
            )
            gone = [label for label in labels if label not in here]
            planes.append({"at": list(at), "objects": objects, "gone": gone})
        if len(self.new.shape) == 2:
            return {
                "event": "labels",
                "objects": planes[0]["objects"] if planes else {},
            }
        return {"event": "planes", "planes": planes}
