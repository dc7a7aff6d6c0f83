"""Sources of windows, against loops over groups and windows."""

from dataclasses import replace

import numpy as np
import pytest

from seqcast.data.panel import Clock
from seqcast.data.roles import ColumnLayout
from seqcast.forecasting import window_source as module
from seqcast.forecasting.window_source import WindowSource, join_targets

GRID = np.random.default_rng(0).normal(size=(11, 5))  # three targets, two covariates
GRID[4, 1] = GRID[7, 4] = np.nan
COLUMNS = ColumnLayout(3, 2)
both = pytest.mark.parametrize("multivariate", [True, False])


def test_multivariate_targets_are_one_group():
    source = WindowSource.from_inputs(GRID, COLUMNS, multivariate=True)
    assert (len(source), source.n_rows, source.n_columns, source.n_targets) == (1, 11, 5, 3)
    np.testing.assert_array_equal(source.values[0], GRID)
    np.testing.assert_array_equal(source.targets[0], GRID[:, :3])


def test_univariate_groups_have_one_target_and_all_covariates():
    source = WindowSource.from_inputs(GRID, COLUMNS, multivariate=False)
    assert (len(source), source.n_rows, source.n_columns, source.n_targets) == (3, 11, 3, 1)
    for k in range(3):
        np.testing.assert_array_equal(source.values[k], GRID[:, [k, 3, 4]])
        np.testing.assert_array_equal(source.targets[k], GRID[:, [k]])


def test_a_single_target_is_one_group_in_both_modes():
    one, other = (
        WindowSource.from_inputs(GRID, ColumnLayout(1, 4), multivariate) for multivariate in (True, False)
    )
    assert (len(one), one.n_columns, one.n_targets) == (len(other), other.n_columns, other.n_targets)
    np.testing.assert_array_equal(one.values, other.values)


@both
def test_flat_rows_are_rows_of_the_stacked_groups(multivariate):
    source = WindowSource.from_inputs(GRID, COLUMNS, multivariate)
    stacked, starts = source.values.reshape(-1, source.n_columns), np.array([0, 3, 8])
    cut = [stacked[row : row + 3] for row in source.to_flat_rows(starts)]
    expected = [values[start : start + 3] for values in source.values for start in starts]
    np.testing.assert_array_equal(cut, expected)


@both
@pytest.mark.parametrize("numbers", [1, 40, 2**21])  # windows of one chunk: 1, 2 or 4, all
def test_chunks_contain_all_windows_at_their_places(multivariate, numbers, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_NUMBERS", numbers)
    source, starts = WindowSource.from_inputs(GRID, COLUMNS, multivariate), np.array([5, 0, 1, 7, 2])
    found = np.full((len(source), 5, 4, source.n_columns), np.inf)
    for group, places, windows in source.cut_windows(starts, 4):
        assert windows.size <= max(numbers, 4 * source.n_columns)
        found[group, places] = windows
    expected = [[values[start : start + 4] for start in starts] for values in source.values]
    np.testing.assert_array_equal(found, expected)


@both
def test_forecasts_of_groups_are_joined_by_target(multivariate):
    """Targets that are cut from the groups are those cut from the grid."""
    source, starts, horizon = WindowSource.from_inputs(GRID, COLUMNS, multivariate), np.array([0, 2, 7]), 4
    stacked = source.values.reshape(-1, source.n_columns)
    truth = np.stack(
        [stacked[row : row + horizon, : source.n_targets] for row in source.to_flat_rows(starts)]
    )
    expected = np.stack([GRID[start : start + horizon, :3] for start in starts])
    np.testing.assert_array_equal(join_targets(truth, len(source)), expected)


@both
def test_targets_of_all_groups_are_joined(multivariate):
    np.testing.assert_array_equal(
        WindowSource.from_inputs(GRID, COLUMNS, multivariate).all_targets(), GRID[:, :3]
    )


# Two targets, two lags of each, a covariate of the past, two that are known ahead, a static one.
KINDS = ColumnLayout(2, past=1, future=2, static=1, lags=2)
OF_KINDS = np.random.default_rng(1).normal(size=(9, 10))


def test_each_target_has_its_own_lags_and_all_covariates():
    source = WindowSource.from_inputs(OF_KINDS, KINDS, multivariate=False)
    for k, own in enumerate([[0, 2, 3, 6, 7, 8, 9], [1, 4, 5, 6, 7, 8, 9]]):
        np.testing.assert_array_equal(source.values[k], OF_KINDS[:, own])
    assert (source.n_targets, source.columns.lags, source.columns.static_slice) == (1, 2, slice(6, 7))


@pytest.mark.parametrize(("multivariate", "n_relative"), [(True, 7), (False, 4)])
def test_future_and_static_columns_are_not_relative(multivariate, n_relative):
    """Targets, their lags and past covariates are relative."""
    assert WindowSource.from_inputs(OF_KINDS, KINDS, multivariate).n_relative == n_relative


@pytest.mark.parametrize(("multivariate", "past", "static"), [(True, [6], [9]), (False, [3], [6])])
def test_past_and_static_columns_can_be_dropped(multivariate, past, static):
    source = WindowSource.from_inputs(OF_KINDS, KINDS, multivariate)
    changing, without = source.drop_static(), source.drop_past()
    np.testing.assert_array_equal(changing.values, np.delete(source.values, static, axis=2))
    np.testing.assert_array_equal(without.values, np.delete(source.values, past, axis=2))
    assert (changing.columns.static, changing.columns.past) == (0, 1)
    assert (without.columns.static, without.columns.past) == (1, 0)
    assert changing.n_columns == changing.columns.static_slice.stop
    assert without.n_columns == without.columns.static_slice.stop
    both_out = changing.drop_past()
    np.testing.assert_array_equal(both_out.values, np.delete(source.values, past + static, axis=2))
    assert changing.drop_static() is changing


def test_rows_before_a_row_can_be_dropped():
    clock, weights = Clock(np.array([0, 4, 11]), np.array([100, 200])), np.arange(11.0)
    source = replace(
        WindowSource.from_inputs(GRID, COLUMNS, multivariate=False, clock=clock), weights=weights
    )
    later = source.drop_before(2)
    assert (len(later), later.n_rows, later.n_targets) == (3, 9, 1)
    np.testing.assert_array_equal(later.values, source.values[:, 2:])
    np.testing.assert_array_equal(later.weights, weights[2:])
    rows = np.array([3, 4, 5, 10])
    np.testing.assert_array_equal(clock[rows], [103, 104, 201, 206])
    np.testing.assert_array_equal(later.clock[rows - 2], clock[rows])
    assert WindowSource.from_inputs(GRID, COLUMNS, multivariate=True).drop_before(3).clock is None


@both
def test_a_single_group_is_not_copied(multivariate):
    """A copy of a long series would take much memory."""
    grid = GRID[:, [0, 3, 4]]
    one = WindowSource.from_inputs(grid, ColumnLayout(1, 2), multivariate)
    assert np.shares_memory(one.values, grid)
    assert np.shares_memory(one.drop_before(2).values, grid)
