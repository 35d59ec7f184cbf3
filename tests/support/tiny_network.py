"""Networks of every architecture's form, small enough for tests."""

from __future__ import annotations

from dataclasses import replace

import torch

from napari_sam.inference.predictor import Predictor
from napari_sam.model.build import ARCHITECTURES, build_sam
from napari_sam.model.image_encoder import VitConfig
from napari_sam.model.sam import Architecture, Sam
from napari_sam.model.tiny_vit import TinyVitConfig

__all__ = ["count_encodings", "tiny_architecture", "tiny_predictor", "tiny_sam"]

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


def tiny_architecture(name: str) -> Architecture:
    """Shrink an architecture of the registry; it keeps its name and its form."""
    full = ARCHITECTURES[name]
    if isinstance(full.encoder, TinyVitConfig):
        tiny = _TINY.encoder
        encoder = replace(tiny, stem=full.encoder.stem, merges=full.encoder.merges)
        return replace(full, encoder=encoder, frame_size=16 * encoder.stride)
    encoder = VitConfig(
        width=32, depth=2, heads=2, global_blocks=(1,), window=3, out_channels=64
    )
    return replace(full, encoder=encoder, frame_size=128)


def tiny_sam(name: str | None = None) -> Sam:
    """Build one with random weights, the same in every test."""
    torch.manual_seed(0)
    return build_sam(_TINY if name is None else tiny_architecture(name))


def tiny_predictor(dtype: str = "float32") -> Predictor:
    """Put it on the CPU."""
    return Predictor(tiny_sam(), name="tiny", device="cpu", dtype=dtype)


def count_encodings(predictor: Predictor) -> list[tuple[int, ...]]:
    """Return a list that grows by the shape of each frame that is encoded."""
    made: list[tuple[int, ...]] = []
    encoder = predictor.model.image_encoder
    encoder.register_forward_hook(lambda _, given, __: made.append(given[0].shape))
    return made
