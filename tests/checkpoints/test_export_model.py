"""Models for other programs: what is written gives the answers of the model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from shutil import copyfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny_network import tiny_architecture, tiny_sam

import napari_sam
from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.export_model import FORMS
from napari_sam.checkpoints.instance_scorer_weights import (
    load_instance_scorer,
    scorer_to_text,
)
from napari_sam.checkpoints.load import load_sam
from napari_sam.cli import main
from napari_sam.inference.predictor import Predictor
from napari_sam.model.build import build_sam

TINY = {name: tiny_architecture(name) for name in ("vit_b", "cells", "vit_t")}
MORE = ("vit_b", "cells", "vit_t_hq")
EACH = ["vit_t", *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)]
MADE = ["README.md", "decoder.onnx", "encoder.onnx", "model.json"]


@pytest.fixture(autouse=True, scope="module")
def tiny_registry():
    """Let files of the small networks load under the names of the large ones."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("network_building", "architecture_detection"):
            patch.setattr(f"napari_sam.checkpoints.{module}.ARCHITECTURES", TINY)
        yield


def network_of(name):
    """Build a small network; of SAM-HQ where its name ends so."""
    if not name.endswith("_hq"):
        return tiny_sam(name)
    torch.manual_seed(0)
    known = TINY[name.removesuffix("_hq")]
    return build_sam(replace(known, high_quality=True)).eval()


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
            source = folder / "mine.safetensors"
            told = {"object_size": "31.0", "config": '{"steps": 7}'}
            told["instance_scorer"] = scorer_to_text(load_instance_scorer().head)
            told["architecture"] = name.removesuffix("_hq")
            save_file(network_of(name).state_dict(), source, told)
            made[name] = napari_sam.export_model(source, folder / "out", to="onnx")
        return made[name]

    return export


@pytest.mark.parametrize("name", EACH)
def test_onnx_files_give_the_logits_of_the_model(name, exported):
    out, sam = exported(name), network_of(name)
    assert sorted(path.name for path in out.iterdir()) == MADE
    told = json.loads((out / "model.json").read_text())
    assert told["frame_size"] == sam.architecture.frame_size
    assert told["opset"] == 20
    assert told["architecture"] == sam.architecture.name
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


@pytest.mark.parametrize("name", EACH)
def test_onnx_files_load_back_with_all_that_the_model_says_of_itself(name, exported):
    out, wanted = exported(name), network_of(name).state_dict()
    folder, file = load_sam(out), load_sam(out / "decoder.onnx")
    assert folder.digest == file.digest
    state = folder.model.state_dict()
    assert state.keys() == {n for n in wanted if not n.startswith("dense_head.")}
    assert all(torch.equal(state[n], wanted[n]) for n in state)
    assert folder.model.architecture.name == name.removesuffix("_hq")
    assert (folder.name, folder.object_size) == ("out", 31.0)
    assert folder.training == {"steps": 7}
    assert folder.instance_scorer is not None


def foreign_onnx(path):
    """Write a model of another program."""
    onnx = pytest.importorskip("onnx")
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
        for name in ("image_embeddings", "low_res_masks")
    ]
    node = onnx.helper.make_node("Relu", ["image_embeddings"], ["low_res_masks"])
    graph = onnx.helper.make_graph([node], "sam", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, producer_name="samexporter")
    onnx.save(model, path)


def test_an_onnx_model_of_another_program_is_named(tmp_path, capsys):
    told = r"of another program \(samexporter\), from image_embeddings to low_res_masks"
    foreign_onnx(tmp_path / "sam.onnx")
    with pytest.raises(CheckpointError, match=told):
        load_sam(tmp_path / "sam.onnx")
    out, path = str(tmp_path / "o.pth"), str(tmp_path / "sam.onnx")
    assert main(["export-model", path, "--to", "meta", "--out", out]) == 2
    assert re.search(told, capsys.readouterr().err)
    for name in ("encoder.onnx", "decoder.onnx"):
        foreign_onnx(tmp_path / name)
    with pytest.raises(CheckpointError, match=told):
        load_sam(tmp_path)


def test_halves_that_do_not_belong_together_are_named(exported, tmp_path):
    onnx, one = pytest.importorskip("onnx"), exported("vit_t")
    copyfile(one / "encoder.onnx", tmp_path / "encoder.onnx")
    with pytest.raises(CheckpointError, match=r"decoder\.onnx is missing"):
        load_sam(tmp_path)
    decoder = onnx.load(one / "decoder.onnx")
    for told in decoder.metadata_props:
        if told.key == "napari_sam.weights":
            told.value = "of another file"
    onnx.save(decoder, tmp_path / "decoder.onnx")
    with pytest.raises(CheckpointError, match=r"of two models: .* and .*of anoth"):
        load_sam(tmp_path)
    copyfile(one / "encoder.onnx", tmp_path / "decoder.onnx")
    with pytest.raises(CheckpointError, match="holds the encoder of a model"):
        load_sam(tmp_path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_an_onnx_file_that_is_cut_off_is_named(exported, tmp_path, share):
    for name in ("encoder.onnx", "decoder.onnx"):
        copyfile(exported("vit_t") / name, tmp_path / name)
    whole = (tmp_path / "decoder.onnx").read_bytes()
    (tmp_path / "decoder.onnx").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"decoder\.onnx .* damaged"):
        load_sam(tmp_path)


def test_weights_beside_a_large_onnx_file_are_read_from_its_own_file_alone(
    exported, tmp_path
):
    onnx = pytest.importorskip("onnx")
    copyfile(exported("vit_t") / "decoder.onnx", tmp_path / "decoder.onnx")
    model = onnx.load(exported("vit_t") / "encoder.onnx")
    beside = {"location": "encoder.onnx.data", "size_threshold": 0}
    path = tmp_path / "encoder.onnx"
    onnx.save(model, path, save_as_external_data=True, **beside)
    state, wanted = (
        load_sam(tmp_path).model.state_dict(),
        tiny_sam("vit_t").state_dict(),
    )
    assert all(torch.equal(state[n], wanted[n]) for n in wanted)
    (tmp_path / "encoder.onnx.data").rename(tmp_path / "secret")
    with pytest.raises(CheckpointError, match=r"encoder\.onnx\.data.* is missing"):
        load_sam(tmp_path)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "secret"
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="lie in secret; what is read"):
        load_sam(tmp_path)


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
        lambda model, folder, told: [
            (folder / name).write_bytes(b"") for name in MADE[1:3]
        ],
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
    cells = save(tiny_sam("cells"), tmp_path / "cells.pth")

    def told(source, form, name):
        out = tmp_path / name
        assert main(["export-model", str(source), "--to", form, "--out", str(out)]) == 2
        assert not out.exists()
        return capsys.readouterr().err

    assert "did you mean vit_b_lm" in told("vit_b_ml", "onnx", "a")
    assert "which Meta's and micro-sam's loaders do not" in told(cells, "meta", "a.pth")
    assert "no instance decoder of micro-sam" in told(vit_t, "micro-sam", "a.pt")
    assert "its name must end in .pth" in told(vit_t, "meta", "a.bin")
    with pytest.raises(ValueError, match=r"no form 'tflite'; there are onnx, bioim"):
        napari_sam.export_model(vit_t, tmp_path / "a", to="tflite")


def test_missing_packages_are_named_with_the_extra(tmp_path, vit_t, monkeypatch):
    found = "napari_sam.checkpoints.extra_packages.importlib.util.find_spec"
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
    program = SimpleNamespace(
        model=SimpleNamespace(metadata_props={}),
        save=lambda path, **_: copyfile(other, path),
    )
    follow = "napari_sam.checkpoints.export_onnx.follow"
    monkeypatch.setattr(follow, lambda *given: program)
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
