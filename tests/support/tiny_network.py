"""A network of the bundled model's form, small enough for tests."""

from __future__ import annotations

import torch

from napari_sam.inference.predictor import Predictor
from napari_sam.model.build import build_sam
from napari_sam.model.sam import Architecture, Sam
from napari_sam.model.tiny_vit import TinyVitConfig

__all__ = ["tiny_predictor", "tiny_sam"]

_TINY = Architecture(
    "tiny",
    TinyVitConfig(
        stem=((3, 2), (3, 2)),
        merges=(1, 2, 1),
        widths=(16, 32, 32, 64),
        depths=(1, 1, 1, 1),
        heads=(1, 1, 1, 2),
        out_channels=64,
    ),
    frame_size=128,
)


def tiny_sam() -> Sam:
    """Build it with random weights, the same in every test."""
    torch.manual_seed(0)
    return build_sam(_TINY)


def tiny_predictor(dtype: str = "float32") -> Predictor:
    """Put it on the CPU."""
    return Predictor(tiny_sam(), name="tiny", device="cpu", dtype=dtype)
