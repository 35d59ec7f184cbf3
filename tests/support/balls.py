"""Volumes of bright balls, and a model that sees the disc under a click."""

from __future__ import annotations

import numpy as np
from ideal_predictor import IdealPredictor

__all__ = ["BallPredictor", "draw_balls"]


def draw_balls(shape, balls):
    """Return (Z, Y, X) labels of balls, each as (plane, row, column, radius)."""
    labels = np.zeros(shape, np.uint8)
    grid = np.indices(shape)
    for label, (*centre, radius) in enumerate(balls, start=1):
        away = sum((g - c) ** 2 for g, c in zip(grid, centre, strict=True))
        labels[away <= radius**2] = label
    return labels


class BallPredictor(IdealPredictor):
    """Sees what is brighter than half of white."""

    name = "balls"

    def see(self, image):
        return (np.asarray(image, np.float32) > 100).astype(np.float32)
