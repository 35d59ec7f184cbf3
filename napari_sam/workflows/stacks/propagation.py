"""Objects through a volume or a film, from the planes on which they are given.

From each seed an object is followed outward, plane by plane, its last mask being the
next plane's prompt; between two seeds it is followed from both sides, and the ways
are blended. The idea of following an object with the masks of a promptable model is
that of micro-sam (Archit et al., Nature Methods 2025) and of SAM 2's memory, here
without any training on volumes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import PropagationConfig
from napari_sam.inference.image_scale import PROMPT_SCALE_RULE
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.plane_views import whole_embedding
from napari_sam.inference.promptable import identity_of
from napari_sam.ops.roi_and_contrast import require_limits_only
from napari_sam.workflows.growing.plane_following import Track
from napari_sam.workflows.progress import Steps
from napari_sam.workflows.stacks.following_engine import (
    MemoryEngine,
    PromptEngine,
    choose_engine,
)
from napari_sam.workflows.stacks.pixel_ownership import assign_pixels
from napari_sam.workflows.stacks.seeds import Seeds, read_seeds
from napari_sam.workflows.stacks.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs import Direction
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.ops.types import ImageEmbedding
    from napari_sam.workflows.progress import Progress
    from napari_sam.workflows.stacks.following_engine import FollowingEngine
    from napari_sam.workflows.stacks.pixel_ownership import OwnedPatch
    from napari_sam.workflows.stacks.seeds import SeedPatches

__all__ = ["Propagated", "propagate"]


@dataclass(frozen=True, eq=False)
class Propagated:
    """Where objects are in a stack.

    Attributes
    ----------
    stack
        The image, plane by plane.
    planes
        By plane and label: where the object is, how sure that is, and whether it was
        given.
    tracks
        By label, plane of the seed and step: how it was found; for the next run.
    settings
        Scale, contrast limits, configuration and model, which the next run has to
        share.
    """

    stack: Stack
    planes: Mapping[int, Mapping[int, OwnedPatch]]
    tracks: Mapping[tuple[int, int, int], Track]
    settings: tuple[Any, ...]

    @property
    def labels(self) -> NDArray[np.int32]:
        """Labels of the volume's shape, without channels; 0 where no object is."""
        labels = np.zeros(self.stack.labels_shape, np.int32)
        self.write(labels)
        return labels

    @property
    def confidence(self) -> dict[int, dict[int, float]]:
        """By label and plane: how sure it is, 0 to 1; 1 for a seed."""
        found: dict[int, dict[int, float]] = {}
        for plane, present in self.planes.items():
            for label, one in present.items():
                found.setdefault(label, {})[plane] = one.confidence
        return found

    def paint(self, plane: int, beneath: NDArray[Any]) -> NDArray[Any]:
        """Return (H, W) labels of a plane with the objects in them."""
        painted = beneath.copy()
        for label, one in self.planes.get(plane, {}).items():
            part = painted[one.patch.window]
            part[one.patch.mask & ((part == 0) | (part == label))] = label
        return painted

    def write(self, labels: Any) -> None:
        """Write the objects where `labels`, of the volume's shape, are 0.

        Planes are read and written one by one, so that a Zarr array or a memory map
        will do.
        """
        canvas = self.stack.like(labels)
        for plane in self.planes:
            slicer = canvas.place_of(plane).slicer
            labels[slicer] = self.paint(plane, canvas.plane(plane))

    def least_confident(self, known: Sequence[int] = ()) -> list[int]:
        """List planes, that of the lowest confidence of an object first.

        Parameters
        ----------
        known
            Planes to leave out. Those where every object is given are left out.
        """
        worst = {
            plane: min(one.confidence for one in present.values())
            for plane, present in self.planes.items()
            if plane not in known and not all(one.is_seed for one in present.values())
        }
        return sorted(worst, key=lambda plane: (worst[plane], plane))


def propagate(
    volume: Any,
    seeds: Seeds | Mapping[int, ArrayLike] | ArrayLike,
    *,
    model: str | Path | Predictor = "cells",
    config: PropagationConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> Propagated:
    """Follow objects through a volume or a film from the planes where they are given.

    Outward from its first and last seed an object is followed until it is lost:
    until its area or place changes too much from one plane to the next, the model is
    too unsure, it fades in comparison with the planes before, or another object has
    most of its place. Between two seeds it is
    followed from both sides and the masks are blended; where the model is unsure
    there, the shape is interpolated. No object takes a pixel of another or of
    `Seeds.existing`.

    Parameters
    ----------
    volume : (Z, Y, X) array, or Stack
        NumPy, Dask, Zarr or a memory map; it is read one plane at a time. A `Stack`
        says which axis is across the planes, and takes arrays of more axes.
    seeds : dict of (H, W) arrays, array, or Seeds
        (H, W) labels by plane, or labels of the volume's shape, of which the planes
        that hold objects count. The same label on two planes is one object. `Seeds`
        say too what is there already, where an object is known not to be, and what
        an earlier run found.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    config : PropagationConfig, optional
        How objects are followed, in which direction, and how far.
    scope : Scope, optional
        Its contrast limits; those of each plane if None, see `Predictor.embed`.
    channel_axis : int, optional
        The axis of the channels, if the array has one; a `Stack` has its own.
    progress : Progress, optional
        Steps are planes, which grow fewer where objects are lost.

    Returns
    -------
    Propagated
        With `labels`, of the volume's shape, and `confidence` by label and plane.

    Raises
    ------
    ValueError
        If an argument is not as described, or there is no object in the seeds.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    segment_volume : All objects of a volume, without seeds.
    track : Objects of a film, with divisions.

    References
    ----------
    Archit et al., Segment Anything for Microscopy, Nature Methods 22, 2025; Ravi et
    al., SAM 2, 2024.

    Examples
    --------
    >>> import napari_sam
    >>> volume = napari_sam.load_sample("nuclei_3d")[14:17, :96, :96]
    >>> seeds = {1: napari_sam.segment(volume[1])}
    >>> found = napari_sam.propagate(volume, seeds)
    >>> found.labels.shape == volume.shape
    True

    With a seed of another plane, of which only the way to it is followed anew:

    >>> seeds[2] = found.labels[2]
    >>> more = napari_sam.Seeds(seeds, previous=found)
    >>> again = napari_sam.propagate(volume, more)
    """
    limits = require_limits_only(scope, "propagate")
    config = PropagationConfig() if config is None else config
    known = seeds if isinstance(seeds, Seeds) else Seeds(seeds)
    stack = Stack.of(volume, channel_axis)
    existing = None
    if known.existing is not None:
        existing = stack.like(known.existing, "existing labels")
    bounds = _check_bounds(config.until, len(stack))
    given = read_seeds(stack, known.labels)
    sam = as_predictor(model)
    settings = _settings(sam, stack, given, config, limits, known.previous)
    kept = _kept(known.previous, stack, settings, given)
    anew = choose_engine(sam, config) == "memory"
    tracks = _plan(given, bounds, config.direction, known.absent, kept, anew)
    steps = Steps("the propagation", progress)
    _follow(sam, stack, tracks, settings, steps, given)
    followed = {key: track for key, (track, _) in tracks.items()}
    planes = assign_pixels(
        given,
        followed,
        bounds,
        known.absent,
        stack.plane_shape,
        config,
        lambda plane: None if existing is None else existing.plane(plane),
    )
    steps.finish()
    return Propagated(stack, planes, {**kept, **followed}, settings)


def _check_bounds(until: tuple[int, int] | None, count: int) -> tuple[int, int]:
    if until is None:
        return 0, count - 1
    first, last = (int(n) for n in until)
    if not 0 <= first <= last < count:
        raise ValueError(
            f"until must be a first and a last plane of 0 to {count - 1}, got {until}"
        )
    return first, last


def _settings(
    sam: PromptableModel,
    stack: Stack,
    seeds: SeedPatches,
    config: PropagationConfig,
    limits: tuple[float, float] | None,
    previous: Propagated | None,
) -> tuple[Any, ...]:
    """Return (scale, limits, configuration, model); the scale of before stays.

    How far and in which direction objects are followed is no part of them.
    """
    scale: float | str | None = config.scale
    if choose_engine(sam, config) == "memory":
        scale = "whole"
    elif scale is None and previous is not None:
        scale = previous.settings[0]
    if scale is None:
        areas = [patch.area for own in seeds.values() for patch in own.values()]
        scale = PROMPT_SCALE_RULE.scale(areas, sam.frame_size / max(stack.plane_shape))
    way = config.model_copy(update={"until": None, "direction": "both"})
    return scale, limits, way, identity_of(sam)


def _kept(
    previous: Propagated | None,
    stack: Stack,
    settings: tuple[Any, ...],
    seeds: SeedPatches,
) -> dict[tuple[int, int, int], Track]:
    """Return the tracks of an earlier run that hold for this one."""
    if previous is None or previous.settings != settings:
        return {}
    before = previous.stack
    same = (before.index, before.axis, before.array.shape) == (
        (stack.index, stack.axis, stack.array.shape)
    )
    if not same:
        return {}
    return {
        (label, start, step): track
        for (label, start, step), track in previous.tracks.items()
        if start in seeds.get(label, {})
        and track.starts_at(seeds[label][start])
        and track.remembers(seeds[label])
    }


def _plan(
    seeds: SeedPatches,
    bounds: tuple[int, int],
    direction: Direction,
    absent: Mapping[int, Collection[int]],
    kept: Mapping[tuple[int, int, int], Track],
    anew: bool = False,
) -> dict[tuple[int, int, int], tuple[Track, int]]:
    """Return each track with the last plane that it is to reach.

    `anew`: tracks remember all seeds of their object, and what they remembered on
    their way is gone: one that does not reach far enough begins again.
    """
    plan = {}
    for label, own in seeds.items():
        at = sorted(own)
        for i, start in enumerate(at):
            below = at[i - 1] + 1 if i else bounds[0]
            above = at[i + 1] - 1 if i + 1 < len(at) else bounds[1]
            if not i and direction == "forward":
                below = start
            if i + 1 == len(at) and direction == "backward":
                above = start
            gone = absent.get(label, ())
            above = min([above, bounds[1], *(p - 1 for p in gone if p > start)])
            below = max([below, bounds[0], *(p + 1 for p in gone if p < start)])
            for step, last in ((1, above), (-1, below)):
                if (last - start) * step <= 0:
                    continue
                old = kept.get((label, start, step))
                if old and not (anew and not old.covers(last)):
                    track = old.copy()
                else:
                    track = Track(label, start, step, own[start])
                    track.remembered = dict(own) if anew else None
                plan[label, start, step] = track, last
    return plan


def _follow(
    sam: PromptableModel,
    stack: Stack,
    plan: Mapping[tuple[int, int, int], tuple[Track, int]],
    settings: tuple[Any, ...],
    steps: Steps,
    seeds: SeedPatches,
) -> None:
    """Take all tracks as far as they go; each sweep embeds a plane once."""
    scale, limits, config, _ = settings

    def embed(image: NDArray[Any]) -> PlaneEmbedding:
        embedding: PlaneEmbedding = sam.embed(
            image,
            scale=scale,
            contrast_limits=limits,
            is_cancelled=steps.is_cancelled,
        )
        return embedding

    def embed_whole(plane: int) -> ImageEmbedding:
        return whole_embedding(embed(stack.plane(plane)))

    engine: FollowingEngine = PromptEngine(sam, config)
    if choose_engine(sam, config) == "memory":
        engine = MemoryEngine(sam, config, len(stack), seeds, embed_whole)
    for step in (1, -1):
        while True:
            left = [(t, last) for t, last in plan.values() if not t.covers(last)]
            here = [track for track, _ in left if track.step == step]
            if not here:
                break
            plane = min((track.reach + step) * step for track in here) * step
            steps.before(_count_planes(left))
            image = stack.plane(plane)
            some = [track for track in here if track.reach + step == plane]
            engine.advance(embed(image), image, some)


def _count_planes(left: Sequence[tuple[Track, int]]) -> int:
    """Count the planes that are to be embedded, at the most."""
    planes: set[tuple[int, int]] = set()
    for track, last in left:
        ahead = range(track.reach + track.step, last + track.step, track.step)
        planes.update((track.step, plane) for plane in ahead)
    return len(planes)
