"""SAM 2 with random weights, small enough for tests; needs transformers."""

from __future__ import annotations

from typing import Any

import torch
from transformers import Sam2VideoConfig, Sam2VideoModel

from napari_sam.inference.predictor import Predictor
from napari_sam.model.sam2 import Sam2

__all__ = ["draw_weights", "tiny_sam2", "tiny_sam2_config", "tiny_sam2_predictor"]

SIDE = 128
WIDTH = 128


def tiny_sam2_config() -> dict[str, Any]:
    """Return what a config.json of SAM 2 says, of a network for 128 pixels."""
    widths = [8, 16, 32, 64]
    grids = [[SIDE // n, SIDE // n] for n in (4, 8, 16)]
    shared = {"hidden_size": WIDTH}
    return {
        "model_type": "sam2_video",
        "image_size": SIDE,
        "vision_config": {
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "image_size": [SIDE, SIDE],
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": widths,
                "num_attention_heads_per_stage": [1, 1, 2, 4],
                "window_size_per_stage": [8, 4, 4, 2],
                "global_attention_blocks": [3],
            },
            "backbone_channel_list": widths[::-1],
            "backbone_feature_sizes": grids,
            "fpn_hidden_size": WIDTH,
        },
        "prompt_encoder_config": {**shared, "image_size": SIDE},
        "mask_decoder_config": {
            **shared,
            "mlp_dim": 32,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": WIDTH,
        },
        "memory_attention_hidden_size": WIDTH,
        "memory_attention_num_layers": 2,
        "memory_attention_feed_forward_hidden_size": 32,
        "memory_attention_rope_feat_sizes": grids[-1],
        "memory_encoder_hidden_size": WIDTH,
        "memory_encoder_output_channels": 64,
        "mask_downsampler_embed_dim": WIDTH,
        "memory_fuser_embed_dim": WIDTH,
        "memory_fuser_intermediate_dim": 32,
    }


def draw_weights(network: torch.nn.Module, scale: float = 0.3) -> None:
    """Draw weights large enough for masks with an inside and an outside."""
    numbers = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=numbers)
        parameter.data = parameter.data + scale * noise / max(1, noise.ndim)


def _say_it_is_there(network: Any) -> None:
    """Have the network believe in its object."""
    network.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(8.0)


def tiny_sam2_network() -> Any:
    """Build ``Sam2VideoModel`` with weights that are the same in every test."""
    torch.manual_seed(0)
    config = {k: v for k, v in tiny_sam2_config().items() if k != "model_type"}
    network = Sam2VideoModel(Sam2VideoConfig(**config)).eval()
    draw_weights(network)
    _say_it_is_there(network)
    return network


def tiny_sam2() -> Sam2:
    """Put it behind the parts that are asked for masks."""
    return Sam2(tiny_sam2_network(), "sam2")


def tiny_sam2_predictor(dtype: str = "float32") -> Predictor:
    """Put it on the CPU."""
    return Predictor(
        tiny_sam2(), name="tiny sam2", digest="tiny", device="cpu", dtype=dtype
    )
