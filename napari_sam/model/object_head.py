"""The embedding of an object: from pooled features of the encoder to one vector.

Trained so that objects of one kind, and views of one object, lie close together
(supervised contrastive learning, Khosla et al. 2020), and so that the text encoder's
vector of a kind's name lies close to its objects (as images and texts do in CLIP,
Radford et al. 2021). The vector of kinds that it never saw is steadied by a share of
the features as they are, on their main axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ObjectHead", "ObjectHeadConfig"]

_PLAIN_SHARE = 0.2
"""Share of the features as they are in the cosine of two objects."""


@dataclass(frozen=True)
class ObjectHeadConfig:
    """The measures of a head.

    Attributes
    ----------
    features
        Numbers that are known of an object.
    pooled
        How many of the first ones, the means inside and around, are taken as they are.
    hidden
        Units of the perceptron.
    width
        Length of the learned part of the vector.
    plain
        Length of the other part: main axes of the features as they are.
    text
        Length of the text encoder's vectors.
    """

    features: int
    pooled: int
    hidden: int = 384
    width: int = 128
    plain: int = 64
    text: int = 384


class ObjectHead(nn.Module):
    """Features of objects in, vectors of length 1 out."""

    mean: Tensor
    scale: Tensor
    axes: Tensor

    def __init__(self, config: ObjectHeadConfig) -> None:
        super().__init__()
        self.config = config
        self.hidden = nn.Linear(config.features, config.hidden)
        self.out = nn.Linear(config.hidden, config.width)
        self.straight = nn.Linear(config.features, config.width, bias=False)
        self.text = nn.Linear(config.text, config.width)
        self.sharpness = nn.Parameter(torch.tensor(2.5))
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("scale", torch.ones(config.features))
        self.register_buffer("axes", torch.zeros(config.pooled, config.plain))

    def learned(self, standard: Tensor) -> Tensor:
        """Return the learned part, (N, width), of standardised features."""
        raised = F.gelu(self.hidden(self._dropped(standard)))
        made = self.out(self._dropped(raised)) + self.straight(standard)
        return F.normalize(made, dim=-1)

    def forward(self, features: Tensor) -> Tensor:
        """Embed objects.

        Parameters
        ----------
        features
            (N, features) as `napari_sam.inference.object_features` measures them.

        Returns
        -------
        (N, width + plain) float32 of length 1.
        """
        standard = (features - self.mean) / self.scale
        learned = self.learned(standard)
        plain = F.normalize(standard[:, : self.config.pooled] @ self.axes, dim=-1)
        shares = math.sqrt(1 - _PLAIN_SHARE), math.sqrt(_PLAIN_SHARE)
        return torch.cat([learned * shares[0], plain * shares[1]], dim=-1)

    def embed_text(self, text: Tensor) -> Tensor:
        """Turn the text encoder's vectors, (M, text), into (M, width) of length 1."""
        return F.normalize(self.text(text), dim=-1)

    def alike(self, objects: Tensor, texts: Tensor) -> Tensor:
        """Compare objects with texts, as logits.

        Parameters
        ----------
        objects
            (N, width + plain) from `forward`, or their learned part alone.
        texts
            (M, width) from `embed_text`.

        Returns
        -------
        (N, M) cosines times the learned sharpness.
        """
        learned = F.normalize(objects[:, : self.config.width], dim=-1)
        return learned @ texts.T * self.sharpness.exp()

    def _dropped(self, values: Tensor) -> Tensor:
        return F.dropout(values, 0.2, self.training)
