"""Everything that a phrase or example boxes name, by a model that knows concepts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.inference.mask_upscaling import without_padding
from napari_sam.inference.plane_views import PlaneView, whole_embedding
from napari_sam.inference.sam3_concepts import find_concept_masks
from napari_sam.ops.rle import Rle
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.ops.stability_score import stability_score
from napari_sam.ops.types import MaskRecord
from napari_sam.workflows.objects.point_grids import check_exclude, check_roi
from napari_sam.workflows.progress import Progress, Steps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs import ConceptConfig
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.sam3_concepts import ConceptMasks
    from napari_sam.ops.types import FrameGeometry

__all__ = ["find_concept"]


def find_concept(
    image: ArrayLike | PlaneEmbedding,
    *,
    model: Predictor,
    config: ConceptConfig,
    scope: Scope | None = None,
    progress: Progress | None = None,
) -> list[MaskRecord]:
    """Find all objects of a concept.

    Parameters
    ----------
    image
        See `find_objects`.
    model
        A model that knows concepts, such as SAM 3.
    config
        The phrase, the examples, and how likely objects must be.
    scope
        Objects with more than half of their pixels outside `roi`, or where `exclude` is
        not 0, are left out.
    progress
        There is one step.

    Returns
    -------
    list of MaskRecord
        The likeliest first; `predicted_iou` is how likely it is.

    Raises
    ------
    ValueError
        If an argument is not as described, or the model does not know concepts.
    Cancelled
        If `progress.is_cancelled` answered True.

    References
    ----------
    Carion et al., SAM 3: Segment Anything with Concepts, 2025.
    """
    scope = scope or Scope()
    view = PlaneView.of(image, model.frame_size, scope.contrast_limits)
    inside = None if scope.roi is None else check_roi(scope.roi, view.shape)
    occupied = scope.exclude
    taken = None if occupied is None else check_exclude(occupied, view.shape)
    steps = Steps("the search for a concept", progress)
    steps.before(1)
    embedding = whole_embedding(view.embed(model, view.plane, steps.is_cancelled))
    found = find_concept_masks(
        model,
        embedding,
        config.phrase,
        config.boxes,
        config.counter_boxes,
        config.min_likelihood,
    )
    steps.finish()
    records = [_record(found, i, embedding.geometry) for i in range(len(found.scores))]
    return [
        record
        for record, mask in zip(records, found.masks, strict=True)
        if record.area >= config.min_area and _is_wanted(mask, inside, taken)
    ]


def _is_wanted(
    mask: NDArray[np.bool_],
    inside: NDArray[np.bool_] | None,
    taken: NDArray[np.bool_] | None,
) -> bool:
    """Whether half of a mask lies where it may."""
    area = int(np.count_nonzero(mask))
    if inside is not None and 2 * int(np.count_nonzero(mask & inside)) < area:
        return False
    return taken is None or 2 * int(np.count_nonzero(mask & taken)) <= area


def _record(found: ConceptMasks, i: int, geometry: FrameGeometry) -> MaskRecord:
    mask = found.masks[i]
    rle = Rle.encode(mask)
    at = np.argwhere(mask)
    row, col = at.mean(axis=0).tolist() if len(at) else (0.0, 0.0)
    low = without_padding(found.logits[i : i + 1], geometry)
    return MaskRecord(
        rle=rle,
        area=rle.area,
        bbox=rle.bbox or (0, 0, 0, 0),
        predicted_iou=float(found.scores[i]),
        stability_score=float(stability_score(low)[0]),
        point=(row, col),
        crop_box=(0, 0, *geometry.image_shape),
    )
