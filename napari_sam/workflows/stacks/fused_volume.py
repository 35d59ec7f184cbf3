"""Objects of a volume that fits in memory, or of a part of one, parted in 3D."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.preprocess import sample_limits
from napari_sam.inference.volume_features import (
    candidate_extents,
    maps_in_3d,
    object_scores,
)
from napari_sam.inference.volume_heads import head_for
from napari_sam.ops.types import Cancelled
from napari_sam.ops.volume_candidates import choose_candidates, find_candidates
from napari_sam.ops.watershed import maps_to_volume
from napari_sam.workflows.stacks.volume_maps import (
    axes_to_see,
    fused_maps,
    measure_look,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.configs import FuseConfig, VolumeConfig
    from napari_sam.inference.predictor import Predictor
    from napari_sam.model.volume_head import VolumeHead
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.stack import Stack
    from napari_sam.workflows.stacks.volume_maps import VolumeLook

__all__ = [
    "fused_objects",
    "in_order_of_planes",
    "look_at_volume",
    "segment_fused",
    "stack_limits",
]


def stack_limits(stack: Stack) -> tuple[float, float]:
    """Return one contrast range for all planes, from a sample of up to 16 of them."""
    return sample_limits(len(stack), stack.plane, stack.channel_axis is not None)


def look_at_volume(
    stack: Stack,
    *,
    model: Predictor,
    config: VolumeConfig,
    limits: tuple[float, float],
    whole: Stack | None = None,
    progress: Progress | None = None,
) -> VolumeLook:
    """Choose how the planes of a volume are looked at; see `measure_look`.

    Parameters
    ----------
    stack
        The volume, or a part of it that shows its objects.
    model
        A model with a dense head.
    config
        See `napari_sam.segment_volume`.
    limits
        Intensities that become black and white.
    whole
        The volume, where `stack` is a part.
    progress
        Asked before each plane.
    """
    spacing = config.spacing or (1.0, 1.0, 1.0)
    has_head = head_for(model, config.fuse.head) is not None
    return measure_look(
        stack,
        model=model,
        config=config.segment.instances,
        axes=axes_to_see(whole or stack, spacing, config.fuse, has_head),
        spacing=spacing,
        limits=limits,
        progress=progress,
    )


def segment_fused(
    stack: Stack,
    *,
    model: Predictor,
    config: VolumeConfig,
    scope: Scope,
    progress: Progress,
) -> NDArray[np.int32]:
    """Label the objects of a volume that fits in memory; see `segment_volume`."""
    limits = scope.contrast_limits or stack_limits(stack)
    if not isinstance(stack.array, np.ndarray):  # planes across it are read at once
        stack = stack.part(tuple(slice(None) for _ in stack.shape))
    look = look_at_volume(
        stack, model=model, config=config, limits=limits, progress=progress
    )
    labels, _ = fused_objects(
        stack,
        look,
        model=model,
        config=config,
        roi=region_of(stack, scope.roi, "roi"),
        exclude=region_of(stack, scope.exclude, "exclude"),
        progress=progress,
    )
    return in_order_of_planes(labels, stack.place)


def fused_objects(
    stack: Stack,
    look: VolumeLook,
    *,
    model: Predictor,
    config: VolumeConfig,
    roi: NDArray[np.bool_] | None = None,
    exclude: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the objects of a volume or of a part of it.

    Parameters
    ----------
    stack
        What is looked at, in memory.
    look
        From `look_at_volume`.
    model, config
        See `napari_sam.segment_volume`.
    roi
        (Z, Y, X): what lies outside is background.
    exclude
        (Z, Y, X): objects with more than half of their voxels in it are left out.
    progress
        Steps are planes.

    Returns
    -------
    labels
        (Z, Y, X) int32: 0 background, 1 to n the objects.
    away
        (Z, Y, X) float32: how far a voxel lies from the middle of its object.
    """
    maps = fused_maps(
        stack, look, model=model, config=config.segment.instances, progress=progress
    )
    head = head_for(model, config.fuse.head)
    shown = None
    if head is not None:
        shown = _shown(stack, look)
        maps = _seen_in_3d(head, stack, shown, maps, progress)
    if roi is not None:
        maps[0][~roi] = 0
    least = min(look.spacing)
    first, second, third = (size / least for size in look.spacing)
    found = _parted(maps, shown, config.fuse, head, (first, second, third))
    if exclude is not None:
        sizes = np.bincount(found.ravel())
        covered = np.bincount(found.ravel(), exclude.ravel(), len(sizes))
        found[(covered > sizes / 2)[found]] = 0
    away: NDArray[np.float32] = maps[1] + maps[2]
    return found, away


def _parted(
    maps: NDArray[np.float32],
    shown: NDArray[np.float32] | None,
    config: FuseConfig,
    head: VolumeHead | None,
    spacing: tuple[float, float, float],
) -> NDArray[np.int32]:
    """Part the foreground: by the best candidates, or by one watershed."""
    if head is None or shown is None or config.parting == "watershed":
        return maps_to_volume(maps, config, spacing)
    if head.scorer is None:
        return maps_to_volume(maps, config, spacing)
    least = config.min_volume
    candidates = find_candidates(maps, shown, spacing, least)
    scores = object_scores(head.scorer, candidates)
    ends = candidate_extents(head.extent_scorer, candidates)
    return choose_candidates(candidates, scores, config.min_iou, least, ends)


def _shown(stack: Stack, look: VolumeLook) -> NDArray[np.float32]:
    """Return the volume as it is seen, from 0, black, to 1, white."""
    low, high = look.contrast_limits
    planes = [np.asarray(stack.plane(number)) for number in range(len(stack))]
    image = np.stack([p if p.ndim == 2 else p.mean(-1) for p in planes])
    shown = (image.astype(np.float32) - low) / max(high - low, 1e-6)
    shown = np.nan_to_num(np.clip(shown, 0, 1)).astype(np.float32, copy=False)
    return np.moveaxis(shown, 0, stack.place)


def _seen_in_3d(
    head: VolumeHead,
    stack: Stack,
    shown: NDArray[np.float32],
    maps: NDArray[np.float32],
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Return the mean of the maps of planes and of what a head says in 3D.

    The head has learned from planes along the first axis.
    """
    is_cancelled = None if progress is None else progress.is_cancelled
    along = np.moveaxis(maps, stack.place + 1, 1)
    image = np.moveaxis(shown, stack.place, 0)
    found = maps_in_3d(head, image, along, is_cancelled)
    if is_cancelled is not None and is_cancelled():
        raise Cancelled("segmenting a volume was cancelled")
    found += along
    found /= 2
    return np.moveaxis(found, 1, stack.place + 1)


def region_of(
    stack: Stack,
    region: Any,
    name: str,
    within: tuple[slice, ...] | None = None,
) -> NDArray[np.bool_] | None:
    """Return a region of the scope as one of the volume, or of a part of it.

    Parameters
    ----------
    stack
        The volume.
    region
        (H, W) of each plane, or of the shape of the stack's array; or None.
    name
        For an error.
    within
        The part.

    Raises
    ------
    ValueError
        If it has another shape.
    """
    if region is None:
        return None
    within = within or tuple(slice(0, size) for size in stack.shape)
    if np.ndim(region) == 2:
        flat = np.asarray(region) != 0
        if flat.shape != stack.plane_shape:
            raise ValueError(
                f"{name} has shape {flat.shape}, wanted that of a plane, "
                f"{stack.plane_shape}"
            )
        rows, cols = (at for axis, at in enumerate(within) if axis != stack.place)
        shape = tuple(at.stop - at.start for at in within)
        flat = np.expand_dims(flat[rows, cols], stack.place)
        return np.array(np.broadcast_to(flat, shape))
    inside: NDArray[np.bool_] = stack.like(region, name).part(within).array != 0
    return inside


def in_order_of_planes(labels: NDArray[np.int32], axis: int) -> NDArray[np.int32]:
    """Give the objects of a volume numbers from 1 up, by their first planes."""
    first = np.moveaxis(labels, axis, 0).ravel()
    seen, at = np.unique(first, return_index=True)
    seen, at = seen[seen > 0], at[seen > 0]
    numbers = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    numbers[seen[np.argsort(at)]] = np.arange(1, len(seen) + 1)
    ordered: NDArray[np.int32] = numbers[labels]
    return ordered
