"""Rendered scenes: repeatable, labelled, and part of the training samples."""

import numpy as np
import pytest
from scipy import ndimage

from napari_sam.training.synthetic_images import render_scene


@pytest.mark.parametrize("seed", range(12))
def test_objects_are_few_pieces_that_stand_out(seed):
    image, labels = render_scene(np.random.default_rng(seed), side=128)
    assert image.shape == (128, 128, 3)
    assert image.dtype == np.uint8
    assert labels.dtype == np.int32
    ids = np.unique(labels[labels > 0])
    assert len(ids) >= 1
    assert ids.tolist() == list(range(1, len(ids) + 1))
    largest = max(ids, key=lambda i: (labels == i).sum())
    pieces, _ = ndimage.label(labels == largest)
    areas = np.bincount(pieces.ravel())[1:]
    assert areas.max() >= 0.5 * areas.sum()
    assert image.std() > 1


def test_a_scene_follows_from_its_generator():
    first, second = (render_scene(np.random.default_rng(3), 64) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    other, _ = render_scene(np.random.default_rng(4), 64)
    assert not np.array_equal(first[0], other)
