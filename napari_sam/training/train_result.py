"""How a training run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["TrainResult"]


@dataclass(frozen=True)
class TrainResult:
    """How a run ended.

    Attributes
    ----------
    reason
        "steps", "minutes", "patience" (no gain) or "diverged".
    step, best_step
        The last step, and the one whose weights are kept.
    before, after
        Mean IoU of the held-out objects from (one click, a box), before the training
        and of the kept weights; None where nothing is held out.
    path
        Where the weights are.
    """

    reason: str
    step: int
    best_step: int
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    path: Path
