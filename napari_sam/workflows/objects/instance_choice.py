"""The objects of a plane, chosen among candidates or parted by one watershed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.configs import InstanceConfig
from napari_sam.configs.image_kinds import for_kind
from napari_sam.inference.instance_scorers import scorer_for
from napari_sam.inference.volume_features import candidate_scores
from napari_sam.ops.plane_candidates import (
    PlaneCandidates,
    choose_in_plane,
    find_in_plane,
)
from napari_sam.ops.plane_measures import PlaneContent
from napari_sam.ops.watershed import Instances, maps_to_instances, measure_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.plane_views import PlaneView
    from napari_sam.inference.predictor import Predictor
    from napari_sam.model.candidate_scorer import CandidateScorer

__all__ = ["expected_ious", "part_plane", "plane_content"]

_DEFAULT = InstanceConfig()

_WATERSHED = ("foreground_thresh", "seed_depth", "smoothing")
"""Who sets one of these wants that watershed."""

_PARTED_BETTER = ("membranes", "organelles")
"""Kinds of images whose own watershed parts them better than the scorer chooses."""

_TRUST = 0.06
"""So much more IoU is expected of what one watershed would take for an object."""


def part_plane(
    maps: NDArray[np.float32],
    view: PlaneView,
    config: InstanceConfig,
    scale: float,
    model: Predictor,
) -> Instances:
    """Part the foreground of a plane into objects.

    Parameters
    ----------
    maps
        (3, H, W) as from `Predictor.dense_maps`.
    view
        The plane.
    config
        Says how; see `InstanceConfig.parting`.
    scale
        Frame pixels per pixel at which the maps were made.
    model
        The model that made them.
    """
    scorer = scorer_for(model) if _is_chosen(config, view) else None
    if scorer is None:
        return maps_to_instances(maps, config, scale, model.map_stride)
    content = plane_content(view, scale, model.map_stride)
    return _chosen(maps, content, config, scorer)


def _is_chosen(config: InstanceConfig, view: PlaneView) -> bool:
    """Whether a scorer is to choose: nobody said how to part what is seen."""
    if config.parting == "watershed" or view.image is None:
        return False
    if config.kind in _PARTED_BETTER or config.level == "nuclei":
        return False
    usual = for_kind(_DEFAULT, config.kind)
    return all(getattr(config, n) == getattr(usual, n) for n in _WATERSHED)


def plane_content(view: PlaneView, scale: float, map_stride: float) -> PlaneContent:
    """Return a plane with its image from 0 to 1, within the contrast limits."""
    if view.image is None or view.contrast_limits is None:
        raise ValueError("the plane has to come with its image")
    low, high = view.contrast_limits
    image = np.asarray(view.image)
    if image.ndim == 3:
        image = image[..., :3] if image.shape[2] > 2 else image.mean(axis=-1)
    shown = image.astype(np.float32)
    if image.dtype.kind == "f":
        np.nan_to_num(shown, copy=False, nan=low, posinf=high, neginf=low)
    shown -= low
    shown /= max(high - low, 1e-6)
    np.clip(shown, 0, 1, out=shown)
    return PlaneContent(shown, scale, map_stride)


def expected_ious(
    candidates: PlaneCandidates, scorer: CandidateScorer
) -> NDArray[np.float32]:
    """Return (N,) the IoU that is expected of candidates, in [0, 1]."""
    scores = candidate_scores(scorer, candidates.measures)
    trust = np.where(candidates.likely, _TRUST, 0).astype(np.float32)
    expected: NDArray[np.float32] = np.minimum(scores + trust, 1)
    return expected


def _chosen(
    maps: NDArray[np.float32],
    content: PlaneContent,
    config: InstanceConfig,
    scorer: CandidateScorer,
) -> Instances:
    """Choose among candidates those that a scorer thinks most of.

    Confidence is a power of the IoU that is expected of an object: one that is just
    worth to be taken has the default of `InstanceConfig.confidence_thresh`.
    """
    worth = scorer.config.worth
    power = math.log(_DEFAULT.confidence_thresh) / math.log(worth)
    candidates = find_in_plane(maps, content, config.min_area)
    scores = expected_ious(candidates, scorer)
    least = config.confidence_thresh ** (1 / power)
    labels, chosen = choose_in_plane(candidates, scores, min(least, worth), worth)
    found = measure_labels(labels, maps, content.scale, scores[chosen] ** power)
    good = found.areas >= max(1, config.min_area)
    return found.keep(good & (found.scores >= config.confidence_thresh))
