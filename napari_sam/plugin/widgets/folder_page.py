"""The page "Annotate a folder": images, proposals, counts, training, export."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtWidgets import QFileDialog

from napari_sam.ops.message_text import counted
from napari_sam.plugin.annotator.keybindings import KeyBinder, keys_of
from napari_sam.plugin.project.background_models import propose
from napari_sam.plugin.project.project_loop import ProjectLoop
from napari_sam.plugin.project.project_opening import Question
from napari_sam.plugin.viewer.hint import Hint
from napari_sam.plugin.widgets.folder_controls import DONE, FolderControls
from napari_sam.plugin.widgets.folder_export import FolderExport
from napari_sam.plugin.widgets.folder_state import (
    STAGES,
    counts_in_words,
    named_count,
    next_step,
    show_images,
)
from napari_sam.plugin.widgets.model_picker import announce_model
from napari_sam.plugin.widgets.page import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam.plugin.widgets.hint_line import NoticeKind
    from napari_sam.plugin.widgets.page import Shared
    from napari_sam.workflows.project.project import FileScan

__all__ = ["FolderPage"]


def _let_go(loop: ProjectLoop, *_: object) -> None:
    """Keep what there is, of a dock that is gone."""
    loop.let_go()
    loop.close_workers()


class FolderPage(FolderControls):
    """A folder as one project.

    Parameters
    ----------
    shared
        What all pages share.
    ask, train
        Stand-ins for what proposes and trains; see `ProjectLoop`.
    """

    def __init__(
        self,
        shared: Shared,
        ask: Callable[..., Any] = propose,
        train: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(shared)
        device = shared.header.model.device_name
        self.loop = ProjectLoop(self.viewer, device, ask, train, self)
        self._question: Hint | Question | None = None
        self._noticed_at: object = None
        self._heard: Hint | Question | None = None
        self._fraction = -1.0
        self._keys = KeyBinder(
            {
                "accept_proposal": partial(self._on_key, self.loop.changes.accept),
                "reject_proposal": partial(self._on_key, self.loop.changes.reject),
                "unsure_proposal": self._on_unsure,
            }
        )
        self._exporter = FolderExport(self)
        self._connect()

    def _connect(self) -> None:
        loop = self.loop
        for button in (self.open, self.other):
            button.clicked.connect(self._choose_folder)
        self.before.clicked.connect(lambda: loop.step(-1))
        self.after.clicked.connect(lambda: loop.step(1))
        self.uncertain.clicked.connect(loop.show_most_uncertain)
        self.images.itemActivated.connect(self._on_chosen)
        self.images.itemClicked.connect(self._on_chosen)
        self.accept.clicked.connect(lambda: loop.changes.accept())
        self.reject.clicked.connect(lambda: loop.changes.reject())
        self.accept_one.clicked.connect(lambda: self._press(loop.changes.accept))
        self.reject_one.clicked.connect(lambda: self._press(loop.changes.reject))
        self.finish.clicked.connect(self._on_finish)
        self.take_over.clicked.connect(loop.changes.take_over_label_files)
        self.keep_own.clicked.connect(loop.changes.replace_label_files)
        self.draw.clicked.connect(self._on_draw)
        self.unsure.clicked.connect(self._on_unsure)
        self.stack.axes_chosen.connect(loop.choose_axes)
        self.stack.unsure.clicked.connect(self._on_unsure_plane)
        self.stack.follow.clicked.connect(lambda: self._go_with_layers("follow"))
        self.retrain.clicked.connect(loop.train)
        self.by_itself.toggled.connect(self._on_settings)
        self.minutes.valueChanged.connect(self._on_settings)
        self.every.valueChanged.connect(self._on_settings)
        self.export.clicked.connect(self._choose_export)
        self._exporter.noticed.connect(self._on_notice)
        self._exporter.advanced.connect(self._on_advanced)
        loop.changed.connect(self._on_changed)
        loop.noticed.connect(self._on_notice)
        loop.opened.connect(self._on_opened)
        loop.looked.connect(self._on_looked)
        loop.models.advanced.connect(self._on_advanced)
        loop.models.trained.connect(self._on_trained)
        self.destroyed.connect(partial(_let_go, loop))
        end = self.shared.end
        end.hidden.connect(loop.save)
        end.undocked.connect(self.close_project)
        end.ended.connect(self._on_ended)

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
        self._question = None
        self.loop.open(folder)
        self.changed.emit()

    def _on_opened(self) -> None:
        project = self.loop.project
        self._question = None
        if project is not None:
            self._bind_keys()
            self._use_model()
            self.every.setValue(project.retrain_after)
        self.changed.emit()

    def _on_looked(self, found: FileScan) -> None:
        """Say what came, what is gone, and what cannot be annotated."""
        texts = []
        if found.added:
            texts.append(
                f"{named_count(found.added)} new and belong to the project now."
            )
        if found.unfit:
            more = f" And {len(found.unfit) - 2} more." if len(found.unfit) > 2 else ""
            texts.append(f"Left out: {'; '.join(found.unfit[:2])}.{more}")
        if found.hidden:
            texts.append(f"{counted(found.hidden, 'hidden file')} left out.")
        if found.missing:
            texts.insert(0, f"{named_count(found.missing)} not where they were.")
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

    def _on_draw(self) -> None:
        """Go to the annotator, with the project's image and labels."""
        self._go_with_layers("annotate")

    def _go_with_layers(self, page: str) -> None:
        self._use_model()
        if self.loop.image is not None:
            self.chosen.emit(self.loop.image, self.loop.labels)
        self.wanted.emit(page)

    def _on_unsure(self) -> None:
        """Go to the least sure proposal, then to the next one with each press."""
        project = self.loop.project
        if project is not None and self.loop.labels is not None and self.loop.save():
            text = self.loop.unsure.show_object(project)
            self._on_notice(Hint(text, "info"))

    def _on_unsure_plane(self) -> None:
        """Go to the least sure plane of a stack, then to the next one."""
        project = self.loop.project
        if project is not None and self.loop.labels is not None:
            self._on_notice(Hint(self.loop.unsure.show_plane(project), "info"))

    def _use_model(self) -> None:
        """Let the annotator ask the project's model."""
        project, model = self.loop.project, self.shared.header.model
        if project is not None and model.source != project.model:
            model.choose(project.model)

    def _on_trained(self, path: Path) -> None:
        announce_model(path)
        self._use_model()
        text = "The model has learned from your labels, and proposes anew."
        self._on_notice(Hint(text, "done"))

    def export_to(self, folder: str | Path, overwrite: bool = False) -> None:
        """Write all labels as TIFF, COCO and a table, away from the window."""
        project = self.loop.project
        if project is not None and self.loop.save():
            self._exporter.start(project, folder, overwrite)
            self.changed.emit()

    def _choose_export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Where the labels go")
        if folder:
            self.export_to(folder)

    # --- what is shown ----------------------------------------------------------------

    def _on_notice(self, notice: Hint | Question) -> None:
        if isinstance(notice, Hint):
            super().say(notice.text, "problem" if notice.kind == "problem" else "info")
        self._question, self._noticed_at = notice, None
        self.changed.emit()

    def hear(self, text: str, kind: NoticeKind) -> None:
        """Leave out that an image was removed where the project has gone on."""
        is_between = self.loop.project is not None and self.loop.image is None
        if text and not is_between:
            self.say(text, kind)
            self._heard = self._question
        elif not text and self._heard is not None and self._question is self._heard:
            self.say("")  # it is true no more

    def say(self, text: str, kind: NoticeKind = "problem") -> None:
        """Say something once, in place of what is asked."""
        super().say(text, kind)
        self._question, self._noticed_at = Hint(text, kind) if text else None, None

    def _on_changed(self) -> None:
        self.changed.emit()

    def on_remedy(self, text: str) -> None:
        """Do what the hint's button says."""
        question, self._question = self._question, None
        if isinstance(question, Question):
            question.answer()
        self.changed.emit()

    def _on_advanced(self, fraction: float) -> None:
        self._fraction = fraction
        self.advanced.emit(fraction)

    def cancel(self) -> None:
        """Stop the export, the training, or the proposals of a stack."""
        if self._exporter.is_working:
            self._exporter.cancel()
        else:
            self.loop.models.cancel()

    def work(self) -> Work | None:
        """Return how far the export, the training or the proposals are."""
        models = self.loop.models
        if self._exporter.is_working:
            return Work("Exporting the labels", self._fraction)
        if models.is_training:
            return Work("Training beside your work", self._fraction)
        name = models.proposing_for
        if name and self._is_stack(name):
            return Work(f"Looking for objects in {name}", self._fraction)
        return None

    def _is_stack(self, name: str) -> bool:
        project = self.loop.project
        return project is not None and project.state(name).is_stack

    def close_page(self) -> None:
        """Keep what there is, and stop for good."""
        self.close_project()
        self.loop.close_workers()
        self._exporter.close()

    def _facts(self) -> object:
        """Return what a notice is about: it goes when this changes."""
        loop, project = self.loop, self.loop.project
        if project is None or loop.name not in project.images:
            return (project is None, loop.name)
        state = project.state(loop.name)
        return (loop.name, state.status, len(state.notes), len(state.closed))

    def said(self) -> tuple[Hint, str]:
        """Return the hint, and the text of its button."""
        facts = self._facts()
        if self._noticed_at is None:
            self._noticed_at = facts
        elif self._noticed_at != facts:
            self._question = None
        if isinstance(self._question, Question):
            return self._question.hint, self._question.button
        return self._question or self.next_step(), ""

    def show_state(self) -> None:
        """Show the project, its images, and which buttons can be pressed."""
        loop, project = self.loop, self.loop.project
        for button in self.buttons():
            button.setEnabled(project is not None)
        # Pressed twice, it would take back what it said.
        is_shown = project is not None and loop.layers.name == loop.name
        self.finish.setEnabled(is_shown)
        self.finish.setVisible(project is not None)
        self.open.setVisible(project is None)
        self.open.setEnabled(not loop.is_opening)
        self.other.setVisible(project is not None)
        if project is None:
            self.images.clear()
            self.elsewhere.hide()
            self.stack.hide()
            return
        self.finish.setText("Not done after all" if self._is_done() else DONE)
        self._show_changed_elsewhere(project.files.changed_elsewhere)
        self.stage.setText(STAGES[project.stage])
        self.retrain.setEnabled(not loop.models.is_training)
        counts = project.counts()
        self.bar.setRange(0, counts.images)
        self.bar.setValue(counts.done)
        self.counts.setText(counts_in_words(counts))
        show_images(self.images, project, loop.name)
        self.stack.show_stack(project, loop.layers.name, loop.layers.layout)

    def _show_changed_elsewhere(self, names: list[str]) -> None:
        self.elsewhere.setVisible(bool(names))
        if names:
            self.edited.setText(
                f"{named_count(names, 'label file')} changed by another program. Take "
                "that over, or write the labels of the project?"
            )

    def next_step(self) -> Hint:
        """Say the next step."""
        return next_step(self.loop, self._is_done())
