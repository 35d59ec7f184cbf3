"""The candidate in the dense maps that is like what was said of an object."""

import numpy as np
import pytest
from balls import draw_balls
from scipy import ndimage

from napari_sam.checkpoints.volume_weights import load_volume_head
from napari_sam.training.volume_targets import volume_targets
from napari_sam.workflows.growing.object_in_maps import (
    SeenBox,
    SeenPlane,
    fitting_candidate,
    part_of,
)

TRUTH = draw_balls((24, 40, 56), [(12, 20, 16, 9), (12, 20, 35, 9)])
BOX = SeenBox(
    ndimage.gaussian_filter((TRUTH > 0).astype(np.float32), 1.0),
    ndimage.gaussian_filter(volume_targets(TRUTH), (0, 1, 1, 1)),
)


@pytest.fixture(scope="module")
def head():
    return load_volume_head().head


def iou(one, other):
    return np.count_nonzero(one & other) / np.count_nonzero(one | other)


@pytest.mark.parametrize("number", [1, 2])
def test_of_two_that_touch_the_one_that_was_outlined_is_found(head, number):
    given = {12: TRUTH[12] == number}
    found = fitting_candidate(head, BOX, given, 1.0, (0, 1))
    assert iou(found, number == TRUTH) > 0.7
    assert iou(found, 3 - number == TRUTH) < 0.05


def test_nothing_is_found_where_no_candidate_is_like_the_outline(head):
    corner = np.zeros(TRUTH.shape[1:], bool)
    corner[:4, :4] = True
    assert fitting_candidate(head, BOX, {2: corner}, 1.0, (0, 1)) is None


def test_it_stops_when_it_is_told_to(head):
    given = {12: TRUTH[12] == 1}
    assert fitting_candidate(head, BOX, given, 1.0, (0, 1), lambda: True) is None


def test_planes_that_were_seen_in_other_windows_are_put_together():
    plane = np.arange(80, dtype=np.float32).reshape(8, 10)
    maps = np.stack([plane, plane + 100, plane + 200])
    narrow = (slice(2, 6), slice(3, 8))
    wide = SeenPlane.of((slice(0, 8), slice(1, 10)), plane, maps)
    same = SeenPlane.of(narrow, plane, maps)
    assert wide.covers(narrow) and not same.covers(wide.window)
    assert part_of(wide.window, narrow) == (slice(2, 6), slice(2, 7))
    box = SeenBox.of([wide, same], narrow)
    np.testing.assert_array_equal(box.image, [plane[narrow]] * 2)
    np.testing.assert_array_equal(box.maps[1], [plane[narrow] + 100] * 2)


def test_the_image_is_shown_between_its_limits():
    shown = SeenBox(np.array([[[0, 50, 300]]], np.float32), BOX.maps).shown((0, 100))
    assert shown.tolist() == [[[0.0, 0.5, 1.0]]]
