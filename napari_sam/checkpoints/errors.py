"""The one error of this package, and those of a transfer that end in it."""

from __future__ import annotations

__all__ = ["BadSource", "CheckpointError", "TransferFailed"]


class CheckpointError(ValueError):
    """A checkpoint could not be found, fetched, verified, read or used.

    The message is written for the person at the screen: it says what was given,
    what is wrong with it, and what to do.
    """


class TransferFailed(Exception):
    """A transfer broke off; what has arrived is kept, and trying again may help."""


class BadSource(Exception):
    """An address does not give the file, and trying it again will not help."""
