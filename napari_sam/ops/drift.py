"""By how much a field moved as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["common_shift"]

_MAX_PIXELS = 1 << 17
"""Pixels at which two masks are compared; larger ones are thinned out."""

_MIN_IOU_GAIN = 0.15
"""By how much the IoU must rise for a shift to be believed."""

_MIN_IOU = 0.4
"""IoU that it must reach: what divides in two also overlaps more when it is moved."""


def common_shift(
    before: NDArray[np.bool_], now: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Find the shift that brings what was there before onto what is there now.

    All shifts are tried by a cross-correlation of the two masks, and the one with the
    largest IoU is taken; none, if it is hardly better than to stay, or poor.

    Parameters
    ----------
    before, now
        Bool arrays of one shape, True in objects.

    Returns
    -------
    (ndim,) int64
        In pixels along each axis, exact to a pixel in small masks and to the step of
        the thinning in larger ones.

    Examples
    --------
    >>> before, now = np.zeros((2, 20, 20), bool)
    >>> before[2:6, 2:6], now[9:13, 3:7] = True, True
    >>> common_shift(before, now).tolist()
    [7, 1]
    """
    steps = [1] * now.ndim
    while (
        np.prod([-(-n // k) for n, k in zip(now.shape, steps, strict=True)])
        > _MAX_PIXELS
    ):
        sizes = [n / k for n, k in zip(now.shape, steps, strict=True)]
        steps[int(np.argmax(sizes))] += 1
    thin = tuple(slice(k // 2, None, k) for k in steps)
    one, two = before[thin].astype(np.float32), now[thin].astype(np.float32)
    still = np.zeros(now.ndim, np.int64)
    total = float(one.sum() + two.sum())
    if not one.any() or not two.any():
        return still
    sizes = [fft.next_fast_len(2 * n, real=True) for n in one.shape]
    axes = tuple(range(one.ndim))
    product = fft.rfftn(two, sizes, axes) * np.conj(fft.rfftn(one, sizes, axes))
    shared = fft.irfftn(product, sizes, axes)
    at = np.unravel_index(int(np.argmax(shared)), shared.shape)
    shift = np.array(
        [i if i < n / 2 else i - n for i, n in zip(at, sizes, strict=True)]
    )
    best, stay = (float(shared[place]) for place in (at, (0,) * one.ndim))
    least = max(_MIN_IOU, stay / (total - stay) + _MIN_IOU_GAIN)
    if best / (total - best) < least:
        return still
    return np.asarray(shift * np.array(steps), np.int64)
