"""A folder of images that is annotated bit by bit, as one project on disk.

::

    PROJECT/
      project.json       the images, in order, and the settings
      journal.jsonl      all that happened; what counts
      labels/ID.tif      the labels of each image, written when it is left
      proposals/ID.tif   what the model proposes
      snapshots/         labels of an earlier time, to open large projects quickly
      models/            what was trained here
      classifier.npz     what was learned of the classes of objects

Every change is in the journal, on the disk, before it is anywhere else; a project
that was killed opens as it was after the last change. Knows no GUI.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.ops.object_classes import (
    classes_from_json,
    classes_to_json,
    with_names,
)
from napari_sam.workflows.project.creation import images_in, write_project_file
from napari_sam.workflows.project.files import PROJECT_FOLDER, FileScan, ProjectFiles
from napari_sam.workflows.project.log import ProjectLog
from napari_sam.workflows.project.proposals import Proposals
from napari_sam.workflows.project.state import (
    Counts,
    ImageState,
    ObjectNote,
    Stage,
    choose_stage,
)
from napari_sam.workflows.project.store import LabelStore
from napari_sam.workflows.queries.classes import ObjectClassifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.object_classes import ObjectClass

__all__ = ["PROJECT_FOLDER", "FileScan", "Project", "ProjectSource"]

_CLASSIFIER = "classifier.npz"


class Project:
    """An open project; see `create` and `open`.

    Attributes
    ----------
    store
        The labels of its images.
    """

    def __init__(self, folder: Path, *, repair: bool = False) -> None:
        self._log = ProjectLog(folder, repair=repair)
        self.store = LabelStore(self._log)
        self._files = ProjectFiles(self._log, self.store)
        self._proposals = Proposals(self._log, self.store)

    @classmethod
    def create(
        cls,
        folder: str | Path,
        images: Iterable[str | Path],
        *,
        model: str = "cells",
        retrain_after: int = 5,
        watched: str | Path | None = None,
        channels: tuple[int, ...] | None = None,
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
        channels
            Which of several channels all images are seen by: one as gray, several as
            colour; see `napari_sam.read_image`.

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
        write_project_file(root, images, model, retrain_after, watched, channels)
        return cls(root)

    @classmethod
    def create_of_folder(
        cls, images: str | Path, *, channels: tuple[int, ...] | None = None
    ) -> tuple[Project, FileScan]:
        """Make a project of the images in a folder, within that folder.

        Parameters
        ----------
        images
            The folder.
        channels
            See `create`.

        Returns
        -------
        The project, and what a look at the folder found.

        Raises
        ------
        ValueError
            If there is no image that can be annotated.
        """
        where = Path(images)
        good, unfit, hidden = images_in(where, channels)
        project = cls.create(
            where / PROJECT_FOLDER, good, watched=where, channels=channels
        )
        return project, FileScan(unfit=unfit, hidden=hidden)

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

    def close(self) -> None:
        """Write the label files that are out of date, and let others open it.

        Raises
        ------
        OSError, ValueError
            If one cannot be written; it is closed all the same, and its journal has
            all labels.
        """
        with self._log.write_lock:
            if self._log.is_open:
                try:
                    self.write_label_files()
                finally:
                    self._log.release()

    def abandon(self) -> None:
        """Let others open it as it is: no file is written, as if it were killed."""
        self._log.release()

    # --- its images ---------------------------------------------------------------

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self._log.folder

    @property
    def images(self) -> tuple[str, ...]:
        """Names of its images, in order."""
        return self._log.images

    @property
    def channels(self) -> tuple[int, ...] | None:
        """Which of several channels its images are seen by; see `create`."""
        return self._log.channels

    def state(self, name: str) -> ImageState:
        """Return how far an image is; not to be changed."""
        return self._log.check(name)

    def notes(self, name: str) -> dict[int, ObjectNote]:
        """Return what is known of the objects of an image, by label; a copy."""
        return self._log.notes(name)

    def path_of(self, name: str) -> Path:
        """Return the file of an image; where it should be, if it is not there."""
        return self._log.path_of(name)

    def read_image(self, name: str) -> NDArray[Any]:
        """Read an image, (H, W) or (H, W, 3 | 4); see `ProjectLog.read_image`."""
        return self._log.read_image(name)

    def scan_files(self) -> FileScan:
        """Look at the files: what came, what is gone; see `ProjectFiles.scan_files`."""
        return self._files.scan_files()

    def locate(self, folder: str | Path) -> list[str]:
        """Say where the images are now; see `ProjectFiles.locate`."""
        return self._files.locate(folder)

    # --- their labels -------------------------------------------------------------

    @property
    def problems(self) -> dict[str, str]:
        """What could not be read of the labels of an image, by its name."""
        return self.store.problems

    def labels(self, name: str) -> NDArray[np.int32]:
        """Return the (H, W) labels of an image, a copy; see `LabelStore.labels`."""
        return self.store.labels(name)

    def read_labels(self, name: str) -> NDArray[np.int32]:
        """Return the labels of an image, and do not keep them in memory."""
        return self.store.read_labels(name)

    def save(
        self,
        name: str,
        labels: ArrayLike,
        *,
        notes: Mapping[int, ObjectNote] | None = None,
        seconds: float = 0.0,
        closed: Sequence[int] = (),
    ) -> int:
        """Keep the labels of an image as they are now; see `LabelStore.save`."""
        return self.store.save(
            name, labels, notes=notes, seconds=seconds, closed=closed
        )

    def close_image(self, name: str) -> None:
        """Write an image's label file, and forget its pixels.

        Raises
        ------
        OSError, ValueError
            If it cannot be written.
        """
        self._files.close_image(name)

    def label_file(self, name: str) -> Path:
        """Return where the label file of an image is, or goes."""
        return self._files.label_file(name)

    def write_label_files(self, but: str = "") -> None:
        """Write the label files; see `ProjectFiles.write_label_files`."""
        self._files.write_label_files(but)

    def check_label_file(self, name: str) -> bool:
        """Look whether another program has changed an image's label file."""
        return self._files.check_label_file(name)

    @property
    def changed_elsewhere(self) -> list[str]:
        """Images of which another program has changed the label file."""
        return self._files.changed_elsewhere

    def take_over(self, name: str) -> int:
        """Make the labels of the file the project's; see `ProjectFiles.take_over`."""
        return self._files.take_over(name)

    def replace_label_file(self, name: str) -> None:
        """Write the project's labels in place of what another program wrote."""
        self._files.replace_label_file(name)

    # --- what the model proposes ----------------------------------------------------

    def propose(
        self, name: str, labels: ArrayLike, uncertainty: float, model: str
    ) -> None:
        """Keep what a model proposes for an image; see `Proposals.propose`."""
        self._proposals.propose(name, labels, uncertainty, model)

    def proposals(self, name: str) -> NDArray[np.int32]:
        """Return the (H, W) proposals that are open; see `Proposals.open_ones`."""
        return self._proposals.open_ones(name)

    def accept(
        self, name: str, which: Sequence[int] | None = None, seconds: float = 0.0
    ) -> int:
        """Make proposals objects; see `Proposals.accept`."""
        return self._proposals.accept(name, which, seconds)

    def reject(self, name: str, which: Sequence[int] | None = None) -> None:
        """Close proposals; None: all that are open."""
        self._proposals.reject(name, which)

    def undecided(self, name: str) -> int:
        """Count the proposals of an image that are neither accepted nor rejected."""
        return self._proposals.undecided(name)

    # --- its model ------------------------------------------------------------------

    @property
    def model(self) -> str:
        """Name or path of the model that proposes."""
        return self._log.model

    @property
    def models_folder(self) -> Path:
        """Where what is trained here goes; see `ProjectLog.models_folder`."""
        return self._log.models_folder

    @property
    def retrain_after(self) -> int:
        """After how many finished images the model is trained."""
        return self._log.retrain_after

    @property
    def trainings(self) -> int:
        """How often a model was trained."""
        return self._log.trainings

    # --- its classes ----------------------------------------------------------------

    @property
    def classes(self) -> tuple[ObjectClass, ...]:
        """What objects are sorted into; what an object of an image has, too."""
        with self._log.state_lock:
            notes = [n for s in self._log.states.values() for n in s.notes.values()]
        return with_names(self._log.classes, (note.class_name for note in notes))

    def set_classes(self, classes: Sequence[ObjectClass]) -> None:
        """Choose the classes of the project, in order.

        Objects of its images keep theirs: one that is left out here is back as long as
        an object has it.

        Raises
        ------
        ValueError
            If a name or a key is there twice, or is none.
        OSError
            If they cannot be written.
        """
        entries = classes_to_json(classes)
        if classes_from_json(entries) != self._log.classes:
            self._log.write({"event": "classes", "classes": entries})

    def classifier(self) -> ObjectClassifier | None:
        """Return what was learned from the sorted objects; None if nothing was.

        Raises
        ------
        OSError, ValueError
            If its file cannot be read.
        """
        path = self._log.inside(_CLASSIFIER)
        return ObjectClassifier.load(path) if path.is_file() else None

    def save_classifier(self, classifier: ObjectClassifier) -> None:
        """Keep what was learned from the sorted objects; see `classifier`.

        Raises
        ------
        OSError
            If it cannot be written; what was there before stays.
        """
        classifier.save(self._log.inside(_CLASSIFIER))

    # --- how far it is ------------------------------------------------------------

    def finish(self, name: str) -> None:
        """Say that every object of an image is labelled; `reopen` takes it back.

        With proposals that are undecided it is learned from in part only, because one
        of them may be an object.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._log.check(name)
        self._log.write({"event": "status", "image": name, "status": "done"})

    def reopen(self, name: str) -> None:
        """Say that an image is not done after all."""
        self._log.check(name)
        self._log.write({"event": "status", "image": name, "status": "started"})

    def note_training(self, model: str | Path) -> None:
        """Say that a model was trained; it is the project's from now on."""
        self._log.write(
            {"event": "trained", "model": self._log.short_model(str(model))}
        )

    def set_retrain_after(self, images: int) -> None:
        """Choose after how many finished images the model is trained."""
        if images < 1:
            raise ValueError(f"wanted 1 image or more, got {images}")
        if images != self.retrain_after:
            self._log.write({"event": "settings", "retrain_after": int(images)})

    def _all_states(self) -> dict[str, ImageState]:
        with self._log.state_lock:
            return dict(self._log.states)

    @property
    def stage(self) -> Stage:
        """Which stage of the paper's data engine the user is in."""
        with self._log.state_lock:
            return choose_stage(
                [self._log.states[n] for n in self._log.done], self._log.trainings
            )

    @property
    def wants_training(self) -> bool:
        """Whether enough images were finished since the last training."""
        return len(self._log.done) - self._log.trained_on >= self.retrain_after

    def counts(self) -> Counts:
        """Count images, objects, clicks and seconds."""
        with self._log.state_lock:
            return Counts.of(list(self._log.states.values()))

    def neighbour(self, name: str, step: int) -> str:
        """Return the image so many places after another, or before; round and round."""
        self._log.check(name)
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
            and state.model != self._log.kept_model
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


@dataclass(frozen=True)
class ProjectSource:
    """An image of a project as training reads it.

    Attributes
    ----------
    kind, name
        What it is called.
    complete
        Whether the user said that every object is labelled.
    """

    kind: str
    name: str
    complete: bool
    project: Project

    def read(self) -> tuple[NDArray[Any], NDArray[np.int32]]:
        """Return the image and its labels."""
        image = self.project.read_image(self.name)
        return image, self.project.read_labels(self.name)
