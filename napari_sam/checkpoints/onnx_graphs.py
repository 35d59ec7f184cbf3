"""The two halves of a model as graphs with fixed inputs: image encoder and decoder.

What `napari_sam.inference` does around a model in Python, padding and the choice of
what was prompted, is a part of the graphs, so that a program in another language needs
a resized image and coordinates only. As in the published ONNX export of SAM, a box is
two points with labels of their own, and a mask comes with a number that says whether it
counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor, nn

from napari_sam.model.transformer import CrossAttention

if TYPE_CHECKING:
    from napari_sam.model.sam import Sam

__all__ = ["DecoderGraph", "EncoderGraph"]


class EncoderGraph(nn.Module):
    """From resized pixels to an embedding.

    Parameters
    ----------
    model
        In eval mode.
    """

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.model = model
        self.frame_size = model.architecture.frame_size

    def forward(self, image: Tensor) -> Tensor:
        """Embed (1, 3, H, W) of 0 to 255, no side longer than the frame's."""
        right = self.frame_size - image.shape[3]
        down = self.frame_size - image.shape[2]
        frame = F.pad(self.model.normalise(image), (0, right, 0, down))
        return self.model.encode(frame)


class DecoderGraph(nn.Module):
    """From an embedding and the prompts of B objects to their masks.

    Parameters
    ----------
    model
        In eval mode. Its decoder is set to one order of work for any number of prompts:
        the model is not to be used for anything else.
    """

    position: Tensor

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.prompt_encoder = model.prompt_encoder
        self.mask_decoder = model.mask_decoder
        position = model.prompt_encoder.dense_position().detach()
        self.register_buffer("position", position)
        for part in model.mask_decoder.modules():
            if isinstance(part, CrossAttention):
                part.moves_projections = False

    def forward(
        self,
        embedding: Tensor,
        points: Tensor,
        labels: Tensor,
        mask: Tensor,
        has_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Predict the four masks of each object.

        Parameters
        ----------
        embedding
            (1, C, h, w) from `EncoderGraph`.
        points, labels
            (B, N, 2) (x, y) in frame pixels and (B, N); see
            `napari_sam.model.prompt_encoder.PromptEncoder.embed_points`.
        mask
            (B, 1, 4 h, 4 w) logits.
        has_mask
            (B,) 1 where the mask counts, 0 where not.

        Returns
        -------
        (B, 4, 4 h, 4 w) logits, the single mask first, and (B, 4) predicted IoU.
        """
        sparse = self.prompt_encoder.embed_points(points, labels)
        share = has_mask.view(-1, 1, 1, 1)
        prompted = self.prompt_encoder.embed_masks(mask)
        dense = share * prompted + (1 - share) * self.prompt_encoder.no_mask()
        masks, scores = self.mask_decoder(embedding, self.position, sparse, dense, None)
        return masks, scores
