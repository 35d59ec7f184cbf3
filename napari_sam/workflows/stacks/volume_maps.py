"""The dense maps of a volume, from those of its planes along one axis or three.

A plane across another axis sees an object where the first ones see it blurred or
noisy. The maps of all three directions are averaged voxel by voxel, in the grid of the
volume; one watershed then parts the objects in 3D. Flow maps of planes of three
directions are averaged in a like manner by Cellpose (Stringer et al., Nature Methods
18, 2021).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.inference.views import PlaneView
from napari_sam.workflows.objects.instances import blended_maps, choose_scale
from napari_sam.workflows.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import FuseConfig, InstanceConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.stacks.stack import Stack

__all__ = ["axes_to_see", "fused_maps"]

_LEAST_LOOKED = 16
"""So many planes across another axis are looked at, where there are as many."""

_ASKED_PLANES = 3
"""How many planes of each direction decide how closely all are looked at."""


def axes_to_see(
    stack: Stack, spacing: Sequence[float], config: FuseConfig
) -> tuple[int, ...]:
    """Return the axes, among the three that run, across which planes are looked at.

    Parameters
    ----------
    stack
        The volume; planes across its own axis are always looked at.
    spacing
        Size of a voxel along the three axes.
    config
        Which are wanted.
    """
    own = stack.place
    if config.axes == "across":
        return (own,)
    wide = min(size for axis, size in enumerate(spacing) if axis != own)
    is_flat = spacing[own] > config.max_ratio * wide or len(stack) < config.min_planes
    if config.axes == "auto" and is_flat:
        return (own,)
    return (own, *(axis for axis in range(3) if axis != own))


def fused_maps(
    stack: Stack,
    *,
    model: Predictor,
    config: InstanceConfig,
    axes: Sequence[int],
    spacing: Sequence[float],
    limits: tuple[float, float],
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Return the dense maps of a volume; see `Predictor.dense_maps`.

    Parameters
    ----------
    stack
        The volume, read one plane at a time.
    model
        A model with a dense head.
    config
        How closely planes are looked at, and how often.
    axes
        Across which of the three running axes planes are looked at.
    spacing
        Size of a voxel along the three axes: planes with longer steps one way are
        stretched, so that their pixels are square.
    limits
        Intensities that become black and white.
    progress
        Steps are planes.

    Returns
    -------
    (3, Z, Y, X) float32
        In the order of the three running axes.

    Raises
    ------
    Cancelled
        If `progress` said so.
    """
    progress = progress or Progress()
    steps = Steps("segmenting a volume", progress)
    within = Steps("segmenting a volume", progress.quiet)
    running = [axis for axis, at in enumerate(stack.index) if at is None]
    total = np.zeros((3, *stack.shape), np.float32)
    looked = {place: _numbers(stack, place) for place in axes}
    left = sum(map(len, looked.values()))
    for place in axes:
        one = replace(stack, axis=running[place])
        sizes = [size for axis, size in enumerate(spacing) if axis != place]
        planes = _Planes(one, sizes, limits)
        scale = planes.scale(model, config, within)
        along = np.moveaxis(total, place + 1, 0)  # a view
        at, before = 0, np.zeros((), np.float32)
        for number in looked[place]:
            steps.before(left)
            left -= 1
            maps = planes.maps(model, config, scale, number, within)
            for between in range(at + 1, number):
                share = np.float32((between - at) / (number - at))
                along[between] += (1 - share) * before + share * maps
            along[number] += maps
            before, at = maps, number
    steps.finish()
    total /= len(axes)
    return total


def _numbers(stack: Stack, place: int) -> list[int]:
    """Return which planes across an axis are looked at.

    All across the stack's own axis. Of the others so many that there are about as many
    again; the maps between them are interpolated, for they change slowly.
    """
    count = stack.shape[place]
    if place == stack.place:
        return list(range(count))
    step = max(1, round(count / max(len(stack), _LEAST_LOOKED)))
    return [*range(0, count - 1, step), count - 1]


class _Planes:
    """The planes across one axis, shown with square pixels."""

    def __init__(
        self, stack: Stack, sizes: Sequence[float], limits: tuple[float, float]
    ) -> None:
        self._stack, self._limits = stack, limits
        self._stretch = tuple(size / min(sizes) for size in sizes)

    def _view(self, model: Predictor, number: int) -> PlaneView:
        plane = np.asarray(self._stack.plane(number))
        if self._stretch != (1.0, 1.0):
            zoom = (*self._stretch, 1.0)[: plane.ndim]
            seen = ndimage.zoom(
                plane.astype(np.float32), zoom, order=1, grid_mode=True, mode="nearest"
            )
            plane = seen.astype(plane.dtype) if plane.dtype == np.uint8 else seen
        return PlaneView.of(plane, model.frame_size, self._limits)

    def scale(self, model: Predictor, config: InstanceConfig, steps: Steps) -> float:
        """Return one scale for all planes, the median of what some of them choose."""
        numbers = np.linspace(0, len(self._stack) - 1, _ASKED_PLANES + 2)[1:-1]
        return float(
            np.median(
                [
                    choose_scale(model, self._view(model, int(n)), config, steps)
                    for n in np.unique(numbers.round())
                ]
            )
        )

    def maps(
        self,
        model: Predictor,
        config: InstanceConfig,
        scale: float,
        number: int,
        steps: Steps,
    ) -> NDArray[np.float32]:
        """Return the (3, H, W) maps of a plane in the grid of the volume."""
        view = self._view(model, number)
        maps = blended_maps(model, view, config, scale, None, steps)
        if self._stretch == (1.0, 1.0):
            return maps
        height, width = self._stack.plane_shape
        zoom = (1, height / maps.shape[1], width / maps.shape[2])
        shrunk: NDArray[np.float32] = ndimage.zoom(
            maps, zoom, order=1, grid_mode=True, mode="nearest"
        )
        return shrunk
