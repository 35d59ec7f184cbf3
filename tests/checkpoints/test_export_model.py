"""Models for other programs: what is written gives the answers of the model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from shutil import copyfile

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_network import tiny_architecture, tiny_sam

import napari_sam
from napari_sam.checkpoints.export_model import FORMS
from napari_sam.checkpoints.load import load_sam
from napari_sam.cli import main
from napari_sam.inference.predictor import Predictor
from napari_sam.model.build import build_sam

TINY = {name: tiny_architecture(name) for name in ("vit_b", "cells", "vit_t")}
MADE = ["README.md", "decoder.onnx", "encoder.onnx", "model.json"]


@pytest.fixture(autouse=True, scope="module")
def tiny_registry():
    """Let files of the small networks load under the names of the large ones."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("load", "architecture_detection"):
            patch.setattr(f"napari_sam.checkpoints.{module}.ARCHITECTURES", TINY)
        yield


def save(sam, path):
    torch.save(sam.state_dict(), path)
    return path


@pytest.fixture
def vit_t(tmp_path):
    return save(tiny_sam("vit_t"), tmp_path / "mine.pth")


def needs_export():
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package)
    return pytest.importorskip("onnxruntime")


def sessions(folder):
    runtime = needs_export()
    return [
        runtime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        for name in ("encoder.onnx", "decoder.onnx")
    ]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Export each small network once."""
    made = {}

    def export(name):
        needs_export()
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            source = save(tiny_sam(name), folder / "mine.pth")
            made[name] = napari_sam.export_model(source, folder / "out", to="onnx")
        return made[name]

    return export


@pytest.mark.parametrize(
    "name", ["vit_t", pytest.param("vit_b", marks=pytest.mark.slow)]
)
def test_onnx_files_give_the_logits_of_the_model(name, exported):
    out, sam = exported(name), tiny_sam(name)
    assert sorted(path.name for path in out.iterdir()) == MADE
    told = json.loads((out / "model.json").read_text())
    assert told["frame_size"] == sam.architecture.frame_size
    assert told["opset"] == 20 and told["architecture"] == name
    encoder, decoder = sessions(out)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (60, 96, 3), dtype=np.uint8)
    predictor = Predictor(sam, device="cpu", dtype="float32")
    wanted = predictor.embed(image, scale="whole")
    frame = sam.architecture.frame_size
    small = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(
        small, wanted.geometry.resized_shape, mode="bilinear", antialias=True
    )
    small = small.clamp(0, 255).round().numpy()
    (embedding,) = encoder.run(None, {"image": small})
    np.testing.assert_allclose(embedding, wanted.features.numpy(), atol=1e-3)
    side = predictor.mask_size
    for objects, points in ((1, 1), (1, 4), (5, 2)):
        where = rng.uniform(0, frame, (objects, points, 2)).astype(np.float32)
        labels = rng.integers(-1, 4, (objects, points))
        mask = rng.normal(size=(objects, 1, side, side)).astype(np.float32)
        has_mask = (np.arange(objects) % 2).astype(np.float32)
        given = {"points": where, "labels": labels, "mask": mask, "has_mask": has_mask}
        masks, scores = decoder.run(None, {"embedding": embedding, **given})
        assert masks.shape == (objects, 4, side, side)
        for i in range(objects):
            with torch.inference_mode():
                sparse = sam.prompt_encoder.embed_points(
                    torch.from_numpy(where[i : i + 1]),
                    torch.from_numpy(labels[i])[None],
                )
                rough = torch.from_numpy(mask[i : i + 1]) if has_mask[i] else None
                _, dense = sam.prompt_encoder(masks=rough)
                place = sam.prompt_encoder.dense_position()
                one = sam.mask_decoder(wanted.features, place, sparse, dense)
            np.testing.assert_allclose(masks[i], one[0][0].numpy(), atol=1e-3)
            np.testing.assert_allclose(scores[i], one[1][0].numpy(), atol=1e-3)


def test_the_script_beside_the_files_answers_a_click(exported, tmp_path, monkeypatch):
    out = exported("vit_t")
    text = (out / "README.md").read_text()
    monkeypatch.chdir(out)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (150, 240, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    script = script.replace("image.png", str(tmp_path / "image.png"))
    names: dict = {}
    exec(compile(script, "README.md", "exec"), names)
    predictor = Predictor(tiny_sam("vit_t"), device="cpu", dtype="float32")
    embedding = predictor.embed(image, scale="whole", contrast_limits=(0, 255))
    wanted = predictor.predict(embedding, points=[(75, 120)]).masks[0]
    assert names["mask"].shape == (150, 240)
    assert (names["mask"] == wanted).mean() > 0.99


def test_the_weights_of_meta_and_micro_sam_load_again(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam.checkpoints.instance_decoders.ARCHITECTURES", TINY)
    torch.manual_seed(0)
    sam = build_sam(replace(TINY["vit_b"], instance_decoder="bilinear"))
    source = save(sam, tmp_path / "mine.pth")
    for form, name in (("meta", "m.pth"), ("micro-sam", "m.pt")):
        out = tmp_path / "out" / name
        out.parent.mkdir(exist_ok=True)
        command = ["export-model", str(source), "--to", form, "--out", str(out)]
        assert main(command) == 0
        state = load_sam(out).model.state_dict()
        assert all(torch.equal(state[n], sam.state_dict()[n]) for n in state)
        assert any("dense_head" in n for n in state) == (form == "micro-sam")


@pytest.mark.parametrize("form", FORMS)
def test_what_is_there_stays_until_it_is_said(form, tmp_path, vit_t, capsys):
    out = tmp_path / "out"
    out.mkdir() if form == "onnx" else out.write_bytes(b"mine")
    command = ["export-model", str(vit_t), "--to", form, "--out", str(out)]
    assert main(command) == 2
    assert "out" in capsys.readouterr().err
    with pytest.raises(ValueError, match="overwrite=True replaces it"):
        napari_sam.export_model(vit_t, out, to=form)


def test_an_earlier_export_is_replaced_and_nothing_else(
    tmp_path, vit_t, capsys, monkeypatch
):
    needs_export()
    monkeypatch.setattr(
        "napari_sam.checkpoints.export_onnx._write_graphs",
        lambda model, folder: [(folder / name).write_bytes(b"") for name in MADE[1:3]],
    )
    out = tmp_path / "out"
    out.mkdir()
    (out / "encoder.onnx").write_bytes(b"old")
    command = ["export-model", str(vit_t), "--to", "onnx", "--out", str(out)]
    assert main(command) == 2
    assert "--overwrite replaces it" in capsys.readouterr().err
    (out / "notes.txt").write_text("mine")
    assert main([*command, "--overwrite"]) == 2
    assert "holds notes.txt, which is no part of an ONNX" in capsys.readouterr().err
    assert (out / "encoder.onnx").read_bytes() == b"old"
    (out / "notes.txt").unlink()
    assert main([*command, "--overwrite"]) == 0
    assert sorted(path.name for path in out.iterdir()) == MADE
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.pth", "out"]


def test_what_cannot_be_exported_is_told_in_a_sentence(tmp_path, vit_t, capsys):
    sam_hq = save(build_sam(replace(TINY["vit_b"], high_quality=True)), tmp_path / "hq")
    sam_hq = sam_hq.rename(tmp_path / "hq.pth")
    cells = save(tiny_sam("cells"), tmp_path / "cells.pth")

    def told(source, form, name):
        out = tmp_path / name
        assert main(["export-model", str(source), "--to", form, "--out", str(out)]) == 2
        assert not out.exists()
        return capsys.readouterr().err

    assert "did you mean vit_b_lm" in told("vit_b_ml", "onnx", "a")
    assert "SAM-HQ, which has no ONNX form" in told(sam_hq, "onnx", "a")
    assert "which Meta's and micro-sam's loaders do not" in told(cells, "meta", "a.pth")
    assert "no instance decoder of micro-sam" in told(vit_t, "micro-sam", "a.pt")
    assert "its name must end in .pth" in told(vit_t, "meta", "a.bin")
    with pytest.raises(ValueError, match=r"no form 'tflite'; there are onnx, bioim"):
        napari_sam.export_model(vit_t, tmp_path / "a", to="tflite")


def test_missing_packages_are_named_with_the_extra(tmp_path, vit_t, monkeypatch):
    found = "napari_sam.checkpoints.export_onnx.importlib.util.find_spec"
    monkeypatch.setattr(found, lambda name: None)
    with pytest.raises(ValueError, match=r"needs onnx, .* 'napari-sam\[export\]'"):
        napari_sam.export_model(vit_t, tmp_path / "a", to="onnx")
    assert not (tmp_path / "a").exists()


def test_an_export_that_answers_otherwise_is_not_handed_out(
    exported, tmp_path, monkeypatch
):
    other = exported("vit_t") / "encoder.onnx"
    sam = tiny_sam("vit_t")
    torch.nn.init.ones_(sam.image_encoder.neck[-1].bias)
    source = save(sam, tmp_path / "mine.pth")
    monkeypatch.setattr(
        "torch.onnx.export", lambda graph, given, path, **_: copyfile(other, path)
    )
    with pytest.raises(ValueError, match=r"encoder.onnx gives values that are .* away"):
        napari_sam.export_model(source, tmp_path / "a", to="onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pth"]


def test_a_model_of_sam2_is_refused_by_its_name(tmp_path):
    pytest.importorskip("transformers")
    needs_export()
    from tiny_sam2 import tiny_sam2_network

    tiny_sam2_network().save_pretrained(tmp_path / "sam2")
    for form, told in (("onnx", "is SAM 2, which cannot"), ("meta", "'sam2', which")):
        with pytest.raises(ValueError, match=told):
            napari_sam.export_model(tmp_path / "sam2", tmp_path / "a.pth", to=form)
    assert [path.name for path in tmp_path.iterdir()] == ["sam2"]
