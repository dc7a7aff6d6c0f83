"""Windows, gaps and seasonal naive forecasts against loops over single steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seqcast.data.windows import (
    border,
    on_grid,
    seasonal_naive,
    subsample,
    training_starts,
    validation_starts,
)


@st.composite
def series(draw, max_steps=40):
    """Up to three columns of small numbers, some of them missing."""
    shape = draw(st.integers(1, max_steps)), draw(st.integers(1, 3))
    values = draw(arrays.arrays(float, shape, elements=st.integers(-9, 9)))
    missing = draw(arrays.arrays(bool, shape, elements=st.booleans()))
    return np.where(missing & draw(st.booleans()), np.nan, values)


lengths = st.integers(1, 9)


def is_usable(targets, start, window, horizon):
    seen = targets[start : start + window]
    asked = targets[start + window : start + window + horizon]
    return any(x == x for x in seen.flat) and any(x == x for x in asked.flat)


@given(targets=series(), window=lengths, horizon=lengths, data=st.data())
def test_training_windows_and_their_targets_end_before_the_border(targets, window, horizon, data):
    end = data.draw(st.integers(0, len(targets)))
    expected = [
        start
        for start in range(len(targets))
        if start + window + horizon <= end and is_usable(targets, start, window, horizon)
    ]
    assert training_starts(targets, window, horizon, end).tolist() == expected


@given(targets=series(), window=lengths, horizon=lengths, data=st.data())
def test_validation_targets_begin_at_the_border_and_their_windows_may_look_back(
    targets, window, horizon, data
):
    begin = data.draw(st.integers(0, len(targets)))
    expected = [
        start
        for start in range(len(targets))
        if begin <= start + window
        and start + window + horizon <= len(targets)
        and is_usable(targets, start, window, horizon)
    ]
    assert validation_starts(targets, window, horizon, begin).tolist() == expected


def test_no_training_target_is_a_validation_target():
    targets = np.arange(30.0)[:, None]
    train, validation = training_starts(targets, 4, 3, 20), validation_starts(targets, 4, 3, 20)
    assert train.tolist() == list(range(14))
    assert validation.tolist() == list(range(16, 24))


@pytest.mark.parametrize(
    ("n", "horizon", "fraction", "first"),
    [(100, 5, 0.1, 90), (100, 24, 0.1, 76), (100, 5, 0.257, 74), (3, 1, 0.1, 2), (10, 12, 0.1, -2)],
)
def test_border_keeps_the_last_share_or_one_horizon(n, horizon, fraction, first):
    assert border(n, horizon, fraction) == first


@given(values=series(), data=st.data())
def test_rows_lie_at_their_positions_and_nothing_between(values, data):
    gaps = data.draw(st.lists(st.integers(1, 5), min_size=len(values), max_size=len(values)))
    positions = np.cumsum(gaps) - 1
    grid = on_grid(values, positions)
    assert grid.shape == (positions[-1] + 1, values.shape[1])
    for step, row in enumerate(grid):
        expected = values[positions.tolist().index(step)] if step in positions else np.nan
        np.testing.assert_array_equal(row, np.broadcast_to(expected, row.shape))


def test_rows_without_a_gap_are_not_copied():
    values = np.arange(6.0).reshape(3, 2)
    assert on_grid(values, np.arange(3)) is values


def naive_step(column, cutoff, lead, season_length):
    """The last observed value of the same place in the season before `cutoff`, else the last observed one."""
    step = cutoff + lead
    for back in range(step - season_length, -1, -season_length):
        if back < cutoff and not np.isnan(column[back]):
            return column[back]
    observed = [value for value in column[:cutoff] if not np.isnan(value)]
    return observed[-1] if observed else np.nan


@given(values=series(), season_length=st.integers(1, 12), n=st.integers(1, 30), data=st.data())
def test_seasonal_naive_forecasts_are_those_of_a_loop(values, season_length, n, data):
    cutoffs = data.draw(st.lists(st.integers(1, len(values)), min_size=1, max_size=5))
    result = seasonal_naive(values, np.array(cutoffs), season_length, n)
    assert result.shape == (len(cutoffs), n, values.shape[1])
    for k, cutoff in enumerate(cutoffs):
        for lead in range(n):
            expected = [naive_step(column, cutoff, lead, season_length) for column in values.T]
            np.testing.assert_array_equal(result[k, lead], expected)


def test_seasonal_naive_forecasts_see_nothing_from_their_cutoff_on():
    values = np.arange(20.0)[:, None]
    before = seasonal_naive(values, np.array([12]), 5, 9)
    values[12:] = np.nan
    np.testing.assert_array_equal(seasonal_naive(values, np.array([12]), 5, 9), before)
    assert before[0, :, 0].tolist() == [7, 8, 9, 10, 11, 7, 8, 9, 10]


@pytest.mark.parametrize(
    ("n", "expected"),
    [(None, list(range(10, 20))), (10, list(range(10, 20))), (4, [10, 13, 16, 19]), (1, [10])],
)
def test_a_sample_is_spread_over_all(n, expected):
    assert subsample(np.arange(10, 20), n).tolist() == expected
