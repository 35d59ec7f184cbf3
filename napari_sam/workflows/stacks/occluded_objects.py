"""Where objects lie that others cover in part: occlusion.

Of an object that is covered a sliver is seen, whose centroid tells little of where the
object is and how far it moved. Where the objects of a film are round, the whole one is
looked for: a disc of the usual size that holds what is seen, and whose rest lies under
other objects, not on background. All places that are nearly as good give its centre and
how sure that is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_sam.workflows.stacks.track_linking import FrameObjects

__all__ = ["find_occluded"]

_CONTACT = 0.08
"""The share of an outline that lies on others, from which an object may be covered."""

_SMALL = 0.9
"""A covered object is smaller than this share of the usual size."""

_MISFIT = 0.12
"""Pixels that speak against a whole object, at most, as a share of its size."""

_SLACK = 0.02
"""By how many more of them a place is about as good, as a share of its size."""

_ROUND = 1.3
"""How long round objects are, at most, in diameters of a disc of their size."""

_RADIUS = 10
"""Pixels of the radius with which places are tried; larger objects are thinned."""


def find_occluded(
    labels: Any, frames: Sequence[FrameObjects], spacing: NDArray[np.float64]
) -> list[FrameObjects]:
    """Return the frames, with the whole objects where some are covered in part.

    Parameters
    ----------
    labels
        (T, Y, X) or (T, Z, Y, X) integers, from which the frames were described; those
        with objects in contact are read again.
    frames
        The objects of each frame.
    spacing
        Size of a pixel along each axis of a frame.
    """
    alone = [frame.contact == 0 for frame in frames]
    sizes = np.concatenate([f.sizes[k] for f, k in zip(frames, alone, strict=True)])
    lengths = np.concatenate([f.lengths[k] for f, k in zip(frames, alone, strict=True)])
    if not len(sizes) or float(np.median(lengths)) > _ROUND:
        return list(frames)
    size = float(np.median(sizes))
    found = []
    for t, frame in enumerate(frames):
        places = np.flatnonzero(
            (frame.contact > _CONTACT) & (frame.sizes < _SMALL * size)
        )
        if len(places):
            now = np.asarray(labels[t])
            found.append(_look(now, frame, places, size, spacing))
        else:
            found.append(frame)
    return found


def _look(
    now: NDArray[Any],
    frame: FrameObjects,
    places: NDArray[np.int64],
    size: float,
    spacing: NDArray[np.float64],
) -> FrameObjects:
    whole, spread = frame.centres.copy(), frame.spread.copy()
    covered = frame.covered.copy()
    ball, step = _ball(size, spacing)
    reach = np.array(ball.shape) // 2 * step
    for place, corner, window in _windows(now, frame.names[places], reach, step):
        n = places[place]
        own = window == frame.names[n]
        # background within the ball, and what is seen without
        score = _summed((window == 0) - own.astype(np.float64), ball)
        score += np.count_nonzero(own)
        least, area = score.min(), ball.sum()
        if least > _MISFIT * area:
            continue
        weights = np.exp((least - score) / (_SLACK * area))
        weights /= weights.sum()
        axes = np.indices(window.shape)
        centre = np.array([(axis * weights).sum() for axis in axes])
        around = [
            ((axis - at) ** 2 * weights).sum()
            for axis, at in zip(axes, centre, strict=True)
        ]
        middle = (step - 1) / 2  # of the pixels that one stands for
        whole[n] = (corner + centre * step + middle - frame.drift) * spacing
        spread[n] = float(np.mean(np.array(around) * (step * spacing) ** 2))
        covered[n] = True
    return replace(frame, whole=whole, spread=spread, covered=covered)


def _summed(
    values: NDArray[np.float64], ball: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum of values within a ball around each place; beyond are zeros."""
    shape = [n + m - 1 for n, m in zip(values.shape, ball.shape, strict=True)]
    axes = tuple(range(values.ndim))
    product = np.fft.rfftn(values, shape, axes) * np.fft.rfftn(ball, shape, axes)
    middle = tuple(
        slice(m // 2, m // 2 + n) for n, m in zip(values.shape, ball.shape, strict=True)
    )
    return np.asarray(np.fft.irfftn(product, shape, axes)[middle])


def _ball(
    size: float, spacing: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return a disc or ball of a size, and each how many pixels are looked at."""
    flat = len(spacing) == 2
    radius = np.sqrt(size / np.pi) if flat else np.cbrt(3 * size / (4 * np.pi))
    step = np.maximum(np.floor(radius / spacing / _RADIUS), 1).astype(np.int64)
    half = np.ceil(radius / (spacing * step)).astype(np.int64)
    grid = np.meshgrid(
        *[
            np.arange(-h, h + 1) * s * w
            for h, s, w in zip(half, step, spacing, strict=True)
        ],
        indexing="ij",
    )
    return (sum(axis**2 for axis in grid) <= radius**2).astype(np.float64), step


def _windows(
    now: NDArray[Any],
    names: NDArray[np.int64],
    reach: NDArray[np.int64],
    step: NDArray[np.int64],
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[Any]]]:
    """Yield what lies around objects: their place in `names`, the corner, the labels.

    Beyond the border is neither background nor an object: -1.
    """
    places = np.searchsorted(names, now)
    places = np.minimum(places, len(names) - 1)
    boxes = ndimage.find_objects(np.where(names[places] == now, places + 1, 0))
    margin = 2 * reach + step
    for place, box in enumerate(boxes):
        if box is None:
            continue
        low = np.array([side.start for side in box]) - margin
        high = np.array([side.stop for side in box]) + margin
        inside = tuple(
            slice(max(a, 0), min(b, n))
            for a, b, n in zip(low, high, now.shape, strict=True)
        )
        beyond = [
            (max(-a, 0), max(b - n, 0))
            for a, b, n in zip(low, high, now.shape, strict=True)
        ]
        window = np.pad(now[inside].astype(np.int64), beyond, constant_values=-1)
        yield place, low, window[tuple(slice(None, None, int(s)) for s in step)]
