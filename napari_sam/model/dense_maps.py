"""What all that reads dense maps from an embedding has in common."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

__all__ = ["DenseMaps"]


class DenseMaps(nn.Module):
    """Maps (B, C, h, w) embeddings to (B, 3, H, W) logits of three maps.

    On two levels there are three of each: (B, 6, H, W).

    The maps are those of micro-sam's instance decoder (Archit et al. 2025):
    foreground is 1 inside objects; the distance to the centre and the distance to the
    boundary are scaled per object to [0, 1], are 0 at the centre and at the deepest
    point, and 1 outside objects.

    Attributes
    ----------
    levels
        On how many levels objects are seen.
    map_stride
        Frame pixels per pixel of the maps, by which they are smoothed.
    is_quick
        Whether the maps cost little beside the embedding, so that they are worth being
        asked for on the way to something else.
    resizes_logits
        Whether logits are brought to the size of the image, rather than what they
        stand for.
    """

    levels: int = 1
    map_stride: ClassVar[float] = 2.0
    is_quick: ClassVar[bool] = True
    resizes_logits: ClassVar[bool] = True
