"""Embeddings in memory first, then on disk."""

import numpy as np
import pytest
import torch
from tiny_network import count_encodings, tiny_sam

from napari_sam.inference.embedding_cache import (
    EmbeddingCache,
    embedding_key,
    made_from,
)
from napari_sam.inference.predictor import Predictor
from napari_sam.io.embedding_store import EmbeddingStore, Origin

PROMPT = {"points": [(40, 50), (60, 20)], "labels": [1, 0]}


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 4000, (90, 120), np.uint16)


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(tmp_path / "store")


def make(store=None, digest="tiny", **limits):
    """A predictor as another process would make it."""
    cache = EmbeddingCache(store=store, **limits)
    return Predictor(
        tiny_sam(),
        name="tiny",
        digest=digest,
        device="cpu",
        dtype="float32",
        cache=cache,
    )


def test_masks_are_bit_equal_from_disk_and_just_made(store, image):
    first, again = make(store), make(EmbeddingStore(store.root))
    fresh = first.embed(image, scale="whole")
    made = count_encodings(again)
    read = again.embed(image, scale="whole")
    assert made == []
    assert read.features.dtype == fresh.features.dtype
    assert torch.equal(read.features, fresh.features)
    assert (read.geometry, read.key) == (fresh.geometry, fresh.key)
    one, other = first.predict(fresh, **PROMPT), again.predict(read, **PROMPT)
    assert np.array_equal(one.logits, other.logits)
    assert np.array_equal(one.scores, other.scores)
    assert np.array_equal(one.masks, other.masks)
    assert again.embed(image, scale="whole") is read


def test_without_a_store_nothing_is_rounded(store, image):
    rounded, exact = (
        make(store).embed(image, scale="whole"),
        make().embed(image, scale="whole"),
    )
    assert not torch.equal(rounded.features, exact.features)
    torch.testing.assert_close(rounded.features, exact.features, atol=0.01, rtol=1e-3)


def test_a_store_that_gives_up_changes_no_answer(store, image, tmp_path):
    (tmp_path / "file").write_text("in the way")
    blocked = make(EmbeddingStore(tmp_path / "file" / "store"))
    with pytest.warns(RuntimeWarning, match="not kept on disk"):
        embedding = blocked.embed(image, scale="whole")
    assert torch.equal(
        embedding.features, make(store).embed(image, scale="whole").features
    )
    assert blocked.cache.store.problem


def test_another_store_empties_the_memory(store, image):
    predictor = make()
    exact = predictor.embed(image, scale="whole")
    predictor.cache.store = store
    assert len(predictor.cache) == 0
    assert predictor.embed(image, scale="whole") is not exact
    assert exact.key in store


def test_a_damaged_entry_is_made_again(store, image):
    embedding = make(store).embed(image, scale="whole")
    (chunk,) = store.root.rglob("c.0.0.0")
    chunk.write_bytes(chunk.read_bytes()[:100])
    again = make(store)
    made = count_encodings(again)
    assert torch.equal(again.embed(image, scale="whole").features, embedding.features)
    assert len(made) == 1
    assert store.get(embedding.key) is not None


def test_another_model_or_other_limits_find_nothing(store, image):
    make(store).embed(image, contrast_limits=(0, 4000), scale="whole")
    other = make(store, digest="another")
    made = count_encodings(other)
    other.embed(image, contrast_limits=(0, 4000), scale="whole")
    assert len(made) == 1
    same = make(store)
    made = count_encodings(same)
    same.embed(image, contrast_limits=(np.float64(0), 4000.0), scale="whole")
    assert made == []
    same.embed(image, contrast_limits=(0, 3000), scale="whole")
    assert len(made) == 1


def test_a_model_without_a_digest_shares_nothing(store, image):
    make(store, digest="").embed(image, scale="whole")
    other = make(store, digest="")
    made = count_encodings(other)
    other.embed(image, scale="whole")
    assert len(made) == 1


def test_what_is_embedded_is_counted_with_its_image(store, image):
    predictor = make(store)
    with made_from(Origin("cat", (3, None, None), "tiny")):
        predictor.embed(image, scale="whole")
        with made_from(Origin("dog")):
            predictor.embed(image + 1, scale="whole")
        predictor.embed(image + 2, scale="whole")
    predictor.embed(image + 3, scale="whole")
    assert store.planes("cat", "tiny") == {(3, None, None)}
    sizes = [store.image_nbytes(name) for name in ("cat", "dog", "loose")]
    assert np.allclose(np.divide(sizes, sizes[1]), (2, 1, 1), rtol=0.2)


def test_the_scale_of_a_closer_look_is_found_again(store, image):
    predictor = make(store)
    tiled = predictor.embed(image)
    scale = store.closer_scale(tiled.key)
    assert scale is not None
    other = make(EmbeddingStore(store.root))
    other.dense_maps = None  # it must not be asked
    assert type(other.embed(image)) is type(tiled)
    assert other.cache.closer_scale(tiled.key) == scale
    assert make().cache.closer_scale(tiled.key) is None


def test_values_beyond_float16_are_kept_finite(store):
    cache = EmbeddingCache(store=store)
    predictor = make(store)
    made = predictor.embed(np.eye(32), scale="whole")
    wild = torch.full_like(made.features, 1e6)
    key = embedding_key(np.eye(3), (0, 1), "wild")
    kept = cache.put(type(made)(wild, made.geometry, key))
    assert kept.features.max() == 65504
    assert torch.equal(EmbeddingCache(store=store).get(key).features, kept.features)


def test_beside_a_store_little_is_held_in_memory(store, image, tmp_path):
    size = make(store).embed(image, scale="whole").nbytes
    little = {"max_bytes_beside_store": round(2.5 * size)}
    kept, alone = make(store, **little), make(**little)
    (tmp_path / "file").write_text("in the way")
    store = EmbeddingStore(tmp_path / "file" / "store", warn=False)
    blocked = make(store, **little)
    for predictor in (kept, alone, blocked):
        first = predictor.embed(image, scale="whole")
        for i in range(1, 5):
            predictor.embed(image + i, scale="whole")
        assert torch.equal(
            predictor.embed(image, scale="whole").features, first.features
        )
    assert [len(p.cache) for p in (kept, alone, blocked)] == [2, 5, 5]
