"""Bright discs on a dark ground, with their labels."""

from __future__ import annotations

import numpy as np

__all__ = ["draw_discs"]


def draw_discs(seed: int, shape: tuple[int, int] = (96, 120)):
    """Draw up to six: an 8-bit image and its labels."""
    rng = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    labels = np.zeros(shape, np.uint16)
    for number in range(1, 7):
        row, col = rng.uniform(12, shape[0] - 12), rng.uniform(12, shape[1] - 12)
        labels[np.hypot(rows - row, cols - col) < rng.uniform(6, 11)] = number
    image = 40 + 150 * (labels > 0) + rng.normal(0, 8, shape)
    return image.clip(0, 255).astype(np.uint8), labels
