"""A small random network whose masks are as those of a trained one: few and local.

Plain random weights answer each point with much the same noise all over the image.
Here pixels attend to a point that is near, neighbours in an embedding cell are
alike, and sizes and scores are spread to where the usual thresholds lie.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from tiny_network import tiny_predictor

from napari_sam.inference.predictor import Predictor

__all__ = ["blocks_image", "lively_predictor"]

_SPREAD = 10.0
_BACKGROUND = 0.85
_IOU, _IOU_SPREAD = 0.88, 0.1


def blocks_image(shape, seed=0):
    """Squares in noise, (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    image = np.full((*shape, 3), 40)
    half = max(1, min(shape) // 10)
    for row, col in rng.uniform(0, shape, (14, 2)).astype(int):
        rows = slice(max(0, row - half), row + half)
        cols = slice(max(0, col - half), col + half)
        image[rows, cols] = rng.integers(60, 255, 3)
    return (image + rng.integers(0, 30, image.shape)).clip(0, 255).astype(np.uint8)


def lively_predictor(dtype="float32"):
    """Build it; the same in every test."""
    if dtype != "float32":
        return Predictor(lively_predictor().model, device="cpu", dtype=dtype)
    predictor = tiny_predictor()
    decoder = predictor.model.mask_decoder
    for block in decoder.transformer.layers:
        attention = block.cross_attn_image_to_token
        attention.k_proj.load_state_dict(attention.q_proj.state_dict())
        attention.q_proj.weight *= 6
        attention.k_proj.weight *= 6
        attention.v_proj.weight *= 3
    first, second = (decoder.output_upscaling[i] for i in (0, 3))
    for layer in (first, second):
        layer.weight.copy_(2 * layer.weight.mean((2, 3), keepdim=True))
    # The last channel is constant: its weight moves the logits of a mask.
    second.weight[:, -1] = 0
    second.bias[-1] = 1
    for mlp in decoder.output_hypernetworks_mlps:
        mlp.layers[2].weight[-1] = 0
        mlp.layers[2].bias[-1] = 0
    _spread(predictor)
    return predictor


@torch.inference_mode()
def _spread(predictor):
    decoder = predictor.model.mask_decoder
    embedding = predictor.embed(blocks_image((60, 90)), scale="whole")
    found = [_answers(predictor, embedding, at) for at in np.ndindex(6, 6)]
    logits = torch.cat([answer[0] for answer in found])
    scores = torch.cat([answer[1] for answer in found])
    constant = F.gelu(torch.tensor(1.0))
    head = decoder.iou_prediction_head.layers[2]
    for k in (1, 2, 3):
        last = decoder.output_hypernetworks_mlps[k].layers[2]
        scale = _SPREAD / logits[:, k].std()
        cut = torch.quantile(logits[:, k].flatten()[::7], _BACKGROUND)
        last.weight *= scale
        last.bias *= scale
        last.bias[-1] = -scale * cut / constant
        scale = _IOU_SPREAD / scores[:, k].std()
        head.weight[k] *= scale
        head.bias[k] = scale * (head.bias[k] - scores[:, k].mean()) + _IOU


def _answers(predictor, embedding, at):
    model = predictor.model
    col, row = 128 * (np.array(at) + 0.5) / 6
    sparse, dense = model.prompt_encoder(
        torch.tensor([[[col, row * 2 / 3]]]).float(), torch.ones(1, 1, dtype=int)
    )
    position = model.prompt_encoder.dense_position()
    return model.mask_decoder(embedding.features, position, sparse, dense, None)
