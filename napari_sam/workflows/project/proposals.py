"""What a model proposes for the images of a project: kept, accepted, rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.io.images import read_image
from napari_sam.io.label_images import write_labels
from napari_sam.ops.label_changes import as_labels
from napari_sam.ops.labels import next_free_label
from napari_sam.workflows.project.state import ObjectNote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.workflows.project.log import ProjectLog
    from napari_sam.workflows.project.store import LabelStore

__all__ = ["Proposals"]


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

    def propose(
        self, name: str, labels: ArrayLike, uncertainty: float, model: str
    ) -> None:
        """Keep what a model proposes for an image.

        Parameters
        ----------
        name
            The image.
        labels
            (H, W) integers, one for each proposed object.
        uncertainty
            0 to 1.
        model
            Its name.
        """
        state = self._log.check(name)
        found = as_labels(labels)
        file = self._log.new_file("proposals", name)
        try:
            write_labels(self._log.inside(file, "proposals"), found)
            with self._log.write_lock:
                earlier = state.proposals
                self._log.write(
                    {
                        "event": "proposed",
                        "image": name,
                        "file": file,
                        "count": len(np.unique(found[found > 0])),
                        "uncertainty": float(uncertainty),
                        "model": self._log.short_model(model),
                    }
                )
        except BaseException:
            self._log.forget_file(file)
            raise
        self._log.forget_file(earlier)

    def open_ones(self, name: str) -> NDArray[np.int32]:
        """Return the (H, W) proposals that are open: not rejected, and not covered.

        A proposal with more than half of its pixels on objects is covered. Where the
        file of the proposals cannot be read, there are none.
        """
        state = self._log.check(name)
        labels = self._store.labels(name)
        with self._log.state_lock:
            file, closed = state.proposals, set(state.closed)
        if not file:
            return np.zeros_like(labels)
        try:
            found = as_labels(read_image(self._log.inside(file, "proposals")))
        except (OSError, ValueError):
            found = np.zeros((0, 0), np.int32)
        if found.shape != labels.shape:
            return np.zeros_like(labels)
        numbers, place = np.unique(found, return_inverse=True)
        place = place.reshape(found.shape)
        areas = np.bincount(place.ravel(), minlength=len(numbers))
        taken = np.bincount(place[labels > 0], minlength=len(numbers))
        is_closed = (taken > areas / 2) | np.isin(numbers, [0, *closed])
        found[is_closed[place]] = 0
        return found

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
            proposals, labels = self.open_ones(name), self._store.labels(name)
            numbers_open = np.unique(proposals)
            chosen = [
                n for n in numbers_open if n > 0 and (which is None or n in which)
            ]
            if not chosen:
                return 0
            highest = int(labels.max(initial=0))
            next_free_label([highest + len(chosen) - 1], np.int32)
            given = np.arange(highest + 1, highest + 1 + len(chosen))
            numbers = np.zeros(len(numbers_open), np.int32)
            numbers[np.searchsorted(numbers_open, chosen)] = given
            added = numbers[np.searchsorted(numbers_open, proposals)]
            new = np.where(labels == 0, added, labels)
            notes = {int(number): ObjectNote(source="accepted") for number in given}
            return self._store.save(
                name, new, notes=notes, seconds=seconds, closed=chosen
            )

    def reject(self, name: str, which: Sequence[int] | None = None) -> None:
        """Close proposals; None: all that are open.

        Raises
        ------
        OSError
            If it cannot be written; the project is as before.
        """
        numbers_open = np.unique(self.open_ones(name))
        chosen = [
            int(n) for n in numbers_open if n > 0 and (which is None or n in which)
        ]
        if chosen:
            self._log.write({"event": "rejected", "image": name, "which": chosen})

    def undecided(self, name: str) -> int:
        """Count the proposals of an image that are neither accepted nor rejected."""
        return int(np.count_nonzero(np.unique(self.open_ones(name))))
