"""How rendered objects are laid out, hide each other, and are numbered."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.training.rendering.scene import Canvas, tidy
from napari_sam.training.rendering.shapes import inner_distance, star, tube


def square(top, left, side):
    corners = [(0, 0), (0, side), (side, side), (side, 0)]
    return np.array(corners, float) + np.array([top - 0.5, left - 0.5])


def test_an_outline_holds_the_pixels_whose_centres_it_surrounds():
    canvas = Canvas.blank((10, 12))
    assert canvas.add([square(2, 3, 5)], (4.0, 5.0), 2.5) == 1
    rows, cols = np.nonzero(canvas.labels)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (2, 6, 3, 7)
    assert rows.size == 25


def test_a_body_that_lies_across_itself_has_no_hole():
    turn = np.linspace(0, 4 * np.pi, 60)  # twice around
    loop = np.stack([20 + 10 * np.sin(turn), 20 + 10 * np.cos(turn)], axis=1)
    canvas = Canvas.blank((40, 40))
    canvas.add([loop], (20.0, 20.0), 10.0)
    assert canvas.labels[20, 20] == 1
    assert canvas.labels[14, 14] == 1


def test_the_later_of_two_bodies_hides_the_other_or_is_hidden():
    for on_top, seen, beneath in ((True, 2, 1), (False, 1, 2)):
        canvas = Canvas.blank((20, 20))
        canvas.add([square(2, 2, 8)], (6.0, 6.0), 4.0)
        canvas.add([square(6, 6, 8)], (10.0, 10.0), 4.0, overlap=0.5, on_top=on_top)
        assert (canvas.labels[6:10, 6:10] == seen).all()
        assert (canvas.under[6:10, 6:10] == beneath).all()


def test_a_body_that_finds_too_little_room_is_not_laid():
    canvas = Canvas.blank((20, 20))
    canvas.add([square(2, 2, 8)], (6.0, 6.0), 4.0)
    assert canvas.add([square(6, 6, 8)], (10.0, 10.0), 4.0, overlap=0.1) == 0
    assert canvas.add([square(15, 15, 4)], (17.0, 17.0), 2.0) == 0  # 16 pixels
    assert canvas.add([square(40, 40, 9)], (44.0, 44.0), 4.0) == 0  # beyond
    assert canvas.labels.max() == 1
    assert len(canvas.centres) == 1


def test_tidy_keeps_the_largest_piece_and_numbers_what_is_left():
    labels = np.zeros((20, 20), np.int32)
    labels[0:5, 0:5] = 3  # 25 pixels
    labels[0:3, 10:17] = 3  # 21 pixels, apart
    labels[10:13, 0:3] = 5  # too small
    labels[10:15, 10:15] = 9
    nuclei = np.zeros_like(labels)
    nuclei[10:15, 10:14] = 9
    nuclei[0:2, 0:2] = 3  # too small
    tidied, parts = tidy(labels, nuclei)
    assert (tidied[0:5, 0:5] == 1).all()
    assert (tidied[10:15, 10:15] == 2).all()
    assert np.bincount(tidied.ravel()).tolist() == [350, 25, 25]
    assert np.bincount(parts.ravel()).tolist() == [380, 0, 20]
    in_parts, _ = tidy(labels, whole=False)
    assert np.bincount(in_parts.ravel()).tolist() == [329, 46, 25]


def test_the_distance_within_objects_grows_from_their_borders():
    labels = np.zeros((9, 12), np.int32)
    labels[2:7, 1:6], labels[2:7, 6:11] = 1, 2
    inner = inner_distance(labels)
    assert inner[4].tolist() == [0, 0.5, 1.5, 2.5, 1.5, 0.5, 0.5, 1.5, 2.5, 1.5, 0.5, 0]


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    row=st.floats(-20, 60),
    col=st.floats(-20, 60),
    radius=st.floats(2, 30),
)
def test_bodies_anywhere_stay_on_the_canvas(seed, row, col, radius):
    rng = np.random.default_rng(seed)
    canvas = Canvas.blank((40, 50))
    outline = star(rng, (row, col), radius, rough=0.2, stretch=2.0, angle=1.0)
    spine = np.array([(row, col), (row + radius, col), (row + radius, col + radius)])
    pixels = canvas.inside([outline, tube(spine, radius / 4)])
    assert np.unique(pixels).size == pixels.size
    assert ((pixels >= 0) & (pixels < 40 * 50)).all()
