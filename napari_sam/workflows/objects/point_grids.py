"""The points that are prompted where the user prompts none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs import GridConfig
    from napari_sam.workflows.objects.crops import Crop

__all__ = [
    "check_exclude",
    "check_roi",
    "even_grid",
    "layer_grid",
    "points_in_crop",
]


def even_grid(side: int) -> NDArray[np.float64]:
    """Centres of side x side equal cells of the unit square, row by row.

    Returns
    -------
    (side ** 2, 2) float64
        (row, col), both in (0, 1).
    """
    at = np.linspace(1 / (2 * side), 1 - 1 / (2 * side), side)
    rows, cols = np.meshgrid(at, at, indexing="ij")
    return np.stack([rows.ravel(), cols.ravel()], axis=1)


def layer_grid(config: GridConfig, layer: int) -> NDArray[np.float64]:
    """(N, 2) points of a layer of crops as (row, col) from 0 to 1."""
    if config.point_grids is not None:
        return np.asarray(config.point_grids[layer], np.float64).reshape(-1, 2)
    assert config.points_per_side is not None  # the configuration saw to it
    factor = config.crop_n_points_downscale_factor**layer
    return even_grid(int(config.points_per_side / factor))


def points_in_crop(
    unit: Sequence[Sequence[float]] | NDArray[np.float64],
    crop: Crop,
    free: NDArray[np.bool_] | None = None,
) -> NDArray[np.float64]:
    """Spread points of the unit square over a crop.

    Parameters
    ----------
    unit
        (N, 2) (row, col) of 0 to 1.
    crop
        Where.
    free
        (H, W), where points may lie; everywhere if None. A point lies in the pixel
        to which it is rounded down.

    Returns
    -------
    (n, 2) float64
        (row, col) in pixels of the crop.
    """
    points = np.asarray(unit, np.float64).reshape(-1, 2) * crop.shape
    if free is None:
        return points
    last = np.array(free.shape) - 1
    pixels = np.minimum((points + crop.corner).astype(np.int64), last)
    inside: NDArray[np.float64] = points[free[pixels[:, 0], pixels[:, 1]]]
    return inside


def check_roi(roi: ArrayLike, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a region of interest as an array.

    Raises
    ------
    ValueError
        If it is not (H, W) bool of the shape of the image plane, or has no pixel.
    """
    array = np.asarray(roi)
    if array.shape != shape or array.dtype != np.bool_:
        raise ValueError(
            f"roi must be a bool array of the image plane's shape {shape}, got shape "
            f"{array.shape} of {array.dtype}"
        )
    if not array.any():
        raise ValueError("roi has no pixel in the image plane; nothing can be found")
    return array


def check_exclude(exclude: ArrayLike, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return where labels are not 0.

    Raises
    ------
    ValueError
        If they are not (H, W) whole numbers of the shape of the image plane.
    """
    array = np.asarray(exclude)
    if array.shape != shape or array.dtype.kind not in "iub":
        raise ValueError(
            f"exclude must hold whole numbers in the image plane's shape {shape}, got "
            f"shape {array.shape} of {array.dtype}"
        )
    occupied: NDArray[np.bool_] = array != 0
    return occupied
