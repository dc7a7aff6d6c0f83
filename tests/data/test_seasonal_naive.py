"""Seasonal naive forecasts, compared with loops over single steps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqcast.data.seasonal_naive import seasonal_naive


@st.composite
def series(draw, max_steps=40):
    """Draw up to three columns of small numbers, some of them missing."""
    shape = draw(st.integers(1, max_steps)), draw(st.integers(1, 3))
    values = draw(arrays.arrays(float, shape, elements=st.integers(-9, 9)))
    missing = draw(arrays.arrays(bool, shape, elements=st.booleans()))
    return np.where(missing & draw(st.booleans()), np.nan, values)


def naive_step(column, cutoff, lead, season_length):
    """Return the last value before `cutoff` at the same position of the season, or else the last value."""
    step = cutoff + lead
    for back in range(step - season_length, -1, -season_length):
        if back < cutoff and not np.isnan(column[back]):
            return column[back]
    observed = [value for value in column[:cutoff] if not np.isnan(value)]
    return observed[-1] if observed else np.nan


@given(values=series(), season_length=st.integers(1, 12), n=st.integers(1, 30), data=st.data())
def test_seasonal_naive_forecasts_equal_those_of_a_loop(values, season_length, n, data):
    cutoffs = data.draw(st.lists(st.integers(1, len(values)), min_size=1, max_size=5))
    result = seasonal_naive(values, np.array(cutoffs), season_length, n)
    assert result.shape == (len(cutoffs), n, values.shape[1])
    for k, cutoff in enumerate(cutoffs):
        for lead in range(n):
            expected = [naive_step(column, cutoff, lead, season_length) for column in values.T]
            np.testing.assert_array_equal(result[k, lead], expected)


def test_seasonal_naive_forecasts_read_only_earlier_steps():
    values = np.arange(20.0)[:, None]
    before = seasonal_naive(values, np.array([12]), 5, 9)
    values[12:] = np.nan
    np.testing.assert_array_equal(seasonal_naive(values, np.array([12]), 5, 9), before)
    assert before[0, :, 0].tolist() == [7, 8, 9, 10, 11, 7, 8, 9, 10]
