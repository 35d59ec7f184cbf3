"""What a model proposes for an image, and how sure it is of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.ops.label_painting import records_to_labels
from napari_sam.workflows.objects.segment import default_order, find_objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.workflows.progress import Progress

__all__ = ["DEFAULT_MIN_SCORE", "Preannotation", "preannotate"]

DEFAULT_MIN_SCORE = 0.5
"""Proposals below this score are not shown."""


@dataclass(frozen=True, eq=False)
class Preannotation:
    """What a model proposes for a plane, a volume or a film.

    Attributes
    ----------
    labels
        (..., H, W) integers, one for each proposed object; 0 for background.
    uncertainty
        Of the whole image, 0 to 1.
    objects_uncertainty
        Of each proposed object, by its label, 0 to 1.
    planes_uncertainty
        Of each plane of a stack, in the order of its leading axes, 0 to 1; () of a
        single plane.
    """

    labels: NDArray[Any]
    uncertainty: float
    objects_uncertainty: Mapping[int, float] = field(default_factory=dict)
    planes_uncertainty: tuple[float, ...] = ()


def preannotate(
    image: NDArray[Any],
    *,
    model: Predictor,
    confident: float = DEFAULT_MIN_SCORE,
    scope: Scope | None = None,
    progress: Progress | None = None,
) -> Preannotation:
    """Propose objects for an image.

    Parameters
    ----------
    image
        (H, W) or (H, W, 1 to 4).
    model
        A loaded model.
    confident
        Least score of what is proposed.
    scope
        See `napari_sam.segment`.
    progress
        See `napari_sam.workflows.objects.segment.find_objects`.

    Returns
    -------
    Preannotation
        (H, W) int32 labels. The uncertainty of the image is 1 minus the mean score of
        all that was found, the unsure ones too; 1 where nothing was. That of an object
        is 1 minus its score.

    Raises
    ------
    Cancelled
        If `progress.is_cancelled` answered True.
    """
    records = find_objects(image, model=model, scope=scope, progress=progress)
    scores = np.clip([record.predicted_iou for record in records], 0, 1)
    uncertainty = 1 - float(scores.mean()) if len(scores) else 1.0
    good = [r for r in records if r.predicted_iou >= confident]
    order = default_order("instances" if model.has_dense_head else "grid")
    labels = records_to_labels(good, image.shape[:2], order)
    of_objects = {
        number: 1 - float(np.clip(record.predicted_iou, 0, 1))
        for number, record in enumerate(good, start=1)
    }
    return Preannotation(labels, uncertainty, of_objects)
