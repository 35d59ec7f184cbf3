"""Assignments against all that could be chosen, and shifts that are known."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.ops.assignment import assign
from napari_sam.ops.drift import common_shift


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=7, unique=True),
    st.integers(0, 999),
)
def test_no_other_choice_is_cheaper(pairs, seed):
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    costs = np.random.default_rng(seed).random(len(ends)) * 1.3
    chosen = assign(ends[:, 0], ends[:, 1], costs, limit=1.0)

    def is_matching(subset):
        return all(
            len({pairs[k][side] for k in subset}) == len(subset) for side in (0, 1)
        )

    def total(subset):
        return sum(costs[k] - 1.0 for k in subset)

    best = min(
        total(subset)
        for size in range(len(pairs) + 1)
        for subset in combinations(range(len(pairs)), size)
        if is_matching(subset)
    )
    assert is_matching(chosen.tolist()) and (costs[chosen] <= 1.0).all()
    assert total(chosen) == pytest.approx(best, abs=1e-4)
    assert (np.diff(chosen) > 0).all()


def test_wrong_assignments_are_refused():
    one = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="as many costs"):
        assign(one, one, np.zeros(2), 1.0)
    with pytest.raises(ValueError, match="0 or more"):
        assign(one, one, np.array([-1.0]), 1.0)
    with pytest.raises(ValueError, match="above 0"):
        assign(one, one, np.zeros(1), 0.0)


@settings(max_examples=40)
@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(0, 99))
def test_a_field_that_moved_is_found(down, right, seed):
    rng = np.random.default_rng(seed)
    before = np.zeros((60, 70), np.bool_)
    for row, col in rng.integers(12, 44, (4, 2)):
        before[row : row + 3, col : col + 4] = True
    now = np.roll(before, (down, right), axis=(0, 1))
    shift = common_shift(before, now)
    assert shift.tolist() == [down, right] or not shift.any()
    if (before & now).sum() == 0:
        assert shift.any()


def test_empty_and_large_fields():
    empty = np.zeros((5, 6, 7), np.bool_)
    assert common_shift(empty, ~empty).tolist() == [0, 0, 0]
    before = np.zeros((900, 1000), np.bool_)
    before[100:200, 100:180] = True
    now = np.roll(before, (300, 400), axis=(0, 1))
    assert np.abs(common_shift(before, now) - (300, 400)).max() <= 3
