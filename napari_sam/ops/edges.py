"""Boundaries of masks, and the thinning of edge images to lines one pixel wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["outer_boundary", "ridge_normals", "suppress_non_maxima", "thin_ridges"]


def outer_boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find the pixels outside a (H, W) mask that share a side with it.

    Pixels beyond the image do not count: a mask has no boundary along its border.

    Examples
    --------
    >>> import numpy as np
    >>> outer_boundary(np.array([[True, False, False]])).tolist()
    [[False, True, False]]
    """
    touched = np.zeros_like(mask)
    touched[1:] |= mask[:-1]
    touched[:-1] |= mask[1:]
    touched[:, 1:] |= mask[:, :-1]
    touched[:, :-1] |= mask[:, 1:]
    touched &= ~mask
    return touched


def ridge_normals(strength: Floats, sigma: float = 2.0) -> tuple[Floats, Floats]:
    """Find the direction across the ridges of an image.

    It is the eigenvector of the most negative eigenvalue of the second derivatives
    (Steger, "An unbiased detector of curvilinear structures", IEEE PAMI 20, 1998).

    Parameters
    ----------
    strength
        (H, W) float32.
    sigma
        Of the Gaussian under the derivatives, in pixels.

    Returns
    -------
    row, col
        (H, W) each: the parts of a unit vector.
    """
    rr, cc, rc = (
        ndimage.gaussian_filter(strength, sigma, order)
        for order in ((2, 0), (0, 2), (1, 1))
    )
    # The direction of least curvature is half the angle of (cc - rr, 2 rc), turned.
    angle = 0.5 * np.arctan2(2 * rc, cc - rr) + np.pi / 2
    return np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)


def suppress_non_maxima(strength: Floats, row: Floats, col: Floats) -> Floats:
    """Keep the pixels of an edge image that no neighbour across the edge exceeds.

    The neighbours lie one pixel away on either side and are interpolated (Canny,
    "A computational approach to edge detection", IEEE PAMI 8, 1986).

    Parameters
    ----------
    strength
        (H, W) float32, 0 or greater.
    row, col
        (H, W) each: the parts of a unit vector across the edge.

    Returns
    -------
    ndarray
        (H, W) float32: `strength`, or 0 where it is not a maximum.
    """
    kept = np.zeros_like(strength)
    places = np.nonzero(strength > 0)
    values = strength[places]
    across = np.stack([row[places], col[places]])
    is_maximum = np.ones(len(values), np.bool_)
    for side, wins_a_tie in ((1, False), (-1, True)):
        beside = ndimage.map_coordinates(
            strength, np.stack(places) + side * across, order=1, mode="nearest"
        )
        is_maximum &= values >= beside if wins_a_tie else values > beside
    kept[places] = np.where(is_maximum, values, 0)
    return kept


def thin_ridges(strength: Floats, sigma: float = 1.0) -> Floats:
    """Thin an edge image of any origin to its ridges, and scale it to a maximum of 1.

    Parameters
    ----------
    strength
        (H, W) float32, 0 or greater.
    sigma
        Of the Gaussian that joins the lines that run on both sides of an edge.

    Returns
    -------
    (H, W) float32
        0 beside the ridges; all 0 where `strength` is.
    """
    smooth = ndimage.gaussian_filter(strength, sigma)
    thinned = suppress_non_maxima(smooth, *ridge_normals(smooth))
    highest = thinned.max(initial=0)
    return thinned / highest if highest > 0 else thinned
