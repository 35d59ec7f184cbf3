"""A head belongs to an encoder, in whatever precision that computes."""

from __future__ import annotations

import torch
from tiny_network import tiny_sam

import napari_sam
from napari_sam.checkpoints.object_weights import encoder_digest, load_object_head


def test_an_encoder_is_recognised_in_every_precision():
    network = tiny_sam()
    known = encoder_digest(network)
    assert encoder_digest(network.to(torch.bfloat16)) == known
    next(network.image_encoder.parameters()).data.mul_(1.5)
    assert encoder_digest(network) != known


def test_the_head_that_ships_knows_the_included_model_in_float32_and_bfloat16():
    wanted = load_object_head().encoder
    for dtype in ("float32", "bfloat16"):
        model = napari_sam.load_model("cells", device="cpu", dtype=dtype)
        assert encoder_digest(model.model) == wanted
