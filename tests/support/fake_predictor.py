"""A stand-in for the model: quick, deterministic, and it counts what it is asked.

It answers a positive point with three discs, a box with the box (and two insets),
a mask prompt with the mask; a negative point cuts a disc away. Fed-back logits
are joined with the points' answer, so that a test sees whether they were fed.
"""

from __future__ import annotations

import numpy as np
from stand_in import StandIn

from napari_sam.ops.types import MaskPrediction

RADII = (6, 9, 3)
SCORES = (0.9, 0.8, 0.6)


class FakePredictor(StandIn):
    def __init__(self, name="fake"):
        super().__init__()
        self.name = name

    def see(self, image):
        return np.zeros(8, np.float32)

    def answer(self, embedding, prompts, count):
        shape = embedding.geometry.image_shape
        masks = np.stack([_mask(shape, prompts, k) for k in range(count)])
        scores = np.asarray(SCORES[:count], np.float32)
        logits = np.where(masks, 4.0, -4.0).astype(np.float32)
        return MaskPrediction(masks, scores, logits)


def disc(shape, centre, radius):
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2


def _mask(shape, prompts, k):
    mask = np.zeros(shape, bool)
    if prompts.mask_logits is not None:
        mask |= prompts.mask_logits > 0
    elif prompts.box is not None:
        r0, c0, r1, c1 = np.round(prompts.box).astype(int)
        mask[r0 + k : r1 - k, c0 + k : c1 - k] = True
    for point, label in zip(prompts.points, prompts.labels, strict=True):
        if label:
            mask |= disc(shape, point, RADII[k])
    for point, label in zip(prompts.points, prompts.labels, strict=True):
        if not label:
            mask &= ~disc(shape, point, 3)
    return mask
