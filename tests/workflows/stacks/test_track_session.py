"""Correcting tracks without a window: literal films, and random sequences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam import Lineage, TrackConfig, TrackSession, track

SIZE = 3


def draw(tracks, shape=(20, 60), frames=None, dtype=np.int32):
    """Draw squares: {track: {frame: (row, col)}}."""
    last = max(t for at in tracks.values() for t in at)
    film = np.zeros((frames or last + 1, *shape), dtype)
    for number, at in tracks.items():
        for t, (row, col) in at.items():
            film[t, row : row + SIZE, col : col + SIZE] = number
    return film


def along(row, begin, end, col=2, step=1):
    """Return the places of a square that wanders to the right."""
    return {t: (row, col + step * t) for t in range(begin, end)}


def check(session, film):
    """Labels, tracks and graph tell the same."""
    seen = {}
    for t, frame in enumerate(film):
        for number in np.unique(frame[frame > 0]).tolist():
            seen.setdefault(number, []).append(t)
    assert {n: list(at) for n, at in session.lineage.frames.items()} == seen
    rows = session.tracks
    assert [(int(n), int(t)) for n, t in rows[:, :2]] == [
        (n, t) for n in sorted(seen) for t in seen[n]
    ]
    for number, t, row, col in rows.tolist():
        at = np.argwhere(film[int(t)] == number)
        np.testing.assert_allclose(at.mean(axis=0), (row, col))
    for daughter, (parent,) in session.graph.items():
        assert seen[parent][-1] < seen[daughter][0]
    assert all(n in seen and t in seen[n] for t, n in session.lineage.fixed)


@pytest.fixture
def two():
    """Return a film in which one object is two tracks, and another one is whole."""
    return draw(
        {1: along(2, 0, 3), 2: along(2, 3, 6), 3: along(12, 0, 6), 4: along(8, 4, 6)}
    )


def test_a_track_goes_on_as_another_one(two):
    session = TrackSession(two)
    edit = session.join(1, 2)
    assert session.lineage.frames[1] == (0, 1, 2, 3, 4, 5)
    assert (edit.tracks, edit.gone, edit.frames) == ((1,), (2,), (3, 4, 5))
    assert (3, 1) in session.lineage.fixed
    check(session, two)


def test_joining_cuts_what_both_were_there(two):
    session = TrackSession(two)
    edit = session.join(3, 2, 4)
    assert session.lineage.frames == {
        1: (0, 1, 2),
        2: (3,),
        3: (0, 1, 2, 3, 4, 5),
        4: (4, 5),
        5: (4, 5),
    }
    assert edit.made == (5,) and two[4, 13, 7] == 5 and two[4, 3, 7] == 3
    check(session, two)


def test_a_cut_track_becomes_two(two):
    session = TrackSession(two)
    session.cut(3, 2)
    assert session.lineage.frames[3] == (0, 1)
    assert session.lineage.frames[5] == (2, 3, 4, 5)
    assert session.undo() and session.lineage.frames[3] == (0, 1, 2, 3, 4, 5)
    check(session, two)


def test_two_tracks_are_swapped_after_a_crossing(two):
    session = TrackSession(two, {4: [1]})
    session.swap(2, 3, 4)
    assert two[3, 3, 6] == 2 and two[4, 3, 7] == 3
    assert two[3, 13, 6] == 3 and two[4, 13, 7] == 2
    assert session.graph == {4: [1]}
    check(session, two)


def test_swapped_daughters_have_the_other_ones_parent():
    film = draw(
        {
            1: along(2, 0, 2),
            2: along(1, 2, 5),
            3: along(5, 2, 5),
            4: along(12, 0, 2),
            5: along(11, 2, 5),
            6: along(15, 2, 5),
        }
    )
    session = TrackSession(film, {2: [1], 3: [1], 5: [4], 6: [4]})
    session.swap(3, 5, 2)
    assert session.graph == {2: [1], 3: [1], 5: [4], 6: [4]}
    assert film[2, 6, 5] == 5 and film[2, 12, 5] == 3
    check(session, film)


def test_what_would_come_from_a_later_track_is_not_swapped():
    film = draw(
        {1: along(2, 0, 5), 2: along(12, 0, 3), 3: along(10, 3, 5), 4: along(14, 3, 5)}
    )
    before = film.copy()
    session = TrackSession(film, {3: [2], 4: [2]})
    for frame in (0, 2):  # before 3 is there
        with pytest.raises(ValueError, match="would come from track 2, which ends in"):
            session.swap(1, 3, frame)
    assert np.array_equal(film, before) and not session.can_undo
    session.swap(1, 3, 3)
    assert session.graph == {3: [2], 4: [2]} and film[3, 11, 6] == 1
    check(session, film)


def test_a_daughter_cuts_its_parent(two):
    session = TrackSession(two)
    session.set_parent(4, 3)
    assert session.lineage.frames[3] == (0, 1, 2, 3)
    assert session.graph == {4: [3], 5: [3]}
    assert session.lineage.frames[5] == (4, 5)
    session.set_parent(2, 3, 5)  # a third one, which began before
    assert session.graph == {4: [3], 5: [3], 6: [3]}
    assert session.lineage.frames[2] == (3, 4) and session.lineage.frames[6] == (5,)
    check(session, two)


def test_what_is_no_daughter_leaves_its_sister_to_go_on(two):
    session = TrackSession(two)
    session.set_parent(4, 3)
    session.set_parent(4, None)
    assert session.graph == {}
    assert session.lineage.frames[3] == (0, 1, 2, 3, 4, 5)
    assert session.lineage.frames[4] == (4, 5)
    check(session, two)


def test_one_daughter_alone_stays_one(two):
    session = TrackSession(two)
    session.set_parent(2, 1)
    assert session.graph == {2: [1]} and two[3, 3, 6] == 2
    session.cut(3, 4)
    assert session.graph == {2: [1]}
    session.track_again()
    assert session.graph == {2: [1]}
    check(session, two)


def test_a_track_is_erased_from_a_frame_on(two):
    session = TrackSession(two, {4: [3]})
    session.delete(3, 4)
    assert session.lineage.frames[3] == (0, 1, 2, 3) and not (two[4] == 3).any()
    session.delete(3)
    assert 3 not in session.lineage and session.graph == {}
    check(session, two)


def test_an_erased_daughter_leaves_its_sister_to_go_on(two):
    session = TrackSession(two)
    session.set_parent(4, 3)
    session.delete(4)
    assert session.lineage.frames[3] == (0, 1, 2, 3, 4, 5) and session.graph == {}
    check(session, two)


@pytest.mark.parametrize("depth", [None, 5])
def test_a_gap_is_drawn_on_free_ground(depth):
    film = draw({1: {0: (2, 2), 3: (2, 8)}, 2: {1: (2, 7)}}, frames=4)
    if depth:
        film = np.repeat(film[:, None], depth, axis=1)
        film[:, 0] = film[:, -1] = 0
    before = film.copy()
    session = TrackSession(film)
    edit = session.fill_gap(1)
    plane = film[:, 2] if depth else film
    assert edit.frames == (1, 2)
    assert np.argwhere(plane[1] == 1).tolist() == [
        [r, c] for r in (2, 3, 4) for c in (4, 5, 6)
    ]
    assert np.argwhere(plane[2] == 1)[0].tolist() == [2, 6]
    assert (plane[1] == 2).sum() == 9
    session.undo()
    assert np.array_equal(film, before)


def test_a_gap_that_is_taken_is_a_message():
    film = draw({1: {0: (2, 2), 2: (2, 2)}, 2: {1: (2, 2)}})
    session = TrackSession(film)
    with pytest.raises(ValueError, match="other objects are there"):
        session.fill_gap(1)
    with pytest.raises(ValueError, match="track 2 has no gap"):
        session.fill_gap(2)
    assert not session.can_undo


# --- tracking again -------------------------------------------------------------------


def mixed(film, seed=0):
    rng = np.random.default_rng(seed)
    found = np.zeros_like(film)
    for t, frame in enumerate(film):
        names = np.concatenate([[0], 1 + rng.permutation(int(film.max()))])
        found[t] = names[frame]
    return found


def crossing():
    """Return two squares that pass each other, and one that divides."""
    return {
        1: {t: (4, 2 + 4 * t) for t in range(8)},
        2: {t: (7, 30 - 4 * t) for t in range(8)},
        3: dict.fromkeys(range(4), (14, 44)),
        4: {t: (12, 44 - t) for t in range(4, 8)},
        5: {t: (16, 44 + t) for t in range(4, 8)},
    }


def test_tracking_again_keeps_what_was_corrected():
    truth = draw(crossing())
    found = track(mixed(truth), config=TrackConfig(divisions=False, max_move=2.0))
    film = found.labels
    session = TrackSession(film, found.graph, config=TrackConfig(max_move=2.0))
    names = {n: int(film[7][truth[7] == n][0]) for n in (1, 2, 4, 5)}
    parent = int(film[3][truth[3] == 3][0])
    for daughter in (4, 5):
        if names[daughter] != parent:
            session.set_parent(names[daughter], parent, 4)
    divided = dict(session.graph)
    assert len(divided) == 2
    session.cut(int(film[5][truth[5] == 1][0]), 5)
    fixed = session.lineage.fixed
    cut = int(film[5][truth[5] == 1][0])
    session.track_again()
    assert session.graph == divided
    assert fixed <= session.lineage.fixed
    assert session.lineage.frames[cut] == (5, 6, 7)
    check(session, film)


def test_tracking_again_finds_the_rest():
    truth = draw(crossing())
    found = track(mixed(truth), config=TrackConfig(max_move=2.0))
    film = found.labels.copy()
    session = TrackSession(film, found.graph, config=TrackConfig(max_move=2.0))
    for number in list(session.lineage.frames):
        session.cut(number, 2) if session.lineage.before(number, 2) else None
    unfixed = TrackSession(film, session.graph, config=TrackConfig(max_move=2.0))
    assert len(unfixed.lineage) > len(found)
    unfixed.track_again()
    assert len(unfixed.lineage) == len(found)
    assert unfixed.lineage.divisions == found.divisions
    check(unfixed, film)
    assert (
        unfixed.undo()
        and unfixed.lineage
        == Lineage.of(
            {t: np.unique(f[f > 0]).tolist() for t, f in enumerate(film)}, session.graph
        )[0]
    )


# --- what others paint ----------------------------------------------------------------


def test_what_is_painted_joins_the_track_that_it_fits():
    film = draw({1: along(2, 0, 2), 2: along(2, 3, 6), 3: along(12, 0, 6)})
    session = TrackSession(film, config=TrackConfig(max_gap=0))
    film[2, 2:5, 4:7] = 9
    session.refresh()
    assert session.lineage.frames == {1: (0, 1, 2, 3, 4, 5), 3: (0, 1, 2, 3, 4, 5)}
    assert film[2, 3, 5] == 1 and film[4, 3, 7] == 1
    check(session, film)
    session.undo()  # what was painted stays, with its own number
    assert film[2, 3, 5] == 9 and film[4, 3, 7] == 2
    check(session, film)


def test_a_chosen_number_stays():
    film = draw({1: along(2, 0, 2), 2: along(2, 3, 6), 3: along(12, 0, 6)})
    session = TrackSession(film)
    film[2, 2:5, 4:7] = 3
    film[2, 12:15, 4:7] = 0
    session.refresh()
    check(session, film)
    assert film[2, 3, 5] in (1, 3)


def test_a_split_object_gives_each_half_its_own_past():
    film = draw({1: along(2, 0, 2), 2: along(6, 0, 2), 3: along(2, 3, 6)})
    film[2, 2:9, 4:7] = 2  # both, merged
    film[3:, 6:9] = 0
    for t in (3, 4, 5):
        film[t, 6:9, 2 + t : 5 + t] = 2
    session = TrackSession(film)
    film[2, 2:5, 4:7], film[2, 5, 4:7] = 7, 0
    session.refresh()
    assert session.lineage.frames == {1: tuple(range(6)), 2: tuple(range(6))}
    check(session, film)


def test_a_parent_painted_after_its_division_is_another_object():
    film = draw({1: along(2, 0, 2), 2: along(1, 2, 5), 3: along(5, 2, 5)})
    session = TrackSession(film, {2: [1], 3: [1]})
    film[4, 14:17, 40:43] = 1
    session.refresh()
    assert session.graph == {2: [1], 3: [1]} and film[4, 15, 41] == 4
    check(session, film)


def test_what_was_decided_on_is_not_linked_anew():
    film = draw({1: along(2, 0, 6), 2: along(12, 0, 6)})
    session = TrackSession(film)
    session.cut(1, 3)
    film[3, 2:5, 5:8] = 0
    film[3, 3:6, 5:8] = 3  # looked at again, if nobody had decided
    session.refresh()
    assert film[3, 4, 6] == 3 and session.lineage.origin((3, 3)) is None
    assert (3, 3) in session.lineage.fixed
    check(session, film)


# --- bad input ------------------------------------------------------------------------


def test_tracks_with_gaps_int64_numbers_and_three_daughters():
    big = 2**40
    film = draw(
        {
            big: {0: (2, 2), 2: (2, 2)},
            7: along(2, 3, 5),
            8: along(8, 3, 5),
            9: along(14, 3, 5),
        },
        dtype=np.int64,
    )
    session = TrackSession(film, {7: [big], 8: [big], 9: [big]})
    assert session.notes == () and session.lineage.gaps(big) == ((0, 2),)
    assert session.lineage.divisions == 1
    session.cut(9, 4)
    assert session.lineage.largest == big + 1 and film.dtype == np.int64
    check(session, film)
    session.set_parent(9, None)
    assert session.graph == {7: [big], 8: [big]}


def test_what_the_graph_says_of_other_labels_is_told(two):
    session = TrackSession(two, {2: [1], 4: [1, 3], 77: [1], 3: [2], 1: [50]})
    assert session.graph == {2: [1]}
    assert session.notes == (
        "Track 1 begins without a parent: 50 is not there.",
        "Track 3 begins in frame 0, and its parent 2 ends in frame 5, not before: it "
        "begins without.",
        "Track 4 has the parents 1 and 3, and a track comes from one: it begins "
        "without.",
        "Track 77 of the graph is not in the labels.",
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: s.join(1, 99), "there is no track 99; there are 4 tracks"),
        (lambda s: s.join(2, 1), "track 2 begins in frame 3, and track 1 is joined"),
        (lambda s: s.join(1, 1), "both are track 1"),
        (lambda s: s.cut(1, 0), "track 1 begins in frame 0 and has no parent"),
        (lambda s: s.cut(1, 5), "track 1 ends in frame 2, before frame 5"),
        (lambda s: s.swap(1, 3, 4), "track 1 ends in frame 2, before frame 4"),
        (lambda s: s.swap(1, 3, 0), "have the same origin at frame 0"),
        (lambda s: s.set_parent(1, 2), "a parent is there before its daughters"),
        (lambda s: s.set_parent(1, None), "track 1 has no parent"),
        (lambda s: s.delete(42), "there is no track 42"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(two, call, said):
    before = two.copy()
    session = TrackSession(two)
    with pytest.raises(ValueError, match=said):
        call(session)
    assert np.array_equal(two, before) and not session.can_undo


def test_labels_that_are_no_film_are_refused():
    with pytest.raises(ValueError, match=r"a film is \(T, Y, X\)"):
        TrackSession(np.zeros((4, 4), int))
    with pytest.raises(ValueError, match="labels must be integers"):
        TrackSession(np.zeros((2, 4, 4)))
    with pytest.raises(ValueError, match="frame 0 has the label -2"):
        TrackSession(np.full((2, 4, 4), -2))
    with pytest.raises(ValueError, match="spacing must be 2 numbers"):
        TrackSession(np.zeros((2, 4, 4), int), config=TrackConfig(spacing=(1, 1, 1)))


def test_numbers_that_do_not_fit_the_labels_are_a_message():
    film = draw({255: along(2, 0, 3)}, dtype=np.uint8)
    before = film.copy()
    session = TrackSession(film)
    with pytest.raises(ValueError, match="label 256 does not fit labels of type uint8"):
        session.cut(255, 1)
    assert np.array_equal(film, before)


# --- any sequence ---------------------------------------------------------------------


def random_film(seed, deep):
    rng = np.random.default_rng(seed)
    shape = (6, 2, 12, 12) if deep else (6, 12, 12)
    film = np.zeros(shape, rng.choice([np.uint16, np.int32, np.int64]))
    for t in range(6):
        for number in range(1, 6):
            if rng.random() < 0.75:
                row, col = rng.integers(0, 9, 2)
                part = film[t, ..., row : row + 3, col : col + 3]
                part[part == 0] = number
    return film


NUMBERS = st.integers(1, 8)
FRAMES = st.integers(0, 5)
EDITS = st.one_of(
    st.tuples(st.just("join"), NUMBERS, NUMBERS, st.none() | FRAMES),
    st.tuples(st.just("cut"), NUMBERS, FRAMES),
    st.tuples(st.just("swap"), NUMBERS, NUMBERS, FRAMES),
    st.tuples(st.just("set_parent"), NUMBERS, st.none() | NUMBERS, st.none() | FRAMES),
    st.tuples(st.just("delete"), NUMBERS, st.none() | FRAMES),
    st.tuples(st.just("fill_gap"), NUMBERS),
    st.tuples(st.just("confirm"), NUMBERS),
    st.tuples(st.just("track_again")),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)
PAINTS = st.tuples(st.just("paint"), FRAMES, NUMBERS, st.integers(0, 9))


def act(session, film, name, *arguments):
    if name == "paint":
        t, number, at = arguments
        film[t, ..., at : at + 3, at : at + 2] = number if number < 8 else 0
        session.refresh()
        return
    try:
        getattr(session, name)(*arguments)
    except ValueError as error:
        assert str(error)


def check_any(session, film):
    present = {t: np.unique(f[f > 0]).tolist() for t, f in enumerate(film)}
    fitted, notes = Lineage.of(present, session.graph, session.lineage.fixed)
    assert fitted == session.lineage and notes == ()
    numbers = [(t, n) for t, names in present.items() for n in names]
    rows = session.tracks
    assert sorted((int(t), int(n)) for n, t in rows[:, :2]) == sorted(numbers)
    for table, frame in zip(session.tables, film, strict=True):
        for name, size in zip(table.names.tolist(), table.sizes, strict=True):
            assert np.count_nonzero(frame == name) == size


@given(st.integers(0, 999), st.booleans(), st.lists(EDITS, max_size=12))
@settings(max_examples=120)
def test_undoing_all_of_any_sequence_restores_every_pixel(seed, deep, edits):
    film = random_film(seed, deep)
    first = film.copy()
    session = TrackSession(film)
    lineage = session.lineage
    for name, *arguments in edits:
        act(session, film, name, *arguments)
        check_any(session, film)
    last, after = film.copy(), session.lineage
    steps = 0
    while session.undo():
        check_any(session, film)
        steps += 1
    assert np.array_equal(film, first) and session.lineage == lineage
    for _ in range(steps):
        assert session.redo()
    assert np.array_equal(film, last) and session.lineage == after


@given(st.integers(0, 999), st.lists(EDITS | PAINTS, max_size=12))
@settings(max_examples=120)
def test_whatever_is_painted_between_labels_and_tracks_agree(seed, edits):
    film = random_film(seed, deep=False)
    session = TrackSession(film, {2: [1], 3: [1]})
    for name, *arguments in edits:
        act(session, film, name, *arguments)
        check_any(session, film)
    while session.undo():
        check_any(session, film)
