"""Models of micro-sam: their instance decoder learns, and goes back to micro-sam."""

from dataclasses import replace

import pytest
import torch
from drawn_discs import draw_discs
from tiny_network import tiny_architecture, tiny_sam

from napari_sam.checkpoints.export import (
    export_micro_sam,
    export_pth,
    in_half_precision,
)
from napari_sam.checkpoints.load import load_sam
from napari_sam.io.labelled_arrays import LabelledArrays
from napari_sam.model.build import ARCHITECTURES, build_sam
from napari_sam.training.annotator_scale import annotator_scale
from napari_sam.training.finetune import fine_tuning
from napari_sam.training.trainer import Trainer

TINY = {name: tiny_architecture(name) for name in ARCHITECTURES}


@pytest.fixture
def tiny_registry(monkeypatch):
    """Let files of the small networks load under the names of the large ones."""
    for module in ("network_building", "architecture_detection", "instance_decoders"):
        monkeypatch.setattr(f"napari_sam.checkpoints.{module}.ARCHITECTURES", TINY)


def micro_sam(**changes):
    """A small ViT with an instance decoder of micro-sam."""
    torch.manual_seed(0)
    changes = {"instance_decoder": "bilinear"} | changes
    return build_sam(replace(tiny_architecture("vit_b"), **changes))


def trained(start, folder, **changes):
    """Train for two small steps; return the file."""
    settings = {"steps": 2, "minutes": None, "validate_every": 2, "window": 64}
    settings |= {"prompts": 2, "embeddings": 1, "warmup": 0, "init": "tiny"}
    data = [LabelledArrays("discs", str(i), *draw_discs(i)) for i in range(2)]
    out = folder / "mine.safetensors"
    config = fine_tuning(start, **(settings | changes))
    Trainer(config, data, out, start, device="cpu").run()
    return out


def test_the_decoder_is_kept_and_learns_and_goes_back(tmp_path, tiny_registry):
    start = micro_sam()
    out = trained(start, tmp_path)
    mine = load_sam(out).model
    assert mine.architecture == start.architecture
    before, after = start.dense_head.state_dict(), mine.dense_head.state_dict()
    changed = [n for n in before if not torch.equal(before[n].half(), after[n].half())]
    learned = {n for n, _ in mine.dense_head.named_parameters()}
    assert {"out_conv.weight", "deconv1.block.0.conv.weight"} < set(changed) <= learned

    target = export_micro_sam(out, tmp_path / "mine.pt")
    content = torch.load(target, weights_only=True)
    assert list(content) == ["model_state", "decoder_state"]
    assert content["decoder_state"].keys() == after.keys()
    assert all(torch.equal(content["decoder_state"][n], after[n]) for n in after)
    assert not any("dense_head" in name for name in content["model_state"])
    back = load_sam(target)
    assert back.dropped == ()
    theirs, ours = back.model.state_dict(), mine.state_dict()
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_what_micro_sam_would_not_load_is_not_written(tmp_path, tiny_registry):
    def exported(sam):
        torch.save(sam.state_dict(), tmp_path / "m.pth")
        return export_micro_sam(tmp_path / "m.pth", tmp_path / "out.pt")

    with pytest.raises(
        ValueError, match="no instance decoder of micro-sam; start from"
    ):
        exported(tiny_sam("vit_b"))
    with pytest.raises(ValueError, match="a model of SAM-HQ"):
        exported(micro_sam(high_quality=True))
    with pytest.raises(ValueError, match=r"must end in .pt"):
        export_micro_sam(tmp_path / "m.pth", tmp_path / "out.pth")
    assert not (tmp_path / "out.pt").exists()


def test_files_of_mobile_sam_hold_the_classifier_that_its_loader_wants(
    tmp_path, tiny_registry
):
    torch.save(tiny_sam("vit_t").state_dict(), tmp_path / "m.pt")
    bare = torch.load(export_pth(tmp_path / "m.pt", tmp_path / "m.pth"))
    assert bare["image_encoder.head.weight"].shape[0] == 1000
    assert load_sam(tmp_path / "m.pth").model.architecture.name == "vit_t"


def test_a_slow_decoder_is_not_asked_how_closely_to_look():
    sam = micro_sam()
    sam.dense_head.forward = None  # it must not be asked
    image = draw_discs(0)[0]
    rgb = image if image.ndim == 3 else image[..., None].repeat(3, 2)
    assert annotator_scale(sam)(rgb) == 128 / max(rgb.shape[:2])


def test_a_model_of_sam_hq_is_fine_tuned(tmp_path, tiny_registry):
    start = micro_sam(high_quality=True, instance_decoder=None)
    mine = load_sam(trained(start, tmp_path, what="decoder")).model
    assert mine.architecture == start.architecture
    token = "mask_decoder.hf_token.weight"
    assert not torch.equal(mine.state_dict()[token], start.state_dict()[token])


def test_values_that_float16_cannot_hold_stay_as_they_are():
    found = in_half_precision(
        {"a": torch.tensor([1.0]), "b": torch.tensor([1e6]), "n": torch.tensor(3)}
    )
    assert {name: x.dtype for name, x in found.items()} == {
        "a": torch.float16,
        "b": torch.float32,
        "n": torch.int64,
    }
