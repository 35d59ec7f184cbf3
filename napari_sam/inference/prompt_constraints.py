"""What a prompt says for certain, imposed on the logits of the mask decoder.

The decoder takes clicks and boxes as hints. About four in ten corrective clicks it
does not follow: the pixel that was clicked as background stays in the mask. Here the
logits are changed as little as the prompt demands.

Clicks: the smallest smooth correction under which every click has its sign. Small is
the norm of a reproducing kernel Hilbert space whose kernel has two parts: a shift of
all logits, for a click near a boundary tells where the annotator draws it all around
the object, and a Gaussian bump as wide as half the object's radius. That is a quadratic
program with one unknown for each click (Schölkopf and Smola, *Learning with Kernels*,
2002); interactive segmentation knows other ways to the same end, such as
backpropagating into the network (f-BRS, Sofiiuk et al. 2020).

Boxes: an object lies in its box and fills it (Lempitsky et al., *Image segmentation
with a bounding box prior*, 2009). What lies outside must be surer than what lies
inside, and the threshold moves to where the extent of the mask fits the box best, as
far as a box that was drawn by hand can be trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.inference.mask_upscaling import pixel_weights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.types import FrameGeometry, Prompts

__all__ = ["enforce_clicks", "enforce_prompts", "fit_box"]

_CLICK_LOGIT = 0.5
"""Logit that a click asks for."""

_BUMP_WIDTH = 0.5
"""Standard deviation of a click's bump, in radii of the object."""

_MIN_BUMP_WIDTH = 0.5
"""Of a bump in low-resolution pixels; clicks closer together can not both hold."""

_MAX_CLICK_GAIN = 2.0
"""What one click may add, in the most that any click lacks; more would tear what lies
around two clicks that contradict each other."""

_BOUNDARY_WIDTH = 3.0
"""Standard deviation in logits of what is near the boundary: clicks there speak of the
boundary as a whole."""

_SWEEPS = 100

_BOX_MARGIN = 0.3
"""Share of a box's side around it in which the extent of a mask is looked for."""

_SHIFTS = np.arange(-16, 17) / 4
"""Thresholds among which the one that fits a box is chosen."""

_COSTS = np.where(_SHIFTS < 0, 0.02, 0.01) * _SHIFTS**2
"""In IoU of boxes, what a shift must gain; chosen on training images, with boxes that
are exact, loose, or jittered. See docs/accuracy.md."""

_OUTSIDE_MARGIN = 2.0
"""Logits by which what lies outside its box must be surer."""


def enforce_prompts(
    prompts: Prompts, logits: NDArray[np.float32], geometry: FrameGeometry
) -> NDArray[np.float32]:
    """Impose on the decoder's answer what its prompts say for certain.

    A box is fitted by a single mask only, of several candidates some are meant to be
    parts of what is in it; and not where it is loose.

    Parameters
    ----------
    prompts
        In pixels of the image plane that the logits show.
    logits
        (M, h, w) low-resolution logits.
    geometry
        Of that plane.

    Returns
    -------
    (M, h, w) float32
    """
    if prompts.box is not None and not prompts.loose and len(logits) == 1:
        logits = fit_box(logits[0], geometry, prompts.box)[None]
    if len(prompts.points):
        said = (geometry, prompts.points, prompts.labels)
        logits = np.stack([enforce_clicks(low, *said) for low in logits])
    return logits


def fit_box(
    low: NDArray[np.float32], geometry: FrameGeometry, box: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Shift logits so that the mask fits its box, and lower those outside.

    The shift is the one of the largest IoU between the box and the bounding box of the
    mask, less a cost that grows with its square. A mask is made to reach further with
    more reluctance than to keep inside: by hand, boxes are drawn too large rather than
    too small.

    Parameters
    ----------
    low
        (h, w) low-resolution logits.
    geometry
        Of the image plane that they show.
    box
        (4,) as (row0, col0, row1, col1) in pixels of that plane.

    Returns
    -------
    (h, w) float32
    """
    scale = np.array(geometry.scale) * low.shape / geometry.frame_size
    edges = box.reshape(2, 2) * scale - 0.5
    around = _BOX_MARGIN * (edges[1] - edges[0])
    first = np.clip(np.floor(edges[0] - around), 0, low.shape).astype(int)
    last = np.clip(np.ceil(edges[1] + around) + 1, 0, low.shape).astype(int)
    part = low[first[0] : last[0], first[1] : last[1]]
    if 0 in part.shape:
        return low
    both, wide = np.ones_like(_SHIFTS), np.ones_like(_SHIFTS)
    for axis in (0, 1):
        start, stop = _extents(part.max(axis=1 - axis), first[axis])
        inner = np.minimum(stop, edges[1, axis]) - np.maximum(start, edges[0, axis])
        both = both * np.maximum(inner, 0)
        wide = wide * np.maximum(stop - start, 0)
    union = wide + np.prod(edges[1] - edges[0]) - both
    fits = both / np.maximum(union, 1e-6) - _COSTS
    inside = [
        np.clip(np.minimum(at + 0.5, stop) - np.maximum(at - 0.5, start), 0, 1)
        for at, start, stop in zip(map(np.arange, low.shape), *edges, strict=True)
    ]
    lowered = _SHIFTS[fits.argmax()] + _OUTSIDE_MARGIN * (1 - np.outer(*inside))
    fitted: NDArray[np.float32] = low - lowered.astype(np.float32)
    return fitted


def _extents(
    profile: NDArray[np.float32], offset: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where a profile first and last exceeds each threshold, between its samples."""
    above = profile > _SHIFTS[:, None]

    def cross(first: NDArray[np.int64], step: int) -> NDArray[np.float64]:
        before = np.clip(first - step, 0, len(profile) - 1)
        rise = profile[first] - profile[before]
        part = (profile[first] - _SHIFTS) / np.where(rise > 0, rise, np.inf)
        return first - step * np.clip(part, 0, 1)

    start = cross(above.argmax(axis=1), 1)
    stop = cross(len(profile) - 1 - above[:, ::-1].argmax(axis=1), -1)
    some = above.any(axis=1)
    return np.where(some, start, 0) + offset, np.where(some, stop, 0) + offset


def enforce_clicks(
    low: NDArray[np.float32],
    geometry: FrameGeometry,
    points: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Correct logits so that the mask holds at every click.

    Clicks that contradict each other within the object are reconciled by narrower and
    narrower bumps; of two on one pixel the later one counts.

    Parameters
    ----------
    low
        (h, w) low-resolution logits.
    geometry
        Of the image plane that they show.
    points
        (N, 2) as (row, col) in pixels of that plane.
    labels
        (N,) 1 where the object is, 0 where it is not.

    Returns
    -------
    (h, w) float32; the same array if nothing had to be corrected.
    """
    height, width = geometry.image_shape
    pixels = np.floor(points + 0.5).astype(int)
    pixels = np.clip(pixels, 0, (height - 1, width - 1))
    _, last = np.unique(pixels[::-1], axis=0, return_index=True)
    chosen = np.sort(len(pixels) - 1 - last)
    sides = np.where(labels[chosen] == 1, 1.0, -1.0)
    rows, cols = pixel_weights(pixels[chosen], (low.shape[0], low.shape[1]), geometry)
    values = _read(low, rows, cols) * sides
    if (values > 0).all():
        return low
    radius = np.sqrt(np.count_nonzero(low > 0) / np.pi)
    reach = max(_BUMP_WIDTH * float(radius), 2 * _MIN_BUMP_WIDTH)
    near = np.exp(-(values**2) / (2 * _BOUNDARY_WIDTH**2))
    while (values <= 0).any() and reach >= _MIN_BUMP_WIDTH:
        wanted = np.where(values > 0, np.minimum(values, _CLICK_LOGIT), _CLICK_LOGIT)
        down, across = _bumps(rows, reach), _bumps(cols, reach)
        gram = np.outer(near, near) + (rows @ down.T) * (cols @ across.T)
        strengths = sides * _least(gram * np.outer(sides, sides), wanted - values)
        bumps = (down.T * strengths) @ across
        low = (low + bumps + near @ strengths).astype(np.float32)
        values = _read(low, rows, cols) * sides
        reach /= 2
        near = np.zeros_like(near)  # what is still open is a matter of one place
    return low


def _read(
    low: NDArray[np.float32], rows: NDArray[np.float64], cols: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Read the logits at pixels of the plane."""
    values: NDArray[np.float64] = ((rows @ low) * cols).sum(axis=1)
    return values


def _bumps(weights: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """One axis of a Gaussian around each click, (N, length)."""
    at = np.arange(weights.shape[1])
    away = at - (weights @ at)[:, None]
    bumps: NDArray[np.float64] = np.exp(-(away**2) / (2 * reach**2))
    return bumps


def _least(
    gram: NDArray[np.float64], missing: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Find the least strengths a >= 0 with gram @ a >= missing, one after the other.

    Coordinate descent on the dual of the quadratic program.
    """
    strengths = np.zeros(len(missing))
    most = _MAX_CLICK_GAIN * missing.max()
    for _ in range(_SWEEPS):
        largest = 0.0
        for i, row in enumerate(gram):
            step = (missing[i] - row @ strengths) / row[i]
            new = min(max(strengths[i] + step, 0.0), most)
            largest = max(largest, abs(new - strengths[i]))
            strengths[i] = new
        if largest < 0.01:
            break
    return strengths
