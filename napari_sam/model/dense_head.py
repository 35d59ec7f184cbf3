"""A dense head beside the mask decoder: what is object, everywhere at once."""

from __future__ import annotations

from torch import Tensor, nn

from napari_sam.model.dense_maps import DenseMaps
from napari_sam.model.layers import LayerNorm2d

__all__ = ["DenseHead"]


class DenseHead(DenseMaps):
    """Foreground, distance to centre and distance to boundary, as logits.

    With two levels, the maps of nuclei come first, those of whole cells after them.
    Objects that have no parts are the same on both. The last two layers are a branch
    for each level, for a nucleus and its cell share all that is seen of an edge but not
    which of the two edges is meant.
    """

    def __init__(self, width: int = 256, levels: int = 1) -> None:
        super().__init__()
        self.levels = levels
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, 2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, 2, stride=2),
            nn.GELU(),
            nn.Conv2d(width // 8, levels * width // 8, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(levels * width // 8, 3 * levels, 1, groups=levels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, h, w) embeddings to (B, 3 levels, 4 h, 4 w) logits."""
        y: Tensor = self.layers(features)
        return y
