"""Labels of any origin, their objects drawn anew where the model is surer.

Each object becomes a box and a mask prompt. The answer takes its place if the model
thinks well of it, if it is the same object, and if it is better by a margin: where the
predicted IoU of an answer is q and the object agrees with it by an IoU of a, the object
itself is worth about q * a in the model's eyes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from napari_sam.configs import RefineLabelsConfig
from napari_sam.inference.channels import channels_last
from napari_sam.inference.image_scale import PROMPT_SCALE_RULE
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.plane_views import PlaneEmbedding
from napari_sam.inference.tiled_prediction import add_mask
from napari_sam.io.images import as_labels
from napari_sam.ops import boxes
from napari_sam.ops.labels import count_labels, without_fragments
from napari_sam.ops.mask_overlap import mask_iou
from napari_sam.ops.object_boxes import boxes_of_labels
from napari_sam.ops.roi_and_contrast import require_limits_only
from napari_sam.ops.types import Prompts
from napari_sam.workflows.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from napari_sam.inference.predictor import Predictor
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.ops.roi_and_contrast import Scope
    from napari_sam.ops.types import Box, MaskPrediction

__all__ = ["RefinedLabels", "RefinedObject", "refine_labels", "refine_plane"]

_BATCH = 32
"""Objects asked about between two reports; their masks are in memory at one time."""

_MIN_KEPT_SHARE = 0.5
"""Share of an answer that others must leave to it; else the object stays."""


@dataclass(frozen=True)
class RefinedObject:
    """What became of an object of a plane.

    Attributes
    ----------
    label
        Which object.
    plane
        Index of its plane; () where there is one.
    changed
        Whether it was drawn anew.
    iou
        Of the object before and after; 1 where it stays.
    score
        Predicted IoU of the model's answer.
    agreement
        IoU of the answer and the object before.
    pixels_before, pixels_after
        Its area.
    """

    label: int
    plane: tuple[int, ...]
    changed: bool
    iou: float
    score: float
    agreement: float
    pixels_before: int
    pixels_after: int


class RefinedLabels(NamedTuple):
    """Labels and what became of each object.

    Attributes
    ----------
    labels
        As they were given, with some objects drawn anew.
    report
        A row for each object and plane, with the columns of `RefinedObject`.
    """

    labels: NDArray[Any]
    report: pd.DataFrame


def refine_labels(
    image: ArrayLike | PlaneEmbedding,
    labels: ArrayLike,
    *,
    model: str | Path | Predictor = "cells",
    config: RefineLabelsConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> RefinedLabels:
    """Draw the objects of labels anew where the model is surer.

    Parameters
    ----------
    image : (..., H, W) or (..., H, W, 1 to 4) array, or an embedding of a plane
        Each plane is looked at by itself; see `Predictor.embed`.
    labels : (..., H, W) array
        Whole numbers, 0 for background, from any program. They are not changed.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model.
    config : RefineLabelsConfig, optional
        Which answers count.
    scope : Scope, optional
        Its contrast limits; every object is asked about.
    channel_axis : int, optional
        The axis of 1 to 4 channels of an image; None: the last one, if it has one more
        axis than the labels.
    progress : Progress, optional
        Steps are batches of objects.

    Returns
    -------
    RefinedLabels
        `labels` of the same type (int32 where floats were given) and the numbers that
        they had; `report`, a table. An object is given pixels that it had and free
        ones, never those of another object; none vanishes.

    Raises
    ------
    ValueError
        If an argument is not as described, or the shapes do not fit; before any work.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    find_suspects : Which objects look wrong.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")[:128, :128]
    >>> found = napari_sam.segment(image)
    >>> labels, report = napari_sam.refine_labels(image, found)
    >>> labels.shape, bool(len(report) == found.max())
    ((128, 128), True)
    """
    import pandas as pd  # 0.2 s

    config = config or RefineLabelsConfig()
    limits = require_limits_only(scope, "refine_labels")
    given: Any = labels if hasattr(labels, "ndim") else np.asarray(labels)
    seen = _checked_image(image, given, channel_axis)
    kind = np.dtype(given.dtype)
    after = np.zeros(given.shape, kind if kind.kind in "ui" else np.int32)
    sam = as_predictor(model)
    planes = [*np.ndindex(*given.shape[:-2])]
    rows: list[RefinedObject] = []
    for number, at in enumerate(planes):
        plane = _whole(np.asarray(given[at]), kind)
        part = (progress or Progress()).part(number, len(planes))
        after[at], found = refine_plane(
            seen if isinstance(seen, PlaneEmbedding) else np.asarray(seen[at]),
            plane,
            model=sam,
            config=config,
            contrast_limits=limits,
            progress=part,
            at=at,
        )
        rows += found
    names = list(RefinedObject.__dataclass_fields__)
    table = [[getattr(row, name) for name in names] for row in rows]
    return RefinedLabels(after, pd.DataFrame(table, columns=names))


def _whole(plane: NDArray[Any], kind: np.dtype[Any]) -> NDArray[Any]:
    return plane if kind.kind in "ui" else as_labels(plane, "labels")


def _checked_image(
    image: ArrayLike | PlaneEmbedding, labels: Any, channel_axis: int | None
) -> Any:
    """Return the image with channels last, or its embedding, if the labels fit it."""
    if np.dtype(labels.dtype).kind not in "buif" or labels.ndim < 2:
        raise ValueError(
            "labels must be whole numbers with two axes or more, got "
            f"{labels.dtype} of shape {tuple(labels.shape)}"
        )
    wanted = tuple(labels.shape)
    if isinstance(image, PlaneEmbedding):
        shape: tuple[int, ...] = image.geometry.image_shape
        fits = shape == wanted
    else:
        seen: Any = image if hasattr(image, "ndim") else np.asarray(image)
        if channel_axis is not None and labels.ndim == 2:
            seen = channels_last(seen, channel_axis)
        elif channel_axis is not None:
            seen = np.moveaxis(seen, channel_axis, -1)
        image, shape = seen, tuple(seen.shape)
        fits = shape[: len(wanted)] == wanted and (
            len(shape) == len(wanted)
            or (len(shape) == len(wanted) + 1 and shape[-1] <= 4)
        )
    if not fits:
        raise ValueError(
            f"labels of shape {wanted} do not fit an image of shape {shape}; wanted "
            "the same shape, or up to 4 channels more in the last axis"
        )
    return image


def refine_plane(
    image: ArrayLike | PlaneEmbedding,
    labels: NDArray[Any],
    *,
    model: PromptableModel,
    chosen: Iterable[int] | None = None,
    config: RefineLabelsConfig | None = None,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    at: tuple[int, ...] = (),
) -> tuple[NDArray[Any], list[RefinedObject]]:
    """Draw the objects of a plane anew; see `refine_labels`.

    Parameters
    ----------
    image, model, config, contrast_limits, progress
        As for `refine_labels`; one plane.
    labels
        (H, W) integers.
    chosen
        The objects that are asked about; all of them if None.
    at
        Index of the plane, for the report.

    Returns
    -------
    after : (H, W) array
        Of the type of `labels`.
    report : list of RefinedObject
        By label.
    """
    config = config or RefineLabelsConfig()
    areas = count_labels(labels)
    wanted = [n for n in (areas if chosen is None else chosen) if n in areas]
    steps = Steps("the refinement of labels", progress)
    after = labels.copy()
    if not wanted:
        steps.finish()
        return after, []
    found = boxes_of_labels(labels, wanted)
    embedding: Any = image
    if not isinstance(image, PlaneEmbedding):
        sizes = [areas[label] for label in found]
        frame_share = model.frame_size / max(labels.shape)
        embedding = model.embed(
            image,
            scale=PROMPT_SCALE_RULE.scale(np.array(sizes), frame_share),
            contrast_limits=contrast_limits,
            is_cancelled=steps.is_cancelled,
        )
    answers = _ask(model, embedding, labels, found, config, steps)
    rows = [
        _take_over(labels, after, label, answers[label], config, at)
        for label in sorted(answers, key=lambda n: (-answers[n][1], n))
    ]
    return after, sorted(rows, key=lambda row: row.label)


_Answer = tuple["NDArray[np.bool_]", float, "Box"]
"""A mask within a box of the plane, and its predicted IoU."""


def _ask(
    sam: PromptableModel,
    embedding: PlaneEmbedding,
    labels: NDArray[Any],
    found: dict[int, Box],
    config: RefineLabelsConfig,
    steps: Steps,
) -> dict[int, _Answer]:
    """Ask about each object by its box and, if wanted, by itself."""
    # Neighbours come together: they are seen in the same tile.
    order = sorted(found, key=lambda n: (found[n][0] // 256, found[n][1]))
    answers: dict[int, _Answer] = {}
    for start in range(0, len(order), _BATCH):
        steps.before(-(-(len(order) - start) // _BATCH))
        some = order[start : start + _BATCH]
        prompts = []
        for label in some:
            prompt = Prompts.make(box=found[label], loose=True)
            if config.with_mask:
                mask = np.zeros(labels.shape, np.bool_)
                window = boxes.to_window(found[label])
                mask[window] = labels[window] == label
                prompt = add_mask(sam, embedding, prompt, mask)
            prompts.append(prompt)
        told = sam.predict_batch(embedding, prompts)
        for label, answer in zip(some, told, strict=True):
            answers[label] = _cut_out(answer, found[label])
    steps.finish()
    return answers


def _cut_out(answer: MaskPrediction, box: Box) -> _Answer:
    """Keep the best mask of an answer, in a box that holds the object as well."""
    drawn = boxes.from_mask(answer.masks[0])
    both = box if drawn is None else boxes.enclose(box, drawn)
    mask = answer.masks[0][boxes.to_window(both)].copy()
    return mask, float(answer.scores[0]), both


def _take_over(
    labels: NDArray[Any],
    after: NDArray[Any],
    label: int,
    answer: _Answer,
    config: RefineLabelsConfig,
    at: tuple[int, ...],
) -> RefinedObject:
    """Draw one object anew in `after`, if its answer counts; tell what was done."""
    mask, score, both = answer
    window = boxes.to_window(both)
    old = labels[window] == label
    area = int(np.count_nonzero(old))
    agreement = mask_iou(old, mask)
    free = old | ((labels[window] == 0) & (after[window] == 0))
    granted = without_fragments(mask & free, mask)
    counts = (
        score >= config.pred_iou_thresh
        and agreement >= config.agreement_thresh
        and score * (1 - agreement) >= config.min_gain
        and granted.sum() >= _MIN_KEPT_SHARE * mask.sum()
        and bool((granted != old).any())
    )
    if not counts:
        return RefinedObject(label, at, False, 1.0, score, agreement, area, area)
    part = after[window]
    part[old] = 0
    part[granted] = label
    left = int(np.count_nonzero(granted))
    iou = mask_iou(old, granted)
    return RefinedObject(label, at, True, iou, score, agreement, area, left)
