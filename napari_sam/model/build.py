"""The architectures by name, and how one is built."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_sam.model.image_encoder import VitConfig
from napari_sam.model.sam import Architecture, Sam
from napari_sam.model.tiny_vit import TinyVitConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ARCHITECTURES", "build_sam"]

_ZERO = (0.0, 0.0, 0.0)
_FULL = (255.0, 255.0, 255.0)

ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        architecture.name: architecture
        for architecture in (
            Architecture("vit_b", VitConfig(768, 12, 12, (2, 5, 8, 11))),
            Architecture("vit_l", VitConfig(1024, 24, 16, (5, 11, 17, 23))),
            Architecture("vit_h", VitConfig(1280, 32, 16, (7, 15, 23, 31))),
            Architecture("vit_t", TinyVitConfig(stem=((3, 2), (3, 2)))),
            Architecture(
                "lite_medsam",
                TinyVitConfig(stem=((1, 1), (1, 1))),
                frame_size=256,
                pixel_mean=_ZERO,
                pixel_std=_FULL,
            ),
            Architecture(
                "cells",
                TinyVitConfig(stem=((3, 2), (3, 2)), merges=(1, 2, 1)),
                frame_size=512,
                dense_head=True,
                refines_answers=True,
                pixel_mean=_ZERO,
                pixel_std=_FULL,
            ),
        )
    }
)
"""MobileSAM is `vit_t`. LiteMedSAM's stem keeps the resolution of its 256-pixel
frame; the bundled `cells` sees 512 pixels through a strided stem and ends on the
same 64 x 64 grid at less cost."""


def build_sam(architecture: str | Architecture) -> Sam:
    """Build a model with random weights, ready for inference.

    Raises
    ------
    ValueError
        If the name is not one of `ARCHITECTURES`.
    """
    if isinstance(architecture, str):
        if architecture not in ARCHITECTURES:
            raise ValueError(
                f"no architecture {architecture!r}; there are "
                f"{', '.join(ARCHITECTURES)}"
            )
        architecture = ARCHITECTURES[architecture]
    return Sam(architecture).eval()
