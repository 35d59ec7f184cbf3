"""A head belongs to an encoder, in whatever precision that computes."""

from __future__ import annotations

import pytest
import torch
from tiny_network import tiny_sam

import napari_sam
from napari_sam.checkpoints.object_weights import (
    encoder_digest,
    load_object_head,
    save_object_head,
)
from napari_sam.checkpoints.volume_weights import load_volume_head, save_volume_head
from napari_sam.model.object_head import ObjectHead, ObjectHeadConfig
from napari_sam.model.volume_head import VolumeHead, VolumeHeadConfig


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


def test_what_a_head_says_of_itself_comes_back_from_its_file(tmp_path):
    objects = ObjectHead(ObjectHeadConfig(12, 8))
    save_object_head(tmp_path / "o.safetensors", objects, "ab", ["a cell"], "cd")
    back = load_object_head(tmp_path / "o.safetensors")
    assert (back.encoder, back.concepts, back.text_model) == ("ab", ("a cell",), "cd")
    volumes = VolumeHead(VolumeHeadConfig(4, 8))
    save_volume_head(tmp_path / "v.safetensors", volumes, "ef")
    again = load_volume_head(tmp_path / "v.safetensors")
    assert again.encoder == "ef" and again.head.config == volumes.config
    for one, other in ((objects, back.head), (volumes, again.head)):
        for name, value in one.state_dict().items():
            torch.testing.assert_close(
                other.state_dict()[name], value, atol=1e-3, rtol=1e-3
            )


def test_a_file_that_holds_another_head_is_named(tmp_path):
    path = tmp_path / "v.safetensors"
    save_volume_head(path, VolumeHead(VolumeHeadConfig(4, 8)), "ef")
    with pytest.raises(ValueError, match=r"v.safetensors holds no object head"):
        load_object_head(path)
    with pytest.raises(ValueError, match=r"there is no volume head at .*none"):
        load_volume_head(tmp_path / "none")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"v.safetensors holds no volume head"):
        load_volume_head(path)
