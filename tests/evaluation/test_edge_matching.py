import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from skimage import morphology

from napari_sam.evaluation.edge_matching import match_boundaries, thin


def line(*columns, width=12):
    mask = np.zeros((1, width), bool)
    mask[0, list(columns)] = True
    return mask


def columns(mask):
    return np.flatnonzero(mask[0]).tolist()


def test_each_pixel_has_one_partner_at_most():
    first, second = match_boundaries(line(1, 3), line(2), 1)
    assert len(columns(first)) == 1
    assert columns(second) == [2]


def test_the_most_pairs_are_found_where_the_nearest_would_not_do():
    # 3 must leave 2 to 1 and go with 4; 8 has no partner.
    first, second = match_boundaries(line(1, 3, 8), line(2, 4), 1)
    assert columns(first) == [1, 3]
    assert columns(second) == [2, 4]


def test_a_doubled_line_is_one_line_and_one_mistake():
    true, doubled = np.zeros((9, 20), bool), np.zeros((9, 20), bool)
    true[4], doubled[3], doubled[5] = True, True, True
    first, second = match_boundaries(doubled, true, 2)
    assert np.count_nonzero(first) == 20
    assert second.sum() == true.sum()


@pytest.mark.parametrize(
    ("tolerance", "pairs"), [(0, 0), (4.99, 0), (5, 1), (5.5, 1), (20, 1)]
)
def test_the_tolerance_is_a_distance_and_counts_itself(tolerance, pairs):
    first, second = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
    first[0, 1], second[3, 5] = True, True
    for matched in match_boundaries(first, second, tolerance):
        assert np.count_nonzero(matched) == pairs


def test_nothing_matches_nothing():
    empty, some = line(), line(3)
    for a, b in ((empty, some), (some, empty), (empty, empty)):
        assert not any(matched.any() for matched in match_boundaries(a, b, 2))


maps = arrays(bool, (7, 9))


@settings(max_examples=60)
@given(maps, maps, st.sampled_from([0, 1, 1.5, 2.3]))
def test_as_many_pairs_as_any_matching_has(first, second, tolerance):
    a, b = np.argwhere(first), np.argwhere(second)
    near = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1)) <= tolerance
    expected = 0
    if near.any():
        partners = maximum_bipartite_matching(csr_array(near.astype(np.int8)))
        expected = np.count_nonzero(partners >= 0)
    matched = match_boundaries(first, second, tolerance)
    assert [np.count_nonzero(some) for some in matched] == [expected, expected]
    assert not (matched[0] & ~first).any()
    assert not (matched[1] & ~second).any()


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="one shape"):
        match_boundaries(line(1), line(1, width=5), 1)
    with pytest.raises(ValueError, match="0 or greater"):
        match_boundaries(line(1), line(1), -1)


@settings(max_examples=60)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_thinning_is_that_of_guo_and_hall(edges):
    before = edges.copy()
    np.testing.assert_array_equal(thin(edges), morphology.thin(edges))
    np.testing.assert_array_equal(edges, before)


def test_a_thick_line_becomes_thin():
    edges = np.zeros((9, 30), bool)
    edges[3:6, 2:28] = True
    thinned = thin(edges)
    assert (thinned.sum(axis=0) <= 1).all()
    assert thinned[4, 5:25].all()
