"""The mask decoder of SAM-HQ: one more token, and features of both ends of the ViT.

Ke et al. (NeurIPS 2023) let a further token draw a mask of its own, on features in
which the early layers of the image encoder keep edges and the last ones know objects.
What it draws is added to SAM's masks. Parameter names and shapes are those of the
published files.

The features for it are a part of the embedding: 32 channels on a grid four times as
fine, of which 4 x 4 pixels are folded into a cell of the embedding's grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.layers import MLP, LayerNorm2d
from napari_sam.model.mask_decoder import MaskDecoder

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["HqMaskDecoder"]

_FOLD = 4


class HqMaskDecoder(MaskDecoder):
    """SAM's mask decoder with the token of SAM-HQ.

    Parameters
    ----------
    width
        Channels of the embedding.
    early_width
        Channels of the image encoder's early features.

    Attributes
    ----------
    draws_one_by_one
        Whether objects are drawn one after the other, in less memory and time; a graph
        of any number of objects has no loop over them.
    """

    draws_one_by_one = True

    def __init__(self, width: int, early_width: int) -> None:
        super().__init__(width)
        fine = width // 8
        self.hf_token = nn.Embedding(1, width)
        self.hf_mlp = MLP(width, width, fine, 3)
        self.compress_vit_feat = nn.Sequential(*_enlarge(early_width, width, fine))
        self.embedding_encoder = nn.Sequential(*_enlarge(width, width // 4, fine))
        self.embedding_maskfeature = nn.Sequential(
            nn.Conv2d(fine, width // 4, 3, padding=1),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.Conv2d(width // 4, fine, 3, padding=1),
        )

    def fuse(self, features: Tensor, early: Tensor) -> Tensor:
        """Put into one embedding what this decoder reads.

        Parameters
        ----------
        features
            (B, C, h, w) of the image encoder.
        early
            (B, C', h, w) of its early layers.

        Returns
        -------
        (B, 3 C, h, w)
        """
        dtype = self.iou_token.weight.dtype
        features, early = features.to(dtype), early.to(dtype)
        fine = self.embedding_encoder(features) + self.compress_vit_feat(early)
        return torch.cat([features, F.pixel_unshuffle(fine, _FOLD)], dim=1)

    def split(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Take apart what `fuse` has put together."""
        width = self.iou_token.weight.shape[1]
        fine = F.pixel_shuffle(features[:, width:], _FOLD)
        return features[:, :width], fine

    def output_tokens(self) -> Tensor:
        """Return the learned tokens, that of SAM-HQ last."""
        return torch.cat([super().output_tokens(), self.hf_token.weight])

    def draw(
        self,
        mask_tokens: Tensor,
        image: Tensor,
        grid: tuple[int, int],
        chosen: slice = slice(None),
        fine: Tensor | None = None,
    ) -> Tensor:
        """Draw masks as SAM does, and add to each what the further token draws.

        Parameters
        ----------
        mask_tokens
            (B, M + 1, C), that of SAM-HQ last.
        image, grid, chosen
            See `MaskDecoder.draw`.
        fine
            (1 or B, C / 8, 4 h, 4 w) from `split`.
        """
        if fine is None:
            raise ValueError("the embedding lacks what SAM-HQ draws on")
        masks = super().draw(mask_tokens[:, :-1], image, grid, chosen)
        images = image.mT.reshape(*image.shape[::2], *grid)
        tokens = self.hf_mlp(mask_tokens[:, -1])
        if not self.draws_one_by_one:
            return masks + self._draw_together(tokens, images, fine)
        drawn_on = fine.expand(len(tokens), -1, -1, -1)
        added = [
            self._draw_added(*one) for one in zip(tokens, images, drawn_on, strict=True)
        ]
        return masks + torch.stack(added)

    def _draw_together(self, weights: Tensor, images: Tensor, fine: Tensor) -> Tensor:
        """Draw (B, 1, 4 h, 4 w) logits as the published code does, for all objects."""
        seen: Tensor = self.embedding_maskfeature(self.output_upscaling(images))
        return torch.einsum("bc,bchw->bhw", weights, seen + fine)[:, None]

    def _draw_added(self, weights: Tensor, image: Tensor, fine: Tensor) -> Tensor:
        """Draw (1, 4 h, 4 w) logits by (C / 8,) weights on (C, h, w) features.

        `fine` is (C / 8, 4 h, 4 w). Both the last convolution and the weighted sum over
        its channels are linear: one convolution to a single channel does the work of
        both.
        """
        seen = self.output_upscaling(image[None])
        first, norm, act, last = cast("Iterable[nn.Module]", self.embedding_maskfeature)
        last = cast("nn.Conv2d", last)
        kernel = torch.einsum("c,cikl->ikl", weights, last.weight)[None]
        drawn = F.conv2d(act(norm(first(seen))), kernel, padding=1)
        at_once = torch.einsum("c,chw->hw", weights, fine)[None]
        if last.bias is not None:
            at_once = at_once + weights @ last.bias
        return drawn[0] + at_once


def _enlarge(inputs: int, between: int, outputs: int) -> tuple[nn.Module, ...]:
    """Four times the side, in two steps."""
    return (
        nn.ConvTranspose2d(inputs, between, 2, stride=2),
        LayerNorm2d(between),
        nn.GELU(),
        nn.ConvTranspose2d(between, outputs, 2, stride=2),
    )
