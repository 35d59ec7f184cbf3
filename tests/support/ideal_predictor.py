"""A stand-in for a model that sees perfectly: bright components are its objects.

Its embedding is the image it was given, so that tests see what was cut and asked.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from napari_sam.inference.tiled import TiledEmbedding, predict_tiled
from napari_sam.ops.types import FrameGeometry, ImageEmbedding, MaskPrediction

__all__ = ["IdealPredictor", "NearSighted", "grid_of_discs"]


def grid_of_discs(side, pitch, radius):
    """(side, side) bool with discs, the first centre at half a pitch."""
    rows, cols = np.ogrid[:side, :side]
    off = pitch // 2
    return (rows % pitch - off) ** 2 + (cols % pitch - off) ** 2 <= radius**2


class IdealPredictor:
    name = "ideal"
    has_dense_head = True

    def __init__(self, frame_size=128, score=0.9):
        self.frame_size = frame_size
        self.score = score
        self.shapes = []
        self.asked = []

    def embed(self, image, *, contrast_limits=None, is_cancelled=None):
        self.shapes.append(image.shape)
        features = torch.from_numpy(np.asarray(image, np.float32))
        geometry = FrameGeometry.fit(image.shape[:2], self.frame_size)
        return ImageEmbedding(features, geometry, str(len(self.shapes)))

    def _labels(self, embedding):
        return ndimage.label(embedding.features.numpy() > 0)[0]

    def dense_maps(self, embedding):
        labels = self._labels(embedding)
        maps = np.ones((3, *labels.shape), np.float32)
        maps[0] = labels > 0
        if labels.max() == 0:
            return maps
        # An object that is cut off by a tile does not end there.
        padded = np.pad(labels > 0, 1, mode="edge")
        depth = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
        deepest = ndimage.maximum(depth, labels, np.arange(labels.max() + 1))
        maps[1:] = np.where(labels > 0, 1 - depth / deepest[labels].clip(1), 1)
        return maps

    def mask_to_logits(self, embedding, mask):
        return np.where(mask, 5.0, -5.0).astype(np.float32)

    def predict_batch(self, embedding, prompts, multimask=None):
        if isinstance(embedding, TiledEmbedding):
            return predict_tiled(self, embedding, prompts, multimask)
        labels = self._labels(embedding)
        return [self._answer(labels, prompt) for prompt in prompts]

    def _answer(self, labels, prompt):
        self.asked.append(prompt)
        if prompt.box is not None:
            r0, c0, r1, c1 = np.round(prompt.box).astype(int).clip(0)
            inside = labels[r0:r1, c0:c1]
            counts = np.bincount(inside[inside > 0], minlength=2)
            chosen = int(counts.argmax()) if counts.any() else 0
        elif len(prompt.points):
            row, col = prompt.points[0].astype(int)
            chosen = labels[row, col]
        else:
            inside = labels[prompt.mask_logits > 0]
            counts = np.bincount(inside[inside > 0], minlength=2)
            chosen = int(counts.argmax()) if counts.any() else 0
        mask = (labels == chosen) & (chosen > 0)
        logits = np.full((1, 32, 32), 4.0, np.float32)
        return MaskPrediction(mask[None], np.array([self.score], np.float32), logits)


class NearSighted(IdealPredictor):
    """Sees what is near to each other in a shrunken image as one object."""

    def embed(self, image, **options):
        shrunk = max(image.shape) > self.frame_size
        found = super().embed(self._blur(image) if shrunk else image, **options)
        self.shapes[-1] = image.shape
        return found

    def _blur(self, image):
        return ndimage.grey_closing(image, 33, mode="constant")
