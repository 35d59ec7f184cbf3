"""Small holes and islands of masks (SAM paper, appendix B)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam.ops.nms import box_nms
from napari_sam.ops.rle import Rle
from napari_sam.workflows.objects.mask_filters import pixel_boxes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.ops.types import MaskRecord

__all__ = ["clean_records", "fill_holes", "remove_islands"]

_EIGHT_NEIGHBOURS = np.ones((3, 3), np.bool_)


def fill_holes(
    mask: NDArray[np.bool_],
    area: int,
    goes_on: tuple[bool, bool, bool, bool] = (False,) * 4,
) -> NDArray[np.bool_] | None:
    """Fill the parts of the background that have fewer than `area` pixels.

    Parameters
    ----------
    mask
        (h, w) bool.
    area
        Parts of fewer pixels are holes, at the edge of the plane as well, as in
        Meta's code. Parts are 8-connected.
    goes_on
        Whether the plane goes on with background beyond the first row and column
        and the last ones of `mask`; what touches such a side is no hole.

    Returns
    -------
    (h, w) bool, or None where there is no hole.
    """
    parts, count = ndimage.label(~mask, _EIGHT_NEIGHBOURS)
    small = np.bincount(parts.ravel(), minlength=count + 1) < area
    small[0] = False
    sides = (parts[0], parts[:, 0], parts[-1], parts[:, -1])
    for side, beyond in zip(sides, goes_on, strict=True):
        if beyond:
            small[side] = False
    if not small.any():
        return None
    filled: NDArray[np.bool_] = mask | small[parts]
    return filled


def remove_islands(mask: NDArray[np.bool_], area: int) -> NDArray[np.bool_] | None:
    """Remove the 8-connected parts that have fewer than `area` pixels.

    Where all have fewer, the largest stays. Returns None where no part is small.
    """
    parts, count = ndimage.label(mask, _EIGHT_NEIGHBOURS)
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    kept = sizes >= area
    if kept[1:].all():
        return None
    kept[0] = False
    if not kept.any():
        kept[1 + np.argmax(sizes[1:])] = True
    left: NDArray[np.bool_] = kept[parts]
    return left


def clean_records(
    records: Sequence[MaskRecord], area: int, threshold: float
) -> list[MaskRecord]:
    """Fill small holes, remove small islands, and drop what became a duplicate.

    Parameters
    ----------
    records
        Masks, all of one plane.
    area
        Pixels below which a hole or an island is small.
    threshold
        IoU of the boxes above which two masks are duplicates. A mask that was not
        changed goes before one that was.

    Returns
    -------
    list of MaskRecord
        Unchanged masks first. A mask that is small as a whole stays as it is and
        counts as changed, as in Meta's code. RLE, area and box are those of the
        cleaned masks; the scores are as they were.
    """
    cleaned = [_clean(record, area) for record in records]
    unchanged = [a is b for a, b in zip(cleaned, records, strict=True)]
    kept = box_nms(
        pixel_boxes([one.bbox for one in cleaned]),
        np.array(unchanged, np.float32),
        threshold,
    )
    return [cleaned[i] for i in kept]


def _clean(record: MaskRecord, area: int) -> MaskRecord:
    """Return the record itself where nothing of its mask is small."""
    box, goes_on = _window(record, area)
    mask = record.rle.decode_box(box)
    filled = fill_holes(mask, area, goes_on)
    whole = mask if filled is None else filled
    left = remove_islands(whole, area)
    if filled is None and left is None:
        return record
    new = whole if left is None else left
    rle = Rle.encode(new, record.rle.shape, box[:2])
    return replace(record, rle=rle, area=rle.area, bbox=rle.bbox or (0, 0, 0, 0))


def _window(
    record: MaskRecord, area: int
) -> tuple[tuple[int, int, int, int], tuple[bool, bool, bool, bool]]:
    """Box that tells as much as the plane, and on which sides the plane goes on.

    The box of the mask and a pixel around it do, unless what is left of the plane on
    some side is so small that it could belong to a hole.
    """
    height, width = record.rle.shape
    top, left = (max(n - 1, 0) for n in record.bbox[:2])
    bottom, right = min(record.bbox[2] + 1, height), min(record.bbox[3] + 1, width)
    rows = bottom - top
    beyond = (
        top * width,
        left * rows,
        (height - bottom) * width,
        (width - right) * rows,
    )
    if any(0 < n < area for n in beyond):
        return (0, 0, height, width), (False,) * 4
    a, b, c, d = (n > 0 for n in beyond)
    return (top, left, bottom, right), (a, b, c, d)
