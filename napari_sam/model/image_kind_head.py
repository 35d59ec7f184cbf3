"""What kind of image a plane is, from what the image encoder says of it as a whole.

A linear classifier (multinomial logistic regression) of the mean and the standard
deviation of each channel of the embedding over the plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["ImageKindHead", "ImageKindHeadConfig", "pooled_features"]


@dataclass(frozen=True)
class ImageKindHeadConfig:
    """The measures of a head.

    Attributes
    ----------
    features
        Numbers that are known of a plane: two for each channel.
    kinds
        Names of the kinds, in the order of the answers.
    """

    features: int
    kinds: tuple[str, ...]


class ImageKindHead(nn.Module):
    """Pooled features of planes in, likelihoods of kinds out."""

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ImageKindHeadConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("scale", torch.ones(config.features))
        self.linear = nn.Linear(config.features, len(config.kinds))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, features) to (B, kinds) likelihoods that sum to 1."""
        logits: Tensor = self.linear((features - self.mean) / self.scale)
        return logits.softmax(dim=-1)


def pooled_features(features: Tensor) -> Tensor:
    """Pool the features of a plane, (C, h, w), to (2 C,): means, then deviations."""
    flat = features.float().flatten(1)
    return torch.cat([flat.mean(1), flat.std(1, correction=0)])
