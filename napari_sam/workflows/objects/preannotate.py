"""What a model proposes for an image, and how sure it is of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.label_painting import records_to_labels
from napari_sam.workflows.objects.segment import default_order, find_objects

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.workflows.progress import Progress

__all__ = ["DEFAULT_MIN_SCORE", "preannotate"]

DEFAULT_MIN_SCORE = 0.5
"""Proposals below this score are not shown."""


def preannotate(
    image: NDArray[Any],
    *,
    model: Predictor,
    confident: float = DEFAULT_MIN_SCORE,
    progress: Progress | None = None,
) -> tuple[NDArray[np.int32], float]:
    """Propose objects for an image.

    Parameters
    ----------
    image
        (H, W) or (H, W, 1 to 4).
    model
        A loaded model.
    confident
        Least score of what is proposed.
    progress
        See `napari_sam.workflows.objects.segment.find_objects`.

    Returns
    -------
    labels
        (H, W) int32.
    uncertainty
        1 minus the mean score of all that was found, the unsure ones too; 1 where
        nothing was.

    Raises
    ------
    Cancelled
        If `progress.is_cancelled` answered True.
    """
    records = find_objects(image, model=model, progress=progress)
    scores = np.clip([record.predicted_iou for record in records], 0, 1)
    uncertainty = 1 - float(scores.mean()) if len(scores) else 1.0
    good = [r for r in records if r.predicted_iou >= confident]
    order = default_order("instances" if model.has_dense_head else "grid")
    return records_to_labels(good, image.shape[:2], order), uncertainty
