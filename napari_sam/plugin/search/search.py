"""One search for everything on a plane, away from the window, and what it found.

The model is asked for more than the sieve lets through at first: down to a lower
score, and with duplicates. So the thresholds can be moved both ways afterwards, and
the masks that pass are those that a search with these thresholds would have found.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam.configs import SelectionRule
from napari_sam.ops.roi_and_contrast import Scope
from napari_sam.plugin.search.model_modes import resolve_mode
from napari_sam.workflows.objects.mask_selection import MaskSelection
from napari_sam.workflows.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.configs import GridConfig, PaintOrder
    from napari_sam.ops.planes import Plane
    from napari_sam.ops.types import IsCancelled, MaskRecord

__all__ = [
    "Found",
    "Search",
    "find_objects",
    "search_plane",
    "start_rule",
]


@dataclass(frozen=True, eq=False)
class Search:
    """What is looked for, and where.

    Attributes
    ----------
    image
        The image layer; not touched away from the window.
    data
        What the layer held, to notice when it holds something else.
    plane
        Where.
    read
        Reads the plane; fit for another thread.
    shape
        (H, W) of the plane.
    contrast_limits
        What is shown black and white.
    mode
        Of `napari_sam.workflows.objects.segment.find_objects`.
    options
        Parameters of each of the modes but "auto", by name;
        the thresholds among them are how far down is searched.
    roi
        (H, W) bool, or None for the whole plane.
    exclude
        (H, W) labels where nothing is looked for, or None.
    """

    image: Any
    data: Any
    plane: Plane
    read: Callable[[], NDArray[Any]]
    shape: tuple[int, int]
    contrast_limits: tuple[float, float]
    mode: str = "auto"
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    roi: NDArray[np.bool_] | None = None
    exclude: NDArray[np.integer] | None = None

    def is_current(self, viewer: Any) -> bool:
        """Say whether the image still is in a viewer, and holds what was searched."""
        image = self.image
        return bool(image in viewer.layers and image.data is self.data)


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes
    ----------
    search
        What was looked for.
    mode
        How it was found in the end; never "auto".
    model_name
        By which model.
    selection
        The masks.
    start
        The rule with which sieving starts: the thresholds of
        `napari_sam.segment`, or none where they would reject everything.
    every
        (N,) indices of the masks that pass without any threshold.
    left_out
        How many masks were found that lie mostly outside the region.
    kind
        What the image was taken for, one of `IMAGE_KINDS` or "any".
    """

    search: Search
    mode: str
    model_name: str
    selection: MaskSelection
    start: SelectionRule
    every: NDArray[np.intp]
    left_out: int = 0
    kind: str = "any"

    @property
    def total(self) -> int:
        """How many pass without any threshold."""
        return len(self.every)


def find_objects(
    predictor: Any, image: Any, mode: str, options: Mapping[str, Any], **where: Any
) -> Sequence[MaskRecord]:
    """Call `napari_sam.workflows.objects.segment.find_objects` with options by name."""
    from napari_sam.configs import read_settings
    from napari_sam.workflows.objects import segment

    config = read_settings(mode, options)
    return segment.find_objects(
        image, model=predictor, mode=mode, config=config, **where
    )


def start_rule(mode: str, predictor: Any, kind: str = "any") -> SelectionRule:
    """Return the thresholds of a mode's defaults; loads torch.

    Parameters
    ----------
    mode
        Not "auto".
    predictor
        The model.
    kind
        What the image shows, where instances are looked for.
    """
    if mode == "grid":
        grid = _grid_defaults(predictor)
        return SelectionRule(
            min_iou=grid.pred_iou_thresh, min_stability=grid.stability_score_thresh
        )
    from napari_sam.configs import ConceptConfig, InstanceConfig

    if mode == "concept":
        return SelectionRule(min_iou=ConceptConfig().min_likelihood)
    from napari_sam.configs.image_kinds import for_kind

    instances = for_kind(InstanceConfig(), kind)
    return SelectionRule(
        min_iou=instances.confidence_thresh, min_area=instances.min_area
    )


def _grid_defaults(predictor: Any) -> GridConfig:
    from napari_sam.workflows.objects.grid_masks import grid_defaults

    return grid_defaults(predictor)


def _order(mode: str) -> PaintOrder:
    from napari_sam.workflows.objects.segment import default_order

    return default_order(mode)


def search_plane(
    predictor: Any,
    search: Search,
    find: Callable[..., Sequence[MaskRecord]] = find_objects,
    progress: Callable[[int, int], None] | None = None,
    is_cancelled: IsCancelled | None = None,
) -> Found:
    """Search a plane.

    Parameters
    ----------
    predictor
        The model.
    search
        What and where.
    find
        Finds the masks; see `find_objects`.
    progress, is_cancelled
        See `napari_sam.workflows.objects.grid_masks.generate_masks`.
    """
    mode = resolve_mode(search.mode, predictor, search.options)
    options = dict(search.options.get(mode, {}))
    double = None
    if mode == "grid" and not options.get("crop_n_layers"):
        double = options.get("box_nms_thresh", _grid_defaults(predictor).box_nms_thresh)
        options["box_nms_thresh"] = 1.0
    pixels = search.read()
    kind = _kind_of(pixels, predictor, search, mode, options)
    if mode in ("instances", "refined"):
        options["kind"] = kind
    records = find(
        predictor,
        pixels,
        mode,
        options,
        scope=Scope(search.roi, search.exclude, search.contrast_limits),
        progress=Progress(progress, is_cancelled),
    )
    inside = [record for record in records if _lies_in(record, search.roi)]
    selection = MaskSelection(
        inside,
        search.shape,
        order=_order(mode),
        double=double,
    )
    start = start_rule(mode, predictor, kind)
    kept = selection.keep(start)
    if not len(kept):
        start = SelectionRule()
        kept = selection.keep(start)
    selection.paint(kept)  # the masks are decoded here, away from the window
    every = selection.keep(SelectionRule())
    out = len(records) - len(inside)
    return Found(search, mode, predictor.name, selection, start, every, out, kind)


def _kind_of(
    pixels: NDArray[Any],
    predictor: Any,
    search: Search,
    mode: str,
    options: Mapping[str, Any],
) -> str:
    """Say what the plane shows, where that counts."""
    if mode not in ("instances", "refined"):
        return "any"
    said = str(options.get("kind", "any"))
    if said != "auto":
        return said
    from napari_sam.configs import read_settings
    from napari_sam.inference.image_kinds import knows_kinds
    from napari_sam.workflows.objects.segment import settle_kind

    if not knows_kinds(predictor):
        return "any"
    settled = settle_kind(
        read_settings(mode, options),
        mode,
        model=predictor,
        plane=pixels,
        contrast_limits=search.contrast_limits,
    )
    return settled.instances.kind


def _lies_in(record: MaskRecord, roi: NDArray[np.bool_] | None) -> bool:
    """Say whether at least half of a mask lies in a region.

    A point of the grid within the region may be answered with a mask of what is
    outside, and the deepest point of an object is only one of its pixels.
    """
    if roi is None:
        return True
    return 2 * int(roi.ravel()[record.rle.pixels()].sum()) >= record.area
