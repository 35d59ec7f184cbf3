"""What a volume head sees of a volume, and what it says of its voxels."""

from __future__ import annotations

from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage

from napari_sam.ops.candidate_measures import SHAPE_MEASURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.model.candidate_scorer import CandidateScorer
    from napari_sam.model.volume_head import VolumeHead
    from napari_sam.ops.types import IsCancelled
    from napari_sam.ops.volume_candidates import VolumeCandidates

__all__ = [
    "candidate_extents",
    "candidate_scores",
    "maps_in_3d",
    "object_scores",
    "volume_features",
]

_SIGMAS = (1.0, 2.0, 4.0, 7.0)
_WIDE = (7.0, 12.0, 12.0)
"""Sizes of the Gaussian filters, in voxels."""

_DIM = 30.0
"""How much more is seen of dark voxels."""

_PART = (48, 256, 256)
_HALO = (16, 32, 32)
"""So much of a volume is looked at at once, and so much around it, in voxels."""

_AT_ONCE = 200_000
"""Voxels that are judged at once."""


def volume_features(
    image: NDArray[np.float32], maps: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Return what is known of each voxel.

    Parameters
    ----------
    image
        (Z, Y, X) from 0, black, to 1, white.
    maps
        (3, Z, Y, X) of the planes, see `Predictor.dense_maps`; None if nothing is known
        of them.

    Returns
    -------
    (features, Z, Y, X) float32
    """
    dim = (np.log1p(_DIM * image) / np.log1p(_DIM)).astype(np.float32)
    blurred = [_blurred(dim, sigma) for sigma in _SIGMAS]
    found = [dim, *blurred, *(one - two for one, two in pairwise(blurred))]
    found += [_blurred(image, sigma) for sigma in _SIGMAS[:3]]
    found.append(_blurred(dim, _WIDE))
    spread = _blurred(dim * dim, 4.0) - blurred[2] ** 2
    found.append(np.sqrt(np.maximum(spread, 0)))
    for sigma in (1.5, 3.0):
        found += _slopes(_blurred(dim, sigma), sigma)
    known = maps is not None
    told = np.zeros((3, *image.shape), np.float32) if maps is None else maps
    inside, away = told[0], (told[1] + told[2]) / 2
    smooth = [_blurred(away, sigma) for sigma in ((1.0, 0.5, 0.5), 1.5, 3.0)]
    found += [inside, told[1], told[2]]
    found += [_blurred(inside, sigma) for sigma in ((1.0, 0.5, 0.5), 1.5, 3.0)]
    found += [*smooth, *(one - two for one, two in pairwise(smooth))]
    found.append(np.full_like(image, float(known)))
    return np.stack(found).astype(np.float32, copy=False)


def _blurred(
    values: NDArray[np.float32], sigma: float | tuple[float, ...]
) -> NDArray[np.float32]:
    blurred: NDArray[np.float32] = ndimage.gaussian_filter(
        values, sigma, truncate=3.0, mode="nearest"
    )
    return blurred


def _slopes(values: NDArray[np.float32], sigma: float) -> list[NDArray[np.float32]]:
    """Return the gradient's length, and the curvature along z and within planes."""
    steps = [_gradient(values, axis) for axis in range(3)]
    length = np.sqrt(steps[0] ** 2 + steps[1] ** 2 + steps[2] ** 2)
    bends = [_gradient(step, axis) for axis, step in enumerate(steps)]
    return [length * sigma, bends[0] * sigma**2, (bends[1] + bends[2]) * sigma**2]


def _gradient(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return the slope along an axis; 0 where there is a single voxel."""
    if values.shape[axis] < 2:
        return np.zeros_like(values)
    slope: NDArray[np.float32] = np.gradient(values, axis=axis)
    return slope


def maps_in_3d(
    head: VolumeHead,
    image: NDArray[np.float32],
    maps: NDArray[np.float32],
    is_cancelled: IsCancelled | None = None,
    *,
    part: tuple[int, int, int] = _PART,
    halo: tuple[int, int, int] = _HALO,
) -> NDArray[np.float32]:
    """Say of every voxel what is said of pixels in planes, with all around it in view.

    Parameters
    ----------
    head
        In float32 on the CPU.
    image, maps
        See `volume_features`.
    is_cancelled
        Asked before each part of the volume; the rest is left as in `maps` if True.
    part, halo
        Voxels along z, y and x that are looked at at once, and so many around them.

    Returns
    -------
    (3, Z, Y, X) float32 in [0, 1]
        Foreground, distance to centre and boundary.
    """
    found = maps.copy()
    rules = zip(image.shape, part, halo, strict=True)
    cuts = [_cuts(*rule) for rule in rules]
    for cut in product(*cuts):
        if is_cancelled is not None and is_cancelled():
            break
        core, window, within = zip(*cut, strict=True)
        features = volume_features(image[window], maps[:, *window])
        found[:, *core] = _judged(head, features[:, *within])
    return found


def _cuts(size: int, part: int, halo: int) -> list[tuple[slice, slice, slice]]:
    """Return each part along an axis, what is seen with it, and where it lies there."""
    cuts = []
    for start in range(0, size, part):
        stop = min(size, start + part)
        first, last = max(0, start - halo), min(size, stop + halo)
        within = slice(start - first, stop - first)
        cuts.append((slice(start, stop), slice(first, last), within))
    return cuts


def _judged(head: VolumeHead, features: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = features.reshape(len(features), -1)
    said = np.empty((3, flat.shape[1]), np.float32)
    with torch.inference_mode():
        for start in range(0, flat.shape[1], _AT_ONCE):
            some = torch.from_numpy(flat[:, start : start + _AT_ONCE].T.copy())
            said[:, start : start + _AT_ONCE] = torch.sigmoid(head(some)).T.numpy()
    return said.reshape(3, *features.shape[1:])


def candidate_scores(
    scorer: CandidateScorer, measures: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the IoU that each candidate will have with an object.

    Parameters
    ----------
    scorer
        In float32 on the CPU.
    measures
        (N, measures), see `napari_sam.ops.volume_candidates`.

    Returns
    -------
    (N,) float32 in [0, 1]
    """
    with torch.inference_mode():
        scores = torch.sigmoid(scorer(torch.from_numpy(measures)).mean(dim=1))
    found: NDArray[np.float32] = scores.numpy()
    return found


def object_scores(
    scorer: CandidateScorer, candidates: VolumeCandidates
) -> NDArray[np.float32]:
    """Return the IoU that each candidate will have; -1 of those that are too tight.

    Where an object ends does not count here; see `candidate_extents`.

    Parameters
    ----------
    scorer
        `VolumeHead.scorer`.
    candidates
        From `find_candidates`.
    """
    shapes = np.ascontiguousarray(candidates.measures[:, :SHAPE_MEASURES])
    scores = candidate_scores(scorer, shapes)
    return np.where(candidates.is_wide, scores, np.float32(-1))


def candidate_extents(
    scorer: CandidateScorer | None, candidates: VolumeCandidates
) -> NDArray[np.int64] | None:
    """Return the threshold at which each candidate should end, by what it looks like.

    Parameters
    ----------
    scorer
        `VolumeHead.extent_scorer`.
    candidates
        From `find_candidates`.
    """
    if scorer is None:
        return None
    return candidates.extents(candidate_scores(scorer, candidates.measures))
