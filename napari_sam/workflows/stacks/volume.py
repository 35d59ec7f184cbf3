"""A volume or a film in, labels of all its objects out: plane by plane, then linked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.inference.predictor import load_model
from napari_sam.inference.preprocess import sample_limits
from napari_sam.workflows.objects.segment import segment
from napari_sam.workflows.progress import Steps
from napari_sam.workflows.stacks.plane_linking import LinkConfig, link_planes
from napari_sam.workflows.stacks.stack import Stack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import IsCancelled
    from napari_sam.workflows.progress import Progress

__all__ = ["LinkConfig", "segment_film", "segment_planes", "segment_volume"]

_DEFAULT = LinkConfig()


def stack_limits(stack: Stack) -> tuple[float, float]:
    """Return one contrast range for all planes, from a sample of up to 16 of them."""
    return sample_limits(len(stack), stack.plane, stack.rgb)


def segment_planes(
    sam: Predictor,
    stack: Stack,
    mode: str = "auto",
    *,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    **settings: Any,
) -> NDArray[np.int32]:
    """Label the objects of each plane on its own; ids mean nothing across planes.

    Parameters
    ----------
    sam
        The model.
    stack
        The planes, read one at a time.
    mode, **settings
        See `napari_sam.segment`.
    contrast_limits
        For all planes; from a sample of them if None.
    progress
        Told (planes done, planes in all).
    is_cancelled
        Asked before each plane, and within it.

    Returns
    -------
    (N, H, W) int32
        The planes of the stack, in its order.
    """
    limits = contrast_limits or stack_limits(stack)
    found = np.zeros((len(stack), *stack.plane_shape), np.int32)
    steps = Steps("segmenting a volume", progress, is_cancelled)
    for number in range(len(stack)):
        steps.before(len(stack) - number)
        found[number] = segment(
            stack.plane(number),
            sam,
            mode,
            contrast_limits=limits,
            is_cancelled=is_cancelled,
            **settings,
        )
    steps.finish()
    return found


def segment_volume(
    volume: Any,
    model: str | Path | Predictor = "cells",
    mode: str = "auto",
    config: LinkConfig = _DEFAULT,
    *,
    axis: int = 0,
    rgb: bool = False,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    **settings: Any,
) -> NDArray[np.int32]:
    """Label every object of a volume.

    Each plane is segmented on its own, then what overlaps in neighbouring planes is
    linked; see `napari_sam.workflows.stacks.plane_linking`.

    Parameters
    ----------
    volume
        Three axes of any real dtype, and one of colour if `rgb`. NumPy, a memory map,
        Dask or Zarr: planes are read one at a time. Or a `Stack`.
    model
        A name of the registry, the path of a checkpoint, or a loaded model.
    mode
        How the objects of a plane are found; see `napari_sam.segment`.
    config
        What may be the same object in another plane.
    axis
        The axis across the planes, best the one with the coarsest steps.
    rgb
        Whether the last axis is colour.
    contrast_limits
        Black and white for all planes; from a sample of them if None.
    progress
        Told (planes done, planes in all).
    is_cancelled
        Asked before each plane, and within it.
    **settings
        Further arguments of `napari_sam.segment`.

    Returns
    -------
    int32, shaped as the volume without colour
        0 background, 1 to n the objects, in the order of their first planes.

    Raises
    ------
    ValueError
        If an argument is not as described, or the model cannot do the mode.
    Cancelled
        If `is_cancelled` answered True.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.io.samples import load_sample
    >>> cells = load_sample("nuclei_3d")
    >>> labels = napari_sam.segment_volume(cells)  # doctest: +SKIP
    """
    stack = Stack.of(volume, axis, rgb=rgb)
    sam = load_model(model) if isinstance(model, (str, Path)) else model
    planes = segment_planes(
        sam,
        stack,
        mode,
        contrast_limits=contrast_limits,
        progress=progress,
        is_cancelled=is_cancelled,
        **settings,
    )
    linked = link_planes(planes, config, out=planes, is_cancelled=is_cancelled)
    return np.moveaxis(linked, 0, stack.place)


def segment_film(
    model: str | Path | Predictor,
    frames: Any,
    mode: str = "auto",
    config: LinkConfig | None = None,
    *,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
    **settings: Any,
) -> NDArray[np.int32]:
    """Label the objects of each frame on its own; ids mean nothing across frames.

    Parameters
    ----------
    model
        A name of the registry, the path of a checkpoint, or a loaded model.
    frames
        (T, Y, X) or (T, Z, Y, X) of any real dtype; planes are read one at a time.
    mode, config, contrast_limits, progress, is_cancelled, **settings
        See `segment_volume`.

    Returns
    -------
    (T, Y, X) or (T, Z, Y, X) int32
    """
    sam = load_model(model) if isinstance(model, (str, Path)) else model
    options: dict[str, Any] = {
        "contrast_limits": contrast_limits,
        "is_cancelled": is_cancelled,
    }
    if len(frames.shape) == 3:
        stack = Stack.of(frames)
        return segment_planes(
            sam, stack, mode, progress=progress, **options, **settings
        )
    number = len(frames)
    stacks = [Stack.of(frames, axis=1, at=(t, None, None, None)) for t in range(number)]
    if contrast_limits is None:
        middle = Stack.of(frames, axis=0, at=(None, frames.shape[1] // 2, None, None))
        options["contrast_limits"] = stack_limits(middle)
    found = np.zeros(tuple(frames.shape), np.int32)
    for t, stack in enumerate(stacks):
        planes = segment_planes(
            sam, stack, mode, progress=_part(progress, t, number), **options, **settings
        )
        found[t] = link_planes(planes, config or _DEFAULT, is_cancelled=is_cancelled)
    return found


def _part(progress: Progress | None, part: int, parts: int) -> Progress | None:
    """Report the steps of a part as those of the whole."""
    if progress is None:
        return None
    return lambda done, total: progress(part * total + done, parts * total)
