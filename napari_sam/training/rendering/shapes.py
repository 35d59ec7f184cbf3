"""Outlines of bodies: stars, spindles, limbs and rods, and planes that cells fill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.training.rendering.optics import as_plane, smooth_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "angular",
    "inner_distance",
    "limb",
    "nearest_seed",
    "spaced_points",
    "star",
    "tube",
    "walk",
]

_SECTION = 8
"""Corners of a rounded end."""


def star(
    rng: np.random.Generator,
    centre: tuple[float, float],
    radius: float,
    *,
    rough: float = 0.1,
    stretch: float = 1.0,
    angle: float = 0.0,
    lobes: tuple[int, int] = (2, 7),
) -> NDArray[np.float64]:
    """Outline a star-shaped body: its radius is a short Fourier series of the angle.

    Parameters
    ----------
    centre, radius
        In pixels, as (row, col).
    rough
        Size of the waves of the radius.
    stretch, angle
        Longer by `stretch` in that direction, and as much narrower across.
    lobes
        Fewest waves around the body, and one more than the most.

    Returns
    -------
    ndarray
        (n, 2) corners.
    """
    theta = np.linspace(0, 2 * np.pi, int(np.clip(2 * radius, 16, 96)), endpoint=False)
    order = np.arange(*lobes)
    size = rng.normal(0, rough / np.sqrt(order))
    phase = rng.uniform(0, 2 * np.pi, order.size)
    waves = size[:, None] * np.cos(order[:, None] * theta + phase[:, None])
    reach = radius * np.clip(1 + waves.sum(0), 0.35, 2.0)
    along = reach * np.cos(theta) * np.sqrt(stretch)
    across = reach * np.sin(theta) / np.sqrt(stretch)
    return np.stack(
        [
            centre[0] + np.sin(angle) * along + np.cos(angle) * across,
            centre[1] + np.cos(angle) * along - np.sin(angle) * across,
        ],
        axis=1,
    )


def walk(
    rng: np.random.Generator,
    start: tuple[float, float],
    angle: float,
    length: float,
    bend: float,
    *,
    step: float = 4.0,
    smooth: float = 6.0,
) -> NDArray[np.float64]:
    """Walk from a point: a curve whose direction drifts by about `bend` radians.

    Returns
    -------
    ndarray
        (n, 2) points, `step` pixels apart.
    """
    count = max(3, int(length / step) + 1)
    drift = ndimage.gaussian_filter1d(rng.standard_normal(count + 8), smooth)[:count]
    drift *= bend / max(1e-6, np.abs(drift).sum())
    heading = angle + np.cumsum(drift) - drift[0]
    pace = length / (count - 1)
    steps = pace * np.stack([np.sin(heading), np.cos(heading)], axis=1)
    steps[0] = 0
    return np.array(start) + np.cumsum(steps, axis=0)


def tube(
    spine: NDArray[np.float64], radii: NDArray[np.float64] | float
) -> NDArray[np.float64]:
    """Outline a tube around a spine, with rounded ends.

    Parameters
    ----------
    spine
        (n, 2) points.
    radii
        Of the tube, one or (n,).
    """
    wide = np.broadcast_to(np.asarray(radii, float), len(spine))
    ahead = np.gradient(spine, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    side = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    turn = np.linspace(0, np.pi, _SECTION)[1:-1, None]
    last = spine[-1] + wide[-1] * (np.cos(turn) * side[-1] + np.sin(turn) * ahead[-1])
    first = spine[0] - wide[0] * (np.cos(turn) * side[0] + np.sin(turn) * ahead[0])
    left = spine + wide[:, None] * side
    right = (spine - wide[:, None] * side)[::-1]
    return np.concatenate([left, last, right, first])


def limb(
    rng: np.random.Generator,
    start: tuple[float, float],
    angle: float,
    length: float,
    width: float,
    *,
    tip: float = 1.0,
    bend: float = 0.5,
) -> NDArray[np.float64]:
    """Outline a limb that tapers from half the `width` to `tip` pixels of radius."""
    spine = walk(rng, start, angle, length, bend)
    share = np.linspace(0, 1, len(spine))
    radii = np.maximum(tip, tip + (width / 2 - tip) * (1 - share) ** 1.7)
    return tube(spine, radii)


def spaced_points(
    rng: np.random.Generator,
    size: tuple[int, int],
    spacing: float,
    *,
    jitter: float = 0.3,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> NDArray[np.float64]:
    """Scatter points over a plane and a margin: a jittered hexagonal grid.

    Parameters
    ----------
    size, spacing
        In pixels.
    jitter
        Share of the spacing by which points are moved.
    stretch, angle
        The grid is wider by `stretch` in that direction, and as much denser across.

    Returns
    -------
    ndarray
        (n, 2) rows and columns in random order, up to 1.5 spacings beyond the plane.
    """
    reach = np.hypot(*size) / 2 * np.sqrt(stretch) + 3 * spacing
    count = int(np.ceil(reach / spacing)) + 1
    row, col = np.mgrid[-count : count + 1, -count : count + 1].astype(float)
    grid = spacing * np.stack([row * np.sqrt(0.75), col + (row % 2) / 2], -1)
    grid = grid.reshape(-1, 2) + rng.normal(0, jitter * spacing, (row.size, 2))
    across, along = grid[:, 0] / np.sqrt(stretch), grid[:, 1] * np.sqrt(stretch)
    points = np.stack(
        [
            np.sin(angle) * along + np.cos(angle) * across,
            np.cos(angle) * along - np.sin(angle) * across,
        ],
        axis=1,
    )
    points += np.array(size) / 2 + rng.uniform(-0.5, 0.5, 2) * spacing
    edge = 1.5 * spacing
    near = ((points > -edge) & (points < np.array(size) + edge)).all(1)
    return rng.permutation(points[near])


def nearest_seed(
    rng: np.random.Generator,
    size: tuple[int, int],
    seeds: NDArray[np.float64],
    *,
    warp: float,
    scale: float,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Give every pixel to the nearest seed, with wavy borders.

    Parameters
    ----------
    seeds
        (n, 2); those beyond the plane count too.
    warp, scale
        Size and length of the waves, in pixels.

    Returns
    -------
    labels
        (H, W) int32, 1 to n.
    distance
        (H, W) float32, pixels to the seed.
    """
    margin = int(np.ceil(max(0.0, -seeds.min(), *(seeds.max(0) - size)))) + 1
    margin = min(margin, max(size))
    plane = np.zeros((size[0] + 2 * margin, size[1] + 2 * margin), np.int32)
    at = np.rint(seeds).astype(int) + margin
    fits = ((at >= 0) & (at < plane.shape)).all(1)
    plane[at[fits, 0], at[fits, 1]] = np.flatnonzero(fits) + 1
    away, (rows, cols) = ndimage.distance_transform_edt(plane == 0, return_indices=True)
    owner = plane[rows, cols]
    row, col = np.indices(size, dtype=np.float32)
    row += warp * smooth_noise(rng, size, scale) + margin
    col += warp * smooth_noise(rng, size, scale) + margin
    y = np.rint(row).astype(np.int64).clip(0, plane.shape[0] - 1)
    x = np.rint(col).astype(np.int64).clip(0, plane.shape[1] - 1)
    return owner[y, x], as_plane(away[y, x])


def inner_distance(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Distance of each pixel of an object to its border, in pixels; 0 outside."""
    inner = labels > 0
    down, right = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    inner[1:] &= ~down
    inner[:-1] &= ~down
    inner[:, 1:] &= ~right
    inner[:, :-1] &= ~right
    away = ndimage.distance_transform_edt(inner).astype(np.float32)
    away += (labels > 0) * np.float32(0.5)
    result: NDArray[np.float32] = away
    return result


def angular(
    rng: np.random.Generator,
    centre: tuple[float, float],
    radius: float,
    corners: int,
    *,
    hollow: float = 0.0,
    uneven: float = 0.2,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> NDArray[np.float64]:
    """Outline a body with corners, as cells that spread on glass have.

    Parameters
    ----------
    centre, radius, stretch, angle
        See `star`.
    corners
        How many.
    hollow
        How far the edges between them are drawn in: 0 straight, below 0 bulging.
    uneven
        Standard deviation of the logarithm of the corners' distances.
    """
    theta = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
    reach = radius * np.exp(rng.normal(0, uneven, corners)).clip(0.5, 2.5)
    points = reach[:, None] * np.stack([np.sin(theta), np.cos(theta)], axis=1)
    following = np.roll(points, -1, axis=0)
    pull = (points + following) / 2 * (1 - hollow * rng.uniform(0.6, 1.4, (corners, 1)))
    t = np.linspace(0.06, 0.94, 8)[None, :, None]
    curve = (
        (1 - t) ** 2 * points[:, None]
        + 2 * t * (1 - t) * pull[:, None]
        + t**2 * following[:, None]
    ).reshape(-1, 2)
    curve = ndimage.gaussian_filter1d(curve, rng.uniform(0.3, 2.2), axis=0, mode="wrap")
    along, across = curve[:, 1] * np.sqrt(stretch), curve[:, 0] / np.sqrt(stretch)
    return np.stack(
        [
            centre[0] + np.sin(angle) * along + np.cos(angle) * across,
            centre[1] + np.cos(angle) * along - np.sin(angle) * across,
        ],
        axis=1,
    )
