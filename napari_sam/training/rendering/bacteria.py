"""Bacteria: rods, chains, filaments and cocci, alone or in crowds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
from napari_sam.training.rendering.shapes import (
    inner_distance,
    spaced_points,
    star,
    tube,
    walk,
)
from napari_sam.training.rendering.textures import grain, granules, per_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["bacteria"]

_LAYOUTS = ("alone", "swarm", "colony", "chains", "cocci", "filaments")


def bacteria(
    rng: np.random.Generator,
    size: tuple[int, int],
    look: str = "phase",
    layout: str | None = None,
) -> Scene:
    """Render bacteria.

    Parameters
    ----------
    size
        (rows, cols).
    look
        "phase" (dark, with a halo), "bright field" or "fluorescence".
    layout
        How they lie; drawn where left out.
    """
    layout = layout or str(rng.choice(_LAYOUTS, p=(0.2, 0.27, 0.23, 0.12, 0.1, 0.08)))
    width = log_uniform(rng, 4.5, min(30, min(size) / 12))
    canvas = _lay(rng, size, width, layout)
    optics = {"phase": _phase, "bright field": _bright, "fluorescence": _fluorescence}
    image = optics[look](rng, canvas, width)
    labels, _ = tidy(canvas.labels)
    return Scene(image, labels, None, "objects")


def _lay(
    rng: np.random.Generator, size: tuple[int, int], width: float, layout: str
) -> Canvas:
    if layout == "cocci":
        return _lay_cocci(rng, size, width)
    if layout == "colony":
        return _lay_colonies(rng, size, width)
    if layout == "chains":
        return _lay_chains(rng, size, width)
    return _lay_rods(rng, size, width, layout)


def _rod(
    rng: np.random.Generator,
    canvas: Canvas,
    middle: tuple[float, float],
    angle: float,
    length: float,
    width: float,
    *,
    bend: float = 0.1,
    overlap: float = 0.08,
) -> int:
    """Lay a rod around its middle; give its number, or 0 where it has no room."""
    at = int(middle[0]), int(middle[1])
    within = 0 <= at[0] < canvas.size[0] and 0 <= at[1] < canvas.size[1]
    if within and canvas.labels[at]:
        return 0
    straight = max(0.3 * width, length - width)
    start = (
        middle[0] - np.sin(angle) * straight / 2,
        middle[1] - np.cos(angle) * straight / 2,
    )
    step = max(2.0, width / 2)
    spine = walk(rng, start, angle, straight, bend, step=step, smooth=8)
    outline = tube(spine, width / 2 * np.exp(rng.normal(0, 0.05)))
    return canvas.add([outline], middle, width / 2, angle, overlap=overlap)


def _directions(
    rng: np.random.Generator, size: tuple[int, int], scale: float
) -> NDArray[np.float32]:
    """Directions that neighbours share, in radians, over the plane."""
    return as_plane(2 * smooth_noise(rng, size, scale) + rng.uniform(0, 6.3))


def _lay_rods(
    rng: np.random.Generator, size: tuple[int, int], width: float, layout: str
) -> Canvas:
    """Lay rods alone, or in a swarm whose neighbours lie side by side."""
    canvas = Canvas.blank(size)
    aspect = rng.uniform(8, 25) if layout == "filaments" else log_uniform(rng, 1.6, 7)
    length = min(aspect * width, 1.2 * min(size))
    dense = layout == "swarm"
    across = log_uniform(rng, 2, 9) * width
    pitch = np.sqrt(across * (length + 0.5 * width))
    seeds = spaced_points(rng, size, pitch, jitter=0.3)
    where = smooth_noise(rng, size, rng.uniform(1, 3) * length)
    least = rng.choice([-9.0, rng.uniform(-1, 1)])
    ways = _directions(rng, size, rng.uniform(2, 6) * length)
    bend = rng.uniform(0.5, 2.5) if layout == "filaments" else rng.uniform(0, 0.5)
    spread = rng.uniform(0.1, 0.35)
    if dense:
        _fill(rng, canvas, ways, length, width, where > least)
        seeds = seeds[:0]
    for row, col in seeds[:1400].tolist():
        own = length * np.exp(rng.normal(0, spread))
        angle = rng.uniform(0, 2 * np.pi)
        _rod(rng, canvas, (row, col), angle, own, width, bend=bend)
    if not canvas.centres:
        middle = (size[0] / 2, size[1] / 2)
        _rod(rng, canvas, middle, rng.uniform(0, 3), length, width)
    return canvas


def _fill(
    rng: np.random.Generator,
    canvas: Canvas,
    ways: NDArray[np.float32],
    length: float,
    width: float,
    where: NDArray[np.bool_],
) -> None:
    """Lay rods side by side into the room that is left, until little is."""
    for tried in range(4):
        room = ndimage.distance_transform_edt(canvas.labels == 0)
        spots = np.flatnonzero((room >= 0.47 * width) & where)
        spots = rng.permutation(spots)[: int(3 * spots.size / (width * length)) + 20]
        share = (1.0, 0.9, 0.6, 0.4)[tried]
        for spot in spots[:500].tolist():
            row, col = divmod(spot, canvas.size[1])
            own = max(1.4 * width, share * length * np.exp(rng.normal(0, 0.15)))
            way = float(ways[row, col]) + rng.normal(0, 0.05)
            _rod(rng, canvas, (row, col), way, own, width, overlap=0.1)


def _lay_colonies(
    rng: np.random.Generator, size: tuple[int, int], width: float
) -> Canvas:
    """Lay microcolonies: rods side by side, in domains of one direction."""
    canvas = Canvas.blank(size)
    length = rng.uniform(2, 4.5) * width
    count = int(rng.integers(1, 2 + int(min(size) / (14 * width))))
    row, col = np.indices(size, dtype=np.float32)
    for _ in range(count):
        middle = rng.uniform(0.1, 0.9, 2) * np.array(size)
        reach = log_uniform(rng, 2, 0.45 * min(size) / width) * width
        away = np.hypot(row - middle[0], col - middle[1])
        inside = away < reach * (1 + 0.2 * smooth_noise(rng, size, 0.5 * reach))
        ways = 0.4 * _directions(rng, size, rng.uniform(0.6, 1.8) * reach + 5)
        _fill(rng, canvas, ways, length, width, inside)
    if not canvas.centres:
        return _lay_rods(rng, size, width, "alone")
    return canvas


def _lay_chains(
    rng: np.random.Generator, size: tuple[int, int], width: float
) -> Canvas:
    """Lay chains of rods, one after another along bent lines."""
    canvas = Canvas.blank(size)
    length = rng.uniform(1.6, 4) * width
    for _ in range(int(rng.integers(3, 4 + int(0.5 * min(size) / width)))):
        start = tuple((rng.uniform(-0.1, 1.1, 2) * np.array(size)).tolist())
        reach = length * rng.uniform(2, 14)
        line = walk(
            rng, (start[0], start[1]), rng.uniform(0, 6.3), reach, rng.uniform(0, 2.5)
        )
        along = np.linspace(0, len(line) - 1.001, max(2, int(reach / (length + 1))))
        for here, there in zip(along[:-1].tolist(), along[1:].tolist(), strict=True):
            one, two = line[int(here)], line[min(len(line) - 1, int(there))]
            step = two - one
            own = float(np.hypot(*step)) - 0.6
            if own < width:
                continue
            middle = ((one[0] + two[0]) / 2, (one[1] + two[1]) / 2)
            way = float(np.arctan2(step[0], step[1]))
            _rod(rng, canvas, middle, way, own, width, overlap=0.12)
    if not canvas.centres:
        return _lay_rods(rng, size, width, "alone")
    return canvas


def _lay_cocci(rng: np.random.Generator, size: tuple[int, int], width: float) -> Canvas:
    """Lay cocci, in pairs and small groups."""
    canvas = Canvas.blank(size)
    radius = 0.7 * width
    groups = spaced_points(rng, size, rng.uniform(2.5, 9) * 2 * radius, jitter=0.35)
    for row, col in groups[:300].tolist():
        at, angle = (row, col), rng.uniform(0, 6.3)
        for _ in range(int(rng.choice([1, 2, 2, 2, 4, 7]))):
            own = radius * np.exp(rng.normal(0, 0.1))
            outline = star(rng, at, own, rough=0.02, stretch=rng.uniform(1, 1.2))
            canvas.add([outline], at, own, angle, overlap=0.1)
            angle += rng.choice([0.0, np.pi / 2, rng.normal(0, 0.6)])
            step = 1.9 * radius
            at = (at[0] + step * np.sin(angle), at[1] + step * np.cos(angle))
    if not canvas.centres:
        return _lay_rods(rng, size, width, "alone")
    return canvas


def _bodies(
    rng: np.random.Generator, canvas: Canvas, width: float, spread: float
) -> NDArray[np.float32]:
    """Optical thickness: a cylinder's, with a level of its own for each body."""
    depth = (inner_distance(canvas.labels) / (0.5 * width)).clip(0, 1)
    round_ = np.sqrt(np.maximum(0, 1 - (1 - depth) ** 2))
    flat = rng.uniform(0.3, 1)
    levels = np.exp(rng.normal(0, spread, len(canvas.centres)))
    body = (flat * (depth > 0) + (1 - flat) * round_) * per_object(
        canvas.labels, levels
    )
    return as_plane(body * grain(rng, canvas.size, 0.15 * width + 0.6, 0.06))


def _phase(rng: np.random.Generator, canvas: Canvas, width: float) -> NDArray[Any]:
    """Dark bodies with the halo and shade-off of positive phase contrast."""
    body = _bodies(rng, canvas, width, rng.uniform(0.02, 0.15))
    sharp = blur(body, log_uniform(rng, 0.5, 0.6 + 0.08 * width))
    near, far = rng.uniform(0.3, 0.8) * width, rng.uniform(1.5, 4) * width
    strength = rng.uniform(0.4, 0.95)
    halo = strength * (0.65 * blur(body, near) + 0.35 * blur(body, far))
    contrast = log_uniform(rng, 0.3, 1.3)
    light = rng.uniform(0.35, 0.65) + contrast * (halo - sharp)
    if rng.random() < 0.35:  # the bright core of a thick body
        core = (inner_distance(canvas.labels) / (0.5 * width)).clip(0, 1) ** 3
        light += rng.uniform(0.05, 0.3) * contrast * blur(core, 0.12 * width)
    light += _dirt(rng, canvas.size, width)
    return _digitise(rng, as_plane(light))


def _bright(rng: np.random.Generator, canvas: Canvas, width: float) -> NDArray[Any]:
    """Bodies beside the focus: a bright or dark core within a rim of the other."""
    body = _bodies(rng, canvas, width, 0.08)
    sharp = blur(body, rng.uniform(0.4, 0.6 + 0.06 * width))
    wide = blur(body, rng.uniform(0.25, 0.5) * width)
    sign = rng.choice([-1, 1])
    light = rng.uniform(0.4, 0.65) + sign * log_uniform(rng, 0.3, 1.2) * (wide - sharp)
    if rng.random() < 0.4:
        light += rng.uniform(-0.35, 0.35) * sharp
    if rng.random() < 0.2:
        light += relief(sharp, rng.uniform(0, 6.3), rng.uniform(0.2, 0.8))
    light += _dirt(rng, canvas.size, width)
    return _digitise(rng, as_plane(light))


def _dirt(
    rng: np.random.Generator, size: tuple[int, int], width: float
) -> NDArray[np.float32]:
    """Uneven light, mottle and specks of a bright ground."""
    ground = rng.uniform(0, 0.08) * shading(rng, size)
    ground += rng.uniform(0, 0.015) * smooth_noise(rng, size, rng.uniform(1, 3))
    ground += rng.uniform(0, 0.02) * smooth_noise(rng, size, rng.uniform(5, 40))
    if rng.random() < 0.4:
        specks = granules(rng, size, 1e-4, rng.uniform(0.6, 0.25 * width + 0.7))
        specks -= blur(specks, 3)
        ground -= rng.uniform(0.05, 0.3) * specks
    return as_plane(ground)


def _fluorescence(
    rng: np.random.Generator, canvas: Canvas, width: float
) -> NDArray[Any]:
    """Bright bodies, filled or outlined, with septa, on a dark and hazy ground."""
    body = _bodies(rng, canvas, width, rng.uniform(0.05, 0.5))
    if rng.random() < 0.3:
        inner = inner_distance(canvas.labels)
        rim = np.exp(-((inner / max(0.8, 0.12 * width)) ** 2)) * (inner > 0)
        body = (rim + rng.uniform(0.1, 0.4) * body).astype(np.float32)
    light = blur(body, log_uniform(rng, 0.6, 0.7 + 0.15 * width))
    light += rng.choice([0.0, rng.uniform(0.05, 0.5)]) * blur(
        body, rng.uniform(1, 4) * width
    )
    light /= max(
        0.05, float(np.percentile(light[canvas.labels > 0], rng.uniform(70, 99)))
    )
    base = rng.uniform(0, 0.12) * (1 + 0.4 * shading(rng, canvas.size))
    light = rng.uniform(0.3, 1.0) * light + base
    return _digitise(rng, as_plane(light))


def _digitise(rng: np.random.Generator, light: NDArray[np.float32]) -> NDArray[Any]:
    noise = {"photons": log_uniform(rng, 150, 20000), "read": rng.uniform(0.001, 0.008)}
    return digitise(rng, light, deep=0.05, **noise)
