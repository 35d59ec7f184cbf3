"""Whether a training run diverges."""

from __future__ import annotations

import math

__all__ = ["DivergenceWatch"]

_MEMORY = 0.9
_EXPLODED = 4.0
_SETTLED = 10
_BROKEN = 5


class DivergenceWatch:
    """Looks at the loss of each step.

    A run diverges where the loss, averaged over about ten steps, rises to four times
    the smallest such average, or is not finite five times in a row.
    """

    def __init__(self) -> None:
        self.mean = math.nan
        self.least = math.inf
        self.seen = 0
        self.broken = 0

    def saw(self, loss: float, norm: float) -> bool:
        """Note the loss and the norm of the gradient; whether the run diverges."""
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self.broken += 1
            return self.broken >= _BROKEN
        self.broken = 0
        self.seen += 1
        first = self.seen == 1
        self.mean = loss if first else _MEMORY * self.mean + (1 - _MEMORY) * loss
        if self.seen < _SETTLED:
            return False
        self.least = min(self.least, self.mean)
        return self.mean > _EXPLODED * self.least
