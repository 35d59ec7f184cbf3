"""A stand-in for a model: each point is answered with three discs around it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from stand_in import StandIn

from napari_sam.inference.point_decoder import KeptMasks

__all__ = ["DiscPredictor"]


class DiscPredictor(StandIn):
    """Its logits are those of soft discs; a radius of 0 or less is an empty mask.

    The three masks of every point have the predicted IoU of `scores`.
    """

    name = "discs"
    frame_size = 128

    def __init__(self, radii=(4, 8, 12), scores=(0.9, 0.8, 0.7), steepness=1.0):
        super().__init__()
        self.radii = radii
        self.scores = scores
        self.steepness = steepness

    def point_decoder(self, embedding):
        return SimpleNamespace(
            geometry=embedding.geometry,
            decode=lambda points, least_score=None: self._decode(
                embedding.geometry, points, least_score
            ),
        )

    def _decode(self, geometry, points, least_score):
        rows, cols = np.mgrid[:32, :32] * 4 + 1.5
        for index, point in enumerate(points):
            self.asked.append(tuple(point))
            frame = np.asarray(point) * geometry.scale
            distance = np.hypot(rows - frame[0], cols - frame[1])
            keep = [
                k
                for k, score in enumerate(self.scores)
                if least_score is None or score > least_score
            ]
            radii = np.array([self.radii[k] for k in keep]) * geometry.scale[0]
            logits = (radii[:, None, None] - distance) * self.steepness
            yield KeptMasks(
                np.full(len(keep), index),
                np.array(keep),
                np.array([self.scores[k] for k in keep], np.float32),
                torch.from_numpy(logits.astype(np.float32)),
            )
