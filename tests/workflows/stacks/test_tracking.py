"""Tracking: simulated films with known ids, and what holds for any labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam import LinkConfig, TrackConfig, track
from napari_sam.ops.types import Cancelled
from napari_sam.workflows.progress import Progress


def film_of(paths, shape=(64, 64), radius=4):
    """Draw discs; `paths` has {id: {t: (row, col)}}."""
    frames = 1 + max(t for path in paths.values() for t in path)
    film = np.zeros((frames, *shape), np.int64)
    grid = np.indices(shape)
    for label, path in paths.items():
        for t, place in path.items():
            gaps = grid - np.reshape(place, (-1, *[1] * len(shape)))
            film[t][(gaps**2).sum(axis=0) <= radius**2] = label
    return film


def shuffled(film, seed=0):
    rng = np.random.default_rng(seed)
    mixed = np.zeros_like(film)
    for t, frame in enumerate(film):
        names = np.concatenate([[0], 1 + rng.permutation(int(film.max()) + 3)])
        mixed[t] = names[frame]
    return mixed


def check(found):
    """Check what holds for any result."""
    ids = sorted(set(np.unique(found.labels)) - {0})
    assert ids == list(range(1, len(ids) + 1)) and len(found) == len(ids)
    rows = {(int(i), int(t)) for i, t, *_ in found.tracks}
    assert len(rows) == len(found.tracks)
    there = {(int(i), t) for t, f in enumerate(found.labels) for i in np.unique(f) if i}
    assert rows == there
    assert np.array_equal(
        found.tracks, found.tracks[np.lexsort(found.tracks[:, 1::-1].T)]
    )
    span = {i: [t for j, t in rows if j == i] for i in ids}
    for child, parents in found.graph.items():
        (parent,) = parents
        assert max(span[parent]) < min(span[child])  # so there is no circle
    families = [parent for (parent,) in found.graph.values()]
    assert all(families.count(parent) == 2 for parent in families)


def test_ids_follow_objects_with_any_names():
    paths = {
        1: {t: (10 + 3 * t, 12) for t in range(6)},
        2: {t: (50 - 3 * t, 24) for t in range(6)},
        3: {t: (30, 40 + t) for t in range(2, 5)},
    }
    film = film_of(paths)
    found = track(shuffled(film))
    check(found)
    for label in paths:
        assert len(np.unique(found.labels[film == label])) == 1
    assert len(found) == 3 and found.graph == {}
    first = found.tracks[found.tracks[:, 0] == found.labels[0, 10, 12]]
    assert np.allclose(first[:, 2:], [[10 + 3 * t, 12] for t in range(6)])


def test_an_object_that_was_missed_keeps_its_id():
    film = film_of({1: {t: (20, 20 + t) for t in (0, 1, 3, 4)}, 2: {0: (50, 50)}})
    found = track(film)
    check(found)
    assert len(np.unique(found.labels[film == 1])) == 1
    assert len(track(film, config=TrackConfig(max_gap=0))) == 3


def test_divisions():
    film = film_of({1: dict.fromkeys(range(3), (30, 30))}, radius=7)
    daughters = film_of(
        {2: {t: (25 - t, 30) for t in (3, 4)}, 3: {t: (37 + t, 30) for t in (3, 4)}},
        radius=5,
    )
    film = np.concatenate([film, daughters[3:]])
    found = track(shuffled(film))
    check(found)
    assert found.graph == {2: [1], 3: [1]} and found.divisions == 1
    assert track(film, config=TrackConfig(divisions=False)).graph == {}


def test_a_field_that_drifts():
    paths = {1: {}, 2: {}}
    for t in range(4):
        paths[1][t], paths[2][t] = (8 + 14 * t, 10), (8 + 14 * t, 24)
    film = film_of(paths, (64, 64), radius=5)
    found = track(shuffled(film))
    assert len(found) == 2 and len(np.unique(found.labels[film == 1])) == 1
    assert len(track(film, config=TrackConfig(drift=False, max_gap=0))) == 8


def test_volumes_with_thick_planes():
    film = np.zeros((3, 4, 20, 20), np.int64)
    for t in range(3):
        film[t, 1:3, 2 + t : 8 + t, 4:10] = 5 + t
    found = track(film, config=TrackConfig(spacing=(4, 1, 1)))
    check(found)
    assert found.tracks.shape == (3, 5) and found.tracks[2].tolist()[1:3] == [2, 1.5]


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 5), st.booleans())
def test_any_labels_give_a_forest_of_unique_ids(seed, frames, drift):
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 7, (frames, 5, 5))
    film = cells.repeat(4, axis=1).repeat(4, axis=2)
    found = track(film, config=TrackConfig(drift=drift))
    check(found)
    assert np.array_equal(found.labels > 0, film > 0)
    for before, after in zip(film, found.labels, strict=True):
        pairs = set(zip(before.ravel().tolist(), after.ravel().tolist(), strict=True))
        assert len(pairs) == len(np.unique(before))


def test_one_frame_empty_frames_and_short_tracks():
    film = film_of({1: {0: (20, 20)}})
    check(track(film))
    assert len(track(np.zeros((3, 8, 8), int))) == 0
    assert len(track(np.concatenate([film, 0 * film, film]))) == 1
    two = np.concatenate([film, 0 * film])
    assert len(track(two, config=TrackConfig(min_length=2))) == 0


@pytest.mark.parametrize(
    ("frames", "options", "said"),
    [
        (np.zeros((4, 4), int), {}, r"\(T, Y, X\)"),
        (np.zeros((2, 4, 4)), {}, "an image needs a model"),
        (np.zeros((2, 4, 4), int), {"spacing": (1, 0)}, "above 0"),
        (np.full((2, 4, 4), -1), {}, "0 or more"),
        (np.zeros((2, 4, 4), int), {"link": LinkConfig()}, "link need a model"),
    ],
)
def test_what_does_not_fit_is_said(frames, options, said):
    with pytest.raises(ValueError, match=said):
        track(frames, config=TrackConfig(**options))


def test_it_can_be_cancelled_and_tells_how_far_it_is():
    told = []
    track(
        film_of({1: {1: (9, 9)}}), progress=Progress(lambda *steps: told.append(steps))
    )
    assert told == [(0, 2), (1, 2), (2, 2)]
    with pytest.raises(Cancelled):
        track(np.zeros((2, 4, 4), int), progress=Progress(is_cancelled=lambda: True))


def test_an_object_that_passes_beneath_another_keeps_its_id():
    paths = {
        1: dict.fromkeys(range(9), (32, 32)),
        2: {t: (30, 14 + 4 * t) for t in range(9)},
        3: {t: (10 + t, 54) for t in range(9)},
    }
    film = film_of(paths, radius=7)
    above = film_of({1: paths[1]}, radius=7)
    film = np.where(above > 0, above, film)
    sizes = [int((frame == 2).sum()) for frame in film]
    assert (min(sizes), max(sizes)) == (38, 149)  # a sliver is left of it
    found = track(shuffled(film))
    check(found)
    assert found.graph == {}
    for label in paths:
        assert len(np.unique(found.labels[film == label])) == 1


def test_a_daughter_that_is_missed_at_first_still_has_its_parent():
    parent = film_of({1: dict.fromkeys(range(3), (30, 30))}, radius=7)
    ways = {2: {t: (24 - t, 30) for t in (3, 4, 5)}, 3: {4: (39, 30), 5: (41, 30)}}
    daughters = film_of(ways, radius=5)
    film = np.concatenate([parent, daughters[3:]])
    film[:, 10:20, 50:60], film[:, 40:52, 50:60] = 4, 5  # which do not move
    found = track(shuffled(film))
    check(found)
    names = [int(found.labels[t, row, 30]) for t, row in ((2, 30), (3, 21), (4, 39))]
    assert found.graph == {names[1]: [names[0]], names[2]: [names[0]]}


def test_a_whole_film_of_missed_frames_and_one_object():
    film = film_of({1: {0: (20, 20), 6: (20, 20)}})
    assert len(track(film)) == 2
    assert len(track(film, config=TrackConfig(max_gap=5))) == 1
