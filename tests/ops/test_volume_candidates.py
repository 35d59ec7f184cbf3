"""Objects of a volume, chosen among those of several watersheds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_sam.ops.volume_candidates import (
    MEASURES,
    THRESHOLDS,
    choose_candidates,
    find_candidates,
)
from napari_sam.training.volume_targets import volume_targets


def balls(shape, *placed):
    """Return labels with a ball of each (z, y, x, radius)."""
    labels = np.zeros(shape, np.int32)
    at = np.indices(shape)
    for number, (*centre, radius) in enumerate(placed, 1):
        away = sum((a - c) ** 2 for a, c in zip(at, centre, strict=True))
        labels[(away <= radius**2) & (labels == 0)] = number
    return labels


def parts_of(labels, spacing=(1.0, 1.0, 1.0)):
    """Return the candidates in the true maps of labels, bright on a dark ground."""
    image = np.where(labels > 0, 0.8, 0.1).astype(np.float32)
    return find_candidates(volume_targets(labels), image, spacing)


def overlaps(candidates, labels):
    """Return the best IoU of each candidate with a ball."""
    best = []
    for k, j, n in zip(
        candidates.smoothing, candidates.threshold, candidates.number, strict=True
    ):
        mine = candidates.labels(k, j) == n
        best.append(
            max(
                np.count_nonzero(mine & (labels == one))
                / np.count_nonzero(mine | (labels == one))
                for one in range(1, labels.max() + 1)
            )
        )
    return np.array(best)


def test_objects_of_all_sizes_are_chosen_where_each_is_judged_rightly():
    labels = balls(
        (40, 40, 60), (20, 20, 16, 14), (20, 20, 36, 4), (10, 8, 50, 4), (10, 17, 50, 4)
    )
    candidates = parts_of(labels)
    found = choose_candidates(candidates, overlaps(candidates, labels), 0.5)
    assert found.max() == 4
    for number in range(1, 5):
        own = np.bincount(found[labels == number]).argmax()
        assert np.count_nonzero((found == own) & (labels == number)) > 0.9 * (
            np.count_nonzero((found == own) | (labels == number))
        )


def test_of_candidates_that_share_voxels_the_best_one_stays():
    labels = balls((20, 20, 40), (10, 10, 10, 6), (10, 10, 28, 6))
    candidates = parts_of(labels)
    scores = np.full(len(candidates), 0.5)
    scores[candidates.threshold == 3] = 0.9
    found = choose_candidates(candidates, scores, 0.4)
    expected = candidates.labels(0, 3) > 0
    np.testing.assert_array_equal(found > 0, expected)
    assert choose_candidates(candidates, scores, 0.95).max() == 0


def test_each_object_ends_where_its_basin_scores_best():
    labels = balls((20, 20, 40), (10, 10, 10, 6), (10, 10, 28, 6))
    maps = volume_targets(labels)
    away = ndimage.distance_transform_edt(labels)
    maps[0] = np.clip(0.42 + away / 10, 0, 1) * (labels > 0)
    candidates = find_candidates(maps, maps[0])
    scores = np.where(candidates.is_wide, 0.9, -1.0)
    wanted = candidates.extents(np.where(candidates.threshold == 4, 1.0, 0.0))
    assert set(wanted.tolist()) == {4}
    found = choose_candidates(candidates, scores, 0.4, extents=wanted)
    assert found.max() == 2
    np.testing.assert_array_equal(found > 0, candidates.foreground > THRESHOLDS[4])


def test_the_measures_of_a_ball_are_those_of_a_ball():
    candidates = parts_of(balls((30, 30, 30), (15, 15, 15, 9)))
    told = dict(zip(MEASURES, candidates.measures[0].tolist(), strict=True))
    assert told["mean foreground"] == 1
    assert told["volume by that of an ellipsoid with the same moments"] == (
        pytest.approx(1, abs=0.03)
    )
    assert told["third axis by the first"] == pytest.approx(1, abs=0.03)
    assert told["surface of a ball by the surface"] == pytest.approx(1, abs=0.1)
    assert told["share of the surface at other objects"] == 0
    assert told["fall of the foreground at the surface"] == 1


def test_the_image_falls_most_where_a_blurred_object_truly_ends():
    labels = balls((30, 30, 30), (15, 15, 15, 8))
    away = np.sqrt(sum((a - 15.0) ** 2 for a in np.indices(labels.shape)))
    maps = volume_targets(labels)
    maps[0] = np.clip(1.05 - away / 20, 0, 1)  # 0.64 at the true surface, and too wide
    image = (1 / (1 + np.exp(2 * (away - 8.2)))).astype(np.float32)
    candidates = find_candidates(maps, image)
    fall = MEASURES.index("fall of the image by its highest at any threshold")
    steepest = candidates.measures[candidates.measures[:, fall].argmax()]
    assert THRESHOLDS[int(steepest[MEASURES.index("threshold")])] == 0.64
    level = candidates.measures[
        :,
        MEASURES.index(
            "intensity at the surface, from that outside, 0, to that of the core, 1"
        ),
    ]
    by_extent = level[np.argsort(candidates.threshold)]
    assert (np.diff(by_extent) >= 0).all()


def test_voxels_that_are_deep_are_measured_in_their_size():
    flat = balls((30, 30, 30), (15, 15, 15, 9))[::3]
    candidates = parts_of(flat, (3.0, 1.0, 1.0))
    told = dict(zip(MEASURES, candidates.measures[0].tolist(), strict=True))
    assert told["third axis by the first"] == pytest.approx(1, abs=0.1)
    assert told["volume by that of an ellipsoid with the same moments"] == (
        pytest.approx(1, abs=0.1)
    )


def test_nothing_is_found_where_there_is_no_foreground():
    maps = np.ones((3, 6, 20, 20), np.float32)
    maps[0] = 0
    candidates = find_candidates(maps, maps[0])
    assert len(candidates) == 0
    assert choose_candidates(candidates, np.zeros(0), 0.4).max() == 0


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_whatever_the_scores_each_object_is_part_of_a_candidate(seed, least):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 16, 3))
    maps = rng.random((3, *shape)).astype(np.float32)
    maps[0] = np.maximum(maps[0], balls(shape, (*rng.integers(0, shape), 5)) > 0)
    candidates = find_candidates(maps, maps[0], tuple(rng.uniform(1, 4, 3)))
    found = choose_candidates(candidates, rng.random(len(candidates)), least)
    assert set(np.unique(found)) <= set(range(found.max() + 1))
    assert len(np.unique(found[found > 0])) == found.max()
    for number in range(1, found.max() + 1):
        mine = found == number
        parts = [candidates.labels(k, 0)[mine] for k in range(len(candidates.basins))]
        assert any(len(np.unique(part)) == 1 for part in parts)
        assert (candidates.foreground[mine] > THRESHOLDS[0]).all()
