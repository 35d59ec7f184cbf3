"""Volumes of bright tubes that wander and never touch, and the labels of them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

__all__ = ["draw_tubes", "tubes"]

PITCH = 16


def draw_tubes(specs, length=9, columns=2, rows=2):
    """Return (Z, Y, X) labels of discs, one tube in each cell of a grid.

    Each spec is (first plane, last plane, radius, drift): the centre moves by one
    pixel along rows every `drift` planes, 0 for a straight tube.
    """
    labels = np.zeros((length, rows * PITCH, columns * PITCH), np.int32)
    at_row, at_col = np.ogrid[: labels.shape[1], : labels.shape[2]]
    for label, (first, last, radius, drift) in enumerate(specs, start=1):
        cell = label - 1
        row = (cell // columns) * PITCH + 6
        col = (cell % columns) * PITCH + 7
        for plane in range(first, last + 1):
            moved = row + (plane // drift if drift else 0)
            disc = (at_row - moved) ** 2 + (at_col - col) ** 2 <= radius**2
            labels[plane][disc] = label
    return labels


@st.composite
def tubes(draw, length=9):
    """Draw labels of one to four tubes, and a plane for the seed of each."""
    specs, seeds = [], {}
    for label in range(1, draw(st.integers(1, 4)) + 1):
        first, last = sorted(draw(st.tuples(*[st.integers(0, length - 1)] * 2)))
        radius, drift = draw(st.integers(3, 4)), draw(st.sampled_from([0, 3, 5]))
        specs.append((first, last, radius, drift))
        some = draw(st.sets(st.integers(first, last), min_size=1, max_size=3))
        seeds[label] = sorted(some)
    return draw_tubes(specs, length), seeds
