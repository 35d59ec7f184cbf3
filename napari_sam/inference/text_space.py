"""The head that embeds objects and the text model whose words it knows, as a pair."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.object_weights import encoder_digest, load_object_head

if TYPE_CHECKING:
    from napari_sam.checkpoints.object_weights import LoadedObjectHead
    from napari_sam.inference.text_tower import PhraseEmbedder
    from napari_sam.model.network import Network

__all__ = ["load_text_space"]

_Pair = tuple["LoadedObjectHead | None", "PhraseEmbedder | None"]


def load_text_space(
    model: Network,
    source: str | Path,
    object_head: str | Path | None = None,
    text_model: str | Path | None = None,
) -> _Pair:
    """Load the head of a model and its text model.

    Parameters
    ----------
    model
        The network.
    source
        Name or path that it was loaded by.
    object_head, text_model
        See `napari_sam.load_model`.

    Returns
    -------
    head, tower
        None for those that ship.

    Raises
    ------
    CheckpointError
        If one of them cannot be loaded, or they do not belong to each other or to
        the model. A head that merely lies beside the model's file, and does not belong
        to it, is left out.
    """
    path = _beside(source) if object_head is None else Path(object_head).expanduser()
    head = None if path is None else load_object_head(path)
    if head is not None and head.encoder != encoder_digest(model):
        told = (
            f"{path} knows the image encoder of another model than {source}; train one "
            f"for this with `napari-sam train --text clip --from {source}`"
        )
        if object_head is not None:
            raise CheckpointError(told)
        warnings.warn(f"{told}; it is left out", UserWarning, stacklevel=3)
        head = None
    if text_model is None:
        if head is None or not head.text_model:
            return head, None
        if object_head is None:
            return None, None
        raise CheckpointError(
            f"{path} knows the words of a CLIP: give its folder as text_model"
        )
    if head is None:
        raise CheckpointError(_how_to(text_model, "there is no head that knows"))
    from napari_sam.inference.clip_tower import ClipTower
    from napari_sam.inference.text_tower import load_text_tower

    folder = Path(text_model).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"there is no folder of a text model at {folder}")
    tower = load_text_tower(folder)
    if not isinstance(tower, ClipTower) or tower.digest != head.text_model:
        raise CheckpointError(_how_to(text_model, f"{path} does not know"))
    return head, tower


def _beside(source: str | Path) -> Path | None:
    """Return the head that lies beside a model's file, if there is one."""
    path = Path(source).expanduser()
    head = path.with_name(f"{path.stem}-objects.safetensors")
    return head if path.is_file() and head.is_file() else None


def _how_to(text_model: str | Path, why: str) -> str:
    return (
        f"{why} the words of {text_model} yet: train one with `napari-sam train --text "
        f"clip --text-model {text_model} --data DIR --out HEAD.safetensors`, and give "
        "it as object_head"
    )
