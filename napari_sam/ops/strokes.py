"""Lines drawn by hand over a plane: their pixels, and where they cross an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.graph import MCP_Geometric

if TYPE_CHECKING:
    from typing import Literal

    from numpy.typing import ArrayLike, NDArray

    Ridge = Literal["dark", "bright"]

__all__ = ["check_stroke", "extend_stroke", "snap_stroke", "stroke_pixels"]

_LEG = 6.0
"""Pixels of an end of a stroke that say in which direction it goes on."""

_SIDE = 1 / 3
"""Part of a stroke's length in the object by which a ridge may lie beside it."""

_END = 1 / 4
"""Part of that length within which a ridge may leave the object beside its ends."""

_FLAT = 0.05
"""Cost of the best pixel of a path, beside that of the worst, 1: longer paths cost."""


def check_stroke(stroke: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the points of a stroke that crosses a plane.

    Parameters
    ----------
    stroke
        (N, 2) as (row, col), two at least; some may lie outside the plane.
    shape
        (H, W) of the plane.

    Raises
    ------
    ValueError
        If it is no such stroke, or no part of it lies in the plane.
    """
    points = np.asarray(stroke, np.float64)
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) < 2:
        raise ValueError(
            "a stroke needs two (row, col) points or more, such as "
            f"[(10, 10), (10, 40)]; got an array of shape {points.shape}"
        )
    if not np.isfinite(points).all():
        raise ValueError("the points of a stroke must be finite, got NaN or inf")
    if not len(stroke_pixels(points, shape)):
        raise ValueError(
            f"the stroke from {_told(points[0])} to {_told(points[-1])} lies outside "
            f"the plane of {shape[0]} x {shape[1]} pixels"
        )
    return points


def _told(point: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(n), 1) for n in point)


def stroke_pixels(
    stroke: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.intp]:
    """List the pixels under a stroke, without gaps.

    Parameters
    ----------
    stroke
        (N, 2) as (row, col).
    shape
        (H, W) of the plane; what lies outside is left out.

    Returns
    -------
    (M, 2) intp
        In order along the stroke; neighbours share an edge, not just a corner, so that
        nothing slips through diagonally.

    Examples
    --------
    >>> stroke_pixels(np.array([(0.0, 0.0), (1.0, 1.0)]), (5, 5)).tolist()
    [[0, 0], [1, 0], [1, 1]]
    """
    limit = np.asarray(shape, np.float64)
    points = np.clip(stroke, -limit, 2 * limit)  # far outside: none of it is seen
    steps = np.ceil(np.abs(np.diff(points, axis=0)).max(axis=1) * 2).astype(np.intp)
    parts = [
        start + np.linspace(0, 1, count + 2)[:, None] * (end - start)
        for start, end, count in zip(points[:-1], points[1:], steps, strict=True)
    ]
    dense = np.rint(np.concatenate(parts)).astype(np.intp)
    moved = np.abs(np.diff(dense, axis=0)).sum(axis=1)
    dense = dense[np.r_[True, moved > 0]]
    diagonal = np.flatnonzero(np.abs(np.diff(dense, axis=0)).sum(axis=1) == 2)
    corners = np.stack([dense[diagonal + 1, 0], dense[diagonal, 1]], axis=1)
    dense = np.insert(dense, diagonal + 1, corners, axis=0)
    inside = ((dense >= 0) & (dense < shape)).all(axis=1)
    return np.asarray(dense[inside])


def extend_stroke(
    stroke: NDArray[np.float64], mask: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Let a stroke go on at both ends, straight, until it has left an object.

    Parameters
    ----------
    stroke
        (N, 2) as (row, col) in the window of the mask.
    mask
        (h, w) bool, the object; its holes are crossed.

    Returns
    -------
    (N to N + 2, 2) float64
    """
    solid = ndimage.binary_fill_holes(mask)
    first = _leave(stroke, solid)
    last = _leave(stroke[::-1], solid)
    return np.concatenate([first, stroke, last])


def _leave(
    stroke: NDArray[np.float64], solid: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return where a stroke that starts in an object would leave it, if it does."""
    start = stroke[0]
    away = np.hypot(*(stroke - start).T)
    far = stroke[np.argmax(away >= _LEG)] if (away >= _LEG).any() else stroke[-1]
    length = float(np.hypot(*(start - far)))
    if length == 0:
        return np.zeros((0, 2))
    step = (start - far) / length / 2
    reach = 2 * int(np.hypot(*solid.shape)) + 2
    line = start + np.arange(reach)[:, None] * step
    pixels = np.rint(line).astype(np.intp)
    inside = ((pixels >= 0) & (pixels < solid.shape)).all(axis=1)
    held = np.zeros(reach, np.bool_)
    held[inside] = solid[pixels[inside, 0], pixels[inside, 1]]
    if not held[0] or held.all():
        return np.zeros((0, 2))
    return np.asarray(line[[int(np.argmin(held))]])


def snap_stroke(
    stroke: NDArray[np.float64],
    mask: NDArray[np.bool_],
    intensities: NDArray[np.float32],
    ridge: Ridge,
) -> NDArray[np.float64]:
    """Move a stroke onto the darkest or brightest line through an object beside it.

    The line is the path of least cost from about where the stroke enters the object to
    about where it leaves it; a pixel costs the more, the brighter (or darker) it is.

    Parameters
    ----------
    stroke
        (N, 2) as (row, col) in the window; it crosses the object.
    mask
        (h, w) bool, the object.
    intensities
        (h, w) float32.
    ridge
        Which pixels are cheap.

    Returns
    -------
    (M, 2) float64
        The stroke itself where it does not cross the object.

    References
    ----------
    Dijkstra, A note on two problems in connexion with graphs, 1959, as
    `skimage.graph.MCP_Geometric`; live-wire: Mortensen and Barrett, 1995.
    """
    pixels = stroke_pixels(stroke, (mask.shape[0], mask.shape[1]))
    crossing = pixels[mask[pixels[:, 0], pixels[:, 1]]]
    if len(crossing) < 3:
        return stroke
    ends = crossing[[0, -1]]
    length = float(np.hypot(*(ends[1] - ends[0])))
    line = np.ones(mask.shape, np.bool_)
    line[pixels[:, 0], pixels[:, 1]] = False
    allowed = mask & (ndimage.distance_transform_edt(line) <= max(2.0, _SIDE * length))
    rim = allowed & ~ndimage.binary_erosion(mask, border_value=0)
    starts, stops = (_near(rim, end, max(1.5, _END * length)) for end in ends)
    if not (len(starts) and len(stops)):
        return stroke
    blurred = ndimage.gaussian_filter(intensities.astype(np.float32), 1.0)
    inside = blurred[allowed]
    low, high = float(inside.min()), float(inside.max())
    level = (blurred - low) / max(high - low, 1e-12)
    cost = np.where(allowed, (level if ridge == "dark" else 1 - level) + _FLAT, np.inf)
    search = MCP_Geometric(cost)
    total, _ = search.find_costs([*map(tuple, starts)])
    reached = total[stops[:, 0], stops[:, 1]]
    if not np.isfinite(reached).any():
        return stroke
    path = search.traceback(tuple(stops[int(np.argmin(reached))]))
    return np.asarray(path, np.float64)


def _near(
    rim: NDArray[np.bool_], end: NDArray[np.intp], distance: float
) -> NDArray[np.intp]:
    found = np.argwhere(rim)
    return np.asarray(found[np.hypot(*(found - end).T) <= distance])
