"""Geometry and intensity augmentation for microscopy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from napari_sam.configs import AugmentConfig

__all__ = ["Window", "change_intensities", "cut"]


@dataclass(frozen=True)
class Window:
    """A square of the image to look at.

    Attributes
    ----------
    centre
        (row, col) in image pixels.
    scale
        Frame pixels per image pixel.
    angle
        Rotation in radians.
    flip
        Whether columns are mirrored.
    side
        Frame pixels.
    """

    centre: tuple[float, float]
    scale: float
    angle: float
    flip: bool
    side: int


def cut(image: Tensor, labels: Tensor, window: Window) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a window out of an image and its labels; black and 0 beyond the image.

    Parameters
    ----------
    image
        (3, H, W) float32.
    labels
        (H, W) float32 holding integers.

    Returns
    -------
    image
        (3, side, side) float32.
    labels
        (side, side) float32.
    inside
        (side, side) bool, False beyond the image.
    """
    scale, side = window.scale, window.side
    if scale < 1:
        size = [max(1, round(n * scale)) for n in labels.shape]
        image = F.interpolate(image[None], size=size, mode="bilinear", antialias=True)[
            0
        ]
        labels = F.interpolate(labels[None, None], size=size, mode="nearest-exact")[
            0, 0
        ]
        centre, zoom = [c * scale for c in window.centre], 1.0
    else:
        centre, zoom = list(window.centre), scale
    height, width = labels.shape
    cos, sin = math.cos(window.angle) / zoom, math.sin(window.angle) / zoom
    mirror = -1.0 if window.flip else 1.0
    at = torch.arange(side, dtype=torch.float32) + 0.5 - side / 2
    dy, dx = torch.meshgrid(at, at * mirror, indexing="ij")
    rows, cols = centre[0] + cos * dy - sin * dx, centre[1] + sin * dy + cos * dx
    grid = torch.stack([2 * cols / width - 1, 2 * rows / height - 1], dim=-1)[None]
    seen = F.grid_sample(image[None], grid, mode="bilinear", align_corners=False)
    named = F.grid_sample(labels[None, None], grid, mode="nearest", align_corners=False)
    return seen[0], named[0, 0], (grid[0].abs() <= 1).all(-1)


def change_intensities(
    image: Tensor, inside: Tensor, config: AugmentConfig, rng: np.random.Generator
) -> Tensor:
    """Change (3, H, W) intensities of [0, 1] as another microscope might.

    What is not `inside`, (H, W) bool, stays black: it is padding.
    """
    if rng.random() < config.channels:
        image = _change_channels(image, rng)
    if rng.random() < config.invert:
        image = 1 - image
    image = image.clamp(0, 1) ** math.exp(rng.normal(0, config.gamma))
    factor = math.exp(rng.normal(0, config.contrast))
    image = (image - 0.5) * factor + 0.5 + rng.normal(0, config.brightness)
    if rng.random() < config.blur:
        image = _blur(image, sigma=rng.uniform(0.4, 1.6))
    if rng.random() < config.noise:
        noise = rng.standard_normal(image.shape[1:], dtype=np.float32)
        image = image + torch.from_numpy(noise) * rng.uniform(0.01, 0.1)
    return image.clamp(0, 1) * inside


def _change_channels(image: Tensor, rng: np.random.Generator) -> Tensor:
    choice = rng.integers(4)
    if choice == 0:
        return image[torch.from_numpy(rng.permutation(3))]
    if choice == 1:  # one channel alone, shown as grey
        return image[rng.integers(3)].expand(3, -1, -1)
    if choice == 2:  # a stain or a coloured lamp
        tint = torch.from_numpy(rng.uniform(0.4, 1.0, (3, 1, 1)).astype(np.float32))
        return image * tint
    keep = torch.ones(3, 1, 1)
    keep[rng.integers(3)] = 0
    return image * keep


def _blur(image: Tensor, sigma: float) -> Tensor:
    radius = math.ceil(2.5 * sigma)
    at = torch.arange(-radius, radius + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    x = F.pad(image[:, None], (radius, radius, radius, radius), mode="replicate")
    x = F.conv2d(x, kernel.view(1, 1, -1, 1))
    return F.conv2d(x, kernel.view(1, 1, 1, -1))[:, 0]
