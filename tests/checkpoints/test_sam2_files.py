"""SAM 2.1 and SAM 3 from files and folders: what loads, and what is said otherwise."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_sam.checkpoints.load import CheckpointError, load_sam
from napari_sam.checkpoints.registry import REGISTRY
from napari_sam.checkpoints.sam2 import SAM2_SIZES, build_sam2, sam2_size
from napari_sam.checkpoints.sam2_names import rename_meta_sam2
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.inference.model_loading import load_model

NAMES = Path(__file__).parents[1] / "data" / "sam2.1_tiny_names.txt"
"""Names and shapes of the weights in Meta's file of SAM 2.1 tiny."""


def meta_state():
    rows = [line.split() for line in NAMES.read_text().splitlines()]
    return {
        name: torch.zeros([int(n) for n in shape.split("x") if n != "-"])
        for name, shape in rows
    }


@pytest.fixture
def tiny():
    pytest.importorskip("transformers")
    import tiny_sam2

    return tiny_sam2


@pytest.fixture
def folder(tmp_path, tiny):
    """Write a tiny SAM 2 in Hugging Face's layout."""
    path = tmp_path / "my sam2"
    write_folder(path, tiny.tiny_sam2_config(), tiny.tiny_sam2_network())
    yield path
    shutil.rmtree(tmp_path)


def write_folder(path, config, network):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    save_file(
        {
            key: value.contiguous().clone()
            for key, value in network.state_dict().items()
        },
        path / "model.safetensors",
    )


def test_metas_names_are_those_of_transformers_for_every_weight():
    transformers = pytest.importorskip("transformers")
    renamed = rename_meta_sam2(meta_state())
    with torch.device("meta"):
        network = transformers.Sam2VideoModel(transformers.Sam2VideoConfig())
    wanted = {key: tuple(one.shape) for key, one in network.state_dict().items()}
    assert {key: tuple(one.shape) for key, one in renamed.items()} == wanted
    assert sam2_size(renamed) == "sam2.1_tiny"


def test_metas_file_becomes_a_model_that_answers(tmp_path):
    pytest.importorskip("transformers")
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    torch.save({"model": meta_state()}, path)
    loaded = load_sam(path)
    assert loaded.model.architecture.name == "sam2.1_tiny"
    assert loaded.model.has_memory
    assert loaded.name == "sam2.1_hiera_tiny"
    path.unlink()


def test_a_file_without_the_memory_answers_prompts_alone(tiny, tmp_path):
    state = tiny.tiny_sam2_network().state_dict()
    images_only = {
        key: value
        for key, value in state.items()
        if key.startswith(
            (
                "vision_encoder.",
                "prompt_encoder.",
                "mask_decoder.",
                "shared_image_embedding.",
                "no_memory_embedding",
            )
        )
    }
    model = build_sam2(images_only, tiny.tiny_sam2_config())
    assert not model.has_memory


def test_a_folder_in_hugging_faces_layout_loads(folder, tiny):
    sam = load_model(folder, device="cpu", dtype="float32")
    assert sam.name == "my sam2"
    image = np.random.default_rng(0).integers(0, 255, (60, 100), np.uint8)
    mine = sam.predict(sam.embed(image), points=[(20, 30)])
    known = tiny.tiny_sam2_predictor()
    theirs = known.predict(known.embed(image), points=[(20, 30)])
    assert np.array_equal(mine.logits, theirs.logits)


def test_weights_in_several_files_load_by_their_index(folder):
    whole = load_sam(folder)
    state = {
        key: value.clone() for key, value in whole.model.network.state_dict().items()
    }
    (folder / "model.safetensors").unlink()
    keys = sorted(state)
    parts = {"a.safetensors": keys[::2], "b.safetensors": keys[1::2]}
    for name, own in parts.items():
        save_file({key: state[key] for key in own}, folder / name)
    index = {key: name for name, own in parts.items() for key in own}
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": index})
    )
    parted = load_sam(folder)
    for key, value in parted.model.network.state_dict().items():
        assert torch.equal(value, state[key]), key
    (folder / "b.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"of 2 files with weights 1 are missing"):
        load_sam(folder)


def test_half_a_checkpoint_is_named(folder):
    weights = folder / "model.safetensors"
    from safetensors.torch import load_file

    state = load_file(weights)
    half = {key: state[key] for key in sorted(state)[: len(state) // 2]}
    weights.unlink()
    save_file(half, weights)
    with pytest.raises(CheckpointError, match="like 'sam2', but it is a part"):
        load_sam(folder)


def test_half_of_metas_file_is_named(tmp_path):
    pytest.importorskip("transformers")
    state = meta_state()
    part = {key: state[key] for key in state if not key.startswith("memory_encoder.")}
    path = tmp_path / "half.pt"
    torch.save({"model": part}, path)
    with pytest.raises(CheckpointError, match=r"sam2\.1_tiny', but it is a part of"):
        load_sam(path)
    path.unlink()


def test_a_folder_with_two_models_asks_for_one(tmp_path, folder):
    both = folder.parent
    (both / "sam2.1_hiera_tiny.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"holds 2 models: give the path of one"):
        load_sam(both)


def test_folders_of_other_things_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"wanted is one in Hugging Face's"):
        load_sam(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match=r"and no model\.safetensors"):
        load_sam(tmp_path)
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"a model of the kind 'bert'"):
        load_sam(tmp_path)
    (tmp_path / "config.json").write_text("[")
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        load_sam(tmp_path)


def test_without_transformers_it_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    path = tmp_path / "sam2.pt"
    torch.save({"model": {"image_encoder.trunk.pos_embed": torch.zeros(1)}}, path)
    with pytest.raises(CheckpointError, match=r"pip install 'napari-sam\[trans"):
        load_sam(path)


def test_sam_2_is_not_trained_here(folder):
    loaded = load_sam(folder)
    with pytest.raises(CheckpointError, match="my sam2 is SAM 2, which cannot be"):
        _ = loaded.trainable


def test_the_registry_says_what_sam_2_and_sam_3_can_do():
    for name in SAM2_SIZES:
        spec = REGISTRY[name]
        assert "memory" in spec.volumes
        assert spec.extra == "transformers"
        assert not spec.trainable
        assert spec.url.startswith("https://dl.fbaipublicfiles.com/segment_anything_2/")
    assert REGISTRY["sam3"].gate == "https://huggingface.co/facebook/sam3"
    assert "concept" in REGISTRY["sam3"].everything


def test_sam_3_without_access_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"ask.*huggingface\.co/facebook/sam3"):
        load_sam("sam3")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_download_of_sam_3_needs_access(tmp_path, monkeypatch, status):
    hub = pytest.importorskip("huggingface_hub")

    def refuse(repository, name, **_):
        assert repository == "facebook/sam3"
        answer = SimpleNamespace(status_code=status, headers={}, request=None)
        raise hub.errors.HfHubHTTPError("refused", response=answer)

    monkeypatch.setattr(hub, "hf_hub_download", refuse)
    said = "no access to SAM 3 yet.*ask at" if status != 404 else "could not be fetched"
    with pytest.raises(CheckpointError, match=said):
        CheckpointStore(tmp_path).download(REGISTRY["sam3"])
    assert not (tmp_path / "sam3").exists()


def test_sam_3_arrives_as_a_folder_when_all_of_it_is_there(tmp_path, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    told = []

    def give(repository, name, *, local_dir, tqdm_class):
        if name == "merges.txt":
            raise hub.errors.EntryNotFoundError("there is none")
        local_dir.mkdir(exist_ok=True)
        (local_dir / name).write_text(name)
        with tqdm_class(total=10) as bar:
            bar.update(10)

    monkeypatch.setattr(hub, "hf_hub_download", give)
    store = CheckpointStore(tmp_path)
    path = store.download(
        REGISTRY["sam3"], progress=lambda done, total: told.append(done)
    )
    assert path == tmp_path / "sam3"
    assert (path / "model.safetensors").is_file()
    assert store.is_available(REGISTRY["sam3"])
    assert told


def test_sam_3_loads_from_a_folder_with_its_tokenizer(tmp_path):
    pytest.importorskip("transformers")
    import tiny_sam3

    path = tmp_path / "sam3"
    write_folder(path, tiny_sam3.tiny_sam3_config(), tiny_sam3.tiny_sam3_network())
    with pytest.raises(CheckpointError, match="the tokenizer, which reads texts, is"):
        load_sam(path)
    tiny_sam3.write_tokenizer(path)
    model = load_sam(path).model
    said = model.tokenizer(
        "round cell", padding="max_length", max_length=8, return_tensors="pt"
    )
    wanted = tiny_sam3.tokenize("round cell")
    assert torch.equal(said["input_ids"], wanted["input_ids"])
    assert torch.equal(said["attention_mask"], wanted["attention_mask"])
    shutil.rmtree(path)
