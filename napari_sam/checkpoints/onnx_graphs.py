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

from napari_sam.model.hq_mask_decoder import HqMaskDecoder
from napari_sam.model.image_encoder import Attention
from napari_sam.model.transformer import CrossAttention

if TYPE_CHECKING:
    from napari_sam.model.sam import Sam

__all__ = ["DecoderGraph", "EncoderGraph", "prepare"]

_BIAS_VALUES = 2**25
"""Of an attention's bias at one time: two heads of a plane as SAM's encoders see it."""


def prepare(model: Sam) -> Sam:
    """Set a model to one order of work, in few large steps, whatever it is asked.

    It gives the same answers, and is not to be used for anything but an export.
    """
    for part in model.modules():
        if isinstance(part, Attention):
            part.bias_values = _BIAS_VALUES
        elif isinstance(part, CrossAttention):
            part.moves_projections = False
        elif isinstance(part, HqMaskDecoder):
            part.draws_one_by_one = False
    return model.eval().requires_grad_(False)


class EncoderGraph(nn.Module):
    """From resized pixels to an embedding.

    Parameters
    ----------
    model
        See `prepare`.
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
        See `prepare`.
    """

    def __init__(self, model: Sam) -> None:
        super().__init__()
        self.prompt_encoder = model.prompt_encoder
        self.mask_decoder = model.mask_decoder

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
        share = has_mask.view(-1, 1, 1, 1)
        prompted = self.prompt_encoder.embed_masks(mask)
        dense = share * prompted + (1 - share) * self.prompt_encoder.no_mask()
        return self._draw(embedding, points, labels, dense)

    def ask(
        self, embedding: Tensor, points: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict as `forward`, without rough masks."""
        none = self.prompt_encoder.no_mask()
        dense = none.expand(len(points), -1, *embedding.shape[2:])
        return self._draw(embedding, points, labels, dense)

    def _draw(
        self, embedding: Tensor, points: Tensor, labels: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        sparse = self.prompt_encoder.embed_points(points, labels)
        position = self.prompt_encoder.dense_position()
        masks, scores = self.mask_decoder(embedding, position, sparse, dense, None)
        return masks, scores
