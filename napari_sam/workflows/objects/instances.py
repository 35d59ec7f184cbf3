"""Every object of an image at once, from a model's dense head.

How the head's maps become objects is told in `napari_sam.ops.watershed`.
Here small objects are looked at twice: first the image is seen as a whole; where its
objects turn out small in the model's frame, overlapping tiles are seen larger, their
maps are blended, and one watershed goes over all. How closely to look where hardly
anything is seen as a whole is told in `napari_sam.inference.image_scale`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.configs import InstanceConfig
from napari_sam.inference.dense_maps import explain_no_maps
from napari_sam.inference.image_scale import DENSE_SCALE_RULE, areas_in_one_tile
from napari_sam.inference.tiling import TILE_OVERLAP, blend_weights
from napari_sam.inference.views import PlaneView
from napari_sam.ops.scope import Scope
from napari_sam.ops.watershed import Instances, maps_to_instances
from napari_sam.workflows.objects.point_grids import check_exclude, check_roi
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.views import PlaneEmbedding
    from napari_sam.ops.types import Box
    from napari_sam.workflows.progress import Progress

__all__ = ["Instances", "blended_maps", "find_instances", "measure_objects"]

_DEFAULT = InstanceConfig()


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
    """See the plane as a whole, and if its objects are small, tile by tile."""
    scale = config.scale
    if scale is None:
        found, scale = _look(sam, view, config, steps)
        if scale == view.whole_scale and config.looks == 1:
            return found
    maps = blended_maps(sam, view, config, scale, inside, steps)
    seen_at = max(scale, view.whole_scale)
    return maps_to_instances(maps, config, seen_at, sam.map_stride)


def _look(
    sam: Predictor, view: PlaneView, config: InstanceConfig, steps: Steps
) -> tuple[Instances, float]:
    """See the plane as a whole; return what is found, and how closely to look."""
    once = config.model_copy(update={"looks": 1})
    maps = _blend(sam, view, [view.plane], None, once, steps)
    found = maps_to_instances(maps, config, view.whole_scale, sam.map_stride)
    return found, _scale_for(sam, view, found, config, steps)


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
    found, scale = _look(sam, view, config, steps)
    return found, scale if config.scale is None else config.scale


def blended_maps(
    sam: Predictor,
    view: PlaneView,
    config: InstanceConfig,
    scale: float,
    inside: NDArray[np.bool_] | None,
    steps: Steps,
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
    """
    return _blend(sam, view, view.tiles_at(scale), inside, config, steps)


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
    tiles: Sequence[Box],
    inside: NDArray[np.bool_] | None,
    config: InstanceConfig,
    steps: Steps,
) -> NDArray[np.float32]:
    """Dense maps of the plane from those of tiles; outside of all, background."""
    if inside is not None:
        tiles = [t for t in tiles if inside[t[0] : t[2], t[1] : t[3]].any()]
    maps = np.zeros((3, *view.shape), np.float32)
    total = np.zeros(view.shape, np.float32)
    for number, tile in enumerate(tiles):
        steps.before(len(tiles) - number)
        part = sam.dense_maps(view.embed(sam, tile, steps.is_cancelled), config.level)
        if config.looks > 1:
            turned = view.embed(sam, tile, steps.is_cancelled, turned=True)
            part += sam.dense_maps(turned, config.level)[:, ::-1, ::-1]
            part /= 2
        if tile == view.plane:
            return part
        ramp = max(1, round(TILE_OVERLAP / 2 * max(part.shape) / view.frame_size))
        weight = blend_weights(tile, view.shape, ramp)
        at = (slice(tile[0], tile[2]), slice(tile[1], tile[3]))
        maps[:, *at] += part * weight
        total[at] += weight
    unseen = total == 0
    maps /= np.where(unseen, 1, total)
    maps[1:, unseen] = 1
    return maps
