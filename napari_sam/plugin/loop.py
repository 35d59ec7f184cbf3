"""A project in a viewer: one image at a time, proposals and training beside it.

It owns no widget; the dock "Annotate a folder" shows its state after each `changed`.
Files are read and models asked away from the window. What the user changes in the
labels layer, with whatever tool, is written to the project a moment later.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_sam.checkpoints.own import free_path
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.engine import shared_predictor
from napari_sam.plugin.hints import sentence
from napari_sam.plugin.project_layers import ProjectLayers
from napari_sam.plugin.state import unwrapped
from napari_sam.plugin.training_runs import run_training
from napari_sam.plugin.workers import LatestWins, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.types import IsCancelled
    from napari_sam.workflows.project import Project

__all__ = ["ProjectLoop", "open_project"]

_SAVE_MS = 250
_HAND_MS = 50
"""The annotator's lists of layers settle first; then it gets image and labels."""

_IDLE = 60.0
"""Seconds without a change beyond which the user is taken to be elsewhere."""

_MINUTES = 5.0
PROJECT_FOLDER = "napari-sam-project"


def open_project(folder: str | Path) -> Project:
    """Open a project, or make one of the images in a folder.

    Raises
    ------
    ValueError
        If the folder holds neither, or the project is open elsewhere.
    """
    from napari_sam.io.images import IMAGE_SUFFIXES
    from napari_sam.workflows.project import Project

    root = Path(folder)
    for place in (root, root / PROJECT_FOLDER):
        if (place / "project.json").is_file():
            return Project.open(place)
    if not root.is_dir():
        raise ValueError(f"{folder} is not a folder")
    images = [p for p in sorted(root.iterdir()) if p.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise ValueError(f"the folder {folder} holds no image")
    return Project.create(root / PROJECT_FOLDER, images)


def propose(
    model: str, device: str, image: NDArray[Any], is_cancelled: IsCancelled
) -> tuple[NDArray[np.int32], float]:
    """Let a model propose objects; away from the window."""
    predictor = shared_predictor(model, device)
    from napari_sam.workflows.preannotate import preannotate

    found: tuple[NDArray[np.int32], float] = preannotate(
        predictor,  # type: ignore[arg-type]
        image,
        is_cancelled=is_cancelled,
    )
    return found


class ProjectLoop(QObject):  # type: ignore[misc]
    """Shows the images of a project one by one, and keeps what the user does.

    Parameters
    ----------
    viewer
        The napari viewer.
    device
        Where models run.
    ask
        Proposes objects; see `propose`.
    train
        Does a training; see `napari_sam.training.jobs.train`.
    """

    changed = Signal()
    """Something that the dock shows has changed."""

    noticed = Signal(str)
    """Something that the user should read once."""

    trained = Signal(object)
    """A model was trained; emitted with its path."""

    advanced = Signal(float)
    """How far the training is, 0 to 1."""

    def __init__(
        self,
        viewer: Any,
        device: str = "auto",
        ask: Callable[..., tuple[NDArray[np.int32], float]] = propose,
        train: Callable[..., Any] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = unwrapped(viewer)
        self.device = device
        self.minutes = _MINUTES
        self.project: Project | None = None
        self.name, self._missed = "", False
        self.trains_by_itself = True
        self._ask = ask
        self._train = train
        self._since = time.monotonic()
        self._save_timer = QTimer(self)
        self._save_timer.setSingleShot(True)
        self._save_timer.setInterval(_SAVE_MS)
        self._save_timer.timeout.connect(self.save)
        self.layers = ProjectLayers(self.viewer, self._save_timer.start)
        self._hand_timer = QTimer(self)
        self._hand_timer.setSingleShot(True)
        self._hand_timer.setInterval(_HAND_MS)
        self._hand_timer.timeout.connect(self.layers.hand_over)
        self._reader = LatestWins("napari-sam reading a project", self)
        self._reader.done.connect(self._on_read)
        self._asker = LatestWins("napari-sam proposing", self)
        self._asker.done.connect(self._on_proposed)
        self._trainer = LatestWins("napari-sam training", self)
        self._trainer.done.connect(self._on_trained)
        self._trainer.reported.connect(lambda token, part: self.advanced.emit(part))
        self._failed: set[tuple[str, str]] = set()

    @property
    def image(self) -> Any:
        """The image layer, or None."""
        return self.layers.image

    @property
    def labels(self) -> Any:
        """The labels layer, or None."""
        return self.layers.labels

    @property
    def proposals(self) -> Any:
        """The layer of the proposals, or None."""
        return self.layers.proposals

    # --- coming and going -----------------------------------------------------------

    @property
    def is_training(self) -> bool:
        """Whether a training runs."""
        return bool(self._trainer.is_busy)

    @property
    def is_proposing(self) -> bool:
        """Whether the model looks at an image."""
        return bool(self._asker.is_busy)

    def open(self, folder: str | Path) -> None:
        """Open a project, or make one of a folder, and show where it stopped."""
        try:
            project = open_project(folder)
        except (ValueError, OSError) as error:
            self.noticed.emit(sentence(error))
            return
        self.close()
        self.project = project
        begun = [n for n in project.images if project.state(n).status == "started"]
        left = [n for n in project.images if project.state(n).status == "new"]
        self.show(next(iter(begun + left), project.images[0]))
        self._propose_next()

    def close(self) -> None:
        """Keep what there is, and let go of the project."""
        if self.project is None:
            return
        self.save()
        self._asker.cancel()
        self._trainer.cancel()
        self._save_timer.stop()
        self.layers.take_down()
        project, self.project, self.name = self.project, None, ""
        try:
            project.close()
        except OSError as error:
            self.noticed.emit(sentence(error))
        self.changed.emit()

    def close_workers(self) -> None:
        """Stop all work for good."""
        for worker in (self._reader, self._asker, self._trainer):
            worker.close()

    def cancel_training(self) -> None:
        """Stop the training; the best weights so far are kept."""
        self._trainer.cancel()

    def set_retrain_after(self, images: int) -> None:
        """Choose after how many finished images the model is trained."""
        if self.project is None:
            return
        try:
            self.project.set_retrain_after(images)
        except OSError as error:
            self.noticed.emit(sentence(error))

    # --- images -----------------------------------------------------------------------

    def show(self, name: str) -> None:
        """Show an image, in place of the one that is shown."""
        project = self.project
        if project is None:
            return
        if not self.save():
            return
        self.name, self._missed = name, False

        def work(is_cancelled: IsCancelled) -> Any:
            image = project.read_image(name)
            return image, project.labels(name), project.proposals(name)

        self._reader.submit((project, name), work)
        self.changed.emit()

    def step(self, count: int) -> None:
        """Show the next image, or the one before."""
        if self.project is not None:
            self.show(self.project.neighbour(self.name, count))

    def show_most_uncertain(self) -> None:
        """Show the image of which the model is least sure."""
        if self.project is None:
            return
        found = self.project.most_uncertain(but=self.name)
        if found is None:
            self.noticed.emit("All other images are done.")
        else:
            self.show(found)

    def _on_read(self, outcome: Outcome) -> None:
        project: Project = outcome.token[0]
        name = outcome.token[1]
        if project is not self.project or name != self.name:
            return
        self._save_timer.stop()
        if outcome.error is not None:
            self.layers.take_down()
            self.noticed.emit(f"{name}: {sentence(outcome.error)}")
            return
        self.layers.take_down()
        self.layers.put_up(name, *outcome.result)
        if self._missed:
            self.layers.show(None, project.proposals(name))
        self._since = time.monotonic()
        self._hand_timer.start()
        if project.stage == "automatic" and project.state(name).status == "new":
            self.accept()
        self.changed.emit()

    # --- what the user does ----------------------------------------------------------

    def _seconds(self) -> float:
        """Return the user's time since the last change."""
        now = time.monotonic()
        spent, self._since = now - self._since, now
        return min(spent, _IDLE)

    def save(self) -> bool:
        """Write what changed to the project; whether that is safe now."""
        self._save_timer.stop()
        if self.project is None or self.labels is None:
            return True
        data = np.asarray(self.labels.data)
        try:
            spent = min(time.monotonic() - self._since, _IDLE)
            notes = self.layers.notes()
            if self.project.save(self.labels_name, data, notes=notes, seconds=spent):
                self._since = time.monotonic()
                self.changed.emit()
        except OSError as error:
            self.noticed.emit(
                f"The labels could not be saved: {error}. They are still in the "
                "window; make room, and change something."
            )
            return False
        return True

    @property
    def labels_name(self) -> str:
        """Name of the image that the layers show."""
        return str(self.image.name) if self.image is not None else self.name

    def accept(self, which: list[int] | None = None) -> None:
        """Make proposals objects; None: all."""
        if self.project is None or self.labels is None or not self.save():
            return
        try:
            self.project.accept(self.labels_name, which, self._seconds())
        except OSError as error:
            self.noticed.emit(sentence(error))
            return
        self._show_again()

    def reject(self, which: list[int] | None = None) -> None:
        """Close proposals; None: all."""
        if self.project is None or self.labels is None:
            return
        try:
            self.project.reject(self.labels_name, which)
        except OSError as error:
            self.noticed.emit(sentence(error))
            return
        self._show_again()

    def _show_again(self) -> None:
        """Show labels and proposals as the project has them."""
        if self.project is None or self.labels is None:
            return
        name = self.labels_name
        found = self.project.labels(name), self.project.proposals(name)
        self.layers.show(*found)
        self._save_timer.stop()
        self.changed.emit()

    def finish(self) -> None:
        """Say that all objects of the image are labelled, and go on."""
        project = self.project
        if project is None or self.labels is None or not self.save():
            return
        name = self.labels_name
        try:
            project.finish(name)
        except OSError as error:
            self.noticed.emit(sentence(error))
            return
        if project.wants_training and self.trains_by_itself:
            self.train()
        following = project.most_uncertain(but=name)
        if following is None:
            self.noticed.emit("All images are done. Export the labels, or look again.")
            self.changed.emit()
        else:
            self.show(following)

    # --- proposals and training ------------------------------------------------------

    def _propose_next(self) -> None:
        """Let the model look at an image that it has not seen, the shown one first."""
        project = self.project
        if project is None or self._asker.is_busy:
            return
        model, device, ask = project.model, self.device, self._ask
        left = [
            name
            for name in project.waiting_for_proposals()
            if (model, name) not in self._failed
        ]
        if not left:
            return
        name = self.name if self.name in left else left[0]

        def work(is_cancelled: IsCancelled) -> Any:
            return ask(model, device, project.read_image(name), is_cancelled)

        self._asker.submit((project, name, model), work)
        self.changed.emit()

    def _on_proposed(self, outcome: Outcome) -> None:
        project: Project = outcome.token[0]
        name, model = outcome.token[1:]
        if project is not self.project:
            return
        if isinstance(outcome.error, Cancelled):
            return
        if outcome.error is not None:
            self._failed.add((model, name))
            self.noticed.emit(f"No proposals for {name}: {sentence(outcome.error)}")
        else:
            labels, uncertainty = outcome.result
            try:
                project.propose(name, labels, uncertainty, model)
            except OSError as error:
                self.noticed.emit(sentence(error))
                return
            self._missed |= name == self.name  # by what is being read meanwhile
            if self.image is not None and name == self.labels_name:
                self.layers.show(None, project.proposals(name))
        self._propose_next()
        self.changed.emit()

    def train(self) -> None:
        """Train on what is annotated, beside the user's work."""
        project = self.project
        if project is None or self.is_training or not self.save():
            return
        sources = project.sources()
        if not sources:
            self.noticed.emit("There is no object yet to learn from.")
            return
        worker, run = self._trainer, self._train
        out = free_path(project.folder.parent.name, project.folder / "models")
        model, minutes, device = project.model, self.minutes, self.device

        def work(is_cancelled: IsCancelled) -> Any:
            from napari_sam.training.jobs import TrainJob

            job = TrainJob(sources, out, model, minutes, device)

            def progress(done: int, total: int) -> None:
                worker.report(project, done / max(1, total))

            doing = run or run_training
            return doing(job, progress=progress, is_cancelled=is_cancelled)

        worker.submit(project, work)
        self.changed.emit()

    def _on_trained(self, outcome: Outcome) -> None:
        project = self.project
        if project is None or outcome.token is not project:
            return
        if outcome.error is not None:
            if not isinstance(outcome.error, Cancelled):
                self.noticed.emit(f"The training failed: {sentence(outcome.error)}")
            self.changed.emit()
            return
        result = outcome.result
        if result.reason == "diverged":
            self.noticed.emit("The training went wrong; the model stays as it was.")
        else:
            project.note_training(result.path)
            self.trained.emit(result.path)
            self._propose_next()
        self.changed.emit()
