"""What a model proposes for a volume or a film, and how sure it is of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import (
    InstanceConfig,
    SegmentConfig,
    TrackConfig,
    VolumeConfig,
)
from napari_sam.inference.preprocess import sample_limits
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.workflows.objects.preannotate import Preannotation, preannotate
from napari_sam.workflows.objects.segment import find_objects
from napari_sam.workflows.progress import Progress, Steps
from napari_sam.workflows.stacks.stack import Stack
from napari_sam.workflows.stacks.tracking import track
from napari_sam.workflows.stacks.volume import segment_volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import MaskRecord

__all__ = ["MOST_VOXELS", "preannotate_film", "preannotate_stack", "preannotate_volume"]

MOST_VOXELS = 2**25
"""Of a stack for which objects are proposed: its maps and labels are in memory."""

_MOST_ASKED = 16
"""Planes of a volume on which the model is asked how sure it is of objects."""

_IN_DEPTH = SegmentConfig(instances=InstanceConfig(parting="watershed"))
"""How planes of a volume are parted, as `segment_volume` does."""

_LARGE_ENOUGH = 0.5
"""Share of its largest area that an object has on a plane where it is judged."""


def preannotate_stack(
    array: Any,
    axes: str,
    *,
    model: Predictor,
    is_colour: bool = False,
    spacing: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> Preannotation:
    """Propose objects for a volume or a film.

    Parameters
    ----------
    array
        With these axes, and colour last where it has some; NumPy, Dask or Zarr.
    axes
        "zyx", "tyx" or "tzyx".
    model
        A loaded model.
    is_colour
        Whether the array has colour.
    spacing
        Size of a step along the axes of space, in any unit; None: all alike.
    progress
        Steps are planes.

    Returns
    -------
    Preannotation
        Labels of the array's shape, without colour.

    Raises
    ------
    ValueError
        If the stack is too large to be proposed for as a whole.
    Cancelled
        If `progress.is_cancelled` answered True.
    """
    voxels = int(np.prod(array.shape[: len(axes)], dtype=np.int64))
    if voxels > MOST_VOXELS:
        raise ValueError(
            f"a stack of {' x '.join(map(str, array.shape[: len(axes)]))} voxels is "
            "too large to propose objects for as a whole; draw some and follow them"
        )
    propose = preannotate_film if axes[0] == "t" else preannotate_volume
    return propose(
        array, model=model, is_colour=is_colour, spacing=spacing, progress=progress
    )


def preannotate_volume(
    volume: Any,
    *,
    model: Predictor,
    is_colour: bool = False,
    spacing: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> Preannotation:
    """Propose objects for a volume: those of `segment_volume`.

    How sure the model is of an object is asked on a plane where it is large, of 16
    planes at most: the score of what is found there in the plane alone, times the IoU
    of both. Objects that were not asked about get the mean.

    Parameters
    ----------
    volume
        (Z, Y, X), or (Z, Y, X, 3 | 4) of colour.
    model, is_colour, spacing, progress
        See `preannotate_stack`.
    """
    progress = progress or Progress()
    stack = Stack(volume, channel_axis=-1 if is_colour else None)
    sizes = None
    if spacing is not None:
        depth, height, width = (float(size) for size in spacing)
        sizes = (depth, height, width)
    labels = segment_volume(
        stack, model=model, config=VolumeConfig(spacing=sizes), progress=progress
    )
    areas = _areas(labels)
    limits = sample_limits(len(stack), stack.plane, is_colour)
    sure: dict[int, float] = {}
    for z, judged in _planes_to_ask(areas).items():
        records = find_objects(
            stack.plane(z),
            model=model,
            config=_IN_DEPTH,
            scope=Scope(contrast_limits=limits),
            progress=progress.quiet,
        )
        sure |= {label: _agreement(labels[z] == label, records) for label in judged}
    mean = float(np.mean([*sure.values()])) if sure else 0.0
    unsure = {int(n): 1 - sure.get(int(n), mean) for n in areas.numbers}
    planes = tuple(_weighted(areas.on_plane(z), unsure) for z in range(len(labels)))
    return Preannotation(labels, 1 - mean, unsure, planes)


@dataclass(frozen=True, eq=False)
class _Areas:
    """Pixels of the objects of a volume: (planes, objects), and their labels."""

    numbers: NDArray[np.int64]
    pixels: NDArray[np.int64]

    def on_plane(self, z: int) -> dict[int, int]:
        there = np.flatnonzero(self.pixels[z])
        return {int(self.numbers[i]): int(self.pixels[z, i]) for i in there}


def _areas(labels: NDArray[np.int32]) -> _Areas:
    count = int(labels.max(initial=0))
    counted = [np.bincount(plane.ravel(), minlength=count + 1) for plane in labels]
    pixels = np.array(counted, np.int64)[:, 1:]
    there = np.flatnonzero(pixels.any(axis=0))
    return _Areas(there + 1, pixels[:, there])


def _planes_to_ask(areas: _Areas) -> dict[int, list[int]]:
    """Choose planes on which most objects are large; return who is judged on each."""
    large = areas.pixels >= _LARGE_ENOUGH * areas.pixels.max(axis=0, initial=1)
    left = np.ones(len(areas.numbers), bool)
    chosen: dict[int, list[int]] = {}
    while left.any() and len(chosen) < _MOST_ASKED:
        gain = (large & left).sum(axis=1)
        z = int(np.argmax(gain))
        judged = np.flatnonzero(large[z] & left)
        chosen[z] = areas.numbers[judged].tolist()
        left[judged] = False
    return chosen


def _agreement(mask: NDArray[np.bool_], records: Sequence[MaskRecord]) -> float:
    """Return the score of the mask that is most like an object, times their IoU."""
    best, area = 0.0, int(np.count_nonzero(mask))
    flat = mask.ravel()
    for record in records:
        both = int(np.count_nonzero(flat[record.rle.pixels()]))
        score = float(np.clip(record.predicted_iou, 0, 1))
        best = max(best, score * both / max(1, area + record.area - both))
    return best


def _weighted(areas: Mapping[int, int], unsure: Mapping[int, float]) -> float:
    total = sum(areas.values())
    return sum(unsure[n] * area for n, area in areas.items()) / total if total else 0.0


def preannotate_film(
    film: Any,
    *,
    model: Predictor,
    is_colour: bool = False,
    spacing: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> Preannotation:
    """Propose objects for a film: those of its frames, tracked.

    Parameters
    ----------
    film
        (T, Y, X) or (T, Z, Y, X), with colour last where it has some.
    model, is_colour, spacing, progress
        See `preannotate_stack`.
    """
    progress = progress or Progress()
    config = TrackConfig(spacing=None if spacing is None else tuple(spacing))
    depth = film.ndim - is_colour
    if depth == 4:
        return _film_of_volumes(film, model, is_colour, config, progress)
    limits = sample_limits(len(film), lambda t: np.asarray(film[t]), is_colour)
    steps = Steps("segmenting a film", progress)
    shape = tuple(int(n) for n in film.shape[:3])
    found, frames = np.zeros(shape, np.int32), []
    for t in range(len(film)):
        steps.before(len(film) - t)
        frames.append(
            preannotate(
                np.asarray(film[t]),
                model=model,
                scope=Scope(contrast_limits=limits),
                progress=progress.quiet,
            )
        )
        found[t] = frames[-1].labels
    steps.finish()
    labels = track(found, config=config, progress=progress.quiet).labels
    unsure: dict[int, list[float]] = {}
    for frame, before, after in zip(frames, found, labels, strict=True):
        pairs = np.unique(np.stack([after.ravel(), before.ravel()]), axis=1)
        for number, earlier in pairs.T.tolist():
            if number > 0:
                doubt = frame.objects_uncertainty.get(earlier, frame.uncertainty)
                unsure.setdefault(number, []).append(doubt)
    of_objects = {number: float(np.mean(all_)) for number, all_ in unsure.items()}
    planes = tuple(
        float(np.mean([*frame.objects_uncertainty.values()]))
        if frame.objects_uncertainty
        else 0.0
        for frame in frames
    )
    whole = float(np.mean([frame.uncertainty for frame in frames]))
    return Preannotation(labels, whole, of_objects, planes)


def _film_of_volumes(
    film: Any, model: Predictor, is_colour: bool, config: TrackConfig, steps: Progress
) -> Preannotation:
    """Propose for a film of volumes; of how sure the model is nothing is known."""
    labels = track(
        film,
        model=model,
        config=config,
        channel_axis=-1 if is_colour else None,
        progress=steps,
    ).labels
    return Preannotation(labels, 0.5 if labels.any() else 1.0)
