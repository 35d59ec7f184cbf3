"""Folders in Hugging Face's layout: ``config.json`` and weights beside it.

Weights are one ``model.safetensors``, or parts that ``model.safetensors.index.json``
lists. Nothing in a folder is run, and nothing is fetched.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.hashing import hash_file
from napari_sam.checkpoints.weight_files import WEIGHT_SUFFIXES, read_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

__all__ = ["ModelFolder", "open_model_folder"]

_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class ModelFolder:
    """A model in Hugging Face's layout, not read yet.

    Attributes
    ----------
    path
        The folder.
    config
        Content of ``config.json``.
    files
        With its weights.
    """

    path: Path
    config: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def kind(self) -> str:
        """What the folder says its model is, such as ``"sam2_video"``."""
        return str(self.config.get("model_type", ""))

    @property
    def digest(self) -> str:
        """What tells the weights from others, in hex."""
        parts = [hash_file(file, ("sha256",))["sha256"] for file in self.files]
        if len(parts) == 1:
            return parts[0]
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def read(self) -> dict[str, Tensor]:
        """Read the weights.

        Raises
        ------
        CheckpointError
            If a file is damaged.
        """
        tensors: dict[str, Tensor] = {}
        for file in self.files:
            try:
                content, _ = read_weights(file)
            except CheckpointError as error:
                raise CheckpointError(f"{file.name}: {error}") from error
            tensors.update(content)
        return tensors


def open_model_folder(path: Path) -> ModelFolder:
    """Look into a folder.

    Raises
    ------
    CheckpointError
        If it holds no model in this layout, or a part of one.
    """
    config = _read_json(path / _CONFIG)
    if config is None:
        raise CheckpointError(_without_config(path))
    if (path / _WEIGHTS).is_file():
        return ModelFolder(path, config, (path / _WEIGHTS,))
    index = _read_json(path / _INDEX)
    if index is None:
        raise CheckpointError(
            f"{path} holds {_CONFIG} and no {_WEIGHTS}; fetch the weights too"
        )
    names = sorted(set(map(str, index.get("weight_map", {}).values())))
    missing = [name for name in names if not (path / name).is_file()]
    if missing or not names:
        raise CheckpointError(
            f"{path} holds a part of a model: of {len(names)} files with weights "
            f"{len(missing)} are missing ({', '.join(missing[:3])})"
        )
    return ModelFolder(path, config, tuple(path / name for name in names))


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds no settings of a model")
    return content


def _without_config(folder: Path) -> str:
    """Say which models a folder holds: one of them is to be given."""
    if any(folder.glob("*.onnx")):
        return (
            f"{folder} holds ONNX models of another program: their network is fixed, "
            "so that they can be asked by ONNX Runtime and not here. What loads are "
            "folders of `napari-sam export-model --to onnx`, with encoder.onnx and "
            "decoder.onnx"
        )
    inner = sorted(p.parent for p in folder.glob(f"*/{_CONFIG}"))
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in WEIGHT_SUFFIXES)
    files = [p for p in files if not p.stem.endswith("_decoder")]  # go with a model
    found = [*inner, *files]
    told = f"{folder} is a folder without {_CONFIG}, so no model itself; "
    if not found:
        return f"{told}wanted is one in Hugging Face's layout, or a file with weights"
    if len(found) == 1:
        return f"{told}it holds one model: give its path, {found[0]}"
    names = ", ".join(p.name for p in found[:4]) + (", ..." if found[4:] else "")
    return f"{told}it holds {len(found)} models: give the path of one ({names})"
