"""Files of every kind through `load_sam`.

Most of the files hold a model that is built once per module: random weights load
like trained ones.
"""

import functools
import os
import pickle
import random
import shutil
import tarfile
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_sam.checkpoints import load
from napari_sam.checkpoints.load import CheckpointError, load_sam
from napari_sam.checkpoints.registry import REGISTRY
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.cli import main
from napari_sam.model.build import ARCHITECTURES, build_sam


@functools.cache
def weights(architecture):
    """Random weights, drawn once."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_sam(architecture).state_dict()


@pytest.fixture(autouse=True)
def leave_nothing(tmp_path):
    """Remove the files: pytest would keep those of three runs."""
    yield
    shutil.rmtree(tmp_path)


def unused_head():
    return {
        "image_encoder.norm_head.weight": torch.ones(320),
        "image_encoder.norm_head.bias": torch.zeros(320),
        "image_encoder.head.weight": torch.zeros(1000, 320),
        "image_encoder.head.bias": torch.zeros(1000),
    }


def assert_same_weights(model, state):
    loaded = model.state_dict()
    assert loaded.keys() == state.keys()
    for key, value in state.items():
        assert torch.equal(loaded[key], value), key


def saved(path, content):
    torch.save(content, path)
    return path


@pytest.mark.parametrize("architecture", ["vit_b", "vit_t", "lite_medsam", "cells"])
def test_a_plain_state_dict_is_recognised_by_its_keys(architecture, tmp_path):
    state = weights(architecture)
    path = saved(tmp_path / "my.model.pth", state)
    loaded = load_sam(str(path))
    assert loaded.model.architecture.name == architecture
    assert loaded.name == "my.model"
    assert loaded.digest == sha256(path.read_bytes()).hexdigest()
    assert loaded.dropped == ()
    assert not loaded.model.training
    assert_same_weights(loaded.model, state)


@pytest.mark.parametrize(
    "architecture", ["vit_l", pytest.param("vit_h", marks=pytest.mark.slow)]
)
def test_the_large_encoders_are_recognised(architecture, tmp_path):
    with torch.device("meta"):
        shapes = build_sam(architecture).state_dict()
    # One number stands for each tensor, so that the file is small.
    state = {key: torch.ones(1).expand(value.shape) for key, value in shapes.items()}
    loaded = load_sam(saved(tmp_path / "large.pth", state)).model
    assert loaded.architecture == ARCHITECTURES[architecture]
    assert all((value == 1).all() for value in loaded.state_dict().values())


@pytest.mark.parametrize(("architecture", "early"), [("vit_b", 768), ("vit_t", 160)])
def test_the_models_of_sam_hq_are_recognised(architecture, early, tmp_path):
    wanted = replace(ARCHITECTURES[architecture], high_quality=True)
    with torch.device("meta"):
        shapes = build_sam(wanted).state_dict()
    assert shapes["mask_decoder.compress_vit_feat.0.weight"].shape[0] == early
    state = {key: torch.ones(()).expand(value.shape) for key, value in shapes.items()}
    loaded = load_sam(saved(tmp_path / "sam_hq.pth", state)).model
    assert loaded.architecture == wanted
    assert all((value == 1).all() for value in loaded.state_dict().values())
    del state["mask_decoder.hf_mlp.layers.0.weight"]
    with pytest.raises(
        CheckpointError, match=r"1 tensors are missing \(mask_decoder.h"
    ):
        load_sam(saved(tmp_path / "half.pth", state))


def test_mobile_sam_drops_its_classifier_by_name(tmp_path):
    path = saved(tmp_path / "mobile_sam.pt", weights("vit_t") | unused_head())
    loaded = load_sam(path)
    assert set(loaded.dropped) == set(unused_head())
    assert_same_weights(loaded.model, weights("vit_t"))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"model": state},
        lambda state: {"state_dict": state, "optimizer": {"lr": 0.1}},
        lambda state: {"model": {"state_dict": state}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {
            "state_dict": {f"model.sam.{key}": value for key, value in state.items()}
        },
    ],
)
def test_other_wrappings(wrap, tmp_path):
    state = weights("vit_t")
    loaded = load_sam(saved(tmp_path / "wrapped.pth", wrap(state)))
    assert_same_weights(loaded.model, state)


def test_the_old_format_of_torch(tmp_path):
    path = tmp_path / "old.pth"
    torch.save(weights("vit_t"), path, _use_new_zipfile_serialization=False)
    assert_same_weights(load_sam(path).model, weights("vit_t"))


def test_safetensors_metadata_name_the_architecture(tmp_path):
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in weights("cells").items()
    }
    path = tmp_path / "cells.safetensors"
    save_file(state, path, {"architecture": "cells"})
    loaded = load_sam(path)
    assert loaded.model.architecture == ARCHITECTURES["cells"]
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    widened = {
        key: value.float() if value.is_floating_point() else value
        for key, value in state.items()
    }
    assert_same_weights(loaded.model, widened)


def test_the_metadata_win_over_the_keys(tmp_path):
    # Without its dense head, the bundled model has the very keys of MobileSAM.
    state = {
        key: value
        for key, value in weights("cells").items()
        if not key.startswith("dense_head.")
    }
    named, bare = tmp_path / "named.safetensors", tmp_path / "bare.safetensors"
    save_file(state, named, {"architecture": "cells"})
    save_file(state, bare)
    loaded = load_sam(named).model
    assert loaded.architecture == replace(ARCHITECTURES["cells"], dense_head=False)
    assert loaded.dense_head is None
    assert load_sam(bare).model.architecture.name == "vit_t"


def test_unknown_architecture_in_the_metadata(tmp_path):
    path = tmp_path / "new.safetensors"
    save_file({"x": torch.zeros(1)}, path, {"architecture": "sam9"})
    with pytest.raises(CheckpointError, match="'sam9'; known are vit_b"):
        load_sam(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda state: state.pop("mask_decoder.iou_token.weight"),
            r"'vit_t', but 1 tensors are missing \(mask_decoder.iou_token.weight\)",
        ),
        (
            lambda state: state.update({"mask_decoder.more": torch.zeros(1)}),
            r"1 are unknown \(mask_decoder.more\)",
        ),
        (
            lambda state: state.update(
                {"mask_decoder.iou_token.weight": torch.zeros(1, 3)}
            ),
            r"iou_token.weight is \(1, 3\), wanted \(1, 256\)",
        ),
    ],
)
def test_keys_and_shapes_are_matched_strictly(change, problem, tmp_path):
    state = dict(weights("vit_t"))
    change(state)
    path = saved(tmp_path / "odd.pth", state)
    with pytest.raises(CheckpointError, match=problem):
        load_sam(path)


class Malicious:
    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_pickle_with_code_is_refused_and_never_run(new_format, tmp_path):
    trap = tmp_path / "trap"
    path = tmp_path / "evil.pth"
    content = weights("vit_t") | {"extra": Malicious(trap)}
    torch.save(content, path, _use_new_zipfile_serialization=new_format)
    with pytest.raises(CheckpointError) as caught:
        load_sam(path)
    assert "mkdir" in str(caught.value)
    assert "can run code" in str(caught.value)
    assert "bare state dict" in str(caught.value)
    assert not trap.exists()


def test_a_whole_pickled_module_is_refused(tmp_path):
    path = saved(tmp_path / "module.pt", torch.nn.Linear(2, 2))
    with pytest.raises(CheckpointError, match=r"Linear.*refused"):
        load_sam(path)


def test_a_plain_pickle_of_objects_is_refused(tmp_path):
    path = tmp_path / "plain.pt"
    path.write_bytes(pickle.dumps({"path": Path("x")}))
    with pytest.raises(CheckpointError, match=r"PyTorch did not write.*refused"):
        load_sam(path)


FOREIGN = {
    "SAM 2": {"model": {"image_encoder.trunk.pos_embed": torch.zeros(1)}},
    "SAM 3": {"detector.backbone.vision_backbone.trunk.pos_embed": torch.zeros(1)},
    "transformers": {"vision_encoder.patch_embed.projection.weight": torch.zeros(1)},
    "instance decoder of micro-sam": {
        "deconv_out.block.weight": torch.zeros(1),
        "out_conv.weight": torch.zeros(1),
    },
    "no SAM model": {"conv1.weight": torch.zeros(1)},
    "width 384": {"image_encoder.patch_embed.proj.weight": torch.zeros(384, 3, 16, 16)},
    "no weights, but: epoch": {"epoch": 3},
    "holds a list": [torch.zeros(1)],
    "holds a Tensor": torch.zeros(1),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_models_are_named(kind, tmp_path):
    path = saved(tmp_path / "other.pt", FOREIGN[kind])
    with pytest.raises(CheckpointError, match=kind) as caught:
        load_sam(path)
    assert str(path) in str(caught.value)


def test_a_safetensors_file_of_another_model(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"encoder.weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=r"no SAM model.*encoder.weight"):
        load_sam(path)


def write_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no weights")


def write_tar(path):
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "file")


WRONG_FILES = {
    "an HTML page, not": lambda path: path.write_text(
        "\n<!DOCTYPE html>\n<html><title>404 Not Found</title></html>"
    ),
    "an XML document": lambda path: path.write_text(
        '<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'
    ),
    "a git-lfs pointer.*git lfs pull": lambda path: path.write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 375042383\n"
    ),
    "an empty file": lambda path: path.write_bytes(b""),
    "a folder without config.json": lambda path: path.mkdir(),
    "a PNG image": lambda path: iio.imwrite(
        path, np.zeros((4, 4), np.uint8), extension=".png"
    ),
    "a TIFF image": lambda path: iio.imwrite(
        path, np.zeros((4, 4), np.uint8), extension=".tif"
    ),
    "a NumPy array": lambda path: path.write_bytes(b"\x93NUMPY\x01\x00rest"),
    "a zip archive": write_zip,
    "a tar archive": write_tar,
    "an ONNX model": lambda path: path.write_bytes(
        b"\x08\x0a\x12\x07pytorch\x1a\x06" + bytes(20)
    ),
    "a JSON document": lambda path: path.write_text('{"weights": []}'),
    "a text file": lambda path: path.write_text("these are not weights"),
    "a file of an unknown kind": lambda path: path.write_bytes(b"\xff\xfe\x01\x00"),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_files_of_another_kind_are_named(kind, tmp_path):
    path = tmp_path / "model.pth"
    WRONG_FILES[kind](path)
    with pytest.raises(CheckpointError, match=kind) as caught:
        load_sam(path)
    assert str(path) in str(caught.value)


def test_half_a_model_and_an_onnx_file_that_is_none_are_named(tmp_path, capsys):
    kept = {k: v for k, v in weights("vit_t").items() if k.startswith("image_encoder.")}
    torch.save(kept, tmp_path / "half.pth")
    (tmp_path / "none.onnx").write_text("hello")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.onnx").write_bytes(b"\x08\x0a\x12\x07pytorch")
    for name, told in (
        ("half.pth", "a part of a model, without mask_decoder and prompt_encoder"),
        ("none.onnx", "is a text file, not an ONNX model, as its name says"),
        ("out", "holds ONNX models of another program: their network is fixed"),
        ("missing.onnx", "no file at"),
    ):
        with pytest.raises(CheckpointError, match=told):
            load_sam(str(tmp_path / name))
        out = str(tmp_path / "o.pth")
        path = str(tmp_path / name)
        assert main(["export-model", path, "--to", "meta", "--out", out]) == 2
        assert told in capsys.readouterr().err
    with pytest.raises(CheckpointError, match=r"no file at encoder.onnx"):
        load_sam("encoder.onnx")


def test_a_numpy_archive_is_named(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, a=np.zeros(2))
    with pytest.raises(CheckpointError, match=r"a NumPy \.npz archive"):
        load_sam(path)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["new.pth", "old.pth", "file.safetensors"])
def test_truncated_files_are_named(kind, share, tmp_path):
    path = tmp_path / kind
    if kind.endswith(".safetensors"):
        save_file(weights("vit_t"), path)
    else:
        new = kind.startswith("new")
        torch.save(weights("vit_t"), path, _use_new_zipfile_serialization=new)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match="truncated"):
        load_sam(path)


@pytest.mark.filterwarnings("ignore")  # PyTorch's, about what the damage looks like
@pytest.mark.parametrize("kind", ["new.pth", "old.pth", "file.safetensors"])
def test_no_damage_causes_another_error(kind, tmp_path):
    state = {f"image_encoder.{i}": torch.arange(4.0) for i in range(5)}
    path = tmp_path / kind
    if kind.endswith(".safetensors"):
        save_file(state, path)
    else:
        new = kind.startswith("new")
        torch.save({"model": state}, path, _use_new_zipfile_serialization=new)
    whole = path.read_bytes()
    draw = random.Random(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            damaged[draw.randrange(min(len(whole), 700))] = draw.randrange(256)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError):
            load_sam(path)


@pytest.mark.parametrize("source", ["", " "])
def test_an_empty_name_is_unknown(source):
    with pytest.raises(CheckpointError, match="no checkpoint is called"):
        load_sam(source)


@pytest.mark.parametrize("source", ["no/such/file.pth", "missing.pt", Path("cells2")])
def test_a_missing_file_is_said(source):
    with pytest.raises(CheckpointError, match=r"no file at .*(file|missing|cells2)"):
        load_sam(source)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("vit_b_ml", "vit_b_lm"),
        ("cell", "cells"),
        ("mobile_sam", "vit_t"),
        ("sam_vit_h", "vit_h"),
        ("VIT-L", "vit_l"),
    ],
)
def test_an_unknown_name_gets_close_ones(name, meant):
    with pytest.raises(CheckpointError, match=rf"did you mean .*\b{meant}\b"):
        load_sam(name)


def test_a_name_like_no_other_gets_the_list():
    with pytest.raises(CheckpointError, match=r"Known names: cells, vit_b") as caught:
        load_sam("xyzzy")
    assert "did you mean" not in str(caught.value)


def test_a_name_that_is_not_downloaded_says_how(tmp_path):
    with pytest.raises(
        CheckpointError,
        match=r"'vit_h' \(2\.6 GB\) is not downloaded yet.*napari-sam download vit_h",
    ):
        load_sam("vit_h", CheckpointStore(tmp_path))


def test_a_decoder_is_no_model(tmp_path):
    with pytest.raises(CheckpointError, match="instance decoder of 'vit_b_lm'"):
        load_sam("vit_b_lm_decoder", CheckpointStore(tmp_path))


def test_a_stored_file_is_verified_when_it_is_loaded(tmp_path, monkeypatch):
    path = saved(tmp_path / "mobile_sam.pt", weights("vit_t") | unused_head())
    digest = sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    entry = replace(REGISTRY["vit_t"], hash=f"sha256:{digest}", size=size)
    entries = {**REGISTRY, "vit_t": entry}
    for module in ("registry", "load"):
        monkeypatch.setattr(f"napari_sam.checkpoints.{module}.REGISTRY", entries)
    store = CheckpointStore(tmp_path)
    loaded = load_sam("vit_t", store)
    assert (loaded.name, loaded.digest) == ("vit_t", digest)

    damaged = bytearray(path.read_bytes())
    damaged[size // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match=f"published is {digest}"):
        load_sam("vit_t", store)
    path.write_bytes(damaged[:-1])
    with pytest.raises(CheckpointError, match="is incomplete in the cache"):
        load_sam("vit_t", store)


@pytest.mark.parametrize("kind", ["replaced", "written to"])
def test_a_file_that_changes_while_it_is_read_is_not_taken_for_the_other(
    tmp_path, monkeypatch, kind
):
    """Between the hash and the reading a training may put better weights there."""
    path = saved(tmp_path / "mine.pth", weights("cells"))
    other = saved(tmp_path / "other.pth", weights("cells"))
    hash_file = load.hash_file

    def then_changed(*given):
        digests = hash_file(*given)
        if kind == "replaced":
            other.replace(path)
        else:
            path.write_bytes(other.read_bytes())
        return digests

    monkeypatch.setattr(load, "hash_file", then_changed)
    with pytest.raises(CheckpointError, match="it was replaced or written to while"):
        load_sam(path)
    monkeypatch.undo()
    assert load_sam(path).digest == sha256(path.read_bytes()).hexdigest()


def test_a_stored_file_of_another_architecture_is_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "sam_vit_b_01ec64.pth", weights("vit_t"))
    digest = sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    entry = replace(REGISTRY["vit_b"], hash=f"sha256:{digest}", size=size)
    entries = {**REGISTRY, "vit_b": entry}
    for module in ("registry", "load"):
        monkeypatch.setattr(f"napari_sam.checkpoints.{module}.REGISTRY", entries)
    with pytest.raises(CheckpointError, match="'vit_t', where 'vit_b' is wanted"):
        load_sam("vit_b", CheckpointStore(tmp_path))


def test_the_bundled_model_needs_no_network_and_no_cache(tmp_path):
    store = CheckpointStore(tmp_path / "nothing")
    if not store.is_available(REGISTRY["cells"]):
        pytest.skip("this source tree does not hold the bundled weights")
    loaded = load_sam("cells", store)
    assert loaded.name == "cells"
    assert loaded.model.architecture.name == "cells"
    assert loaded.dropped == ()
    assert not store.cache_dir.exists()
