"""Image embedding and prompt tokens to masks and their predicted IoU."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.batched_transformer import BatchedTransformer
from napari_sam.model.layers import MLP, LayerNorm2d
from napari_sam.model.transformer import TwoWayTransformer

__all__ = ["DrawnMasks", "MaskDecoder"]

_Upscaling = tuple[
    nn.ConvTranspose2d, LayerNorm2d, nn.GELU, nn.ConvTranspose2d, nn.GELU
]

_PIXELS = 2048
"""Pixels of the embedding that are upscaled at one time; they stay in the cache."""


class DrawnMasks(NamedTuple):
    """The masks of B prompts that were worth drawing.

    Attributes
    ----------
    prompts, masks
        (K,) index of the prompt, and which of its three masks.
    scores
        (K,) predicted IoU.
    logits
        (K, 4 h, 4 w)
    """

    prompts: Tensor
    masks: Tensor
    scores: Tensor
    logits: Tensor


class MaskDecoder(nn.Module):
    """SAM's mask decoder: one single-mask token, three multimask tokens, one IoU."""

    def __init__(self, width: int = 256, multimasks: int = 3) -> None:
        super().__init__()
        count = self.count = multimasks + 1
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
        grid = (features.shape[-2], features.shape[-1])
        features, fine = self.split(features)
        tokens, image = self.attend(features, position, sparse, dense)
        drawing, further = tokens[:, 1:].tensor_split([self.count], dim=1)
        asked = torch.cat([drawing[:, chosen], further], dim=1)
        masks = self.draw(asked, image, grid, chosen, fine)
        return masks, self.iou_prediction_head(tokens[:, 0])[:, chosen]

    def split(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Part an embedding into what is attended to and what is only drawn on."""
        return features, None

    def output_tokens(self) -> Tensor:
        """Return the learned tokens: that of the IoU, then one for each mask."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight])

    def attend(
        self, features: Tensor, position: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let prompts and image inform each other; see `forward`.

        Returns
        -------
        tokens
            (B, 1 + M, C): the IoU token and one for each of all M masks.
        image
            (B, h * w, C).
        """
        output = self.output_tokens()
        tokens = torch.cat([output.expand(sparse.shape[0], -1, -1), sparse], dim=1)
        image = (features + dense).flatten(2).transpose(1, 2).contiguous()
        tokens, image = self.transformer(
            image, position.flatten(2).transpose(1, 2), tokens
        )
        return tokens[:, : len(output)], image

    def share(
        self, features: Tensor, position: Tensor, dense: Tensor
    ) -> BatchedTransformer:
        """Prepare the image of one embedding for `draw_promising`.

        All have a batch of one; see `forward`.
        """
        features, fine = self.split(features)
        image, placed = (
            x.flatten(2)[0].T.contiguous() for x in (features + dense, position)
        )
        return BatchedTransformer(self.transformer, image, placed, fine)

    def draw_promising(
        self,
        shared: BatchedTransformer,
        sparse: Tensor,
        grid: tuple[int, int],
        least_score: float | None,
    ) -> DrawnMasks:
        """Predict three masks for each of B prompts, and draw those of a good score.

        The predicted IoU comes from a token of its own and is known before a mask
        is drawn, which costs as much as all before it.

        Parameters
        ----------
        shared
            From `share`.
        sparse
            (B, T, C) from the prompt encoder.
        grid
            (h, w) of the embedding.
        least_score
            Masks must exceed it; None: all are drawn.
        """
        output = self.output_tokens()
        tokens = torch.cat([output.expand(len(sparse), -1, -1), sparse], dim=1)
        # Neither the prompt's tokens nor that of the single mask are asked for.
        tokens, image = shared.attend(tokens, [0, *range(2, len(output))])
        scores = self.iou_prediction_head(tokens[:, 0])[:, 1:].float()
        chosen = torch.ones_like(scores, dtype=torch.bool)
        if least_score is not None:
            chosen = scores > least_score
        logits = [scores.new_zeros(0, 4 * grid[0], 4 * grid[1])]
        for i in chosen.any(1).nonzero().flatten().tolist():
            one = slice(i, i + 1)
            drawn = self.draw(
                tokens[one, 1:], image[one], grid, slice(1, None), shared.fine
            )
            logits.append(drawn[0, chosen[i]].float())
        prompts, masks = chosen.nonzero(as_tuple=True)
        return DrawnMasks(prompts, masks, scores[chosen], torch.cat(logits))

    def draw(
        self,
        mask_tokens: Tensor,
        image: Tensor,
        grid: tuple[int, int],
        chosen: slice = slice(None),
        fine: Tensor | None = None,
    ) -> Tensor:
        """Draw the masks of (B, M, C) tokens on (B, h * w, C) image features.

        `chosen` says which of the decoder's masks the tokens are. A transposed
        convolution whose kernel is its stride maps each pixel to a square of its
        own: a linear layer. Pixels stay in rows, each followed by its square, until
        the masks are put together. Nothing is drawn on `fine` here; see `split`.

        Returns
        -------
        (B, M, 4 h, 4 w) logits
        """
        mlps = list(self.output_hypernetworks_mlps)[chosen]
        weights = torch.stack(
            [mlp(mask_tokens[:, i]) for i, mlp in enumerate(mlps)], dim=1
        )
        first, norm, act, second, _ = cast("_Upscaling", self.output_upscaling)
        enlarge, enlarge_again = _as_linear(first), _as_linear(second)
        parts = []
        for some in torch.split(image, _PIXELS, dim=1):
            x = F.linear(some, *enlarge)
            x = x.view(*x.shape[:-1], 4, -1)
            x = act(norm.over_last(x))
            x = act(F.linear(x, *enlarge_again))
            parts.append(weights @ x.view(x.shape[0], -1, weights.shape[-1]).mT)
        squares = torch.cat(parts, dim=2)
        # (row, column) of the grid, of the first square and of the second.
        squares = squares.view(*squares.shape[:2], *grid, 2, 2, 2, 2)
        rows = squares.permute(0, 1, 2, 4, 6, 3, 5, 7)
        return rows.reshape(*squares.shape[:2], 4 * grid[0], 4 * grid[1])


def _as_linear(layer: nn.ConvTranspose2d) -> tuple[Tensor, Tensor | None]:
    """Weight and bias with which a linear layer does a 2x2 convolution's work.

    The layer is transposed, of stride 2, from C to C' channels. The (4 C', C) weight
    gives the four pixels of each square one after the other, row by row.
    """
    weight = layer.weight.permute(2, 3, 1, 0).flatten(0, 2)
    return weight, None if layer.bias is None else layer.bias.repeat(4)
