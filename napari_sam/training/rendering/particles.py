"""Particles: agglomerates and powder in SEM, crystals and beads in TEM, grains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_sam.training.rendering.figure_marks import draw_marks
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
    angular,
    inner_distance,
    nearest_seed,
    spaced_points,
    star,
)
from napari_sam.training.rendering.textures import granules, per_object

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["carbides", "sem_particles", "tem_particles"]


def sem_particles(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render heaped particles by secondary electrons: bright edges, shadows, charging.

    Parameters
    ----------
    size
        (rows, cols).
    """
    diameter = log_uniform(rng, 12, min(170, min(size) / 3))
    rough = rng.choice([0.015, rng.uniform(0.03, 0.12)])
    canvas, height, lit = _heap(rng, size, diameter, float(rough))
    seen = lit.copy()
    border = inner_distance(canvas.labels)
    edge = np.exp(-border / (rng.uniform(0.03, 0.08) * diameter + 0.5)) * (border > 0)
    seen += rng.uniform(0.0, 0.6) * edge
    top = float(height.max()) + 1e-6
    height = np.minimum(height, float(np.percentile(height, 99)))
    deep = blur(height, 0.35 * diameter) - height
    seen -= rng.uniform(0.2, 0.9) * (deep / (0.35 * diameter)).clip(0, 1)  # shadows
    ground = canvas.labels == 0
    level = rng.uniform(0.02, 0.45)
    floor = level * (
        1 + rng.uniform(0, 0.12) * smooth_noise(rng, size, rng.uniform(1, 8))
    )
    near = ndimage.distance_transform_edt(ground)
    floor = floor * (1 - 0.6 * np.exp(-near / (0.2 * diameter)))
    seen = np.where(ground, floor, seen * (0.75 + 0.25 * height / top))
    if rng.random() < 0.35:  # charging: rows that are brighter, and bright bodies
        rows = np.repeat(smooth_noise(rng, (size[0], 8), 3)[:, :1], size[1], axis=1)
        seen = seen * (1 + rng.uniform(0.02, 0.12) * rows)
    seen = seen + rng.uniform(0, 0.15) * shading(rng, size)
    light = blur(as_plane(seen), log_uniform(rng, 0.4, 0.7 + 0.03 * diameter))
    return _framed(rng, light, canvas.labels, read=log_uniform(rng, 0.003, 0.06))


def _heap(
    rng: np.random.Generator, size: tuple[int, int], diameter: float, rough: float
) -> tuple[Canvas, NDArray[np.float32], NDArray[np.float32]]:
    """Heap balls and stones; those on top hide others. Also height and light."""
    canvas = Canvas.blank(size)
    height, lit = np.zeros(size, np.float32), np.zeros(size, np.float32)
    spread = rng.choice([0.08, 0.25, 0.55])
    crowding = log_uniform(rng, 0.25, 3.0)
    aim = int(np.clip(crowding * size[0] * size[1] / (0.8 * diameter**2), 2, 450))
    angle = rng.uniform(0, 2 * np.pi)
    sides, soft = int(rng.choice([0, 0, 6])), rng.uniform(0.2, 0.8)
    texture = rng.uniform(0, 0.07) * smooth_noise(rng, size, 0.04 * diameter + 0.6)
    seeds = spaced_points(rng, size, 0.62 * diameter, jitter=0.4)
    where = smooth_noise(rng, size, rng.uniform(1.5, 4) * diameter)
    at = np.rint(seeds).astype(int).clip(0, np.array(size) - 1)
    order = np.argsort(-where[at[:, 0], at[:, 1]], kind="stable")[:aim]
    if rng.random() < 0.3:
        order = rng.permutation(len(seeds))[:aim]
    for row, col in rng.permutation(seeds[order]).tolist():
        own = diameter / 2 * float(np.exp(rng.normal(0, spread)))
        if sides:
            outline = angular(rng, (row, col), own, sides, uneven=0.06)
        else:
            outline = star(
                rng, (row, col), own, rough=rough, stretch=1 + abs(rng.normal(0, 0.1))
            )
        number = canvas.add(
            [outline], (row, col), own, rng.uniform(0, 3), overlap=0.6, on_top=True
        )
        if number:
            pixels = canvas.inside([outline])
            floor = 0.7 * float(height.reshape(-1)[pixels].max())
            y, x = np.divmod(pixels, size[1])
            dy, dx = (y - row) / own, (x - col) / own
            up = np.sqrt((1 - 0.9 * (dy**2 + dx**2)).clip(0.02, 1))
            side = np.sin(angle) * dy + np.cos(angle) * dx
            brightness = rng.normal(0.55, 0.06)
            height.reshape(-1)[pixels] = floor + own * up
            lit.reshape(-1)[pixels] = (
                brightness + 0.25 * soft * side - 0.25 * (up - 0.6)
            )
    return canvas, height, as_plane(lit + texture)


def tem_particles(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render dark particles on a light grainy film: balls, crystals, rods, shells.

    Parameters
    ----------
    size
        (rows, cols).
    """
    diameter = log_uniform(rng, 8, min(200, min(size) / 2.5))
    canvas = Canvas.blank(size)
    shape = str(rng.choice(["ball", "crystal", "rod", "mixed"]))
    crowding = log_uniform(rng, 0.04, 0.6)
    aim = int(np.clip(crowding * size[0] * size[1] / (0.8 * diameter**2), 2, 400))
    spread, overlap = rng.choice([0.06, 0.2, 0.4]), float(rng.choice([0.02, 0.2]))
    clumped = rng.random() < 0.5
    where = smooth_noise(rng, size, rng.uniform(1, 4) * diameter)
    seeds = spaced_points(rng, size, diameter, jitter=0.25 if clumped else 0.5)
    at = np.rint(seeds).astype(int).clip(0, np.array(size) - 1)
    if clumped:
        seeds = seeds[np.argsort(-where[at[:, 0], at[:, 1]], kind="stable")]
    for row, col in seeds[: 2 * aim].tolist():
        if len(canvas.centres) >= aim:
            break
        own, angle = diameter / 2 * np.exp(rng.normal(0, spread)), rng.uniform(0, 3.2)
        outline = _section(rng, (row, col), float(own), angle, shape)
        canvas.add([outline], (row, col), float(own), angle, overlap=overlap)
    if not canvas.centres:
        middle = (size[0] / 2, size[1] / 2)
        canvas.add([star(rng, middle, diameter / 2)], middle, diameter / 2)
    light = _through(rng, canvas, diameter)
    return _framed(rng, light, canvas.labels, read=log_uniform(rng, 0.003, 0.06))


def _section(
    rng: np.random.Generator,
    at: tuple[float, float],
    radius: float,
    angle: float,
    shape: str,
) -> NDArray[np.float64]:
    if shape == "mixed":
        shape = str(rng.choice(["ball", "crystal", "rod"]))
    if shape == "crystal":
        sides = int(rng.choice([3, 4, 5, 6, 6, 6, 8]))
        return angular(rng, at, 1.1 * radius, sides, uneven=0.05, angle=angle)
    stretch = rng.uniform(1.8, 5) if shape == "rod" else 1 + abs(rng.normal(0, 0.08))
    rough = rng.choice([0.01, 0.06])
    return star(rng, at, radius, rough=float(rough), stretch=stretch, angle=angle)


def _through(
    rng: np.random.Generator, canvas: Canvas, diameter: float
) -> NDArray[np.float32]:
    """Draw what absorbs electrons dark; crystals differ by tilt, some are banded."""
    size, inner = canvas.size, inner_distance(canvas.labels)
    level = rng.uniform(0.5, 0.9)
    film = level * (1 + rng.uniform(0, 0.15) * shading(rng, size))
    film += rng.uniform(0.0, 0.04) * smooth_noise(rng, size, rng.uniform(0.8, 2.5))
    if rng.random() < 0.3:  # folds and edges of the film
        folds = np.abs(smooth_noise(rng, size, 0.2 * min(size)))
        film -= rng.uniform(0.05, 0.25) * np.exp(-((folds / 0.08) ** 2))
    count = len(canvas.centres)
    tilt = rng.uniform(0.35, 0.85) * np.exp(
        rng.normal(0, rng.uniform(0.02, 0.3), count)
    )
    thick = (inner / (0.5 * diameter)).clip(0, 1) ** rng.choice([0.05, 0.25, 0.5])
    if rng.random() < 0.15:  # hollow
        thick = thick * (1 - 0.7 * (inner > rng.uniform(0.15, 0.3) * diameter))
    bands = 1 + rng.uniform(0, 0.25) * smooth_noise(rng, size, 0.15 * diameter + 0.5)
    absorbed = per_object(canvas.labels, tilt.clip(0.1, 0.95)) * thick * bands
    absorbed = absorbed + 0.3 * (canvas.under > 0)
    light = film * (1 - absorbed.clip(0, 0.97))
    if rng.random() < 0.4:  # a bright fringe by defocus
        outside = ndimage.distance_transform_edt(canvas.labels == 0)
        fringe = np.exp(-(((outside - 1.5) / 1.2) ** 2)) * (outside > 0)
        light += rng.uniform(0.05, 0.25) * fringe
    return blur(as_plane(light), log_uniform(rng, 0.4, 0.6 + 0.02 * diameter))


def carbides(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """Render etched metal by secondary electrons: bright particles in darker grains.

    Parameters
    ----------
    size
        (rows, cols).
    """
    diameter = log_uniform(rng, 8, min(70, min(size) / 6))
    canvas = _lay_carbides(rng, size, diameter)
    light = _matrix(rng, size, diameter)
    inner = inner_distance(canvas.labels)
    level = float(light[::4, ::4].mean())
    solid = blur(as_plane(inner > 0), 0.8)
    own = rng.normal(0, 0.04, len(canvas.centres))
    step = rng.uniform(0.12, 0.45) * rng.choice([1, 1, -0.6])
    light = light * (1 - solid) + solid * (
        level + step + per_object(canvas.labels, own)
    )
    edge = np.exp(-((inner / (0.05 * diameter + 1)) ** 2)) * (inner > 0)
    light += rng.uniform(0, 0.4) * blur(as_plane(edge), 0.7)
    light += rng.uniform(0, 0.5) * relief(blur(solid, 1.0), rng.uniform(0, 6.3))
    pits = np.abs(smooth_noise(rng, size, rng.uniform(1.2, 5))) * (inner == 0)
    light += rng.choice([0.0, rng.uniform(-0.12, 0.12)]) * pits
    etched = granules(rng, size, log_uniform(rng, 1e-4, 3e-3), 1.2) * (inner == 0)
    light += rng.uniform(-0.2, 0.3) * etched
    return _framed(
        rng, as_plane(light), canvas.labels, read=log_uniform(rng, 0.003, 0.05)
    )


def _lay_carbides(
    rng: np.random.Generator, size: tuple[int, int], diameter: float
) -> Canvas:
    canvas = Canvas.blank(size)
    aim = int(np.clip(rng.uniform(0.1, 0.4) * size[0] * size[1] / diameter**2, 4, 600))
    spread = rng.uniform(0.25, 0.6)
    for row, col in spaced_points(rng, size, 0.9 * diameter, jitter=0.4)[:aim].tolist():
        own, angle = diameter / 2 * np.exp(rng.normal(0, spread)), rng.uniform(0, 3.2)
        stretch = rng.uniform(1, 2.2)
        outline = star(
            rng, (row, col), float(own), rough=0.12, stretch=stretch, angle=angle
        )
        canvas.add([outline], (row, col), float(own), angle, overlap=0.0)
    return canvas


def _matrix(
    rng: np.random.Generator, size: tuple[int, int], diameter: float
) -> NDArray[np.float32]:
    """Grains of the metal between the particles."""
    grains, _ = nearest_seed(
        rng,
        size,
        spaced_points(rng, size, rng.uniform(3, 12) * diameter),
        warp=0.3 * diameter,
        scale=2 * diameter,
    )
    apart = inner_distance(grains)
    level = rng.uniform(0.2, 0.5)
    tilt = rng.normal(0, rng.uniform(0.01, 0.06), int(grains.max()))
    light = level + per_object(grains, tilt)
    light += rng.uniform(0.01, 0.06) * smooth_noise(rng, size, rng.uniform(1, 6))
    light += rng.uniform(-0.2, 0.2) * np.exp(-((apart / 1.5) ** 2))
    return as_plane(light)


def _framed(
    rng: np.random.Generator,
    light: NDArray[np.float32],
    labels: NDArray[np.int32],
    *,
    read: float,
) -> Scene:
    """Expose the image; at times with a scale bar and letters, which hide objects."""
    image: NDArray[Any] = digitise(
        rng, light, photons=log_uniform(rng, 150, 10000), read=read, lossy=0.3
    )
    if rng.random() < 0.4 and image.dtype == np.uint8:
        image, hidden = draw_marks(rng, image)
        labels = np.where(hidden, 0, labels).astype(np.int32)
    return Scene(image, tidy(labels)[0], None, "objects")
