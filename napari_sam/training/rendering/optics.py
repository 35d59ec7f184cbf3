"""What a microscope and a camera make of a scene: blur, haze, halos, noise, JPEG."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "as_plane",
    "blur",
    "compress",
    "digitise",
    "expose",
    "log_uniform",
    "relief",
    "shading",
    "smooth_noise",
]

_DIRECT = 5.0
"""Up to this many pixels a blur is computed as it is; wider ones on a coarser grid."""


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform; `low` where `high` is below it."""
    return float(np.exp(rng.uniform(np.log(low), np.log(max(low, high)))))


def as_plane(values: Any) -> NDArray[np.float32]:
    """Give an array as float32."""
    plane: NDArray[np.float32] = np.asarray(values, np.float32)
    return plane


def blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur (H, W) by a Gaussian of `sigma` pixels."""
    if sigma < 0.2:
        return image
    if sigma <= _DIRECT:
        near: NDArray[np.float32] = ndimage.gaussian_filter(image, sigma, truncate=3)
        return near
    step = max(2, int(sigma / 2.5))
    rows, cols = image.shape
    pad = ((0, -rows % step), (0, -cols % step))
    padded = np.pad(image, pad, mode="edge")
    tall, wide = padded.shape[0] // step, padded.shape[1] // step
    coarse = padded.reshape(tall, step, wide, step).mean((1, 3))
    coarse = ndimage.gaussian_filter(coarse, sigma / step, truncate=3)
    return _enlarge(coarse, step)[:rows, :cols]


def _enlarge(coarse: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Enlarge linearly by a whole number; a coarse pixel's centre stays in place."""
    for axis in (0, 1):
        length = coarse.shape[axis]
        at = (np.arange(length * step, dtype=np.float32) + 0.5) / step - 0.5
        at = at.clip(0, length - 1)
        low = np.minimum(at.astype(np.int64), max(0, length - 2))
        share = at - low
        share = share[:, None] if axis == 0 else share[None]
        first = coarse.take(low, axis)
        second = coarse.take(np.minimum(low + 1, length - 1), axis)
        coarse = first + share * (second - first)
    return as_plane(coarse)


def smooth_noise(
    rng: np.random.Generator, size: tuple[int, int], sigma: float
) -> NDArray[np.float32]:
    """Draw noise blurred by `sigma` pixels, of mean 0 and standard deviation 1."""
    step = max(1, int(sigma / 2.5))
    small = (math.ceil(size[0] / step) + 2, math.ceil(size[1] / step) + 2)
    rough = rng.standard_normal(small, np.float32)
    smooth = ndimage.gaussian_filter(rough, sigma / step, truncate=3, mode="wrap")
    smooth = (smooth - smooth.mean()) / (smooth.std() + 1e-6)
    large = _enlarge(smooth, step) if step > 1 else smooth
    return large[: size[0], : size[1]]


def shading(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """Uneven light: a slope and a vignette of about -1 to 1, smooth all over."""
    row, col = np.ogrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    slope = rng.uniform(-0.6, 0.6) * row + rng.uniform(-0.6, 0.6) * col
    y, x = rng.uniform(-0.5, 0.5, 2)
    vignette = rng.uniform(0, 0.5) * ((row - y) ** 2 + (col - x) ** 2)
    return as_plane(slope - vignette)


def relief(
    height: NDArray[np.float32], angle: float, step: float = 1.0
) -> NDArray[np.float32]:
    """Slope of a surface in one direction, as differential interference shows it."""
    down, right = np.gradient(height)
    return as_plane(step * (np.sin(angle) * down + np.cos(angle) * right))


def expose(
    rng: np.random.Generator,
    light: NDArray[np.float32],
    *,
    photons: float,
    read: float,
) -> NDArray[np.float32]:
    """Add the noise of photons and of the camera to intensities of about 0 to 1.

    Parameters
    ----------
    light
        (H, W) or (H, W, 3).
    photons
        Photons at intensity 1; shot noise is approximated by a normal distribution.
    read
        Standard deviation of the camera's noise.
    """
    spread = np.sqrt(light.clip(0) / photons + read**2)
    noise = rng.standard_normal(light.shape, np.float32)
    return as_plane(light + spread * noise)


def compress(image: NDArray[Any], quality: int) -> NDArray[np.uint8]:
    """Write (H, W) or (H, W, 3) uint8 as JPEG, and read it back."""
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        with Image.open(file) as read:
            return np.asarray(read, np.uint8).copy()


def digitise(
    rng: np.random.Generator,
    light: NDArray[np.float32],
    *,
    photons: float,
    read: float,
    deep: float = 0.0,
    lossy: float = 0.15,
) -> NDArray[Any]:
    """Expose intensities of 0 to 1, and write them as a file holds them.

    Parameters
    ----------
    light
        (H, W) or (H, W, 3).
    photons, read
        See `expose`.
    deep, lossy
        How often a gray image has 12 or 16 bits, and one of 8 bits went through JPEG.

    Returns
    -------
    ndarray
        Of the same shape, uint8 or uint16.
    """
    seen = expose(rng, light, photons=photons, read=read).clip(0, 1)
    if light.ndim == 2 and rng.random() < deep:
        full = int(rng.choice([4095, 65535]))
        deep_image: NDArray[np.uint16] = np.rint(full * seen).astype(np.uint16)
        return deep_image
    image: NDArray[np.uint8] = np.rint(255 * seen).astype(np.uint8)
    if rng.random() < lossy:
        return compress(image, int(rng.integers(55, 96)))
    return image
