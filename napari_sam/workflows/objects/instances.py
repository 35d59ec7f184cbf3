"""Every object of an image at once, from a model's dense head.

How the head's maps become objects is told in `napari_sam.ops.watershed`.
Here small objects are looked at twice: first the image is seen as a whole; where its
objects turn out small in the model's frame, overlapping tiles are seen larger, their
maps are blended, and one watershed goes over all. How closely to look where hardly
anything is seen as a whole is told in `napari_sam.inference.image_scale`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.configs import InstanceConfig
from napari_sam.inference.dense_maps import explain_no_maps, sees_nuclei
from napari_sam.inference.empty_regions import ContentMap
from napari_sam.inference.image_scale import DENSE_SCALE_RULE, areas_in_one_tile
from napari_sam.inference.plane_views import PlaneView
from napari_sam.inference.tiling import TILE_OVERLAP, blend_weights, tile_least
from napari_sam.ops.nuclei_in_cells import nuclei_of
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.ops.watershed import Instances, maps_to_instances
from napari_sam.workflows.objects.image_kind import settled_config
from napari_sam.workflows.objects.instance_choice import part_plane
from napari_sam.workflows.objects.point_grids import check_exclude, check_roi
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import Box
    from napari_sam.workflows.progress import Progress

__all__ = [
    "Instances",
    "blended_maps",
    "find_instances",
    "look_at_plane",
    "measure_objects",
]

_DEFAULT = InstanceConfig()

_MEASURED_SIDE = 1024
"""Pixels across at which the sizes of objects are measured in a plane as a whole."""


def find_instances(
    image: ArrayLike | PlaneEmbedding,
    *,
    model: Predictor,
    config: InstanceConfig = _DEFAULT,
    scope: Scope | None = None,
    progress: Progress | None = None,
) -> Instances:
    """Find every object of an image by the model's dense head.

    Parameters
    ----------
    image
        (H, W) or (H, W, 1 to 4), see `Predictor.embed`; or its embedding, which is
        never tiled.
    model
        A model with a dense head, such as "cells".
    config
        Thresholds, scale, and how often to look.
    scope
        Objects whose deepest point lies outside `roi` are left out, and tiles that do
        not touch it are not computed. Objects with more than half of their pixels
        where `exclude` is not 0 are left out.
    progress
        Steps are tiles.

    Raises
    ------
    ValueError
        If an argument is not as described, the model has no dense head, or an
        embedding is to be looked at twice; before any work.
    Cancelled
        If `progress.is_cancelled` answered True.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")[:128, :128]
    >>> found = find_instances(image, model=napari_sam.load_model("cells"))
    >>> found.labels.shape == image.shape, len(found) == len(found.scores)
    (True, True)
    """
    if not model.has_dense_head:
        raise ValueError(explain_no_maps(model.name, "it finds no instances by itself"))
    scope = scope or Scope()
    view = PlaneView.of(image, model.frame_size, scope.contrast_limits)
    roi, exclude = scope.roi, scope.exclude
    inside = None if roi is None else check_roi(roi, view.shape)
    occupied = None if exclude is None else check_exclude(exclude, view.shape)
    if config.looks > 1 and not view.has_parts:
        raise ValueError("an embedding can not be looked at twice; give the image")
    steps = Steps("the search for instances", progress)
    config = settled_config(config, model, [view], steps.is_cancelled)
    found = _find(model, view, config, inside, steps)
    steps.finish()
    good = np.ones(len(found), np.bool_)
    if inside is not None:
        good &= inside[found.points[:, 0], found.points[:, 1]]
    if occupied is not None:
        covered = np.bincount(found.labels.ravel(), occupied.ravel(), len(found) + 1)
        good &= covered[1:] <= found.areas / 2
    return found.keep(good)


def _find(
    sam: Predictor,
    view: PlaneView,
    config: InstanceConfig,
    inside: NDArray[np.bool_] | None,
    steps: Steps,
) -> Instances:
    has_choice = config.level == "nuclei" and sees_nuclei(sam)
    shown = config.model_copy(update={"level": "cells"}) if has_choice else config
    maps, scale = look_at_plane(sam, view, shown, steps, inside)
    whole = part_plane(maps, view, shown, scale, sam)
    if not has_choice:
        return whole
    maps = blended_maps(sam, view, config, scale, inside, steps, maps[0])
    return nuclei_of(whole, part_plane(maps, view, config, scale, sam), maps)


def look_at_plane(
    sam: Predictor,
    view: PlaneView,
    config: InstanceConfig,
    steps: Steps,
    inside: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], float]:
    """See the plane as a whole, and if its objects are small, tile by tile.

    Parameters
    ----------
    sam, view, config, steps, inside
        As for `blended_maps`.

    Returns
    -------
    maps
        (3, H, W) dense maps.
    scale
        Frame pixels per pixel at which they were made.
    """
    scale, seen = config.scale, None
    if scale is None:
        seen = _see_whole(sam, view, config, steps)
        found = _part_reduced(sam, view, seen, config)
        scale = _scale_for(sam, view, found, config, steps)
        if scale == view.whole_scale and config.looks == 1:
            return seen, scale
    foreground = None if seen is None else seen[0]
    maps = blended_maps(sam, view, config, scale, inside, steps, foreground)
    return maps, max(scale, view.whole_scale)


def _see_whole(
    sam: Predictor, view: PlaneView, config: InstanceConfig, steps: Steps
) -> NDArray[np.float32]:
    """Return the maps of the plane as it is seen as a whole, once."""
    once = config.model_copy(update={"looks": 1})
    return _blend(sam, view, [([view.plane], view.frame_size)], once, steps)


def _part_reduced(
    sam: Predictor, view: PlaneView, maps: NDArray[np.float32], config: InstanceConfig
) -> Instances:
    """Part the maps of a shrunken plane, at fewer pixels where there are many.

    What is found says how large the objects are, not where: a large plane is seen in
    far fewer pixels than it has.

    Returns
    -------
    Instances
        Their areas are in pixels of the plane; all else is in those that were used.
    """
    step = max(1, max(view.shape) // _MEASURED_SIDE)
    if step == 1:
        return maps_to_instances(maps, config, view.whole_scale, sam.map_stride)
    fewer = config.model_copy(update={"min_area": round(config.min_area / step**2)})
    scale = view.whole_scale * step
    found = maps_to_instances(maps[:, ::step, ::step], fewer, scale, sam.map_stride)
    return replace(found, areas=found.areas * step**2)


def measure_objects(
    sam: Predictor, view: PlaneView, config: InstanceConfig, steps: Steps
) -> tuple[Instances, float]:
    """Return the objects of a plane seen as a whole, and how closely to look at it.

    Parameters
    ----------
    sam
        A model with a dense head.
    view
        The plane.
    config
        Its `scale` is taken where it is given.
    steps
        Told of each tile.

    Returns
    -------
    Instances
        What was found.
    float
        Frame pixels per pixel; see `find_instances`.
    """
    maps = _see_whole(sam, view, config, steps)
    found = maps_to_instances(maps, config, view.whole_scale, sam.map_stride)
    scale = _scale_for(sam, view, found, config, steps)
    return found, scale if config.scale is None else config.scale


def blended_maps(
    sam: Predictor,
    view: PlaneView,
    config: InstanceConfig,
    scale: float,
    inside: NDArray[np.bool_] | None,
    steps: Steps,
    seen: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return (3, H, W) dense maps of a plane as it is seen at a scale.

    Parameters
    ----------
    sam, view, config, steps
        As for `measure_objects`.
    scale
        Frame pixels per pixel.
    inside
        (H, W) bool: tiles that do not touch it are not computed.
    seen
        (H, W) foreground of the plane as it was seen as a whole: tiles in which
        neither that nor the image shows anything are not looked at again; see
        `napari_sam.inference.empty_regions`.
    """
    if scale <= view.whole_scale or not view.has_parts:
        return _blend(sam, view, [([view.plane], view.frame_size)], config, steps)
    content = None if seen is None else ContentMap(view, seen)
    laid = _lay(view.shape, sam.map_frames, scale, inside, content)
    return _blend(sam, view, laid, config, steps)


def _lay(
    shape: tuple[int, int],
    frames: Sequence[int],
    scale: float,
    inside: NDArray[np.bool_] | None,
    content: ContentMap | None,
) -> list[tuple[list[Box], int]]:
    """Lay tiles over a plane, or only where it shows something: what costs less.

    Returns
    -------
    list of (tiles, frame_size)
        Which tiles are seen in which frame.
    """

    def is_wanted(tile: Box) -> bool:
        top, left, bottom, right = tile
        if inside is not None and not inside[top:bottom, left:right].any():
            return False
        return content is None or content.is_in(tile)

    everywhere = [tile_least(shape, frames, scale, is_wanted)]
    if content is None or len(frames) == 1:
        return everywhere
    margin = math.ceil(TILE_OVERLAP / 2 / scale)
    around = []
    for part in content.parts(margin, math.ceil(frames[0] / scale)):
        size = part[2] - part[0], part[3] - part[1]
        tiles, frame = tile_least(size, frames, scale)
        moved = [
            (t[0] + part[0], t[1] + part[1], t[2] + part[0], t[3] + part[1])
            for t in tiles
        ]
        around.append((list(filter(is_wanted, moved)), frame))
    return min(everywhere, around, key=_cost)


def _cost(laid: Sequence[tuple[Sequence[Box], int]]) -> int:
    """Count the pixels of all frames."""
    return sum(len(tiles) * frame**2 for tiles, frame in laid)


def _scale_for(
    sam: Predictor,
    view: PlaneView,
    found: Instances,
    config: InstanceConfig,
    steps: Steps,
) -> float:
    """Choose the scale by the objects that are seen in the plane as a whole."""
    rule = DENSE_SCALE_RULE.with_sizes(config.small_object, config.wanted_object)
    if rule.small == 0 or not view.has_parts:
        return view.whole_scale

    def before() -> None:
        steps.before(1)

    small = areas_in_one_tile(sam, view, found, before, config, steps.is_cancelled)
    return rule.scale(found.areas if small is None else small, view.whole_scale)


def _blend(
    sam: Predictor,
    view: PlaneView,
    laid: Sequence[tuple[list[Box], int]],
    config: InstanceConfig,
    steps: Steps,
) -> NDArray[np.float32]:
    """Dense maps of the plane from those of tiles; outside of all, background."""
    maps = np.zeros((3, *view.shape), np.float32)
    total = np.zeros(view.shape, np.float32)
    left = sum(len(tiles) for tiles, _ in laid)
    for some, frame_size in _batches(laid, sam.encoder.batch_size):
        for number in range(len(some)):
            steps.before(left - number)
        left -= len(some)
        parts = _maps_of(sam, view, some, frame_size, config, steps)
        if some == [view.plane]:
            return parts[0]
        for tile, part in zip(some, parts, strict=True):
            ramp = max(1, round(TILE_OVERLAP / 2 * max(part.shape[1:]) / frame_size))
            weight = blend_weights(tile, view.shape, ramp)
            at = (slice(tile[0], tile[2]), slice(tile[1], tile[3]))
            maps[:, *at] += part * weight
            total[at] += weight
    unseen = total == 0
    maps /= np.where(unseen, 1, total)
    maps[1:, unseen] = 1
    return maps


def _batches(
    laid: Sequence[tuple[list[Box], int]], size: int
) -> Iterator[tuple[list[Box], int]]:
    """Yield so many tiles at a time as are embedded together, and their frame."""
    for tiles, frame_size in laid:
        for start in range(0, len(tiles), size):
            yield tiles[start : start + size], frame_size


def _maps_of(
    sam: Predictor,
    view: PlaneView,
    tiles: Sequence[Box],
    frame_size: int,
    config: InstanceConfig,
    steps: Steps,
) -> list[NDArray[np.float32]]:
    """Dense maps of some tiles, of each from one look or two."""
    own = frame_size == view.frame_size
    if list(tiles) == [view.plane] and own:  # it may be embedded already
        shown = [view.embed(sam, view.plane, steps.is_cancelled)]
    else:
        shown = view.embed_parts(sam, tiles, frame_size, steps.is_cancelled)
    maps = [sam.dense_maps(one, config.level) for one in shown]
    if config.looks > 1:
        again = view.embed_parts(
            sam, tiles, frame_size, steps.is_cancelled, turned=True
        )
        for part, one in zip(maps, again, strict=True):
            part += sam.dense_maps(one, config.level)[:, ::-1, ::-1]
            part /= 2
    return maps
