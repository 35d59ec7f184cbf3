"""Fine-tuning of the scorer that chooses objects, on what a fine-tuned model sees.

A model that learned from a user's images draws other maps than the one it began as,
and what the user labelled says which of the objects in them are wanted. So the scorer
that ships goes on learning from the candidates in those maps. There are few of them,
so it is drawn back to what it was (L2-SP, Li et al. 2018).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam.checkpoints.instance_scorer_weights import load_instance_scorer
from napari_sam.configs import InstanceConfig
from napari_sam.inference.plane_views import PlaneView
from napari_sam.ops.plane_candidates import (
    THRESHOLDS,
    PlaneCandidates,
    find_in_plane,
)
from napari_sam.workflows.objects.instance_choice import plane_content
from napari_sam.workflows.objects.instances import look_at_plane
from napari_sam.workflows.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.model.candidate_scorer import CandidateScorer
    from napari_sam.ops.types import IsCancelled
    from napari_sam.training.labelled_images import Source

__all__ = [
    "SeenPlane",
    "best_ious",
    "scorer_for_labels",
    "see_planes",
    "tune_instance_scorer",
]

_STEPS = 300
_RATE = 1e-3
_BATCH = 512
_ANCHOR = 0.01
"""Weight of the squared distance from the weights at the start, for each perceptron."""

_MOST_IMAGES = 16
_MOST_PIXELS = 768
"""Of larger images a part of this side is seen,"""
_MOST_FRAMES = 2.4
"""or one of so many frames, if it is looked at closely."""
_LEAST_PIXELS = 64

_SMALL = 48.0
"""Frame pixels across to which small objects are enlarged."""


@dataclass(frozen=True, eq=False)
class SeenPlane:
    """What may be the objects of a labelled plane.

    Attributes
    ----------
    candidates
        Found in the maps of the model.
    ious
        (N,) float32, of each the best IoU with a labelled object.
    """

    candidates: PlaneCandidates
    ious: NDArray[np.float32]


def best_ious(
    candidates: PlaneCandidates, labels: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Return (N,) the best IoU of each candidate with an object of (H, W) labels."""
    tree, level = candidates.tree, candidates.level
    _, truth = np.unique(np.append(0, labels), return_inverse=True)
    truth = truth[1:].reshape(labels.shape)
    sizes = np.bincount(truth.ravel())
    shape = tree.count, len(THRESHOLDS) + 1, len(sizes)
    on = level > 0
    cells = np.ravel_multi_index((tree.basins[on] - 1, level[on], truth[on]), shape)
    names, counts = np.unique(cells, return_counts=True)
    shared = np.zeros((tree.count + len(tree.joined), *shape[1:]), np.float32)
    shared[np.unravel_index(names, shape)] = counts
    shared = shared[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    for region, (one, other) in enumerate(tree.joined.tolist(), tree.count):
        shared[region] = shared[one] + shared[other]
    mine = shared[candidates.region, candidates.threshold]
    union = mine.sum(axis=1)[:, None] + sizes - mine
    ious = (mine / np.maximum(union, 1))[:, 1:].max(axis=1, initial=0)
    return np.asarray(ious, np.float32)


def scorer_for_labels(
    model: Predictor, sources: Sequence[Source], is_cancelled: IsCancelled | None = None
) -> CandidateScorer | None:
    """Return a scorer that has learned which of the objects in sight are labelled.

    Parameters
    ----------
    model, sources, is_cancelled
        See `see_planes`.

    Returns
    -------
    CandidateScorer or None
        It began as the one that ships; None where nothing may be an object.

    Raises
    ------
    Cancelled
        If it was asked to stop.
    """
    seen = see_planes(model, sources, is_cancelled)
    if not seen:
        return None
    return tune_instance_scorer(load_instance_scorer().head, seen)


def see_planes(
    model: Predictor, sources: Sequence[Source], is_cancelled: IsCancelled | None = None
) -> list[SeenPlane]:
    """Look at labelled images as a search for instances does.

    Parameters
    ----------
    model
        The fine-tuned model.
    sources
        Images of which all objects are labelled; at most 16 are looked at, and of
        large ones a part.
    is_cancelled
        Asked at each tile.

    Returns
    -------
    list of SeenPlane
        One for each image in which anything may be an object.

    Raises
    ------
    Cancelled
        If it was asked to stop.
    """
    rng = np.random.default_rng(0)
    count = min(len(sources), _MOST_IMAGES)
    seen = []
    for number in (i * len(sources) // count for i in range(count)):
        source = sources[number]
        image, labels = source.read()
        limits = getattr(source, "contrast_limits", None)
        limits = PlaneView.of(image, model.frame_size, limits).contrast_limits
        at = _part(labels.shape, model, rng)
        view = PlaneView.of(np.asarray(image)[at], model.frame_size, limits)
        steps = Steps("the last step", Progress(is_cancelled=is_cancelled))
        maps, scale = look_at_plane(model, view, InstanceConfig(), steps)
        content = plane_content(view, scale, model.map_stride)
        candidates = find_in_plane(maps, content)
        if len(candidates):
            seen.append(SeenPlane(candidates, best_ious(candidates, labels[at])))
    return seen


def _part(
    shape: tuple[int, ...], model: Predictor, rng: np.random.Generator
) -> tuple[slice, slice]:
    """Choose the part of a plane that is looked at."""
    scale = max(1.0, _SMALL / (model.object_size or _SMALL))
    side = _MOST_FRAMES * model.frame_size / scale
    side = round(np.clip(side, _LEAST_PIXELS, _MOST_PIXELS))
    starts = [int(rng.integers(0, max(0, n - side) + 1)) for n in shape]
    rows, columns = (slice(start, start + side) for start in starts)
    return rows, columns


def tune_instance_scorer(
    start: CandidateScorer, seen: Sequence[SeenPlane]
) -> CandidateScorer:
    """Return a scorer that went on learning from the candidates of some planes.

    Planes weigh as the square roots of their numbers of candidates. The same planes
    give the same scorer.

    Parameters
    ----------
    start
        The scorer to begin with, which is left as it is.
    seen
        Planes, one at least.
    """
    scorer = copy.deepcopy(start).train()
    measures = torch.from_numpy(np.concatenate([s.candidates.measures for s in seen]))
    ious = torch.from_numpy(np.concatenate([s.ious for s in seen]))
    weights = np.concatenate([np.full(len(s.ious), len(s.ious) ** -0.5) for s in seen])
    upto = torch.from_numpy(weights).cumsum(dim=0)
    anchors = [value.detach().clone() for value in scorer.parameters()]
    optimizer = torch.optim.Adam(scorer.parameters(), _RATE)
    random = torch.Generator().manual_seed(0)
    values = list(scorer.parameters())
    for _ in range(_STEPS):
        drawn = torch.rand(_BATCH, dtype=torch.float64, generator=random) * upto[-1]
        some = torch.searchsorted(upto, drawn).clamp(max=len(ious) - 1)
        off = torch.sigmoid(scorer(measures[some])) - ious[some, None]
        moved = torch.stack(
            [((a - b) ** 2).sum() for a, b in zip(values, anchors, strict=True)]
        ).sum()
        loss = (off**2).mean() + _ANCHOR / len(scorer.members) * moved
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return scorer.eval()
