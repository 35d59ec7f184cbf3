"""Names of SAM 2's weights: from Meta's files to those of transformers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

__all__ = ["is_meta_sam2", "is_named_by_transformers", "rename_meta_sam2"]

_RENAMINGS = (
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"(backbone\.blocks\.\d+)\.norm", r"\1.layer_norm"),
    (r"(backbone\.blocks\.\d+\.mlp)\.layers\.0\.", r"\1.proj_in."),
    (r"(backbone\.blocks\.\d+\.mlp)\.layers\.1\.", r"\1.proj_out."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (
        r"\.pe_layer\.positional_encoding_gaussian_matrix$",
        ".shared_embedding.positional_embedding",
    ),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"(mask_decoder\.transformer\.layers\.\d+)\.norm", r"\1.layer_norm"),
    (r"(transformer\.layers\.\d+\.mlp)\.layers\.0\.", r"\1.proj_in."),
    (r"(transformer\.layers\.\d+\.mlp)\.layers\.1\.", r"\1.proj_out."),
    (r"(output_hypernetworks_mlps\.\d+|_head|obj_ptr_proj)\.layers\.0\.", r"\1.first."),
    (r"(output_hypernetworks_mlps\.\d+|_head|obj_ptr_proj)\.layers\.2\.", r"\1.last."),
    (
        r"(output_hypernetworks_mlps\.\d+|_head|obj_ptr_proj)\.layers\.1\.",
        r"\1.layers.0.",
    ),
    (r"\.first\.", ".proj_in."),
    (r"\.last\.", ".proj_out."),
    (r"\.out_proj\.(weight|bias)$", r".o_proj.\1"),
    (r"^(memory_attention\.layers\.\d+)\.norm", r"\1.layer_norm"),
    (r"^memory_attention\.norm\.", "memory_attention.layer_norm."),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.o_proj\.", "memory_encoder.projection."),
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"(memory_fuser\.layers\.\d+)\.dwconv\.", r"\1.depthwise_conv."),
    (r"(memory_fuser\.layers\.\d+)\.norm\.", r"\1.layer_norm."),
    (r"(memory_fuser\.layers\.\d+)\.pwconv(\d)\.", r"\1.pointwise_conv\2."),
    (r"(memory_fuser\.layers\.\d+)\.gamma$", r"\1.scale"),
    (r"^obj_ptr_proj\.", "object_pointer_proj."),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
)
"""Applied one after the other to each of Meta's names."""

_DOWNSAMPLER = re.compile(r"^memory_encoder\.mask_downsampler\.encoder\.(\d+)\.(.+)$")
_POINT = re.compile(r"^sam_prompt_encoder\.point_embeddings\.(\d)\.weight$")
_POSITION = "prompt_encoder.shared_embedding.positional_embedding"
_LAYER_STEP = 3
"""A layer of the downsampler is a convolution, a norm and an activation."""


def is_meta_sam2(state: Mapping[str, object]) -> bool:
    """Whether weights are those of SAM 2 under Meta's names."""
    return any(key.startswith("image_encoder.trunk.") for key in state)


def is_named_by_transformers(state: Mapping[str, object]) -> bool:
    """Whether weights are those of SAM 2 under the names of transformers."""
    return "vision_encoder.backbone.pos_embed_window" in state


def rename_meta_sam2(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give Meta's weights of SAM 2 the names that transformers has for them.

    The four point embeddings become one table, and the matrix of the positional
    encoding is named twice, as transformers wants it. Names that are not known stay.

    Examples
    --------
    >>> list(rename_meta_sam2({"sam_mask_decoder.conv_s0.bias": torch.zeros(1)}))
    ['mask_decoder.conv_s0.bias']
    """
    points = {
        int(found[1]): state[key] for key in state if (found := _POINT.match(key))
    }
    renamed = {
        _renamed(key, state): value
        for key, value in state.items()
        if not _POINT.match(key)
    }
    if len(points) == len(range(4)):
        table = torch.cat([points[i] for i in range(4)])
        renamed["prompt_encoder.point_embed.weight"] = table
    if _POSITION in renamed:
        renamed["shared_image_embedding.positional_embedding"] = renamed[_POSITION]
    return renamed


def _renamed(key: str, state: Mapping[str, object]) -> str:
    found = _DOWNSAMPLER.match(key)
    if found:
        return _downsampler_name(int(found[1]), found[2], state)
    for pattern, name in _RENAMINGS:
        key = re.sub(pattern, name, key)
    return key


def _downsampler_name(number: int, rest: str, state: Mapping[str, object]) -> str:
    """Name one of the downsampler's layers; the last convolution stands alone."""
    numbers = [int(m[1]) for key in state if (m := _DOWNSAMPLER.match(key))]
    layer, part = divmod(number, _LAYER_STEP)
    if number == max(numbers):
        return f"memory_encoder.mask_downsampler.final_conv.{rest}"
    kind = "layer_norm" if part else "conv"
    return f"memory_encoder.mask_downsampler.layers.{layer}.{kind}.{rest}"
