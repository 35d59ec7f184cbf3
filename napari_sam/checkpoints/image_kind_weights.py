"""Heads that tell kinds of images, in files: the one that ships belongs to `cells`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.checkpoints.head_files import (
    HeadKind,
    LoadedHead,
    load_head,
    write_head,
)
from napari_sam.model.image_kind_head import ImageKindHead, ImageKindHeadConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "BUNDLED_IMAGE_KIND_HEAD",
    "load_image_kind_head",
    "save_image_kind_head",
]

BUNDLED_IMAGE_KIND_HEAD = Path(__file__).parent / "weights" / "cells-kinds.safetensors"
"""The head that ships with the package."""


def _build(features: int, kinds: Sequence[str]) -> ImageKindHead:
    return ImageKindHead(ImageKindHeadConfig(features, tuple(kinds)))


_KIND = HeadKind("image kind head", _build)


def save_image_kind_head(path: Path, head: ImageKindHead, encoder: str) -> None:
    """Write a head.

    Parameters
    ----------
    path
        The file.
    head, encoder
        See `napari_sam.checkpoints.head_files.LoadedHead`.
    """
    write_head(path, _KIND, head, head.state_dict(), {"encoder": encoder})


def load_image_kind_head(
    path: str | Path = BUNDLED_IMAGE_KIND_HEAD,
) -> LoadedHead[ImageKindHead]:
    """Read a head.

    Raises
    ------
    CheckpointError
        If there is no such file, or it holds no head.
    """
    return load_head(path, _KIND)
