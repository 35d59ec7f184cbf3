"""What lies within cells: fibres, granules, vacuoles, a net, chromatin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.training.rendering.optics import as_plane, blur, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.training.rendering.scene import Canvas

__all__ = ["fibres", "grain", "granules", "net", "per_object", "polar"]


def per_object(
    labels: NDArray[np.int32], values: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Spread one value for each object 1 to n over its pixels; 0 outside."""
    table = np.concatenate([[0.0], values]).astype(np.float32)
    return table[labels]


def grain(
    rng: np.random.Generator, size: tuple[int, int], sigma: float, strength: float
) -> NDArray[np.float32]:
    """Positive texture around 1: noise of two lengths, exponentiated."""
    noise = smooth_noise(rng, size, sigma) + 0.6 * smooth_noise(rng, size, sigma / 3)
    return as_plane(np.exp(strength * noise - strength**2 / 2))


def net(
    rng: np.random.Generator, size: tuple[int, int], sigma: float
) -> NDArray[np.float32]:
    """Draw a net of thin bright threads, as of endoplasmic reticulum: 0 to 1."""
    noise = smooth_noise(rng, size, sigma)
    ridge = np.exp(-((noise / 0.25) ** 2))
    other = np.exp(-((smooth_noise(rng, size, sigma) / 0.3) ** 2))
    return as_plane(np.maximum(ridge, 0.7 * other))


def granules(
    rng: np.random.Generator, size: tuple[int, int], density: float, sigma: float
) -> NDArray[np.float32]:
    """Scatter blurred points, the brightest of height 1 about.

    Parameters
    ----------
    density
        Points per pixel.
    """
    points = rng.random(size, np.float32)
    points = np.where(points < density, points / density, 0).astype(np.float32)
    spots = blur(points, sigma) * (2 * np.pi * max(sigma, 0.4) ** 2)
    return as_plane(np.minimum(spots, 1.5))


def polar(canvas: Canvas) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Angle (radians) and distance (pixels) of each pixel around its cell's centre."""
    centres = np.concatenate([[(0.0, 0.0)], canvas.centres]).astype(np.float32)
    row, col = np.indices(canvas.size, dtype=np.float32)
    dy = row - centres[canvas.labels, 0]
    dx = col - centres[canvas.labels, 1]
    return np.arctan2(dy, dx), np.hypot(dy, dx)


def fibres(
    rng: np.random.Generator, canvas: Canvas, width: float, *, radial: bool
) -> NDArray[np.float32]:
    """Draw fibres in cells, from the centre outwards or along the cell: about 0 to 1.

    Parameters
    ----------
    width
        Of a fibre, in pixels.
    """
    if radial:
        angle, away = polar(canvas)
        turn = angle + 0.25 * smooth_noise(rng, canvas.size, 10 * width)
        count = max(16, int(3 * np.pi * np.median(canvas.radii) / width))
        at = as_plane(turn * (count / (2 * np.pi)))
        along = as_plane(away / (10 * width))
    else:
        way = per_object(canvas.labels, np.array(canvas.angles))
        row, col = np.indices(canvas.size, dtype=np.float32)
        wave = 3 * width * smooth_noise(rng, canvas.size, 15 * width)
        count = 256
        at = as_plane(1.5 * (np.cos(way) * row - np.sin(way) * col + wave) / width)
        along = as_plane((np.sin(way) * row + np.cos(way) * col) / (12 * width))
    strip = ndimage.gaussian_filter(
        rng.standard_normal((count, 64), np.float32), 1.0, mode="wrap"
    )
    strip /= strip.std()
    rows = np.floor(at).astype(np.int64) + 17 * canvas.labels
    cols = np.floor(along).astype(np.int64)
    share = (along - cols).astype(np.float32)
    here, there = strip[rows % count, cols % 64], strip[rows % count, (cols + 1) % 64]
    found = here + share * (there - here)
    return as_plane((0.5 + 0.4 * found).clip(0, 1.5))
