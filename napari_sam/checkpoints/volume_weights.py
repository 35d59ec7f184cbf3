"""Heads that look at volumes in 3D, in files: the one that ships belongs to `cells`."""

from __future__ import annotations

from pathlib import Path

from napari_sam.checkpoints.head_files import (
    HeadKind,
    LoadedHead,
    load_head,
    write_head,
)
from napari_sam.model.volume_head import VolumeHead, VolumeHeadConfig

__all__ = [
    "BUNDLED_VOLUME_HEAD",
    "load_volume_head",
    "save_volume_head",
]

BUNDLED_VOLUME_HEAD = Path(__file__).parent / "weights" / "cells-volumes.safetensors"
"""The head that ships with the package."""


def _build(**sizes: int) -> VolumeHead:
    return VolumeHead(VolumeHeadConfig(**sizes))


_KIND = HeadKind("volume head", _build)


def save_volume_head(path: Path, head: VolumeHead, encoder: str) -> None:
    """Write a head.

    Parameters
    ----------
    path
        The file.
    head, encoder
        See `napari_sam.checkpoints.head_files.LoadedHead`.
    """
    write_head(path, _KIND, head, head.state_dict(), {"encoder": encoder})


def load_volume_head(path: str | Path = BUNDLED_VOLUME_HEAD) -> LoadedHead[VolumeHead]:
    """Read a head.

    Raises
    ------
    CheckpointError
        If there is no such file, or it holds no head.
    """
    return load_head(path, _KIND)
