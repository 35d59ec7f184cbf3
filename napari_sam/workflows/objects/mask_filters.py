"""Which of the masks that points are answered with are worth keeping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.inference.mask_upscaling import upscale_window, without_padding
from napari_sam.ops.rle import Rle
from napari_sam.ops.stability_score import stability_score
from napari_sam.ops.types import MaskRecord
from napari_sam.workflows.objects.crops import Crop, near_crop_edge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_sam.inference.point_decoder import PointDecoder
    from napari_sam.ops.types import Box, FrameGeometry

__all__ = ["CandidateFilter", "pixel_boxes"]

_MAX_COVERED_SHARE = 0.5
"""Share of a mask on occupied pixels above which it is dropped."""


@dataclass(frozen=True, eq=False)
class CandidateFilter:
    """The filters that each mask of a grid goes through on its own.

    Attributes
    ----------
    shape
        (H, W) of the image plane.
    iou_thresh
        Predicted IoU that a mask must exceed; 0: no filter.
    stability_thresh
        Stability that a mask must reach; 0: no filter.
    stability_offset
        By how much the stability moves the mask's threshold.
    fast_stability
        Whether it is measured on the model's low-resolution masks.
    occupied
        (H, W) bool, or None: a mask with more than half of its pixels there is
        dropped.
    """

    shape: tuple[int, int]
    iou_thresh: float
    stability_thresh: float
    stability_offset: float
    fast_stability: bool
    occupied: NDArray[np.bool_] | None

    def records(
        self, decoder: PointDecoder, crop: Crop, points: NDArray[np.float64]
    ) -> Iterator[MaskRecord]:
        """Ask (N, 2) points of a crop for three masks each; keep those that pass.

        One mask at a time is made at the crop's resolution; what is kept is run
        lengths. A mask that touches an edge where the crop ends and the image does
        not is dropped, because it may go on there.
        """
        thresh = self.iou_thresh if self.iou_thresh > 0 else None
        for found in decoder.decode(points, thresh):
            for index, score, low in zip(
                found.points, found.scores, found.logits, strict=True
            ):
                stable = self._stable_mask(low, decoder.geometry)
                if stable is None:
                    continue
                mask, (down, right), stability = stable
                corner = (crop.corner[0] + down, crop.corner[1] + right)
                rle = Rle.encode(mask, self.shape, corner)
                bbox = rle.bbox
                if self._is_cut_off(bbox, crop) or self._is_covered(mask, corner):
                    continue
                row, col = (points[index] + crop.corner).tolist()
                yield MaskRecord(
                    rle=rle,
                    area=rle.area,
                    bbox=bbox or (0, 0, 0, 0),
                    predicted_iou=float(score),
                    stability_score=stability,
                    point=(row, col),
                    crop_box=crop.box,
                )

    def _stable_mask(
        self, low: Tensor, geometry: FrameGeometry
    ) -> tuple[NDArray[np.bool_], tuple[int, int], float] | None:
        """Return a mask, its corner in the crop and its stability, if it has enough.

        The mask is at the crop's resolution, but only of the part where it can be.
        The stability is measured before where low resolution is good enough.
        """
        offset = self.stability_offset
        if self.fast_stability:
            measured = without_padding(low, geometry)
            logits, corner = None, (0, 0)
        else:
            logits, corner = upscale_window(low, geometry, -offset)
            measured = logits
        score = stability_score(measured.numpy()[None], 0.0, offset)[0]
        if self.stability_thresh > 0 and score < self.stability_thresh:
            return None
        if logits is None:
            logits, corner = upscale_window(low, geometry, 0.0)
        return logits.numpy() > 0, corner, float(score)

    def _is_cut_off(self, bbox: tuple[int, int, int, int] | None, crop: Crop) -> bool:
        # An empty mask counts as the crop's first pixel, as in Meta's code.
        corner = crop.corner
        box = (*corner, corner[0] + 1, corner[1] + 1) if bbox is None else bbox
        return bool(near_crop_edge(pixel_boxes([box]), crop, self.shape)[0])

    def _is_covered(self, mask: NDArray[np.bool_], corner: tuple[int, int]) -> bool:
        if self.occupied is None:
            return False
        (top, left), (rows, cols) = corner, mask.shape
        ground = self.occupied[top : top + rows, left : left + cols]
        covered = np.count_nonzero(mask & ground)
        return bool(covered > _MAX_COVERED_SHARE * np.count_nonzero(mask))


def pixel_boxes(given: Sequence[Box]) -> NDArray[np.int64]:
    """(N, 4) boxes as Meta's code has them: the last pixels are inside."""
    array = np.array(given, np.int64).reshape(-1, 4)
    array[:, 2:] = np.maximum(array[:, 2:] - 1, array[:, :2])
    return array
