"""A stand-in for a model whose maps are right at every pixel, whatever it is shown.

It sees the relief of the image's objects in the image itself, which holds 0 on the
background and 1 in objects; so blocks can be compared with the whole.
"""

from __future__ import annotations

import numpy as np
from ideal_predictor import IdealPredictor

__all__ = ["ExactPredictor"]


class ExactPredictor(IdealPredictor):
    name = "exact"
    digest = "exact"

    def dense_maps(self, embedding, level="auto"):
        inside = embedding.features.numpy() > 0
        maps = np.ones((3, *inside.shape), np.float32)
        maps[0] = inside
        maps[1:, inside] = 0
        return maps
