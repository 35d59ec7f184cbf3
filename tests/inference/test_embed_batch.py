"""Several planes or tiles at a time are embedded as one by one."""

import numpy as np
import pytest
import torch
from tiny_network import count_encodings, tiny_predictor, tiny_sam

from napari_sam.inference.model_placement import PlacedModel
from napari_sam.inference.predictor import Predictor
from napari_sam.ops.types import Cancelled


@pytest.fixture
def in_threes(monkeypatch):
    """Let the encoder take three planes at a time, as a GPU does."""
    monkeypatch.setattr(PlacedModel, "batch_size", lambda self, frame_size: 3)


def planes(*shapes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, shape).astype(np.uint8) for shape in shapes]


@pytest.mark.parametrize("name", ["cells", "vit_b", "vit_t"])
def test_a_batch_is_what_its_planes_are_one_by_one(in_threes, name):
    images = planes(*[(40, 60)] * 3)
    one = Predictor(tiny_sam(name), device="cpu", dtype="float32")
    expected = [one.embed(image, scale="whole") for image in images]
    other = Predictor(tiny_sam(name), digest=one.digest, device="cpu", dtype="float32")
    made = count_encodings(other)
    found = other.encoder.embed_batch(images)
    assert [shape[0] for shape in made] == [3]
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.features, b.features, rtol=0, atol=1e-5)
        assert a.key == b.key
        assert a.geometry == b.geometry
        assert a.features.untyped_storage().nbytes() == a.features.nbytes


def test_planes_of_one_shape_go_together_and_come_back_in_order(in_threes):
    shapes = [(40, 60), (60, 40), (40, 60), (40, 60), (40, 60)]
    sam = tiny_predictor()
    made = count_encodings(sam)
    found = sam.encoder.embed_batch(planes(*shapes))
    assert [one.geometry.image_shape for one in found] == shapes
    assert [shape[0] for shape in made] == [3, 1, 1]


def test_what_is_there_is_not_embedded_again(in_threes):
    images = planes((40, 60), (40, 60))
    sam = tiny_predictor()
    first = sam.embed(images[0], scale="whole")
    made = count_encodings(sam)
    found = sam.encoder.embed_batch([images[1], images[0], images[1]])
    assert found[1] is first
    assert found[0] is found[2]
    assert [shape[0] for shape in made] == [1]
    assert sam.encoder.embed_batch([]) == []


def test_on_a_cpu_planes_go_one_by_one():
    sam = tiny_predictor()
    made = count_encodings(sam)
    sam.encoder.embed_batch(planes((40, 60), (40, 60)))
    assert sam.encoder.batch_size == 1
    assert [shape[0] for shape in made] == [1, 1]


def test_a_tile_can_be_seen_in_a_frame_of_its_own():
    sam = Predictor(tiny_sam("cells"), device="cpu", dtype="float32")
    own = sam.frame_size
    image = planes((own // 2, own // 2))[0]
    (small,) = sam.encoder.embed_batch([image], frame_size=own // 2)
    assert small.geometry.scale == (1, 1)
    assert small.features.shape[-1] == sam.model.architecture.grid // 2
    assert sam.dense_maps(small).shape == (3, *image.shape)
    assert small.key != sam.embed(image, scale="whole").key
    with pytest.raises(ValueError, match="answers no prompts"):
        sam.predict(small, points=[(4, 4)])


@pytest.mark.parametrize(("name", "frame"), [("cells", 100), ("vit_b", 96)])
def test_a_frame_that_a_model_can_not_see_in_is_refused(name, frame):
    sam = Predictor(tiny_sam(name), name=name, device="cpu", dtype="float32")
    with pytest.raises(ValueError, match=f"{name} can not see in a frame of {frame}"):
        sam.encoder.embed_batch(planes((40, 40)), frame_size=frame)


def test_a_batch_can_be_cancelled(in_threes):
    with pytest.raises(Cancelled):
        tiny_predictor().encoder.embed_batch(
            planes((40, 60)), is_cancelled=lambda: True
        )
