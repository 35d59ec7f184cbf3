"""What the dense head, or an instance decoder, says of every pixel of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_sam.checkpoints.registry import REGISTRY
from napari_sam.inference.mask_upscaling import upscale_logits
from napari_sam.inference.precision import fast_products
from napari_sam.model.sam import Sam

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam.configs.objects import DenseLevel
    from napari_sam.inference.predictor import Predictor
    from napari_sam.model.network import Network
    from napari_sam.ops.types import ImageEmbedding

__all__ = ["explain_no_maps", "read_dense_head", "sees_nuclei"]


@torch.inference_mode()
def read_dense_head(
    model: Network, embedding: ImageEmbedding, name: str, level: DenseLevel = "auto"
) -> NDArray[np.float32]:
    """Read the maps of `napari_sam.inference.predictor.Predictor.dense_maps`."""
    head = model.dense_head
    if head is None or not isinstance(model, Sam):
        raise ValueError(
            explain_no_maps(name, "it cannot say where objects are without a prompt")
        )
    weight = next(head.parameters())
    with fast_products(weight.device):
        features = embedding.features.to(weight.device, weight.dtype)
        low = model.dense_logits(features, level)[0].float().cpu()
    geometry = embedding.geometry
    maps = np.empty((len(low), *geometry.image_shape), np.float32)
    for plane, one in zip(maps, low, strict=True):
        if head.resizes_logits:
            plane[:] = upscale_logits(one, geometry).sigmoid_().numpy()
        else:
            plane[:] = upscale_logits(one.sigmoid(), geometry).numpy()
    return maps


def sees_nuclei(predictor: Predictor) -> bool:
    """Whether the model of a predictor tells nuclei from the cells that hold them."""
    head = getattr(getattr(predictor, "model", None), "dense_head", None)
    return head is not None and head.levels > 1


def explain_no_maps(name: str, therefore: str) -> str:
    """Say that a model has no dense maps, what follows, and what to do about it."""
    spec = REGISTRY.get(name)
    if spec is not None and spec.has_instances and not spec.bundled:
        return (
            f"{name} is here without its instance decoder, so that {therefore}; press "
            f"Download beside its name, or run `napari-sam download {name}`"
        )
    return (
        f"{name} has no dense head, so that {therefore}; use mode 'grid', or a model "
        "with one, such as 'cells'"
    )
