"""CLIP in the place of the text encoder, with a tiny one of random weights."""

from __future__ import annotations

import json
import shutil
import warnings

import imageio.v3 as imageio
import numpy as np
import pytest
from skimage.draw import disk

import napari_sam
from napari_sam.checkpoints.registry import get_spec
from napari_sam.checkpoints.store import CheckpointStore
from napari_sam.cli import main
from napari_sam.training.text_alignment import crops_around

PIECES = ["<|startoftext|>", "<|endoftext|>", "n", "u", "c", "s</w>", "e</w>", "x"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Write the folder of a CLIP of 16 dimensions."""
    pytest.importorskip("transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
    folder = tmp_path_factory.mktemp("clip")
    layers = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 16,
    }
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = CLIPConfig(
        text_config=layers | {"vocab_size": len(PIECES)} | ends,
        vision_config=layers | {"image_size": 32, "patch_size": 16},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(folder)
    vocab = {piece: i for i, piece in enumerate(PIECES)}
    CLIPTokenizer(vocab, []).save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path):
    """Write two labelled images of bright discs."""
    rng = np.random.default_rng(0)
    for kind in ("images", "labels"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for name in range(2):
        image = rng.integers(0, 40, (96, 96)).astype(np.uint8)
        labels = np.zeros((96, 96), np.uint16)
        for number, (row, col) in enumerate(rng.integers(12, 84, (6, 2)), 1):
            at = disk((row, col), 4 + number, shape=labels.shape)
            image[at], labels[at] = 90 + 20 * number, number
        for kind, array in (("images", image), ("labels", labels)):
            imageio.imwrite(tmp_path / "data" / kind / f"{name}.png", array)
    return tmp_path / "data"


def assert_found_beside(folder, head, clip):
    """Assert that a head is found beside a copy of the included model."""
    cells = CheckpointStore().path(get_spec("cells"))
    shutil.copy(cells, folder / "mine.safetensors")
    shutil.copy(head, folder / "mine-objects.safetensors")
    mine = napari_sam.load_model(folder / "mine.safetensors", text_model=clip)
    assert mine.object_head.text_model == mine.text_tower.digest
    assert napari_sam.load_model(folder / "mine.safetensors").object_head is None


@pytest.mark.slow
def test_a_head_for_a_clip_is_trained_loaded_and_asked(clip, data, tmp_path, capsys):
    out = tmp_path / "head.safetensors"
    command = ["train", "--text", "clip", "--text-model", str(clip)]
    command += ["--data", str(data), "--out", str(out), "--device", "cpu"]
    assert main(command) == 0
    told = capsys.readouterr()
    assert "image 2 of 2: data/1" in told.err
    assert "held-out objects: nearer to their own crop" in told.out

    with pytest.raises(ValueError, match="give its folder as text_model"):
        napari_sam.load_model("cells", object_head=out)
    with pytest.raises(ValueError, match="there is no head that knows the words of"):
        napari_sam.load_model("cells", text_model=clip)
    model = napari_sam.load_model("cells", object_head=out, text_model=clip)
    image = imageio.imread(data / "images" / "0.png")
    labels = imageio.imread(data / "labels" / "0.png").astype(np.int32)
    embedding = model.embed(image)
    plain = napari_sam.load_model("cells").embed(image)
    assert np.array_equal(
        napari_sam.embed_objects(embedding, labels, model=model),
        napari_sam.embed_objects(plain, labels, model="cells"),
    )  # objects keep their vectors: only the words are others
    row, col = np.argwhere(labels == 3)[0]
    answer = model.predict(embedding, points=[(row, col)], text="the nucleus")
    assert answer.matches.shape == (3,)
    assert (answer.matches > 0).all()
    assert_found_beside(tmp_path, out, clip)
    found = napari_sam.find(image, "the larva", model=model)
    assert not any("has not learned" in note for note in found.notes)


def test_options_that_do_not_go_together_are_refused(tmp_path, capsys):
    base = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "h.safetensors")]
    for more, words in (
        (["--text", "clip"], "needs --text-model"),
        (["--text-model", "F"], "goes with --text clip"),
        (["--text", "clip", "--text-model", "F", "--minutes", "2"], "--minutes does"),
        (["--text", "clip", "--text-model", str(tmp_path)], "no folder with a CLIP"),
    ):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "labels").mkdir(exist_ok=True)
        for kind in ("images", "labels"):
            imageio.imwrite(tmp_path / kind / "a.png", np.ones((8, 8), np.uint8))
        assert main([*base, *more]) == 2
        assert words in capsys.readouterr().err


def test_a_folder_that_says_clip_and_holds_none_is_named(tmp_path, clip):
    from napari_sam.inference.text_tower import load_text_tower

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "clip"}))
    with pytest.raises(ValueError, match="holds no CLIP"):
        load_text_tower(tmp_path)


def test_crops_show_the_object_in_the_middle():
    labels = np.zeros((40, 60), np.int32)
    labels[0:10, 30:50] = 1
    rgb = np.full((40, 60, 3), 50, np.float32)
    rgb[labels == 1] = 200
    crops = list(crops_around(rgb, labels, 16, np.random.default_rng(0)))
    assert len(crops) == 1
    assert crops[0].shape == (2, 16, 16, 3)
    for crop in crops[0]:
        assert crop[8, 8, 0] > 150  # the object
        assert crop[0, 8, 0] == 0  # beyond the image
