"""Instance decoders of micro-sam, in and beside the files of their models."""

import functools
import shutil
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
import xxhash

from napari_sam.checkpoints.load import CheckpointError, load_sam
from napari_sam.checkpoints.registry import DECODERS, REGISTRY
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.inference.predictor import Predictor
from napari_sam.model.build import build_sam
from napari_sam.model.unetr_decoder import UnetrDecoder


@functools.cache
def model_weights(architecture="vit_t"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_sam(architecture).state_dict()


@functools.cache
def decoder_weights(is_transposed=False):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return UnetrDecoder(is_transposed=is_transposed).state_dict()


@pytest.fixture(autouse=True)
def leave_nothing(tmp_path):
    """Remove the files: pytest would keep those of three runs."""
    yield
    shutil.rmtree(tmp_path)


def saved(path, content):
    torch.save(content, path)
    return path


def assert_has(model, decoder):
    found = model.dense_head.state_dict()
    assert found.keys() == decoder.keys()
    assert all(torch.equal(found[key], value) for key, value in decoder.items())


@pytest.mark.parametrize("is_transposed", [False, True])
def test_a_combined_checkpoint_has_its_decoder(is_transposed, tmp_path):
    decoder = decoder_weights(is_transposed)
    content = {
        "model_state": {f"sam.{k}": v for k, v in model_weights().items()},
        "decoder_state": OrderedDict(decoder),
        "epoch": 7,
    }
    loaded = load_sam(saved(tmp_path / "best.pt", content))
    assert loaded.dropped == ("epoch",)
    assert loaded.model.architecture.name == "vit_t"
    wanted = "transposed" if is_transposed else "bilinear"
    assert loaded.model.architecture.instance_decoder == wanted
    assert_has(loaded.model, decoder)


@pytest.mark.parametrize("name", ["vit_t.pt", "vit_t_lm"])
def test_a_decoder_beside_its_model_is_found(name, tmp_path):
    """As in BioImage.IO packages, and in the cache of micro-sam."""
    path = saved(tmp_path / name, model_weights())
    stem, dot, suffix = name.partition(".")
    saved(tmp_path / f"{stem}_decoder{dot}{suffix}", decoder_weights())
    assert_has(load_sam(path).model, decoder_weights())


def test_a_decoder_can_be_named(tmp_path):
    path = saved(tmp_path / "mine.pt", model_weights())
    decoder = saved(tmp_path / "other.pt", {"decoder_state": decoder_weights()})
    assert load_sam(path).model.dense_head is None
    assert_has(load_sam(path, instance_decoder=decoder).model, decoder_weights())
    with pytest.raises(CheckpointError, match="no file of an instance decoder at"):
        load_sam(path, instance_decoder=tmp_path / "none.pt")


def test_a_bare_state_dict_with_a_decoder_is_a_model(tmp_path):
    ours = {f"dense_head.{key}": value for key, value in decoder_weights().items()}
    loaded = load_sam(saved(tmp_path / "mine.pth", model_weights() | ours))
    assert loaded.model.architecture.name == "vit_t"
    assert_has(loaded.model, decoder_weights())


def test_embeddings_are_the_same_with_and_without_a_decoder(tmp_path):
    path = saved(tmp_path / "mine.pt", model_weights())
    decoder = saved(tmp_path / "other.pt", decoder_weights())
    without, with_it = load_sam(path), load_sam(path, instance_decoder=decoder)
    assert without.digest == with_it.digest


def changed(**changes):
    return dict(decoder_weights()) | changes


OTHERS = {
    r"it is the decoder of another encoder: it reads 1280 channels": changed(
        **{"base.block.1.weight": torch.zeros(512, 1280, 3, 3)}
    ),
    "a UNETR with skip connections": changed(
        **{"deconv2.0.block.1.block.weight": torch.zeros(1)}
    ),
    "a UNETR with an encoder of its own": changed(**{"encoder.x": torch.zeros(1)}),
    "it gives 5 maps": changed(
        **{"out_conv.weight": torch.zeros(5, 64, 1, 1), "out_conv.bias": torch.zeros(5)}
    ),
    "it holds a whole model": {"image_encoder.x": torch.zeros(1)},
    r"no instance decoder of micro-sam, but: a, b": {
        "a": torch.zeros(1),
        "b": torch.zeros(1),
    },
    "it holds a list": [torch.zeros(1)],
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_decoder_is_named(kind, tmp_path):
    path = saved(tmp_path / "mine.pt", model_weights())
    other = saved(tmp_path / "other.pt", OTHERS[kind])
    with pytest.raises(CheckpointError, match=kind) as caught:
        load_sam(path, instance_decoder=other)
    assert str(other) in str(caught.value)


def test_what_merely_lies_beside_a_model_and_is_no_decoder_is_left_out(tmp_path):
    path = saved(tmp_path / "mine.pt", model_weights())
    (tmp_path / "mine_decoder.pt").write_text("<!DOCTYPE html><html></html>")
    with pytest.warns(UserWarning, match=r"mine_decoder.pt is an HTML page.*left out"):
        loaded = load_sam(path)
    assert loaded.model.dense_head is None


def test_half_a_decoder_is_named(tmp_path):
    half = dict(list(decoder_weights().items())[20:])
    half["out_conv.weight"] = decoder_weights()["out_conv.weight"]
    content = {"model_state": model_weights(), "decoder_state": half}
    with pytest.raises(CheckpointError, match=r"missing \(dense_head.base.block.1"):
        load_sam(saved(tmp_path / "half.pt", content))


def test_a_decoder_alone_is_no_model(tmp_path):
    path = saved(tmp_path / "vit_b_decoder.pt", decoder_weights())
    with pytest.raises(CheckpointError, match="decoder of micro-sam, without the mod"):
        load_sam(path)


def test_the_name_of_a_file_can_tell_that_it_belongs_to_another_encoder(tmp_path):
    path = saved(tmp_path / "mine.pt", model_weights())
    other = saved(tmp_path / "vit_l_decoder.pt", decoder_weights())
    with pytest.raises(CheckpointError, match="it belongs to vit_l, and the model is"):
        load_sam(path, instance_decoder=other)


def listed(monkeypatch, folder):
    """Put files of drawn weights in place of two listed models and their decoders."""
    models, decoders = dict(REGISTRY), dict(DECODERS)
    for number, name in enumerate(("vit_t_lm", "vit_t_em_organelles")):
        content = {**model_weights(), "note": number}
        path = saved(folder / f"{name}.pt", content)
        beside = saved(
            folder / f"{name}_decoder.pt",
            {key: value + number for key, value in decoder_weights().items()},
        )
        models[name] = replace(models[name], hash=xxh128(path))
        decoder = decoders[f"{name}_decoder"]
        decoders[decoder.name] = replace(decoder, hash=xxh128(beside))
    for module in ("registry", "load", "instance_decoders"):
        monkeypatch.setattr(f"napari_sam.checkpoints.{module}.REGISTRY", models)
        monkeypatch.setattr(f"napari_sam.checkpoints.{module}.DECODERS", decoders)
    return CheckpointStore(folder)


def xxh128(path):
    return f"xxh128:{xxhash.xxh3_128_hexdigest(path.read_bytes())}"


def test_a_registered_model_comes_with_its_downloaded_decoder(tmp_path, monkeypatch):
    store = listed(monkeypatch, tmp_path)
    assert_has(load_sam("vit_t_lm", store).model, decoder_weights())
    path = tmp_path / "vit_t_lm_decoder.pt"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match=r"vit_t_lm_decoder.pt.*published is"):
        load_sam("vit_t_lm", store)
    path.unlink()
    assert load_sam("vit_t_lm", store).model.dense_head is None


def test_a_decoder_that_is_known_to_be_of_another_model_is_refused(
    tmp_path, monkeypatch
):
    store = listed(monkeypatch, tmp_path)
    told = "the instance decoder of 'vit_t_em_organelles', another model"
    with pytest.raises(CheckpointError, match=told):
        load_sam("vit_t_lm", store, "vit_t_em_organelles_decoder")
    with pytest.raises(CheckpointError, match=told):
        load_sam("vit_t_lm", store, tmp_path / "vit_t_em_organelles_decoder.pt")


def test_an_own_model_may_have_the_decoder_that_it_was_trained_from(
    tmp_path, monkeypatch
):
    store = listed(monkeypatch, tmp_path)
    mine = saved(tmp_path / "mine.pt", model_weights())
    loaded = load_sam(mine, store, "vit_t_lm_decoder")
    assert_has(loaded.model, decoder_weights())


def test_a_model_whose_decoder_is_not_downloaded_says_how_to_get_it(
    tmp_path, monkeypatch
):
    store = listed(monkeypatch, tmp_path)
    (tmp_path / "vit_t_lm_decoder.pt").unlink()
    loaded = load_sam("vit_t_lm", store)
    sam = Predictor(loaded.model, name=loaded.name, device="cpu")
    embedding = sam.embed(np.eye(32), scale="whole")
    with pytest.raises(ValueError, match="run `napari-sam download vit_t_lm`"):
        sam.dense_maps(embedding)


def test_a_folder_is_no_decoder(tmp_path):
    path = saved(tmp_path / "mine.pt", model_weights())
    with pytest.raises(CheckpointError, match=r"is a directory.*one model: .*mine.pt"):
        load_sam(path, instance_decoder=tmp_path)


def test_a_folder_says_which_models_it_holds(tmp_path):
    with pytest.raises(CheckpointError, match=r"is a folder .*or a file with weights"):
        load_sam(tmp_path)
    saved(tmp_path / "vit_b.pt", {})
    saved(tmp_path / "vit_b_decoder.pt", {})
    with pytest.raises(CheckpointError, match=r"one model: give its path, .*vit_b.pt"):
        load_sam(tmp_path)
    saved(tmp_path / "vit_l.pt", {})
    with pytest.raises(CheckpointError, match=r"2 models: .*\(vit_b.pt, vit_l.pt\)"):
        load_sam(tmp_path)
