"""From masks that may overlap to one plane of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam.configs import PaintOrder
    from napari_sam.ops.types import MaskRecord

__all__ = ["PAINT_ORDERS", "check_paint_order", "records_to_labels"]

PAINT_ORDERS: tuple[PaintOrder, ...] = ("score", "area")


def check_paint_order(order: str) -> PaintOrder:
    """Return the order, or raise ValueError if it is none of `PAINT_ORDERS`."""
    for known in PAINT_ORDERS:
        if order == known:
            return known
    raise ValueError(f"order must be one of {PAINT_ORDERS}, got {order!r}")


def records_to_labels(
    records: Sequence[MaskRecord],
    shape: tuple[int, int],
    order: PaintOrder = "score",
) -> NDArray[np.int32]:
    """Paint masks into a plane of labels.

    Pixels are only ever given to a mask that has them: no hole is filled and no
    fragment removed. A mask that others cover leaves no pixel behind, and its number
    is then missing from the plane.

    Parameters
    ----------
    records
        The masks. Mask i gets the label i + 1.
    shape
        (H, W) of the plane.
    order
        Where masks overlap, "score" gives the pixel to the higher predicted IoU;
        "area" to the smaller mask, so that what lies within another object stays
        to be seen. Among equals the earlier mask has it.

    Returns
    -------
    (H, W) int32

    Raises
    ------
    ValueError
        If the order is none of `PAINT_ORDERS`, or a mask has another shape.

    Examples
    --------
    >>> records_to_labels([], (1, 3)).tolist()
    [[0, 0, 0]]
    """
    order = check_paint_order(order)
    height, width = shape
    for number, record in enumerate(records):
        if record.rle.shape != (height, width):
            raise ValueError(
                f"mask {number} has shape {record.rle.shape}, but the labels have "
                f"{(height, width)}"
            )
    if order == "score":
        worth = np.array([record.predicted_iou for record in records], np.float64)
    else:
        worth = -np.array([record.area for record in records], np.float64)
    labels = np.zeros(shape, np.int32)
    flat = labels.ravel()
    best_first = np.argsort(-worth, kind="stable")
    for index in best_first[::-1].tolist():
        flat[records[index].rle.pixels()] = index + 1
    return labels
