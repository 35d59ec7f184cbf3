"""A stand-in for a model: each point is answered with three discs around it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from napari_sam.inference.point_decoder import Survivors
from napari_sam.ops.types import FrameGeometry, ImageEmbedding

__all__ = ["DiscPredictor"]


class DiscPredictor:
    """Its logits are those of soft discs; a radius of 0 or less is an empty mask.

    The three masks of every point have the predicted IoU of `scores`.
    """

    name = "discs"
    has_dense_head = False

    def __init__(self, radii=(4, 8, 12), scores=(0.9, 0.8, 0.7), steepness=1.0):
        self.radii = radii
        self.scores = scores
        self.steepness = steepness
        self.frame_size = 128
        self.embedded = []
        self.asked = []

    def embed(self, image, *, contrast_limits=None, is_cancelled=None):
        image = np.asarray(image)
        if image.ndim not in (2, 3):
            raise ValueError("no image plane")
        self.embedded.append(contrast_limits)
        geometry = FrameGeometry.fit(image.shape[:2], 128)
        return ImageEmbedding(torch.zeros(1), geometry, str(len(self.embedded)))

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
            yield Survivors(
                np.full(len(keep), index),
                np.array(keep),
                np.array([self.scores[k] for k in keep], np.float32),
                torch.from_numpy(logits.astype(np.float32)),
            )
