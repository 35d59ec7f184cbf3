"""Worms, larvae and filaments: long bodies that bend and cross."""

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
from napari_sam.training.rendering.shapes import inner_distance, tube, walk
from napari_sam.training.rendering.textures import grain, granules, per_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["filaments", "larvae", "worms"]


def worms(
    rng: np.random.Generator, size: tuple[int, int], look: str | None = None
) -> Scene:
    """Render worms in a dish or a well; the one on top hides what it crosses.

    Parameters
    ----------
    size
        (rows, cols).
    look
        "dark" (on a light ground), "stained" (in colour), or "bright" (on a dark one);
        drawn where left out.
    """
    look = look or str(rng.choice(["dark", "stained", "bright"], p=(0.5, 0.2, 0.3)))
    width = log_uniform(rng, 4.5, min(26, min(size) / 14))
    canvas = _lay(
        rng,
        size,
        width,
        aspect=rng.uniform(7, 16),
        crowding=log_uniform(rng, 0.03, 0.25),
        bend=rng.uniform(0.6, 3.5),
        taper=True,
    )
    if look == "stained":
        image = _stained(rng, canvas, width)
    else:
        image = _gray(rng, canvas, width, is_dark=look == "dark")
    labels, _ = tidy(canvas.labels, whole=False)
    return Scene(image, labels, None, "objects")


def filaments(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render thin filaments or fibres that cross, dark or bright."""
    width = log_uniform(rng, 2.5, 9)
    canvas = _lay(
        rng,
        size,
        width,
        aspect=log_uniform(rng, 15, 90),
        crowding=log_uniform(rng, 0.02, 0.2),
        bend=rng.uniform(0.1, 4),
        taper=False,
    )
    image = _gray(rng, canvas, width, is_dark=bool(rng.random() < 0.5))
    labels, _ = tidy(canvas.labels, whole=False)
    return Scene(image, labels, None, "objects")


def larvae(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render crowded fat pale bodies in colour, lit from above."""
    width = log_uniform(rng, 6.5, min(40, min(size) / 8))
    canvas = _lay(
        rng,
        size,
        width,
        aspect=rng.uniform(2.5, 5),
        crowding=rng.uniform(0.3, 1.0),
        bend=rng.uniform(0.1, 1.0),
        taper=True,
        blunt=rng.uniform(5, 9),
    )
    depth = _depth(canvas, width)
    dome = np.sqrt(1 - (1 - depth) ** 2)
    yellow = rng.uniform(0, 1)
    tint = 1 - yellow * np.array([0, rng.uniform(0, 0.25), rng.uniform(0.1, 0.6)])
    body = rng.uniform(0.55, 0.95) * tint
    ground = rng.uniform(0.05, 0.5) * rng.uniform(0.9, 1.1, 3)
    shade = (0.55 + 0.45 * dome) * grain(rng, size, 0.12 * width + 0.5, 0.1)
    inside = as_plane(canvas.labels > 0)
    shadow = 1 - rng.uniform(0.2, 0.6) * blur(inside, 0.3 * width)
    texture = 1 + rng.uniform(0.02, 0.2) * smooth_noise(rng, size, rng.uniform(0.8, 4))
    soft = blur(inside, 0.7)[..., None]
    light = soft * (shade[..., None] * body) + (1 - soft) * (
        (shadow * texture)[..., None] * ground
    )
    spine = np.exp(-(((depth - rng.uniform(0.5, 1)) / 0.2) ** 2)) * (inside > 0)
    light -= rng.uniform(-0.1, 0.25) * blur(as_plane(spine), 1.0)[..., None]
    shiny = granules(rng, size, 0.6 / width**2, 0.06 * width + 0.5) * (depth > 0.5)
    light += rng.uniform(0, 0.4) * shiny[..., None]
    image = digitise(rng, as_plane(light), photons=400, read=0.008, lossy=0.4)
    labels, _ = tidy(canvas.labels, whole=False)
    return Scene(image, labels, None, "objects")


def _lay(
    rng: np.random.Generator,
    size: tuple[int, int],
    width: float,
    *,
    aspect: float,
    crowding: float,
    bend: float,
    taper: bool,
    blunt: float = 3.5,
) -> Canvas:
    """Lay long bodies, each at random, those on top hiding a part of others.

    Parameters
    ----------
    width, aspect
        Pixels across, and how many times as long.
    crowding
        Share of the plane that they take, about.
    bend
        Radians by which a body turns from end to end.
    taper
        Whether ends are thinner than the middle.
    blunt
        How far towards the ends the middle's width goes; 2 or more.
    """
    canvas = Canvas.blank(size)
    length = min(aspect * width, 1.6 * max(size))
    aim = crowding * size[0] * size[1] / (width * length)
    shape = 1.0 - 0.75 * np.abs(np.linspace(-1, 1, 64)) ** blunt
    overlap = rng.choice([0.1, 0.35])
    for _ in range(int(np.clip(2.5 * aim, 6, 600))):
        if len(canvas.centres) >= max(1, aim):
            break
        own = length * np.exp(rng.normal(0, 0.15))
        way = rng.uniform(0, 2 * np.pi)
        half = own / 2 * np.array([np.sin(way), np.cos(way)])
        start = rng.uniform(0, 1, 2) * np.array(size) - half
        step = max(2.0, width / 2)
        spine = walk(
            rng,
            (start[0], start[1]),
            way,
            own,
            bend,
            step=step,
            smooth=0.15 * own / step,
        )
        radius = width / 2 * np.exp(rng.normal(0, 0.08))
        share = np.linspace(0, 63, len(spine))
        radii = radius * np.interp(share, np.arange(64), shape) if taper else radius
        middle = spine[len(spine) // 2]
        canvas.add(
            [tube(spine, radii)],
            (float(middle[0]), float(middle[1])),
            radius,
            way,
            overlap=float(overlap),
            on_top=True,
        )
    if not canvas.centres:
        spine = np.linspace(
            (0.3 * size[0], 0.3 * size[1]), (0.7 * size[0], 0.7 * size[1]), 9
        )
        canvas.add([tube(spine, width / 2)], (size[0] / 2, size[1] / 2), width / 2)
    return canvas


def _depth(canvas: Canvas, width: float) -> NDArray[np.float32]:
    """Depth in bodies, 0 at the border to 1 at half the width."""
    return as_plane((inner_distance(canvas.labels) / (0.5 * width)).clip(0, 1))


def _matter(
    rng: np.random.Generator, canvas: Canvas, width: float
) -> NDArray[np.float32]:
    """Optical density of bodies, about 1: rims, an inner tube, granules, crossings."""
    size, depth = canvas.size, _depth(canvas, width)
    inside = canvas.labels > 0
    own = np.exp(rng.normal(0, rng.uniform(0.02, 0.25), len(canvas.centres)))
    body = depth ** rng.uniform(0.1, 0.7)
    rim = np.exp(-((depth / 0.3) ** 2)) * inside
    core = np.exp(-(((depth - 1) / 0.4) ** 2)) * inside
    body = body + rng.uniform(0, 1) * rim + rng.uniform(-0.5, 0.4) * core
    body *= grain(rng, size, 0.15 * width + 0.5, rng.uniform(0.05, 0.4))
    dots = granules(rng, size, 2 / width**2, 0.06 * width + 0.5)
    body += rng.uniform(-0.3, 0.5) * dots * inside
    beneath = per_object(canvas.under, own) * rng.uniform(0.1, 0.9)
    return as_plane(body * per_object(canvas.labels, own) + beneath)


def _gray(
    rng: np.random.Generator, canvas: Canvas, width: float, *, is_dark: bool
) -> NDArray[Any]:
    matter = blur(
        _matter(rng, canvas, width), log_uniform(rng, 0.5, 0.7 + 0.08 * width)
    )
    size = canvas.size
    noise = {"photons": log_uniform(rng, 200, 20000), "read": rng.uniform(0.001, 0.008)}
    if is_dark:
        level = rng.uniform(0.4, 0.9)
        ground = level * (1 + rng.uniform(0, 0.4) * shading(rng, size))
        ground += rng.uniform(0, 0.03) * smooth_noise(rng, size, rng.uniform(1, 30))
        halo = rng.uniform(0, 0.6) * blur(matter, 0.6 * width)
        light = ground - level * rng.uniform(0.15, 0.75) * (matter - halo)
        within, seen = _in_well(rng, light)
        canvas.labels[~seen] = 0
        return digitise(rng, as_plane(within), **noise)
    glow = matter + rng.uniform(0, 0.3) * blur(matter, 1.5 * width)
    base = rng.uniform(0.01, 0.2) * (1 + 0.5 * shading(rng, size))
    lit = 1 + rng.uniform(0, 0.6) * smooth_noise(rng, size, 4 * width)
    light = base + rng.uniform(0.25, 0.8) * glow * lit.clip(0.15, None)
    return digitise(rng, as_plane(light), deep=0.1, **noise)


def _in_well(
    rng: np.random.Generator, light: NDArray[np.floating]
) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Darken what lies beyond a well, at times; also give where one still sees."""
    if rng.random() < 0.55:
        return light, np.ones(light.shape, bool)
    rows, cols = light.shape
    row, col = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : cols * 1j]
    y, x = rng.uniform(-0.5, 0.5, 2)
    power = rng.choice([2, 2, 6])
    away = (np.abs(row - y) ** power + np.abs(col - x) ** power) ** (1 / power)
    reach = rng.uniform(0.9, 1.5)
    wall = 1 / (1 + np.exp((away - reach) * rng.uniform(15, 120)))
    rim = np.exp(-(((away - reach) / 0.02) ** 2)) * rng.uniform(-0.3, 0.3)
    dark: NDArray[np.floating] = light * (rng.uniform(0.02, 0.4) * (1 - wall) + wall)
    return dark + rim, wall > 0.5


def _stained(rng: np.random.Generator, canvas: Canvas, width: float) -> NDArray[Any]:
    """Absorbing worms on a white ground, in the colours of a stain."""
    matter = blur(_matter(rng, canvas, width), rng.uniform(0.5, 1.0))
    pale = rng.uniform(0.02, 0.2, 3)
    stain = np.array([0.15, 0.5, 0.7])[rng.permutation(3)] * rng.uniform(0.5, 1.5)
    patches = smooth_noise(rng, canvas.size, 0.8 * width)
    share = (0.5 + 0.5 * patches).clip(0, 1)[..., None]
    density = matter[..., None] * (pale + share * stain)
    ground = rng.uniform(0.85, 1.0) * rng.uniform(0.95, 1.0, 3)
    lit = 1 + rng.uniform(0, 0.08) * shading(rng, canvas.size)[..., None]
    dirt = granules(rng, canvas.size, 5e-5, rng.uniform(0.8, 2))
    density = density + ndimage.maximum_filter(dirt, 2)[..., None] * 0.4
    light = ground * lit * np.exp(-density)
    return digitise(rng, as_plane(light), photons=800, read=0.006, lossy=0.4)
