"""The dock widget "Train": a model that learns from the user's labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QPushButton,
    QWidget,
)

from napari_sam.checkpoints.own import free_path
from napari_sam.io.pairs import labelled_planes
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.connections import Connections
from napari_sam.plugin.found_layer import is_found_layer
from napari_sam.plugin.hints import Hint, sentence
from napari_sam.plugin.layers import display_range
from napari_sam.plugin.settings import read_settings
from napari_sam.plugin.state import active_in, unwrapped
from napari_sam.plugin.training_runs import (
    ending_in_words,
    gain_in_words,
    run_training,
)
from napari_sam.plugin.widgets.case_strip import CaseStrip
from napari_sam.plugin.widgets.curve_plot import CurvePlot
from napari_sam.plugin.widgets.hint_line import HintLine, Notice, NoticeKind
from napari_sam.plugin.widgets.layer_choice import LabelsChoice, LayerChoice
from napari_sam.plugin.widgets.model_picker import ModelPicker, announce_model
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

    import napari.viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam.checkpoints.store import CheckpointStore
    from napari_sam.ops.types import IsCancelled
    from napari_sam.training.jobs import TrainJob, TrainOutcome

__all__ = ["TrainWidget"]

_START = (
    "Choose an image and the labels that you drew on it, and press Train. Five images "
    "and five minutes help already."
)
_COMPLETE = (
    ("Every object is labelled", True),
    ("Only some objects are labelled", False),
)
_WHAT = (
    ("What suits the model", ""),
    ("All but the image encoder (fast)", "decoder"),
    ("The image encoder's adapters too", "adapters"),
    ("All of the model", "all"),
)


class TrainWidget(QWidget):  # type: ignore[misc]
    """Pairs of image and labels, a few choices, a plot, and a new model.

    Parameters
    ----------
    viewer
        The napari viewer.
    run
        Does the training; called away from the window.
    store
        Where checkpoints are kept.
    """

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        run: Callable[..., TrainOutcome] = run_training,
        store: CheckpointStore | None = None,
    ) -> None:
        super().__init__()
        settings = read_settings()
        viewer = unwrapped(viewer)
        self.viewer = viewer
        self._run = run
        self._sources: list[tuple[str, list[Any]]] = []
        self._outcome: TrainOutcome | None = None
        self.hint = HintLine()
        self.progress = ProgressLine()
        self.image = LayerChoice(viewer, lambda layer: isinstance(layer, Image))
        self.labels = LabelsChoice(viewer, self._is_drawn, "none yet")
        self.model = ModelPicker(store, settings.model, settings.device)
        self.plot = CurvePlot("loss", ("1 click", "box"), "s")
        self.cases = CaseStrip()
        self._notice = Notice()
        self._label_events = Connections()
        self._paints = 0
        self._view_timer = QTimer(self)
        self._view_timer.setSingleShot(True)
        self._view_timer.setInterval(0)
        self._view_timer.timeout.connect(self._show_hint)
        self._make_controls()
        self._lay_out()
        self._worker = LatestWins("napari-sam training", self)
        self._connect()
        self._show_hint()
        self.destroyed.connect(self._worker.close)

    # --- building -------------------------------------------------------------

    def _make_controls(self) -> None:
        self.pairs = QListWidget()
        self.pairs.setMaximumHeight(84)
        self.pairs.setToolTip(
            "What is learned from. Where the list is empty, it is the image and the "
            "labels above."
        )
        self.add = QPushButton("Add this pair")
        self.add_folder = QPushButton("Add a folder…")
        self.add_folder.setToolTip(
            "A folder with images and labels in it, of files with the same names."
        )
        self.remove = QPushButton("Remove")
        for button in (self.add, self.add_folder, self.remove):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.complete = _choice(
            _COMPLETE,
            "Where only some are labelled, the rest of the image is not taken for "
            "background.",
        )
        self.what = _choice(
            _WHAT,
            "The image encoder is most of the model. Of a light one, as that of cells, "
            "all learns; of a heavy one, which is slow to train, what it makes of the "
            "images is computed once.",
        )
        self.minutes = QDoubleSpinBox()
        self.minutes.setRange(0.1, 24 * 60)
        self.minutes.setDecimals(1)
        self.minutes.setValue(5)
        self.minutes.setSuffix(" min")
        self.name = QLineEdit("my model")
        self.train = main_button("Train", "samTrain", 6)
        self.result = QLabel()
        self.result.setWordWrap(True)
        self.export = QPushButton("Export the model…")
        self.export.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.export.setEnabled(False)
        self.worst = heading("Where it is worst")
        self.worst.hide()

    def _lay_out(self) -> None:
        buttons = QHBoxLayout()
        for button in (self.add, self.add_folder, self.remove):
            buttons.addWidget(button)
        body, layout = body_layout()
        layout.addWidget(heading("1  What to learn from"))
        layout.addLayout(form(("Image", self.image), ("Labels", self.labels)))
        layout.addLayout(buttons)
        layout.addWidget(self.pairs)
        layout.addLayout(form(("Labelled", self.complete)))
        layout.addWidget(heading("2  How"))
        layout.addWidget(self.model)
        layout.addLayout(
            form(("Learns", self.what), ("Time", self.minutes), ("Name", self.name))
        )
        layout.addWidget(self.train)
        layout.addWidget(self.plot)
        layout.addWidget(self.result)
        layout.addWidget(self.export)
        layout.addWidget(self.worst)
        layout.addWidget(self.cases)
        layout.addStretch(1)
        fill_dock(self, (self.hint, self.progress), body)

    def _connect(self) -> None:
        self.image.chosen.connect(self._on_image)
        self.labels.chosen.connect(self._on_labels)
        self.add.clicked.connect(self.add_pair)
        self.add_folder.clicked.connect(self._choose_folder)
        self.remove.clicked.connect(self._remove)
        self.train.clicked.connect(self.start)
        self.export.clicked.connect(self._choose_export)
        self.model.noticed.connect(self._say_problem)
        self.model.chosen.connect(self._view_timer.start)
        self.progress.cancelled.connect(self._worker.cancel)
        self._worker.done.connect(self._on_done)
        self._worker.reported.connect(self._on_reported)

    def showEvent(self, event: QShowEvent) -> None:
        """Follow the layers."""
        super().showEvent(event)
        if not event.spontaneous():
            self.image.start()
            self.labels.start()
            self._on_image(self.image.layer)

    def hideEvent(self, event: QHideEvent) -> None:
        """Let go of the layers; a training goes on."""
        super().hideEvent(event)
        if not event.spontaneous():
            self.image.stop()
            self.labels.stop()
            self._label_events.clear()

    def _is_drawn(self, layer: Any) -> bool:
        """Say whether a layer holds objects to learn from, and is no preview."""
        annotator = active_in(self.viewer)
        layers = None if annotator is None else annotator.layers
        is_own = layers is not None and layer is layers.preview
        return isinstance(layer, Labels) and not (is_own or is_found_layer(layer))

    def _on_image(self, image: Any) -> None:
        self.labels.follow(image)
        self._on_labels(self.labels.layer)

    def _on_labels(self, labels: Any) -> None:
        """Notice what is drawn on other labels."""
        self._label_events.clear()
        if labels is not None:
            for name in ("paint", "data", "labels_update"):
                emitter = getattr(labels.events, name, None)
                if emitter is not None:
                    self._label_events.add(emitter, self._on_painted)
        self._view_timer.start()

    def _on_painted(self, event: Any = None) -> None:
        self._paints += 1
        self._view_timer.start()

    # --- what is learned from -----------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether a training runs."""
        return bool(self._worker.is_busy)

    def add_pair(self) -> None:
        """Add the chosen image and labels to the list."""
        found = self._pair()
        if found is not None:
            self._add(*found)

    def add_files(self, folder: str | Path) -> None:
        """Add a folder of labelled images to the list."""
        from napari_sam.io.folders import list_labelled_images

        try:
            found = list_labelled_images(folder)
        except ValueError as error:
            self._say_problem(sentence(error))
            return
        self._add(f"{Path(folder).name} ({len(found)} images)", list(found))

    def _add(self, title: str, sources: list[Any]) -> None:
        self._sources.append((title, sources))
        self.pairs.addItem(title)
        self._view_timer.start()

    def _remove(self) -> None:
        row = self.pairs.currentRow()
        if row < 0:
            self._say_problem("Select a pair in the list below first.")
            return
        self.pairs.takeItem(row)
        del self._sources[row]
        self._view_timer.start()

    def _choose_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "A folder of labelled images")
        if folder:
            self.add_files(folder)

    def _pair(self) -> tuple[str, list[Any]] | None:
        image, labels = self.image.layer, self.labels.layer
        if image is None or labels is None:
            self._say_problem(
                "Open an image, and draw labels on it, first."
                if image is None
                else f"Choose the labels of “{image.name}”, or draw some on it, first."
            )
            return None
        data = image.data[0] if image.multiscale else image.data
        try:
            planes = labelled_planes(
                data,
                labels.data,
                name=image.name,
                rgb=bool(image.rgb),
                complete=bool(self.complete.currentData()),
                contrast_limits=None if image.rgb else display_range(image),
            )
        except ValueError as error:
            self._say_problem(sentence(error))
            return None
        if not planes:
            self._say_problem(f"“{labels.name}” has no object yet.")
            return None
        count = "" if len(planes) == 1 else f" ({len(planes)} planes)"
        return f"{image.name} + {labels.name}{count}", planes

    # --- the training ---------------------------------------------------------------

    def start(self) -> None:
        """Train on what is listed, or on the chosen pair."""
        if self.is_working:
            return
        if not self._sources:
            self.add_pair()
        sources = [source for _, sources in self._sources for source in sources]
        if not sources:
            return
        if not self.model.is_here:
            self._say_problem("Download the model to start from first.")
            return
        job = self._job(sources)
        self.plot.clear()
        self.result.clear()
        self.worst.hide()
        self.cases.show_cases([])
        self.train.setEnabled(False)
        self.progress.show_work("Looking at the images")
        self.progress.set_fraction(-1.0)
        self._notice.say("")
        worker, run = self._worker, self._run

        def work(is_cancelled: IsCancelled) -> Any:
            return run(
                job,
                on_event=lambda event: worker.report(job, event),
                progress=lambda done, total: worker.report(job, (done, total)),
                is_cancelled=is_cancelled,
            )

        worker.submit(job, work)
        self._show_hint()

    def _job(self, sources: list[Any]) -> TrainJob:
        from napari_sam.training.jobs import TrainJob

        changes: dict[str, Any] = {}
        if self.what.currentData():
            changes["what"] = self.what.currentData()
        if not self.complete.currentData():
            changes["partial"] = ("*",)
        return TrainJob(
            sources,
            free_path(self.name.text()),
            self.model.source,
            float(self.minutes.value()),
            self.model.device_name,
            changes,
        )

    def _on_reported(self, job: TrainJob, value: Any) -> None:
        if isinstance(value, tuple):
            done, total = value
            self.progress.set_fraction(done / total if total else -1.0)
            self.progress.show_work(f"Training, {max(0, total - done)} s left")
            return
        at = float(value.get("elapsed", 0))
        for key, name in (
            ("mean_loss", "loss"),
            ("validation_click", "1 click"),
            ("validation_box", "box"),
        ):
            if value.get(key) is not None:
                self.plot.add(name, at, float(value[key]))

    def _on_done(self, outcome: Outcome) -> None:
        self.progress.hide()
        self.train.setEnabled(True)
        if isinstance(outcome.error, Cancelled):
            self._say("Stopped before anything was learned.", "info")
            return
        if outcome.error is not None:
            self._say_problem(sentence(outcome.error))
            return
        if isinstance(outcome.result, Path):
            self._say(f"Written to {outcome.result}.", "done")
            return
        self._show(outcome.result)

    def _show(self, result: TrainOutcome) -> None:
        self._outcome = result
        announce_model(result.path)
        bad = result.reason in ("diverged", "elsewhere")
        self._say(ending_in_words(result), "problem" if bad else "done")
        self.result.setText(gain_in_words(result))
        self.export.setEnabled(True)
        self.worst.setVisible(bool(result.cases))
        self.cases.show_cases(result.cases)

    # --- the new model ----------------------------------------------------------------

    def export_to(self, target: str | Path) -> None:
        """Write the new model to a file, .safetensors or .pth."""
        if self._outcome is None:
            return
        source, path = self._outcome.path, Path(target)

        def work(is_cancelled: IsCancelled) -> Path:
            from napari_sam.checkpoints import export

            if path.suffix == ".pth":
                return export.export_pth(source, path)
            return export.export_safetensors(source, path)

        self._worker.submit("export", work)

    def _choose_export(self) -> None:
        kinds = "napari-sam (*.safetensors);;segment-anything, micro-sam (*.pth)"
        path, _ = QFileDialog.getSaveFileName(self, "Export the model", "", kinds)
        if path:
            self.export_to(path)

    # --- what is shown ----------------------------------------------------------------

    def _say_problem(self, text: str) -> None:
        self._say(text, "problem")

    def _say(self, text: str, kind: NoticeKind) -> None:
        self._notice.say(text, kind)
        self._show_hint()

    def _show_hint(self) -> None:
        """Show what is to be read until what it is about has changed."""
        chosen = self.image.layer, self.labels.layer, self._paints, len(self._sources)
        facts = *chosen, self.model.source, self.model.is_here
        notice = self._notice.text_at(facts)
        if notice:
            self.hint.show_hint(Hint(notice, self._notice.kind))
        elif self.is_working:
            text = "Training. The rest of the window can be used meanwhile."
            self.hint.show_hint(Hint(text, "wait"))
        elif self._sources:
            self.hint.show_hint(Hint("Add more, or press Train."))
        else:
            self.hint.show_hint(Hint(_START))


def _choice(items: tuple[tuple[str, Any], ...], tip: str) -> QComboBox:
    combo = QComboBox()
    for text, value in items:
        combo.addItem(text, value)
    combo.setToolTip(tip)
    combo.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    combo.setMinimumContentsLength(6)
    combo.setSizeAdjustPolicy(
        QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    return combo
