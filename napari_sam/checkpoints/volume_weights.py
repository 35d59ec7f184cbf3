"""Heads that look at volumes in 3D, in files: the one that ships belongs to `cells`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.model.volume_head import VolumeHead, VolumeHeadConfig

__all__ = [
    "BUNDLED_VOLUME_HEAD",
    "LoadedVolumeHead",
    "load_volume_head",
    "save_volume_head",
]

BUNDLED_VOLUME_HEAD = Path(__file__).parent / "weights" / "cells-volumes.safetensors"
"""The head that ships with the package."""

_FORMAT = "napari-sam volume head 1"


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
    metadata = {
        "format": _FORMAT,
        "config": json.dumps(asdict(head.config)),
        "encoder": encoder,
    }
    save_file(head.state_dict(), path, metadata)


def load_volume_head(path: str | Path = BUNDLED_VOLUME_HEAD) -> LoadedVolumeHead:
    """Read a head.

    Raises
    ------
    CheckpointError
        If there is no such file, or it holds no head.
    """
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            if told.get("format") != _FORMAT:
                raise ValueError(f"its format is {told.get('format')!r}")
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        head = VolumeHead(VolumeHeadConfig(**json.loads(told["config"])))
        head.load_state_dict(state)
        encoder = told["encoder"]
    except FileNotFoundError:
        raise CheckpointError(f"there is no volume head at {path}") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path} holds no volume head: {error}") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} holds no volume head: {error}") from error
    return LoadedVolumeHead(head.eval(), encoder)
