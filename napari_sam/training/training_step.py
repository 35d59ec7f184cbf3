"""One step of a training: crops are drawn, taught, and the weights moved."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam.training.learning_rate import learning_rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.configs import TrainConfig
    from napari_sam.training.cached_embeddings import CachedEmbeddings
    from napari_sam.training.click_rounds import Outcome, Teacher
    from napari_sam.training.dataset import Dataset
    from napari_sam.training.trainable_weights import Learner

__all__ = ["TrainingStep"]


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """What a step needs.

    Attributes
    ----------
    config
        The run.
    data, embeddings
        Where samples come from; the latter where the image encoder stays as it is.
    teacher
        Prompts the model and sums up its gradients.
    learner, optimiser
        The weights that learn, and what moves them.
    clock
        Tells the time in seconds.
    """

    config: TrainConfig
    data: Dataset
    teacher: Teacher
    learner: Learner
    optimiser: torch.optim.Optimizer
    embeddings: CachedEmbeddings
    clock: Callable[[], float] = time.monotonic

    def take(self, step: int, done: float | None) -> dict[str, Any]:
        """Make a step, and return what is logged of it.

        Parameters
        ----------
        step
            How many were made before.
        done
            The part of the run's minutes that is over; None where steps are counted.
        """
        config = self.config
        started = self.clock()
        share = learning_rate(config, step, done)
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * share
        self.optimiser.zero_grad(set_to_none=True)
        outcomes = [
            self._teach(step * config.crops + i, step) for i in range(config.crops)
        ]
        trained = self.learner.trained.values()
        norm = torch.nn.utils.clip_grad_norm_(trained, config.clip)
        if torch.isfinite(norm):
            self.optimiser.step()
            self.learner.update_average(step)
        clicks = [o.first_iou for o in outcomes if not o.by_box]
        boxes = [o.first_iou for o in outcomes if o.by_box]
        return {
            "step": step + 1,
            "loss": float(np.mean([o.loss for o in outcomes])),
            "click": float(np.mean(clicks)) if clicks else None,
            "box": float(np.mean(boxes)) if boxes else None,
            "last": float(np.mean([o.last_iou for o in outcomes])),
            "norm": float(norm),
            "lr": share,
            "seconds": round(self.clock() - started, 2),
        }

    def _teach(self, number: int, step: int) -> Outcome:
        rng = np.random.default_rng((self.config.seed, 2, number))
        features = None
        if self.config.what == "decoder":
            sample, features = self.embeddings.draw(number, step, rng)
        else:
            sample = self.data.sample(number)
        return self.teacher.teach(sample, rng, 1 / self.config.crops, features)
