"""Labels of a plane, a volume or a film, held plane by plane, the empty ones not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.label_changes import as_labels
from napari_sam.ops.labels import count_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

__all__ = ["LabelPlanes", "LabelledPlane"]


@dataclass(frozen=True, eq=False)
class LabelledPlane:
    """The labels of a plane that has objects.

    Attributes
    ----------
    values
        (H, W) int32; not to be changed.
    areas
        How many pixels each object has, by its label, in rising order.
    """

    values: NDArray[np.int32]
    areas: Mapping[int, int]

    @classmethod
    def of(cls, values: NDArray[np.int32]) -> LabelledPlane:
        """Count the objects of a plane."""
        return cls(values, count_labels(values))


@dataclass(frozen=True, eq=False)
class LabelPlanes:
    """Labels whose planes without objects take no memory, and are not looked at.

    A plane is named by its indices along the axes before it: () of a single plane,
    (z,) of a volume, (t, z) of a film of volumes. Planes are shared between versions of
    labels, so that a change costs what the changed planes cost.

    Attributes
    ----------
    shape
        (..., H, W).
    planes
        Those that have objects, by their indices.

    Examples
    --------
    >>> labels = np.zeros((9, 4, 5), int)
    >>> labels[7, 1:3, 1:3] = 2
    >>> held = LabelPlanes.of(labels)
    >>> list(held.planes), held.objects(), int(held.dense().sum())
    ([(7,)], {2}, 8)
    """

    shape: tuple[int, ...]
    planes: Mapping[tuple[int, ...], LabelledPlane] = field(default_factory=dict)

    @classmethod
    def of(cls, labels: Any) -> LabelPlanes:
        """Hold the labels of an array, which is read plane by plane.

        Raises
        ------
        ValueError
            If they are not whole numbers from 0 to 2**31 - 1, or are no planes.
        """
        empty = cls(_shape_of(labels))
        return empty.with_planes(empty.differing(labels))

    def indices(self) -> Iterator[tuple[int, ...]]:
        """Yield the indices of all planes, in order."""
        yield from np.ndindex(self.shape[:-2])

    def plane(self, at: tuple[int, ...]) -> NDArray[np.int32]:
        """Return the (H, W) labels of a plane; not to be changed."""
        held = self.planes.get(at)
        return np.zeros(self.shape[-2:], np.int32) if held is None else held.values

    def dense(self) -> NDArray[np.int32]:
        """Return all labels, a copy; the system gives empty planes no memory."""
        labels = np.zeros(self.shape, np.int32)
        for at, held in self.planes.items():
            labels[at] = held.values
        return labels

    def objects(self) -> set[int]:
        """Return which labels above 0 there are."""
        found: set[int] = set()
        for held in self.planes.values():
            found.update(held.areas)
        return found

    def areas(self) -> dict[int, int]:
        """Return how many pixels each object has, on all planes."""
        found: dict[int, int] = {}
        for held in self.planes.values():
            for label, area in held.areas.items():
                found[label] = found.get(label, 0) + area
        return found

    def differing(self, labels: Any) -> dict[tuple[int, ...], NDArray[np.int32]]:
        """Return the planes of an array of labels that are not as those here, copies.

        Raises
        ------
        ValueError
            If the shapes differ, or the array holds no labels.
        """
        shape = _shape_of(labels)
        if shape != self.shape:
            raise ValueError(f"labels have shape {shape}, wanted {self.shape}")
        found = {}
        for at in self.indices():
            held = self.planes.get(at)
            new = np.asarray(labels[at])
            if new.any() if held is None else not np.array_equal(new, held.values):
                found[at] = as_labels(new)
        return found

    def differing_from(
        self, other: LabelPlanes
    ) -> dict[tuple[int, ...], NDArray[np.int32]]:
        """Return the planes of other labels that are not as those here.

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        if other.shape != self.shape:
            raise ValueError(f"labels have shape {other.shape}, wanted {self.shape}")
        return {
            at: other.plane(at)
            for at in self.planes.keys() | other.planes.keys()
            if not np.array_equal(self.plane(at), other.plane(at))
        }

    def with_planes(
        self, planes: Mapping[tuple[int, ...], NDArray[np.int32]]
    ) -> LabelPlanes:
        """Return labels with some planes replaced."""
        held = dict(self.planes)
        for at, values in planes.items():
            counted = LabelledPlane.of(values)
            if counted.areas:
                held[at] = counted
            else:
                held.pop(at, None)
        return LabelPlanes(self.shape, held)


def _shape_of(labels: Any) -> tuple[int, ...]:
    shape = tuple(int(length) for length in labels.shape)
    if len(shape) < 2:
        raise ValueError(f"labels have shape {shape}; wanted planes, (..., H, W)")
    return shape
