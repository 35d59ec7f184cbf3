"""Segment Anything: image encoder, prompt encoder and mask decoder as one module."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from napari_sam.model.dense_head import DenseHead
from napari_sam.model.image_encoder import ImageEncoderViT, VitConfig
from napari_sam.model.mask_decoder import MaskDecoder
from napari_sam.model.prompt_encoder import PromptEncoder
from napari_sam.model.tiny_vit import TinyVit, TinyVitConfig

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
        Whether the model has one.
    dense_levels
        On how many levels it sees objects: 1, or 2 for nuclei and for whole cells.
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
        self.image_encoder: nn.Module = (
            TinyVit(encoder)
            if isinstance(encoder, TinyVitConfig)
            else ImageEncoderViT(encoder, architecture.frame_size)
        )
        width = encoder.out_channels
        self.prompt_encoder = PromptEncoder(
            width, architecture.grid, architecture.frame_size
        )
        self.mask_decoder = MaskDecoder(width)
        levels = architecture.dense_levels
        self.dense_head = DenseHead(width, levels) if architecture.dense_head else None
        for name in ("pixel_mean", "pixel_std"):
            values = torch.tensor(getattr(architecture, name)).view(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def normalise(self, frame: Tensor) -> Tensor:
        """Bring (B, 3, H, W) intensities of 0 to 255 to what the encoder expects."""
        return (frame - self.pixel_mean) / self.pixel_std
