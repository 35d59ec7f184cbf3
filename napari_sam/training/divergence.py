"""Whether a training run diverges."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from statistics import median

__all__ = ["DivergenceWatch"]

_MEMORY = 0.9
_EXPLODED = 4.0
_RECENT = 25
_BROKEN = 5


class DivergenceWatch:
    """Looks at the loss of each step.

    A run diverges where the median loss of 25 steps rises to four times that of all
    steps before, or the loss is not finite five times in a row. Images differ: of a run
    with one crop a step, a step in twenty has ten times the loss of another, and by
    chance alone the median of 25 comes to two and a half times the usual one in 100,000
    steps.
    """

    def __init__(self) -> None:
        self.mean = math.nan
        self.recent: deque[float] = deque(maxlen=_RECENT)
        self.before: list[float] = []
        self.broken = 0

    def saw(self, loss: float, norm: float) -> bool:
        """Note the loss and the norm of the gradient; whether the run diverges."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.broken += 1
            return self.broken >= _BROKEN
        self.broken = 0
        first = not self.recent
        self.mean = loss if first else _MEMORY * self.mean + (1 - _MEMORY) * loss
        if len(self.recent) == _RECENT:
            insort(self.before, self.recent[0])
        self.recent.append(loss)
        if len(self.before) < _RECENT:
            return False
        usual = self.before[len(self.before) // 2]
        return median(self.recent) > _EXPLODED * usual
