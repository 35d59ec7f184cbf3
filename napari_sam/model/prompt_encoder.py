"""Prompts to tokens (SAM paper, appendix A).

Inside this package coordinates are (x, y) in pixels of the model's square frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from napari_sam.model.layers import LayerNorm2d

__all__ = ["PromptEncoder"]


class FourierPosition(nn.Module):
    """Random Fourier features of a position (Tancik et al. 2020).

    The Gaussian matrix belongs to the weights and is loaded, never drawn again.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, half_width: int) -> None:
        super().__init__()
        self.register_buffer(
            "positional_encoding_gaussian_matrix", torch.randn(2, half_width)
        )

    def forward(self, unit: Tensor) -> Tensor:
        """Encode (..., 2) (x, y) in [0, 1] as (..., 2 * half_width)."""
        phase = (2 * unit - 1) @ self.positional_encoding_gaussian_matrix
        phase = 2 * math.pi * phase
        return torch.cat([phase.sin(), phase.cos()], dim=-1)


class PromptEncoder(nn.Module):
    """Points, boxes and masks of one image to sparse and dense embeddings."""

    def __init__(
        self, width: int, grid: int, frame_size: int, mask_channels: int = 16
    ) -> None:
        super().__init__()
        self.width = width
        self.grid = grid
        self.frame_size = frame_size
        self.pe_layer = FourierPosition(width // 2)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        quarter = mask_channels // 4
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, quarter, 2, stride=2),
            LayerNorm2d(quarter),
            nn.GELU(),
            nn.Conv2d(quarter, mask_channels, 2, stride=2),
            LayerNorm2d(mask_channels),
            nn.GELU(),
            nn.Conv2d(mask_channels, width, 1),
        )
        self.no_mask_embed = nn.Embedding(1, width)

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution masks: four times the embedding's grid."""
        return 4 * self.grid

    def dense_position(self) -> Tensor:
        """Position of each embedding cell's centre, (1, width, grid, grid)."""
        matrix = self.pe_layer.positional_encoding_gaussian_matrix
        at = (torch.arange(self.grid, device=matrix.device) + 0.5) / self.grid
        y, x = torch.meshgrid(at, at, indexing="ij")
        encoded: Tensor = self.pe_layer(torch.stack([x, y], dim=-1).to(matrix.dtype))
        return encoded.permute(2, 0, 1)[None]

    def embed_points(self, points: Tensor, labels: Tensor) -> Tensor:
        """Embed (B, N, 2) (x, y) points with (B, N) labels as (B, N, width).

        Labels: 1 object, 0 background, 2 and 3 the first and second corner of a
        box, -1 no point (padding).
        """
        # A point names a pixel; half a frame pixel moves it to that pixel's centre.
        encoded: Tensor = self.pe_layer((points + 0.5) / self.frame_size)
        encoded = torch.where((labels < 0)[..., None], 0.0, encoded)
        kinds = [self.not_a_point_embed, *self.point_embeddings]
        table = torch.cat([next(kind.parameters()) for kind in kinds])
        return encoded + table[labels + 1]

    def embed_masks(self, masks: Tensor) -> Tensor:
        """Embed (B, 1, 4 h, 4 w) mask logits as (B, width, h, w)."""
        y: Tensor = self.mask_downscaling(masks)
        return y

    def no_mask(self) -> Tensor:
        """Dense embedding that stands for no mask prompt, (1, width, 1, 1)."""
        return self.no_mask_embed.weight.view(1, -1, 1, 1)

    def forward(
        self,
        points: Tensor | None = None,
        labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Embed the prompts of B objects.

        Parameters
        ----------
        points, labels
            (B, N, 2) (x, y) and (B, N); see `embed_points`.
        boxes
            (B, 4) as (x0, y0, x1, y1).
        masks
            (B, 1, 4 h, 4 w) logits.

        Returns
        -------
        sparse
            (B, tokens, width). Points without a box are followed by one padding
            token, as the published weights expect; with a box, its two corners.
        dense
            (B, width, h, w), or (1, width, 1, 1) where no mask was given.
        """
        parts: list[Tensor] = []
        if points is not None and labels is not None:
            if boxes is None:
                points = torch.cat([points, points.new_zeros(len(points), 1, 2)], 1)
                labels = torch.cat([labels, labels.new_full((len(labels), 1), -1)], 1)
            parts.append(self.embed_points(points, labels))
        if boxes is not None:
            corners = torch.tensor([[2, 3]], device=boxes.device)
            parts.append(
                self.embed_points(
                    boxes.reshape(-1, 2, 2), corners.expand(len(boxes), 2)
                )
            )
        if parts:
            sparse = torch.cat(parts, dim=1)
        else:
            count = 1 if masks is None else len(masks)
            sparse = self.no_mask_embed.weight.new_zeros(count, 0, self.width)
        dense = self.no_mask() if masks is None else self.embed_masks(masks)
        return sparse, dense
