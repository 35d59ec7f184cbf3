"""How little a mask changes when its threshold moves (SAM paper, appendix B)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["stability_score"]


def stability_score(
    logits: ArrayLike, threshold: float = 0.0, offset: float = 1.0
) -> NDArray[np.float32]:
    """IoU of each mask at a higher and at a lower threshold.

    The mask at the higher threshold lies within the other, so that the IoU is the
    ratio of the two areas.

    Parameters
    ----------
    logits
        (B, h, w) float, of NumPy or of PyTorch on the CPU.
    threshold
        Where the mask itself is cut.
    offset
        How far above and below the two masks are cut.

    Returns
    -------
    (B,) float32
        0 where even the lower threshold leaves no pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_sam.ops.stability_score import stability_score
    >>> stability_score(np.array([[[-3.0, -0.5, 2.0, 3.0]]]))
    array([0.6666667], dtype=float32)
    """
    array = np.asarray(logits)
    if array.ndim != 3:
        raise ValueError(f"logits must be (B, h, w), got shape {array.shape}")
    high, low = (array.dtype.type(threshold + sign * offset) for sign in (1, -1))
    inner = np.array([np.count_nonzero(one > high) for one in array], np.float32)
    outer = np.array([np.count_nonzero(one > low) for one in array], np.float32)
    return (inner / np.maximum(outer, 1)).astype(np.float32)
