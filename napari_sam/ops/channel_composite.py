"""Several channels of a microscope as one colour image.

Each channel is stretched by itself, for their intensities have nothing to do with each
other. Of two or three each is one of red, green and blue; of more, the first three
principal components of the stretched channels are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ChannelComposite", "is_one_signal", "robust_limits", "signal_of"]

_PERCENTILES = (0.2, 99.8)
_MOST_SAMPLES = 1 << 20
_COLOURS = 3

_TESTED_PIXELS = 1 << 16
_ONE_COLOUR = 0.995
"""Share of the sum of squares that a single colour must explain."""

_GRAY = 0.95
"""Cosine with gray from which a colour is taken for gray."""


def robust_limits(image: NDArray[Any]) -> tuple[float, float]:
    """Lower and upper intensity that the model sees as black and white.

    The 0.2 and 99.8 percentiles of the finite values, read from a regular subset
    of at most about a million.
    """
    flat = image.reshape(-1)
    flat = flat[:: max(1, math.ceil(flat.size / _MOST_SAMPLES))]
    values = flat[np.isfinite(flat)].astype(np.float64)
    if values.size == 0:
        return 0.0, 1.0
    # Halves: the difference of a float's extremes would overflow.
    low, high = 2 * np.percentile(values / 2, _PERCENTILES)
    if low == high:
        low, high = values.min(), values.max()
    return float(low), float(high)


def is_one_signal(image: NDArray[Any]) -> bool:
    """Whether a colour image shows one gray image in a colour, such as green on black.

    Parameters
    ----------
    image
        (..., 3 | 4) of any real dtype; a fourth channel is opacity.

    Examples
    --------
    >>> ramp = np.arange(100, dtype=np.uint8)
    >>> is_one_signal(np.stack([ramp * 0, ramp, ramp // 2], axis=-1))
    True
    >>> is_one_signal(np.stack([ramp, ramp, ramp], axis=-1))
    False
    """
    pixels = image[..., :_COLOURS].reshape(-1, _COLOURS)
    pixels = pixels[:: max(1, math.ceil(len(pixels) / _TESTED_PIXELS))]
    values = np.nan_to_num(pixels.astype(np.float64), posinf=0, neginf=0)
    largest = np.abs(values).max(initial=0)
    if not largest:
        return False
    values /= largest
    strengths, colours = np.linalg.eigh(values.T @ values)
    nearness = abs(colours[:, -1].sum()) / math.sqrt(_COLOURS)
    return bool(strengths[-1] >= _ONE_COLOUR * strengths.sum() and nearness < _GRAY)


def signal_of(image: NDArray[Any]) -> NDArray[Any]:
    """Return the gray image (...) that is shown in a colour: its brightest channel."""
    signal: NDArray[Any] = image[..., :_COLOURS].max(axis=-1)
    return signal


@dataclass(frozen=True, eq=False)
class ChannelComposite:
    """How channels become red, green and blue.

    Attributes
    ----------
    limits
        (C, 2) intensities of each channel that become 0 and 1.
    components
        (C, 3) what each stretched channel adds to each colour.
    low, high
        (3,) sums that become 0 and 255.

    Examples
    --------
    >>> channels = np.stack([np.arange(6), 1000 * np.arange(6)], axis=-1)
    >>> composite = ChannelComposite.of(channels)
    >>> composite.apply(channels)[[0, -1]].tolist()
    [[0, 0, 0], [255, 255, 0]]
    """

    limits: NDArray[np.float64]
    components: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @classmethod
    def of(cls, sample: NDArray[Any]) -> ChannelComposite:
        """Choose it for an image, by all or some of its pixels.

        Parameters
        ----------
        sample
            (..., C) intensities of two channels or more, of any real dtype.

        Raises
        ------
        ValueError
            If there are no two channels.
        """
        count = sample.shape[-1]
        if count < 2:
            raise ValueError(f"two channels or more make a colour image, got {count}")
        limits = np.array([robust_limits(sample[..., c]) for c in range(count)])
        if count <= _COLOURS:
            components = np.eye(count, _COLOURS, dtype=np.float32)
            low, high = np.zeros(_COLOURS), np.ones(_COLOURS)
            return cls(
                limits, components, low.astype(np.float32), high.astype(np.float32)
            )
        flat = sample.reshape(-1, count)
        flat = flat[:: max(1, len(flat) // (_MOST_SAMPLES // 8))]
        stretched = _stretched(flat, limits)
        components = _principal(stretched)
        sums = stretched @ components
        ends = np.array([robust_limits(sums[:, k]) for k in range(_COLOURS)])
        return cls(
            limits,
            components,
            ends[:, 0].astype(np.float32),
            ends[:, 1].astype(np.float32),
        )

    def apply(self, channels: NDArray[Any]) -> NDArray[np.uint8]:
        """Return (..., 3) uint8 of (..., C) intensities."""
        sums = _stretched(channels, self.limits) @ self.components
        span = np.maximum(self.high - self.low, np.finfo(np.float32).tiny)
        shares = np.clip((sums - self.low) / span, 0, 1)
        return np.asarray(np.rint(shares * 255), np.uint8)


def _stretched(
    channels: NDArray[Any], limits: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return intensities as shares of each channel's range; NaN as its lower end."""
    values = np.asarray(channels, np.float64)
    low, high = limits[:, 0], limits[:, 1]
    span = np.maximum(high / 2 - low / 2, np.finfo(np.float64).tiny)
    with np.errstate(invalid="ignore"):  # inf - inf
        shares = np.clip((values / 2 - low / 2) / span, 0, 1)
    return np.nan_to_num(shares, nan=0.0).astype(np.float32)


def _principal(stretched: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first three principal components as columns, each mostly positive."""
    centred = stretched - stretched.mean(axis=0)
    covariance = centred.T.astype(np.float64) @ centred
    _, vectors = np.linalg.eigh(covariance)
    first = vectors[:, ::-1][:, :_COLOURS]
    signs = np.where(first.sum(axis=0) < 0, -1.0, 1.0)
    return np.asarray(first * signs, np.float32)
