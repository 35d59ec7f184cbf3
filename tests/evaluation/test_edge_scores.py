import numpy as np
import pytest

from napari_sam.evaluation.edge_scores import (
    EdgeCounts,
    count_matches,
    even_thresholds,
    summarise_edges,
)

THRESHOLDS = np.array([0.25, 0.5, 0.75])


def counts(right, predicted, found, true):
    return EdgeCounts(
        THRESHOLDS, *(np.array(x, float) for x in (right, predicted, found)), true
    )


@pytest.fixture
def scores():
    """Two images; P is 2/3, 1, 1 and R is 1, .75, .1 over both."""
    return summarise_edges(
        [
            counts([10, 5, 0], [20, 5, 0], [10, 5, 0], 10),
            counts([10, 10, 2], [10, 10, 2], [10, 10, 2], 10),
        ]
    )


def test_ods_is_the_best_f_on_the_straight_lines_between_thresholds(scores):
    x = np.linspace(0, 1, 10001)
    precision, recall = 2 / 3 + x / 3, 1 - x / 4
    f_score = 2 * precision * recall / (precision + recall)
    assert scores.ods == pytest.approx(f_score.max(), abs=1e-5)
    assert scores.threshold == pytest.approx(0.25 + x[f_score.argmax()] / 4, abs=3e-3)
    assert scores.precision == pytest.approx(precision[f_score.argmax()], abs=4e-3)
    assert scores.n == 2


def test_ois_adds_up_the_counts_at_each_image_own_threshold(scores):
    # 20 of 30 pixels are right and all 20 boundary pixels are found.
    assert scores.ois == pytest.approx(2 * (2 / 3) / (1 + 2 / 3))


def test_ap_is_the_mean_of_precision_over_the_recalls_reached(scores):
    # 66 recalls from .10 to .75 at 1; then 25, falling to 2/3; none below .1.
    assert scores.ap == pytest.approx((66 + 25 - 13 / 3) / 100)


def test_r50_is_the_recall_where_half_is_right(scores):
    assert scores.r50 == 1  # precision never falls to one half
    other = summarise_edges([counts([8, 6, 2], [32, 8, 2], [8, 6, 2], 10)])
    # Precision .25, .75, 1; one half lies midway between recalls .8 and .6.
    assert other.r50 == pytest.approx(0.7)


def test_nothing_predicted_scores_0():
    zero = summarise_edges([counts([0] * 3, [0] * 3, [0] * 3, 10)])
    assert (zero.ods, zero.ois, zero.ap) == (0, 0, 0)


def test_a_pixel_is_right_if_any_annotator_has_it():
    boundaries = np.zeros((2, 20, 30), bool)
    boundaries[0, 5], boundaries[1, 15] = True, True
    strength = np.zeros((20, 30))
    strength[5], strength[15] = 0.9, 0.4
    found = count_matches(strength, boundaries, THRESHOLDS)
    np.testing.assert_array_equal(found.predicted, [60, 30, 30])
    np.testing.assert_array_equal(found.right, [60, 30, 30])
    np.testing.assert_array_equal(found.found, [60, 30, 30])
    assert found.true == 60


def test_what_two_annotators_drew_counts_twice_for_recall_and_once_for_precision():
    boundaries = np.zeros((2, 20, 30), bool)
    boundaries[:, 5] = True
    strength = np.zeros((20, 30))
    strength[5] = 0.9
    found = count_matches(strength, boundaries, np.array([0.5]))
    assert (found.right, found.found, found.true) == (30, 60, 60)


def test_the_tolerance_is_a_part_of_the_diagonal():
    boundaries = np.zeros((1, 300, 400), bool)
    boundaries[0, 150] = True
    for offset, right in ((3, 400), (4, 0)):  # .0075 * 500 is 3.75
        strength = np.zeros((300, 400))
        strength[150 + offset] = 1
        found = count_matches(strength, boundaries, np.array([0.5]))
        assert found.right[0] == right


def test_a_thick_edge_is_thinned_before_it_is_matched():
    boundaries = np.zeros((1, 40, 40), bool)
    boundaries[0, 20, 1:-1] = True
    strength = np.zeros((40, 40))
    strength[18:23, 1:-1] = 1
    found = count_matches(strength, boundaries, np.array([0.5]))
    assert found.predicted[0] <= 38


def test_thresholds_leave_out_both_ends():
    np.testing.assert_allclose(even_thresholds(3), THRESHOLDS)
    assert len(even_thresholds(99)) == 99


def test_wrong_input_is_refused():
    with pytest.raises(ValueError, match="one threshold"):
        even_thresholds(0)
    with pytest.raises(ValueError, match="annotators"):
        count_matches(np.zeros((4, 4)), np.zeros((4, 4), bool), THRESHOLDS)
    with pytest.raises(ValueError, match="shape"):
        count_matches(np.zeros((4, 4)), np.zeros((1, 4, 5), bool), THRESHOLDS)
    with pytest.raises(ValueError, match="no image"):
        summarise_edges([])
    one = counts([1] * 3, [1] * 3, [1] * 3, 1)
    other = EdgeCounts(THRESHOLDS / 2, one.right, one.predicted, one.found, 1)
    with pytest.raises(ValueError, match="same thresholds"):
        summarise_edges([one, other])
