"""BioImage.IO packages: what is written passes their test and loads back."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from tiny_network import tiny_architecture, tiny_sam

import napari_sam
from napari_sam.checkpoints.bioimageio_graphs import (
    describe_network,
    network,
    package_graph,
)
from napari_sam.checkpoints.instance_scorer_weights import (
    load_instance_scorer,
    scorer_to_text,
)
from napari_sam.checkpoints.load import load_sam
from napari_sam.cli import main
from napari_sam.inference.predictor import Predictor
from napari_sam.model.build import build_sam

TINY = {name: tiny_architecture(name) for name in ("vit_b", "cells", "vit_t")}
PARTS = ("README.md", "cover.png", "rdf.yaml", "weights.onnx", "weights.pt")


@pytest.fixture(autouse=True, scope="module")
def tiny_registry():
    """Let files of the small networks load under the names of the large ones."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (
            "network_building",
            "architecture_detection",
            "bioimageio_graphs",
        ):
            patch.setattr(f"napari_sam.checkpoints.{module}.ARCHITECTURES", TINY)
        yield


def needs_export():
    """Skip without the extra; nothing of it is imported."""
    for package in ("onnx", "onnxruntime", "onnxscript", "bioimageio"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def save(sam, path):
    torch.save(sam.state_dict(), path)
    return path


def pack(path, told, **files):
    """Write a package as a zip file, from its description and its other files."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rdf.yaml", told if isinstance(told, str) else yaml.dump(told))
        for name, source in files.items():
            archive.write(source, name.replace("__", "."))
    return path


def described(source="w.pt", **more):
    return {
        "type": "model",
        "name": "theirs",
        "weights": {"pytorch_state_dict": {"source": source}},
        **more,
    }


def image_and_predictor(name):
    rng = np.random.default_rng(0)
    sam = tiny_sam(name)
    side = sam.architecture.frame_size
    image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    image[:] = image.mean(2, keepdims=True)
    image[..., 0] = image[::-1, :, 0]
    predictor = Predictor(sam, device="cpu", dtype="float32")
    frame = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    limits = (0, 255)
    return (
        frame,
        predictor,
        predictor.embed(image, scale="whole", contrast_limits=limits),
    )


def test_a_package_passes_its_test_and_loads_back_with_what_it_knows(tmp_path):
    needs_export()
    sam = tiny_sam("cells")
    about = {
        "architecture": "cells",
        "object_size": "31.5",
        "config": json.dumps({"init": "vit_b", "steps": 7}),
        "instance_scorer": scorer_to_text(load_instance_scorer().head),
    }
    source = tmp_path / "mine.safetensors"
    save_file(sam.state_dict(), source, about)
    out = tmp_path / "mine.zip"
    command = ["export-model", str(source), "--to", "bioimageio", "--out", str(out)]
    assert main(command) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name, out.name]
    with zipfile.ZipFile(out) as archive:
        assert set(PARTS) <= set(archive.namelist())
        told = yaml.safe_load(archive.read("rdf.yaml"))
        readme = archive.read("README.md").decode()
        archive.extract("weights.onnx", tmp_path)
    assert told["cite"][0]["doi"] == "10.48550/arXiv.2304.02643"
    assert told["license"] is None
    assert "init: vit_b; steps: 7" in readme
    assert [one["id"] for one in told["inputs"]] == ["image"]
    back = load_sam(out)
    assert (back.object_size, back.training["steps"]) == (31.5, 7)
    assert back.instance_scorer is not None
    state = back.model.state_dict()
    assert all(torch.equal(state[n], v) for n, v in sam.state_dict().items())
    frame, predictor, embedding = image_and_predictor("cells")
    session = pytest.importorskip("onnxruntime").InferenceSession(
        tmp_path / "weights.onnx"
    )
    (maps,) = session.run(None, {"image": frame.numpy()})
    np.testing.assert_allclose(maps[0], predictor.dense_maps(embedding), atol=1e-3)


@pytest.mark.slow
def test_a_package_that_answers_points_passes_its_test(tmp_path):
    needs_export()
    source = save(tiny_sam("vit_t"), tmp_path / "mine.pth")
    out = napari_sam.export_model(source, tmp_path / "mine.zip", to="bioimageio")
    with zipfile.ZipFile(out) as archive:
        told = yaml.safe_load(archive.read("rdf.yaml"))
    assert [one["id"] for one in told["inputs"]] == ["image", "points", "labels"]
    assert [one["id"] for one in told["outputs"]] == ["masks", "scores"]


def test_points_in_a_package_are_answered_as_the_model_answers_them():
    frame, predictor, embedding = image_and_predictor("vit_t")
    graph = package_graph(tiny_sam("vit_t"), "points")
    for points, labels in (([(70, 50)], [1]), ([(30, 20), (100, 90)], [1, 0])):
        where = torch.tensor(points).flip(1)[None, None].float()
        with torch.inference_mode():
            masks, scores = graph(frame, where, torch.tensor(labels)[None, None])
        wanted = predictor.predict(embedding, points=points, labels=labels)
        best = int(np.argmax(wanted.scores))
        same = (masks[0, 0, 0].numpy() > 0.5) == wanted.masks[best]
        assert same.mean() > 0.999
        assert scores.item() == pytest.approx(wanted.scores[best], abs=1e-4)


def test_the_network_of_a_package_answers_with_the_weights_that_it_is_given():
    graph = package_graph(tiny_sam("vit_t"), "points")
    torch.manual_seed(1)  # its first weights are others
    other = network(**describe_network(graph))
    other.load_state_dict(graph.model.state_dict())
    side = graph.side
    given = torch.rand(1, 3, side, side), torch.full((1, 1, 1, 2), 40.0)
    with torch.inference_mode():
        one, two = (some(*given, torch.ones(1, 1, 1).long()) for some in (graph, other))
    assert torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])


def test_a_package_of_micro_sam_loads_with_its_decoder(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam.checkpoints.instance_decoders.ARCHITECTURES", TINY)
    torch.manual_seed(0)
    sam = build_sam(replace(TINY["vit_b"], instance_decoder="bilinear"))
    parts: tuple[dict, dict] = ({}, {})
    for name, value in sam.state_dict().items():
        parts[name.startswith("dense_head.")][name.removeprefix("dense_head.")] = value
    for part, name in zip(parts, ("vit_b.pt", "vit_b_decoder.pt"), strict=True):
        torch.save(part, tmp_path / name)
    for attached in (
        [{"source": "vit_b_decoder.pt"}],
        {"files": ["vit_b_decoder.pt"]},
    ):
        told = described("vit_b.pt", attachments=attached)
        names = {"vit_b__pt": "vit_b.pt", "vit_b_decoder__pt": "vit_b_decoder.pt"}
        files = {key: tmp_path / name for key, name in names.items()}
        back = load_sam(pack(tmp_path / "theirs.zip", told, **files))
        (tmp_path / "rdf.yaml").write_text(yaml.dump(told))
        for loaded in (back, load_sam(tmp_path)):
            state = loaded.model.state_dict()
            assert all(torch.equal(state[n], v) for n, v in sam.state_dict().items())
        assert back.name == "theirs"


def test_packages_that_hold_no_model_of_ours_are_named_for_what_they_are(
    tmp_path, capsys
):
    weights = save(torch.nn.Conv2d(1, 1, 3), tmp_path / "other.pt")
    unet = {"type": "model", "name": "unet", "weights": {"onnx": {}, "torchscript": {}}}

    def told(content, **files):
        package = pack(tmp_path / "p.zip", content, **files)
        with pytest.raises(ValueError, match=r"p.zip is a BioImage.IO package") as seen:
            napari_sam.load_model(package)
        command = ["export-model", str(package), "--to", "meta"]
        assert main([*command, "--out", str(tmp_path / "o.pth")]) == 2
        assert str(seen.value) in capsys.readouterr().err
        assert str(tmp_path / "p.zip") in str(seen.value)
        return str(seen.value)

    assert "'unet' in it has weights as onnx, torchscript; what loads" in told(unet)
    other = told(described(), w__pt=weights)
    assert "it holds no SAM model" in other and "weights.pt" not in other
    assert "holds w.pt, which is missing" in told(described())
    assert "of the kind 'dataset'" in told({"type": "dataset", "name": "x"})
    assert "nothing is fetched" in told(described("https://a.org/w.pt"))
    assert "nothing is fetched" in told(described("../w.pt"))
    assert "its rdf.yaml is damaged" in told("a: [")
    assert "no description of a model" in told("- a")
    whole = pack(tmp_path / "w.zip", described(), w__pt=weights).read_bytes()
    at = whole.index(b"PK\x03\x04", 40) + 200
    broken = tmp_path / "broken.zip"
    broken.write_bytes(whole[:at] + bytes(60) + whole[at + 60 :])
    with pytest.raises(ValueError, match=r"broken.zip .* damaged"):
        napari_sam.load_model(broken)
    broken.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"broken.zip is a truncated file"):
        napari_sam.load_model(broken)


def test_what_has_no_package_is_told_before_any_work(tmp_path, capsys, monkeypatch):
    vit_t = save(tiny_sam("vit_t"), tmp_path / "mine.pth")
    command = ["export-model", str(vit_t), "--to", "bioimageio", "--out"]
    assert main([*command, str(tmp_path / "a.tar")]) == 2
    assert "its name must end in .zip" in capsys.readouterr().err
    to_meta = ["export-model", str(vit_t), "--to", "meta", "--answers", "maps"]
    assert main([*to_meta, "--out", str(tmp_path / "a.pth")]) == 2
    assert "for a BioImage.IO package only" in capsys.readouterr().err
    needs_export()
    assert main([*command, str(tmp_path / "a.zip"), "--answers", "maps"]) == 2
    assert "has no maps; it answers points" in capsys.readouterr().err
    monkeypatch.setattr(
        "napari_sam.checkpoints.extra_packages.importlib.util.find_spec",
        lambda name: None if name == "bioimageio.core" else name,
    )
    with pytest.raises(ValueError, match=r"bioimageio.core, .* 'napari-sam\[export\]'"):
        napari_sam.export_model(vit_t, tmp_path / "a.zip", to="bioimageio")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.pth"]
