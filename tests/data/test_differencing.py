"""Differences and their sums against loops over single steps, and against the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqcast.data.differencing import difference, integrate
from seqcast.data.seasonal_naive import seasonal_naive

LAGS = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)
# Arrays are drawn slowly.
few = settings(max_examples=40)
WHOLE = st.integers(-1000, 1000).map(float)  # whose sums are exact


@st.composite
def series(draw, elements=WHOLE, missing=True):
    shape = draw(st.integers(1, 40)), draw(st.integers(1, 3))
    values = draw(arrays.arrays(float, shape, elements=elements))
    gaps = draw(arrays.arrays(bool, shape, elements=st.booleans()))
    return np.where(gaps & (missing and draw(st.booleans())), np.nan, values)


@st.composite
def futures(draw, elements):
    """Draw a complete series, lags, cutoffs with enough steps before them, and a horizon."""
    values, lags = draw(series(elements, missing=False)), draw(LAGS)
    values = np.concatenate([np.flip(values, axis=0)] * (1 + sum(lags) // len(values)) + [values])
    first = sum(lags)
    horizon = draw(st.integers(1, len(values) - first))
    cutoffs = np.arange(first, len(values) - horizon + 1)
    return values, lags, cutoffs, horizon


def windows(values, cutoffs, horizon):
    return np.stack([values[cutoff : cutoff + horizon] for cutoff in cutoffs])


# -- difference


def test_differences_by_hand():
    values = np.array([[1.0], [4.0], [9.0], [16.0]])
    nan = np.nan
    np.testing.assert_array_equal(difference(values, (1,))[:, 0], [nan, 3, 5, 7])
    np.testing.assert_array_equal(difference(values, (2,))[:, 0], [nan, nan, 8, 12])
    np.testing.assert_array_equal(difference(values, (1, 2))[:, 0], [nan, nan, nan, 4])
    np.testing.assert_array_equal(difference(values, (1, 1))[:, 0], [nan, nan, 2, 2])


@few
@given(values=series(), lags=LAGS)
def test_differences_are_of_steps_that_far_apart(values, lags):
    expected = values
    for lag in lags:
        before = expected
        rows = [before[t] - before[t - lag] if t >= lag else before[t] * np.nan for t in range(len(values))]
        expected = np.array(rows)
    np.testing.assert_array_equal(difference(values, lags), expected)


@few
@given(values=series(), lags=LAGS)
def test_the_order_of_lags_does_not_matter(values, lags):
    np.testing.assert_array_equal(difference(values, lags), difference(values, lags[::-1]))


def test_a_missing_value_is_missing_in_both_its_differences():
    values = np.array([[1.0], [np.nan], [3.0], [5.0], [4.0]])
    np.testing.assert_array_equal(difference(values, (2,))[:, 0], [np.nan, np.nan, 2, np.nan, 1])


def test_differences_of_series_shorter_than_the_lag_are_missing():
    np.testing.assert_array_equal(difference(np.ones((3, 2)), (7,)), np.full((3, 2), np.nan))


def test_values_are_not_written_to():
    values = np.array([[1.0], [4.0], [9.0]])
    difference(values, (1, 1))
    assert values.tolist() == [[1.0], [4.0], [9.0]]


def test_without_lags_nothing_changes():
    values, forecasts = np.ones((3, 1)), np.ones((1, 2, 1))
    assert difference(values, ()) is values
    assert integrate(forecasts, values, np.array([3]), ()) is forecasts


def test_differences_beyond_float64_are_clipped():
    largest = np.finfo(float).max
    changes = difference(np.array([[1.7e308], [-1.7e308], [1.7e308]]), (1,))
    assert changes[1:, 0].tolist() == [-largest, largest]


# -- integrate


def test_sums_by_hand():
    """The values 10, 20, 30 continue with lag 2 as 20 + 1, 30 + 2, and so on."""
    forecasts = np.array([[[1.0], [2.0], [3.0], [4.0], [5.0]]])
    values = np.array([[10.0], [20.0], [30.0]])
    found = integrate(forecasts, values, np.array([3]), (2,))
    assert found[0, :, 0].tolist() == [21.0, 32.0, 24.0, 36.0, 29.0]


@few
@given(case=futures(WHOLE))
def test_true_differences_give_the_true_future(case):
    values, lags, cutoffs, horizon = case
    changes = windows(difference(values, lags), cutoffs, horizon)
    found = integrate(changes, values, cutoffs, lags)
    np.testing.assert_array_equal(found, windows(values, cutoffs, horizon))


@few
@given(case=futures(st.floats(-1e300, 1e300)))
def test_true_differences_give_the_true_future_at_every_size(case):
    values, lags, cutoffs, horizon = case
    changes = windows(difference(values, lags), cutoffs, horizon)
    found = integrate(changes, values, cutoffs, lags)
    size = np.abs(values).max(axis=0)
    error = np.abs(found - windows(values, cutoffs, horizon))
    assert (error <= 1e-12 * size).all()


@pytest.mark.parametrize("lags", [(1,), (24,), (1, 24), (24, 1), (1, 1), (7, 24)])
@pytest.mark.parametrize("horizon", [1, 24, 100])
def test_a_random_walk_with_a_season_comes_back(lags, horizon):
    rng = np.random.default_rng(0)
    values = 50 + rng.normal(size=(400, 2)).cumsum(axis=0) + np.sin(np.arange(400) * np.pi / 12)[:, None]
    cutoffs = np.array([60, 199, 300])
    changes = windows(difference(values, lags), cutoffs, horizon)
    found = integrate(changes, values, cutoffs, lags)
    np.testing.assert_allclose(found, windows(values, cutoffs, horizon), rtol=1e-12, atol=1e-10)


@few
@given(values=series(), lag=st.integers(1, 9), horizon=st.integers(1, 30), data=st.data())
def test_no_change_is_the_seasonal_naive_forecast(values, lag, horizon, data):
    cutoffs = np.array(data.draw(st.lists(st.integers(0, len(values)), min_size=1, max_size=4)))
    nothing = np.zeros((len(cutoffs), horizon, values.shape[1]))
    found = integrate(nothing, values, cutoffs, (lag,))
    np.testing.assert_array_equal(found, seasonal_naive(values, cutoffs, lag, horizon))


@few
@given(values=series(), lags=LAGS, horizon=st.integers(1, 12), data=st.data())
def test_the_future_is_not_read(values, lags, horizon, data):
    cutoff = data.draw(st.integers(0, len(values)))
    forecasts = np.ones((1, horizon, values.shape[1]))
    known = values.copy()
    known[cutoff:] = np.nan
    cutoffs = np.array([cutoff])
    np.testing.assert_array_equal(
        integrate(forecasts, values, cutoffs, lags), integrate(forecasts, known, cutoffs, lags)
    )


def test_missing_values_are_replaced_by_their_naive_forecast():
    values = np.array([[1.0], [2.0], [3.0], [np.nan], [5.0], [6.0]])
    forecasts = np.full((1, 4, 1), 100.0)
    found = integrate(forecasts, values, np.array([6]), (3,))  # the place of the missing one had 1
    assert found[0, :, 0].tolist() == [101.0, 105.0, 106.0, 201.0]
    values[0] = np.nan  # the first place was never observed
    found = integrate(forecasts, values, np.array([6]), (3,))
    assert found[0, :, 0].tolist() == [106.0, 105.0, 106.0, 206.0]


def test_without_observations_forecasts_are_missing():
    values = np.array([[np.nan, 4.0], [1.0, 2.0]])
    found = integrate(np.ones((2, 2, 2)), values, np.array([1, 2]), (1,))
    np.testing.assert_array_equal(found, [[[np.nan, 5.0], [np.nan, 6.0]], [[2.0, 3.0], [3.0, 4.0]]])


@few
@given(values=series(), lags=LAGS, horizon=st.integers(1, 12), data=st.data())
def test_only_steps_within_the_lookback_are_read(values, lags, horizon, data):
    lookback = data.draw(st.integers(sum(lags) + 1, 30))
    cutoff = data.draw(st.integers(0, len(values)))
    forecasts = np.ones((1, horizon, values.shape[1]))
    first = max(0, cutoff - lookback)
    cut = integrate(forecasts, values[first:], np.array([cutoff - first]), lags)
    np.testing.assert_array_equal(integrate(forecasts, values, np.array([cutoff]), lags, lookback), cut)


def test_where_no_change_was_observed_there_is_none():
    values = np.array([[np.nan], [np.nan], [7.0]])  # no difference to the step before is known
    found = integrate(np.full((1, 3, 1), 2.0), values, np.array([3]), (1, 2))
    assert found[0, :, 0].tolist() == [9.0, 11.0, 15.0]  # changes of 2, 2, and 2 more than before


def test_missing_forecasts_are_missing_from_there_on():
    forecasts = np.array([[[1.0], [np.nan], [1.0], [1.0]]])
    found = integrate(forecasts, np.array([[10.0], [20.0]]), np.array([2]), (2,))
    np.testing.assert_array_equal(found[0, :, 0], [11.0, np.nan, 12.0, np.nan])


def test_sums_beyond_float64_are_clipped():
    found = integrate(np.full((1, 2, 1), 1.7e308), np.array([[1.7e308]]), np.array([1]), (1,))
    assert (found == np.finfo(float).max).all()
