"""An image in, labels out: the one-line door to all that finds objects by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam.inference.predictor import load_model
from napari_sam.inference.views import PlaneEmbedding
from napari_sam.ops.label_painting import check_paint_order, records_to_labels
from napari_sam.workflows.objects.grid_masks import AutomaticConfig, generate_masks
from napari_sam.workflows.objects.instances import InstanceConfig, find_instances
from napari_sam.workflows.objects.refinement import RefineConfig, refine_instances

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray
    from pydantic import BaseModel

    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.label_painting import PaintOrder
    from napari_sam.ops.types import IsCancelled, MaskRecord
    from napari_sam.workflows.progress import Progress

__all__ = [
    "MODES",
    "Mode",
    "choose_mode",
    "default_order",
    "find_objects",
    "grid_defaults",
    "read_settings",
    "segment",
]

Mode = Literal["auto", "grid", "instances", "refined"]
"""How objects are found; see `segment`."""

MODES: tuple[Mode, ...] = ("auto", "grid", "instances", "refined")


_CONFIGS: Mapping[str, type[BaseModel]] = {
    "grid": AutomaticConfig,
    "instances": InstanceConfig,
    "refine": RefineConfig,
}
"""The configurations, by the arguments of `find_objects` that take them."""

_CAUTIOUS = AutomaticConfig(
    points_per_side=28,
    pred_iou_thresh=0.65,
    stability_score_thresh=0.85,
    box_nms_thresh=0.5,
)

_USED_BY: Mapping[str, tuple[Mode, ...]] = {
    "grid": ("auto", "grid"),
    "instances": ("auto", "instances", "refined"),
    "refine": ("refined",),
}


def choose_mode(mode: str, sam: Predictor) -> Mode:
    """Return the mode that "auto" stands for, or the mode itself.

    Raises
    ------
    ValueError
        If it is none of `MODES`, or the model cannot do it.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
    if mode == "auto":
        return "instances" if sam.has_dense_head else "grid"
    if mode == "grid":
        return "grid"
    if not sam.has_dense_head:
        raise ValueError(
            f"mode {mode!r} needs a model with a dense head, such as 'cells', and "
            f"{sam.name} has none; use mode 'grid'"
        )
    return "instances" if mode == "instances" else "refined"


def grid_defaults(sam: Predictor) -> AutomaticConfig:
    """Parameters of mode "grid" for a model.

    Those of Meta's generator suit Meta's models. A model with a dense head was trained
    as the bundled one, which judges its masks more cautiously and draws softer edges:
    with Meta's thresholds hardly a mask would be left.
    """
    return _CAUTIOUS if sam.has_dense_head else AutomaticConfig()


def default_order(mode: str) -> PaintOrder:
    """Whose pixel it is where masks of a mode overlap; see `records_to_labels`.

    The smaller mask's in mode "grid", where parts of an object are masks too; that of
    the higher score in the others.
    """
    return "area" if mode == "grid" else "score"


def read_settings(mode: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Sort named parameters into the configurations that `find_objects` takes.

    Parameters
    ----------
    mode
        One of `MODES`. "auto" takes the parameters of "grid" and of "instances".
    settings
        Values, or texts of them, by the names of the fields of `AutomaticConfig`,
        `InstanceConfig` or `RefineConfig`.

    Returns
    -------
    dict
        Keyword arguments `grid`, `instances` and `refine`, as far as there are any.

    Raises
    ------
    ValueError
        If the mode has no such parameter, or a value does not suit it.

    Examples
    --------
    >>> read_settings("instances", {"min_area": "50"})["instances"].min_area
    50
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
    known = {name: kind for name, kind in _CONFIGS.items() if mode in _USED_BY[name]}
    fields = {
        field: name for name, kind in known.items() for field in kind.model_fields
    }
    sorted_out: dict[str, dict[str, Any]] = {}
    for field, value in settings.items():
        if field not in fields:
            raise ValueError(
                f"mode {mode!r} has no parameter {field!r}; it has "
                f"{', '.join(sorted(fields))}"
            )
        sorted_out.setdefault(fields[field], {})[field] = value
    return {name: known[name](**values) for name, values in sorted_out.items()}


def find_objects(
    sam: Predictor,
    image_or_embedding: ArrayLike | PlaneEmbedding,
    mode: str = "auto",
    *,
    grid: AutomaticConfig | None = None,
    instances: InstanceConfig | None = None,
    refine: RefineConfig | None = None,
    roi: NDArray[np.bool_] | None = None,
    exclude: NDArray[np.integer] | None = None,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> list[MaskRecord]:
    """Find every object of an image as masks with scores.

    Parameters
    ----------
    sam
        The model.
    image_or_embedding
        (H, W) or (H, W, 1 to 4), see `Predictor.embed`; or its embedding.
    mode
        See `segment`.
    grid, instances, refine
        Parameters of mode "grid"; of "instances" and "refined"; of "refined". What is
        not set in `grid` is as in `grid_defaults`.
    roi
        (H, W) bool: only there are objects looked for.
    exclude
        (H, W) labels: objects that lie mostly where these are not 0 are left out.
    contrast_limits, progress, is_cancelled
        See `generate_masks` and `find_instances`. In mode "refined" the progress of
        the refinement follows that of the search, from 0 again.

    Returns
    -------
    list of MaskRecord
        Empty where there is nothing. In mode "grid" masks may lie within others.

    Raises
    ------
    ValueError
        If an argument is not as described, or the model cannot do the mode.
    Cancelled
        If `is_cancelled` answered True.
    """
    mode = choose_mode(mode, sam)
    if mode == "grid":
        config = grid_defaults(sam)
        if grid is not None:
            given = {name: getattr(grid, name) for name in grid.model_fields_set}
            config = config.model_copy(update=given)
        return generate_masks(
            sam,
            image_or_embedding,
            config,
            roi=roi,
            exclude=exclude,
            contrast_limits=contrast_limits,
            progress=progress,
            is_cancelled=is_cancelled,
        )
    found = find_instances(
        sam,
        image_or_embedding,
        instances or InstanceConfig(),
        roi=roi,
        exclude=exclude,
        contrast_limits=contrast_limits,
        progress=progress,
        is_cancelled=is_cancelled,
    )
    if mode == "instances":
        return found.records()
    return refine_instances(
        sam,
        image_or_embedding,
        found,
        refine or RefineConfig(),
        contrast_limits=contrast_limits,
        progress=progress,
        is_cancelled=is_cancelled,
    )


def segment(
    image: ArrayLike | PlaneEmbedding,
    model: str | Path | Predictor = "cells",
    mode: str = "auto",
    *,
    order: PaintOrder | None = None,
    grid: AutomaticConfig | None = None,
    instances: InstanceConfig | None = None,
    refine: RefineConfig | None = None,
    roi: NDArray[np.bool_] | None = None,
    exclude: NDArray[np.integer] | None = None,
    contrast_limits: tuple[float, float] | None = None,
    progress: Progress | None = None,
    is_cancelled: IsCancelled | None = None,
) -> NDArray[np.int32]:
    """Label every object of an image.

    Parameters
    ----------
    image
        (H, W) or (H, W, 1 to 4) of any real dtype, see `Predictor.embed`; or an
        embedding of the model's.
    model
        A name of the registry, the path of a checkpoint, or a loaded model.
    mode
        "grid": a grid of points, each asked for masks (any model). "instances": the
        dense head and a watershed. "refined": the same, each instance drawn anew by
        the mask decoder, which takes several times longer. "auto": "instances" where
        the model has a dense head, else "grid".
    order
        Whose pixel it is where masks overlap: "score", the mask with the higher
        score, or "area", the smaller mask; see `records_to_labels`. "area" if None in
        mode "grid", where parts of an object are masks too, else "score".
    grid, instances, refine, roi, exclude
        See `find_objects`.
    contrast_limits, progress, is_cancelled
        See `find_objects`.

    Returns
    -------
    (H, W) int32
        0 background, 1 to n the objects, numbered without gaps.

    Raises
    ------
    ValueError
        If an argument is not as described, or the model cannot do the mode.
    Cancelled
        If `is_cancelled` answered True.

    Examples
    --------
    >>> import napari_sam
    >>> from napari_sam.io.samples import load_sample
    >>> labels = napari_sam.segment(load_sample("nuclei_2d"), mode="instances")
    >>> labels.shape, labels.dtype
    ((512, 512), dtype('int32'))
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {MODES}, got {mode!r}")
    if order is not None:
        check_paint_order(order)
    sam = load_model(model) if isinstance(model, (str, Path)) else model
    if order is None:
        order = default_order(choose_mode(mode, sam))
    if isinstance(image, PlaneEmbedding):
        shape = image.geometry.image_shape
    else:
        image = np.asarray(image)
        shape = image.shape[:2]
    records = find_objects(
        sam,
        image,
        mode,
        grid=grid,
        instances=instances,
        refine=refine,
        roi=roi,
        exclude=exclude,
        contrast_limits=contrast_limits,
        progress=progress,
        is_cancelled=is_cancelled,
    )
    return _without_gaps(records_to_labels(records, shape, order))


def _without_gaps(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Renumber labels 1 to n in the same order."""
    present = np.zeros(int(labels.max(initial=0)) + 1, np.bool_)
    present[labels.ravel()] = True
    present[0] = False
    numbers = np.cumsum(present, dtype=np.int32)
    numbers[~present] = 0
    return numbers[labels]
