"""What a plane shows, as the model sees it: nuclei, cells, rods, membranes..."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch

from napari_sam.checkpoints.image_kind_weights import load_image_kind_head
from napari_sam.inference.encoder_identity import encoder_of
from napari_sam.inference.plane_views import whole_embedding
from napari_sam.model.image_kind_head import pooled_features

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from napari_sam.checkpoints.head_files import LoadedHead
    from napari_sam.inference.plane_views import PlaneEmbedding
    from napari_sam.inference.predictor import Predictor
    from napari_sam.model.image_kind_head import ImageKindHead

__all__ = ["LooksLike", "embedding_features", "knows_kinds", "likeliest_kind"]

_LEAST_LIKELIHOOD = 0.7
"""A kind that is less likely is not taken for what the image shows."""


@dataclass(frozen=True)
class LooksLike:
    """What an image looks like to a model.

    Attributes
    ----------
    kind
        One of `napari_sam.configs.image_kinds.IMAGE_KINDS`; "any" where the
        model is not sure of one.
    likelihoods
        Of each kind; they sum to 1.
    """

    kind: str
    likelihoods: Mapping[str, float]


@lru_cache(maxsize=1)
def _bundled_head() -> LoadedHead[ImageKindHead]:
    return load_image_kind_head()


def knows_kinds(model: Predictor) -> bool:
    """Whether a model tells kinds of images: the head that ships fits its encoder."""
    return _bundled_head().encoder == encoder_of(model)


def embedding_features(embedding: PlaneEmbedding) -> Tensor:
    """Pool what the encoder says of a plane as a whole, without the frame's padding.

    Returns
    -------
    (2 C,) float32 tensor
        See `napari_sam.model.image_kind_head.pooled_features`.
    """
    whole = whole_embedding(embedding)
    features, geometry = whole.features[0], whole.geometry
    step = features.shape[-1] / geometry.frame_size
    height, width = (max(1, round(n * step)) for n in geometry.resized_shape)
    return pooled_features(features[:, :height, :width]).cpu()


@torch.inference_mode()
def likeliest_kind(model: Predictor, planes: Sequence[PlaneEmbedding]) -> LooksLike:
    """Tell what one plane or several planes of one image show.

    Parameters
    ----------
    model
        The model that has embedded them.
    planes
        At least one.

    Returns
    -------
    LooksLike
        "any", without likelihoods, if the model tells no kinds; see `knows_kinds`.
    """
    if not knows_kinds(model):
        return LooksLike("any", {})
    head = _bundled_head().head
    pooled = torch.stack([embedding_features(plane) for plane in planes])
    shares = head(pooled).mean(dim=0)
    best = int(shares.argmax())
    names = head.config.kinds
    likely = dict(zip(names, shares.tolist(), strict=True))
    sure = float(shares[best]) >= _LEAST_LIKELIHOOD
    return LooksLike(names[best] if sure else "any", likely)
