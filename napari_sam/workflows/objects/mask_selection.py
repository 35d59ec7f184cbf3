"""Masks that were found automatically, filtered and painted without the model.

All that a threshold is compared with is measured once, when the masks arrive.
Moving a threshold then costs one comparison a mask, and painting the masks that
are left costs their pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam.ops.nms import duplicate_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import PaintOrder, SelectionRule
    from napari_sam.ops.types import MaskRecord

__all__ = ["MaskSelection"]

_MAX_LABELLED_SHARE = 0.5


class MaskSelection:
    """Masks of one plane at hand.

    Parameters
    ----------
    records
        The masks.
    shape
        (H, W) of the plane.
    taken
        (H, W) labels that are there already, or None.
    order
        Whose pixel it is where masks overlap: "score", the one with the higher
        predicted IoU, or "area", the smaller one; among equals the earlier one.
    double
        IoU of boxes above which the mask with the lower predicted IoU goes, if the
        other one passes the rule; None where duplicates are gone already. So the
        masks that are kept are those that `generate_masks` finds with the rule's
        thresholds and this `box_nms_thresh`, without crops.

    Raises
    ------
    ValueError
        If a mask or the labels have another shape.
    """

    def __init__(
        self,
        records: Sequence[MaskRecord],
        shape: tuple[int, int],
        taken: NDArray[np.integer] | None = None,
        *,
        order: PaintOrder = "score",
        double: float | None = None,
    ) -> None:
        wrong = {record.rle.shape for record in records} - {shape}
        if taken is not None and taken.shape != shape:
            wrong.add(taken.shape)
        if wrong:
            raise ValueError(
                f"masks and labels must have the shape {shape}, got {sorted(wrong)}"
            )
        self.shape = shape
        scores = np.array([r.predicted_iou for r in records], np.float64)
        areas = np.array([r.area for r in records], np.float64)
        on_top = np.argsort(-scores if order == "score" else areas, kind="stable")
        self.records = tuple(records[i] for i in on_top)
        self.iou = scores[on_top]
        self.stability = np.array([r.stability_score for r in self.records], np.float64)
        self.area = areas[on_top].astype(np.int64)
        boxes = np.array([r.bbox for r in self.records], np.int64).reshape(-1, 4)
        self._at_border = ((boxes[:, :2] == 0) | (boxes[:, 2:] == shape)).any(axis=1)
        self._pixels: list[NDArray[np.int64] | None] = [None] * len(self.records)
        self._best_first = np.argsort(on_top)[np.argsort(-scores, kind="stable")]
        self._doubles: list[NDArray[np.int64]] = []
        if double is not None:
            # Sides are differences of pixel indices, as where masks are generated.
            boxes[:, 2:] = np.maximum(boxes[:, 2:] - 1, boxes[:, :2])
            self._doubles = duplicate_boxes(boxes[self._best_first], double)
        self._labelled = np.zeros(len(self.records))
        if taken is not None:
            self.compare_with(taken)

    def __len__(self) -> int:
        return len(self.records)

    def compare_with(self, taken: NDArray[np.integer]) -> None:
        """Measure anew how much of each mask is labelled already."""
        before = np.zeros(taken.size + 1, np.int64)
        np.cumsum((taken != 0).ravel(order="F"), out=before[1:])
        for index, record in enumerate(self.records):
            ends = before[np.cumsum(record.rle.counts)]
            count = (ends[1::2] - ends[: len(ends[1::2]) * 2 : 2]).sum()
            self._labelled[index] = count / max(record.area, 1)

    def keep(self, rule: SelectionRule) -> NDArray[np.intp]:
        """Return the indices of the masks that a rule keeps, the topmost first."""
        good = (self.iou >= rule.min_iou) & (self.stability >= rule.min_stability)
        if self._doubles:
            good = self._without_duplicates(good)
        good &= self.area >= max(1, rule.min_area)
        if rule.max_area is not None:
            good &= self.area <= rule.max_area
        if rule.drop_border:
            good &= ~self._at_border
        if rule.only_empty:
            good &= self._labelled <= _MAX_LABELLED_SHARE
        return np.flatnonzero(good)

    def _without_duplicates(self, good: NDArray[np.bool_]) -> NDArray[np.bool_]:
        stays = good[self._best_first]
        for rank in np.flatnonzero(stays).tolist():
            if stays[rank] and len(self._doubles[rank]):
                stays[self._doubles[rank]] = False
        left = np.zeros_like(good)
        left[self._best_first] = stays
        return left

    def _pixels_of(self, index: int) -> NDArray[np.int64]:
        """Return the flat positions of a mask, which are found when first wanted."""
        pixels = self._pixels[index]
        if pixels is None:
            pixels = self._pixels[index] = self.records[index].rle.pixels()
        return pixels

    def paint(self, kept: NDArray[np.intp]) -> NDArray[np.int32]:
        """Paint masks as (H, W) labels; a mask's number is its index and 1."""
        plane = np.zeros(self.shape, np.int32)
        flat = plane.ravel()
        for index in kept[::-1].tolist():
            flat[self._pixels_of(index)] = index + 1
        return plane

    def at(self, kept: NDArray[np.intp], position: tuple[int, int]) -> int | None:
        """Return the index of the mask that is on top at (row, col), or None."""
        pixel = position[0] * self.shape[1] + position[1]
        for index in kept.tolist():
            pixels = self._pixels_of(index)
            at = np.searchsorted(pixels, pixel)
            if at < len(pixels) and pixels[at] == pixel:
                return int(index)
        return None
