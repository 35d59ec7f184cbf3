"""The dock widget "Annotate a folder"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_sam.plugin.hints import Hint, sentence
from napari_sam.plugin.loop import ProjectLoop, propose
from napari_sam.plugin.settings import read_settings
from napari_sam.plugin.state import unwrapped
from napari_sam.plugin.widgets.annotate import AnnotateWidget
from napari_sam.plugin.widgets.hint_line import HintLine, Notice
from napari_sam.plugin.widgets.model_picker import announce_model
from napari_sam.plugin.widgets.panel import (
    body_layout,
    fill_dock,
    form,
    heading,
    main_button,
)
from napari_sam.plugin.widgets.progress_line import ProgressLine
from napari_sam.plugin.workers import LatestWins, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer

    from napari_sam.ops.types import IsCancelled

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


class FolderWidget(QWidget):  # type: ignore[misc]
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
        self.annotate: AnnotateWidget | None = None
        self.hint = HintLine()
        self.progress = ProgressLine()
        self._notice = Notice()
        self._make_controls()
        self._lay_out()
        self._exporter = LatestWins("napari-sam export", self)
        self._connect()
        self._show_state()

    # --- building -------------------------------------------------------------

    def _make_controls(self) -> None:
        self.open = QPushButton("Open a folder…")
        self.stage = QLabel()
        self.stage.setWordWrap(True)
        self.images = QListWidget()
        self.images.setMaximumHeight(150)
        self.images.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.bar = QProgressBar()
        self.bar.setFormat("%v of %m images done")
        self.draw = QPushButton("Draw objects…")
        self.draw.setToolTip("Open “Annotate with SAM” on this image and its labels.")
        self.before = QPushButton("◀ Previous")
        self.after = QPushButton("Next ▶")
        self.uncertain = QPushButton("Most uncertain")
        self.accept = QPushButton("Accept all")
        self.accept_one = QPushButton("Accept (J)")
        self.reject = QPushButton("Reject all")
        self.reject_one = QPushButton("Reject (W)")
        for button, what in ((self.accept_one, "Accept"), (self.reject_one, "Reject")):
            button.setToolTip(
                f"{what} the proposal under the cursor: put the cursor on it and press "
                "the key."
            )
        self.finish = main_button("This image is done", "samDone", 6)
        self.counts = QLabel()
        self.counts.setWordWrap(True)
        self.retrain = QPushButton("Train now")
        self.by_itself = QCheckBox("Train by itself after every few images")
        self.by_itself.setChecked(True)
        self.every = QSpinBox()
        self.every.setRange(1, 1000)
        self.every.setSuffix(" images")
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.1, 24 * 60)
        self.minutes.setValue(5)
        self.minutes.setSuffix(" min")
        self.export = QPushButton("Export all labels…")
        for button in self._buttons():
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)

    def _buttons(self) -> tuple[QPushButton, ...]:
        return (
            self.draw,
            self.before,
            self.after,
            self.uncertain,
            self.accept,
            self.accept_one,
            self.reject,
            self.reject_one,
            self.finish,
            self.retrain,
            self.export,
        )

    def _lay_out(self) -> None:
        ways = QHBoxLayout()
        for button in (self.before, self.after, self.uncertain):
            ways.addWidget(button)
        answers = QGridLayout()
        answers.addWidget(self.accept_one, 0, 0)
        answers.addWidget(self.reject_one, 0, 1)
        answers.addWidget(self.accept, 1, 0)
        answers.addWidget(self.reject, 1, 1)
        body, layout = body_layout()
        layout.addWidget(self.open)
        layout.addWidget(self.stage)
        layout.addWidget(heading("Images"))
        layout.addWidget(self.images)
        layout.addLayout(ways)
        layout.addWidget(self.bar)
        layout.addWidget(heading("1  What the model proposes"))
        layout.addLayout(answers)
        layout.addWidget(heading("2  What is missing"))
        layout.addWidget(self.draw)
        layout.addWidget(heading("3  On to the next"))
        layout.addWidget(self.finish)
        layout.addWidget(self.counts)
        layout.addWidget(heading("Training"))
        layout.addWidget(self.by_itself)
        layout.addLayout(form(("After", self.every), ("Time", self.minutes)))
        layout.addWidget(self.retrain)
        layout.addWidget(self.export)
        layout.addStretch(1)
        fill_dock(self, (self.hint, self.progress), body)

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
        self.accept_one.clicked.connect(lambda: self._one(loop.accept))
        self.reject_one.clicked.connect(lambda: self._one(loop.reject))
        self.finish.clicked.connect(loop.finish)
        self.draw.clicked.connect(self.open_annotator)
        self.retrain.clicked.connect(loop.train)
        self.by_itself.toggled.connect(self._on_settings)
        self.minutes.valueChanged.connect(self._on_settings)
        self.every.valueChanged.connect(self._on_settings)
        self.export.clicked.connect(self._choose_export)
        self.progress.cancelled.connect(loop.cancel_training)
        self._exporter.done.connect(self._on_exported)
        loop.changed.connect(self._show_state)
        loop.noticed.connect(self._on_notice)
        loop.advanced.connect(self.progress.set_fraction)
        loop.trained.connect(self._on_trained)
        self.destroyed.connect(loop.close_workers)
        self._bind_keys()

    def _bind_keys(self) -> None:
        """J and W are free in napari; they are given back in `close_project`."""
        self.viewer.bind_key("J", lambda _: self._one(self.loop.accept), overwrite=True)
        self.viewer.bind_key("W", lambda _: self._one(self.loop.reject), overwrite=True)

    def close_project(self) -> None:
        """Keep what there is, and let others open the project."""
        self.loop.close()
        for key in ("J", "W"):
            self.viewer.bind_key(key, None, overwrite=True)

    def closeEvent(self, event: Any) -> None:
        """Keep what there is."""
        self.close_project()
        super().closeEvent(event)

    # --- what the user does -----------------------------------------------------------

    def open_folder(self, folder: str | Path) -> None:
        """Open a project, or make one of a folder of images."""
        self.loop.open(folder)
        project = self.loop.project
        if project is not None:
            self.every.setValue(project.retrain_after)
            self.images.clear()
            self.images.addItems(list(project.images))
        self._show_state()

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

    def _one(self, action: Callable[[list[int]], None]) -> None:
        found = self.loop.layers.proposal_under_cursor()
        if found:
            action([found])
        else:
            self._on_notice("There is no proposal under the cursor.")

    def _on_settings(self, value: Any = None) -> None:
        self.loop.trains_by_itself = self.by_itself.isChecked()
        self.loop.minutes = float(self.minutes.value())
        self.loop.set_retrain_after(int(self.every.value()))

    def open_annotator(self) -> AnnotateWidget:
        """Open the annotator beside this dock, with the project's model."""
        if self.annotate is None:
            self.annotate = AnnotateWidget(self.viewer)
            window = getattr(self.viewer, "window", None)
            if window is not None:
                window.add_dock_widget(
                    self.annotate, name="Annotate with SAM", area="right", tabify=True
                )
            self._use_model()
        annotator = self.annotate.annotator
        if self.loop.image is not None:
            annotator.set_image(self.loop.image)
            annotator.desks.set_output(self.loop.labels)
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
        self._on_notice("The model has learned from your labels, and proposes anew.")

    def export_to(self, folder: str | Path) -> None:
        """Write all labels as TIFF, COCO and a table, away from the window."""
        project = self.loop.project
        if project is None or not self.loop.save():
            return

        def work(is_cancelled: IsCancelled) -> Any:
            from napari_sam.workflows.project_export import export_project

            return export_project(project, folder, _EXPORTS)

        self._exporter.submit(folder, work)

    def _choose_export(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Where the labels go")
        if folder:
            self.export_to(folder)

    def _on_exported(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._on_notice(sentence(outcome.error))
        else:
            count = len(outcome.result)
            self._on_notice(f"{count} files were written to {outcome.token}.")

    # --- what is shown ----------------------------------------------------------------

    def _on_notice(self, text: str) -> None:
        self._notice.say(text)
        self._show_state()

    def _show_state(self) -> None:
        loop, project = self.loop, self.loop.project
        for button in self._buttons():
            button.setEnabled(project is not None)
        notice = self._notice.text_at((loop.name, loop.is_training))
        self.hint.show_hint(Hint(notice, "problem") if notice else self._next())
        if loop.is_training:
            self.progress.show_work("Training beside your work")
        else:
            self.progress.hide()
        if project is None:
            return
        self.stage.setText(_STAGES[project.stage])
        self.retrain.setEnabled(not loop.is_training)
        counts = project.counts()
        self.bar.setRange(0, counts.images)
        self.bar.setValue(counts.done)
        self.counts.setText(
            f"{counts.objects} objects: {counts.accepted} as proposed, "
            f"{counts.corrected} corrected, {counts.drawn} drawn. "
            f"{counts.clicks_per_object:.1f} clicks and "
            f"{counts.seconds_per_object:.1f} s an object."
        )
        for row, name in enumerate(project.images):
            state = project.state(name)
            text = f"{_MARKS[state.status]}{name}"
            if state.uncertainty is not None and state.status == "new":
                text += f"   (unsure: {state.uncertainty:.2f})"
            item = self.images.item(row)
            if item is not None and item.text() != text:
                item.setText(text)
        if loop.name in project.images:
            self.images.setCurrentRow(project.images.index(loop.name))

    def _next(self) -> Hint:
        """Say the next step."""
        loop, project = self.loop, self.loop.project
        if project is None:
            return Hint("Open a folder of images, or a project that you began.", "do")
        if loop.image is None:
            return Hint("Reading the image.", "wait")
        if project.state(loop.labels_name).status == "done":
            return Hint("This image is done. Change it if you like, or go on.", "do")
        proposed = loop.proposals is not None and bool(loop.proposals.data.any())
        if proposed:
            return Hint(
                "Accept what is right, reject what is wrong, then draw what is "
                "missing.",
                "do",
            )
        if loop.is_proposing and project.state(loop.labels_name).status == "new":
            return Hint("The model looks for objects. You can draw meanwhile.", "wait")
        return Hint(
            "Draw each object that is missing; when none is, the image is done.", "do"
        )
