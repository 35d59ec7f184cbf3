import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam.ops.outline_tracing import trace_masks
from napari_sam.ops.polygons import (
    as_one_ring,
    fill_rings,
    mask_of_rings,
    rings_of,
    simplify,
)

MASKS = hnp.arrays(
    np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.booleans()
)


def mask(*rows):
    return np.array([[letter == "#" for letter in row] for row in rows])


def test_a_pixel_is_a_square_that_goes_clockwise():
    ((pixel,),) = trace_masks([mask("..", ".#")])
    assert pixel.exterior.tolist() == [[1, 1], [1, 2], [2, 2], [2, 1]]
    assert pixel.holes == ()


def test_a_hole_goes_the_other_way_round():
    ((ring,),) = trace_masks([mask("###", "#.#", "###")])
    assert ring.exterior.tolist() == [[0, 0], [0, 3], [3, 3], [3, 0]]
    (hole,) = ring.holes
    assert sorted(hole.tolist()) == [[1, 1], [1, 2], [2, 1], [2, 2]]
    col, row = hole[:, 1], hole[:, 0]
    assert (col * np.roll(row, -1) - row * np.roll(col, -1)).sum() == -2


def test_pixels_that_meet_in_a_corner_are_two_pieces():
    (pieces,) = trace_masks([mask("#.", ".#")])
    assert [one.exterior.tolist() for one in pieces] == [
        [[0, 0], [0, 1], [1, 1], [1, 0]],
        [[1, 1], [1, 2], [2, 2], [2, 1]],
    ]


def test_a_hole_that_meets_the_outside_in_a_corner_is_a_hole():
    ((ring,),) = trace_masks([mask("###", "#.#", "##.")])
    assert len(ring.exterior) == 6 and len(ring.holes) == 1


def test_an_empty_mask_has_no_piece():
    assert trace_masks([np.zeros((3, 4), bool), np.ones((1, 1), bool)])[0] == ()
    assert trace_masks([]) == []


def test_masks_larger_than_a_batch_are_traced():
    masks = [np.ones((4, 4), bool), np.ones((1, 2), bool), np.ones((2, 2), bool)]
    found = trace_masks(masks, batch=10)
    assert [one.exterior.max(0).tolist() for (one,) in found] == [
        [4, 4],
        [1, 2],
        [2, 2],
    ]


@settings(deadline=None, max_examples=200)
@given(st.lists(MASKS, max_size=4))
def test_what_is_traced_is_filled_to_the_same_pixels(masks):
    import shapely

    for one, polygons in zip(masks, trace_masks(masks), strict=True):
        np.testing.assert_array_equal(fill_rings(rings_of(polygons), one.shape), one)
        shapes = [shapely.Polygon(p.exterior, p.holes) for p in polygons]
        assert all(shape.is_valid for shape in shapes)
        assert shapely.MultiPolygon(shapes).is_valid
        assert sum(shape.area for shape in shapes) == one.sum()
        if polygons:
            ring = as_one_ring(polygons)
            np.testing.assert_array_equal(fill_rings([ring], one.shape), one)


def test_a_simple_outline_moves_by_no_more_than_the_tolerance():
    rows, cols = np.ogrid[:60, :60]
    disc = (rows - 30) ** 2 + (cols - 30) ** 2 < 24**2
    (polygons,) = trace_masks([disc])
    (simple,) = simplify(polygons, 1.0)
    assert len(simple.exterior) < len(polygons[0].exterior) / 3
    again = fill_rings([simple.exterior], disc.shape)
    assert (again & disc).sum() / (again | disc).sum() > 0.95
    assert simplify(polygons, 0) == polygons


def test_a_piece_that_would_vanish_stays():
    (polygons,) = trace_masks([np.ones((1, 1), bool)])
    (simple,) = simplify(polygons, 50)
    assert fill_rings([simple.exterior], (1, 1)).all()


def test_what_lies_beyond_the_image_is_cut_off():
    ring = np.array([(-3.0, -2.0), (-3.0, 4.0), (2.0, 4.0), (2.0, -2.0)])
    found, corner = mask_of_rings([ring], (10, 3))
    assert corner == (0, 0) and found.shape == (2, 3) and found.all()
    found, corner = mask_of_rings([ring + 50], (10, 10))
    assert not found.size


@pytest.mark.parametrize("angle", [0.0, 0.3, 1.1])
def test_a_slanting_outline_is_filled_where_centres_lie_within(angle):
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    square = np.array([(-5, -5), (-5, 5), (5, 5), (5, -5)]) @ turn + 10
    rows, cols = np.mgrid[:20, :20] + 0.5
    inside = np.abs(np.stack([rows - 10, cols - 10], -1) @ turn.T).max(-1) < 5
    np.testing.assert_array_equal(fill_rings([square], (20, 20)), inside)


def test_a_bridge_that_is_gone_over_twice_leaves_no_trace():
    generator = np.random.default_rng(0)
    for _ in range(300):
        one, other = generator.integers(0, 60, (2, 2)) + generator.choice([0, 0.5])
        bridge = np.array([one, other], np.float64)
        assert not fill_rings([bridge], (60, 60)).any()
