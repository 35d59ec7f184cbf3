"""An image in, labels out: the one-line door to all that finds objects by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.configs import SegmentConfig, check_mode
from napari_sam.inference.channels import channels_last
from napari_sam.inference.dense_maps import explain_no_maps
from napari_sam.inference.loaded_models import as_predictor
from napari_sam.inference.plane_views import PlaneEmbedding, PlaneView
from napari_sam.inference.sam3_concepts import finds_concepts
from napari_sam.ops.label_painting import records_to_labels
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.workflows.objects.concept_masks import find_concept
from napari_sam.workflows.objects.grid_masks import generate_masks
from napari_sam.workflows.objects.image_kind import settled_config
from napari_sam.workflows.objects.instances import find_instances
from napari_sam.workflows.objects.refinement import refine_instances

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.configs import Mode, PaintOrder
    from napari_sam.inference.predictor import Predictor
    from napari_sam.ops.types import MaskRecord
    from napari_sam.workflows.progress import Progress

__all__ = ["choose_mode", "default_order", "find_objects", "segment"]


def choose_mode(
    mode: str, model: Predictor, config: SegmentConfig | None = None
) -> Mode:
    """Return the mode that "auto" stands for, or the mode itself.

    With a model that knows concepts it is "concept" where the configuration names one.

    Raises
    ------
    ValueError
        If it is none of `MODES`, or the model cannot do it.
    """
    mode = check_mode(mode)
    knows_concepts = finds_concepts(model)
    if mode == "auto" and knows_concepts and config and not config.concept.is_empty:
        return "concept"
    if mode == "concept":
        if not knows_concepts:
            raise ValueError(
                "mode 'concept' needs a model that finds objects by words and examples "
                f"itself, such as 'sam3', and {model.name} does not; see `find`"
            )
        return mode
    if mode == "auto":
        return "instances" if model.has_dense_head else "grid"
    if mode != "grid" and not model.has_dense_head:
        raise ValueError(explain_no_maps(model.name, f"mode {mode!r} cannot be used"))
    return mode


def default_order(mode: str) -> PaintOrder:
    """Whose pixel it is where masks of a mode overlap; see `records_to_labels`.

    The smaller mask's in mode "grid", where parts of an object are masks too; that of
    the higher score in the others.
    """
    return "area" if mode == "grid" else "score"


def settle_kind(
    config: SegmentConfig | None,
    mode: str,
    *,
    model: Predictor,
    plane: NDArray[Any],
    contrast_limits: tuple[float, float] | None = None,
) -> SegmentConfig:
    """Decide what several planes of one image show, so that each is seen alike.

    Parameters
    ----------
    config, mode
        See `segment`.
    model
        A loaded model.
    plane
        (H, W) or (H, W, 3 | 4), one of them.
    contrast_limits
        What is black and white.

    Returns
    -------
    SegmentConfig
        Its `instances.kind` is no longer "auto" where instances are looked for.
    """
    config = config or SegmentConfig()
    if choose_mode(mode, model, config) not in ("instances", "refined"):
        return config
    view = PlaneView.of(plane, model.frame_size, contrast_limits)
    settled = settled_config(config.instances, model, [view])
    return config.model_copy(update={"instances": settled})


def find_objects(
    image: ArrayLike | PlaneEmbedding,
    *,
    model: Predictor,
    mode: str = "auto",
    config: SegmentConfig | None = None,
    scope: Scope | None = None,
    progress: Progress | None = None,
) -> list[MaskRecord]:
    """Find every object of an image as masks with scores.

    Parameters
    ----------
    image
        (H, W) or (H, W, 1 to 4), see `Predictor.embed`; or its embedding.
    model
        A loaded model.
    mode, config, scope, progress
        See `segment`. In mode "refined" the progress of the refinement follows that
        of the search, from 0 again.

    Returns
    -------
    list of MaskRecord
        Empty where there is nothing. In mode "grid" masks may lie within others.

    Raises
    ------
    ValueError
        If an argument is not as described, or the model cannot do the mode.
    Cancelled
        If `progress.is_cancelled` answered True.
    """
    config, scope = config or SegmentConfig(), scope or Scope()
    mode = choose_mode(mode, model, config)
    if mode == "concept":
        return find_concept(
            image, model=model, config=config.concept, scope=scope, progress=progress
        )
    if mode == "grid":
        return generate_masks(
            image, model=model, config=config.grid, scope=scope, progress=progress
        )
    found = find_instances(
        image, model=model, config=config.instances, scope=scope, progress=progress
    )
    if mode == "instances":
        return found.records()
    return refine_instances(
        image,
        found,
        model=model,
        config=config.refine,
        contrast_limits=scope.contrast_limits,
        progress=progress,
    )


def segment(
    image: ArrayLike | PlaneEmbedding,
    *,
    model: str | Path | Predictor = "cells",
    mode: str = "auto",
    config: SegmentConfig | None = None,
    scope: Scope | None = None,
    channel_axis: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int32]:
    """Label every object of an image.

    Parameters
    ----------
    image : (H, W) or (H, W, 1 to 4) array of any real dtype, or an embedding
        See `Predictor.embed`; an embedding must be of the same model.
    model : str, Path or Predictor
        A name of the registry, the path of a checkpoint, or a loaded model. The last
        one that was given by name is kept, so that a loop does not load it again.
    mode : {"auto", "grid", "instances", "refined", "concept"}
        "grid": a grid of points, each asked for masks (any model). "instances": the
        dense head and a watershed. "refined": the same, each instance drawn anew by
        the mask decoder, which takes several times longer. "concept": what a phrase
        or example boxes name, by a model that knows concepts (SAM 3). "auto":
        "concept" where the configuration names one and the model knows concepts,
        "instances" where the model has a dense head, else "grid".
    config : SegmentConfig, optional
        The parameters of each mode, and whose pixel it is where masks overlap.
    scope : Scope, optional
        Where objects are looked for, which are left out, and what is black and white.
    channel_axis : int, optional
        The axis of the channels; None: the last one, if there are three. Three
        are red, green and blue, a fourth is opacity.
    progress : Progress, optional
        Steps are batches of points, or tiles.

    Returns
    -------
    (H, W) int32 array
        0 background, 1 to n the objects, numbered without gaps.

    Raises
    ------
    ValueError
        If an argument is not as described, or the model cannot do the mode.
    Cancelled
        If `progress.is_cancelled` answered True.

    See Also
    --------
    segment_volume : Volumes.
    segment_large : Images that are larger than memory.
    segment_boxes, segment_points : Objects that are known by a box or a point.

    References
    ----------
    Mode "grid": Kirillov et al., Segment Anything, 2023, section 5. Modes "instances"
    and "refined": after Archit et al., Segment Anything for Microscopy, Nature Methods
    22, 2025.

    Examples
    --------
    >>> import napari_sam
    >>> image = napari_sam.load_sample("nuclei_2d")[:128, :128]
    >>> labels = napari_sam.segment(image)
    >>> labels.shape, labels.dtype
    ((128, 128), dtype('int32'))

    Larger objects alone, in the upper half:

    >>> import numpy as np
    >>> large = napari_sam.InstanceConfig(min_area=100)
    >>> labels = napari_sam.segment(
    ...     image,
    ...     config=napari_sam.SegmentConfig(instances=large),
    ...     scope=napari_sam.Scope(roi=np.arange(128)[:, None] < np.full(128, 64)),
    ... )
    """
    check_mode(mode)
    sam, config = as_predictor(model), config or SegmentConfig()
    order = config.order or default_order(choose_mode(mode, sam, config))
    image = channels_last(image, channel_axis)
    if isinstance(image, PlaneEmbedding):
        shape = image.geometry.image_shape
    else:
        image = np.asarray(image)
        shape = image.shape[:2]
    records = find_objects(
        image, model=sam, mode=mode, config=config, scope=scope, progress=progress
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
