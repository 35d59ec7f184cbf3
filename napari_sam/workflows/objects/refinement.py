"""Instances of the dense head, each drawn anew by the mask decoder.

The decoder outlines an object more finely than the watershed, but may outline
something else. An answer therefore counts only where the decoder itself thinks it
good and where it is much the same object; else the instance stays as it was.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.configs import RefineConfig
from napari_sam.ops.types import Prompts
from napari_sam.workflows.objects.from_prompts import answer_prompts, plane_shape
from napari_sam.workflows.progress import Steps

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import MaskRecord
    from napari_sam.ops.watershed import Instances
    from napari_sam.workflows.progress import Progress

__all__ = ["refine_instances"]


_DEFAULT = RefineConfig()


def refine_instances(
    image: ArrayLike | PlaneEmbedding,
    instances: Instances,
    *,
    model: Predictor,
    config: RefineConfig = _DEFAULT,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
) -> list[MaskRecord]:
    """Draw each instance anew by its box and its deepest point.

    Parameters
    ----------
    image, contrast_limits
        As they were given to `find_instances`.
    instances
        What it found. They are prompted at the scale at which they were seen.
    model
        The model that found them.
    config
        Prompts and thresholds.
    progress
        Steps are batches.

    Returns
    -------
    list of MaskRecord
        One for each instance, in order. Where the answer counts, its mask and scores;
        else those of the instance. Masks may overlap by a few pixels; see
        `records_to_labels`. `predicted_iou` is in either case the confidence with
        which the instance was found: it tells objects from background better than
        the decoder, which only judges outlines.

    Raises
    ------
    ValueError
        If the image does not fit the instances.
    Cancelled
        If `progress.is_cancelled` answered True.
    """
    shape = plane_shape(image)
    if instances.labels.shape != shape:
        raise ValueError(
            f"instances have shape {instances.labels.shape}, but the image plane has "
            f"{shape}"
        )
    steps = Steps("the refinement", progress)
    prompts = [
        Prompts.make(points=[point] if config.with_point else None, box=box, loose=True)
        for point, box in zip(instances.points, instances.boxes, strict=True)
    ]
    scale = instances.scale
    answers = answer_prompts(
        model, image, prompts, False, scale, contrast_limits, steps
    )
    refined = []
    for index, (old, new) in enumerate(zip(instances.records(), answers, strict=True)):
        top, left, bottom, right = old.bbox
        within = new.rle.decode_box((top, left, bottom, right))
        shared = np.count_nonzero(within & instances.mask(index))
        agreement = shared / (old.area + new.area - shared)
        good = new.predicted_iou >= config.pred_iou_thresh
        if good and agreement >= config.agreement_thresh:
            found = replace(new, predicted_iou=old.predicted_iou, point=old.point)
            refined.append(found)
        else:
            refined.append(old)
    return refined
