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

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.workflows.project import image_order
from napari_sam.workflows.project.creation import images_in, write_project_file
from napari_sam.workflows.project.file_scan import FileScan
from napari_sam.workflows.project.files import PROJECT_FOLDER, ProjectFiles
from napari_sam.workflows.project.log import ProjectLog
from napari_sam.workflows.project.project_classes import ProjectClasses
from napari_sam.workflows.project.project_images import ProjectImages
from napari_sam.workflows.project.proposals import Proposals
from napari_sam.workflows.project.state import (
    Counts,
    ImageState,
    ObjectNote,
    Stage,
    choose_stage,
)
from napari_sam.workflows.project.store import LabelStore
from napari_sam.workflows.project.training_sources import (
    ProjectSource,
    training_sources,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.ops.label_planes import LabelPlanes
    from napari_sam.ops.object_classes import ObjectClass
    from napari_sam.workflows.objects.preannotate import Preannotation
    from napari_sam.workflows.project.layout import ImageLayout
    from napari_sam.workflows.queries.classes import ObjectClassifier

__all__ = ["PROJECT_FOLDER", "FileScan", "Project", "ProjectSource"]


class Project:
    """An open project; see `create` and `open`.

    Attributes
    ----------
    store
        The labels of its images.
    files
        The files of images and labels: what came, is gone, or was changed elsewhere.
    image_files
        What its images are, planes or stacks, and their pixels.
    proposed
        What models propose for its images.
    """

    def __init__(self, folder: Path, *, repair: bool = False) -> None:
        self._log = ProjectLog(folder, repair=repair)
        self.store = LabelStore(self._log)
        self.files = ProjectFiles(self._log, self.store)
        self.image_files = ProjectImages(self._log)
        self.proposed = Proposals(self._log, self.store)
        self._classes = ProjectClasses(self._log)

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
                    self.files.write_label_files()
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

    def layout(self, name: str) -> ImageLayout:
        """Return whether an image is a plane, a volume or a film."""
        return self.image_files.layout(name)

    def read_image(self, name: str) -> Any:
        """Read an image, a plane or a stack; see `read_pixels`."""
        return self.image_files.read(name)

    def scan_files(self) -> FileScan:
        """Look at the files: what came, what is gone; see `ProjectFiles.scan_files`."""
        return self.files.scan_files()

    # --- their labels -------------------------------------------------------------

    def labels(self, name: str) -> NDArray[np.int32]:
        """Return the labels of an image, a copy; see `LabelStore.labels`."""
        return self.store.labels(name)

    def read_planes(self, name: str) -> LabelPlanes:
        """Return them plane by plane, those with objects; nothing stays in memory."""
        return self.store.labels_at(name, keep=False)[0]

    def save(
        self,
        name: str,
        labels: ArrayLike,
        *,
        notes: Mapping[int, ObjectNote] | None = None,
        seconds: float = 0.0,
    ) -> int:
        """Keep the labels of an image as they are now; see `LabelStore.save`."""
        return self.store.save(name, labels, notes=notes, seconds=seconds)

    # --- what the model proposes ----------------------------------------------------

    def propose(self, name: str, found: Preannotation, model: str) -> None:
        """Keep what a model proposes for an image; see `Proposals.propose`."""
        self.proposed.propose(name, found, model)

    def proposals(self, name: str) -> NDArray[np.int32]:
        """Return the proposals that are open as labels; see `Proposals.open_labels`."""
        return self.proposed.open_ones(name)

    def accept(
        self, name: str, which: Sequence[int] | None = None, seconds: float = 0.0
    ) -> int:
        """Make proposals objects; see `Proposals.accept`."""
        return self.proposed.accept(name, which, seconds)

    def reject(self, name: str, which: Sequence[int] | None = None) -> None:
        """Close proposals; None: all that are open."""
        self.proposed.reject(name, which)

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
        """What objects are sorted into; see `ProjectClasses`."""
        return self._classes.listed()

    def set_classes(self, classes: Sequence[ObjectClass]) -> None:
        """Choose the classes of the project, in order; see `ProjectClasses.choose`."""
        self._classes.choose(classes)

    def classifier(self) -> ObjectClassifier | None:
        """Return what was learned from the sorted objects; None if nothing was."""
        return self._classes.classifier()

    def save_classifier(self, classifier: ObjectClassifier) -> None:
        """Keep what was learned from the sorted objects; see `classifier`."""
        self._classes.save_classifier(classifier)

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
        """Return the image, not done, of which the model is least sure."""
        return image_order.most_uncertain(self._all_states(), but)

    def waiting_for_proposals(self) -> list[str]:
        """List the images, not begun, that the current model was not asked about."""
        model = self._log.kept_model
        return image_order.waiting_for_proposals(self._all_states(), model)

    def sources(self) -> list[ProjectSource]:
        """List what training can learn from; see `training_sources`."""
        return training_sources(self)
