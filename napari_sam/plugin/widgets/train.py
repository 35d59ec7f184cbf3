"""The dock widget "Train": a model that learns from the user's labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QPushButton,
    QWidget,
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
from napari_sam.plugin.viewer.active_annotator import unwrapped
from napari_sam.plugin.viewer.hint import Hint, sentence
from napari_sam.plugin.viewer.settings import read_settings
from napari_sam.plugin.widgets.dock_layout import (
    body_layout,
    data_choice,
    fill_dock,
    form,
    heading,
    main_button,
)
from napari_sam.plugin.widgets.hint_line import HintLine, Notice, NoticeKind
from napari_sam.plugin.widgets.model_picker import ModelPicker, announce_model
from napari_sam.plugin.widgets.progress_line import ProgressLine
from napari_sam.plugin.widgets.training_curves import CurvePlot
from napari_sam.plugin.widgets.training_pairs import PairList
from napari_sam.plugin.widgets.worst_cases import CaseStrip
from napari_sam.workflows.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari.viewer
    from qtpy.QtGui import QHideEvent, QShowEvent

    from napari_sam.checkpoints.store import CheckpointStore
    from napari_sam.ops.types import IsCancelled
    from napari_sam.training.training_job import TrainOutcome

__all__ = ["TrainWidget"]

_START = (
    "Choose an image and the labels that you drew on it, and press Train. Five images "
    "and five minutes help already."
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
        self._outcome: TrainOutcome | None = None
        self.hint = HintLine()
        self.progress = ProgressLine()
        self.pairs = PairList(viewer)
        self.model = ModelPicker(store, settings.model, settings.device)
        self.plot = CurvePlot("loss", ("1 click", "box"), "s")
        self.cases = CaseStrip()
        self._notice = Notice()
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
        body, layout = body_layout()
        layout.addWidget(heading("1  What to learn from"))
        layout.addWidget(self.pairs)
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
        self.pairs.changed.connect(self._view_timer.start)
        self.pairs.refused.connect(self._say_problem)
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
            self.pairs.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Let go of the layers; a training goes on."""
        super().hideEvent(event)
        if not event.spontaneous():
            self.pairs.stop()

    # --- the training ---------------------------------------------------------------

    @property
    def is_working(self) -> bool:
        """Whether a training runs."""
        return bool(self._worker.is_busy)

    def start(self) -> None:
        """Train on what is listed, or on the chosen pair."""
        if self.is_working:
            return
        if not self.pairs.sources:
            self.pairs.add_pair()
        sources = self.pairs.sources
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
                progress=Progress(
                    lambda done, total: worker.report(job, (done, total)), is_cancelled
                ),
            )

        worker.submit(job, work)
        self._show_hint()

    def _job(self, sources: list[Any]) -> TrainJob:
        changes: dict[str, Any] = {"minutes": float(self.minutes.value())}
        if self.what.currentData():
            changes["what"] = self.what.currentData()
        if not self.pairs.is_complete:
            changes["partial"] = ("*",)
        return TrainJob(
            sources,
            free_path(self.name.text()),
            self.model.source,
            self.model.device_name,
            TrainConfig(**changes),
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
        left_out = left_out_in_words(result.left_out)
        bad = result.reason in ("diverged", "elsewhere") or left_out
        text = f"{ending_in_words(result)} {left_out}".strip()
        self._say(text, "problem" if bad else "done")
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
        facts = self.pairs.state, self.model.source, self.model.is_here
        notice = self._notice.text_at(facts)
        if notice:
            self.hint.show_hint(Hint(notice, self._notice.kind))
        elif self.is_working:
            text = "Training. The rest of the window can be used meanwhile."
            self.hint.show_hint(Hint(text, "wait"))
        elif self.pairs.sources:
            self.hint.show_hint(Hint("Add more, or press Train."))
        else:
            self.hint.show_hint(Hint(_START))
