"""Heads that look at volumes in 3D, in files: the one that ships belongs to `cells`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_sam.checkpoints.head_files import HeadKind, read_head, write_head
from napari_sam.model.volume_head import VolumeHead, VolumeHeadConfig

__all__ = [
    "BUNDLED_VOLUME_HEAD",
    "LoadedVolumeHead",
    "load_volume_head",
    "save_volume_head",
]

BUNDLED_VOLUME_HEAD = Path(__file__).parent / "weights" / "cells-volumes.safetensors"
"""The head that ships with the package."""


def _build(**sizes: int) -> VolumeHead:
    return VolumeHead(VolumeHeadConfig(**sizes))


_KIND = HeadKind("volume head", _build)


@dataclass(frozen=True, eq=False)
class LoadedVolumeHead:
    """A head with its weights.

    Attributes
    ----------
    head
        In float32 on the CPU, ready to be asked.
    encoder
        Digest of the image encoder whose maps of planes it has learned from; see
        `napari_sam.checkpoints.object_weights.encoder_digest`.
    """

    head: VolumeHead
    encoder: str


def save_volume_head(path: Path, head: VolumeHead, encoder: str) -> None:
    """Write a head.

    Parameters
    ----------
    path
        The file.
    head, encoder
        See `LoadedVolumeHead`.
    """
    write_head(path, _KIND, head, head.state_dict(), {"encoder": encoder})


def load_volume_head(path: str | Path = BUNDLED_VOLUME_HEAD) -> LoadedVolumeHead:
    """Read a head.

    Raises
    ------
    CheckpointError
        If there is no such file, or it holds no head.
    """
    head, told = read_head(path, _KIND)
    return LoadedVolumeHead(head, told["encoder"])
