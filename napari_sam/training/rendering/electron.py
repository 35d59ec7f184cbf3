"""Sections in electron microscopes: neurites, axons in myelin, mitochondria."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.training.rendering.cell_layouts import scattered
from napari_sam.training.rendering.optics import (
    as_plane,
    blur,
    digitise,
    log_uniform,
    shading,
    smooth_noise,
)
from napari_sam.training.rendering.scene import Canvas, Scene, tidy
from napari_sam.training.rendering.shapes import (
    inner_distance,
    nearest_seed,
    spaced_points,
    star,
    tube,
    walk,
)
from napari_sam.training.rendering.textures import granules, per_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["axons", "mitochondria", "neurites"]


def neurites(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render neurites between dark membranes; labels leave the membranes out."""
    diameter = log_uniform(rng, 30, min(160, min(size) / 2.5))
    cells, inner = _tissue(rng, size, diameter)
    half = rng.uniform(0.8, max(1.2, 0.03 * diameter))
    light = _sheets(rng, cells, inner, diameter, half)
    holders = cells.copy()
    bodies = _lay_mitochondria(
        rng, size, rng.uniform(0.25, 0.6) * diameter, holders, inner
    )
    light = _draw_mitochondria(rng, bodies, light)
    labels, _ = tidy(np.where(inner > half, cells, 0).astype(np.int32))
    return Scene(_seen(rng, light), labels, None, "objects")


def mitochondria(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render the same tissue, or cytoplasm; labels are the mitochondria in it."""
    diameter = log_uniform(rng, 60, min(400, 0.8 * min(size)))
    cells, inner = _tissue(rng, size, diameter)
    light = _sheets(rng, cells, inner, diameter, rng.uniform(0.8, 2.5))
    own = log_uniform(rng, 14, min(90, 0.5 * diameter))
    bodies = _lay_mitochondria(rng, size, own, cells, inner)
    light = _draw_mitochondria(rng, bodies, light)
    labels, _ = tidy(bodies.labels)
    return Scene(_seen(rng, light), labels, None, "objects")


def axons(
    rng: np.random.Generator, size: tuple[int, int], with_myelin: bool = False
) -> Scene:
    """Render axons cut across, in rings of myelin.

    Parameters
    ----------
    size
        (rows, cols).
    with_myelin
        Whether labels hold the ring too; else the axon within it.
    """
    diameter = log_uniform(rng, 20, min(150, min(size) / 3))
    canvas = scattered(
        rng,
        size,
        diameter,
        "oval",
        crowding=rng.uniform(0.5, 1.2),
        overlap=0.1,
        mixed=0.0,
    )
    inner = inner_distance(canvas.labels)
    ratio = rng.uniform(0.55, 0.85, len(canvas.centres))
    radii = np.array(canvas.radii)
    thick = per_object(canvas.labels, ((1 - ratio) * radii).clip(1.2, None))
    wavy = 1 + rng.uniform(0, 0.15) * smooth_noise(rng, size, 0.3 * diameter)
    core = (inner > thick * wavy) & (canvas.labels > 0)
    ring = (inner > 0) & ~core
    level, dark = rng.uniform(0.55, 0.85), rng.uniform(0.03, 0.3)
    light = level + _mottle(rng, size, diameter)
    _, apart = _tissue(rng, size, 0.35 * diameter)
    walls = np.exp(-((apart / 1.2) ** 2)) * (canvas.labels == 0)
    light -= rng.uniform(0, 0.45) * walls
    shift = rng.uniform(-0.12, 0.12)
    light = np.where(core, level + shift + _mottle(rng, size, diameter), light)
    leaves = 0.5 + 0.5 * np.sin(inner * rng.uniform(1.5, 3))
    light = np.where(ring, dark + rng.uniform(0, 0.12) * leaves, light)
    light = np.where(inner == 0.5, level, light)  # a gap to the neighbours
    holders = np.where(core, canvas.labels, 0).astype(np.int32)
    small = rng.uniform(0.2, 0.4) * diameter
    light = _draw_mitochondria(
        rng,
        _lay_mitochondria(rng, size, small, holders, inner - thick),
        as_plane(light),
    )
    if rng.random() < 0.25:
        light = 1 - light  # as back-scattered electrons show it
    labels, _ = tidy(canvas.labels if with_myelin else holders)
    return Scene(_seen(rng, as_plane(light)), labels, None, "objects")


def _tissue(
    rng: np.random.Generator, size: tuple[int, int], diameter: float
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Cells of many sizes that fill the plane, and the distance to their borders."""
    coarse = spaced_points(rng, size, diameter, jitter=0.35)
    fine = spaced_points(rng, size, 0.45 * diameter, jitter=0.35)
    where = smooth_noise(rng, size, 0.8 * diameter)
    at = np.rint(fine).astype(int).clip(0, np.array(size) - 1)
    some = where[at[:, 0], at[:, 1]] > rng.uniform(-0.2, 1.2)
    seeds = np.concatenate([coarse, fine[some]])
    cells, _ = nearest_seed(
        rng,
        size,
        seeds,
        warp=rng.uniform(0.05, 0.22) * diameter,
        scale=rng.uniform(0.2, 0.4) * diameter,
    )
    return cells, inner_distance(cells)


def _mottle(
    rng: np.random.Generator, size: tuple[int, int], diameter: float
) -> NDArray[np.float32]:
    """Stain in small dots and patches, around 0."""
    mottle = rng.uniform(0.02, 0.09) * smooth_noise(rng, size, rng.uniform(0.8, 2.2))
    mottle += rng.uniform(0, 0.05) * smooth_noise(rng, size, 0.2 * diameter + 1)
    dots = granules(rng, size, log_uniform(rng, 1e-3, 2e-2), rng.uniform(0.8, 1.8))
    return as_plane(mottle - rng.uniform(0, 0.4) * dots)


def _sheets(
    rng: np.random.Generator,
    cells: NDArray[np.int32],
    inner: NDArray[np.float32],
    diameter: float,
    half: float,
) -> NDArray[np.float32]:
    """Light cytoplasm between dark membranes, some cut aslant and blurred."""
    size = (cells.shape[0], cells.shape[1])
    level = rng.uniform(0.5, 0.85)
    own = rng.normal(0, rng.uniform(0, 0.08), int(cells.max()))
    light = level + per_object(cells, own) + _mottle(rng, size, diameter)
    aslant = 1 + 2.5 * (smooth_noise(rng, size, 0.7 * diameter) - 1.2).clip(0, None)
    wall = np.exp(-((inner / (half * aslant)) ** 2)) / np.sqrt(aslant)
    contrast = rng.uniform(0.3, 0.75) * level
    return as_plane(light - contrast * wall)


def _lay_mitochondria(
    rng: np.random.Generator,
    size: tuple[int, int],
    diameter: float,
    holders: NDArray[np.int32],
    inner: NDArray[np.float32],
) -> Canvas:
    """Lay round to long bodies into cells that hold them."""
    canvas = Canvas.blank(size)
    width = max(7.0, 0.7 * diameter)
    room = np.flatnonzero((inner > 0.55 * width) & (holders > 0))
    owner = holders.reshape(-1)
    aim = rng.uniform(0.05, 0.35) * np.count_nonzero(holders) / (1.5 * width**2)
    for spot in rng.permutation(room)[: int(np.clip(3 * aim, 2, 250))].tolist():
        if len(canvas.centres) >= max(1, aim):
            break
        row, col = divmod(spot, size[1])
        angle, own = rng.uniform(0, np.pi), width * np.exp(rng.normal(0, 0.2)) / 2
        if rng.random() < 0.6:
            outline = star(
                rng, (row, col), own, rough=0.08, stretch=rng.uniform(1, 2), angle=angle
            )
        else:
            length = own * rng.uniform(1.5, 6)
            start = (
                row - length / 2 * np.sin(angle),
                col - length / 2 * np.cos(angle),
            )
            spine = walk(rng, start, angle, length, rng.uniform(0.2, 1.2))
            outline = tube(spine, 0.8 * own)
        pixels = canvas.inside([outline])
        if pixels.size and (owner[pixels] == owner[spot]).mean() > 0.97:
            canvas.add([outline], (row, col), own, angle)
    canvas.labels[holders == 0] = 0
    return canvas


def _draw_mitochondria(
    rng: np.random.Generator, canvas: Canvas, light: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Draw a dark matrix in a double membrane, crossed by cristae."""
    if not canvas.centres:
        return light
    inner = inner_distance(canvas.labels)
    inside = canvas.labels > 0
    matrix = light - rng.uniform(0.1, 0.35)
    way = per_object(canvas.labels, np.array(canvas.angles) + np.pi / 2)
    row, col = np.indices(canvas.size, dtype=np.float32)
    pitch = rng.uniform(4, 8)
    wave = rng.uniform(0.5, 2.5) * smooth_noise(rng, canvas.size, 5)
    fold = np.sin(2 * np.pi / pitch * (np.cos(way) * row - np.sin(way) * col) + wave)
    lines = (fold - 0.2).clip(0, None) * (inner > 2)
    matrix = matrix + rng.choice([-1, 1]) * rng.uniform(0.05, 0.3) * lines
    rim = np.exp(-(((inner - 1) / 1.1) ** 2)) * inside
    matrix = matrix - rng.uniform(0.1, 0.4) * rim
    soft = blur(as_plane(inside), 0.6)
    return as_plane(light * (1 - soft) + matrix * soft)


def _seen(rng: np.random.Generator, light: NDArray[np.float32]) -> NDArray[Any]:
    """Blur, stretch and expose what the section holds."""
    sharp = blur(light, log_uniform(rng, 0.4, 1.3))
    sharp = sharp + rng.uniform(0, 0.08) * shading(
        rng, (light.shape[0], light.shape[1])
    )
    gain = rng.uniform(0.8, 2.0)
    middle = float(sharp[::4, ::4].mean())
    stretched = middle + gain * (sharp - middle) + rng.uniform(-0.12, 0.12)
    photons = log_uniform(rng, 100, 5000)
    return digitise(
        rng, as_plane(stretched), photons=photons, read=rng.uniform(0.002, 0.04)
    )
