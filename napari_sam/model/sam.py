"""Segment Anything: image encoder, prompt encoder and mask decoder as one module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from napari_sam.model.dense_head import DenseHead
from napari_sam.model.hq_mask_decoder import HqMaskDecoder
from napari_sam.model.image_encoder import ImageEncoderViT, VitConfig
from napari_sam.model.mask_decoder import MaskDecoder
from napari_sam.model.prompt_encoder import PromptEncoder
from napari_sam.model.tiny_vit import TinyVit, TinyVitConfig
from napari_sam.model.unetr_decoder import UnetrDecoder

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam.configs.objects import DenseLevel
    from napari_sam.model.dense_maps import DenseMaps

__all__ = ["Architecture", "Sam"]


@dataclass(frozen=True)
class Architecture:
    """All that fixes the shapes of a model and the pixels it expects.

    Attributes
    ----------
    name
        What the registry and saved files call it.
    encoder
        Configuration of the image encoder.
    frame_size
        Side of the square input in pixels.
    pixel_mean, pixel_std
        Per channel (R, G, B), on the scale 0 to 255.
    dense_head
        Whether the model has one of this package.
    dense_levels
        On how many levels it sees objects: 1, or 2 for nuclei and for whole cells.
    instance_decoder
        How micro-sam's instance decoder enlarges, where the model has that in place of
        a dense head.
    high_quality
        Whether the mask decoder is that of SAM-HQ.
    refines_answers
        Whether what the decoder draws is made to keep to its prompts
        (`napari_sam.inference.prompt_constraints`) and its candidates are ranked by how
        far they agree (`napari_sam.inference.candidates`). Published models answer as
        they were published.
    """

    name: str
    encoder: VitConfig | TinyVitConfig
    frame_size: int = 1024
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    dense_head: bool = False
    dense_levels: int = 2
    instance_decoder: Literal["bilinear", "transposed"] | None = None
    high_quality: bool = False
    refines_answers: bool = False
    keeps_aspect: bool = True

    @property
    def grid(self) -> int:
        """Side of the embedding in cells."""
        return self.frame_size // self.encoder.stride


class Sam(nn.Module):
    """The model; prompts and images are prepared by `napari_sam.inference`."""

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        encoder = architecture.encoder
        self.image_encoder: TinyVit | ImageEncoderViT = (
            TinyVit(encoder)
            if isinstance(encoder, TinyVitConfig)
            else ImageEncoderViT(encoder, architecture.frame_size)
        )
        width = encoder.out_channels
        self.prompt_encoder = PromptEncoder(
            width, architecture.grid, architecture.frame_size
        )
        self.mask_decoder = (
            HqMaskDecoder(width, encoder.early_channels)
            if architecture.high_quality
            else MaskDecoder(width)
        )
        self.dense_head = _dense_maps(architecture, width)
        for name in ("pixel_mean", "pixel_std"):
            values = torch.tensor(getattr(architecture, name)).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def normalise(self, frame: Tensor) -> Tensor:
        """Bring (B, 3, H, W) intensities of 0 to 255 to what the encoder expects."""
        return (frame - self.pixel_mean) / self.pixel_std

    def encode(
        self, frame: Tensor, on_block: Callable[[], None] | None = None
    ) -> Tensor:
        """Embed (B, 3, S, S) normalised frames: all that the mask decoder reads.

        Returns
        -------
        (B, C, h, w)
            C is that of the image encoder; of SAM-HQ three times as much.
        """
        if not isinstance(self.mask_decoder, HqMaskDecoder):
            features: Tensor = self.image_encoder(frame, on_block)
            return features
        both = self.image_encoder.embed_early_and_late(frame, on_block)
        return self.mask_decoder.fuse(*both)

    def dense_logits(self, features: Tensor, level: DenseLevel | None = None) -> Tensor:
        """Map what `encode` returned to (B, 3, H, W) logits; see `DenseMaps`.

        A head of two levels gives both, (B, 6, H, W), unless one is named.

        Raises
        ------
        ValueError
            If the model has no dense head.
        """
        if self.dense_head is None:
            raise ValueError("the model has no dense head")
        own = self.mask_decoder.split(features)[0]
        has_choice = level is not None and self.dense_head.levels > 1
        logits: Tensor = (
            self.dense_head(own, level) if has_choice else self.dense_head(own)
        )
        return logits


def _dense_maps(architecture: Architecture, width: int) -> DenseMaps | None:
    """Build what reads dense maps from an embedding, if the model has it."""
    if architecture.instance_decoder is not None:
        is_transposed = architecture.instance_decoder == "transposed"
        return UnetrDecoder(width, is_transposed=is_transposed)
    if not architecture.dense_head:
        return None
    return DenseHead(width, architecture.dense_levels)
