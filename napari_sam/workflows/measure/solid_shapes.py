"""What is measured of one object in 3D at a time: surface, hull, Euler number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist
from skimage.measure import euler_number, marching_cubes, mesh_surface_area

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

__all__ = ["SOLID_SHAPES", "measure_solid"]

SOLID_SHAPES = (
    "solidity_3d",
    "feret_diameter_3d",
    "surface",
    "sphericity",
    "euler_number",
)
"""Names of the properties that `measure_solid` knows."""


def measure_solid(
    mask: NDArray[np.bool_], spacing: Sequence[float], wanted: Collection[str]
) -> dict[str, float]:
    """Measure an object.

    Parameters
    ----------
    mask
        (D, H, W) bool, the box around the object.
    spacing
        Size of a voxel along each axis.
    wanted
        Which of `SOLID_SHAPES`.
    """
    found: dict[str, float] = {}
    volume = float(mask.sum() * np.prod(spacing))
    if {"surface", "sphericity"} & set(wanted):
        corners, faces, _, _ = marching_cubes(
            np.pad(mask, 1).astype(np.float32), 0.5, spacing=tuple(spacing)
        )
        surface = float(mesh_surface_area(corners, faces))
        found["surface"] = surface
        found["sphericity"] = np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / surface
    if {"solidity_3d", "feret_diameter_3d"} & set(wanted):
        points = _corners(mask) * np.asarray(spacing, np.float64)
        hull = ConvexHull(points)
        found["solidity_3d"] = volume / hull.volume
        found["feret_diameter_3d"] = float(pdist(points[hull.vertices]).max())
    if "euler_number" in wanted:
        found["euler_number"] = int(euler_number(mask, 3))
    return {name: value for name, value in found.items() if name in wanted}


def _corners(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (N, 3), the corners of the voxels at the ends of the rows."""
    padded = np.pad(mask, 1)
    ends = padded & ~(np.roll(padded, 1, axis=2) & np.roll(padded, -1, axis=2))
    at = np.argwhere(ends) - 1
    steps = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    corners = (at[:, np.newaxis] + steps).reshape(-1, 3)
    return np.unique(corners, axis=0).astype(np.float64)
