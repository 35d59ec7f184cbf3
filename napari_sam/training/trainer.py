"""The training loop: resumable, repeatable, with checkpoints and a log."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock, Timeout

from napari_sam.checkpoints.load import load_sam
from napari_sam.inference.device import choose_device, choose_dtype
from napari_sam.inference.freed_memory import keep_freed_memory
from napari_sam.inference.predictor import Predictor
from napari_sam.model.tiny_vit import TinyVitConfig
from napari_sam.ops.types import Cancelled
from napari_sam.training.annotator_scale import annotator_scale
from napari_sam.training.cached_embeddings import CachedEmbeddings
from napari_sam.training.click_rounds import Teacher
from napari_sam.training.dataset import Dataset
from napari_sam.training.distillation import Guides
from napari_sam.training.divergence import DivergenceWatch
from napari_sam.training.initialise import model_for
from napari_sam.training.instance_scorer_tuning import scorer_for_labels
from napari_sam.training.run_checkpoint import check_same_run, read_checkpoint
from napari_sam.training.run_files import (
    append_line,
    describe_run,
    shown_metrics,
    write_state,
    write_weights,
)
from napari_sam.training.run_time import RunTime
from napari_sam.training.train_result import TrainResult
from napari_sam.training.trainable_weights import Learner
from napari_sam.training.training_step import TrainingStep
from napari_sam.training.validation import HeldOut, Scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam.configs import TrainConfig
    from napari_sam.model.candidate_scorer import CandidateScorer
    from napari_sam.model.sam import Sam
    from napari_sam.ops.types import IsCancelled
    from napari_sam.training.labelled_images import Source

__all__ = ["Trainer"]

_FEW = 4
"""Held-out objects below which chance alone would choose the best weights."""

_LOG_EVERY = 10

_KEPT = ("step", "best", "best_step", "best_values", "stale", "before", "after")
"""What a checkpoint holds of the run under its own name."""

logger = logging.getLogger(__name__)


class Trainer:
    """Trains one model on labelled images.

    Beside the result FILE stand FILE.checkpoint (to resume from), FILE.jsonl (one
    JSON object a line: the metrics of every tenth step and each validation) and
    FILE.lock. The best weights so far are in FILE at any time.

    Parameters
    ----------
    config
        The run.
    data
        Folder of labelled images, or what reads them (see
        `napari_sam.io.labelled_arrays`).
    out
        Where the averaged weights of the best validation go, as safetensors.
    init
        Model to start from, which is left as it is; random weights if None.
    device
        Where the network computes.
    resumable
        Whether the run can be gone on with; else FILE.checkpoint and FILE.lock go with
        its end.
    anew
        Whether to begin anew where FILE.checkpoint is there.
    clock
        Tells the time in seconds, by which a run of some minutes ends.

    Raises
    ------
    ValueError
        If there is nothing to train on, a checkpoint at `out` belongs to another
        configuration, or another run writes to `out`.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: str | Path | Sequence[Source],
        out: Path,
        init: Sam | None = None,
        *,
        device: str = "auto",
        resumable: bool = True,
        anew: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        torch.manual_seed(config.seed)
        self._clock = clock
        self.time = RunTime(config, clock)
        self.config = config
        self.out = Path(out)
        self._resumable = resumable
        self._lock = FileLock(self._beside(".lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(
                f"another training writes to {out}; wait for its end, or choose "
                "another place"
            ) from None
        try:
            self._build(data, init, device)
            if anew:
                self.checkpoint_path.unlink(missing_ok=True)
            self._resume()
        except BaseException:
            self._lock.release()
            raise

    def _build(
        self, data: str | Path | Sequence[Source], init: Sam | None, device: str
    ) -> None:
        config = self.config
        self.sam = model_for(config, init)
        architecture = self.sam.architecture
        self.data = Dataset(
            data,
            config,
            architecture.frame_size,
            architecture.encoder.stride,
            crops=isinstance(architecture.encoder, TinyVitConfig),
            closer=annotator_scale(self.sam) if config.closer else None,
        )
        self.device = choose_device(device)
        keep_freed_memory(self.device)
        dtype = choose_dtype(config.precision, self.device)
        self.sam.to(self.device)
        self.learner = Learner(self.sam, config)
        guides = [
            load_sam(source).trainable.to(self.device) for source in config.guides
        ]
        guided = Guides(guides, dtype) if guides else None
        self.teacher = Teacher(self.sam, config, dtype, guided)
        is_fixed = config.what == "decoder"
        self.embeddings = CachedEmbeddings(self.sam, self.data, config, dtype)
        self.held = HeldOut(self.data.validation, dtype, is_fixed)
        few = 0 < self.held.objects < _FEW
        self.familiar = HeldOut(self.data.familiar() if few else (), dtype, is_fixed)
        self.optimiser = torch.optim.AdamW(self.learner.groups(), betas=(0.9, 0.999))
        self._steps = TrainingStep(
            config,
            self.data,
            self.teacher,
            self.learner,
            self.optimiser,
            self.embeddings,
            self._clock,
        )
        self._has_start = init is not None
        self._begin()

    def _begin(self) -> None:
        """Set what a checkpoint holds to what it is before the first step."""
        self.watch = DivergenceWatch()
        self.step = self.best_step = self.stale = 0
        self.best = -1.0
        self.before: tuple[float, float] | None = None
        self.after: tuple[float, float] | None = None
        self.best_values = self.learner.copy()
        self.scores_before: Scores | None = None
        self.instance_scorer: CandidateScorer | None = None
        self._unsaved = False
        self._tell: Callable[[dict[str, Any]], None] | None = None

    def _beside(self, ending: str) -> Path:
        return self.out.with_name(self.out.name + ending)

    @property
    def checkpoint_path(self) -> Path:
        """Where the run's state is kept."""
        return self._beside(".checkpoint")

    def close(self) -> None:
        """Let another run write to the same place; `run` ends with it."""
        if not self._resumable and self._lock.is_locked:
            for ending in (".checkpoint", ".lock"):  # while nobody else has them
                with suppress(OSError):  # Windows keeps what is open
                    self._beside(ending).unlink(missing_ok=True)
        self._lock.release()

    # --- the loop ---------------------------------------------------------------

    def run(
        self,
        progress: Callable[[int, int], None] | None = None,
        is_cancelled: IsCancelled | None = None,
        on_event: Callable[[dict[str, Any]], None] | None = None,
    ) -> TrainResult:
        """Train to the end of the run, until it stops improving, or diverges.

        Parameters
        ----------
        progress
            Told the steps (or seconds, where the run has minutes) done and in all.
        is_cancelled
            Asked after each step.
        on_event
            Told what is logged, as it is logged, and the smoothed loss of each step.

        Raises
        ------
        Cancelled
            When asked to stop; a checkpoint is written first.
        OSError
            If the weights could not be written; the run's state still is where it
            was possible.
        """
        self._tell = on_event
        try:
            return self._run(progress, is_cancelled)
        finally:
            self.close()

    def _run(
        self,
        progress: Callable[[int, int], None] | None,
        is_cancelled: IsCancelled | None,
    ) -> TrainResult:
        saved = self._clock()
        if self.step == 0 and self._has_start:
            self._validate()
        if self.step == 0:  # the time that the user waits counts, not that of steps
            self.time.begin()
        reason = self.time.reason_to_end(self.step)
        while reason is None:
            started = self._clock()
            metrics = self._steps.take(self.step, self.time.done)
            self.step += 1
            if self.watch.saw(metrics["loss"], metrics["norm"]):
                reason = "diverged"
                self._log({"step": self.step, "diverged": metrics["loss"]})
            elif self.step % _LOG_EVERY == 0:
                self._log(metrics)
            self.time.seconds += self._clock() - started
            if self._tell is not None:
                mean = {"step": self.step, "mean_loss": self.watch.mean}
                self._tell({**mean, "elapsed": round(self.time.seconds, 1)})
            reason = reason or self.time.reason_to_end(self.step)
            is_due = self.time.is_validation_due
            if reason != "diverged" and (reason or is_due(self.step)):
                self._validate()
                if self.config.patience and self.stale >= self.config.patience:
                    reason = reason or "patience"
            if progress is not None:
                progress(*self.time.progress(self.step))
            stop = is_cancelled is not None and is_cancelled()
            minutes = (self._clock() - saved) / 60
            if stop or reason or minutes > self.config.checkpoint_minutes:
                self._save_checkpoint()
                saved = self._clock()
            if stop:
                raise Cancelled(f"stopped after step {self.step}")
        if self.config.choosing:
            self._learn_to_choose(is_cancelled)
        return self._finish(reason)

    def _learn_to_choose(self, is_cancelled: IsCancelled | None) -> None:
        """Let the scorer of instances learn from the best weights, and write both."""
        best, size = self.learner.model_with(self.best_values), self._object_size
        model = Predictor(best, device=self.device, object_size=size)
        with suppress(Cancelled):  # the weights are there all the same
            sources = self.data.complete_sources()
            self.instance_scorer = scorer_for_labels(model, sources, is_cancelled)
            if self.instance_scorer is not None:
                self._save_weights()

    # --- what is kept -----------------------------------------------------------

    def averaged(self) -> Sam:
        """Build a model with the averaged weights."""
        return self.learner.model_with(self.learner.average)

    def _validate(self) -> None:
        started = self._clock()
        mean = float(self.step)  # nothing held out: the latest is the best
        scored: tuple[float, float] | None = None
        if self.held.objects:
            with self.learner.using(self.learner.average) as sam:
                scores = self.held.score(sam)
                mean = self.held.mean_with(self.familiar, sam, scores.mean)
            scored = (scores.click, scores.box)
            if self.step == 0:
                self.before, self.scores_before = scored, scores
            names = ("step", "validation_click", "validation_box")
            self._log(dict(zip(names, (self.step, *scored), strict=True)))
        if mean > self.best:
            self.best, self.stale, self.best_step = mean, 0, self.step
            self.after = scored
            self.best_values = {k: v.clone() for k, v in self.learner.average.items()}
            self._save_weights()
        else:
            self.stale += 1
        self.time.add_validation(self._clock() - started if self.step else 0.0)

    def _finish(self, reason: str) -> TrainResult:
        if reason == "diverged":
            logger.warning(
                "the training diverged at step %d and was stopped; the best weights "
                "so far, of step %d, are kept. Try a lower learning rate",
                self.step,
                self.best_step,
            )
        if self._unsaved:
            self._save_weights(last=True)
        return TrainResult(
            reason, self.step, self.best_step, self.before, self.after, self.out
        )

    def _log(self, metrics: dict[str, Any]) -> None:
        shown = shown_metrics(metrics)
        logger.info(" ".join(f"{k} {v}" for k, v in shown.items() if v is not None))
        if self._tell is not None:
            self._tell({**shown, "elapsed": round(self.time.seconds, 1)})
        append_line(self._beside(".jsonl"), shown)

    @property
    def _object_size(self) -> float | None:
        return self.data.object_size if self.config.closer else None

    def save_to(self, path: Path) -> None:
        """Write the best weights so far.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        told = describe_run(
            self.config, self.best_step, self._object_size, self.instance_scorer
        )
        told["architecture"] = self.sam.architecture.name
        write_weights(path, self.learner.weights(self.best_values), told)

    def _save_weights(self, last: bool = False) -> None:
        """Write the best weights; a full disk ends the run only at its end."""
        try:
            self.save_to(self.out)
            self._unsaved = False
        except OSError as error:
            self._unsaved = True
            if last:
                raise OSError(
                    f"the weights of step {self.best_step} could not be written to "
                    f"{self.out}: {error}"
                ) from error
            logger.warning("the best weights are kept in memory: %s", error)

    def _save_checkpoint(self) -> None:
        state = {
            "config": self.config.model_dump_json(),
            "fixed": self.learner.fixed_digest(),
            "seconds": self.time.seconds,
            "model": self.learner.copy(),
            "average": self.learner.average,
            "optimiser": self.optimiser.state_dict(),
            **{name: getattr(self, name) for name in _KEPT},
        }
        try:
            write_state(self.checkpoint_path, state)
        except OSError as error:
            logger.warning("no checkpoint could be written: %s", error)

    def _resume(self) -> None:
        if not self.checkpoint_path.exists():
            return
        state = read_checkpoint(self.checkpoint_path, self.device)
        config, fixed = self.config.model_dump_json(), self.learner.fixed_digest()
        check_same_run(self.checkpoint_path, state, config, fixed)
        self.learner.load(state["model"])
        self.learner.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.time.go_on(state["seconds"])
        for name in _KEPT:
            setattr(self, name, state[name])
        self._unsaved = not self.out.exists()
        logger.info("resuming after step %d", self.step)
