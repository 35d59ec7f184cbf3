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
from napari_sam.ops.types import Cancelled
from napari_sam.plugin.model.training_runs import (
    TrainJob,
    ending_in_words,
    gain_in_words,
    left_out_in_words,
    run_training,
)
from napari_sam.plugin.model.workers import LatestWins, Outcome
from napari_sam.plugin.viewer.hint import Hint, sentence
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
from napari_sam.workflows.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QVBoxLayout

    from napari_sam.ops.types import IsCancelled
    from napari_sam.plugin.widgets.page import Shared
    from napari_sam.training.training_job import TrainOutcome

__all__ = ["TrainPage"]

_START = (
    "Choose an image and the labels that you drew on it, and press Train. Five images "
    "and five minutes help already."
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
        self._job_at_work: TrainJob | None = None
        self._work = Work("")
        self._worker = LatestWins("napari-sam training", self)
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
        self.train = main_button("Train", "samTrain")
        self.result = QLabel()
        self.result.setWordWrap(True)
        self.export = QPushButton("Export the model…")
        self.export.setFocusPolicy(Qt.FocusPolicy.NoFocus)
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
        self._worker.done.connect(self._on_done)
        self._worker.reported.connect(self._on_reported)
        self.destroyed.connect(self._worker.close)

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
        self._worker.cancel()

    def close_page(self) -> None:
        """Stop for good."""
        self._worker.close()

    # --- the training ---------------------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether a training runs."""
        return self._job_at_work is not None

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
        self._job_at_work, self._work = job, Work("Looking at the images")
        worker, run = self._worker, self._run

        def work(is_cancelled: IsCancelled) -> Any:
            return run(
                job,
                on_event=lambda event: worker.report(job, event),
                progress=Progress(
                    lambda done, total: worker.report(job, (done, total)), is_cancelled
                ),
            )

        worker.submit(job, work)
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

    def _on_reported(self, job: TrainJob, value: Any) -> None:
        if isinstance(value, tuple):
            done, total = value
            fraction = done / total if total else -1.0
            self._work = Work(f"Training, {max(0, total - done)} s left", fraction)
            self.changed.emit()
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
        if outcome.token is self._job_at_work:
            self._job_at_work = None
        if isinstance(outcome.error, Cancelled):
            self.say("Stopped before anything was learned.", "info")
            return
        if outcome.error is not None:
            self.say(sentence(outcome.error))
            return
        if isinstance(outcome.result, Path):
            self.say(f"Written to {outcome.result}.", "done")
            return
        self._show(outcome.result)

    def _show(self, result: TrainOutcome) -> None:
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
        """Write the new model to a file, .safetensors, .pth or .pt."""
        if self._outcome is None:
            return
        source, path = self._outcome.path, Path(target)

        def work(is_cancelled: IsCancelled) -> Path:
            from napari_sam.checkpoints import export

            if path.suffix == ".pth":
                return export.export_pth(source, path)
            if path.suffix == ".pt":
                return export.export_micro_sam(source, path)
            return export.export_safetensors(source, path)

        self._worker.submit("export", work)

    def _choose_export(self) -> None:
        kinds = (
            "napari-sam (*.safetensors);;segment-anything, micro-sam (*.pth);;"
            "micro-sam with its instance decoder (*.pt)"
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
        if self.pairs.image is None or self.pairs.labels is None:
            return Hint(_START)
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
        """Show whether the button can be pressed."""
        self.train.setEnabled(not self.is_working)
