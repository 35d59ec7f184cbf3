"""Phrases to vectors: as transformers computes them, for every weight."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_sam.checkpoints.errors import CheckpointError
from napari_sam.checkpoints.text_weights import load_text_encoder, save_text_encoder
from napari_sam.inference.text_tower import TextTower, load_text_tower
from napari_sam.model.text_encoder import TextEncoder, TextEncoderConfig

DATA = Path(__file__).parents[1] / "data"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "cell", "cells", "##s", "nucleus", "the"]
SMALL = TextEncoderConfig(len(PIECES), 32, 2, 4, 64, 16)


def drawn(seed=0):
    torch.manual_seed(seed)
    return TextEncoder(SMALL).eval()


def test_equal_random_weights_give_what_transformers_gives():
    transformers = pytest.importorskip("transformers")
    ours = drawn()
    config = transformers.BertConfig(
        vocab_size=SMALL.vocabulary,
        hidden_size=SMALL.width,
        num_hidden_layers=SMALL.depth,
        num_attention_heads=SMALL.heads,
        intermediate_size=SMALL.hidden,
        max_position_embeddings=SMALL.positions,
    )
    theirs = transformers.BertModel(config, add_pooling_layer=False).eval()
    theirs.load_state_dict(ours.state_dict())
    ids = torch.tensor([[2, 8, 4, 3], [2, 7, 3, 0]])
    real = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.inference_mode():
        states = theirs(ids, attention_mask=real).last_hidden_state
        weights = real[..., None].float()
        mean = (states * weights).sum(1) / weights.sum(1)
        wanted = torch.nn.functional.normalize(mean, dim=-1)
        np.testing.assert_allclose(ours(ids, real.bool()), wanted, atol=1e-5)


def test_the_encoder_that_ships_gives_what_transformers_gives_in_float32():
    """Of two hundred phrases; see `make_minilm_reference.py` beside this file."""
    with np.load(DATA / "minilm_reference.npz") as held:
        wanted = held["vectors"].astype(np.float32)
    phrases = [
        phrase
        for name in ("read_text_phrases.toml", "read_text_phrases_2.toml")
        for phrase in tomllib.loads((DATA / name).read_text("utf-8"))["phrases"]
    ]
    assert len(phrases) == len(wanted) == 200
    cosines = (load_text_tower().embed(phrases) * wanted).sum(axis=1)
    assert cosines.min() > 0.998


def test_a_file_comes_back_within_the_steps_of_int8(tmp_path):
    encoder = drawn()
    save_text_encoder(tmp_path / "t.safetensors", encoder, PIECES, {"name": "small"})
    again, pieces = load_text_encoder(tmp_path / "t.safetensors")
    assert list(pieces) == PIECES
    first, second = TextTower(encoder, PIECES), TextTower(again, pieces)
    phrases = ["the cells", "nucleus", "something else"]
    cosines = (first.embed(phrases) * second.embed(phrases)).sum(axis=1)
    assert (cosines > 0.99).all()


def test_alike_phrases_lie_close_together():
    embed = load_text_tower().embed
    nuclei, nucleus, car = embed(["nuclei", "cell nucleus", "a red car"])
    assert nuclei @ nucleus > 0.6
    assert nuclei @ car < 0.4
    assert embed([]).shape == (0, 384)


def test_the_order_of_phrases_and_their_company_do_not_matter():
    embed = load_text_tower().embed
    alone = embed(["large round nuclei"])
    together = embed(["a", "large round nuclei", "b " * 300])
    np.testing.assert_allclose(alone[0], together[1], atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 10])
def test_other_files_are_named_for_what_they_are(tmp_path, content):
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="holds no text encoder"):
        load_text_encoder(path)
    with pytest.raises(CheckpointError, match="there is no text encoder at"):
        load_text_encoder(tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="there is no text encoder at"):
        load_text_encoder(tmp_path)
