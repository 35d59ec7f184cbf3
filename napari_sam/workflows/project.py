"""A folder of images that is annotated bit by bit, as one project on disk.

::

    PROJECT/
      project.json       the images, in order, and the settings
      journal.jsonl      all that happened; what counts
      labels/ID.tif      the labels of each image, written when it is left
      proposals/ID.tif   what the model proposes
      snapshots/         labels of an earlier time, to open large projects quickly
      models/            what was trained here

Every change is in the journal, on the disk, before it is anywhere else; a project
that was killed opens as it was after the last change. Knows no GUI.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.io.atomic import write_atomically
from napari_sam.io.images import read_image
from napari_sam.io.masks import write_labels
from napari_sam.workflows.project_state import (
    Counts,
    ObjectNote,
    Stage,
    choose_stage,
)
from napari_sam.workflows.project_store import FORMAT, ProjectSource, ProjectStore

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Project", "ProjectSource"]


class Project(ProjectStore):
    """An open project; see `create` and `open`.

    Attributes
    ----------
    folder
        Where it is.
    images
        Names of its images, in order.
    """

    @classmethod
    def create(
        cls,
        folder: str | Path,
        images: Iterable[str | Path],
        *,
        model: str = "cells",
        retrain_after: int = 5,
    ) -> Project:
        """Make a project of image files.

        Parameters
        ----------
        folder
            Where it goes; a folder that is no project yet.
        images
            The files, which stay where they are.
        model
            Name or path of the model to begin with.
        retrain_after
            Images after which the model is trained.

        Raises
        ------
        ValueError
            If there is no image, or a project is there already.

        Examples
        --------
        >>> project = Project.create("mine", ["a.tif", "b.tif"])  # doctest: +SKIP
        >>> project.save("a", labels)                             # doctest: +SKIP
        """
        root = Path(folder)
        if (root / "project.json").exists():
            raise ValueError(f"{root} is a project already; open it")
        entries: dict[str, str] = {}
        for path in map(Path, images):
            stem = re.sub(r"[^\w .+-]", "-", path.stem)
            name, number = stem, 2
            while name in entries:
                name, number = f"{stem}-{number}", number + 1
            entries[name] = str(path.resolve())
        if not entries:
            raise ValueError("there is no image to annotate")
        settings = {
            "format": FORMAT,
            "images": entries,
            "model": model,
            "retrain_after": max(1, retrain_after),
        }
        text = json.dumps(settings, indent=1)
        write_atomically(
            root / "project.json", lambda part: part.write_text(text, "utf-8")
        )
        return cls(root)

    @classmethod
    def open(cls, folder: str | Path) -> Project:
        """Open a project as it was after its last change.

        Raises
        ------
        ValueError
            If it is no project, is damaged, or is open elsewhere.
        """
        root = Path(folder)
        if not (root / "project.json").is_file():
            raise ValueError(f"{folder} is no project: it has no project.json")
        return cls(root)

    # --- what the model proposes ----------------------------------------------------

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
        state = self._check(name)
        found = np.asarray(labels)
        file = f"proposals/{name}-{self._seq}.tif"
        write_labels(self.folder / file, found)
        earlier = state.proposals
        self._write(
            {
                "event": "proposed",
                "image": name,
                "file": file,
                "count": len(np.unique(found[found > 0])),
                "uncertainty": float(uncertainty),
                "model": model,
            }
        )
        if earlier:
            (self.folder / earlier).unlink(missing_ok=True)

    def proposals(self, name: str) -> NDArray[np.int32]:
        """Return the (H, W) proposals that are open: not rejected, and not covered.

        A proposal with more than half of its pixels on objects is covered.
        """
        state = self._check(name)
        labels = self.labels(name)
        if not state.proposals:
            return np.zeros_like(labels)
        found = read_image(self.folder / state.proposals).astype(np.int32)
        count = int(found.max(initial=0)) + 1
        areas = np.bincount(found.ravel(), minlength=count)
        taken = np.bincount(found[labels > 0], minlength=count)
        closed = taken > areas / 2
        closed[0] = True
        closed[[n for n in state.closed if n < count]] = True
        found[closed[found]] = 0
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
        """
        proposals, labels = self.proposals(name), self.labels(name)
        open_ones = np.unique(proposals)
        chosen = [n for n in open_ones if n > 0 and (which is None or n in which)]
        if not chosen:
            return 0
        numbers = np.zeros(int(open_ones.max()) + 1, np.int32)
        first = int(labels.max(initial=0)) + 1
        numbers[chosen] = np.arange(first, first + len(chosen))
        added = numbers[proposals]
        new = np.where(labels == 0, added, labels)
        notes = {int(numbers[n]): ObjectNote(source="accepted") for n in chosen}
        return self.save(name, new, notes=notes, seconds=seconds, closed=chosen)

    def reject(self, name: str, which: Sequence[int] | None = None) -> None:
        """Close proposals; None: all that are open."""
        open_ones = np.unique(self.proposals(name))
        chosen = [int(n) for n in open_ones if n > 0 and (which is None or n in which)]
        if chosen:
            self._write({"event": "rejected", "image": name, "which": chosen})

    # --- how far it is ------------------------------------------------------------

    def finish(self, name: str) -> None:
        """Say that every object of an image is labelled."""
        self._check(name)
        self._write({"event": "status", "image": name, "status": "done"})
        self.leave(name)

    def reopen(self, name: str) -> None:
        """Say that an image is not done after all."""
        self._check(name)
        self._write({"event": "status", "image": name, "status": "started"})

    def note_training(self, model: str | Path) -> None:
        """Say that a model was trained; it is the project's from now on."""
        self._write({"event": "trained", "model": str(model)})

    def set_retrain_after(self, images: int) -> None:
        """Choose after how many finished images the model is trained."""
        if images < 1:
            raise ValueError(f"wanted 1 image or more, got {images}")
        if images != self.retrain_after:
            self._write({"event": "settings", "retrain_after": int(images)})

    @property
    def stage(self) -> Stage:
        """Which stage of the paper's data engine the user is in."""
        return choose_stage([self._states[n] for n in self._done], self.trainings)

    @property
    def wants_training(self) -> bool:
        """Whether enough images were finished since the last training."""
        return len(self._done) - self._trained_on >= self.retrain_after

    def counts(self) -> Counts:
        """Count images, objects, clicks and seconds."""
        return Counts.of(list(self._states.values()))

    def neighbour(self, name: str, step: int) -> str:
        """Return the image so many places after another, or before; round and round."""
        self._check(name)
        there = self.images.index(name)
        return str(self.images[(there + step) % len(self.images)])

    def most_uncertain(self, but: str = "") -> str | None:
        """Return the image, not done, of which the model is least sure.

        Images that it was not asked about come last, in their order; None if all are
        done.
        """
        left = [n for n in self.images if self._states[n].status != "done" and n != but]

        def doubt(name: str) -> float:
            found = self._states[name].uncertainty
            return -1.0 if found is None else found

        return max(left, key=doubt, default=None)

    def waiting_for_proposals(self) -> list[str]:
        """List the images, not begun, that the current model was not asked about."""
        return [
            name
            for name, state in self._states.items()
            if state.status == "new" and state.model != self.model
        ]

    def sources(self) -> list[ProjectSource]:
        """List what training can learn from: done images, and begun ones in part."""
        return [
            ProjectSource("project", name, state.status == "done", self)
            for name, state in self._states.items()
            if state.notes
        ]
