import numpy as np
import pytest

from napari_sam.plugin.annotator.prompt_layers import PREVIEW_COLOR, color_on
from napari_sam.plugin.model.thumbnails import (
    candidate_picture,
    common_window,
    plane_picture,
)


def test_intensities_are_clipped_to_the_contrast_limits():
    plane = np.array([[-5.0, 0, 50, 100, 500, np.nan]])
    picture = plane_picture(plane, (0, 100))
    assert picture.step == 1
    assert picture.pixels[0, :, 0].tolist() == [0, 0, 127, 255, 255, 0]


def test_uint8_does_not_wrap():
    picture = plane_picture(np.array([[10, 250]], np.uint8), (100, 200))
    assert picture.pixels[0, :, 1].tolist() == [0, 255]


def test_large_planes_are_thinned_and_colour_kept():
    picture = plane_picture(np.full((3000, 10, 4), 200, np.uint8), (0, 255))
    assert picture.step == 3
    assert picture.pixels.shape == (1000, 4, 3)
    assert (picture.pixels == 200).all()


def test_equal_limits_give_black():
    assert not plane_picture(np.ones((4, 4)), (1, 1)).pixels.any()


def test_the_window_holds_every_mask_and_stays_inside():
    masks = np.zeros((2, 100, 80), bool)
    masks[0, 2:50, 60:79] = True
    masks[1, 40:60, 40:45] = True
    top, left, bottom, right = common_window(masks)
    assert (top, bottom) == (0, 78)
    assert left <= 40
    assert right == 80
    assert common_window(np.zeros((1, 30, 30), bool)) == (0, 0, 30, 30)


def test_a_candidate_is_tinted_with_its_edge_in_full_colour():
    picture = plane_picture(np.full((40, 40), 100, np.uint8), (0, 255))
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = True
    drawn = candidate_picture(picture, mask, (0, 0, 40, 40), 40, (255, 0, 0))
    assert drawn.shape == (40, 40, 3)
    assert drawn[10, 10].tolist() == [255, 0, 0]
    assert drawn[20, 20].tolist() == [162, 60, 60]
    assert drawn[0, 0].tolist() == [100, 100, 100]
    tall = candidate_picture(picture, mask, (0, 0, 40, 20), 20, (255, 0, 0))
    assert tall.shape == (20, 10, 3)


@pytest.mark.parametrize("ground", [(0, 0, 0), (150, 150, 150)])
def test_the_preview_is_yellow_on_dark_ground(ground):
    assert color_on(np.array(ground, float)) == PREVIEW_COLOR


@pytest.mark.parametrize("ground", [(255, 255, 255), (240, 220, 235), (255, 230, 90)])
def test_the_preview_has_another_colour_on_bright_ground(ground):
    assert color_on(np.array(ground, float)) != PREVIEW_COLOR
