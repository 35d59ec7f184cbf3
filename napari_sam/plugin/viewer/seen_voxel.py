"""Which voxel of a volume is seen under the cursor in a 3D view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.plugin.viewer.layers import full_data, shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["seen_voxel"]

_STEPS_PER_VOXEL = 2


def seen_voxel(
    image: Any,
    position: Sequence[float],
    direction: Sequence[float],
    displayed: Sequence[int],
) -> tuple[int, ...] | None:
    """Return the voxel of an image that a ray shows; None where it shows none.

    With maximum intensity projection that is the brightest one on the ray (with minimum
    intensity projection the darkest). With isosurfaces it is what begins with the first
    one above the threshold, and else with the first above the middle of the limits of
    contrast, where a rendering begins to look solid: of the voxels above it in a row,
    and of several that are equally bright, the one in the middle, for the first lies on
    the rim of an object.

    Parameters
    ----------
    image
        The image layer.
    position, direction
        Of the ray, in the world.
    displayed
        The axes that the view shows.
    """
    near, far = image.get_ray_intersections(position, direction, list(displayed))
    if near is None or far is None:
        return None
    voxels = _along(np.asarray(near), np.asarray(far), shape_of(image))
    values = _values(image, voxels)
    if not len(voxels) or not np.isfinite(values).any():
        return None
    return tuple(int(i) for i in voxels[_choose(image, values)])


def _along(
    near: NDArray[np.floating], far: NDArray[np.floating], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return the (N, ndim) voxels between two positions, the nearest first."""
    count = int(np.ceil(_STEPS_PER_VOXEL * np.abs(far - near).max())) + 1
    points = np.rint(near + np.linspace(0, 1, count)[:, None] * (far - near))
    voxels = points.astype(np.int64)
    inside = ((voxels >= 0) & (voxels < np.array(shape))).all(axis=1)
    voxels = voxels[inside]
    moved = np.ones(len(voxels), np.bool_)
    moved[1:] = (voxels[1:] != voxels[:-1]).any(axis=1)
    return voxels[moved]


def _values(image: Any, voxels: NDArray[np.int64]) -> NDArray[np.float64]:
    data = full_data(image)
    if isinstance(data, np.ndarray):
        values = data[tuple(voxels.T)]
    else:
        values = np.array([np.asarray(data[tuple(v)]) for v in voxels.tolist()])
    return np.asarray(values.mean(axis=1) if image.rgb else values, np.float64)


def _choose(image: Any, values: NDArray[np.float64]) -> int:
    rendering = str(image.rendering)
    if rendering == "minip":
        return _middle(values == np.nanmin(values))
    if "mip" in rendering:
        return _middle(values == np.nanmax(values))
    low, high = (float(limit) for limit in image.contrast_limits)
    least = float(image.iso_threshold) if rendering == "iso" else (low + high) / 2
    above = values > least
    return _middle(above if above.any() else values == np.nanmax(values))


def _middle(chosen: NDArray[np.bool_]) -> int:
    """Return the place in the middle of the first that are chosen in a row."""
    first = int(np.argmax(chosen))
    rest = np.flatnonzero(~chosen[first:])
    last = first + (int(rest[0]) if len(rest) else len(chosen) - first) - 1
    return (first + last) // 2
