"""How much two masks have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["mask_iou"]


def mask_iou(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the intersection over union of two masks; 1 where both are empty.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"masks must have the same shape, got {first.shape} and {second.shape}"
        )
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 1.0
