"""Text encoders in files: the one that ships, and those in Hugging Face's layout.

The file that ships is a safetensors file: matrices as int8 with a scale for each row
(``NAME`` and ``NAME.scale``), the rest as float16, and the word pieces, one a line, in
its metadata. A local folder in Hugging Face's layout holds ``config.json``,
``model.safetensors`` and ``vocab.txt``. Nothing from either is ever run.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.model.text_encoder import TextEncoder, TextEncoderConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    _Read = tuple[TextEncoderConfig, dict[str, Tensor], tuple[str, ...]]

__all__ = ["BUNDLED_TEXT_ENCODER", "load_text_encoder", "save_text_encoder"]

BUNDLED_TEXT_ENCODER = Path(__file__).parent / "weights" / "text.safetensors"
"""The text encoder that ships with the package."""

_FORMAT = "napari-sam text encoder 1"
_SCALE = ".scale"


def load_text_encoder(
    source: str | Path = BUNDLED_TEXT_ENCODER,
) -> tuple[TextEncoder, tuple[str, ...]]:
    """Load a text encoder and its word pieces.

    Parameters
    ----------
    source
        A file that `save_text_encoder` wrote, or a folder in Hugging Face's layout
        that holds a BERT, such as those of `sentence-transformers`.

    Returns
    -------
    encoder : TextEncoder
        In float32 on the CPU, ready to be asked.
    pieces : tuple of str
        The word pieces, in the order of their numbers.

    Raises
    ------
    CheckpointError
        If there is no such file or folder, or it does not hold a text encoder.
    """
    path = Path(source)
    try:
        if path.is_dir():
            config, state, pieces = _read_folder(path)
        else:
            config, state, pieces = _read_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no text encoder at {path}: {error}") from None
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"{path} holds no text encoder: {error}") from error
    if len(pieces) != config.vocabulary:
        raise CheckpointError(
            f"{path} has {len(pieces)} word pieces, but embeddings of "
            f"{config.vocabulary}"
        )
    encoder = TextEncoder(config)
    try:
        encoder.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{path} holds no BERT: {error}") from error
    return encoder.eval(), pieces


def save_text_encoder(
    path: Path, encoder: TextEncoder, pieces: Sequence[str], about: Mapping[str, str]
) -> None:
    """Write a text encoder with matrices as int8 and the rest as float16.

    Parameters
    ----------
    path
        The file.
    encoder
        The encoder.
    pieces
        Its word pieces, in the order of their numbers.
    about
        Where it comes from and under which licence; goes into the metadata.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in encoder.state_dict().items():
        if value.ndim == 2:
            scale = value.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
            tensors[name] = (value / scale).round().to(torch.int8)
            tensors[name + _SCALE] = scale.to(torch.float32)
        else:
            tensors[name] = value.to(torch.float16)
    metadata = {
        **about,
        "format": _FORMAT,
        "config": json.dumps(asdict(encoder.config)),
        "pieces": "\n".join(pieces),
    }
    save_file(tensors, path, metadata)


def _read_file(
    path: Path,
) -> tuple[TextEncoderConfig, dict[str, Tensor], tuple[str, ...]]:
    with safe_open(path, "pt") as file:
        told = file.metadata() or {}
        if told.get("format") != _FORMAT:
            raise ValueError(f"its format is {told.get('format')!r}, not {_FORMAT!r}")
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state = {
        name: value.float() * held.get(name + _SCALE, 1)
        for name, value in held.items()
        if not name.endswith(_SCALE)
    }
    config = TextEncoderConfig(**json.loads(told["config"]))
    return config, state, tuple(told["pieces"].split("\n"))


def _read_folder(path: Path) -> _Read:
    told: dict[str, Any] = json.loads((path / "config.json").read_text("utf-8"))
    if told.get("model_type") != "bert":
        raise ValueError(f"its model_type is {told.get('model_type')!r}, not 'bert'")
    config = TextEncoderConfig(
        vocabulary=int(told["vocab_size"]),
        width=int(told["hidden_size"]),
        depth=int(told["num_hidden_layers"]),
        heads=int(told["num_attention_heads"]),
        hidden=int(told["intermediate_size"]),
        positions=int(told["max_position_embeddings"]),
    )
    with safe_open(path / "model.safetensors", "pt") as file:
        state = {
            name.removeprefix("bert."): file.get_tensor(name).float()
            for name in file.keys()  # noqa: SIM118
            if not name.removeprefix("bert.").startswith("pooler.")
            and not name.endswith("position_ids")
            and not name.startswith("cls.")
        }
    pieces = (path / "vocab.txt").read_text("utf-8").rstrip("\n").split("\n")
    return config, state, tuple(pieces)
