"""Stained cells and tissue in bright field: blood smears, haematoxylin and eosin.

Dyes absorb by the law of Beer and Lambert; their optical densities are near those of
the reference.

References
----------
Ruifrok and Johnston, *Quantification of histochemical staining by color deconvolution*,
Analytical and Quantitative Cytology and Histology 23, 2001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.training.rendering.optics import (
    as_plane,
    blur,
    digitise,
    log_uniform,
    shading,
    smooth_noise,
)
from napari_sam.training.rendering.scene import Canvas, Scene, tidy
from napari_sam.training.rendering.shapes import inner_distance, spaced_points, star
from napari_sam.training.rendering.textures import grain, granules, per_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["blood_smear", "tissue_nuclei"]

_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
_EOSIN = np.array([0.12, 0.90, 0.30])
_BROWN = np.array([0.27, 0.57, 0.78])
_GIEMSA = np.array([0.55, 0.80, 0.20])


def blood_smear(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render a smear: red cells pale in the middle, some white cells, platelets.

    Parameters
    ----------
    size
        (rows, cols).
    """
    diameter = log_uniform(rng, 18, min(130, min(size) / 3))
    canvas = Canvas.blank(size)
    white: list[int] = []
    share = rng.choice([0.0, 0.02, 0.15, 0.8], p=(0.4, 0.35, 0.15, 0.1))
    aim = log_uniform(rng, 0.12, 0.75) * size[0] * size[1] / (0.8 * diameter**2)
    stretch = rng.choice([0.05, 0.3, 0.9], p=(0.65, 0.25, 0.1))
    spread, overlap = rng.uniform(0.04, 0.18), float(rng.choice([0.02, 0.3]))
    for row, col in spaced_points(rng, size, 0.95 * diameter, jitter=0.4)[
        :600
    ].tolist():
        if len(canvas.centres) >= max(2, aim):
            break
        is_white = rng.random() < share
        own = diameter / 2 * np.exp(rng.normal(0, spread)) * (1.35 if is_white else 1)
        angle, rough = rng.uniform(0, 3.2), rng.choice([0.02, 0.09], p=(0.85, 0.15))
        outline = star(
            rng,
            (row, col),
            float(own),
            rough=float(rough),
            stretch=1 + abs(rng.normal(0, stretch)),
            angle=angle,
        )
        number = canvas.add(
            [outline], (row, col), float(own), angle, overlap=overlap, on_top=True
        )
        if number and is_white:
            white.append(number)
    density = _red_cells(rng, canvas, diameter)
    density = _white_cells(rng, canvas, white, density)
    platelets = granules(rng, size, 0.15 / diameter**2, 0.07 * diameter)
    platelets = (platelets > 0.4) * (canvas.labels == 0) * rng.uniform(0.2, 0.9)
    density = density + blur(as_plane(platelets), 1.0)[..., None] * _GIEMSA
    image = _lit(rng, density, diameter)
    return Scene(image, tidy(canvas.labels)[0], None, "cells")


def _red_cells(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.floating]:
    """Optical density (H, W, 3) of red cells: thick rims, a pale middle."""
    inner = inner_distance(canvas.labels)
    depth = per_object(canvas.labels, np.array(canvas.radii))
    share = (inner / depth.clip(1, None)).clip(0, 1)
    count = len(canvas.centres)
    pale = per_object(canvas.labels, rng.uniform(0, 1, count) * rng.choice([0.2, 0.9]))
    own = per_object(
        canvas.labels, np.exp(rng.normal(0, rng.uniform(0.02, 0.2), count))
    )
    middle = 1 / (1 + np.exp((rng.uniform(0.45, 0.75) - share) * rng.uniform(8, 20)))
    body = own * (1 - pale * middle) * (canvas.labels > 0)
    edge = np.exp(-((inner / (0.03 * diameter + 0.7)) ** 2)) * (inner > 0)
    body = body * (1 + rng.uniform(-0.2, 0.5) * edge)
    body = body * grain(rng, canvas.size, 0.1 * diameter, rng.uniform(0.01, 0.08))
    body = body + 0.6 * (canvas.under > 0)
    tint = np.array([0.22, 0.62, 0.45]) * rng.uniform(0.6, 1.3, 3)
    return blur(as_plane(body * rng.uniform(0.25, 1.0)), 0.7)[..., None] * tint


def _white_cells(
    rng: np.random.Generator,
    canvas: Canvas,
    white: list[int],
    density: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Draw pale cytoplasm with granules, and a dark nucleus of one or some lobes."""
    if not white:
        return density
    inside = np.isin(canvas.labels, white)
    nuclei = np.zeros(canvas.size, bool)
    for number in white:
        centre, radius = canvas.centres[number - 1], canvas.radii[number - 1]
        lobes = int(rng.choice([1, 1, 2, 3, 4]))
        for _ in range(lobes):
            away = rng.normal(0, 0.1 * radius * lobes, 2)
            at = (centre[0] + away[0], centre[1] + away[1])
            own = radius * rng.uniform(0.5, 0.75) / np.sqrt(lobes)
            nuclei.reshape(-1)[canvas.inside([star(rng, at, own, rough=0.12)])] = True
    nuclei &= inside
    texture = grain(rng, canvas.size, 2.0, 0.2)
    plasm = rng.uniform(0.1, 0.4) * grain(rng, canvas.size, 1.0, rng.uniform(0.05, 0.5))
    stain = np.where(nuclei, rng.uniform(0.8, 1.6) * texture, plasm)
    shown = blur(as_plane(stain), 0.8)[..., None] * _GIEMSA * rng.uniform(0.8, 1.2, 3)
    soft = blur(as_plane(inside), 0.7)[..., None]
    mixed: NDArray[np.floating] = density * (1 - soft) + shown * soft
    return mixed


def tissue_nuclei(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render nuclei in stained tissue: purple on pink, brown, or all in purple.

    Parameters
    ----------
    size
        (rows, cols).
    """
    diameter = log_uniform(rng, 11, min(90, min(size) / 4))
    canvas = _lay_nuclei(rng, size, diameter)
    look = str(rng.choice(["eosin", "purple", "brown"], p=(0.65, 0.22, 0.13)))
    dye = {"eosin": _HAEMATOXYLIN, "purple": _GIEMSA, "brown": _BROWN}[look]
    other = {"eosin": _EOSIN, "purple": 0.35 * _GIEMSA, "brown": 0.4 * _HAEMATOXYLIN}
    tint = dye * rng.uniform(0.85, 1.15, 3)
    chromatin = _chromatin(rng, canvas, diameter)
    stroma = _stroma(rng, canvas, diameter)
    density = rng.uniform(0.6, 1.5) * chromatin[..., None] * tint
    pink = other[look] * rng.uniform(0.8, 1.2, 3)
    density = density + log_uniform(rng, 0.05, 0.4) * stroma[..., None] * pink
    density = density + rng.uniform(0, 0.15) * stroma[..., None] * tint
    image = _lit(rng, density, diameter)
    return Scene(image, tidy(canvas.labels)[0], None, "nuclei")


def _lay_nuclei(
    rng: np.random.Generator, size: tuple[int, int], diameter: float
) -> Canvas:
    """Lay nuclei: crowds of round ones, fields of long ones, and some of each."""
    canvas = Canvas.blank(size)
    aim = log_uniform(rng, 0.08, 0.6) * size[0] * size[1] / (0.8 * diameter**2)
    stretch, spread = rng.choice([1.2, 1.6, 3.0]), rng.uniform(0.1, 0.35)
    ways = 2 * smooth_noise(rng, size, 6 * diameter) + rng.uniform(0, 3.2)
    where = smooth_noise(rng, size, rng.uniform(2, 6) * diameter)
    seeds = spaced_points(rng, size, 0.95 * diameter, jitter=0.3)
    at = np.rint(seeds).astype(int).clip(0, np.array(size) - 1)
    here = where[at[:, 0], at[:, 1]] + rng.uniform(0.2, 2) * rng.standard_normal(
        len(at)
    )
    order = np.argsort(-here, kind="stable")
    for index in order[:700].tolist():
        if len(canvas.centres) >= max(3, aim):
            break
        row, col = seeds[index].tolist()
        own = diameter / 2 * float(np.exp(rng.normal(0, spread)))
        angle = float(ways[at[index, 0], at[index, 1]] + rng.normal(0, 0.4))
        outline = star(
            rng,
            (row, col),
            own,
            rough=rng.uniform(0.02, 0.1),
            stretch=rng.uniform(1, stretch),
            angle=angle,
        )
        canvas.add([outline], (row, col), own, angle, overlap=0.12)
    return canvas


def _chromatin(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Stain of nuclei: clumps and a dark rim, pale ones and dense ones."""
    inner, count = inner_distance(canvas.labels), len(canvas.centres)
    size = canvas.size
    dense = np.exp(rng.normal(0, rng.uniform(0.1, 0.4), count)).clip(0.35, 2)
    clumps = grain(rng, size, 0.07 * diameter + 0.6, rng.uniform(0.1, 0.4))
    rim = np.exp(-((inner / (0.05 * diameter + 0.7)) ** 2)) * (inner > 0)
    body = rng.uniform(0.4, 1) * clumps + rng.uniform(0, 0.9) * rim
    spots = granules(rng, size, 4 / diameter**2, 0.05 * diameter + 0.5)
    body = body + rng.uniform(0, 0.8) * spots
    light = per_object(canvas.labels, dense) * body * (canvas.labels > 0)
    return blur(as_plane(light), log_uniform(rng, 0.5, 0.7 + 0.04 * diameter))


def _stroma(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Stain between nuclei: cytoplasm, wavy fibres, holes and lumens, about 0 to 1."""
    size = canvas.size
    patches = 0.6 + 0.25 * smooth_noise(rng, size, rng.uniform(1, 4) * diameter)
    fine = rng.uniform(0.03, 0.15) * smooth_noise(rng, size, rng.uniform(0.8, 3))
    folds = smooth_noise(rng, size, rng.uniform(0.4, 1.2) * diameter)
    fibres = np.exp(-((folds / 0.25) ** 2)) + 0.5 * np.sin(6 * folds)
    stroma = patches + fine + rng.uniform(0, 0.4) * fibres
    holes = smooth_noise(rng, size, rng.uniform(0.8, 3) * diameter)
    edge = rng.uniform(0.9, 3.0)
    stroma = stroma * (1 / (1 + np.exp(12 * (holes - edge))))
    near = ndimage.distance_transform_edt(canvas.labels == 0)
    halo = rng.choice([0.0, rng.uniform(0.2, 0.8)])  # clear rings by shrinkage
    ring = np.exp(-(((near - 0.08 * diameter) / (0.08 * diameter + 0.5)) ** 2))
    stroma = stroma * (1 - halo * ring * (near > 0))
    return blur(as_plane(stroma.clip(0, None)), 0.7)


def _lit(
    rng: np.random.Generator, density: NDArray[np.floating], diameter: float
) -> NDArray[Any]:
    """Send light through what absorbs it, into a colour camera."""
    size = (density.shape[0], density.shape[1])
    lamp = rng.uniform(0.82, 1.0) * (1 - rng.uniform(0, 0.12, 3))
    if rng.random() < 0.2:
        lamp = lamp * rng.uniform(0.55, 0.9) * rng.uniform(0.85, 1.0, 3)
    even = 1 + rng.uniform(0, 0.12) * shading(rng, size)
    dirt = 1 + 0.004 * smooth_noise(rng, size, 3)
    light = lamp * (even * dirt)[..., None] * np.exp(-density * np.log(10) * 0.6)
    photons = log_uniform(rng, 1500, 30000)
    return digitise(rng, as_plane(light), photons=photons, read=0.002, lossy=0.5)
