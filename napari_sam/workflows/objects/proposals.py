"""Object proposals: many masks, the most likely objects first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.configs import PROPOSALS
from napari_sam.workflows.objects.grid_masks import generate_masks

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike

    from napari_sam.configs import GridConfig
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.ops.types import MaskRecord
    from napari_sam.workflows.progress import Progress

__all__ = ["proposal_score", "propose"]


def proposal_score(record: MaskRecord) -> float:
    """Return by what proposals are ranked: the mean of predicted IoU and stability."""
    return (record.predicted_iou + record.stability_score) / 2


def propose(
    image: ArrayLike | PlaneEmbedding,
    count: int = 1000,
    *,
    model: str | Path | Predictor = "cells",
    config: GridConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> list[MaskRecord]:
    """Propose objects, the most likely ones first.

    Parameters
    ----------
    image : (H, W) or (H, W, 1 to 4) array of any real dtype, or an embedding
        See `Predictor.embed`.
    count : int
        How many masks to return at the most.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    config : GridConfig, optional
        How masks are found. What is not set in it is as in the paper: 64 x 64 points,
        neither predicted IoU nor stability asked for, box NMS at 0.9.
    scope : Scope, optional
        See `generate_masks`.
    channel_axis : int, optional
        The axis of the channels; None: the last one, if there are three.
    progress : Progress, optional
        Steps are batches of points.

    Returns
    -------
    list of MaskRecord
        Without empty masks; the greatest mean of predicted IoU and stability first,
        of equals the greater predicted IoU.

    Raises
    ------
    ValueError
        If an argument is not as described.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    generate_masks : With thresholds, for masks that are to be kept.

    References
    ----------
    Kirillov et al., Segment Anything, 2023, section 7.3 and appendix D.3.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> config = napari_sam.GridConfig(points_per_side=2)
    >>> masks = napari_sam.propose(np.eye(64), 10, config=config)
    >>> len(masks) <= 10
    True
    """
    if count < 1:
        raise ValueError(f"count must be 1 or greater, got {count}")
    found = generate_masks(
        image,
        model=model,
        config=PROPOSALS if config is None else config.over(PROPOSALS),
        scope=scope,
        channel_axis=channel_axis,
        progress=progress,
    )
    ranked = sorted((record for record in found if record.area), key=_rank)
    return ranked[:count]


def _rank(record: MaskRecord) -> tuple[float, float]:
    return -proposal_score(record), -record.predicted_iou
