"""Vectors and features of objects: the same each time, and not made twice."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from colour_model import ColourModel, coloured_discs

import napari_sam
from napari_sam.inference import loaded_models
from napari_sam.workflows.queries import object_embeddings
from napari_sam.workflows.queries.classification_features import classification_features
from napari_sam.workflows.queries.find import ask_objects

IMAGE, LABELS = coloured_discs(["red", "green", "red", "blue", "green", "red"])


def test_features_of_classes_have_names_and_follow_the_labels():
    model = ColourModel(64)
    values, columns = classification_features(IMAGE, LABELS, model=model)
    assert values.shape == (6, len(columns)) and values.dtype == np.float32
    assert len(set(columns)) == len(columns)
    assert columns[-3:] == ("red", "green", "blue")
    redness = values[:, columns.index("red")]
    assert sorted(np.argsort(-redness)[:3]) == [0, 2, 5]
    larger = np.where(LABELS > 0, 20 - 3 * LABELS, 0)  # in falling order, with gaps
    again, names = classification_features(IMAGE, larger, model=model)
    assert names == columns
    np.testing.assert_array_equal(again, values[::-1])


def test_an_embedding_alone_knows_no_intensities():
    model = ColourModel(64)
    embedding = model.embed(IMAGE, scale="whole")
    values, columns = classification_features(embedding, LABELS, model=model)
    known = dict(zip(columns, np.isfinite(values).all(axis=0), strict=True))
    assert known["log_area"] and not known["brightness"] and not known["blue"]


def test_objects_of_the_same_labels_are_described_once(monkeypatch):
    model, asked = ColourModel(64), []
    real = object_embeddings.object_features

    def counted(*args):
        asked.append(args)
        return real(*args)

    monkeypatch.setattr(object_embeddings, "object_features", counted)
    embedding = model.embed(IMAGE)
    for _ in range(3):
        classification_features(embedding, LABELS, model=model)
    assert len(asked) == 1
    classification_features(embedding, LABELS * (LABELS != 2), model=model)
    assert len(asked) == 2
    for _ in range(100):
        classification_features(model.embed(IMAGE), LABELS, model=model)
    assert len(object_embeddings._KNOWN[model]) <= 64


def test_one_example_is_enough_without_a_head():
    model = ColourModel(64)
    found = ask_objects(IMAGE, LABELS, None, like=LABELS == 1, model=model)
    assert {tuple(c) for c in IMAGE[found.labels > 0].tolist()} == {(200, 40, 40)}
    assert len(found.scores) == 3
    assert "has no head" in found.notes[0]


def test_many_examples_take_no_square_of_memory():
    vectors = np.ones((8000, 2), np.float32)  # 256 MB, all with all
    tracemalloc.start()
    try:
        object_embeddings.similarity(vectors, vectors)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * 2**20


@pytest.mark.slow
def test_vectors_do_not_depend_on_the_other_objects_or_the_session():
    model = napari_sam.load_model("cells", device="cpu")
    image = napari_sam.load_sample("nuclei_2d")[:200, :200]
    labels = napari_sam.segment(image, model=model)
    vectors = napari_sam.embed_objects(image, labels, model=model)
    few = np.where(np.isin(labels, (3, 5, 9)), labels, 0)
    some = napari_sam.embed_objects(image, few, model=model)
    assert (np.sum(some * vectors[[2, 4, 8]], axis=1) > 0.97).all()
    loaded_models.forget_loaded()
    fresh = napari_sam.load_model("cells", device="cpu")
    again = napari_sam.embed_objects(image, labels, model=fresh)
    np.testing.assert_allclose(again, vectors, atol=1e-5)
