"""Small layers that several parts of the model share."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["MLP", "LayerNorm2d", "MLPBlock"]

_TOKENS = 2048
"""Tokens whose hidden layer is held at one time; it stays in the cache."""


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of (B, C, H, W)."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, H, W) over C."""
        return self.over_last(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    def over_last(self, x: Tensor) -> Tensor:
        """Normalise (..., C) over C."""
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class MLPBlock(nn.Module):
    """Linear, activation, linear, as in a transformer block."""

    def __init__(
        self, width: int, hidden: int, activation: type[nn.Module] = nn.GELU
    ) -> None:
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        if x.numel() <= _TOKENS * x.shape[-1]:
            y: Tensor = self.lin2(self.act(self.lin1(x)))
            return y
        parts = torch.split(x.flatten(0, -2), _TOKENS)
        return torch.cat([self(part) for part in parts]).view(x.shape)


class MLP(nn.Module):
    """A stack of linear layers with ReLU between them."""

    def __init__(self, width: int, hidden: int, out: int, depth: int) -> None:
        super().__init__()
        sizes = [width, *[hidden] * (depth - 1), out]
        self.layers = nn.ModuleList(
            nn.Linear(a, b) for a, b in itertools.pairwise(sizes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., out)."""
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x))
        y: Tensor = last(x)
        return y
