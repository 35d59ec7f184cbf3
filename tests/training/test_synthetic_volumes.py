"""Volumes that are drawn, and what is learned from them."""

import numpy as np
import pytest

from napari_sam.training.synthetic_volumes import pile_of_planes, render_volume
from napari_sam.training.volume_targets import volume_targets

SHAPE = (10, 48, 40)


@pytest.mark.parametrize("seed", range(8))
def test_a_volume_has_labels_without_gaps_and_is_the_same_for_a_seed(seed):
    image, labels = render_volume(np.random.default_rng(seed), SHAPE)
    assert image.shape == labels.shape == SHAPE
    assert image.dtype == np.uint8 and labels.dtype == np.uint16
    assert image.min() < image.max()
    sizes = np.bincount(labels.ravel())
    assert (sizes[1:] >= 20).all()
    again, _ = render_volume(np.random.default_rng(seed), SHAPE)
    np.testing.assert_array_equal(again, image)


def test_objects_of_planes_get_a_depth():
    plane = np.full((48, 40), 0.2, np.float32)
    marked = np.zeros((48, 40), np.int32)
    marked[10:26, 12:28] = 1
    plane[marked > 0] = 0.9
    image, labels = pile_of_planes(
        np.random.default_rng(3), [(plane, marked)] * 3, SHAPE
    )
    assert image.shape == SHAPE and labels.max() >= 1
    first = np.argwhere(labels == 1)
    assert np.ptp(first[:, 0]) >= 2  # lies in several planes
    assert not labels[:, marked == 0].any()


def test_targets_are_the_distances_to_centre_and_boundary():
    labels = np.zeros((5, 9, 11), np.int32)
    labels[1:4, 2:7, 1:6] = 3
    labels[1:4, 2:7, 6:10] = 7  # touches the first
    said = volume_targets(labels)
    assert said.shape == (3, 5, 9, 11) and said.dtype == np.float32
    np.testing.assert_array_equal(said[0], labels > 0)
    assert (said[1:, labels == 0] == 1).all()
    assert said[1, 2, 4, 3] == 0 and said[2, 2, 4, 3] == 0  # the middle of the first
    assert said[2, 2, 4, 5] == said[2, 2, 4, 6] == 1  # where both touch
    assert said[1][labels == 7].max() == 1


def test_nothing_is_all_background():
    said = volume_targets(np.zeros((2, 3, 4), np.int32))
    assert not said[0].any() and (said[1:] == 1).all()
