"""Which volume head goes with a model."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.volume_weights import (
    BUNDLED_VOLUME_HEAD,
    load_volume_head,
)
from napari_sam.inference.encoder_identity import encoder_of
from napari_sam.inference.predictor import Predictor

if TYPE_CHECKING:
    from napari_sam.checkpoints.head_files import LoadedHead
    from napari_sam.inference.promptable import PromptableModel
    from napari_sam.model.volume_head import VolumeHead

__all__ = ["head_for"]


@lru_cache(maxsize=2)
def _load(path: str) -> LoadedHead[VolumeHead]:
    return load_volume_head(path)


def head_for(model: PromptableModel, name: str = "auto") -> VolumeHead | None:
    """Return the head that looks at volumes of which a model has seen the planes.

    Parameters
    ----------
    model
        The model.
    name
        "auto": the one that ships, if it has learned from maps of this model's image
        encoder; "none": none; else the path of a head.

    Raises
    ------
    CheckpointError
        If there is no head at the path, or it has learned from another model.
    """
    if name == "none" or not isinstance(model, Predictor):
        return None
    loaded = _load(str(BUNDLED_VOLUME_HEAD) if name == "auto" else name)
    if loaded.encoder == encoder_of(model):
        return loaded.head
    if name == "auto":
        return None
    raise CheckpointError(
        f"{name} has learned from the planes of another model than {model.name}; "
        "train one for this with scripts/train_volume_head.py, or use none"
    )
