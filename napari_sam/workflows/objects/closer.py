"""Looking closer where the objects of an image are small in the model's frame.

How large they are says the model's dense head, on the image as a whole; where that
shows hardly any, on a part of it (`napari_sam.workflows.objects.crowds`). That was
compared with the sizes of the true objects, and with looking closer after an answer
turned out small: it does as well as the first and better than the second; see
docs/accuracy.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.inference.preprocess import check_image, default_limits
from napari_sam.inference.tiled import TiledEmbedding
from napari_sam.inference.tiling import tile_plane
from napari_sam.workflows.objects.crowds import crowd_areas
from napari_sam.workflows.objects.views import Views
from napari_sam.workflows.objects.watershed import maps_to_instances
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_sam.inference.embedding_cache import EmbeddingCache
    from napari_sam.inference.tiled import Embeds, PlaneEmbedding
    from napari_sam.ops.types import ImageEmbedding, IsCancelled

__all__ = ["closer_scale", "embed_tiled"]

_SMALL = 38.0
"""Frame pixels across; smaller objects are looked at closer."""

_WANTED = 48.0
"""Frame pixels across that a closer look aims at."""

_UNSEEN = 9.0
"""Frame pixels across below which nothing is seen: what is seen is larger."""

_CLOSEST = 4.0
"""Frame pixels per pixel of the image beyond which there is no more to see."""

_FEW = 3
"""Of an image with fewer objects, most were too small to be seen."""

_ASTRAY = 2.0
"""Factor by which what the dense head sees may differ from what was learned on."""

_GLANCE = 512
"""Pixels across at which the sizes of objects are measured."""


def embed_tiled(
    sam: Embeds,
    image: ArrayLike,
    *,
    scale: float | None = None,
    contrast_limits: tuple[float, float] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> PlaneEmbedding:
    """Embed an image plane so that its small objects are seen closer.

    Only the plane as a whole is embedded here, and one tile of a plane that shows
    hardly any object. If its objects are small in the model's frame, prompts are
    answered from tiles, each of which is embedded when it is first asked about; see
    `TiledEmbedding`.

    Parameters
    ----------
    sam
        The model. One without a dense head cannot tell how large objects are, and
        sees the plane as a whole unless `scale` is given.
    image
        (H, W) or (H, W, 1 to 4), see `Predictor.embed`.
    scale
        Frame pixels per pixel of the image; None: by the size of the objects. Not
        more than as a whole: the plane is not tiled.
    contrast_limits
        See `Predictor.embed`.
    is_cancelled
        Asked before each block of the encoder.

    Returns
    -------
    PlaneEmbedding
        For `Predictor.predict`, `predict_prompts` and `predict_batch`.

    Raises
    ------
    ValueError
        If the image or the limits are not as described, or the scale is not above 0.
    Cancelled
        If `is_cancelled` answered True.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> sam = napari_sam.load_model("cells")
    >>> embedding = napari_sam.embed_tiled(sam, np.eye(64), scale=12)
    >>> sam.predict(embedding, points=[(32, 32)]).view
    (22, 22, 64, 64)
    """
    if scale is not None and not scale > 0:
        raise ValueError(f"scale must be above 0, got {scale}")
    array = check_image(image)
    limits = contrast_limits or default_limits(array)
    whole = sam.embed(array, contrast_limits=limits, is_cancelled=is_cancelled)
    geometry = whole.geometry
    if scale is None:
        views = Views.of(sam, array, limits)
        scale = _noted_scale(views, whole, is_cancelled)
    tiles = tile_plane(geometry.image_shape, geometry.frame_size, scale)
    if len(tiles) == 1:
        return whole
    return TiledEmbedding(whole, array, limits, tuple(tiles))


def closer_scale(areas: ArrayLike, as_whole: float) -> float:
    """Choose the scale at which objects are seen well, in frame pixels per pixel.

    Parameters
    ----------
    areas
        (N,) of the objects, in pixels.
    as_whole
        Scale at which the objects were seen, as a rule in the plane as a whole; that
        stays where there is no object, or where objects are large enough.
    """
    sizes = np.sqrt(np.asarray(areas, np.float64) * (4 / np.pi)) * as_whole
    across = float(np.median(sizes)) if sizes.size else _SMALL
    if across >= _SMALL:
        return as_whole
    closer = as_whole * _WANTED / max(across, _UNSEEN)
    return max(as_whole, min(closer, _CLOSEST))


def _noted_scale(
    views: Views, whole: ImageEmbedding, is_cancelled: IsCancelled | None
) -> float:
    """Choose the scale, or find it noted beside the embedding."""
    cache: EmbeddingCache | None = getattr(views.sam, "cache", None)
    noted = None if cache is None else cache.closer_scale(whole.key)
    if noted is not None:
        return noted
    scale = _scale_seen(views, whole, is_cancelled)
    if cache is not None:
        cache.note_scale(whole.key, scale)
    return scale


def _scale_seen(
    views: Views, whole: ImageEmbedding, is_cancelled: IsCancelled | None
) -> float:
    """Choose the scale by the objects that the dense head sees.

    A model that was fine-tuned knows how large its objects are. Where the dense head
    sees nothing like that (crowded small objects look like one), it counts for nothing.
    """
    sam, as_whole = views.sam, views.whole_scale
    known: float | None = getattr(sam, "object_size", None)
    tuned = [] if known is None else [known**2 * (np.pi / 4)]
    if not sam.has_dense_head:
        return closer_scale(tuned, as_whole)
    step = max(1, max(views.shape) // _GLANCE)
    maps = sam.dense_maps(whole)[:, ::step, ::step]
    steps = Steps("looking closer", is_cancelled=is_cancelled)
    steps.before(1)
    found = maps_to_instances(maps, scale=as_whole * step)
    areas = found.areas * step**2
    if known is not None:
        across = np.sqrt(np.median(areas) * (4 / np.pi)) if len(found) >= _FEW else 0
        is_like_it = known / _ASTRAY <= across <= known * _ASTRAY
        return closer_scale(areas if is_like_it else tuned, as_whole)
    crowd = crowd_areas(views, len(found), steps)
    if crowd is None and len(found) >= _FEW:
        return closer_scale(areas, as_whole)
    return closer_scale([] if crowd is None else crowd, max(as_whole, 1.0))
