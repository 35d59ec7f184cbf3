"""A dense head beside the mask decoder: what is object, everywhere at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_sam.model.cache_blocking import Gelu, is_blocked, row_blocks
from napari_sam.model.dense_maps import DenseMaps
from napari_sam.model.layers import LayerNorm2d

if TYPE_CHECKING:
    from napari_sam.configs.objects import DenseLevel

__all__ = ["DenseHead"]

_SCALE = 4
"""Rows of the maps for a row of the embedding."""

_ROWS = 32
"""Rows of the embedding that are read at one time on a CPU."""


class DenseHead(DenseMaps):
    """Foreground, distance to centre and distance to boundary, as logits.

    With two levels, the maps of nuclei come first, those of whole objects after them.
    Objects that have no parts are the same on both. Each level has layers of its own:
    which of two edges is meant, that of a nucleus or that of its cell, is already lost
    in what one level keeps of the embedding.
    """

    def __init__(self, width: int = 256, levels: int = 1) -> None:
        super().__init__()
        self.levels = levels
        self.layers = _read_embedding(width)
        self.nuclei = _read_embedding(width) if levels == 2 else None

    def forward(self, features: Tensor, level: DenseLevel | None = None) -> Tensor:
        """Map (B, C, h, w) embeddings to (B, 3 levels, 4 h, 4 w) logits.

        With `level`, to the (B, 3, 4 h, 4 w) logits of that one alone.
        """
        if self.nuclei is None or level in ("auto", "cells"):
            return _read(self.layers, features)
        nuclei = _read(self.nuclei, features)
        if level == "nuclei":
            return nuclei
        return torch.cat([nuclei, _read(self.layers, features)], dim=1)


def _read(layers: nn.Module, features: Tensor) -> Tensor:
    """Apply the layers of a level, to blocks of rows and the rows beside them."""
    if not is_blocked(features):
        maps: Tensor = layers(features)
        return maps
    features = features.contiguous(memory_format=torch.channels_last)
    parts = []
    for start, stop in row_blocks(features.shape[2], _ROWS):
        first = max(start - 1, 0)
        part = layers(features[:, :, first : stop + 1])
        parts.append(part[:, :, (start - first) * _SCALE : (stop - first) * _SCALE])
    return torch.cat(parts, 2)


def _read_embedding(width: int) -> nn.Sequential:
    """Make the layers of one level."""
    return nn.Sequential(
        nn.ConvTranspose2d(width, width // 4, 2, stride=2),
        LayerNorm2d(width // 4),
        Gelu(),
        nn.ConvTranspose2d(width // 4, width // 8, 2, stride=2),
        Gelu(),
        nn.Conv2d(width // 8, width // 8, 3, padding=1),
        Gelu(),
        nn.Conv2d(width // 8, 3, 1),
    )
