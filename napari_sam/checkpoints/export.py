"""From a model of this package to a file that other programs load.

Parameter names are those of the official SAM files, so that Meta's layout is the bare
state dict: without the dense head, and in float32. micro-sam's loader takes it too, and
reads its own instance decoder from a file with ``model_state`` and ``decoder_state``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from napari_sam.checkpoints.instance_decoders import DECODER_STATE, PREFIX
from napari_sam.checkpoints.load import load_sam
from napari_sam.io.atomic_write import write_atomically
from napari_sam.model.sam import Sam

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from napari_sam.model.sam import Architecture

__all__ = [
    "check_micro_sam",
    "export_micro_sam",
    "export_pth",
    "export_safetensors",
    "in_half_precision",
]

_SAM = ("vit_b", "vit_l", "vit_h", "vit_t")
_CLASSES = 1000
"""Of the classifier that TinyViT was trained with."""


def export_pth(source: str | Path, target: Path) -> Path:
    """Write a model in the layout of Meta's, MobileSAM's or SAM-HQ's files.

    Parameters
    ----------
    source
        What `napari_sam.load_model` takes: a name or a path.
    target
        A ``.pth`` file.

    Raises
    ------
    ValueError
        If the model is of an architecture that only this package knows, or the name
        does not end in ``.pth``.

    Examples
    --------
    >>> from pathlib import Path
    >>> export_pth("mine.safetensors", Path("mine.pth"))  # doctest: +SKIP
    """
    if target.suffix != ".pth":
        raise ValueError(f"the file is {target}; its name must end in .pth")
    model = _known_model(source)
    return write_atomically(
        target, lambda path: torch.save(_published_state(model), path)
    )


def export_micro_sam(source: str | Path, target: Path) -> Path:
    """Write a model with its instance decoder as one file that micro-sam loads.

    That is the layout of ``micro_sam.util.export_custom_sam_model`` with
    ``with_segmentation_decoder=True``.

    Parameters
    ----------
    source
        What `napari_sam.load_model` takes: a name or a path.
    target
        A ``.pt`` file.

    Raises
    ------
    ValueError
        If micro-sam does not know the architecture, the model has no instance decoder
        of micro-sam, or the name does not end in ``.pt``.

    Examples
    --------
    >>> from pathlib import Path
    >>> export_micro_sam("mine.safetensors", Path("mine.pt"))  # doctest: +SKIP
    """
    if target.suffix != ".pt":
        raise ValueError(f"the file is {target}; its name must end in .pt")
    model = _known_model(source)
    check_micro_sam(source, model.architecture)
    decoder = {
        name.removeprefix(PREFIX): tensor
        for name, tensor in model.state_dict().items()
        if name.startswith(PREFIX)
    }
    content = {"model_state": _published_state(model), DECODER_STATE: decoder}
    return write_atomically(target, lambda path: torch.save(content, path))


def check_micro_sam(source: str | Path, architecture: Architecture) -> None:
    """Check that micro-sam knows an architecture, with its instance decoder.

    Raises
    ------
    ValueError
        If it does not; the message says what can be done.
    """
    _check_known(source, architecture.name)
    if architecture.high_quality:
        raise ValueError(
            f"{source} is a model of SAM-HQ, which micro-sam does not know"
        )
    if architecture.instance_decoder is None:
        raise ValueError(
            f"{source} has no instance decoder of micro-sam; start from a model that "
            "has one, such as vit_b_lm, or write a .pth file, whose prompts micro-sam "
            "answers too"
        )


def _known_model(source: str | Path) -> Sam:
    """Load a model, if other programs know its architecture."""
    model = load_sam(source).model
    if isinstance(model, Sam):
        _check_known(source, model.architecture.name)
        return model
    raise ValueError(_explain_unknown(source, model.architecture.name))


def _check_known(source: str | Path, name: str) -> None:
    if name not in _SAM:
        raise ValueError(_explain_unknown(source, name))


def _explain_unknown(source: str | Path, name: str) -> str:
    return (
        f"{source} is of the architecture {name!r}, which Meta's and micro-sam's "
        f"loaders do not know; they know {', '.join(_SAM)}"
    )


def _published_state(model: Sam) -> dict[str, Tensor]:
    """Return the tensors that files of this architecture hold, by their names."""
    state = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith(PREFIX)
    }
    if model.architecture.name == "vit_t":  # its loaders ask for the unused classifier
        width = state["image_encoder.neck.0.weight"].shape[1]
        for name, shape in (("norm_head", (width,)), ("head", (_CLASSES, width))):
            state[f"image_encoder.{name}.weight"] = torch.zeros(shape)
            state[f"image_encoder.{name}.bias"] = torch.zeros(shape[0])
    return state


def in_half_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round tensors to float16, but those whose values float16 cannot hold."""

    def rounded(tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            return tensor
        half = tensor.half()
        return half if half.isfinite().all() else tensor

    return {name: rounded(tensor) for name, tensor in state.items()}


def export_safetensors(source: str | Path, target: Path) -> Path:
    """Write a model as one float16 file that `napari_sam.load_model` takes.

    Raises
    ------
    ValueError
        If the source cannot be loaded, or the name does not end in ``.safetensors``.
    """
    if target.suffix != ".safetensors":
        raise ValueError(f"the file is {target}; its name must end in .safetensors")
    loaded = load_sam(source)
    model = loaded.model
    half = in_half_precision(model.state_dict())
    told = loaded.metadata
    return write_atomically(target, lambda path: save_file(half, path, told))
