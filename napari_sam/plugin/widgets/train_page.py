"""The page "Train": a model that learns from the user's labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QPushButton,
)

from napari_sam.checkpoints.user_models import free_path
from napari_sam.configs import TrainConfig
from napari_sam.plugin.model.long_task import LongTask
from napari_sam.plugin.model.training_runs import (
    TrainJob,
    ending_in_words,
    gain_in_words,
    left_out_in_words,
    run_training,
)
from napari_sam.plugin.model.workers import WorkThread
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.widgets.buttons import push_button
from napari_sam.plugin.widgets.dock_layout import (
    data_choice,
    form,
    heading,
    main_button,
)
from napari_sam.plugin.widgets.labels_offer import LabelsOffer
from napari_sam.plugin.widgets.model_picker import announce_model
from napari_sam.plugin.widgets.page import Page, Work
from napari_sam.plugin.widgets.training_curves import CurvePlot
from napari_sam.plugin.widgets.training_pairs import PairList
from napari_sam.plugin.widgets.worst_cases import CaseStrip
from napari_sam.workflows.progress import Progress as WorkProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QVBoxLayout

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.model.long_task import Progress
    from napari_sam.plugin.widgets.page import Shared
    from napari_sam.training.training_job import TrainOutcome

__all__ = ["TrainPage"]

_START = (
    "Open an image, and draw labels on it or choose some; then train. Five images and "
    "five minutes help already."
)
_NO_LABELS = (
    "Choose the labels of “{image}”, or draw some on it, first. Five images and five "
    "minutes help already."
)
_READY = (
    "Press Train: the model learns from “{labels}”. Or add more images first; five "
    "help much."
)
_WHAT = (
    ("What suits the model", ""),
    ("All but the image encoder (fast)", "decoder"),
    ("The image encoder's adapters too", "adapters"),
    ("All of the model", "all"),
)


class TrainPage(Page):
    """Pairs of image and labels, a few choices, a plot, and a new model.

    Parameters
    ----------
    shared
        What all pages share.
    run
        Does the training; called away from the window.
    """

    def __init__(
        self, shared: Shared, run: Callable[..., TrainOutcome] = run_training
    ) -> None:
        super().__init__(shared)
        self._run = run

    # --- building -------------------------------------------------------------

    def make_controls(self) -> None:
        """Make the list of pairs, the choices, and what shows the result."""
        self._outcome: TrainOutcome | None = None
        self._work = Work("")
        thread = WorkThread("napari-sam training")
        self._training = LongTask(thread, self)
        self._exporting = LongTask(thread, self)
        self._offer = LabelsOffer(self.shared)
        self.pairs = PairList()
        self.plot = CurvePlot("loss", ("1 click", "box"), "s")
        self.cases = CaseStrip()
        self.what = data_choice(
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
        self.minutes.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.name = QLineEdit("my model")
        self.name.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.train = main_button(
            "Train", "samTrain", "Make a new model that has learned from your labels."
        )
        self.result = QLabel()
        self.result.setWordWrap(True)
        self.export = push_button(
            "Export the model…",
            "Write the new model to a file, for other computers and programs.",
        )
        self.worst = heading("Where it is worst")
        for part in (self.plot, self.result, self.export, self.worst):
            part.hide()

    def action_buttons(self) -> tuple[QPushButton, ...]:
        """Return the button that trains."""
        return (self.train,)

    def lay_out(self, layout: QVBoxLayout) -> None:
        """Lay out what to learn from, how, and what came of it."""
        layout.addWidget(heading("What to learn from"))
        layout.addWidget(self.pairs)
        layout.addWidget(heading("How"))
        layout.addLayout(
            form(("Learns", self.what), ("Time", self.minutes), ("Name", self.name))
        )
        layout.addWidget(self.plot)
        layout.addWidget(self.result)
        layout.addWidget(self.export)
        layout.addWidget(self.worst)
        layout.addWidget(self.cases)
        layout.addStretch(1)

    def connect_controls(self) -> None:
        """Connect the controls to the training."""
        self.pairs.changed.connect(self.changed)
        self.pairs.refused.connect(self.say)
        self.train.clicked.connect(self.start)
        self.export.clicked.connect(self._choose_export)
        self._training.progressed.connect(self._on_progressed)
        self._training.told.connect(self._on_event)
        self._training.done.connect(self._on_trained)
        self._training.cancelled.connect(self._on_stopped)
        self._exporting.done.connect(self._on_exported)
        for task in (self._training, self._exporting):
            task.failed.connect(self._on_failed)
            self.destroyed.connect(task.close)

    # --- coming and going -------------------------------------------------------

    def enter(self) -> None:
        """Follow what is drawn on the labels."""
        self.pairs.follow()

    def leave(self) -> None:
        """Let go of the labels; a training goes on."""
        self.pairs.stop()

    def set_layers(self, image: Any, labels: Any) -> None:
        """Learn from another image and labels."""
        self.pairs.set_layers(image, labels)

    def cancel(self) -> None:
        """Stop; the best weights so far are kept."""
        self._training.cancel()

    def close_page(self) -> None:
        """Stop for good."""
        self._training.close()
        self._exporting.close()

    # --- the training ---------------------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether a training runs."""
        return bool(self._training.is_working)

    def start(self) -> None:
        """Train on what is listed, or on the chosen pair."""
        if self.is_working:
            return
        if not self.pairs.sources:
            self.pairs.add_pair()
        sources = self.pairs.sources
        if not sources:
            return
        if not self.shared.header.model.is_here:
            self.say("Download the model to start from first.")
            return
        job = self._job(sources)
        self.plot.clear()
        self.plot.show()
        self.result.hide()
        self.worst.hide()
        self.cases.show_cases([])
        run, tell = self._run, self._training.tell

        def work(
            progress: Callable[[int, int], None], is_cancelled: IsCancelled
        ) -> TrainOutcome:
            return run(
                job, on_event=tell, progress=WorkProgress(progress, is_cancelled)
            )

        self._training.start(work, job)
        self.say("")

    def _job(self, sources: list[Any]) -> TrainJob:
        changes: dict[str, Any] = {"minutes": float(self.minutes.value())}
        if self.what.currentData():
            changes["what"] = self.what.currentData()
        if not self.pairs.is_complete:
            changes["partial"] = ("*",)
        return TrainJob(
            sources,
            free_path(self.name.text()),
            self.shared.header.model.source,
            self.shared.header.model.device_name,
            TrainConfig(**changes),
        )

    def _on_progressed(self, progress: Progress) -> None:
        """Say how many seconds are left; the steps of a training are seconds."""
        if progress.total:
            left = max(0, progress.total - progress.done)
            when = f"{left} s left" if left else "the last step"
            self._work = Work(f"Training, {when}", progress.fraction)
        else:
            self._work = Work("Looking at the images")
        self.changed.emit()

    def _on_event(self, value: dict[str, Any]) -> None:
        """Draw what an event of the training tells of its course."""
        at = float(value.get("elapsed", 0))
        for key, name in (
            ("mean_loss", "loss"),
            ("validation_click", "1 click"),
            ("validation_box", "box"),
        ):
            if value.get(key) is not None:
                self.plot.add(name, at, float(value[key]))

    def _on_stopped(self, job: TrainJob) -> None:
        self.say("Stopped before anything was learned.", "info")

    def _on_failed(self, token: object, error: Exception) -> None:
        self.say(sentence(error))

    def _on_exported(self, token: object, path: Path) -> None:
        self.say(f"Written to {path}.", "done")

    def _on_trained(self, job: TrainJob, result: TrainOutcome) -> None:
        self._outcome = result
        announce_model(result.path)
        left_out = left_out_in_words(result.left_out)
        bad = result.reason in ("diverged", "elsewhere") or left_out
        text = f"{ending_in_words(result)} {left_out}".strip()
        self.say(text, "problem" if bad else "done")
        self.result.setText(gain_in_words(result))
        self.result.show()
        self.export.show()
        self.worst.setVisible(bool(result.cases))
        self.cases.show_cases(result.cases)

    # --- the new model ----------------------------------------------------------------

    def export_to(self, target: str | Path) -> None:
        """Write the new model to a file, .safetensors, .pth, .pt or .zip."""
        if self._outcome is None:
            return
        source, path = self._outcome.path, Path(target)

        def work(progress: object, is_cancelled: IsCancelled) -> Path:
            from napari_sam.checkpoints import export

            if path.suffix == ".pth":
                return export.export_pth(source, path)
            if path.suffix == ".pt":
                return export.export_micro_sam(source, path)
            if path.suffix == ".zip":
                from napari_sam.checkpoints.export_bioimageio import export_bioimageio

                return export_bioimageio(source, path)
            return export.export_safetensors(source, path)

        self._exporting.start(work)

    def _choose_export(self) -> None:
        kinds = (
            "napari-sam (*.safetensors);;segment-anything, micro-sam (*.pth);;"
            "micro-sam with its instance decoder (*.pt);;BioImage.IO package (*.zip)"
        )
        path, _ = QFileDialog.getSaveFileName(self, "Export the model", "", kinds)
        if path:
            self.export_to(path)

    # --- what is shown ----------------------------------------------------------------

    def facts(self) -> object:
        """Return what notices are about: what is learned from, and by which model."""
        model = self.shared.header.model
        return self.pairs.state, model.source, model.is_here

    def next_step(self) -> Hint:
        """Say the next step."""
        if self.is_working:
            text = "Training. The rest of the window can be used meanwhile."
            return Hint(text, "wait")
        if not self.shared.header.model.is_here:
            return self.model_obstacle() or Hint(_START)
        if self.pairs.sources:
            return Hint("Add more, or press Train.")
        if self.pairs.image is None:
            return Hint(_START)
        if self.pairs.labels is None:
            return Hint(_NO_LABELS.format(image=self.pairs.image.name))
        return Hint(_READY.format(labels=self.pairs.labels.name))

    def remedy(self, hint: Hint, is_notice: bool) -> str:
        """Offer labels that lie with the image, where none are chosen."""
        return "" if self.is_working or self.pairs.sources else self._offer.text

    def on_remedy(self, text: str) -> None:
        """Take the labels that are offered."""
        self.chosen.emit(self.shared.image, self._offer.labels)

    def work(self) -> Work | None:
        """Return how far the training is."""
        return self._work if self.is_working else None

    def show_state(self) -> None:
        """Show whether the button can be pressed: there is something to learn from."""
        pairs = self.pairs
        has_pair = pairs.image is not None and pairs.labels is not None
        is_ready = self.shared.header.model.is_here and (pairs.sources or has_pair)
        self.train.setEnabled(bool(is_ready) and not self.is_working)
