"""Rendered scenes: repeatable, densely labelled, of the size that was asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.training.rendering import KINDS, render_scene

SMALLEST = 20
"""Pixels below which nothing is an object."""


def scene_of(kind, seed=0, size=(128, 128)):
    return render_scene(kind, np.random.default_rng(seed), size)


@pytest.mark.parametrize("size", [(128, 128), (512, 512)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_an_image_with_the_labels_of_its_objects(kind, size):
    scene = scene_of(kind, 1, size)
    assert scene.image.shape in (size, (*size, 3))
    assert scene.image.dtype in (np.uint8, np.uint16)
    assert scene.image.std() > 1
    assert scene.labels.shape == size
    assert scene.labels.dtype == np.uint16
    assert scene.level in ("nuclei", "cells", "objects")
    areas = np.bincount(scene.labels.ravel())[1:]
    assert (areas >= SMALLEST).all()  # so the numbers are dense too


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_follows_from_the_state_of_its_generator(kind):
    first, second, other = scene_of(kind, 5), scene_of(kind, 5), scene_of(kind, 6)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert first.image.shape != other.image.shape or (first.image != other.image).any()


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(64, 160), st.integers(64, 160)),
)
def test_nuclei_lie_in_the_cells_that_have_their_numbers(kind, seed, size):
    scene = scene_of(kind, seed, size)
    assert scene.labels.shape == size
    areas = np.bincount(scene.labels.ravel())[1:]
    assert (areas >= SMALLEST).all()
    if scene.nuclei is not None:
        assert scene.level == "cells"
        inside = scene.nuclei > 0
        np.testing.assert_array_equal(scene.nuclei[inside], scene.labels[inside])
        nuclei = np.bincount(scene.nuclei.ravel())[1:]
        assert (nuclei[nuclei > 0] >= SMALLEST).all()


def test_cells_are_rendered_with_their_nuclei():
    scenes = [scene_of("cells_fluo_round", seed) for seed in range(12)]
    assert any(scene.nuclei is not None and scene.nuclei.any() for scene in scenes)


def test_a_kind_that_is_none_is_named_beside_those_there_are():
    with pytest.raises(ValueError, match="no kind 'cats' of scene; wanted one of"):
        scene_of("cats")


def test_a_scene_too_small_for_objects_is_refused():
    with pytest.raises(ValueError, match="64 pixels a side or more"):
        scene_of(KINDS[0], size=(20, 400))


def test_an_empty_field_has_no_object_and_every_other_kind_has_some():
    counts = {kind: int(scene_of(kind, 2).labels.max()) for kind in KINDS}
    assert [kind for kind, count in counts.items() if count == 0] == ["empty"]
