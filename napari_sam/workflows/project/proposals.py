"""What a model proposes for the images of a project: kept, accepted, rejected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.label_planes import LabelPlanes
from napari_sam.ops.labels import count_labels, next_free_label
from napari_sam.ops.lru import BoundedCache
from napari_sam.workflows.project.label_file import read_label_file, write_label_file
from napari_sam.workflows.project.state import ObjectNote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam.workflows.objects.preannotate import Preannotation
    from napari_sam.workflows.project.log import ProjectLog
    from napari_sam.workflows.project.store import LabelStore

__all__ = ["Proposals"]

_MAX_FILES_HELD = 2
"""Files of proposals of which the labels stay in memory."""

Place = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Proposed:
    """Proposals as a model made them, and on which planes each of them lies."""

    labels: LabelPlanes
    areas: dict[int, int] = field(default_factory=dict)
    places: dict[int, list[Place]] = field(default_factory=dict)

    @classmethod
    def of(cls, labels: LabelPlanes) -> _Proposed:
        places: dict[int, list[Place]] = {}
        for at, held in labels.planes.items():
            for label in held.areas:
                places.setdefault(label, []).append(at)
        return cls(labels, labels.areas(), places)

    def planes_of(self, chosen: Iterable[int]) -> set[Place]:
        return {at for label in chosen for at in self.places.get(label, ())}


class Proposals:
    """The proposals for the images of a project.

    Parameters
    ----------
    log
        The journal of the project.
    store
        Its labels.
    """

    def __init__(self, log: ProjectLog, store: LabelStore) -> None:
        self._log = log
        self._store = store
        self._read: BoundedCache[str, _Proposed]
        self._read = BoundedCache(max_items=_MAX_FILES_HELD)

    def propose(self, name: str, found: Preannotation, model: str) -> None:
        """Keep what a model proposes for an image.

        Parameters
        ----------
        name
            The image.
        found
            Labels of the image's shape, and how unsure the model is.
        model
            Its name.

        Raises
        ------
        ValueError
            If they are no labels.
        OSError
            If they cannot be written; the project is as before.
        """
        state = self._log.check(name)
        labels = LabelPlanes.of(np.asarray(found.labels))
        file = self._log.new_file("proposals", name)
        objects = {str(n): float(u) for n, u in found.objects_uncertainty.items()}
        try:
            write_label_file(self._log.inside(file, "proposals"), labels)
            with self._log.write_lock:
                earlier = state.proposals
                entry: dict[str, Any] = {
                    "event": "proposed",
                    "image": name,
                    "file": file,
                    "count": len(labels.objects()),
                    "uncertainty": float(found.uncertainty),
                    "model": self._log.short_model(model),
                }
                if objects:
                    entry["objects"] = objects
                if found.planes_uncertainty:
                    entry["planes"] = [float(u) for u in found.planes_uncertainty]
                self._log.write(entry)
        except BaseException:
            self._log.forget_file(file)
            raise
        with self._log.state_lock:
            self._read.put(file, _Proposed.of(labels))
        self._log.forget_file(earlier)

    def _proposed(self, name: str) -> _Proposed | None:
        """Return what was proposed for an image; None where that cannot be read."""
        file = self._log.check(name).proposals
        if not file:
            return None
        with self._log.state_lock:
            known = self._read.get(file)
        if known is None:
            try:
                labels = read_label_file(self._log.inside(file, "proposals"))
            except (OSError, ValueError):
                return None
            known = _Proposed.of(labels)
            with self._log.state_lock:
                self._read.put(file, known)
        return known

    def open_labels(self, name: str) -> dict[int, float]:
        """Return the proposals that are open, and how unsure the model is of each.

        They are those that are neither rejected nor covered. A proposal with more than
        half of its pixels on objects is covered. Where the file of the proposals cannot
        be read, there are none.
        """
        state, found = self._log.check(name), self._proposed(name)
        if found is None:
            return {}
        labels = self._store.planes(name)
        if found.labels.shape != labels.shape:
            return {}
        covered: dict[int, int] = {}
        for at, held in found.labels.planes.items():
            drawn = labels.planes.get(at)
            if drawn is None:
                continue
            there = count_labels(held.values[drawn.values > 0])
            for label, count in there.items():
                covered[label] = covered.get(label, 0) + count
        with self._log.state_lock:
            closed, unsure = set(state.closed), dict(state.objects_uncertainty)
        return {
            label: unsure.get(label, state.uncertainty or 0.0)
            for label, area in sorted(found.areas.items())
            if label not in closed and covered.get(label, 0) <= area / 2
        }

    def open_planes(self, name: str) -> LabelPlanes:
        """Return the proposals that are open as labels, plane by plane."""
        empty = LabelPlanes(self._store.planes(name).shape)
        found, is_open = self._proposed(name), self.open_labels(name)
        if found is None or not is_open:
            return empty
        shut = found.areas.keys() - is_open.keys()
        changed = {}
        for at in found.planes_of(shut):
            values = found.labels.plane(at).copy()
            values[np.isin(values, list(shut))] = 0
            changed[at] = values
        return found.labels.with_planes(changed)

    def open_ones(self, name: str) -> NDArray[np.int32]:
        """Return the proposals that are open, shaped as the labels of the image."""
        return self.open_planes(name).dense()

    def best_plane(self, name: str, label: int) -> Place | None:
        """Return the plane on which a proposal is largest; None if there is none."""
        found = self._proposed(name)
        if found is None or label not in found.places:
            return None

        def area(at: Place) -> int:
            return found.labels.planes[at].areas[label]

        return max(found.places[label], key=area)

    def unsure(self, name: str) -> list[int]:
        """List the proposals that are open, the least sure one first."""
        is_open = self.open_labels(name)
        return sorted(is_open, key=lambda label: (-is_open[label], label))

    def unsure_planes(self, name: str) -> list[Place]:
        """List the planes of a stack, that of which the model is least sure first.

        Planes on which it saw nothing are left out; empty where it was not asked.
        """
        unsure = self._log.check(name).planes_uncertainty
        places = list(self._store.planes(name).indices())
        if len(unsure) != len(places):
            return []
        order = sorted(range(len(places)), key=lambda n: (-unsure[n], n))
        return [places[number] for number in order if unsure[number] > 0]

    def accept(
        self, name: str, which: Sequence[int] | None = None, seconds: float = 0.0
    ) -> int:
        """Make proposals objects; they get the pixels that are free.

        Parameters
        ----------
        name
            The image.
        which
            Labels among the proposals; None: all that are open.
        seconds
            Of the user's time.

        Returns
        -------
        How many objects there are more.

        Raises
        ------
        ValueError
            If no number is left for another object.
        OSError
            If it cannot be written; the project is as before.
        """
        with self._log.write_lock:
            chosen = self._chosen(name, which)
            found = self._proposed(name)
            if not chosen or found is None:
                return 0
            labels = self._store.planes(name)
            highest = max(labels.objects(), default=0)
            next_free_label([highest + len(chosen) - 1], np.int32)
            given = range(highest + 1, highest + 1 + len(chosen))
            numbers = dict(zip(chosen, given, strict=True))
            places = found.planes_of(chosen)
            changed = {
                at: _with_accepted(labels.plane(at), found.labels.plane(at), numbers)
                for at in places
            }
            notes = {number: ObjectNote(source="accepted") for number in given}
            return self._store.save_planes(
                name, changed, notes=notes, seconds=seconds, closed=chosen
            )

    def reject(self, name: str, which: Sequence[int] | None = None) -> None:
        """Close proposals; None: all that are open.

        Raises
        ------
        OSError
            If it cannot be written; the project is as before.
        """
        chosen = self._chosen(name, which)
        if chosen:
            self._log.write({"event": "rejected", "image": name, "which": chosen})

    def _chosen(self, name: str, which: Sequence[int] | None) -> list[int]:
        """Return open proposals, rising."""
        is_open = self.open_labels(name)
        return [n for n in is_open if which is None or n in which]

    def undecided(self, name: str) -> int:
        """Count the proposals of an image that are neither accepted nor rejected."""
        return len(self.open_labels(name))


def _with_accepted(
    labels: NDArray[np.int32], proposed: NDArray[np.int32], numbers: Mapping[int, int]
) -> NDArray[np.int32]:
    """Return the labels of a plane with proposals on free pixels, by new numbers."""
    there = np.flatnonzero((proposed > 0) & (labels == 0))
    old, new = (np.array([*one], np.int32) for one in (numbers, numbers.values()))
    values = proposed.ravel()[there]
    place = np.searchsorted(old, values).clip(max=len(old) - 1)
    is_chosen = old[place] == values
    changed = labels.copy()
    changed.ravel()[there[is_chosen]] = new[place[is_chosen]]
    return changed
