"""Numbers that say how good masks are, and how sure those numbers are.

A mean and a correlation are both functions of sums over images. They are computed
from those sums here, so that a bootstrap that draws whole images is one matrix
product, however many objects the images hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

__all__ = [
    "confidence_interval",
    "mean_from_sums",
    "mean_sums",
    "pearson",
    "pearson_from_sums",
    "pearson_sums",
    "resample_sums",
]


def mean_sums(values: ArrayLike) -> Floats:
    """Return (2,) count and sum of `values`: all that a mean over them needs."""
    x = np.asarray(values, np.float64).ravel()
    return np.array([x.size, x.sum()])


def mean_from_sums(sums: Floats) -> Floats:
    """Return the mean from (..., 2) sums of `mean_sums`; NaN where nothing counts."""
    count, total = np.moveaxis(sums, -1, 0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def pearson_sums(x: ArrayLike, y: ArrayLike) -> Floats:
    """Return (6,) sums of 1, x, y, xx, yy, xy, for `pearson_from_sums`.

    Raises
    ------
    ValueError
        If `x` and `y` do not pair up.
    """
    a, b = np.asarray(x, np.float64).ravel(), np.asarray(y, np.float64).ravel()
    if a.shape != b.shape:
        raise ValueError(f"x and y must pair up, got {a.size} and {b.size} values")
    return np.array([a.size, a.sum(), b.sum(), a @ a, b @ b, a @ b], np.float64)


def pearson_from_sums(sums: Floats) -> Floats:
    """Return Pearson's r from (..., 6) sums of `pearson_sums`.

    NaN where it is not defined: fewer than two pairs, or one side constant.
    """
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    var_x, var_y = n * xx - x * x, n * yy - y * y
    # A constant side leaves a rest of rounding here, not an exact zero.
    varies = (var_x > 1e-12 * n * xx) & (var_y > 1e-12 * n * yy) & (n > 1)
    spread = np.sqrt(np.where(varies, var_x * var_y, 1.0))
    return np.where(varies, np.clip((n * xy - x * y) / spread, -1.0, 1.0), np.nan)


def pearson(x: ArrayLike, y: ArrayLike) -> float:
    """Return the Pearson correlation of two sequences, NaN where not defined.

    Raises
    ------
    ValueError
        If `x` and `y` do not pair up.

    Examples
    --------
    >>> round(pearson([1, 2, 3], [2, 4, 7]), 3)
    0.993
    """
    return float(pearson_from_sums(pearson_sums(x, y)))


def resample_sums(per_image: Floats, replicates: int, seed: int) -> Floats:
    """Draw images with replacement and add up their sums.

    Objects of one image share its stain, focus and crowding, so they are not
    independent draws: resampling objects would promise more than was measured.
    Whole images are drawn instead (the cluster bootstrap; Field and Welsh,
    "Bootstrapping clustered data", J. R. Stat. Soc. B 69, 2007).

    Parameters
    ----------
    per_image
        (images, K) sums of each image.
    replicates
        How many bootstrap samples to draw.
    seed
        The same seed draws the same images.

    Returns
    -------
    (replicates, K) sums, for `mean_from_sums` or `pearson_from_sums`.
    """
    images = len(per_image)
    draws = np.random.default_rng(seed).multinomial(
        images, np.full(images, 1 / images), size=replicates
    )
    return np.asarray(draws @ per_image, np.float64)


def confidence_interval(
    replicates: Floats, level: float = 0.95
) -> tuple[float, float] | None:
    """Return the percentile interval of bootstrap replicates, NaN left out.

    None where no replicate is defined.
    """
    defined = replicates[np.isfinite(replicates)]
    if not defined.size:
        return None
    tail = 50 * (1 - level)
    low, high = np.percentile(defined, [tail, 100 - tail])
    return float(low), float(high)
