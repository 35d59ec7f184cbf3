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
from pydantic import BaseModel, ConfigDict
from scipy import ndimage

from napari_sam.inference.plane_views import PlaneView
from napari_sam.workflows.objects.instances import blended_maps, measure_objects
from napari_sam.workflows.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import FuseConfig, InstanceConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.stacks.stack import Stack

__all__ = ["VolumeLook", "axes_to_see", "fused_maps", "measure_look"]

_LEAST_LOOKED = 16
"""So many planes across another axis are looked at, where there are as many."""

_ASKED_PLANES = 3
"""How many planes of each direction decide how closely all are looked at."""


_SIZE_PERCENTILE = 90
"""Percentile of the sizes of objects that is told of a volume."""


class VolumeLook(BaseModel):
    """How the planes of a volume are looked at.

    Attributes
    ----------
    axes
        Across which of the three running axes.
    spacing
        Size of a voxel along the three axes: planes with longer steps one way are
        stretched, so that their pixels are square.
    contrast_limits
        Intensities that become black and white.
    scales
        Frame pixels per pixel, of the planes across each of the axes.
    across
        How wide all but a few of the objects are, in the unit of the spacing; 0 where
        none was seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    axes: tuple[int, ...]
    spacing: tuple[float, float, float]
    contrast_limits: tuple[float, float]
    scales: tuple[float, ...]
    across: float = 0.0


def axes_to_see(
    stack: Stack,
    spacing: Sequence[float],
    config: FuseConfig,
    has_head: bool = False,
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
    has_head
        Whether a head looks at the maps in 3D, which has learned from planes along one
        axis.
    """
    own = stack.place
    if config.axes == "across":
        return (own,)
    is_flat = max(spacing) > config.max_ratio * min(spacing)
    is_flat |= len(stack) < config.min_planes
    if config.axes == "auto" and (is_flat or has_head):
        return (own,)
    return (own, *(axis for axis in range(3) if axis != own))


def measure_look(
    stack: Stack,
    *,
    model: Predictor,
    config: InstanceConfig,
    axes: Sequence[int],
    spacing: tuple[float, float, float],
    limits: tuple[float, float],
    progress: Progress | None = None,
) -> VolumeLook:
    """Look at some planes of each direction, and choose how all are looked at.

    Parameters
    ----------
    stack
        The volume, or a part of it.
    model
        A model with a dense head.
    config
        Its `scale` is taken where it is given.
    axes, spacing, limits
        See `VolumeLook`.
    progress
        Asked before each plane.

    Raises
    ------
    Cancelled
        If `progress` said so.
    """
    quiet = (progress or Progress()).quiet
    steps = Steps("segmenting a volume", quiet)
    scales, sizes = [], []
    for place in axes:
        planes = _Planes(stack, place, spacing, limits)
        scale, extents = planes.measure(model, config, steps)
        scales.append(scale)
        sizes.append(extents)
    found = np.concatenate(sizes)
    across = float(np.percentile(found, _SIZE_PERCENTILE)) if found.size else 0.0
    return VolumeLook(
        axes=tuple(axes),
        spacing=spacing,
        contrast_limits=limits,
        scales=tuple(scales),
        across=across,
    )


def fused_maps(
    stack: Stack,
    look: VolumeLook,
    *,
    model: Predictor,
    config: InstanceConfig,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Return the dense maps of a volume; see `Predictor.dense_maps`.

    Parameters
    ----------
    stack
        The volume, read one plane at a time.
    look
        From `measure_look`.
    model
        A model with a dense head.
    config
        How often planes are looked at.
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
    total = np.zeros((3, *stack.shape), np.float32)
    looked = {place: _numbers(stack, place) for place in look.axes}
    left = sum(map(len, looked.values()))
    for place, scale in zip(look.axes, look.scales, strict=True):
        planes = _Planes(stack, place, look.spacing, look.contrast_limits)
        along = np.moveaxis(total, place + 1, 0)  # a view
        at, before = 0, np.zeros((), np.float32)
        for turn, number in enumerate(looked[place]):
            steps.before(left)
            left -= 1
            if turn % model.encoder.batch_size == 0:
                some = looked[place][turn : turn + model.encoder.batch_size]
                planes.embed_together(model, some, scale, within)
            maps = planes.maps(model, config, scale, number, within)
            for between in range(at + 1, number):
                share = np.float32((between - at) / (number - at))
                along[between] += (1 - share) * before + share * maps
            along[number] += maps
            before, at = maps, number
    steps.finish()
    total /= len(look.axes)
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
        self,
        stack: Stack,
        place: int,
        spacing: Sequence[float],
        limits: tuple[float, float],
    ) -> None:
        running = [axis for axis, at in enumerate(stack.index) if at is None]
        sizes = [size for axis, size in enumerate(spacing) if axis != place]
        self._stack, self._limits = replace(stack, axis=running[place]), limits
        self._embedded: dict[int, PlaneView] = {}
        self._pixel = min(sizes)
        self._stretch = tuple(size / self._pixel for size in sizes)

    def embed_together(
        self, model: Predictor, numbers: Sequence[int], scale: float, steps: Steps
    ) -> None:
        """Embed planes that are seen as a whole in one pass, where that is faster."""
        if len(numbers) == 1:
            return
        views = [self._view(model, number) for number in numbers]
        if scale > views[0].whole_scale:
            return  # the tiles of each go together
        shown = [view.image for view in views if view.image is not None]
        cancelled = steps.is_cancelled
        made = model.encoder.embed_batch(
            shown, contrast_limits=self._limits, is_cancelled=cancelled
        )
        self._embedded = {
            number: replace(view, embedded=one)
            for number, view, one in zip(numbers, views, made, strict=True)
        }

    def _view(self, model: Predictor, number: int) -> PlaneView:
        if number in self._embedded:
            return self._embedded.pop(number)
        plane = np.asarray(self._stack.plane(number))
        if self._stretch != (1.0, 1.0):
            zoom = (*self._stretch, 1.0)[: plane.ndim]
            seen = ndimage.zoom(
                plane.astype(np.float32), zoom, order=1, grid_mode=True, mode="nearest"
            )
            plane = seen.astype(plane.dtype) if plane.dtype == np.uint8 else seen
        return PlaneView.of(plane, model.frame_size, self._limits)

    def measure(
        self, model: Predictor, config: InstanceConfig, steps: Steps
    ) -> tuple[float, NDArray[np.float64]]:
        """Return one scale for all planes, the median of what some of them choose.

        And how wide the objects are that were seen in these, in the unit of the
        spacing.
        """
        numbers = np.linspace(0, len(self._stack) - 1, _ASKED_PLANES + 2)[1:-1]
        scales, sizes = [], []
        for number in np.unique(numbers.round()):
            view = self._view(model, int(number))
            found, scale = measure_objects(model, view, config, steps)
            scales.append(scale)
            sizes.append(np.max(found.boxes[:, 2:] - found.boxes[:, :2], axis=1))
        return float(np.median(scales)), np.concatenate(sizes) * self._pixel

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
