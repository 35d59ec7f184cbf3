"""Heads that embed objects, in files: the one that ships belongs to `cells`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import xxhash

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.head_files import HeadKind, read_head, write_head
from napari_sam.model.object_head import ObjectHead, ObjectHeadConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam.model.network import Network

__all__ = [
    "BUNDLED_OBJECT_HEAD",
    "LoadedObjectHead",
    "encoder_digest",
    "load_object_head",
    "save_object_head",
]

BUNDLED_OBJECT_HEAD = Path(__file__).parent / "weights" / "cells-objects.safetensors"
"""The head that ships with the package."""


def _build(**sizes: int) -> ObjectHead:
    return ObjectHead(ObjectHeadConfig(**sizes))


_KIND = HeadKind("object head", _build)


@dataclass(frozen=True, eq=False)
class LoadedObjectHead:
    """A head with its weights.

    Attributes
    ----------
    head
        In float32 on the CPU, ready to be asked.
    encoder
        Digest of the image encoder whose features it knows; see `encoder_digest`.
    concepts
        Names of the kinds of objects that it has learned.
    text_model
        Digest of the CLIP whose words it knows; "" for the text encoder that ships.
    """

    head: ObjectHead
    encoder: str
    concepts: tuple[str, ...]
    text_model: str = ""


def encoder_digest(sam: Network) -> str:
    """Return what the image encoder of a model is recognised by, as hex digits.

    The numbers of all its weights count, as bfloat16; so a model whose decoder alone
    was trained keeps the digest, and so does one in any precision, on any device. An
    embedding of SAM-HQ holds more, and counts as another.
    """
    digest = xxhash.xxh3_128()
    if getattr(sam.architecture, "high_quality", False):
        digest.update(b"SAM-HQ")
    for name, value in sorted(sam.image_encoder.state_dict().items()):
        digest.update(name.encode())
        known = value.detach().cpu()
        if known.is_floating_point():
            known = known.to(torch.bfloat16)
        digest.update(known.float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_object_head(
    path: Path,
    head: ObjectHead,
    encoder: str,
    concepts: Sequence[str],
    text_model: str = "",
) -> None:
    """Write a head, its numbers as float16.

    Parameters
    ----------
    path
        The file.
    head
        The head.
    encoder, concepts, text_model
        See `LoadedObjectHead`.
    """
    state = head.state_dict()
    tensors = {
        name: value.to(torch.float16 if value.ndim == 2 else torch.float32)
        for name, value in state.items()
    }
    told = {
        "encoder": encoder,
        "concepts": json.dumps(list(concepts)),
        "text_model": text_model,
    }
    write_head(path, _KIND, head, tensors, told)


def load_object_head(path: str | Path = BUNDLED_OBJECT_HEAD) -> LoadedObjectHead:
    """Read a head.

    Raises
    ------
    CheckpointError
        If there is no such file, or it holds no head.
    """
    head, told = read_head(path, _KIND)
    try:
        concepts = tuple(str(name) for name in json.loads(told["concepts"]))
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} holds no object head: {error}") from error
    text_model = told.get("text_model", "")
    return LoadedObjectHead(head, told["encoder"], concepts, text_model)
