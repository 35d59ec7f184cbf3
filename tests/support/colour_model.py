"""A stand-in for a model whose features of a pixel are its colour.

It sees bright components as objects, as `IdealPredictor` does, and has no head that
embeds objects: their plain features are compared.
"""

from __future__ import annotations

import numpy as np
from ideal_predictor import IdealPredictor
from scipy import ndimage

__all__ = ["ColourModel", "coloured_discs"]

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 40), "blue": (40, 60, 200)}


class ColourModel(IdealPredictor):
    """Features are red, green and blue at a pixel of its frame each."""

    name = "colours"

    def see(self, image):
        colour = image if image.ndim == 3 else np.stack([image] * 3, axis=-1)
        frame = np.zeros((3, self.frame_size, self.frame_size), np.float32)
        frame[:, : colour.shape[0], : colour.shape[1]] = np.moveaxis(colour, -1, 0)
        return frame[None]

    def _labels(self, embedding):
        height, width = embedding.geometry.image_shape
        seen = embedding.features.numpy()[0].max(axis=0)[:height, :width]
        return ndimage.label(seen > 0)[0]


def coloured_discs(names, radii=(4, 5, 6)):
    """Return an RGB image of discs in rows of four, and its labels 1 to n."""
    count = len(names)
    labels = np.zeros((16 * -(-count // 4), 64), np.int32)
    rows, cols = np.ogrid[: labels.shape[0], :64]
    image = np.zeros((*labels.shape, 3), np.uint8)
    for i, name in enumerate(names):
        centre = 16 * (i // 4) + 8, 16 * (i % 4) + 8
        radius = radii[i % len(radii)]
        disc = (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 <= radius**2
        labels[disc], image[disc] = i + 1, COLOURS[name]
    return image, labels
