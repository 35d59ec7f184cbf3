"""Crops, grids and the mending of small regions, on cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam.ops.rle import Rle
from napari_sam.ops.types import MaskRecord
from napari_sam.workflows.objects.crops import Crop, make_crops, near_crop_edge
from napari_sam.workflows.objects.mask_cleaning import (
    clean_records,
    fill_holes,
    remove_islands,
)
from napari_sam.workflows.objects.point_grids import even_grid, points_in_crop


def test_two_layers_have_one_four_and_sixteen_crops_column_after_column():
    crops = make_crops((1500, 2250), 2, 512 / 1500)
    assert [crop.layer for crop in crops] == [0] + [1] * 4 + [2] * 16
    assert crops[0].box == (0, 0, 1500, 2250)
    # An overlap of 512: sides of (1500 + 512) / 2 and (2250 + 512) / 2.
    assert [crop.box for crop in crops[1:5]] == [
        (0, 0, 1006, 1381),
        (494, 0, 1500, 1381),
        (0, 869, 1006, 2250),
        (494, 869, 1500, 2250),
    ]
    assert crops[5].shape == (567, 755)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 9), (5, 1)])
def test_crops_of_a_tiny_plane_all_have_pixels(shape):
    for crop in make_crops(shape, 3, 0.3):
        assert np.zeros(shape)[crop.slices].shape == crop.shape
        assert min(crop.shape) > 0


def test_boxes_near_an_inner_edge_of_a_crop_are_found():
    crop = Crop(1, (0, 0, 100, 100))
    boxes = np.array(
        [
            (30, 30, 70, 79),  # 21 from the right edge
            (30, 30, 70, 80),  # 20
            (0, 0, 70, 70),  # near the image's edges only
            (50, 30, 99, 70),  # near the lower edge
        ]
    )
    assert near_crop_edge(boxes, crop, (200, 200)).tolist() == [
        False,
        True,
        False,
        True,
    ]
    assert not near_crop_edge(boxes, crop, (100, 100)).any()
    assert near_crop_edge(boxes, crop, (119, 119)).tolist() == [
        False,
        True,
        False,
        False,
    ]


def test_a_grid_has_its_points_in_the_middle_of_cells_row_by_row():
    assert even_grid(2).tolist() == [
        [0.25, 0.25],
        [0.25, 0.75],
        [0.75, 0.25],
        [0.75, 0.75],
    ]
    assert even_grid(1).tolist() == [[0.5, 0.5]]


def test_points_lie_in_the_pixel_to_which_they_are_rounded_down():
    crop = Crop(1, (0, 10, 4, 18))
    free = np.zeros((4, 18), bool)
    free[1, 12] = True
    points = points_in_crop(even_grid(2), crop, free)
    assert points.tolist() == [[1.0, 2.0]]
    free[:] = True
    assert len(points_in_crop([(1.0, 1.0)], crop, free)) == 1


def draw(*rows):
    return np.array([[letter == "#" for letter in row] for row in rows])


def test_small_holes_are_filled_and_large_ones_are_not():
    mask = draw("######", "#.##.#", "####.#", "######")
    filled = fill_holes(mask, 2)
    assert filled.tolist() == draw("######", "####.#", "####.#", "######").tolist()
    assert fill_holes(mask, 3).all()
    assert fill_holes(mask, 1) is None


def test_holes_meet_at_corners():
    mask = draw("####", "#.##", "##.#", "####")
    assert fill_holes(mask, 2) is None
    assert fill_holes(mask, 3).all()


def test_what_goes_on_beyond_the_mask_is_no_hole():
    mask = draw(".##", "###")
    assert fill_holes(mask, 2).all()
    assert fill_holes(mask, 2, (True, False, False, False)) is None


def test_small_islands_go_and_the_largest_stays():
    mask = draw("##...", ".....", "...##", "..##.")
    left = remove_islands(mask, 3)
    assert left.tolist() == draw(".....", ".....", "...##", "..##.").tolist()
    assert remove_islands(mask, 9).tolist() == left.tolist()
    assert remove_islands(mask, 2) is None
    assert remove_islands(np.zeros((3, 3), bool), 5) is None


def record(mask, iou=0.9):
    rle = Rle.encode(mask)
    bbox = rle.bbox or (0, 0, 0, 0)
    return MaskRecord(rle, rle.area, bbox, iou, 1.0, (0.0, 0.0), (0, 0, *mask.shape))


def test_a_mended_mask_makes_way_for_an_untouched_one():
    whole = np.zeros((30, 30), bool)
    whole[5:25, 5:25] = True
    holed = whole.copy()
    holed[10, 10] = False
    apart = np.zeros((30, 30), bool)
    apart[0:3, 0:3] = True
    apart[0, 28] = True
    first, second, third = record(holed), record(whole), record(apart)
    found = clean_records([first, second, third], 4, 0.7)
    assert found[0] is second
    assert len(found) == 2
    assert found[1].area == 9
    assert found[1].bbox == (0, 0, 3, 3)
    assert clean_records([], 4, 0.7) == []


@pytest.mark.parametrize("seed", range(20))
def test_looking_at_the_mask_alone_is_the_same_as_at_the_plane(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(3, 20, 2))
    mask = np.zeros(shape, bool)
    r0, c0 = (rng.integers(0, n) for n in shape)
    mask[r0 : r0 + 9, c0 : c0 + 9] = (
        rng.random(mask[r0 : r0 + 9, c0 : c0 + 9].shape) > 0.4
    )
    area = int(rng.integers(2, 12))
    filled = fill_holes(mask, area)
    filled = mask if filled is None else filled
    left = remove_islands(filled, area)
    wanted = filled if left is None else left
    (found,) = clean_records([record(mask)], area, 0.7)
    assert np.array_equal(found.rle.decode(), wanted)
    assert found.area == wanted.sum()
    assert found.bbox == (Rle.encode(wanted).bbox or (0, 0, 0, 0))
