"""An object of a stack followed by SAM 2's memory, in pixels of the planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from napari_sam.inference.mask_upscaling import upscale_masks
from napari_sam.inference.precision import fast_products
from napari_sam.model.sam2 import Sam2
from napari_sam.model.sam2_memory import ObjectMemory
from napari_sam.ops.types import MaskPrediction

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.ops.types import ImageEmbedding

__all__ = ["FollowedObject", "has_memory"]


def has_memory(sam: Any) -> bool:
    """Whether a model can follow objects by a memory of its own, as SAM 2 can."""
    model = getattr(sam, "model", None)
    return isinstance(model, Sam2) and model.has_memory


class FollowedObject:
    """One object on its way through the planes of a stack.

    Parameters
    ----------
    sam
        A model for which `has_memory` is true.
    planes
        How many the stack has.
    recent
        Of how many of the last planes the masks are remembered; 6 is the most that the
        published weights know. With fewer it is faster.

    Raises
    ------
    ValueError
        If the model has no memory.
    """

    def __init__(self, sam: Any, planes: int, recent: int = 6) -> None:
        if not has_memory(sam):
            raise ValueError(f"{sam.name} has no memory to follow objects by")
        self._device = sam.device
        self._memory = ObjectMemory(sam.model, planes, recent)

    def remember(
        self, plane: int, embedding: ImageEmbedding, mask: NDArray[np.bool_]
    ) -> None:
        """Remember the object on a plane where it is given.

        Parameters
        ----------
        plane
            Its number in the stack.
        embedding
            Of the plane as a whole.
        mask
            (H, W), the object.
        """
        with fast_products(self._device):
            self._memory.remember(
                plane, self._features(embedding), _in_frame(mask, embedding)
            )

    def find(
        self, plane: int, embedding: ImageEmbedding, *, backward: bool = False
    ) -> MaskPrediction:
        """Find the object in a plane, and remember what is found.

        Parameters
        ----------
        plane, embedding
            See `remember`.
        backward
            Whether the planes come in falling order.

        Returns
        -------
        MaskPrediction
            One mask, which is empty where the object is not in the plane. Its score is
            the predicted IoU times the probability that the object is there.
        """
        with fast_products(self._device):
            found = self._memory.find(plane, self._features(embedding), backward)
        low = found.logits.float().cpu()[None]
        return MaskPrediction(
            masks=upscale_masks(low, embedding.geometry),
            scores=np.array([found.score], np.float32),
            logits=low.numpy(),
        )

    def _features(self, embedding: ImageEmbedding) -> torch.Tensor:
        return embedding.features.to(self._device, torch.float32)


def _in_frame(mask: NDArray[np.bool_], embedding: ImageEmbedding) -> torch.Tensor:
    """Resize a mask of a plane to (S, S) of the frame; no object vanishes."""
    geometry = embedding.geometry
    size = geometry.frame_size
    given = torch.from_numpy(np.ascontiguousarray(mask, np.float32))[None, None]
    soft = F.interpolate(
        given,
        size=geometry.resized_shape,
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )[0, 0]
    inside = soft >= 0.5
    if mask.any() and not bool(inside.any()):
        inside = soft >= soft.max()  # thinner than a pixel of the frame
    down, right = size - inside.shape[0], size - inside.shape[1]
    return F.pad(inside, (0, right, 0, down)).to(embedding.features.device)
