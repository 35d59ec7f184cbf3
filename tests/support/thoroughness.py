"""How much is tried by the tests that try things at random, or one after another.

They find what nobody thought of, and much of it only by many tries. Each run of the
tests makes some of them; a run with ``NAPARI_SAM_THOROUGH=1`` makes all.
"""

from __future__ import annotations

import os

__all__ = ["EVERY", "tries"]

_IS_THOROUGH = os.environ.get("NAPARI_SAM_THOROUGH", "") not in ("", "0")

EVERY = 1 if _IS_THOROUGH else 3
"""Of the moments of a piece of work at which it is disturbed, each of so many."""


def tries(thorough: int) -> int:
    """Return how many tries to make, of those that a thorough run makes."""
    return thorough if _IS_THOROUGH else -(-thorough // 4)
