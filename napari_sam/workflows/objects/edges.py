"""Edges of everything in an image, drawn by a model that was never shown edges.

The zero-shot edge detection of the SAM paper (section 7.2 and appendix D.2): where
the masks of a grid of points end, each drawn as strongly as its probability falls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from napari_sam.configs import EdgeConfig
from napari_sam.inference.channels import channels_last
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.mask_upscaling import upscale_logits, upscale_window
from napari_sam.inference.plane_views import PlaneView
from napari_sam.ops import boxes
from napari_sam.ops.edges import outer_boundary, thin_ridges
from napari_sam.ops.nms import box_nms
from napari_sam.ops.roi_and_contrast import require_limits_only
from napari_sam.workflows.objects.mask_filters import pixel_boxes
from napari_sam.workflows.objects.point_grids import even_grid
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.ops.types import Box, FrameGeometry
    from napari_sam.workflows.progress import Progress

__all__ = ["detect_edges"]

_SURELY_OUTSIDE = -4.0
"""Logit down to which the surroundings of a mask are upscaled with it."""

_MARGIN = 2
"""Pixels around a mask that its outer boundary and their Sobel filter need."""


@dataclass(frozen=True, eq=False)
class _Outline:
    """The outer boundary of one mask.

    Attributes
    ----------
    box
        Of the mask in the plane.
    score
        Predicted IoU.
    places
        (N,) flat positions in the image plane.
    strengths
        (N,) float32, how steeply the mask's probability falls there.
    """

    box: Box
    score: float
    places: NDArray[np.int64]
    strengths: NDArray[np.float32]


def detect_edges(
    image: ArrayLike | PlaneEmbedding,
    *,
    model: str | Path | Predictor = "cells",
    config: EdgeConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """Draw the edges of an image.

    Each point of a grid is asked for three masks, and masks that double a better one
    are dropped. The steepness (Sobel) of each mask's probability, on the pixels just
    outside the mask, is drawn; the steepest mask counts. The picture is scaled to a
    maximum of 1 and thinned as Canny's detector does it.

    Parameters
    ----------
    image : (H, W) or (H, W, 1 to 4) array of any real dtype, or an embedding
        See `Predictor.embed`.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    config : EdgeConfig, optional
        The grid, and whether edges are thinned.
    scope : Scope, optional
        Its contrast limits; edges are drawn everywhere.
    channel_axis : int, optional
        The axis of the channels; None: the last one, if there are three.
    progress : Progress, optional
        Steps are batches of points.

    Returns
    -------
    (H, W) float32
        From 0 to 1; all 0 where there is no mask.

    Raises
    ------
    ValueError
        If an argument is not as described.
    Cancelled
        If `progress.is_cancelled` answered True.

    Notes
    -----
    The paper does not say at which IoU a mask is a double; 0.7 is the author's answer
    to a question about it. Before thinning, the picture is smoothed: outlines of
    neighbours run on both sides of the edge between them.

    References
    ----------
    Kirillov et al., Segment Anything, 2023, section 7.2 and appendix D.2.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> config = napari_sam.EdgeConfig(points_per_side=2)
    >>> edges = napari_sam.detect_edges(np.eye(64), config=config)
    >>> edges.shape, edges.dtype
    ((64, 64), dtype('float32'))
    """
    config = config or EdgeConfig()
    limits = require_limits_only(scope, "detect_edges")
    sam = as_predictor(model)
    view = PlaneView.of(channels_last(image, channel_axis), sam.frame_size, limits)
    points = even_grid(config.points_per_side) * view.shape
    size = config.points_per_batch
    batches = np.split(points, range(size, len(points), size))
    steps = Steps("the search for edges", progress)
    outlines: list[_Outline] = []
    decoder = None
    for i, batch in enumerate(batches):
        steps.before(len(batches) - i)
        if decoder is None:
            decoder = sam.point_decoder(view.embed(sam, view.plane, steps.is_cancelled))
        for found in decoder.decode(batch):
            for score, low in zip(found.scores, found.logits, strict=True):
                outline = _outline(low, float(score), decoder.geometry)
                outlines += [] if outline is None else [outline]
    steps.finish()
    strength = _draw(outlines, view.shape, config.box_nms_thresh)
    return thin_ridges(strength) if config.thin else strength


def _outline(low: Tensor, score: float, geometry: FrameGeometry) -> _Outline | None:
    """Upscale a mask and keep what is drawn of it; None where it is empty."""
    logits, corner = upscale_window(low, geometry, _SURELY_OUTSIDE)
    window = logits.numpy()
    shape = geometry.image_shape
    inside = boxes.from_mask(window > 0)
    if inside is None:
        return None
    top, left, bottom, right = inside
    down, along = corner
    box = (top + down, left + along, bottom + down, right + along)
    ends = np.add(corner, window.shape)
    starts_before = np.maximum(np.subtract(box[:2], _MARGIN), 0) >= corner
    ends_after = np.minimum(np.add(box[2:], _MARGIN), shape) <= ends
    if not (starts_before.all() and ends_after.all()):
        window, corner = upscale_logits(low, geometry).numpy(), (0, 0)
    rows, cols = np.nonzero(outer_boundary(window > 0))
    places = (rows + corner[0]) * shape[1] + cols + corner[1]
    return _Outline(box, score, places, _sobel_at(window, rows, cols))


def _sobel_at(
    logits: NDArray[np.float32], rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Sobel's gradient magnitude of the sigmoid of logits, at some pixels only."""
    height, width = logits.shape
    around = np.arange(-1, 2)
    near = expit(
        logits[
            np.clip(rows[:, None, None] + around[:, None], 0, height - 1),
            np.clip(cols[:, None, None] + around, 0, width - 1),
        ]
    )
    weights = np.array([1, 2, 1], np.float32) / 4
    down = (near[:, 2] - near[:, 0]) @ weights
    right = (near[:, :, 2] - near[:, :, 0]) @ weights
    return np.asarray(np.hypot(down, right), np.float32)


def _draw(
    outlines: list[_Outline], shape: tuple[int, int], box_nms_thresh: float
) -> NDArray[np.float32]:
    """Draw the outlines of all masks but doubles, the steepest at each pixel."""
    pixels = pixel_boxes([one.box for one in outlines])
    scores = np.array([one.score for one in outlines])
    strength = np.zeros(shape, np.float32)
    flat = strength.ravel()
    for i in box_nms(pixels, scores, box_nms_thresh).tolist():
        one = outlines[i]
        flat[one.places] = np.maximum(flat[one.places], one.strengths)
    highest = strength.max(initial=0)
    return strength / highest if highest > 0 else strength
