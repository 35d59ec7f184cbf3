"""Which network a state dict belongs to, told from its keys and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.model.build import ARCHITECTURES
from napari_sam.model.image_encoder import VitConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["detect_architecture", "name_foreign_model"]

_VIT_STEM = "image_encoder.patch_embed.proj.weight"
_TINY_STEM = "image_encoder.patch_embed.seq.0.c.weight"

_SAM3 = "a SAM 3 checkpoint"

# Parts of keys that only the model named beside them has; the first hit counts.
_FOREIGN = (
    ("language_backbone", _SAM3),
    ("detector_model.", _SAM3),
    ("tracker_model.", _SAM3),
    ("detector.backbone.", _SAM3),
    ("sam_mask_decoder.", "a SAM 2 checkpoint"),
    ("image_encoder.trunk.", "a SAM 2 checkpoint"),
    ("memory_attention.", "a SAM 2 checkpoint"),
    ("memory_encoder.", "a SAM 2 checkpoint"),
    ("vision_encoder.backbone.", "a SAM 2 checkpoint"),
    ("vision_encoder.patch_embed.", "a SAM checkpoint in the layout of transformers"),
    ("deconv_out.", "an instance decoder of micro-sam, without the model it serves"),
)


def name_foreign_model(keys: Mapping[str, object]) -> str | None:
    """Name a known model that is not SAM by its keys, or None.

    Examples
    --------
    >>> name_foreign_model({"image_encoder.trunk.pos_embed": None})
    'a SAM 2 checkpoint'
    """
    # The dense head of a model of ours may be a decoder with names of another's.
    others = [key for key in keys if not key.startswith("dense_head.")]
    for part, kind in _FOREIGN:
        if any(part in key for key in others):
            return kind
    return None


def detect_architecture(
    state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> str:
    """Tell the architecture of a SAM state dict.

    The file's own word (safetensors metadata ``architecture``) comes first. Else
    the width of the ViT, or the kernel of TinyViT's stem, decides: LiteMedSAM's
    stem is made of 1 x 1 convolutions, MobileSAM's of 3 x 3, and the bundled model
    differs from MobileSAM by its dense head.

    Parameters
    ----------
    state
        Tensors by key, without prefixes (see `convert`).
    metadata
        Metadata of a safetensors file.

    Returns
    -------
    str
        A key of `napari_sam.model.build.ARCHITECTURES`, or the metadata's word.

    Raises
    ------
    CheckpointError
        If the keys are those of another model, or of none that is known.
    """
    if metadata and "architecture" in metadata:
        return metadata["architecture"]
    foreign = name_foreign_model(state)
    if foreign == _SAM3:
        raise CheckpointError(
            f"it is {foreign}, which loads from a folder in Hugging Face's layout: "
            "config.json, model.safetensors and the files of the tokenizer"
        )
    if foreign is not None:
        raise CheckpointError(
            f"it is {foreign}; what can be loaded is SAM (ViT-B, ViT-L, ViT-H), "
            "SAM-HQ, MobileSAM, LiteMedSAM, micro-sam, SAM 2 and the models trained "
            "here"
        )
    if _VIT_STEM in state:
        width = state[_VIT_STEM].shape[0]
        for name, known in ARCHITECTURES.items():
            if isinstance(known.encoder, VitConfig) and known.encoder.width == width:
                return name
        raise CheckpointError(
            f"its image encoder has width {width}; SAM's have 768 (ViT-B), 1024 "
            "(ViT-L) or 1280 (ViT-H)"
        )
    if _TINY_STEM in state:
        if tuple(state[_TINY_STEM].shape[2:]) == (1, 1):
            return "lite_medsam"
        has_own_head = any(key.startswith("dense_head.layers.") for key in state)
        return "cells" if has_own_head else "vit_t"
    shown = ", ".join(sorted(state)[:3])
    raise CheckpointError(
        "it holds no SAM model: no image encoder of SAM among its "
        f"{len(state)} tensors ({shown}, ...)"
    )
