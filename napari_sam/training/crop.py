"""A crop of an image as the model sees it in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from napari_sam.model.sam import Sam
    from napari_sam.training.samples import Sample
    from napari_sam.training.simulated_prompts import SimulatedPrompts

__all__ = ["Crop", "embed_view"]


def embed_view(sam: Sam, image: Tensor, dtype: torch.dtype) -> Tensor:
    """Encode (1, 3, h, w) intensities on the model's device; float32 features."""
    device = sam.pixel_mean.device
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        features = sam.encode(sam.normalise(image.to(device)))
    return features.float()


class Crop:
    """A sample's features and positions, ready to be prompted.

    Prompts and targets are made on the CPU, where the samples are.

    Parameters
    ----------
    sam
        The model.
    sample
        The crop.
    dtype
        In which the network computes.
    features
        (1, C, h, w) embedding of the crop, where it is known.
    """

    def __init__(
        self,
        sam: Sam,
        sample: Sample,
        dtype: torch.dtype = torch.float32,
        features: Tensor | None = None,
    ) -> None:
        self.sam = sam
        self.dtype = dtype
        self.device = sam.pixel_mean.device
        stride = sam.architecture.encoder.stride
        if features is None:
            features = embed_view(sam, sample.image, dtype)
        self.features = features.to(self.device, torch.float32)
        rows, cols = self.features.shape[-2:]
        top, left = (n // stride for n in sample.offset)
        position = sam.prompt_encoder.dense_position()
        self.position = position[..., top : top + rows, left : left + cols]
        self.targets = F.avg_pool2d(sample.masks[:, None], stride // 4)

    def decode(
        self, prompts: SimulatedPrompts, multimask: bool | None
    ) -> tuple[Tensor, Tensor]:
        """Answer prompts: (B, M, h, w) logits and (B, M) predicted IoU, float32."""
        device = self.device
        given = [
            None if x is None else x.to(device)
            for x in (prompts.points, prompts.labels, prompts.boxes, prompts.masks)
        ]
        lower = self.dtype != torch.float32
        with torch.autocast(device.type, self.dtype, enabled=lower):
            sparse, dense = self.sam.prompt_encoder(*given)
            masks, scores = self.sam.mask_decoder(
                self.features, self.position, sparse, dense, multimask
            )
        return masks.float(), scores.float()
