"""How closely to look at an image whose objects are small in the model's frame.

Objects are measured where they are seen, as a rule in the image as a whole, and the
median decides. Where a shrunken image shows a few large objects or none, it may be a
group of small ones; there a part of the image is measured at its own pixels.

For clicks the rule was compared with the sizes of the true objects, and with looking
closer after an answer turned out small: it does as well as the first and better than
the second. Both rules were chosen on labelled images; see docs/accuracy.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Literal

import numpy as np

from napari_sam.configs import InstanceConfig
from napari_sam.inference.plane_views import TILING_BELOW_SCALE
from napari_sam.ops.types import Cancelled
from napari_sam.ops.watershed import Instances, maps_to_instances

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.embedding_cache import EmbeddingCache
    from napari_sam.inference.plane_views import PlaneEmbedding, PlaneView
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.types import IsCancelled

__all__ = [
    "DENSE_SCALE_RULE",
    "PROMPT_SCALE_RULE",
    "ImageScale",
    "ScaleRule",
    "areas_in_one_tile",
    "checked_scale",
    "embed_with_tiles",
]

ImageScale = Literal["auto", "whole"] | float
"""How closely to look: by the size of the objects, not at all, or at so many frame
pixels per pixel of the image."""


@dataclass(frozen=True)
class ScaleRule:
    """At which scale objects are seen well; scales are frame pixels per pixel.

    Attributes
    ----------
    small
        Frame pixels across; smaller objects are looked at closer.
    wanted
        Frame pixels across that a closer look aims at.
    smallest_seen
        Frame pixels across below which nothing is seen: what is seen is larger.
    max_scale
        Scale beyond which there is no more to see, or more tiles cost too much.
    fallback_scale
        Least scale where no object is seen; 0: as the objects were looked for.
    unreliable_below
        Frame pixels across below which objects are measured too large; they are seen
        at the scale `fallback_scale` at least.
    gains_below
        Images that were seen at this scale or more gain little from tiles.
    """

    small: float
    wanted: float
    smallest_seen: float
    max_scale: float
    fallback_scale: float = 0.0
    unreliable_below: float = 0.0
    gains_below: float = math.inf

    def scale(self, areas: ArrayLike, seen_at: float) -> float:
        """Choose the scale at which objects are seen well.

        Parameters
        ----------
        areas
            (N,) of the objects, in pixels.
        seen_at
            Scale at which the objects were seen, as a rule that of the image as a
            whole; it stays where objects are large enough.

        Examples
        --------
        >>> round(PROMPT_SCALE_RULE.scale([314], 1.0), 2)  # a disc, 20 pixels across
        2.4
        """
        if seen_at >= self.gains_below:
            return seen_at
        sizes = np.sqrt(np.asarray(areas, np.float64) * 4 / np.pi) * seen_at
        across = float(np.median(sizes)) if sizes.size else 0.0
        if across >= self.small:
            return seen_at
        if not sizes.size:
            return max(seen_at, self.fallback_scale)
        scale = min(
            seen_at * self.wanted / max(across, self.smallest_seen), self.max_scale
        )
        if across < self.unreliable_below:
            scale = max(scale, self.fallback_scale)
        return max(seen_at, scale)

    def with_sizes(self, small: float, wanted: float) -> ScaleRule:
        """Return the rule with other sizes, in frame pixels across."""
        return replace(self, small=small, wanted=wanted)


PROMPT_SCALE_RULE = ScaleRule(small=38, wanted=48, smallest_seen=9, max_scale=4)
"""For objects that are prompted one by one."""

DENSE_SCALE_RULE = ScaleRule(
    small=25,
    wanted=36,
    smallest_seen=12,
    max_scale=1.5,
    fallback_scale=1.0,
    unreliable_below=16,
    gains_below=TILING_BELOW_SCALE,
)
"""For all objects of an image at once, where each tile costs time."""

_ENOUGH_OBJECTS = 4
"""Of fewer objects, each may be a group of small ones."""

_SURE_CONFIDENCE = 0.8
"""Median confidence from which many objects are no groups."""

_GROUP_AREA_RATIO = 0.6
"""Many objects are groups if those of a closer look are so much smaller, or more."""

_TILE_SCALES = (1.0, 2.0)
"""Frame pixels per pixel at which a tile is looked at, one after the other."""

_MIN_OBJECTS = 3
"""Of an image with fewer objects, most were too small to be seen."""

_MAX_SIZE_RATIO = 2.0
"""Factor by which what the dense head sees may differ from what was learned on."""

_MAX_SIDE_MEASURED = 512
"""Pixels across at which the sizes of objects are measured."""

_DEFAULT = InstanceConfig()


def checked_scale(scale: ImageScale) -> ImageScale:
    """Check how closely to look.

    Raises
    ------
    ValueError
        If it is neither "auto" nor "whole" nor a number above 0.
    """
    given: object = scale  # of any type, where nobody checked
    if isinstance(given, Real) and 0 < float(given) < math.inf:
        return float(given)
    if scale == "auto" or scale == "whole":
        return scale
    raise ValueError(f"scale must be 'auto', 'whole' or above 0, got {scale!r}")


def embed_with_tiles(
    sam: PromptableModel,
    view: PlaneView,
    scale: float | None,
    is_cancelled: IsCancelled | None = None,
    noted: EmbeddingCache | None = None,
) -> PlaneEmbedding:
    """Embed an image plane so that its small objects are seen closer.

    Only the plane as a whole is embedded here, and one tile of a plane that shows
    hardly any object.

    Parameters
    ----------
    sam
        The model. One without a dense head, or with one that costs as much as the
        embedding, is not asked how large objects are, and sees the plane as a whole
        unless `scale` is given.
    view
        The plane; it has parts.
    scale
        Frame pixels per pixel of the image; None: by the size of the objects. Not
        more than as a whole: the plane is not tiled.
    is_cancelled
        See `Predictor.embed`.
    noted
        Where scales that were found out are kept.

    Raises
    ------
    Cancelled
        If `is_cancelled` answered True.
    """
    whole = view.embed(sam, view.plane, is_cancelled)
    view = replace(view, embedded=whole)
    if scale is None:
        scale = None if noted is None else noted.closer_scale(whole.key)
        if scale is None:
            scale = _scale_by_objects(sam, view, is_cancelled)
            if noted is not None:
                noted.note_scale(whole.key, scale)
    tiles = view.tiles_at(scale)
    return whole if len(tiles) == 1 else replace(view, tiles=tuple(tiles))


def _scale_by_objects(
    sam: PromptableModel, view: PlaneView, is_cancelled: IsCancelled | None
) -> float:
    """Choose the scale by the objects that the dense head sees.

    A model that was fine-tuned knows how large its objects are. Where the dense head
    sees nothing like that (small objects side by side look like one), it counts for
    nothing.
    """
    known, as_whole = sam.object_size, view.whole_scale
    tuned = [] if known is None else [known**2 * (np.pi / 4)]
    if not sam.has_quick_maps:
        return PROMPT_SCALE_RULE.scale(tuned, as_whole)

    def check() -> None:
        if is_cancelled is not None and is_cancelled():
            raise Cancelled("looking closer was cancelled")

    step = max(1, max(view.shape) // _MAX_SIDE_MEASURED)
    maps = sam.dense_maps(view.whole)[:, ::step, ::step]
    check()
    found = maps_to_instances(maps, scale=as_whole * step)
    areas = found.areas * step**2
    if known is not None:
        across = (
            np.sqrt(np.median(areas) * (4 / np.pi)) if len(found) >= _MIN_OBJECTS else 0
        )
        is_like_it = known / _MAX_SIZE_RATIO <= across <= known * _MAX_SIZE_RATIO
        return PROMPT_SCALE_RULE.scale(areas if is_like_it else tuned, as_whole)
    full = replace(found, areas=areas)
    small = areas_in_one_tile(sam, view, full, check, is_cancelled=is_cancelled)
    if small is None and len(found) >= _MIN_OBJECTS:
        return PROMPT_SCALE_RULE.scale(areas, as_whole)
    return PROMPT_SCALE_RULE.scale([] if small is None else small, max(as_whole, 1.0))


def areas_in_one_tile(
    sam: PromptableModel,
    view: PlaneView,
    seen: Instances,
    before: Callable[[], None],
    config: InstanceConfig = _DEFAULT,
    is_cancelled: IsCancelled | None = None,
) -> NDArray[np.int64] | None:
    """Measure what a few objects, or doubtful ones, turn out to be made of.

    One tile is looked at without shrinking it, the one in which the intensities differ
    most. A few objects are groups if at least four are found in it, and twice as many
    as were seen; more of them are, if those that are found are much smaller. What still
    is doubtful is looked at once more, at twice the scale.

    Parameters
    ----------
    sam
        A model with a dense head.
    view
        The plane.
    seen
        The objects that the plane as a whole shows, with areas in its pixels.
    before
        Called before a tile is embedded.
    config
        How objects are found.
    is_cancelled
        See `Predictor.embed`.

    Returns
    -------
    (N,) int64 or None
        Areas in pixels; None where enough is seen, the frame does not shrink the
        plane, or there are no groups.

    Raises
    ------
    Cancelled
        If the work is to stop.
    """
    if not view.is_shrunk:
        return None
    areas = None
    for scale in _TILE_SCALES:
        if not _is_doubtful(seen):
            break
        before()
        tile = view.embed(sam, view.highest_contrast_tile(scale), is_cancelled)
        found = maps_to_instances(sam.dense_maps(tile, config.level), config, scale)
        if len(seen) >= _ENOUGH_OBJECTS:
            found = _not_cut(found)
        if not _shows_groups(seen, found):
            break
        seen, areas = found, found.areas
    return areas


def _is_doubtful(found: Instances) -> bool:
    """Whether what is seen may be groups of smaller objects."""
    few = len(found) < _ENOUGH_OBJECTS
    return few or float(np.median(found.scores)) < _SURE_CONFIDENCE


def _not_cut(found: Instances) -> Instances:
    """Leave out what the border of a tile may have cut off."""
    far = np.array(found.labels.shape)
    inside = (found.boxes[:, :2] > 0) & (found.boxes[:, 2:] < far)
    return found.keep(np.asarray(inside.all(axis=1), np.bool_))


def _shows_groups(seen: Instances, found: Instances) -> bool:
    """Whether a closer look found what objects are made of."""
    if len(found) < _ENOUGH_OBJECTS:
        return False
    if len(seen) < _ENOUGH_OBJECTS:
        return len(found) >= 2 * len(seen)
    smaller = np.median(found.areas) / np.median(seen.areas)
    return bool(smaller <= _GROUP_AREA_RATIO)
