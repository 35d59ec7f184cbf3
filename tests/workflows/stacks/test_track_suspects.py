"""Places where tracks look wrong: literal films."""

import numpy as np
import pytest

from napari_sam import TrackSession, TrackSuspectConfig, find_track_suspects


def film_of(tracks, frames=8, shape=(60, 90)):
    """Draw rectangles: {track: {frame: (row, col, height, width)}}."""
    film = np.zeros((frames, *shape), np.int32)
    for number, at in tracks.items():
        for t, (row, col, height, width) in at.items():
            film[t, row : row + height, col : col + width] = number
    return film


def still(row, col, begin=0, end=8):
    return {t: (row, col + t % 2, 6, 6) for t in range(begin, end)}


def usual():
    return {1: still(10, 10), 2: still(10, 40), 3: still(40, 10)}


def told(found):
    return [(one.track, one.frame, one.reason) for one in found]


def test_nothing_is_odd_about_objects_that_stay():
    assert find_track_suspects(film_of(usual())) == []


def test_each_reason_is_found_and_told():
    tracks = usual()
    tracks[1][4] = (10, 10, 12, 6)  # twice as large, for a frame
    tracks[2] |= dict.fromkeys((6, 7), (30, 60, 6, 6))
    del tracks[3][3], tracks[3][4]
    tracks[4] = still(40, 40, 5, 8)
    tracks[5] = still(50, 70, 2, 3)
    tracks[6] = still(40, 84, 3, 8)  # from the border
    found = find_track_suspects(film_of(tracks))
    assert set(told(found)) == {
        (1, 4, "size"),
        (1, 5, "size"),
        (2, 6, "jump"),
        (3, 5, "gap"),
        (4, 5, "birth"),
        (5, 2, "birth"),
        (5, 2, "short"),
    }
    details = {(one.track, one.reason): one.detail for one in found}
    assert details[2, "jump"] == "moved by 4.1 diameters"
    assert details[1, "size"] == "0.5 times as large as in the frame before"
    assert details[3, "gap"] == "missed in 2 frames before"
    assert details[5, "short"] == "in 1 frame only"
    (jump,) = (one for one in found if one.reason == "jump")
    assert jump.at == (6, 32, 62) and found[0].strangeness >= found[-1].strangeness


def test_unlike_daughters_and_three_of_them():
    tracks = usual()
    tracks[3] = still(40, 10, 0, 4)
    tracks[4] = still(36, 12, 4, 8)
    tracks[5] = dict.fromkeys(range(4, 8), (46, 12, 3, 3))
    film, graph = film_of(tracks), {4: [3], 5: [3]}
    (one,) = find_track_suspects(film, graph)
    assert (one.track, one.frame, one.reason) == (3, 3, "division")
    assert one.detail == "one daughter is 4.0 times as large as the other"
    config = TrackSuspectConfig(division_balance=0.2)
    assert find_track_suspects(film, graph, config=config) == []
    film[4:, 50:56, 30:36] = 6
    (one,) = find_track_suspects(film, graph | {6: [3]}, config=config)
    assert one.detail == "3 daughters"


def test_what_was_decided_on_is_not_listed():
    tracks = usual()
    tracks[4] = still(40, 40, 5, 8)
    session = TrackSession(film_of(tracks))
    assert told(session.suspects()) == [(4, 5, "birth")]
    session.confirm(4)
    assert session.suspects() == []
    session.undo()
    session.join(2, 4)
    assert told(session.suspects()) == [(5, 5, "birth")]


def test_a_field_that_drifts_as_a_whole_is_no_jump():
    tracks = {
        n: {
            t: (10 + 12 * (n // 3), 5 + 20 * (n % 3) + 9 * (t > 3), 6, 6)
            for t in range(8)
        }
        for n in range(1, 10)
    }
    assert find_track_suspects(film_of(tracks)) == []


def test_volumes_and_a_spacing():
    film = np.repeat(film_of(usual())[:, None], 4, axis=1)
    config = TrackSuspectConfig(spacing=(3, 1, 1))
    assert find_track_suspects(film, config=config) == []
    with pytest.raises(ValueError, match="spacing must be 2 numbers"):
        find_track_suspects(film[:, 0], config=config)


def test_labels_that_are_no_film_are_refused():
    with pytest.raises(ValueError, match=r"a film is \(T, Y, X\)"):
        find_track_suspects(np.zeros((4, 4), int))
    assert find_track_suspects(np.zeros((3, 4, 4), np.int64)) == []
