import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam.ops.labels import (
    check_overlap_rule,
    decode_runs,
    encode_runs,
    looks_like_intensities,
    next_free_label,
    outline_to_mask,
    pixels_to_label,
)

PLANE = np.array([[0, 7, 7, 8]])
MASK = np.array([[True, True, False, True]])


def test_keep_leaves_pixels_to_their_owners_and_own_pixels_to_oneself():
    assert pixels_to_label(PLANE, MASK, 8, "keep").tolist() == [
        [True, False, False, True]
    ]


def test_overwrite_takes_all():
    assert pixels_to_label(PLANE, MASK, 8, "overwrite").tolist() == MASK.tolist()


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 2\) does not fit .*\(1, 4\)"):
        pixels_to_label(PLANE, np.ones((2, 2), bool), 1, "keep")


def test_unknown_rule_names_the_known_ones():
    with pytest.raises(ValueError, match=r"'keep', 'overwrite'.*'merge'"):
        check_overlap_rule("merge")


def test_next_label_is_after_the_highest_and_gaps_stay():
    assert next_free_label([], np.uint8) == 1
    assert next_free_label([1, 5, 3], np.uint8) == 6


def test_a_full_type_is_named():
    with pytest.raises(ValueError, match=r"label 256 does not fit .*uint8"):
        next_free_label([255], np.uint8)


def test_outline_fills_a_square():
    mask = outline_to_mask([(1, 1), (1, 4), (4, 4), (4, 1)], (6, 7))
    assert mask.shape == (6, 7)
    assert mask[2:4, 2:4].all()
    assert not mask[0].any()
    assert not mask[:, 5:].any()


def test_outline_of_two_corners_is_refused():
    with pytest.raises(ValueError, match="at least three"):
        outline_to_mask([(0, 0), (1, 1)], (4, 4))


def test_runs_start_with_false():
    assert encode_runs(np.array([[True, True, False]])) == [0, 2, 1]
    assert encode_runs(np.array([[False, True]])) == [1, 1]


@given(hnp.arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_runs_read_back(mask):
    assert np.array_equal(decode_runs(encode_runs(mask), mask.shape), mask)


def test_runs_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="add up to 3 pixels"):
        decode_runs([1, 2], (2, 2))


def many_objects(size, gap):
    """Squares side by side, or apart."""
    step = size + gap
    count = 60 // step
    labels = np.zeros((60, 60), np.int32)
    for number in range(count * count):
        row, col = divmod(number, count)
        labels[row * step : row * step + size, col * step : col * step + size] = (
            number + 1
        )
    return labels


@pytest.mark.parametrize(
    ("size", "gap"), [(1, 2), (4, 0), (4, 2), (10, 0), (10, 2), (30, 0), (30, 2)]
)
def test_labels_do_not_look_like_intensities(size, gap):
    assert not looks_like_intensities(many_objects(size, gap))
    assert not looks_like_intensities((many_objects(size, gap) > 0) * 255)
    assert not looks_like_intensities(np.zeros((9, 9), int))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("zoom", [1, 3])
@pytest.mark.parametrize("level", [5, 40, 200])
def test_images_look_like_intensities(dtype, zoom, level):
    noise = np.random.default_rng(0).poisson(level, (40, 50))
    image = np.kron(noise, np.ones((zoom, zoom), int)).clip(0, 255).astype(dtype)
    assert looks_like_intensities(image)
