"""A project in a viewer: one image at a time, proposals and training beside it.

It owns no widget; the dock "Annotate a folder" shows its state after each `changed`.
Files are read and models asked away from the window. What the user changes in the
labels layer, with whatever tool, is written to the project a moment later.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_sam.io.journal import DamagedLine
from napari_sam.plugin.model.workers import LatestWins, Outcome
from napari_sam.plugin.project.background_models import ProjectModels, propose
from napari_sam.plugin.project.label_saver import LabelSaver
from napari_sam.plugin.project.opening import Question, open_project
from napari_sam.plugin.project.project_layers import ProjectLayers
from napari_sam.plugin.viewer.active_annotator import active_in, unwrapped
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.timers import single_shot

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam.ops.types import IsCancelled
    from napari_sam.workflows.project.project import FileScan, Project
    from napari_sam.workflows.queries.classes import ObjectClassifier

__all__ = ["ProjectLoop"]

_HAND_MS = 50
"""The annotator's lists of layers settle first; then it gets image and labels."""


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
        ask: Callable[..., tuple[NDArray[np.int32], float]] = propose,
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
        self._hand_timer = single_shot(self, _HAND_MS, self._hand_over)
        self._classifier: ObjectClassifier | None = None
        self._is_taught = False
        self._opener = self._worker("opening a project", self._on_opened)
        self._looker = self._worker("looking at a project", self._on_looked)
        self._reader = self._worker("reading a project", self._on_read)

    def _worker(self, name: str, on_done: Callable[[Outcome], None]) -> LatestWins:
        worker = LatestWins(f"napari-sam {name}", self)
        worker.done.connect(on_done)
        return worker

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

    # --- coming and going -----------------------------------------------------------

    @property
    def is_opening(self) -> bool:
        """Whether a project is being opened."""
        return bool(self._opener.is_busy)

    @property
    def is_looking(self) -> bool:
        """Whether the files are being looked at."""
        return bool(self._looker.is_busy)

    @property
    def is_reading(self) -> bool:
        """Whether an image is being read."""
        return bool(self._reader.is_busy)

    def open(self, folder: str | Path, repair: bool = False) -> None:
        """Open a project, or make one of a folder, and show where it stopped.

        One with a damaged line asks whether it is to be opened as it was before
        that line, which is what `repair` does.
        """
        if self._is_open_here(Path(folder)):
            self._say("This project is open here already.")
            return

        def work(is_cancelled: IsCancelled) -> Any:
            return open_project(folder, repair)

        self._opener.submit(folder, work)
        self.changed.emit()

    def _is_open_here(self, folder: Path) -> bool:
        if self.project is None:
            return False
        open_one = self.project.folder.resolve()
        return folder.resolve() in (open_one, open_one.parent) and (
            folder.resolve() == open_one or not (folder / "project.json").is_file()
        )

    def _on_opened(self, outcome: Outcome) -> None:
        if isinstance(outcome.error, DamagedLine):
            text = (
                f"{sentence(outcome.error)} It can be opened as it was before that "
                "line; all that is there is kept in another file."
            )
            self.noticed.emit(
                Question(
                    Hint(text, "problem"),
                    "Open what is before it",
                    lambda: self.open(outcome.token, repair=True),
                )
            )
            return
        if outcome.error is not None:
            self._say(sentence(outcome.error))
            return
        project, found = outcome.result
        if not self.save():  # the one before keeps the window
            project.close()
            return
        self.close()
        self.project = self.saver.project = project
        self._found = found
        self.models.use(project)
        begun = [n for n in project.images if project.state(n).status == "started"]
        left = [n for n in project.images if project.state(n).status == "new"]
        self.show(next(iter(begun + left), project.images[0]))
        self.models.propose_next(self.name)
        self.opened.emit()
        self.looked.emit(found)
        self.look()

    def look(self) -> None:
        """Look at the files: which came, are gone, or were changed elsewhere."""
        project = self.project
        if project is not None:
            self._looker.submit(project, lambda is_cancelled: project.scan_files())

    def _on_looked(self, outcome: Outcome) -> None:
        if outcome.token is not self.project:
            return
        if outcome.error is not None:
            self._say(sentence(outcome.error))
        else:
            self._found = outcome.result
            self.looked.emit(outcome.result)
        self.models.propose_next(self.name)
        self.changed.emit()

    def locate(self, folder: str | Path) -> None:
        """Say where the images of the project are now."""
        if self.project is None:
            return
        try:
            self.project.locate(folder)
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
        self._classifier, self._is_taught = None, False
        self.saver.project = None
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
        for worker in (self._opener, self._looker, self._reader, self.saver):
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

        def work(is_cancelled: IsCancelled) -> Any:
            problem: Exception | None = None
            try:
                project.write_label_files(but=name)  # of what was left
            except (OSError, ValueError) as error:
                problem = error
            image, labels = project.read_image(name), project.labels(name)
            if image.shape[:2] != labels.shape:
                raise ValueError(
                    f"{project.path_of(name)} has shape {image.shape[:2]}, but the "
                    f"labels that were made of it have {labels.shape}; put the image "
                    "back of which they are"
                )
            return (image, labels, project.proposals(name)), problem

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
            self.noticed.emit(Hint("All other images are done.", "info"))
        else:
            self.show(found)

    def _on_read(self, outcome: Outcome) -> None:
        project: Project = outcome.token[0]
        name = outcome.token[1]
        if project is not self.project or name != self.name:
            return
        if self.saver.edited and not self.save():  # drawn while the next one was read
            self.name = self.layers.name
            return
        self.layers.take_down()
        if outcome.error is not None:
            self._say(f"{name}: {sentence(outcome.error)}")
            if self._found is not None and name in self._found.missing:
                self.looked.emit(self._found)  # which says what to do about it
            self.changed.emit()
            return
        (image, labels, proposals), problem = outcome.result
        self.layers.put_up(name, image, labels, proposals, project)
        if self._missed:
            self.layers.show(None, project.proposals(name))
        self.saver.begin()
        self._hand_timer.start()
        for trouble in (problem and sentence(problem), project.problems.get(name)):
            if trouble:
                self._say(sentence(ValueError(trouble)))
        if project.stage == "automatic" and project.state(name).status == "new":
            self.accept()
        self.changed.emit()

    def _hand_over(self) -> None:
        """Let the annotator work on the image, with what the project has learned."""
        self.layers.hand_over()
        annotator, project = active_in(self.viewer), self.project
        if annotator is None or project is None or self._is_taught:
            return
        self._is_taught = True
        try:
            self._classifier = project.classifier()
        except (OSError, ValueError) as error:
            self._say(sentence(error))
            return
        if self._classifier is not None:
            annotator.sorter.use(self._classifier)

    def _keep_classifier(self) -> None:
        """Keep what the annotator has learned from the objects of the project."""
        annotator, project = active_in(self.viewer), self.project
        if annotator is None or project is None or self.labels is None:
            return
        found = annotator.sorter.classifier
        is_ours = annotator.sessions.output is self.labels
        if found is None or found is self._classifier or not is_ours:
            return
        try:
            project.save_classifier(found)
        except (OSError, ValueError) as error:
            self._say(sentence(error))
        else:
            self._classifier = found

    # --- what the user does ----------------------------------------------------------

    def save(self) -> bool:
        """Write what changed to the project; whether that is safe now."""
        self._keep_classifier()
        return self.saver.save()

    def _change(self, change: Callable[[Project, str], object]) -> bool:
        """Change the project as to the image that is shown, and show it anew."""
        if self.project is None or self.labels is None or not self.save():
            return False
        try:
            change(self.project, self.layers.name)
        except (OSError, ValueError) as error:
            self._say(sentence(error))
            return False
        self._show_again()
        return True

    def accept(self, which: list[int] | None = None) -> None:
        """Make proposals objects; None: all."""
        self._change(lambda project, n: project.accept(n, which, self.saver.seconds()))

    def reject(self, which: list[int] | None = None) -> None:
        """Close proposals; None: all."""
        self._change(lambda project, name: project.reject(name, which))

    def _show_again(self) -> None:
        """Show labels and proposals as the project has them."""
        if self.project is None or self.labels is None:
            return
        name = self.layers.name
        found = self.project.labels(name), self.project.proposals(name)
        self.layers.show(*found)
        self.saver.forget()
        self.changed.emit()

    def take_over_label_files(self) -> None:
        """Take the labels that another program wrote to the label files."""
        self._settle_label_files(lambda project, name: project.take_over(name))

    def replace_label_files(self) -> None:
        """Write the project's labels where another program changed the files."""
        self._settle_label_files(lambda project, n: project.replace_label_file(n))

    def _settle_label_files(self, settle: Callable[[Project, str], object]) -> None:
        if self.project is None or not self.save():
            return
        for name in self.project.changed_elsewhere:
            try:
                settle(self.project, name)
            except (OSError, ValueError) as error:
                self._say(sentence(error))
        self._show_again()
        self.changed.emit()

    # --- done -------------------------------------------------------------------------

    def finish(self, sure: bool = False) -> None:
        """Say that all objects of the image are labelled, and go on.

        Where that is unlikely the user is asked first, unless they are `sure`.
        """
        project = self.project
        if project is None or self.labels is None or not self.save():
            return
        name = self.layers.name
        doubt = "" if sure else self._doubt()
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

    def _doubt(self) -> str:
        """Say why it is unlikely that all objects are labelled, "" if it is not."""
        undecided = int(np.count_nonzero(np.unique(self.proposals.data)))
        if undecided:
            proposals = "proposal is" if undecided == 1 else "proposals are"
            return (
                f"{undecided} {proposals} neither accepted nor rejected. Decide, or "
                "press Done: the image then counts as labelled in part."
            )
        if not np.any(self.labels.data):
            return "There is no object on this image. If it has none, press Done."
        return ""

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
            self.layers.show(None, project.proposals(name))
        self.models.propose_next(self.name)
        self.changed.emit()

    def train(self) -> None:
        """Train on what is annotated, beside the user's work."""
        if self.save():
            self.models.train()

    def _on_trained(self, path: Path) -> None:
        self.models.propose_next(self.name)
        self.changed.emit()
