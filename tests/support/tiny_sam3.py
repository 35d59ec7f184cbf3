"""SAM 3 with random weights, small enough for tests; needs transformers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from tiny_sam2 import WIDTH, draw_weights
from transformers import Sam3VideoConfig, Sam3VideoModel

from napari_sam.inference.predictor import Predictor
from napari_sam.model.sam3 import Sam3

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["tiny_sam3_config", "tiny_sam3_network", "tiny_sam3_predictor", "tokenize"]

SIDE = 112
GRID = 8
WORDS = ("cell", "visual", "round", "nucleus")


def tiny_sam3_config() -> dict[str, Any]:
    """Return what a config.json of SAM 3 says, of a network for 112 pixels."""
    vision = {
        "model_type": "sam3_vision_model",
        "fpn_hidden_size": WIDTH,
        "backbone_feature_sizes": [[4 * GRID] * 2, [2 * GRID] * 2, [GRID] * 2],
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": SIDE,
            "pretrain_image_size": 56,
            "window_size": 4,
            "global_attn_indexes": [1],
        },
    }
    detr = {
        "hidden_size": WIDTH,
        "num_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 32,
    }
    text = {
        "model_type": "clip_text_model",
        "vocab_size": 16,
        "hidden_size": 32,
        "intermediate_size": 32,
        "projection_dim": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 8,
        "eos_token_id": 1,
        "pad_token_id": 1,
        "bos_token_id": 0,
    }
    small = {"hidden_size": WIDTH}
    return {
        "model_type": "sam3_video",
        "detector_config": {
            "model_type": "sam3",
            "vision_config": vision,
            "text_config": text,
            "geometry_encoder_config": {**detr, "roi_size": 3},
            "detr_encoder_config": detr,
            "detr_decoder_config": {**detr, "num_queries": 6},
            "mask_decoder_config": {**small, "num_attention_heads": 4},
        },
        "tracker_config": {
            "model_type": "sam3_tracker_video",
            "image_size": SIDE,
            "vision_config": vision,
            "prompt_encoder_config": {**small, "image_size": SIDE, "patch_size": 14},
            "mask_decoder_config": {
                **small,
                "mlp_dim": 32,
                "num_attention_heads": 4,
                "iou_head_hidden_dim": WIDTH,
            },
            "memory_attention_hidden_size": WIDTH,
            "memory_attention_num_layers": 1,
            "memory_attention_feed_forward_hidden_size": 32,
            "memory_attention_rope_feat_sizes": [GRID, GRID],
            "memory_encoder_hidden_size": WIDTH,
            "mask_downsampler_embed_dim": WIDTH,
            "memory_fuser_embed_dim": WIDTH,
            "memory_fuser_intermediate_dim": 32,
        },
        "low_res_mask_size": 4 * GRID,
    }


def tiny_sam3_network() -> Any:
    """Build ``Sam3VideoModel`` with weights that are the same in every test."""
    torch.manual_seed(0)
    config = {k: v for k, v in tiny_sam3_config().items() if k != "model_type"}
    network = Sam3VideoModel(Sam3VideoConfig(**config)).eval()
    draw_weights(network, 0.1)
    head = network.tracker_model.mask_decoder.pred_obj_score_head
    head.proj_out.bias.data.fill_(8.0)
    return network


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of a few words, as transformers reads it."""
    vocabulary = {"<s>": 0, "</s>": 1, "<unk>": 2}
    vocabulary.update({word: i for i, word in enumerate(WORDS, len(vocabulary))})
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": i,
                "content": word,
                "special": True,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
            }
            for word, i in list(vocabulary.items())[:3]
        ],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}},
            ],
            "pair": [],
            "special_tokens": {
                "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]},
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "<unk>"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "</s>",
        "unk_token": "<unk>",
        "model_max_length": 8,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def tokenize(phrase: str, **_: Any) -> dict[str, torch.Tensor]:
    """Make numbers of a phrase as the written tokenizer does."""
    ids = [0, *(3 + WORDS.index(word) for word in phrase.split()), 1]
    padded = ids + [1] * (8 - len(ids))
    mask = [1] * len(ids) + [0] * (8 - len(ids))
    return {
        "input_ids": torch.tensor([padded]),
        "attention_mask": torch.tensor([mask]),
    }


def tiny_sam3_predictor(dtype: str = "float32") -> Predictor:
    """Put it on the CPU."""
    sam = Sam3(tiny_sam3_network(), "sam3", tokenize)
    return Predictor(sam, name="tiny sam3", digest="tiny", device="cpu", dtype=dtype)
