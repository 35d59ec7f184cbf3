"""Rendered scenes: shapes, optics and noise of microscopes that the data lack.

Four families, drawn at random sizes and densities: cells with a nucleus on a light
ground, as in a stained smear; rods with a halo, as bacteria in phase contrast;
blurred bodies on a dark ground, as in fluorescence; and a tissue of cells divided
by walls. Bodies are star-shaped, their radius a short random Fourier series of the
angle, or capsules around a bent spine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["FAMILIES", "render_scene"]

_SIDE = 256
"""Pixels of a rendered scene."""


@dataclass
class _Scene:
    """A scene in the making: (H, W, 3) float32 of about [0, 1], (H, W) int32."""

    image: NDArray[np.float32]
    labels: NDArray[np.int32]

    @classmethod
    def blank(cls, side: int, ground: float | NDArray[np.float32]) -> _Scene:
        """Make a scene of one grey level or one (3,) colour, without objects."""
        image = np.full((side, side, 3), ground, np.float32)
        return cls(image, np.zeros((side, side), np.int32))

    def add(self, mask: NDArray[np.bool_], overlap: float) -> NDArray[np.bool_] | None:
        """Label the part of a body that is not taken.

        None if nothing of it is in the scene, or others take more than a share
        `overlap` of it.
        """
        body: NDArray[np.bool_] = mask & (self.labels == 0)
        area = int(mask.sum())
        if area == 0 or area - int(body.sum()) > overlap * area:
            return None
        self.labels[body] = self.labels.max() + 1
        return body


def render_scene(
    rng: np.random.Generator, side: int = _SIDE, family: str | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Render one scene.

    Parameters
    ----------
    rng
        By which all of it is drawn.
    side
        Height and width in pixels.
    family
        One of `FAMILIES`; drawn too when left out, smears and rods more often.

    Returns
    -------
    image
        (side, side, 3) uint8.
    labels
        (side, side) int32, 0 and one number for each object.
    """
    if family is None:
        family = FAMILIES[int(rng.choice(4, p=(0.35, 0.35, 0.15, 0.15)))]
    scene = _RENDERERS[family](rng, side)
    noise = rng.normal(0, rng.uniform(0.005, 0.04), scene.image.shape[:2])
    image = scene.image + noise[..., None].astype(np.float32)
    present = np.unique(np.append(scene.labels, 0))
    labels = np.searchsorted(present, scene.labels).astype(np.int32)
    return (255 * image.clip(0, 1)).round().astype(np.uint8), labels


def _texture(rng: np.random.Generator, side: int, sigma: float) -> NDArray[np.float32]:
    """Smooth (side, side) noise of mean 0 and standard deviation 1."""
    rough = rng.standard_normal((side, side)).astype(np.float32)
    smooth = ndimage.gaussian_filter(rough, sigma, mode="wrap")
    result: NDArray[np.float32] = (smooth - smooth.mean()) / (smooth.std() + 1e-6)
    return result


def _colour(rng: np.random.Generator, low: float, high: float) -> NDArray[np.float32]:
    return rng.uniform(low, high, 3).astype(np.float32)


def _centre(rng: np.random.Generator, side: int) -> tuple[float, float]:
    return float(rng.uniform(0, side)), float(rng.uniform(0, side))


def _star(
    rng: np.random.Generator,
    side: int,
    centre: tuple[float, float],
    radius: float,
    rough: float,
) -> NDArray[np.float32]:
    """Depth of (side, side) pixels in a star-shaped body: above 0 inside, 1 centre."""
    row, col = np.indices((side, side), dtype=np.float32)
    stretch, angle = rng.uniform(1, 1.5), rng.uniform(0, np.pi)
    dy, dx = row - centre[0], col - centre[1]
    along = (np.cos(angle) * dx + np.sin(angle) * dy) / np.sqrt(stretch)
    across = (np.cos(angle) * dy - np.sin(angle) * dx) * np.sqrt(stretch)
    theta = np.arctan2(across, along)
    reach = np.ones_like(theta)
    for k in range(2, 7):
        size, phase = rng.normal(0, rough / k), rng.uniform(0, 2 * np.pi)
        reach += size * np.cos(k * theta + phase)
    depth: NDArray[np.float32] = 1 - np.hypot(along, across) / (
        radius * reach.clip(0.3)
    )
    return depth.astype(np.float32)


def _capsule(
    rng: np.random.Generator, side: int, length: float, radius: float
) -> NDArray[np.float32]:
    """Depth of (side, side) pixels in a bent rod: above 0 inside, 1 on the spine."""
    row, col = np.indices((side, side), dtype=np.float32)
    at, angle = np.array(_centre(rng, side)), rng.uniform(0, 2 * np.pi)
    turn = rng.normal(0, 0.5) / max(length, 1)
    nearest = np.full((side, side), np.inf, np.float32)
    for _ in range(max(2, int(2 * length / radius))):
        np.minimum(nearest, np.hypot(row - at[0], col - at[1]), out=nearest)
        at = at + 0.5 * radius * np.array([np.sin(angle), np.cos(angle)])
        angle += turn * 0.5 * radius
    return (1 - nearest / radius).astype(np.float32)


def _smear(rng: np.random.Generator, side: int) -> _Scene:
    """Cells with a darker nucleus, or pale in the middle, on a light ground."""
    ground = _colour(rng, 0.75, 0.98)
    scene = _Scene.blank(side, ground)
    scene.image += 0.02 * _texture(rng, side, rng.uniform(5, 40))[..., None]
    radius = float(np.exp(rng.uniform(np.log(12), np.log(90))))
    plasm, core = _colour(rng, 0.5, 0.9), _colour(rng, 0.1, 0.55)
    for number in range(int(rng.integers(2, 4 + int(0.8 * (side / radius) ** 2 / 4)))):
        middle = number == 0 and radius > 50
        centre = (side / 2, side / 2) if middle else _centre(rng, side)
        own = radius * rng.uniform(0.75, 1.2)
        depth = _star(rng, side, centre, own, 0.1)
        body = scene.add(depth > 0, 0.15)
        if body is None:
            continue
        shade = 1 + rng.uniform(0.02, 0.12) * _texture(rng, side, rng.uniform(1, 6))
        tint = plasm * rng.uniform(0.9, 1.1)
        scene.image[body] = tint * shade[body, None]
        edge = body & (depth < rng.uniform(0.03, 0.12))
        scene.image[edge] *= rng.uniform(0.75, 1.05)
        kind = rng.random()
        if kind < 0.65:  # one nucleus, or a few lobes
            inside = np.zeros_like(body)
            for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
                away = rng.normal(0, 0.25 * own, 2)
                near = (centre[0] + away[0], centre[1] + away[1])
                lobe = _star(rng, side, near, own * rng.uniform(0.3, 0.7), 0.2)
                inside |= lobe > 0
            inside &= body & (depth > 0.05)
            dark = core * (1 + 0.15 * _texture(rng, side, rng.uniform(1, 4)))[..., None]
            scene.image[inside] = dark[inside]
        elif kind < 0.85:  # pale in the middle
            pale = np.clip(1.6 * depth - 0.4, 0, 0.8)[..., None] * body[..., None]
            scene.image += pale * (ground - scene.image)
    return _blurred(scene, rng.uniform(0.4, 1.5))


def _rods(rng: np.random.Generator, side: int) -> _Scene:
    """Rods, dark or bright, with the halo of phase contrast or without."""
    level = rng.uniform(0.3, 0.7)
    scene = _Scene.blank(side, level)
    radius = float(np.exp(rng.uniform(np.log(2.5), np.log(12))))
    flat = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(3, 40))):
        length = radius * rng.uniform(1, 12)
        depth = _capsule(rng, side, length, radius * rng.uniform(0.9, 1.1))
        body = scene.add(depth > 0, 0.1)
        if body is not None:
            flat[body] = rng.uniform(0.7, 1) * np.minimum(1, 0.5 + depth[body])
    sharp = ndimage.gaussian_filter(flat, 0.3 * radius * rng.uniform(0.3, 1))
    halo = ndimage.gaussian_filter(flat, radius * rng.uniform(0.8, 1.6))
    strength = rng.choice([0.0, rng.uniform(0.4, 1.0)])
    contrast = rng.uniform(0.15, 0.5) * rng.choice([-1, -1, 1])
    grain = rng.uniform(0, 0.03) * _texture(rng, side, rng.uniform(1, 20))
    scene.image += (contrast * (sharp - strength * halo) + grain)[..., None]
    return scene


def _bodies(rng: np.random.Generator, side: int) -> _Scene:
    """Blurred bright bodies on a dark ground, touching here and there."""
    scene = _Scene.blank(side, 0.0)
    radius = float(np.exp(rng.uniform(np.log(5), np.log(60))))
    light = np.zeros((side, side), np.float32)
    for _ in range(int(rng.integers(2, 6 + int((side / radius) ** 2 / 5)))):
        depth = _star(
            rng, side, _centre(rng, side), radius * rng.uniform(0.6, 1.3), 0.2
        )
        body = scene.add(depth > 0, 0.25)
        if body is not None:
            grain = 1 + rng.uniform(0, 0.3) * _texture(rng, side, rng.uniform(1, 8))
            dome = np.sqrt(depth[body].clip(0, 1)) ** rng.uniform(0, 1)
            light[body] = rng.uniform(0.2, 1) * grain[body] * dome
    light = ndimage.gaussian_filter(light, rng.uniform(0.5, 0.12 * radius + 0.6))
    fog = rng.uniform(0, 0.3) * ndimage.gaussian_filter(light, 2 * radius)
    shade = rng.uniform(0, 0.15) + light + fog
    scene.image += (rng.uniform(0.4, 1.0) * shade)[..., None]
    return scene


def _tissue(rng: np.random.Generator, side: int) -> _Scene:
    """Cells that fill the plane, divided by dark or bright walls."""
    count = int(np.exp(rng.uniform(np.log(8), np.log(150))))
    seeds = rng.uniform(0, side, (count, 2))
    row, col = np.indices((side, side), dtype=np.float32)
    bend = rng.uniform(0, 0.25) * side / np.sqrt(count)
    row = row + bend * _texture(rng, side, side / np.sqrt(count) / 2)
    col = col + bend * _texture(rng, side, side / np.sqrt(count) / 2)
    away = np.hypot(row[..., None] - seeds[:, 0], col[..., None] - seeds[:, 1])
    nearest = np.partition(away, 1, axis=-1)[..., :2]
    gap = (nearest[..., 1] - nearest[..., 0]).astype(np.float32)
    wide = rng.uniform(2, 5)
    labels = np.where(gap > wide, away.argmin(-1) + 1, 0).astype(np.int32)
    wall = np.exp(-((gap / wide) ** 2))
    level, contrast = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.5)
    sign = -1 if level > 0.5 else 1
    grain = rng.uniform(0, 0.12) * _texture(rng, side, rng.uniform(1, 5))
    own = rng.normal(0, rng.uniform(0, 0.12), count + 1).astype(np.float32)
    image = level + sign * contrast * wall + grain + own[labels]
    return _blurred(
        _Scene(np.repeat(image[..., None], 3, -1).astype(np.float32), labels),
        rng.uniform(0.3, 1.2),
    )


def _blurred(scene: _Scene, sigma: float) -> _Scene:
    blurred = ndimage.gaussian_filter(scene.image, (sigma, sigma, 0))
    return _Scene(blurred.astype(np.float32), scene.labels)


_RENDERERS: dict[str, Callable[[np.random.Generator, int], _Scene]] = {
    "smear": _smear,
    "rods": _rods,
    "bodies": _bodies,
    "tissue": _tissue,
}

FAMILIES = tuple(_RENDERERS)
"""What `render_scene` can render."""
