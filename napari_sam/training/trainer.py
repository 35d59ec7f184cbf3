"""The training loop: resumable, repeatable, with checkpoints and a log."""

from __future__ import annotations

import json
import logging
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from napari_sam.io.atomic import write_atomically
from napari_sam.model.build import build_sam
from napari_sam.ops.types import Cancelled
from napari_sam.training.dataset import Dataset
from napari_sam.training.initialise import start_from
from napari_sam.training.rounds import run_rounds, score_sample

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam.model.sam import Sam
    from napari_sam.ops.types import IsCancelled
    from napari_sam.training.config import TrainConfig

__all__ = ["Trainer", "learning_rate"]

logger = logging.getLogger(__name__)


def learning_rate(config: TrainConfig, step: int) -> float:
    """Share of the full learning rate at a step: warm-up, then the schedule."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "step":
        passed = sum(step >= m * config.steps for m in config.milestones)
        return float(0.1**passed)
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class Trainer:
    """Trains one model on one folder.

    Beside the result FILE stand FILE.checkpoint (to resume from) and FILE.jsonl
    (one JSON object a line: the metrics of every tenth step and each validation).

    Parameters
    ----------
    config
        The run.
    data
        Folder of labelled images.
    out
        Where the averaged weights of the best validation go, as safetensors.
    init
        State dict to start from; random weights if None.

    Raises
    ------
    ValueError
        If the folder holds nothing to train on, or a checkpoint at `out` belongs
        to another configuration.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: str | Path,
        out: Path,
        init: dict[str, Tensor] | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.out = out
        self.sam = build_sam(config.architecture)
        if init is not None:
            start_from(self.sam, init)
        architecture = self.sam.architecture
        self.data = Dataset(
            data, config, architecture.frame_size, architecture.encoder.stride
        )
        self.average = {
            name: tensor.clone() for name, tensor in self.sam.state_dict().items()
        }
        self.optimiser = torch.optim.AdamW(self._groups(), betas=(0.9, 0.999))
        self.step = 0
        self.best = -1.0
        self.stale = 0
        self._resume()

    def _groups(self) -> list[dict[str, Any]]:
        """Group parameters: encoder or decoder, matrices (decayed) or the rest."""
        groups: dict[tuple[bool, bool], list[Tensor]] = {}
        for name, parameter in self.sam.named_parameters():
            key = (name.startswith("image_encoder"), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
        return [
            {
                "params": parameters,
                "base": self.config.lr_encoder if encoder else self.config.lr_decoder,
                "weight_decay": self.config.weight_decay if matrix else 0.0,
            }
            for (encoder, matrix), parameters in groups.items()
        ]

    @property
    def checkpoint_path(self) -> Path:
        """Where the run's state is kept."""
        return self.out.with_name(self.out.name + ".checkpoint")

    def run(
        self,
        progress: Callable[[int, int], None] | None = None,
        is_cancelled: IsCancelled | None = None,
    ) -> None:
        """Train to the end of the run, or until validation stops improving.

        Raises
        ------
        Cancelled
            When asked to stop; a checkpoint is written first.
        """
        saved = time.monotonic()
        while self.step < self.config.steps:
            metrics = self._train_step()
            self.step += 1
            if self.step % 10 == 0:
                self._log(metrics)
            if progress is not None:
                progress(self.step, self.config.steps)
            last = self.step == self.config.steps
            if last or self.step % self.config.validate_every == 0:
                self._validate()
                if self.config.patience and self.stale >= self.config.patience:
                    logger.info("no gain in %d validations, stopping", self.stale)
                    break
            stop = is_cancelled is not None and is_cancelled()
            minutes = (time.monotonic() - saved) / 60
            if stop or last or minutes > self.config.checkpoint_minutes:
                self._save_checkpoint()
                saved = time.monotonic()
            if stop:
                raise Cancelled(f"stopped after step {self.step}")

    def _train_step(self) -> dict[str, Any]:
        config = self.config
        started = time.monotonic()
        share = learning_rate(config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * share
        self.optimiser.zero_grad(set_to_none=True)
        outcomes = []
        for i in range(config.crops):
            number = self.step * config.crops + i
            rng = np.random.default_rng((config.seed, 2, number))
            outcome = run_rounds(self.sam, self.data.sample(number), config, rng)
            torch.autograd.backward(outcome.loss / config.crops)
            outcomes.append(outcome)
        norm = torch.nn.utils.clip_grad_norm_(self.sam.parameters(), config.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
            self._update_average()
        clicks = [o.first_iou for o in outcomes if not o.by_box]
        boxes = [o.first_iou for o in outcomes if o.by_box]
        return {
            "step": self.step + 1,
            "loss": float(np.mean([float(o.loss.detach()) for o in outcomes])),
            "click": float(np.mean(clicks)) if clicks else None,
            "box": float(np.mean(boxes)) if boxes else None,
            "last": float(np.mean([o.last_iou for o in outcomes])),
            "norm": float(norm),
            "lr": share,
            "seconds": round(time.monotonic() - started, 2),
        }

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for name, tensor in self.sam.state_dict().items():
            mean = self.average[name]
            if tensor.is_floating_point():
                mean.lerp_(tensor, 1 - decay)
            else:
                mean.copy_(tensor)

    def averaged(self) -> Sam:
        """Build a model with the averaged weights."""
        sam = build_sam(self.config.architecture)
        sam.load_state_dict(self.average)
        return sam

    def _validate(self) -> None:
        samples = self.data.validation
        if samples:
            sam = self.averaged()
            scores = np.mean([score_sample(sam, s) for s in samples], axis=0)
            mean = float(scores.mean())
            self._log(
                {
                    "step": self.step,
                    "validation_click": float(scores[0]),
                    "validation_box": float(scores[1]),
                }
            )
        else:
            mean = float(self.step)  # nothing held out: the latest is the best
        if mean > self.best:
            self.best, self.stale = mean, 0
            self._save_weights()
        else:
            self.stale += 1

    def _log(self, metrics: dict[str, Any]) -> None:
        shown = {
            k: round(v, 4) if isinstance(v, float) else v for k, v in metrics.items()
        }
        logger.info(" ".join(f"{k} {v}" for k, v in shown.items() if v is not None))
        path = self.out.with_name(self.out.name + ".jsonl")
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(shown) + "\n")

    def _save_weights(self) -> None:
        half = {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in self.average.items()
        }
        metadata = {
            "architecture": self.config.architecture,
            "step": str(self.step),
            "config": self.config.model_dump_json(),
        }
        write_atomically(self.out, lambda path: save_file(half, path, metadata))

    def _save_checkpoint(self) -> None:
        state = {
            "config": self.config.model_dump_json(),
            "step": self.step,
            "best": self.best,
            "stale": self.stale,
            "model": self.sam.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }
        write_atomically(self.checkpoint_path, lambda path: torch.save(state, path))

    def _resume(self) -> None:
        if not self.checkpoint_path.exists():
            return
        state = torch.load(self.checkpoint_path, weights_only=True)
        if state["config"] != self.config.model_dump_json():
            raise ValueError(
                f"{self.checkpoint_path} belongs to a run with another "
                "configuration; choose another --out, or move it away"
            )
        self.sam.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.best = state["step"], state["best"]
        self.stale = state["stale"]
        logger.info("resuming after step %d", self.step)
