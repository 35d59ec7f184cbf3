"""How large the learning rate is at each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam.configs import TrainConfig

__all__ = ["learning_rate"]


def learning_rate(config: TrainConfig, step: int, done: float | None = None) -> float:
    """Share of the full learning rate at a step: warm-up, then the schedule.

    `done` is the part of the run that is over; None: by the steps.
    """
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "step":
        passed = step / config.steps if done is None else done
        return float(0.1 ** sum(passed >= m for m in config.milestones))
    if done is None:
        done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
