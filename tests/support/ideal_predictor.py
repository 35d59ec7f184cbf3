"""A stand-in for a model that sees perfectly: bright components are its objects.

Its embedding is the image it was given, so that tests see what was cut and asked.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from stand_in import StandIn

from napari_sam.ops.types import MaskPrediction

__all__ = ["IdealPredictor", "blind", "grid_of_discs", "near_sighted"]


def grid_of_discs(side, pitch, radius):
    """(side, side) bool with discs, the first centre at half a pitch."""
    rows, cols = np.ogrid[:side, :side]
    off = pitch // 2
    return (rows % pitch - off) ** 2 + (cols % pitch - off) ** 2 <= radius**2


class IdealPredictor(StandIn):
    """Sees bright components, at a pixel of its frame each.

    Parameters
    ----------
    frame_size
        Side of its frame.
    score
        Predicted IoU of each answer.
    sight
        What it sees of an image that its frame shrinks: a function of the image.
    """

    name = "ideal"
    has_dense_head = True
    has_quick_maps = True
    map_stride = 2.0

    def __init__(self, frame_size=128, score=0.9, sight=None):
        super().__init__(frame_size)
        self.score = score
        self.sight = sight

    def see(self, image):
        if self.sight is not None and max(image.shape) > self.frame_size:
            image = self.sight(image)
        return super().see(image)

    def _labels(self, embedding):
        return ndimage.label(embedding.features.numpy() > 0)[0]

    def dense_maps(self, embedding, level="auto"):
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

    def answer(self, embedding, prompts, count):
        labels = self._labels(embedding)
        if prompts.box is not None:
            r0, c0, r1, c1 = np.round(prompts.box).astype(int).clip(0)
            inside = labels[r0:r1, c0:c1]
            counts = np.bincount(inside[inside > 0], minlength=2)
            chosen = int(counts.argmax()) if counts.any() else 0
        elif len(prompts.points):
            row, col = prompts.points[0].astype(int)
            chosen = labels[row, col]
        else:
            inside = labels[prompts.mask_logits > 0]
            counts = np.bincount(inside[inside > 0], minlength=2)
            chosen = int(counts.argmax()) if counts.any() else 0
        mask = (labels == chosen) & (chosen > 0)
        logits = np.full((1, 32, 32), 4.0, np.float32)
        return MaskPrediction(mask[None], np.array([self.score], np.float32), logits)


def near_sighted(image):
    """See what is near to each other as one object."""
    return ndimage.grey_closing(image, 33, mode="constant")


def blind(image):
    """See nothing."""
    return np.zeros_like(image)
