"""Small bright spots: vesicles, foci and diffraction-limited particles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.training.rendering.optics import (
    as_plane,
    blur,
    digitise,
    log_uniform,
    shading,
    smooth_noise,
)
from napari_sam.training.rendering.scene import Canvas, Scene, tidy
from napari_sam.training.rendering.shapes import star
from napari_sam.training.rendering.textures import per_object

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["spots"]


def spots(
    rng: np.random.Generator,
    size: tuple[int, int],
    diameters: Sequence[float] = (6.0, 18.0),
) -> Scene:
    """Render spots, each outlined at about half of its height.

    Parameters
    ----------
    size
        (rows, cols).
    diameters
        Least and largest, in pixels.
    """
    diameter = log_uniform(rng, *diameters)
    canvas = Canvas.blank(size)
    count = log_uniform(rng, 3, 0.12 * size[0] * size[1] / diameter**2)
    spread = rng.uniform(0.05, 0.25)
    where = smooth_noise(rng, size, rng.uniform(3, 12) * diameter)
    clustered = rng.random() < 0.5
    for _ in range(int(min(count, 700))):
        at = rng.uniform(0, 1, 2) * np.array(size)
        if clustered and where[int(at[0]), int(at[1])] < 0.3:
            continue
        radius = max(2.9, diameter / 2 * float(np.exp(rng.normal(0, spread))))
        outline = star(rng, (at[0], at[1]), radius, rough=0.04)
        canvas.add([outline], (float(at[0]), float(at[1])), radius, overlap=0.1)
    if not canvas.centres:
        middle = (size[0] / 2, size[1] / 2)
        canvas.add([star(rng, middle, diameter)], middle, diameter)
    levels = np.exp(rng.normal(0, rng.uniform(0.1, 0.6), len(canvas.centres)))
    light = blur(per_object(canvas.labels, levels.clip(0.3, 3)), 0.3 * diameter)
    light /= max(0.1, float(np.percentile(light[canvas.labels > 0], 95)))
    base = rng.uniform(0.02, 0.25) * (1 + 0.5 * shading(rng, size))
    base += rng.uniform(0, 0.1) * smooth_noise(rng, size, rng.uniform(4, 20) * diameter)
    seen = base + rng.uniform(0.3, 1.0) * light
    if rng.random() < 0.15:
        seen = 1 - seen
    photons, read = log_uniform(rng, 20, 1500), rng.uniform(0.003, 0.04)
    image = digitise(rng, as_plane(seen), photons=photons, read=read, deep=0.15)
    return Scene(image, tidy(canvas.labels)[0], None, "objects")
