"""Scenes that hold no object: fields of noise, gradients, debris, pillars, letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.training.rendering.figure_marks import draw_marks
from napari_sam.training.rendering.optics import (
    as_plane,
    blur,
    digitise,
    log_uniform,
    shading,
    smooth_noise,
)
from napari_sam.training.rendering.scene import Scene
from napari_sam.training.rendering.textures import granules

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["empty_field"]


def empty_field(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render a field without objects.

    Parameters
    ----------
    size
        (rows, cols).
    """
    looks = [_dark, _bright, _pillars, _fibrous, _coloured]
    light = looks[int(rng.integers(len(looks)))](rng, size)
    image = digitise(
        rng, light, photons=log_uniform(rng, 30, 2000), read=rng.uniform(0.01, 0.06)
    )
    if rng.random() < 0.35:
        image, _ = draw_marks(rng, image)
    return Scene(image, np.zeros(size, np.uint16), None, "objects")


def _dark(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Fluorescence without cells: haze, a gradient, specks smaller than an object."""
    base = rng.uniform(0.02, 0.3) * (1 + 0.6 * shading(rng, size))
    base += rng.uniform(0, 0.12) * smooth_noise(rng, size, log_uniform(rng, 15, 150))
    if rng.random() < 0.5:
        specks = granules(
            rng, size, log_uniform(rng, 2e-5, 5e-4), rng.uniform(0.4, 0.9)
        )
        base += rng.uniform(0.1, 0.6) * specks
    return as_plane(base)


def _bright(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Bright field or phase without cells: uneven light, dust out of focus."""
    light = rng.uniform(0.3, 0.85) * (1 + rng.uniform(0, 0.4) * shading(rng, size))
    light += rng.uniform(0, 0.05) * smooth_noise(rng, size, rng.uniform(1, 40))
    dust = granules(rng, size, log_uniform(rng, 1e-5, 3e-4), rng.uniform(1, 3))
    wide = blur(dust, rng.uniform(2, 6))
    light += rng.choice([-1, 1]) * rng.uniform(0.05, 0.4) * (wide - 0.6 * dust)
    return as_plane(light)


def _pillars(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Structures of a chip: a lattice of pillars, or channels, with bright rims."""
    row, col = np.indices(size, dtype=np.float32)
    turn, pitch = rng.uniform(0, np.pi), rng.uniform(0.06, 0.35) * min(size)
    y = np.cos(turn) * row - np.sin(turn) * col + rng.uniform(0, pitch)
    x = np.sin(turn) * row + np.cos(turn) * col + rng.uniform(0, pitch)
    dy = np.abs(y % pitch - pitch / 2)
    dx = np.abs(x % pitch - pitch / 2)
    shape = rng.choice(["round", "square", "lines"])
    away = {"round": np.hypot(dy, dx), "square": np.maximum(dy, dx), "lines": dy}[shape]
    edge = away - rng.uniform(0.15, 0.42) * pitch
    wide = rng.uniform(1, 4)
    step = rng.uniform(-0.25, 0.25) / (1 + np.exp(edge.clip(-60, 60)))
    rim = rng.uniform(-0.4, 0.4) * np.exp(-((edge / wide) ** 2))
    second = rng.uniform(-0.3, 0.3) * np.exp(-(((edge - 2 * wide) / wide) ** 2))
    return as_plane(_bright(rng, size) + step + rim + second)


def _fibrous(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Draw texture without objects: folds of a film, fibres, an etched surface."""
    scale = log_uniform(rng, 3, 60)
    folds = smooth_noise(rng, size, scale)
    lines = np.exp(-((folds / rng.uniform(0.1, 0.4)) ** 2))
    light = rng.uniform(0.2, 0.7) + rng.uniform(-0.25, 0.25) * lines
    light += rng.uniform(0.01, 0.08) * smooth_noise(rng, size, rng.uniform(0.8, 4))
    return as_plane(light + rng.uniform(0, 0.15) * shading(rng, size))


def _coloured(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Stained tissue without nuclei, or an empty slide, in colour."""
    fibres = 0.5 + 0.3 * np.sin(5 * smooth_noise(rng, size, log_uniform(rng, 8, 60)))
    fibres += 0.15 * smooth_noise(rng, size, rng.uniform(0.8, 3))
    tint = np.array([0.1, 0.6, 0.25])[rng.permutation(3)]
    density = rng.uniform(0.05, 0.9) * fibres.clip(0, None)[..., None] * tint
    lamp = rng.uniform(0.7, 1.0) * rng.uniform(0.9, 1.0, 3)
    return as_plane(lamp * np.exp(-density))
