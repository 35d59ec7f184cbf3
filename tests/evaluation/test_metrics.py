import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_sam.evaluation.metrics import (
    confidence_interval,
    mean_from_sums,
    mean_sums,
    pearson,
    pearson_from_sums,
    pearson_sums,
    resample_sums,
)

unit = st.floats(0, 1, width=32)
pairs = st.lists(st.tuples(unit, unit), min_size=2, max_size=40)


def test_pearson_of_lines():
    x = np.linspace(0, 1, 9)
    assert pearson(x, 3 * x + 2) == pytest.approx(1)
    assert pearson(x, 5 - x) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("x", "y"), [([], []), ([1], [2]), ([0.1] * 7, range(7)), (range(7), [0.3] * 7)]
)
def test_pearson_is_nan_where_not_defined(x, y):
    assert np.isnan(pearson(x, y))


def test_pearson_needs_pairs():
    with pytest.raises(ValueError, match="pair up"):
        pearson([1, 2], [1, 2, 3])


@given(pairs)
def test_pearson_agrees_with_numpy(case):
    x, y = np.array(case, np.float64).T
    if x.std() < 1e-3 or y.std() < 1e-3:
        return
    assert pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-6)


@given(pairs, st.integers(1, 30))
def test_sums_of_parts_give_the_statistic_of_the_whole(case, cut):
    x, y = np.array(case, np.float64).T
    parts = (slice(None, cut), slice(cut, None))
    means = sum(mean_sums(x[part]) for part in parts)
    assert mean_from_sums(means) == pytest.approx(x.mean())
    sums = sum(pearson_sums(x[part], y[part]) for part in parts)
    np.testing.assert_allclose(pearson_from_sums(sums), pearson(x, y), atol=1e-6)


def test_mean_of_nothing_is_nan():
    assert np.isnan(mean_from_sums(mean_sums([])))


def test_bootstrap_draws_whole_images():
    # One image of a thousand objects, one of ten: a replicate holds whole images.
    sums = np.stack([mean_sums(np.zeros(1000)), mean_sums(np.ones(10))])
    drawn = resample_sums(sums, 500, seed=1)
    assert {tuple(row) for row in drawn} == {(2000, 0), (1010, 10), (20, 20)}


def test_bootstrap_is_repeatable():
    sums = np.random.default_rng(0).random((12, 3))
    first, second = (resample_sums(sums, 50, seed=4) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first != resample_sums(sums, 50, seed=5)).any()


def test_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(7)
    hits = 0
    for trial in range(200):
        images = rng.normal(0.5, 0.1, size=40)
        sums = np.stack([mean_sums([value]) for value in images])
        low, high = confidence_interval(
            mean_from_sums(resample_sums(sums, 500, seed=trial))
        )
        hits += low <= 0.5 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_interval_of_nothing_defined_is_none():
    assert confidence_interval(np.array([np.nan, np.nan])) is None
    assert confidence_interval(np.array([np.nan, 0.5])) == (0.5, 0.5)
