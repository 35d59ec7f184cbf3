"""Where a plane that was seen as a whole shows nothing."""

import numpy as np

from napari_sam.inference.empty_regions import ContentMap
from napari_sam.inference.plane_views import PlaneView

NOTHING = np.zeros((512, 640), np.float32)
LEFT, RIGHT = (0, 0, 512, 256), (0, 384, 512, 640)


def content_of(image, foreground=NOTHING, limits=(0.0, 200.0)):
    return ContentMap(PlaneView.of(image, 64, limits), foreground)


def test_ground_with_noise_shows_nothing():
    rng = np.random.default_rng(0)
    content = content_of(rng.normal(50, 3, NOTHING.shape).astype(np.float32))
    assert not content.is_in((0, 0, 512, 640))
    assert content.parts(48, 256) == []


def test_what_is_too_small_for_the_model_to_see_has_contrast():
    image = np.full(NOTHING.shape, 50, np.uint8)
    image[300:308, 500:508] = 120
    content = content_of(image)
    assert content.is_in(RIGHT)
    assert not content.is_in(LEFT)


def test_what_the_model_sees_is_there_even_without_contrast():
    foreground = NOTHING.copy()
    foreground[100:200, 100:200] = 0.2
    content = content_of(np.full(NOTHING.shape, 50, np.uint8), foreground)
    assert content.is_in(LEFT)
    assert not content.is_in(RIGHT)


def test_colour_counts_in_each_channel():
    image = np.full((*NOTHING.shape, 3), 50, np.uint8)
    image[300:340, 500:540, 2] = 90
    assert content_of(image).is_in(RIGHT)
    assert not content_of(image).is_in(LEFT)


def test_boxes_hold_all_that_is_there_with_room_around_it_and_do_not_overlap():
    image = np.full((2000, 2000), 50, np.uint8)
    spots = [(10, 10), (900, 1000), (950, 1100), (1985, 30)]
    for row, col in spots:
        image[row : row + 10, col : col + 10] = 150
    content = content_of(image, np.zeros(image.shape, np.float32))
    boxes = content.parts(margin=48, least=256)
    assert len(boxes) == 3
    for row, col in spots:
        holding = [
            box
            for box in boxes
            if box[0] <= max(row - 40, 0)
            and box[1] <= max(col - 40, 0)
            and box[2] >= min(row + 50, 2000)
            and box[3] >= min(col + 50, 2000)
        ]
        assert len(holding) == 1
    for top, left, bottom, right in boxes:
        assert min(bottom - top, right - left) >= 256
        assert 0 <= top < bottom <= 2000
        assert 0 <= left < right <= 2000
