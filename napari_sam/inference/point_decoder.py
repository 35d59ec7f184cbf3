"""Many points of one image, each asked on its own for three masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from napari_sam.inference.precision import fast_products

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from napari_sam.model.mask_decoder import DrawnMasks
    from napari_sam.model.network import Network
    from napari_sam.ops.types import FrameGeometry, ImageEmbedding

__all__ = ["KeptMasks", "PointDecoder"]

_CHUNK = 8
"""Points decoded at one time on a CPU; more of them leave its cache."""

_CHUNK_ON_GPU = 64
"""Points decoded at one time on a GPU."""


@dataclass(frozen=True, eq=False)
class KeptMasks:
    """The masks of some points whose predicted IoU is good enough.

    Attributes
    ----------
    points
        (K,) int64, index of the point among those that were asked, ascending.
    masks
        (K,) int64, which of the point's three masks, 0 to 2.
    scores
        (K,) float32, predicted IoU.
    logits
        (K, h, w) float32 low-resolution logits, on the CPU.
    """

    points: NDArray[np.int64]
    masks: NDArray[np.int64]
    scores: NDArray[np.float32]
    logits: Tensor


class PointDecoder:
    """An image that is asked with many points: the mask decoder's fast path.

    What does not depend on the point is computed once. The masks are those of
    `Predictor.predict` with one point, but the predicted IoU is
    known before a mask is drawn, and only the good ones are. One thread at a time
    may use it; `Predictor.point_decoder` makes it.

    Attributes
    ----------
    geometry
        Of the embedding.
    """

    def __init__(
        self,
        model: Network,
        embedding: ImageEmbedding,
        position: Tensor,
        device: torch.device,
    ) -> None:
        self.geometry: FrameGeometry = embedding.geometry
        self._prompt_encoder = model.prompt_encoder
        self._decoder = model.mask_decoder
        self._device = device
        self._dtype = position.dtype
        features = embedding.features.to(device, self._dtype)
        self._grid = (features.shape[-2], features.shape[-1])
        with torch.inference_mode(), fast_products(device):
            dense = model.prompt_encoder.no_mask().to(self._dtype)
            self._shared: Any = model.mask_decoder.share(features, position, dense)

    def decode(
        self, points: ArrayLike, least_score: float | None = None
    ) -> Iterator[KeptMasks]:
        """Decode points, some at a time.

        Parameters
        ----------
        points
            (N, 2) (row, col) in pixels of the image plane.
        least_score
            Predicted IoU that a mask must exceed; None: all are drawn.

        Yields
        ------
        KeptMasks
            Of each few points in turn, perhaps of none. How many points are decoded
            at one time has no influence on the masks.
        """
        at = np.asarray(points, np.float64).reshape(-1, 2)
        # As in Meta's code, points are scaled before they are rounded to float32.
        frame = (at * self.geometry.scale).astype(np.float32)
        chunk = _CHUNK if self._device.type == "cpu" else _CHUNK_ON_GPU
        for start in range(0, len(frame), chunk):
            drawn = self._decode(frame[start : start + chunk], least_score)
            yield KeptMasks(
                points=start + drawn.prompts.cpu().numpy(),
                masks=drawn.masks.cpu().numpy(),
                scores=drawn.scores.cpu().numpy(),
                logits=drawn.logits.cpu(),
            )

    @torch.inference_mode()
    def _decode(
        self, frame: NDArray[np.float32], least_score: float | None
    ) -> DrawnMasks:
        xy = torch.from_numpy(frame[:, None, ::-1].copy()).to(self._device)
        labels = torch.ones(xy.shape[:2], dtype=torch.int64, device=self._device)
        with fast_products(self._device):
            sparse, _ = self._prompt_encoder(xy, labels)
            return self._decoder.draw_promising(
                self._shared, sparse.to(self._dtype), self._grid, least_score
            )
