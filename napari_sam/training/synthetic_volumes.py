"""Volumes that are drawn, with the true labels of their objects.

Nuclei and other bodies, crowded or bent; tissue of cells that fill space, with bright
or dark walls between them; and objects of labelled planes that are given a depth. What
a microscope does to them is drawn too: blur that is worse along z, light that is lost
with depth, haze, grain, and the noise of few photons.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["pile_of_planes", "render_volume", "seen_by_microscope"]

_Shape = tuple[int, int, int]


def render_volume(
    rng: np.random.Generator, shape: _Shape = (32, 160, 160)
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Draw a volume and its labels.

    Parameters
    ----------
    rng
        Decides everything.
    shape
        Voxels along z, y and x.

    Returns
    -------
    (Z, Y, X) uint8 and uint16
        The image, and its labels: 0 background, 1 to n the objects.
    """
    depth = float(rng.choice([1.0, rng.uniform(1, 1.6), rng.uniform(1.5, 4)]))
    if rng.random() < 0.3:
        light, labels = _tissue(rng, shape, depth)
    else:
        light, labels = _bodies(rng, shape, depth)
    return seen_by_microscope(rng, light, depth), labels


def seen_by_microscope(
    rng: np.random.Generator, light: NDArray[np.float32], depth: float = 1.0
) -> NDArray[np.uint8]:
    """Show light as a microscope does: blurred, dimmed with depth, and noisy.

    Parameters
    ----------
    rng
        Decides how much.
    light
        (Z, Y, X) float32 of about 0 to 1.
    depth
        How many times as deep as wide a voxel is.

    Returns
    -------
    (Z, Y, X) uint8
    """
    wide = float(rng.choice([0.3, rng.uniform(0.4, 1), rng.uniform(0.8, 1.8)]))
    along = wide * float(rng.uniform(1, 4)) / depth
    seen = ndimage.gaussian_filter(light, (along, wide, wide))
    if rng.random() < 0.4:  # haze of what is out of focus
        haze = ndimage.gaussian_filter(light, (3 * along, 6 * wide + 3, 6 * wide + 3))
        seen = seen + haze * float(rng.uniform(0.1, 0.6))
    if rng.random() < 0.6:
        lost = float(rng.uniform(0, 2)) * np.linspace(0, 1, len(light))
        dimmed = np.exp(-(lost if rng.random() < 0.5 else lost[::-1]))
        seen = seen * dimmed[:, None, None].astype(np.float32)
    seen = seen + float(rng.choice([0.0, rng.uniform(0, 0.4)]))
    seen /= max(float(np.percentile(seen, 99.5)), 1e-6)
    photons = float(np.exp(rng.uniform(np.log(2.5), np.log(300))))
    if rng.random() < 0.8:
        seen = rng.poisson(np.clip(seen, 0, None) * photons).astype(np.float32)
        seen /= photons
    seen += float(rng.uniform(0, 0.06)) * rng.standard_normal(seen.shape, np.float32)
    if rng.random() < 0.3:  # interpolated, or denoised
        around = float(rng.uniform(0.4, 0.9))
        seen = ndimage.gaussian_filter(
            seen, (rng.choice([0.0, around]), around, around)
        )
    low, high = np.percentile(seen, [0.1, rng.uniform(99.2, 99.99)])
    seen = (seen - low) / max(float(high - low), 1e-6)
    seen = np.clip(seen, 0, 1) ** float(np.exp(rng.uniform(-0.35, 0.35)))
    shown: NDArray[np.uint8] = (seen * 255).astype(np.uint8)
    return shown


def _grain(
    rng: np.random.Generator, shape: _Shape, size: float, depth: float
) -> NDArray[np.float32]:
    """Draw smooth noise of mean 0 and deviation 1 with grains of a size."""
    step = max(1, int(size // 3))
    steep = max(1, int(size / depth // 3))
    small = (shape[0] // steep + 3, shape[1] // step + 3, shape[2] // step + 3)
    noise = rng.standard_normal(small, np.float32)
    sigma = (size / depth / steep, size / step, size / step)
    noise = ndimage.gaussian_filter(noise, sigma)
    zoomed = ndimage.zoom(noise, (steep, step, step), order=1)
    noise = zoomed[: shape[0], : shape[1], : shape[2]]
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-6), np.float32)


def _warped(
    rng: np.random.Generator, shape: _Shape, depth: float, size: float
) -> NDArray[np.float32]:
    """Return (3, Z, Y, X) places of voxels, in widths, in a space that is bent."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    places = grid.astype(np.float32)
    places[0] *= depth
    bend = float(rng.uniform(0, 0.25))
    for axis in range(3):
        wave = size * float(rng.uniform(0.6, 1.5))
        places[axis] += bend * size * 0.5 * _grain(rng, shape, wave, depth)
    return places


def _centres(
    rng: np.random.Generator, shape: _Shape, depth: float, apart: float, most: int
) -> NDArray[np.float64]:
    """Return (N, 3) places in widths, none nearer than `apart` to another."""
    top = np.array([shape[0] * depth, shape[1], shape[2]])
    margin = apart * 0.4
    tried = rng.uniform(-margin, top + margin, (min(6 * most, 12000), 3))
    tree = cKDTree(tried)
    free = np.ones(len(tried), np.bool_)
    kept = []
    for number, near in enumerate(tree.query_ball_point(tried, apart)):
        if free[number]:
            kept.append(number)
            free[near] = False
        if len(kept) == most:
            break
    return np.asarray(tried[kept])


def _bodies(
    rng: np.random.Generator, shape: _Shape, depth: float
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Draw nuclei and other bodies."""
    radius = float(np.exp(rng.uniform(np.log(4.5), np.log(22))))
    apart = radius * float(rng.uniform(1.25, 3))
    space = shape[0] * depth * shape[1] * shape[2]
    most = int(max(4, min(900, space / apart**3 * rng.uniform(0.15, 1))))
    centres = _centres(rng, shape, depth, apart, most)
    places = _warped(rng, shape, depth, 2 * radius)
    nearest = np.ones(shape, np.float32)  # below 1 inside of a body
    labels = np.zeros(shape, np.uint16)
    flat, bent = float(rng.uniform(0.55, 1.1)), rng.random() < 0.3
    spread = float(rng.uniform(0.02, 0.3))
    for number, centre in enumerate(centres, 1):
        size = radius * np.exp(rng.normal(0, spread))
        axes = size * np.exp(rng.normal(0, 0.15, 3)) * np.array([flat, 1, 1])
        reach = axes.max() * (2.6 if bent else 1.6)
        box = tuple(
            slice(max(0, int((c - reach) / s)), max(0, int((c + reach) / s) + 2))
            for c, s in zip(centre, (depth, 1, 1), strict=True)
        )
        here = places[:, *box]
        if not here.size:
            continue
        away = _away(
            rng, here - centre.astype(np.float32)[:, None, None, None], axes, bent
        )
        closer = away < nearest[box]
        nearest[box][closer] = away[closer]
        labels[box][closer] = number
    return _stained(rng, labels, nearest, depth, radius), _renumbered(labels)


def _away(
    rng: np.random.Generator,
    offset: NDArray[np.float32],
    axes: NDArray[np.float64],
    bent: bool,
) -> NDArray[np.float32]:
    """Return how far voxels are from the middle of a body: 1 at its surface."""
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    if rng.random() < 0.6:  # lies flat, as cells on glass
        angle = rng.uniform(0, np.pi)
        turn = np.eye(3)
        turn[1:, 1:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    local = np.tensordot(turn.astype(np.float32), offset, 1)
    local /= axes.astype(np.float32)[:, None, None, None]
    if bent:
        local[1] += float(rng.uniform(-0.5, 0.5)) * (local[2] ** 2 - 0.5)
        local[2] /= float(rng.uniform(1, 1.7))
    power = float(rng.choice([2.0, 2.0, 2.5, 3.0]))
    away = (np.abs(local) ** power).sum(0) ** (1 / power)
    return np.asarray(away, np.float32)


def _stained(
    rng: np.random.Generator,
    labels: NDArray[np.uint16],
    away: NDArray[np.float32],
    depth: float,
    radius: float,
) -> NDArray[np.float32]:
    """Return the light of bodies and of what lies around them."""
    shape = labels.shape
    count = int(labels.max())
    shine = np.exp(rng.normal(0, rng.uniform(0.05, 0.6), count + 1)).astype(np.float32)
    shine[0] = 0
    light = shine[labels]
    if rng.random() < 0.7:
        grain = _grain(rng, shape, radius * float(rng.uniform(0.15, 0.6)), depth)
        light *= np.clip(1 + float(rng.uniform(0, 0.4)) * grain, 0.1, 3)
    rim = rng.random()
    if rim < 0.2:  # brighter towards the surface, as what is dyed there
        light *= 0.35 + 0.9 * away ** float(rng.uniform(1, 4))
    elif rim < 0.5:  # fades towards the surface
        light *= 1 - float(rng.uniform(0.2, 0.7)) * away**2
    around = float(rng.choice([0.0, rng.uniform(0, 0.5)]))
    if around:
        ground = 1 + 0.5 * _grain(rng, shape, float(rng.uniform(5, 40)), depth)
        light += around * np.clip(ground, 0, 3) * (labels == 0)
    if rng.random() < 0.25:  # sheets that are no objects
        field = np.abs(_grain(rng, shape, float(rng.uniform(20, 50)), depth))
        light += float(rng.uniform(0.3, 1.5)) * np.exp(-((field / 0.06) ** 2))
    if rng.random() < 0.25:  # crumbs that are none either
        light += float(rng.uniform(0.3, 2)) * (
            _grain(rng, shape, 1.5, depth) > rng.uniform(3, 3.8)
        )
    if rng.random() < 0.08:  # dark bodies
        light = float(np.percentile(light, 99)) - light
    return np.clip(light, 0, None).astype(np.float32)


def _tissue(
    rng: np.random.Generator, shape: _Shape, depth: float
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Draw cells that fill space, and the walls between them."""
    size = float(np.exp(rng.uniform(np.log(10), np.log(40))))
    stretch = np.exp(rng.normal(0, 0.25, 3)) * np.array([rng.uniform(0.5, 1.1), 1, 1])
    centres = _centres(rng, shape, depth, size * float(rng.uniform(0.5, 0.9)), 3000)
    if len(centres) < 2:
        centres = rng.uniform(0, [shape[0] * depth, *shape[1:]], (8, 3))
    places = _warped(rng, shape, depth, size)
    points = places.reshape(3, -1).T / stretch
    away, owner = cKDTree(centres / stretch).query(points, k=2)
    labels = (owner[:, 0] + 1).reshape(shape).astype(np.uint16)
    gap = (away[:, 1] - away[:, 0]).reshape(shape).astype(np.float32)
    thick = float(rng.uniform(0.8, 0.12 * size + 1))
    wall = np.exp(-((gap / (1.5 * thick)) ** 2))
    strength = np.clip(1 + 0.35 * _grain(rng, shape, size * 0.6, depth), 0.25, 2)
    inner = float(rng.uniform(0, 0.35))
    each = np.exp(rng.normal(0, 0.3, len(centres) + 1)).astype(np.float32)
    light = wall * strength + inner * each[labels]
    if rng.random() < 0.4:  # nuclei and the like in the cells
        crumbs = _grain(rng, shape, size * 0.12 + 1, depth) > 1.8
        light += float(rng.uniform(0, 0.4)) * crumbs
    if rng.random() < 0.35:  # what is dyed is in the cells
        dyed = each[labels] * (1 - wall) * float(rng.uniform(0.6, 1.2))
        light = dyed * np.clip(1 + 0.25 * _grain(rng, shape, 4, depth), 0.2, 2)
        if rng.random() < 0.5:
            labels[gap < 1.5 * thick] = 0
    if rng.random() < 0.5:  # the tissue ends
        field = _grain(rng, shape, float(rng.uniform(25, 60)), depth)
        outside = field > rng.uniform(0.3, 1.5)
        flat = labels.ravel()
        sizes = np.bincount(flat, minlength=len(centres) + 1)
        gone = np.bincount(flat, outside.ravel(), len(sizes)) > 0.5 * sizes
        gone[0] = True
        light *= np.where(gone[labels] & (wall < 0.3), 0.15, 1)
        labels[gone[labels]] = 0
    return np.clip(light, 0, None).astype(np.float32), _renumbered(labels)


def pile_of_planes(
    rng: np.random.Generator,
    planes: list[tuple[NDArray[np.float32], NDArray[np.int32]]],
    shape: _Shape = (32, 160, 160),
) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """Give the objects of labelled planes a depth, and lay the planes one on another.

    Parameters
    ----------
    rng
        Decides everything.
    planes
        (H, W) gray images of 0 to 1, and their labels, each at least as large as
        `shape` is wide.
    shape
        Voxels along z, y and x.

    Returns
    -------
    (Z, Y, X) uint8 and uint16
        The image, and its labels.
    """
    depth = float(rng.choice([1.0, rng.uniform(1, 3)]))
    light = np.zeros(shape, np.float32)
    ground = np.zeros(shape[1:], np.float32)
    labels = np.zeros(shape, np.uint16)
    nearest = np.full(shape, np.inf, np.float32)
    heights = np.arange(shape[0], dtype=np.float32)[:, None, None]
    flat = float(rng.uniform(0.5, 1.2)) / depth
    middle = float(rng.uniform(-2, 6))
    next_one = 1
    for image, marked in planes:
        empty = marked == 0
        if empty.any():
            nearby = ndimage.distance_transform_edt(
                ~empty, return_distances=False, return_indices=True
            )
            ground += ndimage.gaussian_filter(image[tuple(nearby)], 2) / len(planes)
        inner, rise = _raised(rng, marked, flat)
        bottom = float(inner.max())
        off = np.abs(heights - middle - rise) / np.maximum(inner, 1e-6)
        found = (off < 1) & (inner > 0.4) & (off < nearest)
        nearest[found] = off[found]
        labels[found] = np.broadcast_to(marked + next_one - 1, shape)[found]
        light[found] = np.broadcast_to(image, shape)[found]
        next_one += int(marked.max())
        middle += bottom * float(rng.uniform(1, 2.2)) + 1
        if middle > shape[0] + bottom:
            break
    light = np.where(labels == 0, ground, light)
    return seen_by_microscope(rng, light.astype(np.float32), depth), _renumbered(labels)


def _raised(
    rng: np.random.Generator, marked: NDArray[np.int32], flat: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how far objects reach up and down at a pixel, and where their middle is.

    They are as round along z as they are wide, but for a factor.
    """
    inner = np.zeros(marked.shape, np.float32)
    rise = np.zeros(marked.shape, np.float32)
    for number, box in enumerate(ndimage.find_objects(marked), 1):
        if box is None:
            continue
        mask = np.pad(marked[box] == number, 1)
        deep = ndimage.distance_transform_edt(mask)[1:-1, 1:-1]
        most = float(deep.max())
        high = flat * np.sqrt(np.clip(deep * (2 * most - deep), 0, None))
        here = deep > 0
        inner[box][here] = high[here]
        rise[box][here] = rng.normal(0, 0.25 * flat * most)
    return inner, rise


def _renumbered(labels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Give new numbers, and none to pieces that are too small to be told."""
    sizes = np.bincount(labels.ravel())
    good = sizes >= 20
    good[0] = False
    numbers = np.zeros(len(sizes), np.uint16)
    numbers[good] = np.arange(1, np.count_nonzero(good) + 1)
    left: NDArray[np.uint16] = numbers[labels]
    return left
