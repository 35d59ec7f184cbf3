"""Image embedding and prompt tokens to masks and their predicted IoU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_sam.model.layers import MLP, LayerNorm2d
from napari_sam.model.transformer import TwoWayTransformer

__all__ = ["MaskDecoder"]


class MaskDecoder(nn.Module):
    """SAM's mask decoder: one single-mask token, three multimask tokens, one IoU."""

    def __init__(self, width: int = 256, multimasks: int = 3) -> None:
        super().__init__()
        count = multimasks + 1
        self.transformer = TwoWayTransformer(depth=2, width=width, heads=8, hidden=2048)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(count, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, 2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(width, width, width // 8, 3) for _ in range(count)
        )
        self.iou_prediction_head = MLP(width, 256, count, 3)

    def forward(
        self,
        features: Tensor,
        position: Tensor,
        sparse: Tensor,
        dense: Tensor,
        multimask: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Predict the masks of B objects in one image.

        Parameters
        ----------
        features
            (1, C, h, w) image embedding, or (B, C, h, w) for objects of different
            images.
        position
            (1, C, h, w) dense position.
        sparse, dense
            (B, T, C) and (B or 1, C, h or 1, w or 1) from the prompt encoder.
        multimask
            True: the three candidate masks; False: the single mask; None: all
            four, the single mask first.

        Returns
        -------
        masks
            (B, M, 4 h, 4 w) logits.
        scores
            (B, M) predicted IoU; a linear output, which may exceed 1.
        """
        wanted = {True: slice(1, None), False: slice(0, 1), None: slice(None)}
        chosen = wanted[multimask]
        height, width = features.shape[-2:]
        output = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([output.expand(len(sparse), -1, -1), sparse], dim=1)
        image = (features + dense).flatten(2).transpose(1, 2)
        tokens, image = self.transformer(
            image, position.flatten(2).transpose(1, 2), tokens
        )
        scores = self.iou_prediction_head(tokens[:, 0])[:, chosen]
        mask_tokens = tokens[:, 1 : len(output)][:, chosen]
        mlps = list(self.output_hypernetworks_mlps)[chosen]
        weights = torch.stack(
            [mlp(mask_tokens[:, i]) for i, mlp in enumerate(mlps)], dim=1
        )
        upscaled = self.output_upscaling(
            image.transpose(1, 2).unflatten(2, (height, width))
        )
        masks = (weights @ upscaled.flatten(2)).unflatten(2, upscaled.shape[-2:])
        return masks, scores
