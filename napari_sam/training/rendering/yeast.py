"""Yeast: budding cells in clusters and fission yeast, by focus, phase or stain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

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
from napari_sam.training.rendering.shapes import inner_distance, star, tube, walk
from napari_sam.training.rendering.textures import grain, granules, per_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["yeast"]

_SMALL_BUD = 0.45
"""A bud smaller than this share of its mother belongs to her."""


def yeast(
    rng: np.random.Generator,
    size: tuple[int, int],
    look: str = "bright field",
    species: str = "budding",
) -> Scene:
    """Render yeast.

    Parameters
    ----------
    size
        (rows, cols).
    look
        "bright field" (rims of light and dark by the focus), "phase" or
        "fluorescence".
    species
        "budding" or "fission".
    """
    diameter = log_uniform(rng, 12, min(90, min(size) / 4))
    canvas = Canvas.blank(size)
    lay = _lay_budding if species == "budding" else _lay_fission
    lay(rng, canvas, diameter)
    looks = {"bright field": _bright, "phase": _phase, "fluorescence": _fluorescence}
    light = looks[look](rng, canvas, diameter)
    photons = log_uniform(rng, 150, 20000)
    if look == "bright field" and rng.random() < 0.25:  # a colour camera
        lamp = rng.uniform(0.8, 1.0, 3)
        light = as_plane((0.75 + 0.5 * light)[..., None] * lamp)
    image = digitise(
        rng, light, photons=photons, read=rng.uniform(0.001, 0.01), deep=0.05
    )
    labels, _ = tidy(canvas.labels)
    return Scene(image, labels, None, "cells")


def _lay_budding(rng: np.random.Generator, canvas: Canvas, diameter: float) -> None:
    """Grow clusters: each cell beside one that is there, many with a bud."""
    area = canvas.size[0] * canvas.size[1]
    aim = log_uniform(rng, 2, max(3, 0.75 * area / (0.8 * diameter**2)))
    clusters = int(rng.choice([1, 3, 8, 30]))
    budding = rng.uniform(0.1, 0.6)
    parents: list[int] = []
    for tried in range(int(min(4 * aim, 900))):
        if len(canvas.centres) >= aim:
            break
        radius = diameter / 2 * float(np.exp(rng.normal(0, 0.16)))
        if tried < clusters or not parents:
            at = rng.uniform(0, 1, 2) * np.array(canvas.size)
        else:
            parent = parents[int(rng.integers(len(parents)))]
            way = rng.uniform(0, 2 * np.pi)
            step = 1.02 * (canvas.radii[parent] + radius)
            at = canvas.centres[parent] + step * np.array([np.sin(way), np.cos(way)])
        if _lay_cell(rng, canvas, (float(at[0]), float(at[1])), radius, budding):
            parents.append(len(canvas.centres) - 1)
    if not canvas.centres:
        middle = (canvas.size[0] / 2, canvas.size[1] / 2)
        _lay_cell(rng, canvas, middle, diameter / 2, budding)


def _lay_cell(
    rng: np.random.Generator,
    canvas: Canvas,
    at: tuple[float, float],
    radius: float,
    budding: float,
) -> int:
    """Lay a cell, with a bud now and then; give its number, or 0."""
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(1, 1.3)
    outlines = [star(rng, at, radius, rough=0.015, stretch=stretch, angle=angle)]
    bud = None
    if rng.random() < budding:
        own = radius * rng.uniform(0.25, 0.8)
        way = angle + rng.normal(0, 0.6)
        reach = radius * np.sqrt(stretch) + 0.8 * own
        place = (at[0] + reach * np.sin(way), at[1] + reach * np.cos(way))
        bud = star(rng, place, own, rough=0.015, stretch=1.1, angle=way)
        if own < _SMALL_BUD * radius:
            outlines.append(bud)
            bud = None
    number = canvas.add(outlines, at, radius, angle, overlap=0.07)
    if number and bud is not None:
        canvas.add([bud], place, own, way, overlap=0.15)
    return number


def _lay_fission(rng: np.random.Generator, canvas: Canvas, diameter: float) -> None:
    """Lay straight rods of one width, alone or side by side."""
    width = max(8.0, 0.6 * diameter)
    area = canvas.size[0] * canvas.size[1]
    aim = log_uniform(rng, 2, max(3, 0.5 * area / (2.7 * width**2)))
    field, loose = rng.uniform(0, np.pi), rng.choice([0.15, 0.6, 3.0])
    for _ in range(int(min(5 * aim, 700))):
        if len(canvas.centres) >= aim:
            break
        at = rng.uniform(-0.05, 1.05, 2) * np.array(canvas.size)
        if canvas.centres and rng.random() < 0.6:
            beside = int(rng.integers(len(canvas.centres)))
            way = canvas.angles[beside] + np.pi / 2 * rng.choice([-1, 1])
            step = 1.05 * width * np.array([np.sin(way), np.cos(way)])
            at = canvas.centres[beside] + step + rng.normal(0, 0.3 * width, 2)
        angle = float(field + rng.normal(0, loose))
        straight = width * rng.uniform(0.9, 3.2)
        start = at - straight / 2 * np.array([np.sin(angle), np.cos(angle)])
        spine = walk(rng, (start[0], start[1]), angle, straight, rng.uniform(0, 0.15))
        centre = (float(at[0]), float(at[1]))
        canvas.add([tube(spine, width / 2)], centre, width / 2, angle, overlap=0.05)
    if not canvas.centres:
        middle = (canvas.size[0] / 2, canvas.size[1] / 2)
        _lay_cell(rng, canvas, middle, diameter / 2, 0.0)


def _signed(canvas: Canvas) -> NDArray[np.float32]:
    """Pixels to the nearest border, above 0 within cells."""
    outside = ndimage.distance_transform_edt(canvas.labels == 0)
    return as_plane(inner_distance(canvas.labels) - outside)


def _ring(depth: NDArray[np.float32], at: float, width: float) -> NDArray[np.float32]:
    return as_plane(np.exp(-(((depth - at) / width) ** 2)))


def _vacuoles(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Depth of pixels in vacuoles, in pixels; below 0 outside."""
    holes = np.zeros(canvas.size, bool)
    flat, owner = holes.reshape(-1), canvas.labels.reshape(-1)
    everything = zip(canvas.centres, canvas.radii, strict=True)
    for number, (centre, radius) in enumerate(everything, 1):
        if rng.random() < 0.6:
            away = rng.normal(0, 0.22 * radius, 2)
            at = (centre[0] + away[0], centre[1] + away[1])
            outline = star(rng, at, radius * rng.uniform(0.25, 0.55), rough=0.05)
            pixels = canvas.inside([outline])
            flat[pixels[owner[pixels] == number]] = True
    inside = ndimage.distance_transform_edt(holes)
    return as_plane(inside - ndimage.distance_transform_edt(~holes))


def _insides(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Texture of cytoplasm with granules and vacuoles, around 0; 0 outside."""
    size = canvas.size
    inside = blur(as_plane(canvas.labels > 0), 0.8)
    texture = rng.uniform(0.1, 0.5) * smooth_noise(rng, size, 0.06 * diameter + 0.5)
    dots = granules(rng, size, 8 / diameter**2, 0.03 * diameter + 0.5)
    texture += rng.choice([-1, 1]) * rng.uniform(0.3, 1) * dots
    if rng.random() < 0.6:
        depth = _vacuoles(rng, canvas, diameter)
        sign = rng.choice([-1, 1])
        texture += sign * rng.uniform(0.2, 0.8) * (depth > 0)
        texture -= sign * rng.uniform(0.2, 1) * _ring(depth, 0, 0.02 * diameter + 0.6)
    own = rng.normal(0, 0.3, len(canvas.centres))
    return as_plane((texture + per_object(canvas.labels, own)) * inside)


def _ground(
    rng: np.random.Generator, canvas: Canvas, level: float
) -> NDArray[np.float32]:
    """Uneven light, and dirt out of focus."""
    size = canvas.size
    ground = level * (1 + rng.uniform(0, 0.25) * shading(rng, size))
    ground += rng.uniform(0, 0.012) * smooth_noise(rng, size, rng.uniform(1, 3))
    ground += rng.uniform(0, 0.02) * smooth_noise(rng, size, rng.uniform(6, 50))
    if rng.random() < 0.5:
        dirt = granules(rng, size, log_uniform(rng, 3e-5, 4e-4), rng.uniform(0.8, 2.5))
        dirt = dirt - blur(dirt, rng.uniform(2, 5))
        ground += rng.choice([-1, 1]) * rng.uniform(0.05, 0.3) * dirt
    return as_plane(ground)


def _bright(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Rims of light and dark at the border, which change places with the focus."""
    depth = _signed(canvas)
    wide = rng.uniform(0.03, 0.1) * diameter + 0.6
    focus = rng.choice([-1, 1])
    level = rng.uniform(0.35, 0.7)
    contrast = log_uniform(rng, 0.08, 0.5)
    rim = _ring(depth, rng.uniform(0.2, 1.2) * wide, wide)
    halo = _ring(depth, -rng.uniform(0.6, 1.6) * wide, rng.uniform(0.8, 1.5) * wide)
    light = focus * contrast * (rng.uniform(0.4, 1) * halo - rim)
    if rng.random() < 0.4:  # a second, weaker ring inside
        light += 0.5 * focus * contrast * _ring(depth, 3.2 * wide, wide)
    light += rng.uniform(0.2, 0.6) * contrast * _insides(rng, canvas, diameter)
    light += rng.uniform(-0.5, 0.4) * contrast * blur(as_plane(depth > 0), wide)
    if rng.random() < 0.25:
        dome = np.sqrt((depth / (0.4 * diameter)).clip(0, 1))
        light += relief(as_plane(dome), rng.uniform(0, 6.3), rng.uniform(0.2, 1))
    sharp = blur(as_plane(light), rng.uniform(0.4, 0.9))
    return as_plane(sharp + _ground(rng, canvas, level))


def _phase(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Dark cells in a bright halo that is brightest between neighbours."""
    depth = _signed(canvas)
    wide = rng.uniform(0.03, 0.09) * diameter + 0.6
    level = rng.choice([rng.uniform(0.04, 0.2), rng.uniform(0.3, 0.55)])
    outside = (depth <= 0.5) * np.exp(depth.clip(None, 0) / (1.5 * wide))
    crowd = blur(as_plane(canvas.labels > 0), 0.35 * diameter)
    halo = blur(as_plane(outside * (0.4 + crowd)), 0.6 + 0.01 * diameter)
    glow = blur(halo, 0.15 * diameter)
    inside = blur(as_plane(depth > 0.5), 0.8)
    dark = level * rng.uniform(0.05, 0.7)
    light = _ground(rng, canvas, float(level)) * (1 - inside) + dark * inside
    light += rng.uniform(0.3, 0.9) * halo + rng.uniform(0, 0.4) * glow
    light += rng.uniform(0.03, 0.14) * _insides(rng, canvas, diameter)
    light += rng.uniform(0, 0.2) * _ring(depth, rng.uniform(2, 3) * wide, wide)
    return as_plane(light)


def _fluorescence(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Bright cytoplasm with dark vacuoles, or bright walls, on a dark hazy ground."""
    inner = inner_distance(canvas.labels)
    own = np.exp(rng.normal(0, rng.uniform(0.1, 0.6), len(canvas.centres)))
    plasm = (inner / (0.2 * diameter)).clip(0, 1) ** rng.uniform(0.2, 1)
    plasm *= grain(rng, canvas.size, 0.08 * diameter + 0.5, rng.uniform(0.05, 0.35))
    if rng.random() < 0.6:
        plasm *= 1 - rng.uniform(0.4, 0.9) * (_vacuoles(rng, canvas, diameter) > 0)
    wall = np.exp(-((inner / (0.05 * diameter + 0.6)) ** 2)) * (inner > 0)
    share = rng.choice([0.0, rng.uniform(0.3, 1)])
    light = per_object(canvas.labels, own) * ((1 - share) * plasm + 1.5 * share * wall)
    light = blur(as_plane(light), log_uniform(rng, 0.6, 0.8 + 0.06 * diameter))
    light += rng.uniform(0, 0.4) * blur(light, 0.5 * diameter)
    light /= max(0.05, float(np.percentile(light[inner > 0], rng.uniform(80, 99.5))))
    base = rng.uniform(0, 0.15) * (1 + 0.4 * shading(rng, canvas.size))
    return as_plane(rng.uniform(0.35, 1) * light + base)
