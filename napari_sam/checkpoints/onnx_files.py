"""ONNX files that were written here, read: the weights of a model in them.

The network of an ONNX file is fixed, and is not asked here. What is written by
`export_onnx` keeps each weight under its own name, and says which architecture they
belong to, so that the model can be built again. Nothing in a file is run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.extra_packages import check_packages
from napari_sam.checkpoints.file_kinds import ONNX, name_file_kind
from napari_sam.checkpoints.hashing import hash_file
from napari_sam.checkpoints.onnx_readme import DECODER, ENCODER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

__all__ = [
    "OnnxModel",
    "data_file",
    "is_onnx_model",
    "list_of_weights",
    "open_onnx_model",
    "told_of",
]

_OWN = "napari_sam."
"""How the names begin of what a file says for this package."""

_WEIGHTS = "names"
"""Under which a file lists its weights: it holds numbers of the exporter too."""

_HALVES = {ENCODER: "encoder", DECODER: "decoder"}

_PREFIX = "model."
"""Before the names in the half that holds the whole model as a part."""

_STATISTICS = ".running_mean"
_COUNTER = ".num_batches_tracked"
"""Of a batch normalisation; no graph has it, since answers do not depend on it."""

_SHOWN = 6


@dataclass(frozen=True, eq=False)
class OnnxModel:
    """A model in two ONNX files.

    Attributes
    ----------
    name
        Of their folder.
    state
        Its tensors.
    told
        What the files say of it: ``architecture`` and whatever else a safetensors
        file would say.
    digest
        What tells the files from others, in hex.
    """

    name: str
    state: Mapping[str, Tensor]
    told: Mapping[str, str]
    digest: str


def is_onnx_model(path: Path) -> bool:
    """Whether a path is an ONNX file, or a folder with one of the two halves."""
    if path.is_dir():
        return any((path / name).is_file() for name in _HALVES)
    return name_file_kind(path) == ONNX


def open_onnx_model(path: Path) -> OnnxModel:
    """Read the weights of both halves of a model.

    Parameters
    ----------
    path
        The folder that `export_onnx` wrote, or one of the two files in it.

    Raises
    ------
    CheckpointError
        If the package ``onnx`` is missing, a file was written by another program or is
        damaged, one of the halves is missing, or they are of two models.
    OSError
        If a file cannot be read.
    """
    check_packages(f"{path} is an ONNX model; what loads it here", "onnx")
    if path.is_dir():
        folder = path
    else:
        _half_of(_parse(path), path)  # a file of another program is named first
        folder = path.parent
    state: dict[str, Tensor] = {}
    said, digests = [], []
    for name in _HALVES:
        file = folder / name
        if not file.is_file():
            raise CheckpointError(
                f"{path} is half of a model: {file} is missing. Image encoder and "
                "prompt decoder are two files in one folder"
            )
        model = _parse(file)
        told = _half_of(model, file)
        state |= _weights(model, told.pop(_WEIGHTS, ""), file)
        said.append(told)
        digests += [hash_file(one)["sha256"] for one in _parts(file)]
    if said[0] != said[1]:
        raise CheckpointError(
            f"{ENCODER} and {DECODER} in {folder} are of two models: "
            f"{_short(said[0])} and {_short(said[1])}"
        )
    digest = hashlib.sha256("".join(digests).encode()).hexdigest()
    return OnnxModel(folder.resolve().name, state, said[0], digest)


def told_of(told: Mapping[str, str]) -> dict[str, str]:
    """Return what a file says for this package, as it stands in the file."""
    return {f"{_OWN}{name}": value for name, value in told.items()}


def list_of_weights(names: Sequence[str]) -> dict[str, str]:
    """Return, as it stands in a file, which tensors in it are weights."""
    return told_of({_WEIGHTS: " ".join(names)})


def data_file(path: Path) -> Path:
    """Name the file in which the weights of a large ONNX file lie, beside it."""
    return path.with_name(f"{path.name}.data")


def _parse(path: Path) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    kind = name_file_kind(path)
    if kind != ONNX:
        raise CheckpointError(
            f"{path} is {kind}, not an ONNX model, as its name says; write the "
            "folder again"
        )
    try:
        return onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is an ONNX model that is truncated or damaged; fetch it again, or "
            "load the model that it was exported from"
        ) from error


def _half_of(model: Any, path: Path) -> dict[str, str]:
    """Return what a file says of its model, if it is one of ours, in its place."""
    said = {
        one.key.removeprefix(_OWN): one.value
        for one in model.metadata_props
        if one.key.startswith(_OWN)
    }
    half = said.pop("half", None)
    if half is None or "architecture" not in said:
        raise CheckpointError(_explain_foreign(model, path))
    if _HALVES.get(path.name) != half:
        raise CheckpointError(
            f"{path} holds the {half} of a model, which is named {half}.onnx in the "
            "folder that was exported"
        )
    return said


def _explain_foreign(model: Any, path: Path) -> str:
    graph = model.graph
    weights = {one.name for one in graph.initializer}
    inputs = [one.name for one in graph.input if one.name not in weights]
    maker = " ".join(f"{model.producer_name} {model.producer_version}".split())
    ends = [", ".join(names[:_SHOWN]) or "nothing" for names in (inputs, _names(graph))]
    return (
        f"{path} is an ONNX model of another program ({maker or 'unnamed'}), from "
        f"{ends[0]} to {ends[1]}. Its network is fixed, so that it can be asked by "
        "ONNX Runtime and not here: load the model that it was exported from. What "
        "loads are folders of `napari-sam export-model --to onnx`"
    )


def _names(graph: Any) -> list[str]:
    return [one.name for one in graph.output]


def _weights(model: Any, names: str, path: Path) -> dict[str, Tensor]:
    """Read the weights in a file, under the names that they have in the model."""
    from onnx import numpy_helper

    found: dict[str, Tensor] = {}
    wanted = set(names.split())
    for one in model.graph.initializer:
        if one.name not in wanted:
            continue
        name = one.name.removeprefix(_PREFIX)
        _check_place(one, path)
        try:
            values = numpy_helper.to_array(one, str(path.parent))
        except (ValueError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"{path} is truncated or damaged: {name} cannot be read"
            ) from error
        found[name] = torch.from_numpy(values.copy())
    for name in [one for one in found if one.endswith(_STATISTICS)]:
        found[name.removesuffix(_STATISTICS) + _COUNTER] = torch.tensor(0)
    return found


def _check_place(tensor: Any, path: Path) -> None:
    """Check that a tensor lies in its file, or in the one that belongs to it."""
    wanted = data_file(path)
    for place in (one.value for one in tensor.external_data if one.key == "location"):
        if place != wanted.name:
            raise CheckpointError(
                f"{path} says that its weights lie in {place}; what is read is "
                f"{wanted.name} alone"
            )
        if not wanted.is_file():
            raise CheckpointError(
                f"{path} holds no weights: {wanted}, in which they lie, is missing"
            )


def _parts(path: Path) -> list[Path]:
    return [one for one in (path, data_file(path)) if one.is_file()]


def _short(said: Mapping[str, str]) -> str:
    return f"{said['architecture']!r} of the weights {said.get('weights', '')[:8]}"
