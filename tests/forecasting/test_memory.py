"""The steps that are kept of a series."""

import numpy as np
import pytest

from seqcast.forecasting.lengths import Lengths
from seqcast.forecasting.memory import Memory

NAN = np.nan


@pytest.mark.parametrize(("window", "season_length", "n_read"), [(10, 7, 12), (5, 7, 9)])
def test_windows_need_a_window_or_a_season_and_steps_before(window, season_length, n_read):
    memory = Memory.for_windows(Lengths(3, window, season_length), n_lost=2)
    assert (memory.n_read, memory.n_steps) == (n_read, n_read + 1)
    assert memory.season_length is None


@pytest.mark.parametrize(
    ("horizon", "season_length", "n_steps"), [(3, 2, 24), (3, 7, 28), (10, 7, 40), (3, 200, 800)]
)
def test_naive_forecasts_need_a_season_and_recent_changes(horizon, season_length, n_steps):
    memory = Memory.for_seasons(Lengths(horizon, season_length, season_length))
    assert (memory.n_read, memory.n_steps, memory.season_length) == (n_steps, n_steps, season_length)


def test_the_last_steps_are_kept_as_a_copy():
    grid = np.arange(10.0).reshape(5, 2)
    tail = Memory(3, 2).cut_tail(grid, 1)
    np.testing.assert_array_equal(tail, grid[2:])
    tail[:] = 0
    assert grid[2, 0] == 4


def test_the_last_value_of_an_unobserved_target_is_kept():
    grid = np.array([[1, 10], [2, NAN], [NAN, NAN], [NAN, NAN], [NAN, NAN]])
    np.testing.assert_array_equal(Memory(3, 2).cut_tail(grid, 1), [[2, NAN], [NAN, NAN], [NAN, NAN]])
    np.testing.assert_array_equal(Memory(3, 2).cut_tail(grid * NAN, 1), np.full((3, 2), NAN))


def test_the_tail_follows_a_season_of_last_observed_values():
    values = np.array([1, 2, 3, NAN, 5, 6])[:, None]
    tail = Memory(2, 2, season_length=2).cut_tail(values, 1)
    # Step 3 was not observed; step 1 is a season before it.
    np.testing.assert_array_equal(tail.ravel(), [3, 2, 5, 6])
