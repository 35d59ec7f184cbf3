"""Objects of a plane, chosen among nested regions of its maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label

from napari_sam.ops.basin_tree import grow_basins
from napari_sam.ops.extended_minima import extended_minima
from napari_sam.ops.plane_candidates import (
    THRESHOLDS,
    choose_in_plane,
    find_in_plane,
)
from napari_sam.ops.plane_measures import MEASURES, PlaneContent


def discs(shape, *placed):
    """Return labels with a disc of each (row, col, radius)."""
    labels = np.zeros(shape, np.int32)
    rows, cols = np.indices(shape)
    for number, (row, col, radius) in enumerate(placed, 1):
        labels[(rows - row) ** 2 + (cols - col) ** 2 <= radius**2] = number
    return labels


def maps_of(labels):
    """Return maps as a perfect dense head would make them."""
    maps = np.ones((3, *labels.shape), np.float32)
    maps[0] = labels > 0
    for number in range(1, labels.max() + 1):
        inside = labels == number
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        maps[1:, inside] = 1 - depth[inside] / depth.max()
    return maps


def candidates_of(labels):
    image = (labels > 0).astype(np.float32)
    return find_in_plane(maps_of(labels), PlaneContent(image, 1.0, 1.0), 5)


def mask_of(candidates, row):
    """Return the pixels of a candidate."""
    tree = candidates.tree
    regions = [int(candidates.region[row])]
    basins = []
    while regions:
        region = regions.pop()
        if region < tree.count:
            basins.append(region + 1)
        else:
            regions += tree.joined[region - tree.count].tolist()
    inside = candidates.level > candidates.threshold[row]
    return np.isin(tree.basins, basins) & inside


def overlaps(candidates, labels):
    """Return the best IoU of each candidate with a true object."""
    best = []
    for row in range(len(candidates)):
        mine = mask_of(candidates, row)
        each = [labels == number for number in range(1, labels.max() + 1)]
        best.append(max((mine & one).sum() / (mine | one).sum() for one in each))
    return np.array(best)


TOUCHING = discs((48, 96), (24, 20, 14), (24, 46, 13), (24, 80, 5))


def test_objects_that_touch_are_found_where_each_is_judged_rightly():
    candidates = candidates_of(TOUCHING)
    found, chosen = choose_in_plane(
        candidates, overlaps(candidates, TOUCHING), 0.5, 0.5
    )
    assert found.max() == len(chosen) == 3
    for number in (1, 2, 3):
        own = np.bincount(found[number == TOUCHING]).argmax()
        both = (found == own) & (number == TOUCHING)
        assert both.sum() > 0.9 * ((found == own) | (number == TOUCHING)).sum()


def test_two_parts_are_one_object_where_the_whole_is_worth_more():
    candidates = candidates_of(TOUCHING)
    sizes = candidates.tree.sizes()[candidates.region]
    assert set(sizes.tolist()) == {1, 2}
    whole, _ = choose_in_plane(candidates, np.where(sizes == 2, 0.9, 0.6), 0.4, 0.4)
    assert (whole > 0).sum() == (TOUCHING > 0).sum()
    assert whole.max() == 2  # the pair, and the small disc
    parts, _ = choose_in_plane(candidates, np.where(sizes == 2, 0.9, 0.7), 0.4, 0.4)
    assert parts.max() == 3  # 0.3 and 0.3 are more than 0.5


def test_every_candidate_that_is_chosen_has_its_own_pixels():
    candidates = candidates_of(TOUCHING)
    scores = np.random.default_rng(0).random(len(candidates))
    found, chosen = choose_in_plane(candidates, scores, 0.1, 0.1)
    for number, row in enumerate(chosen, 1):
        np.testing.assert_array_equal(found == number, mask_of(candidates, row))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.5))
def test_doubtful_objects_never_displace_sure_ones(seed, least):
    rng = np.random.default_rng(seed)
    labels = discs((40, 60), *rng.integers((5, 5, 3), (35, 55, 9), (6, 3)).tolist())
    candidates = candidates_of(label(labels > 0))
    scores = rng.random(len(candidates))
    sure, rows = choose_in_plane(candidates, scores, 0.5, 0.5)
    more, others = choose_in_plane(candidates, scores, least, 0.5)
    kept = scores[others] > 0.5
    np.testing.assert_array_equal(others[kept], rows)
    numbers = np.append(0, np.where(kept, np.cumsum(kept), 0))
    np.testing.assert_array_equal(numbers[more], sure)


def test_what_is_measured_of_a_disc_is_true():
    labels = discs((60, 60), (30, 30, 15))
    candidates = candidates_of(labels)
    row = int(np.argmax(overlaps(candidates, labels)))
    told = dict(zip(MEASURES, candidates.measures[row].tolist(), strict=True))
    assert told["mean foreground"] == 1
    assert told["second axis by the first"] == pytest.approx(1, abs=0.01)
    assert told["area by that of an ellipse with the same moments"] == pytest.approx(
        1, abs=0.02
    )
    assert told["outline of a disc by the outline"] == pytest.approx(1, abs=0.05)
    assert told["share of the outline at other objects"] == 0
    assert told["share at the border"] == 0
    assert told["fall of the foreground at the outline"] == pytest.approx(1)
    assert told["contrast to the ground beside it"] > 0.5
    side = np.log(np.sqrt((labels > 0).sum()))
    assert told["logarithm of the side in the model's frame"] == pytest.approx(
        side, abs=1e-5
    )


def test_an_object_is_compared_with_the_others_of_its_plane():
    labels = discs((60, 120), *((15, 15 + 30 * k, 9) for k in range(4)), (45, 60, 9))
    image = np.where(labels == 5, 0.2, (labels > 0).astype(float)).astype(np.float32)
    candidates = find_in_plane(maps_of(labels), PlaneContent(image, 1.0, 1.0), 5)
    place = MEASURES.index("contrast by that of likely objects")
    faint = [mask_of(candidates, row)[45, 60] for row in range(len(candidates))]
    assert candidates.likely.sum() == 5
    assert (candidates.measures[faint, place] < 0.5).all()
    assert (candidates.measures[~np.array(faint), place] > 0.8).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (7, 2)])
def test_planes_of_any_shape_have_candidates_or_none(shape):
    everything = np.ones((3, *shape), np.float32)
    everything[1:] = 0
    content = PlaneContent(np.ones((*shape, 3), np.float32))
    found = find_in_plane(everything, content, 1)
    assert len(found) == len(THRESHOLDS) and np.isfinite(found.measures).all()
    nothing = np.zeros((3, *shape), np.float32)
    empty = find_in_plane(nothing, content)
    labels, chosen = choose_in_plane(empty, np.zeros(0), 0.4, 0.4)
    assert (len(empty), labels.any(), len(chosen)) == (0, False, 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.4))
def test_basins_of_a_depth_are_those_of_the_extended_minima(seed, depth):
    rng = np.random.default_rng(seed)
    relief = ndimage.gaussian_filter(rng.random((30, 40)), 1.5)
    relief = (relief - relief.min()) / np.ptp(relief)
    mask = ndimage.gaussian_filter(rng.random((30, 40)), 2.0) > 0.49
    count = label(extended_minima(relief, depth, mask)).max()
    assert grow_basins(relief, depth, mask).count == count
    tree = grow_basins(relief, 0.01, mask)
    assert tree.count - (tree.persistence < depth).sum() == count


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_least_region_of_two_basins_is_the_first_that_holds_both(seed):
    relief = np.random.default_rng(seed).random((12, 15))
    mask = np.ones(relief.shape, bool)
    mask[6] = False
    tree = grow_basins(relief, 0.01, mask)
    parent = tree.parents().tolist()

    def line(region):
        return [region, *(line(parent[region]) if parent[region] >= 0 else [])]

    one, other = np.meshgrid(*[np.arange(tree.count)] * 2)
    found = tree.least_common(one.ravel(), other.ravel())
    for a, b, region in zip(one.ravel(), other.ravel(), found, strict=True):
        shared = [r for r in line(int(a)) if r in line(int(b))]
        assert region == (shared[0] if shared else -1)
