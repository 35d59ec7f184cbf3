"""A volume or a film in, labels of all its objects out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import VOLUME_MODES, VolumeConfig
from napari_sam.inference.dense_maps import explain_no_maps
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.workflows.objects.segment import segment, settle_kind
from napari_sam.workflows.progress import Progress, Steps
from napari_sam.workflows.stacks.fused_volume import (
    in_order_of_planes,
    segment_fused,
    stack_limits,
)
from napari_sam.workflows.stacks.large_volume import is_large, segment_large_volume
from napari_sam.workflows.stacks.plane_linking import link_planes
from napari_sam.workflows.stacks.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam.configs import SegmentConfig
    from napari_sam.inference.predictor import Predictor

__all__ = [
    "choose_volume_mode",
    "segment_film",
    "segment_planes",
    "segment_volume",
]


def segment_planes(
    stack: Stack,
    *,
    model: Predictor,
    mode: str = "auto",
    config: SegmentConfig | None = None,
    scope: Scope | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Label the objects of each plane on its own; ids mean nothing across planes.

    Parameters
    ----------
    stack
        The planes, read one at a time.
    model
        A loaded model.
    mode, config
        See `napari_sam.segment`.
    scope
        For all planes, see `napari_sam.segment_volume`.
    progress
        Steps are planes.

    Returns
    -------
    (N, H, W) int32
        The planes of the stack, in its order.
    """
    scope = scope or Scope()
    limits = scope.contrast_limits or stack_limits(stack)
    of_plane = _scopes(stack, scope, limits)
    found = np.zeros((len(stack), *stack.plane_shape), np.int32)
    middle = stack.plane(len(stack) // 2)
    config = settle_kind(
        config, mode, model=model, plane=middle, contrast_limits=limits
    )
    steps = Steps("segmenting a volume", progress)
    for number in range(len(stack)):
        steps.before(len(stack) - number)
        here = of_plane(number)
        if here is not None:
            found[number] = segment(
                stack.plane(number),
                model=model,
                mode=mode,
                config=config,
                scope=here,
                progress=Progress(is_cancelled=steps.is_cancelled),
            )
    steps.finish()
    return found


def _scopes(
    stack: Stack, scope: Scope, limits: tuple[float, float]
) -> Callable[[int], Scope | None]:
    """Return what gives the scope of a plane; None where it lies outside the region."""
    regions: dict[str, Any] = {}
    for name in ("roi", "exclude"):
        region = getattr(scope, name)
        if region is not None and np.ndim(region) != 2:
            region = stack.like(region, name)
        regions[name] = region

    def of_plane(number: int) -> Scope | None:
        here = {
            name: one.plane(number) if isinstance(one, Stack) else one
            for name, one in regions.items()
        }
        if isinstance(regions["roi"], Stack) and not here["roi"].any():
            return None
        return Scope(here["roi"], here["exclude"], limits)

    return of_plane


def segment_volume(
    volume: Any,
    *,
    model: str | Path | Predictor = "cells",
    mode: str = "auto",
    config: VolumeConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Label every object of a volume.

    Parameters
    ----------
    volume : (Z, Y, X) array of any real dtype, or Stack
        NumPy, a memory map, Dask or Zarr. "planes" reads one plane at a time; "fused"
        reads the volume, or where it is large, block by block. A `Stack` says which
        axis is across the planes, best the one with the coarsest steps.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    mode : {"auto", "planes", "fused"}
        "planes": each plane is segmented on its own, then what overlaps in
        neighbouring planes is linked. "fused": what the model says of each voxel, in
        planes along one axis or three, is brought together, and objects are parted in
        3D; for models with a dense head. "auto": fused with such a model, unless
        `config.plane_mode` asks for something else.
    config : VolumeConfig, optional
        The size of a voxel, and the parameters of the modes.
    scope : Scope, optional
        `roi` and `exclude` of a plane, for all of them, or of the volume's shape.
        The contrast limits are those of all planes; from a sample of them if None.
    channel_axis : int, optional
        The axis of the channels, if the array has one; a `Stack` has its own.
    progress : Progress, optional
        Steps are planes, or blocks of a large volume.

    Returns
    -------
    int32 array, shaped as the volume without channels
        0 background, 1 to n the objects, in the order of their first planes.

    Raises
    ------
    ValueError
        If an argument is not as described, or the model cannot do the mode.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    segment : One plane.
    segment_large_volume : A volume whose labels need not fit in memory.
    propagate : Objects that are given on some planes.
    track : The objects of a film.

    Examples
    --------
    >>> import napari_sam
    >>> cells = napari_sam.load_sample("nuclei_3d")[14:17, :96, :96]
    >>> config = napari_sam.VolumeConfig(spacing=(0.29, 0.26, 0.26))
    >>> labels = napari_sam.segment_volume(cells, config=config)
    >>> labels.shape == cells.shape
    True
    """
    stack = Stack.of(volume, channel_axis)
    config, progress = config or VolumeConfig(), progress or Progress()
    sam = as_predictor(model)
    if choose_volume_mode(mode, sam, config) == "fused":
        scope = scope or Scope()
        if is_large(stack, config):
            found = np.zeros(stack.shape, np.int32)
            segment_large_volume(
                stack,
                model=sam,
                config=config,
                scope=scope,
                out=found,
                progress=progress,
            )
            return in_order_of_planes(found, stack.place)
        return segment_fused(
            stack, model=sam, config=config, scope=scope, progress=progress
        )
    planes = segment_planes(
        stack,
        model=sam,
        mode=config.plane_mode,
        config=_in_depth(config.segment),
        scope=scope,
        progress=progress,
    )
    linked = link_planes(planes, config.link, out=planes, progress=progress.quiet)
    return np.moveaxis(linked, 0, stack.place)


def _in_depth(config: SegmentConfig) -> SegmentConfig:
    """Return how planes of a volume are parted: by one watershed.

    The scorer would leave out what is dim and blurred beside sharp objects; in a plane
    of a volume it is the end of an object that is sharp in another plane.
    """
    instances = config.instances.model_copy(update={"parting": "watershed"})
    return config.model_copy(update={"instances": instances})


def choose_volume_mode(mode: str, model: Predictor, config: VolumeConfig) -> str:
    """Return "planes" or "fused".

    Parameters
    ----------
    mode, config
        See `segment_volume`.
    model
        A loaded model.

    Raises
    ------
    ValueError
        If there is no such mode, or the model cannot do it.
    """
    if mode not in VOLUME_MODES:
        raise ValueError(f"mode must be one of {VOLUME_MODES}, got {mode!r}")
    has_maps = model.has_dense_head
    if mode == "auto":
        asked = config.plane_mode in ("auto", "instances")
        return "fused" if has_maps and asked else "planes"
    if mode == "fused" and not has_maps:
        told = explain_no_maps(model.name, "it says nothing of single voxels")
        raise ValueError(told.replace("mode 'grid'", "mode 'planes'"))
    return mode


def segment_film(
    frames: Any,
    *,
    model: Predictor,
    mode: str = "auto",
    config: VolumeConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Label the objects of each frame on its own; ids mean nothing across frames.

    Parameters
    ----------
    frames
        (T, Y, X) or (T, Z, Y, X) of any real dtype; planes are read one at a time.
    model
        A loaded model.
    mode, config, channel_axis, progress
        See `napari_sam.segment_volume`.
    scope
        The same, but `roi` and `exclude` are of a plane, or of the film's shape.

    Returns
    -------
    (T, Y, X) or (T, Z, Y, X) int32
    """
    config, scope = config or VolumeConfig(), scope or Scope()
    progress = progress or Progress()
    has_channels = channel_axis is not None
    if len(frames.shape) - has_channels == 3:
        return segment_planes(
            Stack(frames, channel_axis=channel_axis),
            model=model,
            mode=mode,
            config=config.segment,
            scope=scope,
            progress=progress,
        )
    first = Stack(frames, axis=1, at=(0, None, None, None), channel_axis=channel_axis)
    number, depth = first.labels_shape[:2]
    if scope.contrast_limits is None:
        at = (None, depth // 2, None, None)
        middle = Stack(frames, axis=0, at=at, channel_axis=channel_axis)
        scope = Scope(scope.roi, scope.exclude, stack_limits(middle))
    found = np.zeros(first.labels_shape, np.int32)
    for t in range(number):
        planes = segment_planes(
            replace(first, at=(t, None, None, None)),
            model=model,
            mode=mode,
            config=_in_depth(config.segment),
            scope=scope,
            progress=progress.part(t, number),
        )
        found[t] = link_planes(planes, config.link, progress=progress.quiet)
    return found
