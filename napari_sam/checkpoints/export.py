"""From a model of this package to a file that other programs load.

Parameter names are those of the official SAM files, so that Meta's layout is the bare
state dict: without the dense head, and in float32. micro-sam's loader takes it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from napari_sam.checkpoints.load import load_sam
from napari_sam.io.atomic_write import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["export_pth", "export_safetensors"]

_DENSE_HEAD = "dense_head."
_SAM = ("vit_b", "vit_l", "vit_h", "vit_t")


def export_pth(source: str | Path, target: Path) -> Path:
    """Write a model in the layout of Meta's (or MobileSAM's) files.

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
    model = load_sam(source).trainable
    if model.architecture.name not in _SAM:
        raise ValueError(
            f"{source} is of the architecture {model.architecture.name!r}, which "
            "Meta's and micro-sam's loaders do not know; they know "
            f"{', '.join(_SAM)}"
        )
    state = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith(_DENSE_HEAD)
    }
    return write_atomically(target, lambda path: torch.save(state, path))


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
    model = loaded.trainable
    half = {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    metadata = {"architecture": model.architecture.name}
    if loaded.object_size is not None:
        metadata["object_size"] = str(loaded.object_size)
    return write_atomically(target, lambda path: save_file(half, path, metadata))
