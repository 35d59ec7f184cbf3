"""Object proposals: many masks, the most likely objects first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.workflows.objects.grid_masks import AutomaticConfig, generate_masks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.views import PlaneEmbedding
    from napari_sam.ops.types import IsCancelled, MaskRecord
    from napari_sam.workflows.progress import Progress

__all__ = ["PROPOSALS", "proposal_score", "propose"]

PROPOSALS = AutomaticConfig(
    points_per_side=64,
    pred_iou_thresh=0,
    stability_score_thresh=0,
    box_nms_thresh=0.9,
)
"""The grid of the SAM paper's proposals: dense, without filters."""


def proposal_score(record: MaskRecord) -> float:
    """Return by what proposals are ranked: the mean of predicted IoU and stability."""
    return (record.predicted_iou + record.stability_score) / 2


def propose(
    sam: Predictor,
    image_or_embedding: ArrayLike | PlaneEmbedding,
    count: int = 1000,
    *,
    config: AutomaticConfig = PROPOSALS,
    roi: NDArray[np.bool_] | None = None,
    exclude: NDArray[np.integer] | None = None,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> list[MaskRecord]:
    """Propose objects, as in the SAM paper (section 7.3 and appendix D.3).

    Parameters
    ----------
    sam
        The model.
    image_or_embedding
        (H, W) or (H, W, 1 to 4), see `Predictor.embed`; or its embedding.
    count
        How many masks to return at the most.
    config
        How masks are found. As in the paper by default: 64 x 64 points, neither
        predicted IoU nor stability asked for, box NMS at 0.9.
    roi, exclude, contrast_limits, progress, is_cancelled
        See `generate_masks`.

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
        If `is_cancelled` answered True.

    Examples
    --------
    >>> import numpy as np
    >>> import napari_sam
    >>> sam = napari_sam.load_model("cells")
    >>> config = napari_sam.AutomaticConfig(points_per_side=2)
    >>> masks = napari_sam.propose(sam, np.eye(64), 10, config=config)
    """
    if count < 1:
        raise ValueError(f"count must be 1 or greater, got {count}")
    found = generate_masks(
        sam,
        image_or_embedding,
        config,
        roi=roi,
        exclude=exclude,
        contrast_limits=contrast_limits,
        progress=progress,
        is_cancelled=is_cancelled,
    )
    ranked = sorted((record for record in found if record.area), key=_rank)
    return ranked[:count]


def _rank(record: MaskRecord) -> tuple[float, float]:
    return -proposal_score(record), -record.predicted_iou
