"""SAM 2.1 from a file or a folder: which size it is, and the network with its weights.

The network is that of the transformers library, which is imported when one is built and
not before.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.mismatch import explain_mismatch
from napari_sam.checkpoints.sam2_names import is_meta_sam2, rename_meta_sam2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from napari_sam.model.sam2 import Sam2

__all__ = [
    "SAM2_SIZES",
    "build_sam2",
    "is_sam2",
    "require_transformers",
    "sam2_config",
    "sam2_size",
]

_STEM = "vision_encoder.backbone.patch_embed.projection.weight"
_FIRST_POSITION = "vision_encoder.backbone.pos_embed"
_MEMORY = ("memory_attention.", "memory_encoder.")
_POINTER_TIME = "temporal_positional_encoding_projection_layer."
_OCCLUSION = "occlusion_spatial_embedding_parameter"

SAM2_SIZES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "sam2.1_tiny": {
            "hidden_size": 96,
            "blocks_per_stage": [1, 2, 7, 2],
            "global_attention_blocks": [5, 7, 9],
        },
        "sam2.1_small": {
            "hidden_size": 96,
            "blocks_per_stage": [1, 2, 11, 2],
            "global_attention_blocks": [7, 10, 13],
        },
        "sam2.1_base_plus": {
            "hidden_size": 112,
            "num_attention_heads": 2,
            "blocks_per_stage": [2, 3, 16, 3],
            "global_attention_blocks": [12, 16, 20],
            "window_positional_embedding_background_size": [14, 14],
        },
        "sam2.1_large": {
            "hidden_size": 144,
            "num_attention_heads": 2,
            "blocks_per_stage": [2, 6, 36, 4],
            "global_attention_blocks": [23, 33, 43],
            "window_size_per_stage": [8, 4, 16, 8],
        },
    }
)
"""What the sizes of SAM 2.1 differ in, as Meta's configurations say; the rest is common
to them and the default of transformers."""


def is_sam2(state: Mapping[str, object]) -> bool:
    """Whether weights are those of SAM 2, by Meta's names or those of transformers."""
    return is_meta_sam2(state) or _FIRST_POSITION in state


def require_transformers(what: str) -> Any:
    """Import transformers, which reads a model.

    Raises
    ------
    CheckpointError
        If it is not installed, or too old.
    """
    try:
        import transformers
    except ImportError as error:
        raise CheckpointError(
            f"{what} is computed by the library transformers, which is not installed: "
            "pip install 'napari-sam[transformers]'"
        ) from error
    if not hasattr(transformers, "Sam3Model"):
        raise CheckpointError(
            f"{what} needs transformers 5 or later, and {transformers.__version__} is "
            "installed: pip install --upgrade 'napari-sam[transformers]'"
        )
    return transformers


def sam2_size(state: Mapping[str, Tensor]) -> str:
    """Tell which of `SAM2_SIZES` weights are, by the names of transformers.

    Raises
    ------
    CheckpointError
        If they are none of them.
    """
    blocks = 1 + max(
        (
            int(key.split(".")[3])
            for key in state
            if key.startswith("vision_encoder.backbone.blocks.")
        ),
        default=-1,
    )
    width = state[_STEM].shape[0] if _STEM in state else 0
    for name, size in SAM2_SIZES.items():
        if (size["hidden_size"], sum(size["blocks_per_stage"])) == (width, blocks):
            return name
    raise CheckpointError(
        f"it is SAM 2 with an image encoder of {blocks} blocks and width {width}; "
        f"known are {_sizes_text()}. Others load from a folder with their config.json"
    )


def _sizes_text() -> str:
    return ", ".join(
        f"{sum(size['blocks_per_stage'])} of {size['hidden_size']} ({name})"
        for name, size in SAM2_SIZES.items()
    )


def build_sam2(
    state: Mapping[str, Tensor], config: Mapping[str, Any] | None = None
) -> Sam2:
    """Build SAM 2 with its weights, none missing and none left over.

    Parameters
    ----------
    state
        By Meta's names or those of transformers.
    config
        Content of ``config.json`` where the weights came in Hugging Face's layout;
        None: told from the weights.

    Raises
    ------
    CheckpointError
        If transformers is not installed, or weights are missing, unknown or of another
        shape.
    """
    from napari_sam.model.sam2 import Sam2

    library = require_transformers("SAM 2")
    weights = dict(rename_meta_sam2(state) if is_meta_sam2(state) else state)
    told = None if config is None else dict(config)
    name = "sam2" if told else sam2_size(weights)
    if told:
        name = _name_of(weights)
    has_memory = any(key.startswith(_MEMORY) for key in weights)
    given = told or sam2_config(name, weights)
    network = _network(library, given, has_memory)
    _fill(network, weights, name)
    return Sam2(network, name).eval()


def _name_of(weights: Mapping[str, Tensor]) -> str:
    try:
        return sam2_size(weights)
    except CheckpointError:
        return "sam2"  # another size, which its configuration describes


def sam2_config(name: str, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the configuration of a size; SAM 2.0 lacks two parts of SAM 2.1.

    Parameters
    ----------
    name
        One of `SAM2_SIZES`.
    weights
        From which it is told which parts there are.
    """
    size = dict(SAM2_SIZES[name])
    widths = [size["hidden_size"] * 2**i for i in range(4)]
    heads = [size.get("num_attention_heads", 1) * 2**i for i in range(4)]
    backbone = {
        **size,
        "model_type": "sam2_hiera_det_model",
        "embed_dim_per_stage": widths,
        "num_attention_heads_per_stage": heads,
    }
    return {
        "vision_config": {
            "model_type": "sam2_vision_model",
            "backbone_config": backbone,
            "backbone_channel_list": widths[::-1],
        },
        "enable_occlusion_spatial_embedding": _OCCLUSION in weights,
        "enable_temporal_pos_encoding_for_object_pointers": any(
            key.startswith(_POINTER_TIME) for key in weights
        ),
    }


def _network(library: Any, config: dict[str, Any], has_memory: bool) -> Any:
    """Build the network of a configuration; without memory for images alone."""
    kinds = (
        (library.Sam2VideoConfig, library.Sam2VideoModel)
        if has_memory
        else (library.Sam2Config, library.Sam2Model)
    )
    known = {k: v for k, v in config.items() if k not in ("model_type", "dtype")}
    if not has_memory:
        parts = ("vision_config", "prompt_encoder_config", "mask_decoder_config")
        known = {k: v for k, v in known.items() if k in parts}
    try:
        return kinds[1](kinds[0](**known))
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"its config.json describes no SAM 2 that transformers can build: {error}"
        ) from error


def _fill(network: Any, weights: Mapping[str, Tensor], name: str) -> None:
    wanted = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in weights.items()}
    if wanted != given:
        raise CheckpointError(explain_mismatch(name, wanted, given))
    network.load_state_dict(weights, strict=True)
