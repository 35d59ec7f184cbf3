"""Objects by text and by examples, with the included model on the included image."""

from __future__ import annotations

import numpy as np
import pytest

import napari_sam
from napari_sam import FindConfig
from napari_sam.training.rendering import render_scene
from napari_sam.workflows.queries.find import ask_objects


@pytest.fixture(scope="module")
def model(cells):
    return cells


@pytest.fixture(scope="module")
def image():
    return napari_sam.load_sample("nuclei_2d")[:200, :200]


@pytest.fixture(scope="module")
def labels(model, image):
    return napari_sam.segment(image, model=model)


def ask(image, labels, model, text=None, **examples):
    query = None if text is None else napari_sam.read_text(text)
    return ask_objects(image, labels, query, model=model, **examples)


@pytest.mark.slow
def test_nuclei_are_nuclei_and_no_mitochondria(model, image, labels):
    count = labels.max()
    assert count > 10
    assert ask(image, labels, model, "nuclei").labels.max() >= 0.9 * count
    assert ask(image, labels, model, "mitochondria").labels.max() == 0
    assert ask(image, labels, model, "everything").labels.max() == count


@pytest.mark.slow
def test_the_largest_are_the_largest(model, image, labels):
    found = ask(image, labels, model, "the 2 largest nuclei")
    areas = np.bincount(labels.ravel())[1:]
    kept = np.unique(labels[found.labels > 0])
    assert sorted(areas[kept - 1]) == sorted(areas)[-2:]
    assert found.query.count == ("largest", 2)
    assert found.scores.shape == (2,)


@pytest.mark.slow
def test_find_does_it_all_at_once(model, image, labels):
    found = napari_sam.find(image, "nuclei not touching the border", model=model)
    border = np.r_[labels[0], labels[-1], labels[:, 0], labels[:, -1]]
    touching = set(np.unique(border)) - {0}
    assert found.labels.max() >= 0.8 * (labels.max() - len(touching))
    edge = found.labels[[0, -1]], found.labels[:, [0, -1]]
    assert not any(part.any() for part in edge)


@pytest.mark.slow
def test_examples_find_others_like_them_and_counter_examples_none(model, image, labels):
    example = np.where(labels == 3, 1, 0)
    like = ask(image, labels, model, like=example)
    assert like.labels.max() > 1
    assert (like.labels[labels == 3] > 0).all()
    vectors = napari_sam.embed_objects(image, labels, model=model)
    again = ask(image, labels, model, like=vectors[2:3])
    assert again.labels.max() == pytest.approx(like.labels.max(), abs=1)
    none = ask(image, labels, model, like=example, unlike=labels)
    assert none.labels.max() <= 1


@pytest.mark.slow
def test_vectors_do_not_depend_on_the_form_of_the_masks(model, image, labels):
    vectors = napari_sam.embed_objects(image, labels, model=model)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    masks = np.stack([labels == n for n in range(1, labels.max() + 1)])
    same = napari_sam.embed_objects(image, masks, model=model)
    np.testing.assert_allclose(same, vectors, atol=2e-3)


@pytest.mark.slow
def test_another_thing_finds_nothing_and_says_what_is_known(model, image, labels):
    found = ask(image, labels, model, "a car")
    assert found.labels.max() == 0
    assert found.notes[0].startswith("Not understood: car. Known kinds: bacterium,")


@pytest.mark.slow
def test_a_kind_that_was_not_learned_is_said_to_be(model, image, labels):
    found = ask(image, labels, model, "yeast")
    assert found.labels.max() == labels.max()
    assert "has not learned what a yeast looks like" in found.notes[0]


def test_channels_lie_where_it_is_said(model, image):
    two = np.stack([image, np.zeros_like(image)])[:, :128, :128]
    found = napari_sam.find(
        two, "nuclei", model=model, config=FindConfig(channel_axis=0)
    )
    last = np.moveaxis(two, 0, -1)
    same = napari_sam.find(
        last, "nuclei", model=model, config=FindConfig(channel_axis=-1)
    )
    assert found.labels.max() >= 3
    assert np.array_equal(found.labels, same.labels)


def test_nothing_to_find_is_an_error():
    with pytest.raises(ValueError, match="give a text, or examples"):
        napari_sam.find(np.zeros((20, 20)))


def test_counter_examples_alone_are_an_error(image, labels, model):
    with pytest.raises(ValueError, match="give some as `like`"):
        napari_sam.find(image, "nuclei", unlike=labels, model=model)


@pytest.mark.slow
def test_bad_examples_are_refused(model, image, labels):
    with pytest.raises(ValueError, match="there is no example"):
        ask(image, labels, model, like=np.zeros_like(labels))
    with pytest.raises(ValueError, match=r"vectors of examples must be \(N, 192\)"):
        ask(image, labels, model, like=np.zeros((2, 5), np.float32))


@pytest.mark.slow
def test_an_image_without_objects_is_told(model, image):
    found = ask(image, np.zeros(image.shape, np.int32), model, "nuclei")
    assert found.labels.max() == 0
    assert found.notes == ("No object was found in the image.",)


def test_a_text_that_names_nuclei_looks_for_those_inside_cells(cells):
    scene = render_scene("cells_fluo_packed", np.random.default_rng(5008), (256, 256))

    nuclei = napari_sam.find(scene.image, "nuclei", model=cells).labels

    cell_of = np.unique(scene.labels[nuclei > 0])
    sizes = np.bincount(nuclei[nuclei > 0])
    true = np.bincount(np.unique(scene.nuclei, return_inverse=True)[1].ravel())[1:]
    assert len(cell_of) > 20
    assert np.median(sizes[sizes > 0]) < 1.5 * np.median(true)


@pytest.mark.slow
def test_what_was_left_out_of_a_text_is_told(model, image):
    found = napari_sam.find(image, "wobbly nuclei", model=model)
    assert found.query.unknown == ("wobbly",)
    assert found.notes[-1] == "Not understood, and left out: wobbly."
