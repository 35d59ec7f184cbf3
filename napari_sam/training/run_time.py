"""How long a training run lasts, in steps or minutes, and when it is validated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.configs import TrainConfig

__all__ = ["RunTime"]


class RunTime:
    """The time that a run has taken, and what it has left.

    Parameters
    ----------
    config
        The run: so many steps, or so many minutes.
    clock
        Tells the time in seconds.

    Attributes
    ----------
    seconds
        Since the user began to wait, those of earlier parts of the run among them.
    """

    def __init__(self, config: TrainConfig, clock: Callable[[], float]) -> None:
        self.config = config
        self._clock = clock
        self._born = clock()
        self.seconds = 0.0
        self._validating = 0.0
        self._validated_at = 0.0

    def begin(self) -> None:
        """Count the time since the run was made, not that of steps alone."""
        self.go_on(self._clock() - self._born)

    def go_on(self, seconds: float) -> None:
        """Go on after so many seconds."""
        self.seconds = self._validated_at = seconds

    def add_validation(self, seconds: float) -> None:
        """Note that a validation took so long; the last one will take as long."""
        self._validating = seconds
        self.seconds += seconds
        self._validated_at = self.seconds

    def reason_to_end(self, step: int) -> str | None:
        """Return "minutes" or "steps" where these are over."""
        minutes = self.config.minutes
        if minutes is not None and self.seconds + self._validating >= 60 * minutes:
            return "minutes"
        return "steps" if step >= self.config.steps else None

    def is_validation_due(self, step: int) -> bool:
        """Whether the weights are to be looked at after this step."""
        if self.config.minutes is None:
            return step % self.config.validate_every == 0
        every = 60 * self.config.minutes / self.config.validations
        return self.seconds - self._validated_at >= every

    def progress(self, step: int) -> tuple[int, int]:
        """Return what is done and all there is: steps, or seconds of the minutes."""
        if self.config.minutes is None:
            return step, self.config.steps
        return int(self.seconds), int(60 * self.config.minutes)

    @property
    def done(self) -> float | None:
        """The part of the minutes that is over; None where steps are counted."""
        minutes = self.config.minutes
        return None if minutes is None else self.seconds / (60 * minutes)
