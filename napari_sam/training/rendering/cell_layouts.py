"""How cells lie: packed, in islands, spread, spindly, polygonal, round, with arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.training.rendering.optics import log_uniform, smooth_noise
from napari_sam.training.rendering.scene import Canvas
from napari_sam.training.rendering.shapes import (
    angular,
    limb,
    nearest_seed,
    spaced_points,
    star,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Outlines = list[NDArray[np.float64]]
    Body = Callable[[np.random.Generator, tuple[float, float], float, float], Outlines]

__all__ = ["BODIES", "lay_nuclei", "packed", "scattered"]


def packed(
    rng: np.random.Generator,
    size: tuple[int, int],
    diameter: float,
    *,
    islands: bool = False,
) -> Canvas:
    """Lay out cells that fill the plane, or islands of it.

    Parameters
    ----------
    diameter
        Of a cell, in pixels.
    islands
        Whether there is ground between groups of cells, whose outer cells bulge.
    """
    angle = rng.uniform(0, 3.2)
    seeds = _seeds(rng, size, diameter, angle, islands=islands)
    wavy = rng.choice([0.0, rng.uniform(0.02, 0.09)], p=(0.25, 0.75)) * diameter
    labels, away = nearest_seed(
        rng, size, seeds, warp=float(wavy), scale=rng.uniform(0.12, 0.45) * diameter
    )
    if islands:
        waves = 1 + 0.2 * smooth_noise(rng, size, 0.3 * diameter)
        labels[away > rng.uniform(0.5, 0.8) * diameter * waves] = 0
    areas = np.bincount(labels.ravel(), minlength=len(seeds) + 1)
    kept = (areas > 0) & (np.arange(areas.size) > 0)
    labels = (np.cumsum(kept) * kept).astype(np.int32)[labels]
    radii = np.sqrt(areas[kept] / np.pi)
    canvas = Canvas(labels, np.zeros_like(labels))
    rows, cols = np.indices(size)
    middle = [
        np.bincount(labels.ravel(), place.ravel(), radii.size + 1)[1:] / areas[kept]
        for place in (rows, cols)
    ]
    canvas.centres = list(zip(*(m.tolist() for m in middle), strict=True))
    canvas.radii = radii.tolist()
    canvas.angles = (angle + rng.normal(0, 0.3, radii.size)).tolist()
    return canvas


def _seeds(
    rng: np.random.Generator,
    size: tuple[int, int],
    diameter: float,
    angle: float,
    *,
    islands: bool,
) -> NDArray[np.float64]:
    """Scatter the seeds of cells: (n, 2), everywhere or where islands are."""
    seeds = spaced_points(
        rng,
        size,
        diameter,
        jitter=rng.uniform(0.14, 0.34),
        stretch=float(rng.choice([1.0, log_uniform(rng, 1, 2.5)])),
        angle=angle,
    )
    if rng.random() < 0.3:  # small cells among large ones
        fine = spaced_points(rng, size, 0.55 * diameter, jitter=0.3)
        seeds = np.concatenate(
            [seeds, fine[_at(smooth_noise(rng, size, 1.5 * diameter), fine) > 0.9]]
        )
    if not islands:
        return seeds
    where = _at(smooth_noise(rng, size, rng.uniform(0.8, 2.5) * diameter), seeds)
    inside = ((seeds >= 0) & (seeds < size)).all(1)
    best = np.sort(where[inside])[-2:].tolist() or [-np.inf]  # two stay in sight
    kept: NDArray[np.float64] = seeds[where >= min(best[0], rng.uniform(-0.7, 0.8))]
    return kept


def _at(field: NDArray[np.float32], points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values of (H, W) at (n, 2) points, those beyond the plane at its border."""
    row, col = np.rint(points).astype(int).T
    rows, cols = field.shape
    values: NDArray[np.float32] = field[row.clip(0, rows - 1), col.clip(0, cols - 1)]
    return values


def _round(
    rng: np.random.Generator, at: tuple[float, float], radius: float, angle: float
) -> Outlines:
    stretch = 1 + abs(rng.normal(0, 0.12))
    rough = rng.uniform(0.0, 0.06)
    return [star(rng, at, radius, rough=rough, stretch=stretch, angle=angle)]


def _oval(
    rng: np.random.Generator, at: tuple[float, float], radius: float, angle: float
) -> Outlines:
    stretch = rng.uniform(1.1, 2.2)
    return [star(rng, at, radius, rough=0.12, stretch=stretch, angle=angle)]


def _polygonal(
    rng: np.random.Generator, at: tuple[float, float], radius: float, angle: float
) -> Outlines:
    corners, hollow = int(rng.integers(4, 8)), rng.uniform(-0.2, 0.15)
    stretch = rng.uniform(1, 1.7)
    return [
        angular(
            rng, at, 1.15 * radius, corners, hollow=hollow, stretch=stretch, angle=angle
        )
    ]


def _spread(
    rng: np.random.Generator, at: tuple[float, float], radius: float, angle: float
) -> Outlines:
    corners, hollow = int(rng.integers(3, 9)), rng.uniform(0.1, 0.6)
    body = angular(
        rng,
        at,
        1.35 * radius,
        corners,
        hollow=hollow,
        uneven=rng.uniform(0.15, 0.45),
        stretch=rng.uniform(1, 2.2),
        angle=angle,
    )
    core = star(rng, at, 0.55 * radius, rough=0.1, stretch=1.2, angle=angle)
    return [body, core]


def _spindly(
    rng: np.random.Generator, at: tuple[float, float], radius: float, angle: float
) -> Outlines:
    stretch = rng.uniform(2.2, 6)
    body = star(rng, at, 0.8 * radius, rough=0.06, stretch=stretch, angle=angle)
    parts = [body]
    reach = 0.8 * radius * np.sqrt(stretch)
    for turn in (0.0, np.pi):
        if rng.random() < 0.9:
            way = angle + turn
            root = (
                at[0] + 0.6 * reach * np.sin(way),
                at[1] + 0.6 * reach * np.cos(way),
            )
            length = radius * rng.uniform(0.8, 4)
            width = 0.9 * radius / np.sqrt(stretch) * rng.uniform(0.8, 1.4)
            tip = max(1.0, 0.03 * radius)
            parts.append(
                limb(rng, root, way, length, max(2.5, width), tip=tip, bend=0.6)
            )
    return parts


def _armed(
    rng: np.random.Generator, at: tuple[float, float], radius: float, angle: float
) -> Outlines:
    body = star(
        rng, at, 0.75 * radius, rough=0.15, stretch=rng.uniform(1, 1.6), angle=angle
    )
    parts = [body]
    count = int(rng.integers(1, 6))
    ways = (
        angle + 2 * np.pi * (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count
    )
    for way in ways.tolist():
        root = (at[0] + 0.4 * radius * np.sin(way), at[1] + 0.4 * radius * np.cos(way))
        length = radius * log_uniform(rng, 0.8, 6)
        width, tip = radius * rng.uniform(0.25, 0.8), max(1.0, 0.04 * radius)
        parts.append(
            limb(
                rng,
                root,
                way,
                length,
                max(2.5, width),
                tip=tip,
                bend=rng.uniform(0.2, 1.5),
            )
        )
        if rng.random() < 0.35:
            fork = parts[-1][int(rng.integers(2, len(parts[-1]) // 3))]
            turned = way + rng.choice([-1, 1]) * rng.uniform(0.4, 1.0)
            short = length * rng.uniform(0.2, 0.6)
            parts.append(
                limb(
                    rng, (fork[0], fork[1]), turned, short, max(2.2, width / 3), tip=tip
                )
            )
    return parts


BODIES: dict[str, Body] = {
    "round": _round,
    "oval": _oval,
    "polygonal": _polygonal,
    "spread": _spread,
    "spindly": _spindly,
    "armed": _armed,
}
"""Outlines of one cell at a place, of a radius and a direction in radians."""


def scattered(
    rng: np.random.Generator,
    size: tuple[int, int],
    diameter: float,
    body: str,
    *,
    crowding: float,
    overlap: float = 0.3,
    mixed: float = 0.12,
) -> Canvas:
    """Lay out cells one by one, alone and in groups.

    Parameters
    ----------
    diameter
        Of a body without its arms, in pixels.
    body
        One of `BODIES`.
    crowding
        Share of the plane that bodies take, about.
    overlap
        Share of a cell that may lie over or under others.
    mixed
        Share of cells whose body is any of `BODIES`.
    """
    canvas = Canvas.blank(size)
    aim = crowding * size[0] * size[1] / (np.pi / 4 * diameter**2)
    count = int(np.clip(rng.normal(aim, 0.15 * aim), 2, 500))
    field, turn = rng.uniform(0, np.pi), rng.choice([0.15, 0.5, 3.0])
    on_top = bool(rng.random() < 0.5)
    seeds = spaced_points(rng, size, diameter, jitter=0.35)
    if rng.random() < 0.6:  # in groups
        where = _at(smooth_noise(rng, size, rng.uniform(1, 3) * diameter), seeds)
        seeds = seeds[np.argsort(-where, kind="stable")]
    beyond = ((seeds < 0) | (seeds >= size)).any(1)
    seeds = seeds[~beyond | (rng.random(len(seeds)) < 0.5)]
    for row, col in seeds[:800].tolist():
        if len(canvas.centres) >= count:
            break
        own = body if rng.random() >= mixed else str(rng.choice(list(BODIES)))
        radius = diameter / 2 * np.exp(rng.normal(0, 0.22))
        angle = field + rng.normal(0, turn)
        outlines = BODIES[own](rng, (row, col), radius, angle)
        canvas.add(outlines, (row, col), radius, angle, overlap=overlap, on_top=on_top)
    if not canvas.centres:
        middle = (size[0] / 2, size[1] / 2)
        radius = min(diameter, *size) / 2
        canvas.add(BODIES[body](rng, middle, radius, field), middle, radius, field)
    return canvas


def lay_nuclei(
    rng: np.random.Generator, canvas: Canvas, share: float, *, twins: float = 0.03
) -> NDArray[np.int32]:
    """Lay a nucleus into each cell, now and then two.

    Parameters
    ----------
    share
        Radius of a nucleus over that of its cell's body.
    twins
        Share of cells with two nuclei.

    Returns
    -------
    ndarray
        (H, W) int32, the number of the cell in whose nucleus a pixel lies.
    """
    nuclei = np.zeros_like(canvas.labels)
    flat, owner = nuclei.reshape(-1), canvas.labels.reshape(-1)
    everything = zip(canvas.centres, canvas.radii, canvas.angles, strict=True)
    for number, (centre, radius, angle) in enumerate(everything, 1):
        count = 2 if rng.random() < twins else 1
        for turn in range(count):
            own = radius * share * np.exp(rng.normal(0, 0.1)) / np.sqrt(count)
            away = rng.normal(0, 0.12 * radius, 2)
            if count == 2:
                away += (2 * turn - 1) * own * np.array([np.sin(angle), np.cos(angle)])
            at = (centre[0] + away[0], centre[1] + away[1])
            outline = star(
                rng, at, own, rough=0.05, stretch=rng.uniform(1, 1.6), angle=angle
            )
            pixels = canvas.inside([outline])
            flat[pixels[owner[pixels] == number]] = number
    return nuclei
