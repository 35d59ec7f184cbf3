"""The one error of this package."""

from __future__ import annotations

__all__ = ["CheckpointError"]


class CheckpointError(ValueError):
    """A checkpoint could not be found, fetched, verified, read or used.

    The message is written for the person at the screen: it says what was given,
    what is wrong with it, and what to do.
    """
