"""Which objects are on a canvas, and on which of its planes.

The canvas is the truth about objects: an object is a number on it, whoever drew it.
The index counts the pixels of each number, plane by plane, and sees by a digest which
planes have changed since, so that looking again costs little.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.ops.labels import count_labels
from napari_sam.ops.planes import Plane

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from numpy.typing import NDArray

    from napari_sam.ops.types import IsCancelled
    from napari_sam.workflows.session.label_canvas import LabelCanvas

__all__ = ["ObjectIndex", "PlaneCounts", "count_planes", "planes_of_array"]


@dataclass(frozen=True)
class PlaneCounts:
    """What is on one plane.

    Attributes
    ----------
    digest
        Of all its labels.
    pixels
        How many pixels each label above 0 has.
    """

    digest: int
    pixels: dict[int, int]


def planes_of_array(shape: tuple[int, ...]) -> Iterator[Plane]:
    """Yield the planes of the last two axes of an array, in order."""
    for index in np.ndindex(*shape[:-2]):
        yield Plane((*index, None, None))


def count_planes(
    canvas: LabelCanvas,
    planes: Iterable[Plane],
    known: dict[Plane, PlaneCounts],
    is_cancelled: IsCancelled | None = None,
) -> dict[Plane, PlaneCounts]:
    """Count planes that are not as they are known; fit for another thread.

    Returns
    -------
    dict
        Those that changed.
    """
    changed: dict[Plane, PlaneCounts] = {}
    for plane in planes:
        if is_cancelled is not None and is_cancelled():
            break
        labels, digest = _read(canvas, plane)
        before = known.get(plane)
        if before is None or before.digest != digest:
            changed[plane] = PlaneCounts(digest, count_labels(labels))
    return changed


def _read(canvas: LabelCanvas, plane: Plane) -> tuple[NDArray[Any], int]:
    """Return the labels of a plane, and their digest."""
    labels = np.ascontiguousarray(canvas.read(plane))
    return labels, xxhash.xxh3_64_intdigest(labels.data)


class ObjectIndex:
    """Counts of all labels of a canvas.

    Parameters
    ----------
    canvas
        Where the labels are. Nothing is read before `refresh`.

    Attributes
    ----------
    version
        Grows with every change.
    """

    def __init__(self, canvas: LabelCanvas) -> None:
        self._canvas = canvas
        self._planes: dict[Plane, PlaneCounts] = {}
        self._areas: dict[int, int] = {}
        self.version = 0

    @property
    def labels(self) -> frozenset[int]:
        """The labels that have a pixel, on the planes counted so far."""
        return frozenset(self._areas)

    def __contains__(self, label: int) -> bool:
        return label in self._areas

    def area(self, label: int) -> int:
        """Return the pixels of a label on all planes, 0 for none."""
        return self._areas.get(label, 0)

    def digest(self, plane: Plane) -> int | None:
        """Return the digest of a plane as it was counted last; None if it was not."""
        counts = self._planes.get(plane)
        return None if counts is None else counts.digest

    def planes_of(self, label: int) -> list[Plane]:
        """Return the planes of the last two axes on which a label lies, in order."""
        found = [plane for plane, here in self._planes.items() if label in here.pixels]
        return sorted(found, key=lambda plane: plane.index[:-2])

    def digests(self) -> dict[Plane, int]:
        """Return a digest of the labels of each plane that was counted."""
        return {plane: counts.digest for plane, counts in self._planes.items()}

    def by_plane(self, labels: Collection[int]) -> dict[Plane, list[int]]:
        """Return which of the labels lie on each plane, without empty planes."""
        wanted = frozenset(labels)
        found = {}
        for plane in sorted(self._planes, key=lambda plane: plane.index[:-2]):
            here = sorted(wanted & self._planes[plane].pixels.keys())
            if here:
                found[plane] = here
        return found

    def first_planes(self) -> dict[int, Plane]:
        """Return the first of the planes on which each label lies."""
        found: dict[int, Plane] = {}
        for plane in sorted(self._planes, key=lambda plane: plane.index[:-2]):
            for label in self._planes[plane].pixels:
                found.setdefault(label, plane)
        return found

    @property
    def highest(self) -> int:
        """The highest label, 0 for none."""
        return max(self._areas, default=0)

    def refresh(self, planes: Iterable[Plane] | None = None) -> set[Plane]:
        """Look at planes again, all of them by default.

        Returns
        -------
        set of Plane
            Those that have changed since.
        """
        looked_at = planes_of_array(self._canvas.shape) if planes is None else planes
        changed = count_planes(self._canvas, looked_at, self._planes)
        self.take(changed)
        return set(changed)

    def is_true(self, plane: Plane) -> bool:
        """Whether a plane was counted, and has not changed since."""
        known = self._planes.get(plane)
        return known is not None and known.digest == _read(self._canvas, plane)[1]

    def recount(
        self, plane: Plane, before: NDArray[Any], after: NDArray[Any]
    ) -> PlaneCounts:
        """Count a plane by what was written there; cheaper than all of it.

        Parameters
        ----------
        plane
            For which `is_true` held before that.
        before, after
            (N,) labels of all pixels that were written, each pixel once.

        Returns
        -------
        PlaneCounts
            To be given to `take`.
        """
        pixels = dict(self._planes[plane].pixels)
        for values, sign in ((before, -1), (after, 1)):
            for label, count in count_labels(values).items():
                pixels[label] = pixels.get(label, 0) + sign * count
        kept = {label: count for label, count in sorted(pixels.items()) if count}
        return PlaneCounts(_read(self._canvas, plane)[1], kept)

    def take(self, changed: dict[Plane, PlaneCounts]) -> None:
        """Take counts that were made elsewhere."""
        changed = {p: n for p, n in changed.items() if n.digest != self.digest(p)}
        self.version += bool(changed)
        for plane, counts in changed.items():
            before = self._planes.get(plane)
            for label, count in ({} if before is None else before.pixels).items():
                self._add(label, -count)
            for label, count in counts.pixels.items():
                self._add(label, count)
            self._planes[plane] = counts

    def _add(self, label: int, count: int) -> None:
        total = self._areas.get(label, 0) + count
        if total:
            self._areas[label] = total
        else:
            del self._areas[label]
