"""What the dense head says about every pixel of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam.inference.mask_upscaling import upscale_logits
from napari_sam.inference.precision import fast_products

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.configs.objects import DenseLevel
    from napari_sam.model.network import Network
    from napari_sam.ops.types import ImageEmbedding

__all__ = ["read_dense_head"]


@torch.inference_mode()
def read_dense_head(
    model: Network, embedding: ImageEmbedding, name: str, level: DenseLevel = "auto"
) -> NDArray[np.float32]:
    """Read the maps of `napari_sam.inference.predictor.Predictor.dense_maps`."""
    head = model.dense_head
    if head is None:
        raise ValueError(
            f"{name} has no dense head, so that it cannot say where objects are "
            "without a prompt; use mode 'grid', or a model with one, such as 'cells'"
        )
    weight = next(head.parameters())
    with fast_products(weight.device):
        logits = head(embedding.features.to(weight.device, weight.dtype))
    start = 0 if level == "nuclei" else 3 * (head.levels - 1)
    low = logits[0, start : start + 3].float().cpu()
    maps = np.empty((len(low), *embedding.geometry.image_shape), np.float32)
    for plane, one in zip(maps, low, strict=True):
        plane[:] = upscale_logits(one, embedding.geometry).sigmoid_().numpy()
    return maps
