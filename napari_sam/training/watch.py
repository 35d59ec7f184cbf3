"""Whether a training run diverges."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

__all__ = ["DivergenceWatch"]

_MEMORY = 0.9
_EXPLODED = 4.0
_SETTLED = 15
_BROKEN = 5


class DivergenceWatch:
    """Looks at the loss of each step.

    A run diverges where the median loss of 15 steps rises to four times the smallest
    such median, or the loss is not finite five times in a row. One hard image among
    easy ones has thirty times their loss, and means nothing: hence the median.
    """

    def __init__(self) -> None:
        self.mean = math.nan
        self.least = math.inf
        self.recent: deque[float] = deque(maxlen=_SETTLED)
        self.broken = 0

    def saw(self, loss: float, norm: float) -> bool:
        """Note the loss and the norm of the gradient; whether the run diverges."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.broken += 1
            return self.broken >= _BROKEN
        self.broken = 0
        first = not self.recent
        self.mean = loss if first else _MEMORY * self.mean + (1 - _MEMORY) * loss
        self.recent.append(loss)
        if len(self.recent) < _SETTLED:
            return False
        typical = median(self.recent)
        self.least = min(self.least, typical)
        return typical > _EXPLODED * self.least
