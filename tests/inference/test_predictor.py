"""One image to an embedding to masks, through the public predictor."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_network import tiny_predictor, tiny_sam

from napari_sam.inference import model_placement
from napari_sam.inference.device import choose_device, choose_dtype
from napari_sam.inference.embedding_cache import EmbeddingCache
from napari_sam.inference.mask_upscaling import upscale_masks
from napari_sam.inference.model_placement import PlacedModel, place
from napari_sam.inference.predictor import Predictor
from napari_sam.inference.promptable import identity_of
from napari_sam.ops.types import (
    Cancelled,
    FrameGeometry,
    ImageEmbedding,
    Multimask,
    Prompts,
)


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(0, 1, (60, 90))


def test_one_click_gives_three_ranked_candidates(predictor, image):
    embedding = predictor.embed(image, scale="whole")
    found = predictor.predict(embedding, points=[(10, 20)], labels=[1])
    assert found.masks.shape == (3, 60, 90)
    assert found.masks.dtype == np.bool_
    assert found.logits.shape == (3, 64, 64)
    assert (np.diff(found.scores) <= 0).all()
    boxed = {"box": (5, 6, 30, 40)}
    assert len(predictor.predict(embedding, **boxed).masks) == 1
    three = predictor.predict(embedding, **boxed, multimask=Multimask.THREE)
    assert len(three.masks) == len(three.scores) == 3


@pytest.mark.parametrize(
    ("prompts", "count"),
    [
        (Prompts.make([(3, 4)]), 3),
        (Prompts.make(box=(1, 2, 30, 40)), 1),
        (Prompts.make([(3, 4), (20, 20)], [1, 0]), 1),
        (Prompts.make([(3, 4)], box=(1, 2, 30, 40)), 1),
    ],
)
def test_one_point_is_ambiguous_and_a_box_or_more_are_not(
    predictor, image, prompts, count
):
    found = predictor.predict_prompts(predictor.embed(image, scale="whole"), prompts)
    assert len(found.masks) == count


def test_a_batch_answers_as_one_by_one(predictor, image):
    embedding = predictor.embed(image, scale="whole")
    rng = np.random.default_rng(1)
    prompts = [Prompts.make([rng.uniform(0, 59, 2)]) for _ in range(11)]
    prompts.insert(3, Prompts.make(box=(2, 3, 20, 30)))
    prompts.insert(5, Prompts.make([(3, 4), (9, 9)], [1, 0]))
    prompts.append(Prompts.make(mask_logits=np.zeros((64, 64))))
    batch = predictor.predict_batch(embedding, prompts)
    for prompt, answer in zip(prompts, batch, strict=True):
        alone = predictor.predict_prompts(embedding, prompt)
        assert np.allclose(alone.scores, answer.scores, atol=1e-5)
        assert np.allclose(alone.logits, answer.logits, atol=1e-4)


def test_corners_of_a_box_come_in_any_order(predictor, image):
    embedding = predictor.embed(image, scale="whole")
    one = predictor.predict(embedding, box=(5, 6, 30, 40))
    two = predictor.predict(embedding, box=(30, 40, 5, 6))
    assert np.array_equal(one.logits, two.logits)


def test_a_drawn_mask_and_its_logits_are_one_prompt(predictor, image):
    embedding = predictor.embed(image, scale="whole")
    mask = np.zeros(image.shape, bool)
    mask[10:30, 20:50] = True
    one = predictor.predict(embedding, mask=mask)
    logits = predictor.mask_to_logits(embedding, mask)
    two = predictor.predict_prompts(embedding, Prompts.make(mask_logits=logits))
    three = predictor.predict(embedding, mask=mask.astype(np.uint8))
    assert np.array_equal(one.logits, two.logits)
    assert np.array_equal(one.logits, three.logits)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ({}, "nothing is prompted"),
        ({"points": [(60.5, 3)]}, r"60 x 90"),
        ({"points": [(3, 3)], "labels": [2]}, r"\[2\]"),
        ({"points": [(3, 3)], "labels": [1, 0]}, "each of the 1 points"),
        ({"points": [(3, 3, 3)]}, r"\(1, 3\)"),
        ({"box": (1, 2, 3)}, r"\(3,\)"),
        ({"box": (100, 100, 120, 120)}, "outside"),
        ({"mask": np.zeros((5, 5), bool)}, r"\(60, 90\)"),
        ({"mask": np.zeros((60, 90))}, "got float64; an earlier answer is refined by"),
        ({"points": [(3, 3)], "multimask": False}, "'auto' or 'three', got False"),
        ({"points": [(3, 3)], "multimask": None}, "'auto' or 'three', got None"),
        ({"points": [(3, 3)], "candidate": 1}, "give previous="),
    ],
)
def test_wrong_prompts_say_what_is_wanted(predictor, image, prompt, words):
    with pytest.raises(ValueError, match=words):
        predictor.predict(predictor.embed(image, scale="whole"), **prompt)


def test_an_earlier_answer_is_refined(predictor, image):
    embedding = predictor.embed(image, scale="whole")
    first = predictor.predict(embedding, points=[(10, 20)])
    points, labels = [(10, 20), (40, 70)], [1, 0]
    again = predictor.predict(
        embedding, points, labels, previous=first, candidate=2, multimask="three"
    )
    said = Prompts.make(points, labels, mask_logits=first.logits[2])
    wanted = predictor.predict_prompts(embedding, said, Multimask.THREE)
    assert np.array_equal(again.logits, wanted.logits)
    assert not np.array_equal(
        again.logits,
        predictor.predict(embedding, points, labels, multimask="three").logits,
    )
    for number in (3, -1):
        with pytest.raises(ValueError, match=f"from 0 to 2, .* got {number}"):
            predictor.predict(
                embedding, points, labels, previous=first, candidate=number
            )
    with pytest.raises(ValueError, match="not both"):
        predictor.predict(embedding, mask=first.masks[0], previous=first)


@settings(max_examples=20)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    dtype=st.sampled_from(["u1", "u2", "i4", "f2", "f4", "f8", "?"]),
    channels=st.sampled_from([None, 1, 2, 3, 4]),
)
def test_any_image_gives_masks_of_its_shape(height, width, dtype, channels):
    predictor = shared_predictor()
    shape = (height, width) if channels is None else (height, width, channels)
    values = np.random.default_rng(height * 71 + width).uniform(0, 100, shape)
    embedding = predictor.embed(values.astype(dtype), scale="whole")
    assert torch.isfinite(embedding.features).all()
    found = predictor.predict(embedding, points=[(height // 2, width // 2)])
    assert found.masks.shape == (3, height, width)


@cache
def shared_predictor() -> Predictor:
    """One network for all examples."""
    return tiny_predictor()


def test_embeddings_are_remembered_by_content(predictor, image):
    first = predictor.embed(image, scale="whole")
    assert predictor.embed(image.copy(), scale="whole") is first
    assert predictor.embed(image, contrast_limits=(0, 2), scale="whole") is not first
    changed = image.copy()
    changed[5, 5] += 0.01
    assert predictor.embed(changed, scale="whole").key != first.key
    assert predictor.embed(image.astype(np.float32), scale="whole").key != first.key


def test_the_cache_keeps_the_latest_within_its_bytes():
    geometry = FrameGeometry.fit((8, 8), 8)

    def made(key: str) -> ImageEmbedding:
        return ImageEmbedding(torch.zeros(1, 1, 5, 5), geometry, key)

    cache = EmbeddingCache(max_bytes=250)
    for key in "ab":
        cache.put(made(key))
    assert cache.get("a") is not None
    cache.put(made("c"))
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.nbytes == 200
    cache.clear()
    assert len(cache) == 0


def test_embedding_can_be_cancelled_between_blocks(predictor, image):
    asked = []

    def cancel() -> bool:
        asked.append(True)
        return len(asked) > 2

    with pytest.raises(Cancelled):
        predictor.embed(image, is_cancelled=cancel, scale="whole")
    assert len(asked) == 3
    assert len(predictor.cache) == 0


def test_threads_get_the_same_answers(predictor, image):
    expected = predictor.predict(
        predictor.embed(image, scale="whole"), points=[(5, 5)]
    ).logits
    found = []

    def ask() -> None:
        embedding = predictor.embed(image, scale="whole")
        found.append(predictor.predict(embedding, points=[(5, 5)]).logits)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.allclose(logits, expected, atol=1e-5) for logits in found)


@pytest.fixture
def full_gpu(monkeypatch):
    """Return a function that puts a predictor on a device that has no memory left."""

    def make(dtype=torch.float32):
        sam = tiny_sam()
        normalise = sam.normalise
        held = threading.Event()
        held.set()

        def refuse(frame):
            if frame.device.type != "cpu":
                held.wait(10)
                raise torch.OutOfMemoryError("CUDA out of memory")
            return normalise(frame)

        def place_there(model, wanted, device):
            with monkeypatch.context() as patch:
                patch.setattr(model_placement, "choose_dtype", lambda *given: dtype)
                at = place(model, wanted, device)
            return replace(at, device=torch.device("meta"))

        sam.normalise = refuse
        with monkeypatch.context() as patch:
            patch.setattr("napari_sam.inference.model_placement.place", place_there)
            predictor = Predictor(sam, name="tiny", digest="tiny", device="cpu")
        # what takes over is in float32, as on most processors
        only_float32 = lambda *given: torch.float32  # noqa: E731
        monkeypatch.setattr(model_placement, "choose_dtype", only_float32)
        predictor.held = held
        return predictor

    return make


def test_a_gpu_without_memory_is_left_for_the_cpu(full_gpu, image):
    predictor = full_gpu()
    with pytest.warns(RuntimeWarning, match="meta has too little memory for tiny"):
        embedding = predictor.embed(image, scale="whole")
    assert predictor.device.type == "cpu"
    assert embedding.features.device.type == "cpu"
    exact = tiny_predictor().embed(image, scale="whole")
    assert torch.equal(embedding.features, exact.features)
    assert predictor.embed(image, scale="whole") is embedding


def test_a_batch_leaves_a_gpu_without_memory_too(full_gpu, image, monkeypatch):
    predictor = full_gpu()
    monkeypatch.setattr(PlacedModel, "batch_size", lambda self, frame_size: 2)
    other = image[::-1].copy()
    with pytest.warns(RuntimeWarning, match="meta has too little memory for tiny"):
        found = predictor.encoder.embed_batch([image, other])
    exact = tiny_predictor().encoder.embed_batch([image, other])
    for one, same in zip(found, exact, strict=True):
        torch.testing.assert_close(one.features, same.features, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_after_a_gpu_was_left_the_key_says_what_was_computed(full_gpu, image, dtype):
    predictor = full_gpu(dtype)
    before = predictor.encoder.key_of(image)
    with pytest.warns(RuntimeWarning, match="the CPU takes over"):
        embedding = predictor.embed(image, scale="whole")
    assert embedding.key == predictor.encoder.key_of(image)
    assert predictor.dtype == torch.float32
    on_cpu = Predictor(tiny_sam(), digest="tiny", device="cpu", dtype="float32")
    exact = on_cpu.embed(image, scale="whole")
    is_same = torch.equal(embedding.features, exact.features)
    assert (embedding.key == exact.key) == is_same == (dtype == torch.float32)
    assert (before in predictor.cache) == (before == embedding.key)


def test_the_model_of_others_stays_where_it_is(full_gpu, image):
    predictor = full_gpu(torch.bfloat16)
    first = predictor.model
    dtypes = {name: value.dtype for name, value in first.named_parameters()}
    predictor.held.clear()
    keys = []
    threads = [
        threading.Thread(
            target=lambda: keys.append(predictor.embed(image, scale="whole").key)
        )
        for _ in range(3)
    ]
    with pytest.warns(RuntimeWarning, match="the CPU takes over") as told:
        for thread in threads:
            thread.start()
        predictor.held.set()
        for thread in threads:
            thread.join()
    assert len(told) == 1
    assert len(set(keys)) == 1
    assert predictor.model is not first
    assert {name: value.dtype for name, value in first.named_parameters()} == dtypes
    own = {value.data_ptr() for value in first.parameters()}
    assert own.isdisjoint(value.data_ptr() for value in predictor.model.parameters())
    assert not any(value.requires_grad for value in predictor.model.parameters())
    assert not predictor.model.training


def test_bfloat16_keeps_the_masks_alike(image):
    exact = tiny_predictor()
    wanted = exact.predict(exact.embed(image, scale="whole"), points=[(30, 40)])
    rough = tiny_predictor("bfloat16")
    embedding = rough.embed(image, scale="whole")
    assert embedding.features.dtype == torch.bfloat16
    found = rough.predict(embedding, points=[(30, 40)])
    assert found.logits.dtype == np.float32
    correlation = np.corrcoef(found.logits.ravel(), wanted.logits.ravel())[0, 1]
    assert correlation > 0.98


@pytest.mark.parametrize("shape", [(60, 90), (200, 37), (1, 7), (128, 128)])
def test_upscaling_in_one_step_equals_both(shape):
    geometry = FrameGeometry.fit(shape, 128)
    low = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0))
    frame = F.interpolate(low[None], (128, 128), mode="bilinear")
    rows, cols = geometry.resized_shape
    whole = F.interpolate(frame[..., :rows, :cols], shape, mode="bilinear")[0]
    differs = upscale_masks(low, geometry) != (whole > 0).numpy()
    assert whole.numpy()[differs].size == 0 or abs(whole.numpy()[differs]).max() < 1e-5


def test_devices_and_dtypes_are_named_when_wrong():
    assert choose_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="'abacus'"):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="not there"):
            choose_device("cuda")
    with pytest.raises(ValueError, match="'float8'"):
        choose_dtype("float8", torch.device("cpu"))
    assert choose_dtype("float32", torch.device("cpu")) == torch.float32


def test_the_bundled_model_outlines_a_nucleus(cells):
    image = np.zeros((128, 128), np.uint16)
    rows, cols = np.indices(image.shape)
    disc = np.hypot(rows - 70, cols - 50) < 18
    image[disc] = 3000
    image = image + np.random.default_rng(0).poisson(200, image.shape).astype("u2")
    embedding = cells.embed(image, scale="whole")
    found = cells.predict(embedding, points=[(70, 50)], labels=[1])
    best = found.masks[0]
    assert (best & disc).sum() / (best | disc).sum() > 0.8


def test_a_model_is_told_from_others_by_its_weights_and_precision():
    one = Predictor(tiny_sam(), digest="one", device="cpu", dtype="float32")
    names = {
        identity_of(one),
        identity_of(Predictor(tiny_sam(), digest="two", device="cpu")),
        identity_of(
            Predictor(tiny_sam(), digest="one", device="cpu", dtype="bfloat16")
        ),
    }
    assert len(names) == 3 and all(names)
    assert identity_of(one) == one.encoder.identity
    assert identity_of(object()) == ""
