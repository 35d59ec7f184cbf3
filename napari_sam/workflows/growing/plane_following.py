"""One object after the other plane: the last mask is the next plane's prompt.

What a track does depends on the image, its seed and the configuration alone, neither
on other objects nor on how far it is followed. So tracks can be kept, and only those
whose seed is another need to be followed again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import ndimage

from napari_sam.inference.mask_upscaling import upscale_window
from napari_sam.inference.plane_views import whole_embedding
from napari_sam.inference.tiled_prediction import add_mask
from napari_sam.ops.mask_patches import Patch, ring_contrast
from napari_sam.ops.types import Multimask, Prompts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import PropagationConfig
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import FrameGeometry, MaskPrediction

__all__ = ["Track", "advance", "read_patch", "sample_inside"]

_CHUNK = 32
"""Objects whose masks of the whole plane are held at one time."""


@dataclass(frozen=True)
class _Evidence:
    """That an object is there, apart from the outline.

    Attributes
    ----------
    foreground
        Mean probability of foreground by the dense head, 1 without one.
    contrast
        With a ring around it; see `ring_contrast`.
    is_clear
        Whether the contrast is more than the object's own texture.
    """

    foreground: float
    contrast: float
    is_clear: bool

    def best_with(self, other: _Evidence) -> _Evidence:
        """Return the stronger of each kind."""
        clearer = abs(other.contrast) > abs(self.contrast)
        most = other if clearer else self
        foreground = max(self.foreground, other.foreground)
        return _Evidence(foreground, most.contrast, most.is_clear)

    def is_weak(self, best: _Evidence, config: PropagationConfig) -> bool:
        """Whether they are much weaker than the best ones."""
        if self.foreground < config.min_foreground * best.foreground:
            return True
        if not best.is_clear:
            return False
        kept = self.contrast / best.contrast
        return kept < config.min_contrast


@dataclass(eq=False)
class Track:
    """An object on its way through the planes, in one direction.

    Attributes
    ----------
    label
        Of the object.
    start
        The plane of its seed.
    step
        1 or -1.
    seed
        Its mask there.
    patches, scores
        By plane, without the seed: the mask, and how sure the model is, 0 to 1.
    reach
        The last plane that was tried.
    is_lost
        Whether the object was not found at `reach`, nor where it was missed before.
    missed
        Planes in a row, up to `reach`, on which it was not found.
    remembered
        By plane, all masks of the object that were given, where they matter too; None
        where the seed alone does.
    """

    label: int
    start: int
    step: int
    seed: Patch
    patches: dict[int, Patch] = field(default_factory=dict)
    scores: dict[int, float] = field(default_factory=dict)
    reach: int = -1
    is_lost: bool = False
    missed: int = 0
    remembered: Mapping[int, Patch] | None = None
    _best: _Evidence | None = field(default=None, repr=False)
    _logits: tuple[NDArray[np.float32], Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.reach < 0:
            self.reach = self.start

    @property
    def last(self) -> Patch:
        """The mask on the last plane where it was found."""
        return self.patches.get(self.reach - self.missed * self.step, self.seed)

    def usual_area(self, memory: int) -> float:
        """Return the median area of the seed and of the last masks, so many of them."""
        found = sorted(self.patches, key=lambda plane: -plane * self.step)
        areas = [self.patches[plane].area for plane in found[:memory]]
        return float(np.median([self.seed.area, *areas]))

    def starts_at(self, seed: Patch) -> bool:
        """Whether the track is that of a seed on its plane."""
        return _are_same(self.seed, seed)

    def remembers(self, seeds: Mapping[int, Patch]) -> bool:
        """Whether the track is one of an object that is given like this, by plane."""
        mine = self.remembered
        if mine is None:
            return True
        return mine.keys() == seeds.keys() and all(
            _are_same(patch, seeds[plane]) for plane, patch in mine.items()
        )

    def copy(self) -> Track:
        """Return one that can go on while this one stays as it is."""
        return replace(self, patches=dict(self.patches), scores=dict(self.scores))

    def covers(self, last: int) -> bool:
        """Whether there is nothing to follow up to a plane, inclusive."""
        return self.is_lost or (last - self.reach) * self.step <= 0


def _are_same(one: Patch, other: Patch) -> bool:
    return one.corner == other.corner and np.array_equal(one.mask, other.mask)


def sample_inside(patch: Patch, count: int) -> NDArray[np.float32]:
    """Choose (N, 2) points of an object that lie deep inside and apart.

    The first is the farthest from the outline; each next one is that of which the
    distances to the outline and to the earlier points have the largest product.
    Fewer where the object has no more pixels.

    Examples
    --------
    >>> sample_inside(Patch.of(np.ones((3, 9), bool)), 3).tolist()
    [[1.0, 1.0], [1.0, 7.0], [1.0, 4.0]]
    """
    depth = ndimage.distance_transform_edt(np.pad(patch.mask, 1))[1:-1, 1:-1]
    at = np.stack(np.nonzero(patch.mask), axis=1)
    worth = depth[patch.mask]
    chosen: list[NDArray[Any]] = []
    for _ in range(min(count, len(at))):
        best = at[int(worth.argmax())]
        chosen.append(best)
        worth = worth * np.hypot(*(at - best).T)
    return np.asarray(np.array(chosen) + patch.corner, np.float32)


def _prompts_of(
    sam: PromptableModel,
    track: Track,
    embedding: PlaneEmbedding,
    config: PropagationConfig,
) -> Prompts:
    """Say to the next plane what the last one showed."""
    patch = track.last
    points = box = None
    if "points" in config.prompts:
        points = sample_inside(patch, config.points)
    if "box" in config.prompts:
        top, left, bottom, right = patch.box
        sides = np.array([bottom - top, right - left])
        low = np.array([top, left]) - sides * config.margin
        high = np.array([bottom, right]) + sides * config.margin
        shape = np.array(embedding.geometry.image_shape)
        box = np.concatenate([np.clip(low, 0, shape), np.clip(high, 0, shape)])
    prompts = Prompts.make(points, None, box, loose=True)
    if "mask" not in config.prompts:
        return prompts
    if track._logits is None:
        mask = patch.decode(embedding.geometry.image_shape)
        return add_mask(sam, embedding, prompts, mask)
    logits, view = track._logits
    return replace(prompts, mask_logits=logits, view=view)


def read_patch(
    answer: MaskPrediction, k: int, last: Patch, geometry: FrameGeometry
) -> Patch:
    """Cut a candidate out of its plane: the parts of it that touch the last mask.

    Parameters
    ----------
    answer, k
        The candidates, and which of them.
    last
        The mask on the plane before.
    geometry
        Of the plane as a whole.
    """
    mask = answer.masks[k]
    whole = Patch.of(mask)
    if not whole.area:
        return whole
    parts, count = ndimage.label(whole.mask)
    if count > 1:
        before = last.decode(mask.shape)[whole.window]
        touched = np.unique(parts[before & whole.mask])
        parts = np.isin(parts, touched[touched > 0])
    window = whole.window
    logits = _logits_in(answer, k, window, geometry)
    return Patch.of(parts > 0, logits, whole.corner)


def _logits_in(
    answer: MaskPrediction, k: int, window: tuple[slice, slice], geometry: FrameGeometry
) -> NDArray[np.float32]:
    """Upscale a candidate's logits in the window of its mask; 0 where not known."""
    shape = answer.masks.shape[1:]
    view = answer.view or (0, 0, *shape)
    shown = geometry.of_part((view[2] - view[0], view[3] - view[1]))
    low = torch.from_numpy(np.ascontiguousarray(answer.logits[k], np.float32))
    part, corner = upscale_window(low, shown, 0.0)
    plane = np.zeros(shape, np.float32)
    top, left = corner[0] + view[0], corner[1] + view[1]
    plane[top : top + part.shape[0], left : left + part.shape[1]] = part.numpy()
    return plane[window]


def _choose(
    answer: MaskPrediction, track: Track, geometry: FrameGeometry, memory: int
) -> tuple[Patch, float, int]:
    """Return the candidate that is both good and like the masks before, and its score.

    Like the last one in its outline, and, with a memory, like several in its area.
    """
    last = track.last
    usual = track.usual_area(memory) if memory else 0.0
    best: tuple[float, Patch, float, int] | None = None
    for k, score in enumerate(answer.scores.tolist()):
        patch = read_patch(answer, k, last, geometry)
        worth = score * patch.iou(last)
        if usual and patch.area:
            worth *= min(patch.area, usual) / max(patch.area, usual)
        if best is None or worth > best[0]:
            best = worth, patch, score, k
    assert best is not None  # a model gives one candidate at least
    return best[1:]


def _is_lost(
    patch: Patch, score: float, last: Patch, config: PropagationConfig
) -> bool:
    """Whether a mask is too unlike the last one, or too unsure, to be the object."""
    if patch.area < config.min_area or score < config.min_score:
        return True
    change = patch.area / last.area
    if not 1 / config.max_change <= change <= config.max_change:
        return True
    return patch.iou(last) < config.min_overlap


def _evidence_of(
    plane: NDArray[np.float32], foreground: NDArray[np.float32] | None, patch: Patch
) -> _Evidence:
    """Measure the evidence that an object is there."""
    contrast, spread = ring_contrast(plane, patch)
    sure = 1.0
    if foreground is not None:
        sure = float(foreground[patch.window][patch.mask].mean())
    return _Evidence(sure, contrast, abs(contrast) > spread / 2)


def advance(
    sam: PromptableModel,
    embedding: PlaneEmbedding,
    image: NDArray[Any],
    tracks: Sequence[Track],
    config: PropagationConfig,
    maps: NDArray[np.float32] | None = None,
) -> None:
    """Take tracks, none of which is lost, one plane further, all in the same plane.

    Parameters
    ----------
    sam
        The model.
    embedding, image
        Of the plane; (H, W) or (H, W, C).
    tracks
        They change.
    config
        See `PropagationConfig`.
    maps
        The dense maps of the plane, where they are known.
    """
    plane = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
    plane = plane.mean(axis=2) if plane.ndim == 3 else plane
    foreground = None
    if sam.has_quick_maps and config.min_foreground > 0:
        if maps is None:
            maps = sam.dense_maps(whole_embedding(embedding))
        foreground = maps[0]
    for start in range(0, len(tracks), _CHUNK):
        some = tracks[start : start + _CHUNK]
        prompts = [_prompts_of(sam, track, embedding, config) for track in some]
        asked = Multimask.THREE if config.multimask else Multimask.AUTO
        answers = sam.predict_batch(embedding, prompts, asked)
        for track, answer in zip(some, answers, strict=True):
            last = track.last
            geometry, memory = embedding.geometry, config.memory
            patch, score, k = _choose(answer, track, geometry, memory)
            track.reach += track.step
            evidence = best = None
            if not _is_lost(patch, score, last, config):
                evidence = _evidence_of(plane, foreground, patch)
                best = track._best or evidence
            if evidence is None or best is None or evidence.is_weak(best, config):
                track.missed += 1
                track.is_lost = track.missed > config.max_gap
                continue
            track.missed = 0
            track._best = best.best_with(evidence)
            sure = min(max(score, 0.0), 1.0)
            kept = evidence.foreground / max(track._best.foreground, 1e-6)
            track.patches[track.reach] = patch
            track.scores[track.reach] = sure * min(kept, 1.0)
            track._logits = answer.logits[k], answer.view
