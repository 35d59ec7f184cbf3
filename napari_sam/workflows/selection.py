"""Masks that were found automatically, sieved and painted without the model.

All that a threshold is compared with is measured once, when the masks arrive.
Moving a threshold then costs one comparison a mask, and painting the masks that
are left costs their pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.types import MaskRecord

__all__ = ["MaskSelection", "SelectionRule"]

_MOSTLY = 0.5


class SelectionRule(BaseModel):
    """Which masks are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_iou: float = Field(0.0, description="smallest predicted IoU")
    min_stability: float = Field(0.0, description="smallest stability score")
    min_area: int = Field(0, ge=0, description="smallest area in pixels")
    max_area: int | None = Field(
        None, ge=0, description="largest area in pixels; None: any"
    )
    drop_border: bool = Field(
        False, description="drop masks that touch the border of the image"
    )
    only_empty: bool = Field(
        False, description="drop masks of which more than half is labelled already"
    )


class MaskSelection:
    """Masks of one plane at hand.

    Parameters
    ----------
    records
        The masks; where two overlap, the pixel goes to the one with the higher
        predicted IoU, among equals to the earlier one.
    shape
        (H, W) of the plane.
    taken
        (H, W) labels that are there already, or None.

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
    ) -> None:
        wrong = {record.rle.shape for record in records} - {shape}
        if taken is not None and taken.shape != shape:
            wrong.add(taken.shape)
        if wrong:
            raise ValueError(
                f"masks and labels must have the shape {shape}, got {sorted(wrong)}"
            )
        self.shape = shape
        order = np.argsort([-r.predicted_iou for r in records], kind="stable")
        self.records = tuple(records[i] for i in order)
        self._pixels = [record.rle.pixels() for record in self.records]
        self.iou = np.array([r.predicted_iou for r in self.records], np.float32)
        self.stability = np.array([r.stability_score for r in self.records], np.float32)
        self.area = np.array([len(p) for p in self._pixels], np.int64)
        boxes = np.array([r.bbox for r in self.records], np.int64).reshape(-1, 4)
        self._at_border = ((boxes[:, :2] == 0) | (boxes[:, 2:] == shape)).any(axis=1)
        self._labelled = np.zeros(len(self.records))
        if taken is not None:
            self.compare_with(taken)

    def __len__(self) -> int:
        return len(self.records)

    def compare_with(self, taken: NDArray[np.integer]) -> None:
        """Measure anew how much of each mask is labelled already."""
        ground = taken.ravel() != 0
        counts = [np.count_nonzero(ground[pixels]) for pixels in self._pixels]
        self._labelled = np.asarray(counts, float) / np.maximum(self.area, 1)

    def keep(self, rule: SelectionRule) -> NDArray[np.intp]:
        """Return the indices of the masks that a rule keeps, best first."""
        good = (self.iou >= rule.min_iou) & (self.stability >= rule.min_stability)
        good &= self.area >= max(1, rule.min_area)
        if rule.max_area is not None:
            good &= self.area <= rule.max_area
        if rule.drop_border:
            good &= ~self._at_border
        if rule.only_empty:
            good &= self._labelled <= _MOSTLY
        return np.flatnonzero(good)

    def paint(self, kept: NDArray[np.intp]) -> NDArray[np.int32]:
        """Paint masks as (H, W) labels; a mask's number is its index and 1."""
        plane = np.zeros(self.shape, np.int32)
        flat = plane.ravel()
        for index in kept[::-1].tolist():
            flat[self._pixels[index]] = index + 1
        return plane

    def at(self, kept: NDArray[np.intp], position: tuple[int, int]) -> int | None:
        """Return the index of the mask that is on top at (row, col), or None."""
        pixel = position[0] * self.shape[1] + position[1]
        for index in kept.tolist():
            pixels = self._pixels[index]
            at = np.searchsorted(pixels, pixel)
            if at < len(pixels) and pixels[at] == pixel:
                return int(index)
        return None
