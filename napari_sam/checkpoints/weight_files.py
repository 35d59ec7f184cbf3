"""A file with weights -> what it holds; nothing from a file is ever run.

Safetensors hold only tensors, and pickles are read by PyTorch's restricted unpickler
(``weights_only=True``).
"""

from __future__ import annotations

import pickle
import re
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.file_kinds import (
    ONNX,
    SAFETENSORS,
    TORCH_PICKLE,
    TORCH_ZIP,
    name_file_kind,
)

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

__all__ = ["WEIGHT_SUFFIXES", "read_weights", "require_weights"]

WEIGHT_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt", ".bin")
"""How the names of files with weights end."""

# What the unpickler raises, by chance of the damage, for a file with wrong bytes.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
_MORE_ABOUT_KIND = {
    "a git-lfs pointer": ". The file itself is elsewhere: run `git lfs pull` where it "
    "was cloned, or download it from the web page of its repository",
    "an HTML page": ". The download saved a web page instead of the file: open its "
    "address in a browser, or download it again",
    "a truncated file (its end is missing)": ". Its download or copy broke off: "
    "fetch it again",
    "a Python pickle that PyTorch did not write": ". Reading it could run code that "
    "was put into the file, so it was refused",
    ONNX: ". Its network is fixed, so that it can be asked by ONNX Runtime "
    "and not here: load the model that it was exported from",
    "a TorchScript program": ". It runs code of its own: load the model that it was "
    "exported from",
    "a zip archive": ". A BioImage.IO package, which loads too, would hold rdf.yaml or "
    "bioimageio.yaml",
    "an empty file": ". Its download or copy broke off: fetch it again",
}


def require_weights(path: Path, wanted: str = "the weights of a SAM model") -> None:
    """Check by its first bytes that a file may hold weights.

    Raises
    ------
    CheckpointError
        If it is something else; the message says what, and what to do.
    OSError
        If it cannot be read.
    """
    kind = name_file_kind(path)
    if kind in (SAFETENSORS, TORCH_ZIP, TORCH_PICKLE):
        return
    if path.is_dir():
        raise CheckpointError(_explain_folder(path, wanted))
    other = "a checkpoint"
    if path.suffix.lower() == ".onnx" and kind != ONNX:
        other = "an ONNX model, as its name says"
    raise CheckpointError(
        f"{path} is {kind}, not {other}; wanted is a .pth, .pt or .safetensors "
        f"file with {wanted}{_MORE_ABOUT_KIND.get(kind, '')}"
    )


def _explain_folder(folder: Path, wanted: str) -> str:
    """Say which models a folder holds: one of them is to be given."""
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in WEIGHT_SUFFIXES)
    models = [p for p in files if not p.stem.endswith("_decoder")]
    told = f"{folder} is a directory, not a checkpoint; "
    if not models:
        return f"{told}wanted is a .pth, .pt or .safetensors file with {wanted}"
    if len(models) == 1:
        return f"{told}it holds one model: give its path, {models[0]}"
    names = ", ".join(p.name for p in models[:4]) + (", ..." if models[4:] else "")
    return f"{told}it holds {len(models)} models: give the path of one ({names})"


def read_weights(path: Path) -> tuple[Any, dict[str, str]]:
    """Read what a file holds.

    Returns
    -------
    content
        Tensors by name, or whatever nesting of them a pickle holds. What is not a
        tensor, a number, a text or a collection of them is never built.
    metadata
        Of a safetensors file; else empty.

    Raises
    ------
    CheckpointError
        If the file is damaged or holds code.
    """
    kind = name_file_kind(path)
    if kind == SAFETENSORS:
        return _read_safetensors(path)
    return _read_torch(path, mapped=kind == TORCH_ZIP)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(
            f"the safetensors file is truncated or damaged ({error})"
        ) from error


def _read_torch(path: Path, mapped: bool) -> tuple[Any, dict[str, str]]:
    """Read a pickle of tensors; one that names anything else is refused.

    `mapped` leaves the tensors in the file until they are copied into the model,
    which halves the memory that loading needs.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_explain_refusal(str(error))) from error
    except _DAMAGE as error:
        raise CheckpointError(
            f"the file is truncated or damaged ({type(error).__name__}: {error}); "
            "fetch it again"
        ) from error
    return content, {}


_FROM_MICRO_SAM = (
    ". It is a checkpoint of a training with micro-sam: there, "
    "micro_sam.util.export_custom_sam_model(..., with_segmentation_decoder=True) "
    "writes a file that can be loaded here"
)


def _explain_refusal(message: str) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", message)
    if found is None and "nsupported" not in message:
        return "the pickle in it is truncated or damaged, or not made by PyTorch"
    what = f" ({found[1]})" if found else ""
    return (
        f"it holds Python objects beside tensors{what}, and reading those can run code "
        "that was put into the file, so it was refused. Ask its author for a file with "
        "the bare state dict, best as safetensors; only if you trust where it comes "
        "from, load it in a script of your own and save its state dict alone"
        + (_FROM_MICRO_SAM if re.search(r"micro_sam|torch_em", message) else "")
    )
