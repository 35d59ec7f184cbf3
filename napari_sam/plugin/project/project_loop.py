"""A project in a viewer: one image at a time, proposals and training beside it.

It owns no widget; the page of the dock shows its state after each `changed`. Files are
read and models asked away from the window.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.project.background_models import ProjectModels, propose
from napari_sam.plugin.project.image_changes import ImageChanges, doubt_of
from napari_sam.plugin.project.image_content import ImageContent, read_content
from napari_sam.plugin.project.label_saver import LabelSaver
from napari_sam.plugin.project.project_classifier import ProjectClassifier
from napari_sam.plugin.project.project_layers import ProjectLayers
from napari_sam.plugin.project.project_opening import (
    ProjectOpener,
    Question,
    is_project_of,
)
from napari_sam.plugin.project.unsure_places import UnsurePlaces
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.workflows.objects.preannotate import Preannotation
    from napari_sam.workflows.project.project import FileScan, Project

__all__ = ["ProjectLoop"]

_HAND_MS = 50  # the annotator's lists of layers settle first


class ProjectLoop(QObject):  # type: ignore[misc]
    """Shows the images of a project one by one, and keeps what the user does.

    Parameters
    ----------
    viewer
        The napari viewer.
    device
        Where models run.
    ask, train
        What proposes and trains; see `ProjectModels`.
    """

    changed = Signal()
    """Something that the dock shows has changed."""

    noticed = Signal(object)
    """Something that the user should read once: a `Hint` or a `Question`."""

    opened = Signal()
    """A project was opened."""

    looked = Signal(object)
    """The files were looked at; emitted with a `FileScan`."""

    def __init__(
        self,
        viewer: Any,
        device: str = "auto",
        ask: Callable[..., Preannotation] = propose,
        train: Callable[..., Any] | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer = unwrapped(viewer)
        self.project: Project | None = None
        self.name, self._missed = "", False
        self.trains_by_itself = True
        self._found: FileScan | None = None
        self.models = ProjectModels(device, ask, train, self)
        self.models.proposed.connect(self._on_proposed)
        self.models.changed.connect(self.changed)
        self.models.noticed.connect(self.noticed)
        self.models.trained.connect(self._on_trained)
        self.saver = LabelSaver(self)
        self.saver.saved.connect(self.changed)
        self.saver.failed.connect(self._say)
        self.layers = ProjectLayers(self.viewer, self.saver.on_edit)
        self.saver.watch(self.layers)
        self.changes = ImageChanges(self.layers, self.saver, self.save, self._say)
        self.changes.changed.connect(self.changed)
        self._hand_timer = single_shot(self, _HAND_MS, self._hand_over)
        self._classifier = ProjectClassifier(self.viewer, self.layers)
        self.unsure = UnsurePlaces(self.viewer, self.layers)
        self._opener = ProjectOpener(self)
        self._opener.opened.connect(self._on_opened)
        self._opener.looked.connect(self._on_looked)
        self._opener.noticed.connect(self.noticed)
        self._opener.noticed.connect(lambda notice: self.changed.emit())
        self._reading = LongTask("napari-sam reading a project", self)
        self._reading.done.connect(self._on_read)
        self._reading.failed.connect(self._on_not_read)

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

    def _say(self, text: str) -> None:
        self.noticed.emit(Hint(text, "problem"))

    @property
    def is_opening(self) -> bool:
        """Whether a project is being opened."""
        return self._opener.is_opening

    @property
    def is_looking(self) -> bool:
        """Whether the files are being looked at."""
        return self._opener.is_looking

    @property
    def is_reading(self) -> bool:
        """Whether an image is being read."""
        return bool(self._reading.is_busy or self._reading.is_working)

    def open(self, folder: str | Path) -> None:
        """Open a project, or make one of a folder, and show where it stopped."""
        if self.project is not None and is_project_of(self.project, Path(folder)):
            self._say("This project is open here already.")
            return
        self._opener.open(folder)
        self.changed.emit()

    def _on_opened(self, project: Project, found: FileScan) -> None:
        if not self.save():  # the one before keeps the window
            project.close()
            return
        self.close()
        self.project = self.saver.project = self.changes.project = project
        self._found = found
        self.models.use(project)
        begun = [n for n in project.images if project.state(n).status == "started"]
        left = [n for n in project.images if project.state(n).status == "new"]
        self.show(next(iter(begun + left), project.images[0]))
        self.opened.emit()
        self.looked.emit(found)
        self.look()

    def look(self) -> None:
        """Look at the files: which came, are gone, or were changed elsewhere."""
        if self.project is not None:
            self._opener.look(self.project)

    def _on_looked(self, project: Project, found: FileScan) -> None:
        if project is not self.project:
            return
        self._found = found
        self.looked.emit(found)
        self.models.propose_next(self.name)
        self.changed.emit()

    def locate(self, folder: str | Path) -> None:
        """Say where the images of the project are now."""
        if self.project is None:
            return
        try:
            self.project.files.locate(folder)
        except (OSError, ValueError) as error:
            self._say(sentence(error))
            return
        self.look()
        if self.image is None and self.name:
            self.show(self.name)

    def close(self) -> None:
        """Keep what there is, and let go of the project.

        Labels that cannot be saved stay in the viewer.
        """
        if self.project is None:
            return
        if self.save():
            self.layers.take_down()
        else:
            self.layers.leave_up()
        self.models.use(None)
        self.saver.forget()
        project, self.project, self.name = self.project, None, ""
        self._classifier.forget()
        self.saver.project = self.changes.project = None
        try:
            project.close()
        except (OSError, ValueError) as error:
            self._say(sentence(error))
        self.changed.emit()

    def let_go(self) -> None:
        """Keep what there is where the window is gone already: touches no Qt."""
        project, self.project = self.project, None
        if project is not None:
            self.saver.save_last()
            self.saver.project = None
            self.layers.let_go()
            self.models.use(None)
            with suppress(OSError, ValueError):
                project.close()

    def close_workers(self) -> None:
        """Stop all work for good."""
        for worker in (self._opener, self._reading, self.saver):
            worker.close()
        self.models.close()

    def set_retrain_after(self, images: int) -> None:
        """Choose after how many finished images the model is trained."""
        if self.project is None:
            return
        try:
            self.project.set_retrain_after(images)
        except OSError as error:
            self._say(sentence(error))

    # --- images -----------------------------------------------------------------------

    def show(self, name: str) -> None:
        """Show an image, in place of the one that is shown."""
        project = self.project
        if project is None or not self.save():
            return
        self.name, self._missed = name, False

        def work(progress: object, is_cancelled: object) -> ImageContent:
            return read_content(project, name)

        self._reading.start(work, (project, name))
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
            self.noticed.emit(Hint("All other images are done.", "info"))
        else:
            self.show(found)

    def _is_wanted(self, project: Project, name: str) -> bool:
        """Whether an image that was read is to be shown; the one before goes then."""
        if project is not self.project or name != self.name:
            return False
        if self.saver.edited and not self.save():  # drawn while the next one was read
            self.name = self.layers.name
            return False
        self.layers.take_down()
        self.unsure.forget()
        return True

    def _on_not_read(self, token: tuple[Project, str], error: Exception) -> None:
        if not self._is_wanted(*token):
            return
        name = token[1]
        self._say(f"{name}: {sentence(error)}")
        if self._found is not None and name in self._found.missing:
            self.looked.emit(self._found)  # which says what to do about it
        self.changed.emit()

    def _on_read(self, token: tuple[Project, str], content: ImageContent) -> None:
        if not self._is_wanted(*token):
            return
        project, name = token
        self.layers.put_up(content, project)
        if self._missed:
            self.layers.show_proposals(project.proposed.open_planes(name))
        self.saver.begin()
        self._hand_timer.start()
        for trouble in (content.problem, project.store.problems.get(name)):
            if trouble:
                self._say(sentence(ValueError(trouble)))
        if project.stage == "automatic" and project.state(name).status == "new":
            self.changes.accept()
        self.changed.emit()

    def _hand_over(self) -> None:
        """Let the annotator work on the image, with what the project has learned."""
        self.layers.hand_over()
        try:
            self._classifier.teach(self.project)
        except (OSError, ValueError) as error:
            self._say(sentence(error))

    def choose_axes(self, axes: str, names: list[str]) -> None:
        """Say whether stacks are volumes ("zyx") or films ("tyx")."""
        if self.project is None or not self.save():
            return
        self.models.pass_over(names)
        try:
            for name in names:
                self.project.image_files.choose_axes(name, axes)
        except (OSError, ValueError) as error:
            self._say(sentence(error))
        self.show(self.name)
        self.models.propose_next(self.name)
        self.changed.emit()

    # --- what the user does ----------------------------------------------------------

    def save(self) -> bool:
        """Write what changed to the project; whether that is safe now."""
        try:
            self._classifier.keep(self.project)
        except (OSError, ValueError) as error:
            self._say(sentence(error))
        return self.saver.save()

    # --- done -------------------------------------------------------------------------

    def finish(self, sure: bool = False) -> None:
        """Say that all objects of the image are labelled, and go on.

        Where that is unlikely the user is asked first, unless they are `sure`.
        """
        project = self.project
        if project is None or self.labels is None or not self.save():
            return
        name = self.layers.name
        doubt = "" if sure else doubt_of(project, name)
        if doubt:
            self.noticed.emit(
                Question(Hint(doubt, "problem"), "Done", lambda: self.finish(True))
            )
            return
        try:
            project.finish(name)
        except OSError as error:
            self._say(sentence(error))
            return
        following = project.most_uncertain(but=name)
        text = f"“{name}” is done."
        if following is None:
            text = "All images are done. Export the labels, or look again."
        else:
            self.show(following)
        if project.wants_training and self.trains_by_itself:
            self.models.train()
        undo = Question(Hint(text, "done"), "Take back", lambda: self.reopen(name))
        self.noticed.emit(undo)
        self.changed.emit()

    def reopen(self, name: str) -> None:
        """Say that an image is not done after all, and show it."""
        if self.project is None or name not in self.project.images:
            return
        try:
            self.project.reopen(name)
        except OSError as error:
            self._say(sentence(error))
            return
        if name != self.name:
            self.show(name)
        self.changed.emit()

    # --- proposals and training ------------------------------------------------------

    def _on_proposed(self, name: str) -> None:
        project = self.project
        if project is None:
            return
        self._missed |= name == self.name  # by what is being read meanwhile
        if self.image is not None and name == self.layers.name:
            self.layers.show_proposals(project.proposed.open_planes(name))
        self.models.propose_next(self.name)
        self.changed.emit()

    def train(self) -> None:
        """Train on what is annotated, beside the user's work."""
        if self.save():
            self.models.train()

    def _on_trained(self, path: Path) -> None:
        self.models.propose_next(self.name)
        self.changed.emit()
