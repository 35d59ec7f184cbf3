"""Nuclei are taken in place of the cells that hold them."""

import numpy as np

from napari_sam.ops.nuclei_in_cells import nuclei_of
from napari_sam.ops.watershed import measure_labels

MAPS = np.full((3, 40, 60), 0.1, np.float32)


def squares(*places):
    """Objects, each a square of (row, column, side)."""
    labels = np.zeros(MAPS.shape[1:], np.int32)
    for number, (row, column, side) in enumerate(places, 1):
        labels[row : row + side, column : column + side] = number
    return measure_labels(labels, MAPS)


def boxes(found):
    return sorted(map(tuple, found.boxes.tolist()))


def test_a_cell_gives_way_to_its_nucleus():
    cells, nuclei = squares((0, 0, 20), (0, 30, 20)), squares((5, 5, 8), (6, 36, 8))

    assert boxes(nuclei_of(cells, nuclei, MAPS)) == boxes(nuclei)


def test_a_cell_with_two_nuclei_gives_way_to_both():
    nuclei = squares((2, 2, 6), (2, 12, 6))

    assert boxes(nuclei_of(squares((0, 0, 20)), nuclei, MAPS)) == boxes(nuclei)


def test_where_only_nuclei_are_stained_whole_objects_stay():
    whole, nuclei = squares((0, 0, 10), (20, 20, 10)), squares((0, 0, 9), (20, 20, 11))

    found = nuclei_of(whole, nuclei, MAPS)

    assert np.array_equal(found.labels, whole.labels)
    assert np.array_equal(found.scores, whole.scores)


def test_a_piece_of_a_nucleus_is_no_nucleus_of_its_own():
    whole, piece = squares((0, 0, 20)), squares((5, 5, 8))

    found = nuclei_of(whole, piece, MAPS + 0.6)  # a nucleus all around the piece

    assert boxes(found) == boxes(whole)


def test_a_nucleus_whose_cell_was_not_found_is_found_among_cells():
    cells, nuclei = squares((0, 0, 20)), squares((5, 5, 8), (25, 40, 8))

    assert boxes(nuclei_of(cells, nuclei, MAPS)) == boxes(nuclei)


def test_where_there_are_no_cells_nothing_is_found_beside_the_whole_objects():
    whole = squares((0, 0, 10))

    assert boxes(nuclei_of(whole, squares((25, 40, 8)), MAPS)) == boxes(whole)


def test_a_cell_without_a_nucleus_is_none_where_others_have_one():
    cells = squares((0, 0, 20), (0, 21, 12), (0, 40, 20), (25, 0, 9), (22, 40, 16))

    nuclei = squares((5, 5, 8), (3, 24, 6), (5, 45, 8))

    found = nuclei_of(cells, nuclei, MAPS)

    assert boxes(found) == sorted([*boxes(nuclei), (25, 0, 34, 9)])


def test_nothing_is_found_in_nothing():
    assert len(nuclei_of(squares(), squares(), MAPS)) == 0
