"""Which voxel a ray shows, by rendering."""

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam.plugin.viewer.seen_voxel import seen_voxel


@pytest.fixture
def image():
    viewer = ViewerModel()
    data = np.zeros((10, 6, 6), np.float32)
    data[2, 3, 3], data[4, 3, 3], data[7, 3, 3] = 30, 60, 100
    layer = viewer.add_image(data, contrast_limits=(0, 100), scale=(2, 1, 1))
    viewer.dims.ndisplay = 3
    return layer


@pytest.mark.parametrize(
    ("rendering", "plane"),
    [("mip", 7), ("attenuated_mip", 7), ("translucent", 4), ("iso", 4)],
)
def test_the_brightest_or_the_first_that_is_bright(image, rendering, plane):
    image.rendering = rendering
    assert seen_voxel(image, (-4, 3, 3), (1, 0, 0), [0, 1, 2]) == (plane, 3, 3)


def test_from_behind_the_first_bright_one_is_another(image):
    image.rendering = "translucent"
    assert seen_voxel(image, (40, 3, 3), (-1, 0, 0), [0, 1, 2]) == (7, 3, 3)


def test_beside_the_volume_nothing_is_seen(image):
    assert seen_voxel(image, (-4, 30, 30), (1, 0, 0), [0, 1, 2]) is None


def test_of_several_that_are_equally_bright_the_one_in_the_middle(image):
    image.data[2:7, 3, 3] = 100
    image.data[7:, 3, 3] = 0
    for rendering in ("mip", "translucent", "iso"):
        image.rendering = rendering
        assert seen_voxel(image, (-4, 3, 3), (1, 0, 0), [0, 1, 2]) == (4, 3, 3)
