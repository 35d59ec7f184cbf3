"""The dock widget "Annotate a folder"."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtWidgets import QFileDialog

from napari_sam.ops.wording import counted
from napari_sam.plugin.annotator.keybindings import KeyBinder, keys_of
from napari_sam.plugin.model.workers import LatestWins, Outcome
from napari_sam.plugin.project.background_models import propose
from napari_sam.plugin.project.opening import Question
from napari_sam.plugin.project.project_loop import ProjectLoop
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.settings import read_settings
from napari_sam.plugin.widgets.annotate import AnnotateWidget, dock_annotator
from napari_sam.plugin.widgets.annotate_folder_controls import DONE, FolderControls
from napari_sam.plugin.widgets.dock_closing import DockEnd
from napari_sam.plugin.widgets.model_picker import announce_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import napari.viewer

    from napari_sam.ops.types import IsCancelled
    from napari_sam.workflows.project.project import Look, Project

__all__ = ["FolderWidget"]

_STAGES = {
    "assisted": "Stage 1 of 3, assisted: the model has learned nothing from you yet. "
    "Prompt each object, or accept what it proposes.",
    "semi-automatic": "Stage 2 of 3, semi-automatic: the model has learned from you. "
    "Accept and correct what it proposes, and add what is missing.",
    "automatic": "Stage 3 of 3, automatic: nine in ten proposals were right lately, so "
    "they become objects by themselves. Look them over.",
}
_MARKS = {"new": "  ", "started": "◐ ", "done": "● "}
_EXPORTS = ("tiff", "coco", "csv")


def _let_go(loop: ProjectLoop, *_: object) -> None:
    """Keep what there is, of a dock that is gone."""
    loop.let_go()
    loop.close_workers()


def _many(names: Sequence[str], what: str = "image") -> str:
    """Say how many there are, and which.

    Examples
    --------
    >>> _many(["a"]), _many(["a", "b", "c", "d"], "file")
    ('1 image (a) is', '4 files (a, b, c, …) are')
    """
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    plural, verb = ("", "is") if len(names) == 1 else ("s", "are")
    return f"{len(names)} {what}{plural} ({shown}) {verb}"


class FolderWidget(FolderControls):
    """A folder as one project: images, proposals, counts, training, export.

    Parameters
    ----------
    viewer
        The napari viewer.
    ask, train
        Stand-ins for what proposes and trains; see `ProjectLoop`.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        ask: Callable[..., Any] = propose,
        train: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__()
        self.viewer = unwrapped(viewer)
        settings = read_settings()
        self.loop = ProjectLoop(self.viewer, settings.device, ask, train, self)
        self._keys = KeyBinder(
            {
                "accept_proposal": partial(self._on_key, self.loop.accept),
                "reject_proposal": partial(self._on_key, self.loop.reject),
            }
        )
        self.annotate: AnnotateWidget | None = None
        self._end = DockEnd(self)
        self._notice: Hint | Question | None = None
        self._noticed_at: object = None
        self._exporter = LatestWins("napari-sam export", self)
        self._connect()
        self._show_state()

    def _connect(self) -> None:
        loop = self.loop
        self.open.clicked.connect(self._choose_folder)
        self.before.clicked.connect(lambda: loop.step(-1))
        self.after.clicked.connect(lambda: loop.step(1))
        self.uncertain.clicked.connect(loop.show_most_uncertain)
        self.images.itemActivated.connect(self._on_chosen)
        self.images.itemClicked.connect(self._on_chosen)
        self.accept.clicked.connect(lambda: loop.accept())
        self.reject.clicked.connect(lambda: loop.reject())
        self.accept_one.clicked.connect(lambda: self._press(loop.accept))
        self.reject_one.clicked.connect(lambda: self._press(loop.reject))
        self.finish.clicked.connect(self._on_finish)
        self.take_over.clicked.connect(loop.take_over_label_files)
        self.keep_own.clicked.connect(loop.replace_label_files)
        self.draw.clicked.connect(self.open_annotator)
        self.retrain.clicked.connect(loop.train)
        self.by_itself.toggled.connect(self._on_settings)
        self.minutes.valueChanged.connect(self._on_settings)
        self.every.valueChanged.connect(self._on_settings)
        self.export.clicked.connect(self._choose_export)
        self.progress.cancelled.connect(loop.models.cancel_training)
        self.hint.pressed.connect(self._on_pressed)
        self._exporter.done.connect(self._on_exported)
        loop.changed.connect(self._show_state)
        loop.noticed.connect(self._on_notice)
        loop.opened.connect(self._on_opened)
        loop.looked.connect(self._on_looked)
        loop.models.advanced.connect(self.progress.set_fraction)
        loop.models.trained.connect(self._on_trained)
        self.destroyed.connect(partial(_let_go, loop))
        self._end.hidden.connect(loop.save)
        self._end.undocked.connect(self.close_project)
        self._end.ended.connect(self._on_ended)

    # --- closing --------------------------------------------------------------

    def _bind_keys(self) -> None:
        """Bind the keys of a project; they are given back in `close_project`."""
        self._keys.bind(self.viewer, keys_of("project"))

    def close_project(self) -> None:
        """Keep what there is, and let others open the project."""
        if self.loop.project is None:
            return
        self.loop.close()
        self._give_back_keys()

    def _on_ended(self) -> None:
        """Keep what there is of a window that is closed."""
        if self.loop.project is not None:
            self.loop.let_go()
            self._give_back_keys()

    def _give_back_keys(self) -> None:
        self._keys.unbind_all()

    # --- what the user does -----------------------------------------------------------

    def open_folder(self, folder: str | Path) -> None:
        """Open a project, or make one of a folder of images."""
        self._notice = None
        self.loop.open(folder)
        self._show_state()

    def _on_opened(self) -> None:
        project = self.loop.project
        self._notice = None
        if project is not None:
            self._bind_keys()
            self.every.setValue(project.retrain_after)
        self._show_state()

    def _on_looked(self, found: Look) -> None:
        """Say what came, what is gone, and what cannot be annotated."""
        texts = []
        if found.added:
            texts.append(f"{_many(found.added)} new and belong to the project now.")
        if found.unfit:
            more = f" And {len(found.unfit) - 2} more." if len(found.unfit) > 2 else ""
            texts.append(f"Left out: {'; '.join(found.unfit[:2])}.{more}")
        if found.hidden:
            texts.append(f"{counted(found.hidden, 'hidden file')} left out.")
        if found.missing:
            texts.insert(0, f"{_many(found.missing)} not where they were.")
            hint = Hint(" ".join(texts), "problem")
            self._on_notice(Question(hint, "Find…", self._choose_images))
        elif texts:
            kind: Literal["problem", "info"] = "problem" if found.unfit else "info"
            self._on_notice(Hint(" ".join(texts), kind))

    def _choose_images(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Where the images are now")
        if folder:
            self.loop.locate(folder)

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder of images")
        if folder:
            self.open_folder(folder)

    def _on_chosen(self, item: Any) -> None:
        project = self.loop.project
        if project is not None:
            name = project.images[self.images.row(item)]
            if name != self.loop.name:
                self.loop.show(name)

    def _on_key(self, action: Callable[[list[int]], None]) -> None:
        found = self.loop.layers.meant_by_key()
        if found:
            action([found])
        else:
            self._on_notice(Hint("There is no proposal under the cursor.", "info"))

    def _press(self, action: Callable[[list[int]], None]) -> None:
        found = self.loop.layers.meant_by_button()
        if found:
            action([found])
        else:
            text = "Click a proposal in the image first; then it is white."
            self._on_notice(Hint(text, "info"))

    def _on_finish(self) -> None:
        if self._is_done():
            self.loop.reopen(self.loop.layers.name)
        else:
            self.loop.finish()

    def _is_done(self) -> bool:
        project, name = self.loop.project, self.loop.layers.name
        return bool(project and name and project.state(name).status == "done")

    def _on_settings(self, value: Any = None) -> None:
        self.loop.trains_by_itself = self.by_itself.isChecked()
        self.loop.models.minutes = float(self.minutes.value())
        self.loop.set_retrain_after(int(self.every.value()))

    def open_annotator(self) -> AnnotateWidget:
        """Open the annotator beside this dock, with the project's model."""
        shown = dock_annotator(self.viewer)
        if shown is not self.annotate:
            self.annotate = shown
            self._use_model()
        annotator = self.annotate.annotator
        if self.loop.image is not None:
            annotator.set_image(self.loop.image)
            annotator.sessions.set_output(self.loop.labels)
        return self.annotate

    def _use_model(self) -> None:
        project = self.loop.project
        if self.annotate is None or project is None:
            return
        if self.annotate.model.source != project.model:
            self.annotate.model.choose(project.model)

    def _on_trained(self, path: Path) -> None:
        announce_model(path)
        self._use_model()
        text = "The model has learned from your labels, and proposes anew."
        self._on_notice(Hint(text, "done"))

    def export_to(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write all labels as TIFF, COCO and a table, away from the window."""
        project = self.loop.project
        if project is None or not self.loop.save():
            return

        def work(is_cancelled: IsCancelled) -> Any:
            from napari_sam.workflows.project.export import export_project

            return export_project(project, folder, _EXPORTS, overwrite=overwrite)

        self._exporter.submit(folder, work)

    def _choose_export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Where the labels go")
        if folder:
            self.export_to(folder)

    def _on_exported(self, outcome: Outcome) -> None:
        from napari_sam.workflows.project.export import WouldReplaceError

        folder = outcome.token
        if isinstance(outcome.error, WouldReplaceError):
            hint = Hint(sentence(outcome.error), "problem")
            answer = partial(self.export_to, folder, overwrite=True)
            self._on_notice(Question(hint, "Replace them", answer))
        elif outcome.error is not None:
            self._on_notice(Hint(sentence(outcome.error), "problem"))
        else:
            count = len(outcome.result)
            files = "file was" if count == 1 else "files were"
            self._on_notice(Hint(f"{count} {files} written to {folder}.", "done"))

    # --- what is shown ----------------------------------------------------------------

    def _on_notice(self, notice: Hint | Question) -> None:
        self._notice, self._noticed_at = notice, None
        self._show_state()

    def _on_pressed(self) -> None:
        notice, self._notice = self._notice, None
        if isinstance(notice, Question):
            notice.answer()
        self._show_state()

    def _facts(self) -> object:
        """Return what a notice is about: it goes when this changes."""
        loop, project = self.loop, self.loop.project
        if project is None or loop.name not in project.images:
            return (project is None, loop.name)
        state = project.state(loop.name)
        return (loop.name, state.status, len(state.notes), len(state.closed))

    def _show_hint(self) -> None:
        facts = self._facts()
        if self._noticed_at is None:
            self._noticed_at = facts
        elif self._noticed_at != facts:
            self._notice = None
        if isinstance(self._notice, Question):
            self.hint.show_hint(self._notice.hint, self._notice.button)
        else:
            self.hint.show_hint(self._notice or self._next())

    def _show_state(self) -> None:
        loop, project = self.loop, self.loop.project
        for button in self.buttons():
            button.setEnabled(project is not None)
        # Pressed twice, it would take back what it said.
        is_shown = project is not None and loop.layers.name == loop.name
        self.finish.setEnabled(is_shown)
        self._show_hint()
        if loop.models.is_training:
            self.progress.show_work("Training beside your work")
        else:
            self.progress.hide()
        if project is None:
            self.images.clear()
            self.elsewhere.hide()
            return
        self.finish.setText("Not done after all" if self._is_done() else DONE)
        self._show_changed_elsewhere(project.changed_elsewhere)
        self.stage.setText(_STAGES[project.stage])
        self.retrain.setEnabled(not loop.models.is_training)
        counts = project.counts()
        self.bar.setRange(0, counts.images)
        self.bar.setValue(counts.done)
        self.counts.setText(
            f"{counts.objects} objects: {counts.accepted} as proposed, "
            f"{counts.corrected} corrected, {counts.drawn} drawn. "
            f"{counts.clicks_per_object:.1f} clicks and "
            f"{counts.seconds_per_object:.1f} s an object."
        )
        self._show_images(project)

    def _show_images(self, project: Project) -> None:
        names = project.images
        if self.images.count() != len(names):
            self.images.clear()
            self.images.addItems(list(names))
        for row, name in enumerate(names):
            state = project.state(name)
            text = f"{_MARKS[state.status]}{name}"
            if state.problem:
                text = f"✗ {name}"
            elif state.uncertainty is not None and state.status == "new":
                text += f"   (unsure: {state.uncertainty:.2f})"
            item = self.images.item(row)
            if item.text() != text:
                item.setText(text)
                item.setToolTip(state.problem)
        if self.loop.name in names:
            self.images.setCurrentRow(names.index(self.loop.name))

    def _show_changed_elsewhere(self, names: list[str]) -> None:
        self.elsewhere.setVisible(bool(names))
        if names:
            self.edited.setText(
                f"{_many(names, 'label file')} changed by another program. Take that "
                "over, or write the labels of the project?"
            )

    def _next(self) -> Hint:
        """Say the next step."""
        loop, project = self.loop, self.loop.project
        if loop.is_opening:
            return Hint("Opening the folder.", "wait")
        if project is None:
            return Hint("Open a folder of images, or a project that you began.", "do")
        if loop.image is None:
            if loop.is_reading:
                return Hint("Reading the image.", "wait")
            return Hint("Choose another image: this one cannot be shown.", "problem")
        if self._is_done():
            return Hint("This image is done. Change it if you like, or go on.", "do")
        proposed = loop.proposals is not None and bool(loop.proposals.data.any())
        if proposed:
            return Hint(
                "Accept what is right, reject what is wrong, then draw what is "
                "missing.",
                "do",
            )
        if loop.models.is_proposing and project.state(loop.layers.name).status == "new":
            return Hint("The model looks for objects. You can draw meanwhile.", "wait")
        return Hint(
            "Draw each object that is missing; when none is, the image is done.", "do"
        )
