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
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.io.atomic_write import write_atomically
from napari_sam.io.images import list_images, read_image
from napari_sam.io.label_images import write_labels
from napari_sam.ops.label_changes import as_labels
from napari_sam.ops.labels import next_free_label
from napari_sam.workflows.project.files import PROJECT_FOLDER, Look, ProjectFiles
from napari_sam.workflows.project.images import (
    ImagePlaces,
    image_problem,
    name_images,
)
from napari_sam.workflows.project.log import FORMAT
from napari_sam.workflows.project.state import (
    Counts,
    ImageState,
    ObjectNote,
    Stage,
    choose_stage,
)
from napari_sam.workflows.project.store import ProjectSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["PROJECT_FOLDER", "Look", "Project", "ProjectSource"]


class Project(ProjectFiles):
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
        watched: str | Path | None = None,
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
        watched
            A folder; images that come into it later belong to the project too, see
            `look`.

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
        if (root / "journal.jsonl").exists():
            raise ValueError(
                f"{root} has the journal of a project without its project.json"
            )
        named = name_images(map(Path, images))
        if not named:
            raise ValueError("there is no image to annotate")
        places = ImagePlaces(root, {})
        head = {
            "format": FORMAT,
            "images": {name: places.written(path) for name, path in named.items()},
            "model": model,
            "retrain_after": max(1, retrain_after),
            "folder": "" if watched is None else places.written(Path(watched)),
            "made_in": os.path.realpath(root),
        }
        text = json.dumps(head, indent=1)
        write_atomically(
            root / "project.json", lambda part: part.write_text(text, "utf-8")
        )
        return cls(root)

    @classmethod
    def create_of_folder(cls, images: str | Path) -> tuple[Project, Look]:
        """Make a project of the images in a folder, within that folder.

        Returns
        -------
        The project, and what a look at the folder found.

        Raises
        ------
        ValueError
            If there is no image that can be annotated.
        """
        where = Path(images)
        if not where.is_dir():
            raise ValueError(f"{images} is not a folder")
        found = list_images(where)
        problems = {path: image_problem(path) for path in found.paths}
        good = [path for path in found.paths if not problems[path]]
        unfit = [why for why in problems.values() if why]
        if not good:
            why = f": {'; '.join(unfit[:3])}" if unfit else ""
            raise ValueError(f"the folder {images} holds no image to annotate{why}")
        project = cls.create(where / PROJECT_FOLDER, good, watched=where)
        return project, Look(unfit=unfit, hidden=found.hidden)

    @classmethod
    def open(cls, folder: str | Path, *, repair: bool = False) -> Project:
        """Open a project as it was after its last change.

        Parameters
        ----------
        folder
            Where it is.
        repair
            Whether a journal with a damaged line is opened as it was before that line;
            all of it is kept beside as ``journal-damaged.jsonl``.

        Raises
        ------
        ValueError
            If it is no project, is damaged, or is open elsewhere. Where a line of the
            journal is damaged, the error is a `napari_sam.io.journal.DamagedLine`.
        OSError
            If it cannot be read.
        """
        root = Path(folder)
        if not (root / "project.json").is_file():
            raise ValueError(f"{folder} is no project: it has no project.json")
        return cls(root, repair=repair)

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
        found = as_labels(labels)
        file = self._new_file("proposals", name)
        try:
            write_labels(self._inside(file, "proposals"), found)
            with self._writing:
                earlier = state.proposals
                self._write(
                    {
                        "event": "proposed",
                        "image": name,
                        "file": file,
                        "count": len(np.unique(found[found > 0])),
                        "uncertainty": float(uncertainty),
                        "model": self._short_model(model),
                    }
                )
        except BaseException:
            self._forget(file)
            raise
        self._forget(earlier)

    def proposals(self, name: str) -> NDArray[np.int32]:
        """Return the (H, W) proposals that are open: not rejected, and not covered.

        A proposal with more than half of its pixels on objects is covered. Where the
        file of the proposals cannot be read, there are none.
        """
        state = self._check(name)
        labels = self.labels(name)
        with self._busy:
            file, closed = state.proposals, set(state.closed)
        if not file:
            return np.zeros_like(labels)
        try:
            found = as_labels(read_image(self._inside(file, "proposals")))
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
        with self._writing:
            proposals, labels = self.proposals(name), self.labels(name)
            open_ones = np.unique(proposals)
            chosen = [n for n in open_ones if n > 0 and (which is None or n in which)]
            if not chosen:
                return 0
            highest = int(labels.max(initial=0))
            next_free_label([highest + len(chosen) - 1], np.int32)
            given = np.arange(highest + 1, highest + 1 + len(chosen))
            numbers = np.zeros(len(open_ones), np.int32)
            numbers[np.searchsorted(open_ones, chosen)] = given
            added = numbers[np.searchsorted(open_ones, proposals)]
            new = np.where(labels == 0, added, labels)
            notes = {int(number): ObjectNote(source="accepted") for number in given}
            return self.save(name, new, notes=notes, seconds=seconds, closed=chosen)

    def reject(self, name: str, which: Sequence[int] | None = None) -> None:
        """Close proposals; None: all that are open.

        Raises
        ------
        OSError
            If it cannot be written; the project is as before.
        """
        open_ones = np.unique(self.proposals(name))
        chosen = [int(n) for n in open_ones if n > 0 and (which is None or n in which)]
        if chosen:
            self._write({"event": "rejected", "image": name, "which": chosen})

    # --- how far it is ------------------------------------------------------------

    def undecided(self, name: str) -> int:
        """Count the proposals of an image that are neither accepted nor rejected."""
        return int(np.count_nonzero(np.unique(self.proposals(name))))

    def finish(self, name: str) -> None:
        """Say that every object of an image is labelled; `reopen` takes it back.

        With proposals that are undecided it is learned from in part only, because one
        of them may be an object.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._check(name)
        self._write({"event": "status", "image": name, "status": "done"})

    def reopen(self, name: str) -> None:
        """Say that an image is not done after all."""
        self._check(name)
        self._write({"event": "status", "image": name, "status": "started"})

    def note_training(self, model: str | Path) -> None:
        """Say that a model was trained; it is the project's from now on."""
        self._write({"event": "trained", "model": self._short_model(str(model))})

    def set_retrain_after(self, images: int) -> None:
        """Choose after how many finished images the model is trained."""
        if images < 1:
            raise ValueError(f"wanted 1 image or more, got {images}")
        if images != self.retrain_after:
            self._write({"event": "settings", "retrain_after": int(images)})

    def _all_states(self) -> dict[str, ImageState]:
        with self._busy:
            return dict(self._states)

    @property
    def stage(self) -> Stage:
        """Which stage of the paper's data engine the user is in."""
        with self._busy:
            return choose_stage([self._states[n] for n in self._done], self.trainings)

    @property
    def wants_training(self) -> bool:
        """Whether enough images were finished since the last training."""
        return len(self._done) - self._trained_on >= self.retrain_after

    def counts(self) -> Counts:
        """Count images, objects, clicks and seconds."""
        with self._busy:
            return Counts.of(list(self._states.values()))

    def neighbour(self, name: str, step: int) -> str:
        """Return the image so many places after another, or before; round and round."""
        self._check(name)
        images = self.images
        return str(images[(images.index(name) + step) % len(images)])

    def most_uncertain(self, but: str = "") -> str | None:
        """Return the image, not done, of which the model is least sure.

        Images that it was not asked about come last, in their order; None if all are
        done. Those that cannot be shown do not count.
        """
        states = self._all_states()
        left = [
            name
            for name, state in states.items()
            if state.status != "done" and not state.problem and name != but
        ]

        def doubt(name: str) -> float:
            found = states[name].uncertainty
            return -1.0 if found is None else found

        return max(left, key=doubt, default=None)

    def waiting_for_proposals(self) -> list[str]:
        """List the images, not begun, that the current model was not asked about."""
        return [
            name
            for name, state in self._all_states().items()
            if state.status == "new"
            and state.model != self._model
            and not state.problem
        ]

    def sources(self) -> list[ProjectSource]:
        """List what training can learn from: done images, and begun ones in part.

        Images that cannot be read are left out. It reads the proposals of those that
        are done: with undecided ones they are begun.
        """
        return [
            ProjectSource(
                "project",
                name,
                state.status == "done" and not self.proposals(name).any(),
                self,
            )
            for name, state in self._all_states().items()
            if state.notes and not state.problem and self.path_of(name).exists()
        ]
