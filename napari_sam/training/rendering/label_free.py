"""Cells without stain, in phase contrast, interference or quantitative phase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.training.rendering.cell_layouts import lay_nuclei, packed, scattered
from napari_sam.training.rendering.optics import (
    as_plane,
    blur,
    digitise,
    log_uniform,
    relief,
    shading,
    smooth_noise,
)
from napari_sam.training.rendering.scene import Canvas, Scene, tidy
from napari_sam.training.rendering.shapes import inner_distance, star
from napari_sam.training.rendering.textures import (
    fibres,
    grain,
    granules,
    per_object,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["label_free_cells"]

_SHAPES = (
    "packed",
    "islands",
    "round",
    "oval",
    "polygonal",
    "spread",
    "spindly",
    "armed",
)
_ODDS = (0.12, 0.13, 0.1, 0.08, 0.13, 0.2, 0.14, 0.1)
_BACKGROUND_ROUGHNESS = 0.008


def label_free_cells(
    rng: np.random.Generator, size: tuple[int, int], look: str = "phase"
) -> Scene:
    """Render cells without stain.

    Parameters
    ----------
    size
        (rows, cols).
    look
        "phase" (dark, with bright halos), "relief" (as lit from one side) or
        "quantitative" (bright by their thickness).
    """
    shape = str(rng.choice(_SHAPES, p=_ODDS))
    diameter = log_uniform(rng, 22, min(170, 0.5 * min(size)))
    if shape in ("packed", "islands"):
        canvas = packed(rng, size, diameter, islands=shape == "islands")
    else:
        crowding = log_uniform(rng, 0.15, 0.85)
        canvas = scattered(rng, size, diameter, shape, crowding=crowding, overlap=0.15)
    balls = _add_balls(rng, canvas, diameter) if look != "quantitative" else []
    height = _thickness(rng, canvas, diameter)
    looks = {"phase": _phase, "relief": _relief, "quantitative": _quantitative}
    light = looks[look](rng, canvas, height, diameter)
    if balls:
        light = _draw_balls(rng, canvas, balls, light, diameter, look)
    labels, _ = tidy(canvas.labels)
    return Scene(_tinted(rng, light, look), labels, None, "cells")


def _add_balls(rng: np.random.Generator, canvas: Canvas, diameter: float) -> list[int]:
    """Lay rounded cells, in division or dead, over the others; give their numbers."""
    count = int(rng.choice([0, 1, 3, 8], p=(0.35, 0.25, 0.25, 0.15)))
    found = []
    for _ in range(count):
        at = tuple((rng.uniform(0, 1, 2) * np.array(canvas.size)).tolist())
        radius = diameter * rng.uniform(0.22, 0.4)
        outline = star(rng, (at[0], at[1]), radius, rough=0.02)
        number = canvas.add([outline], (at[0], at[1]), radius, overlap=0.9, on_top=True)
        found += [number] if number else []
    return found


def _thickness(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Optical thickness of cells: domes with nuclei, nucleoli, granules and fibres."""
    inner = inner_distance(canvas.labels)
    dome = (inner / (rng.uniform(0.12, 0.4) * diameter)).clip(0, 1)
    dome = dome ** rng.uniform(0.3, 1.0)
    count = len(canvas.centres)
    own = per_object(
        canvas.labels, np.exp(rng.normal(0, rng.uniform(0.05, 0.3), count))
    )
    nuclei = lay_nuclei(rng, canvas, rng.uniform(0.4, 0.6)) > 0
    core = blur(as_plane(nuclei), 0.02 * diameter + 0.4)
    height = own * (dome + rng.uniform(-0.15, 0.5) * core)
    dots = granules(rng, canvas.size, 12 / diameter**2, 0.022 * diameter + 0.4)
    height += rng.uniform(0.2, 0.9) * dots * nuclei  # nucleoli
    density = log_uniform(rng, 20, 200) / diameter**2
    specks = granules(
        rng, canvas.size, density, rng.uniform(0.6, 0.015 * diameter + 0.8)
    )
    height += (
        rng.choice([-0.6, 0.6]) * rng.uniform(0, 1) * specks * (inner > 2) * ~nuclei
    )
    if rng.random() < 0.4:
        lines = fibres(rng, canvas, 0.8 + 0.01 * diameter, radial=rng.random() < 0.4)
        height += rng.uniform(0.05, 0.3) * (lines - 0.5) * (inner > 0) * ~nuclei
    texture = grain(rng, canvas.size, 0.05 * diameter + 0.5, rng.uniform(0.03, 0.25))
    return as_plane(height * texture)


def _phase(
    rng: np.random.Generator,
    canvas: Canvas,
    height: NDArray[np.float32],
    diameter: float,
) -> NDArray[np.float32]:
    """Positive phase contrast: the thicker the darker, halos, shading-off inside."""
    sharp = blur(height, rng.uniform(0.5, 0.8 + 0.012 * diameter))
    near = blur(height, rng.uniform(0.05, 0.12) * diameter + 0.5)
    far = blur(height, rng.uniform(0.25, 0.6) * diameter)
    share = rng.uniform(0.2, 0.8)
    strength = rng.uniform(0.7, 1.0)
    contrast = log_uniform(rng, 0.3, 0.9)
    light = contrast * (strength * (share * near + (1 - share) * far) - sharp)
    rim = np.exp(-((inner_distance(canvas.labels) / 1.5) ** 2)) * (canvas.labels > 0)
    light += rng.uniform(-0.5, 0.9) * contrast * blur(as_plane(rim), 0.7)
    return as_plane(rng.uniform(0.35, 0.6) + light + _ground(rng, canvas))


def _relief(
    rng: np.random.Generator,
    canvas: Canvas,
    height: NDArray[np.float32],
    diameter: float,
) -> NDArray[np.float32]:
    """Differential interference: bright slopes on one side, dark ones on the other."""
    soft = blur(height, rng.uniform(0.6, 1 + 0.015 * diameter))
    slope = relief(soft, rng.uniform(0, 2 * np.pi))
    slope = slope / (float(np.std(slope)) + 1e-6)
    light = rng.uniform(0.4, 0.6) + rng.uniform(0.05, 0.14) * slope
    if rng.random() < 0.4:
        light -= rng.uniform(0, 0.12) * soft
    return as_plane(light + _ground(rng, canvas))


def _quantitative(
    rng: np.random.Generator,
    canvas: Canvas,
    height: NDArray[np.float32],
    diameter: float,
) -> NDArray[np.float32]:
    """Phase delay: bright cells on a wavy dark ground, at times in a dark halo."""
    soft = blur(height, rng.uniform(0.6, 1 + 0.02 * diameter))
    halo = rng.choice([0.0, rng.uniform(0.1, 0.5)])
    soft = soft - halo * blur(height, rng.uniform(0.2, 0.5) * diameter)
    top = max(0.1, float(np.percentile(soft, rng.uniform(98, 99.9))))
    waves = smooth_noise(rng, canvas.size, rng.uniform(5, 60))
    base = rng.uniform(0.02, 0.45)
    light = base + (rng.uniform(0.5, 1) - base) * soft / top
    return as_plane(light + rng.uniform(0, 0.03) * waves)


def _ground(rng: np.random.Generator, canvas: Canvas) -> NDArray[np.float32]:
    """Uneven light, mottle, and debris that is no cell."""
    size = canvas.size
    ground = rng.uniform(0, 0.12) * shading(rng, size)
    ground += rng.uniform(0.2, 2) * _BACKGROUND_ROUGHNESS * smooth_noise(rng, size, 2)
    ground += rng.uniform(0, 0.02) * smooth_noise(rng, size, rng.uniform(6, 50))
    if rng.random() < 0.6:
        dirt = granules(rng, size, log_uniform(rng, 3e-5, 1e-3), rng.uniform(0.8, 2.5))
        dirt = dirt - blur(dirt, 4)
        ground += rng.choice([-1, 1]) * rng.uniform(0.1, 0.4) * dirt
    return as_plane(ground)


def _draw_balls(
    rng: np.random.Generator,
    canvas: Canvas,
    balls: list[int],
    light: NDArray[np.float32],
    diameter: float,
    look: str,
) -> NDArray[np.float32]:
    """Draw thick rounded cells: bright with a dark rim and a wide halo, or dark."""
    ball = as_plane(np.isin(canvas.labels, balls))
    away = ndimage.distance_transform_edt(ball == 0)
    if look == "relief":
        inside = ndimage.distance_transform_edt(ball)
        dome = np.sqrt((inside / (0.3 * diameter)).clip(0, 1))
        slope = relief(blur(as_plane(dome), 1.0), rng.uniform(0, 6.3))
        return as_plane(light + rng.uniform(0.5, 1.5) * slope * np.sqrt(diameter) / 3)
    width = rng.uniform(0.04, 0.1) * diameter + 0.8
    halo = np.exp(-away / width) * (ball == 0)
    inside = blur(ball, 0.04 * diameter)
    level = rng.choice([rng.uniform(0.1, 0.35), rng.uniform(0.6, 0.95)])
    mixed = light * (1 - inside) + level * inside
    return as_plane(mixed + rng.uniform(0.2, 0.6) * blur(as_plane(halo), 0.8))


def _tinted(
    rng: np.random.Generator, light: NDArray[np.float32], look: str
) -> NDArray[Any]:
    """Write the image in gray, or in the tint of a colour camera."""
    noise = {"photons": log_uniform(rng, 200, 20000), "read": rng.uniform(0.001, 0.008)}
    if look == "quantitative" or rng.random() < 0.75:
        return digitise(rng, light, **noise)
    tint = 1 + rng.normal(0, 0.12, 3).astype(np.float32)
    return digitise(rng, light[..., None] * tint, **noise)
