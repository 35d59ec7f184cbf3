"""How closely the annotator looks at an image, for a model in training."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from napari_sam.inference.plane_views import PlaneView
from napari_sam.inference.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam.model.sam import Sam

__all__ = ["annotator_scale"]

_ENOUGH = 24
"""Images that are looked at; the dense head's word on more is not asked for."""


def annotator_scale(sam: Sam) -> Callable[[NDArray[np.uint8]], float]:
    """Return what says at which scale an image is looked at, (H, W, 3) uint8.

    That is what `Predictor.embed` chooses with the model as it is now. After
    some images, or without a dense head that answers quickly, it is the scale of the
    image as a whole.
    """
    asked = 0
    predictor: Predictor | None = None
    if sam.dense_head is not None and sam.dense_head.is_quick:
        predictor = Predictor(copy.deepcopy(sam), device="cpu", dtype="float32")

    def scale(rgb: NDArray[np.uint8]) -> float:
        nonlocal asked
        frame = sam.architecture.frame_size
        whole = float(frame / max(rgb.shape[:2]))
        if predictor is None or asked >= _ENOUGH:
            return whole
        asked += 1
        found = predictor.embed(rgb)
        if not isinstance(found, PlaneView):
            return whole
        top, left, bottom, right = found.tiles[0]
        return float(frame / max(bottom - top, right - left))

    return scale
