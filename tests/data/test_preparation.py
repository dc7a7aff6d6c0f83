"""From columns to what windows are cut from, and back: against loops over series, steps and columns."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqcast.data.panel import Panel
from seqcast.data.preparation import Preparation, TargetOptions, shift_back
from seqcast.data.roles import ColumnLayout

NAMES = ["a", "b"]


def series(lengths, n_columns, seed=0, holes=0.0):
    """Return positive values with gaps; each series has its own scale."""
    rng = np.random.default_rng(seed)
    grids = [(10.0**k) * np.exp(rng.normal(size=(n, n_columns))) for k, n in enumerate(lengths)]
    return [np.where(rng.random(grid.shape) < holes, np.nan, grid) for grid in grids]


def prepared(grids, columns, options=None, horizon=3, shared_window=4):
    options = TargetOptions() if options is None else options
    names, ids = NAMES[: columns.targets], [None] * len(grids)
    return Preparation.fit(grids, columns, options, horizon, shared_window, names, "Test", ids)


def at(grid, step):
    return grid[step] if 0 <= step < len(grid) else np.nan


def assert_same(found, expected):
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


# -- scaled


@pytest.mark.parametrize("transform", ["none", "log", "log1p"])
def test_targets_are_scaled_by_series_and_covariates_by_all(transform):
    grids = series([20, 12, 30], 3, holes=0.1)
    scaled = prepared(grids, ColumnLayout(2, past=1), TargetOptions(transform)).scale(Panel.stack(grids))
    bend = {"none": lambda x: x, "log": np.log, "log1p": np.log1p}[transform]
    pooled = np.concatenate([grid[:, 2] for grid in grids])
    for grid, found in zip(grids, scaled, strict=True):
        own = bend(grid[:, :2])
        assert_close(found[:, :2], (own - np.nanmean(own, axis=0)) / np.nanstd(own, axis=0))
        assert_close(found[:, 2], (grid[:, 2] - np.nanmean(pooled)) / np.nanstd(pooled))


def test_robust_scaling_is_by_median_and_quartiles():
    grids = [
        np.array([[1.0], [2.0], [3.0], [4.0], [1000.0]]),
        np.array([[10.0], [30.0], [50.0], [70.0], [90.0]]),
    ]
    preparation = prepared(grids, ColumnLayout(1), TargetOptions(scaling="robust"))
    assert_close(preparation.target_scaler.center, [[3], [50]])
    assert_close(preparation.target_scaler.scale, [[0.7413 * 2], [0.7413 * 40]])


def test_scaling_none_standardises_covariates_only():
    grids = series([20, 12], 3, holes=0.1)
    panel = Panel.stack(grids)
    scaled = prepared(grids, ColumnLayout(2, past=1), TargetOptions(scaling="none")).scale(panel)
    assert_same(scaled.values[:, :2], panel.values[:, :2])
    x = panel.values[:, 2]
    assert_close(scaled.values[:, 2], (x - np.nanmean(x)) / np.nanstd(x))


def test_later_rows_are_scaled_by_the_training_rows():
    """Series are selected by number, in any order and repeatedly."""
    grids = series([20, 12], 2)
    preparation = prepared(grids, ColumnLayout(1, past=1))
    later = series([4, 5, 6], 2, seed=1)
    scaled = preparation.scale(Panel.stack(later).with_series_numbers(np.array([1, 0, 1])))
    pooled = np.concatenate([grid[:, 1] for grid in grids])
    for values, found, number in zip(later, scaled, [1, 0, 1], strict=True):
        own = grids[number][:, 0]
        assert_close(found[:, 0], (values[:, 0] - own.mean()) / own.std())
        assert_close(found[:, 1], (values[:, 1] - pooled.mean()) / pooled.std())


@pytest.mark.parametrize("transform", ["none", "log", "log1p", "box-cox", "yeo-johnson"])
@pytest.mark.parametrize("scaling", ["standard", "robust", "none"])
def test_unscaling_inverts_scaling(transform, scaling):
    grids = series([20, 12], 2)
    preparation = prepared(grids, ColumnLayout(2), TargetOptions(transform, scaling))
    scaled = preparation.scale(Panel.stack(grids))
    forecasts = np.stack([scaled.series(1)[:5], scaled.series(0)[2:7], scaled.series(1)[7:12]])
    undone = preparation.unscale(forecasts, np.array([1, 0, 1]))
    assert_close(undone, np.stack([grids[1][:5], grids[0][2:7], grids[1][7:12]]))


def test_values_outside_the_domain_of_a_transform_are_refused():
    grids = series([20, 12], 2)
    grids[1][3, 1] = -1.0
    with pytest.raises(ValueError, match=r"can be 'log' only where .* Got -1 in column 'b'"):
        prepared(grids, ColumnLayout(2), TargetOptions("log"))


def test_values_too_large_to_stay_unscaled_are_refused():
    grids = series([20, 12], 2)
    grids[0][3, 1] = -2e6
    message = (
        "The 'scaling' parameter of Test can be 'none' only where all values lie within 1e+06 of 0. Got "
        "2e+06 in column 'b'. Use 'standard' or 'robust', or divide the values."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        prepared(grids, ColumnLayout(2), TargetOptions(scaling="none"))


@pytest.mark.parametrize("transform", ["none", "log", "box-cox"])
@pytest.mark.parametrize("scaling", ["standard", "robust", "none"])
def test_scales_of_targets_are_deviations_in_their_own_units(transform, scaling):
    grids = series([20, 12], 3, holes=0.1)
    preparation = prepared(grids, ColumnLayout(2, past=1), TargetOptions(transform, scaling))
    assert_close(preparation.target_scales, [np.nanstd(grid[:, :2], axis=0) for grid in grids])


# -- inputs


def inputs_by_hand(grids, columns, horizon, lags, shifts):
    """The order is targets, lags, past covariates, future covariates, static covariates."""
    k, rows = columns.targets, []
    past, future, static = columns.past_slice, columns.future_slice, columns.static_slice
    for grid in grids:
        for step in range(len(grid)):
            lagged = [at(grid[:, j], step + horizon - lag) for j in range(k) for lag in lags]
            known = [
                at(grid[:, j], step + shift) for shift in shifts for j in range(future.start, future.stop)
            ]
            rows.append([*grid[step, :k], *lagged, *grid[step, past], *known, *grid[step, static]])
    return rows


@given(
    counts=st.tuples(st.integers(1, 2), *[st.integers(0, 2)] * 3),
    lags=st.lists(st.integers(3, 9), max_size=2, unique=True),
    shared_window=st.integers(1, 5),
    seed=st.integers(0, 2**16),
)
def test_inputs_hold_what_is_known_of_the_steps_to_be_forecast(counts, lags, shared_window, seed):
    """Future covariates are shifted by the horizon of 3, so that a window before the cutoff contains them."""
    columns = ColumnLayout(*counts)
    grids = series([14, 11], sum(counts), seed, holes=0.2)
    preparation = prepared(grids, columns, TargetOptions(scaling="none", lags=tuple(lags)), 3, shared_window)
    shifts = {1: [3, 2, 1], 2: [3, 1]}.get(shared_window, [3])
    scaled = preparation.scale(Panel.stack(grids))
    expected = inputs_by_hand(list(scaled), columns, 3, lags, shifts)
    found = preparation.make_inputs(scaled)
    assert_same(found, expected)
    own = preparation.input_layout
    assert (own.targets, own.lags, own.past) == (columns.targets, len(lags), columns.past)
    assert (own.future, own.static) == (columns.future * len(shifts), columns.static)
    assert own.static_slice.stop == found.shape[1]


@pytest.mark.parametrize("shared_window", range(1, 8))
def test_windows_hold_future_covariates_of_all_forecast_steps(shared_window):
    """The last `shared_window` rows before the cutoff are read, also if they are fewer than the horizon."""
    horizon, cutoff = 5, 9
    grid = np.column_stack([np.zeros(20), np.arange(20.0)])
    preparation = prepared([grid], ColumnLayout(1, future=1), TargetOptions(), horizon, shared_window)
    scaled = preparation.scale(Panel.stack([grid]))
    window = preparation.make_inputs(scaled)[cutoff - shared_window : cutoff, 1:]
    future = scaled.values[cutoff : cutoff + horizon, 1]
    assert set(future) <= set(window.ravel())
    assert window.max() == future[-1]


def test_a_lag_stands_beside_the_steps_it_is_counted_from():
    """In the last 4 rows before the cutoff, lag 24 belongs to the 4 steps after it."""
    grid = np.arange(40.0)[:, None]
    preparation = prepared([grid], ColumnLayout(1), TargetOptions(scaling="none", lags=(4, 24)), 4, 4)
    inputs = preparation.make_inputs(preparation.scale(Panel.stack([grid])))
    assert_same(inputs[26:30, 0], [26, 27, 28, 29])
    assert_same(inputs[26:30, 1], [26, 27, 28, 29])
    assert_same(inputs[26:30, 2], [6, 7, 8, 9])
    assert preparation.input_layout.target_columns(0) == [0, 1, 2]


@pytest.mark.parametrize("steps", [-9, -2, 0, 2, 9, 15])
def test_shifted_columns_stay_in_their_series(steps):
    grids = series([9, 12], 1)
    moved = shift_back(Panel.stack(grids), steps)
    expected = [at(grid[:, 0], step + steps) for grid in grids for step in range(len(grid))]
    assert_same(moved[:, 0], expected)


# -- differences


def differences_by_hand(grid, lags):
    values = grid
    for lag in lags:
        values = np.array(
            [[at(column, t) - at(column, t - lag) for column in values.T] for t in range(len(grid))]
        )
    return values


@pytest.mark.parametrize("lags", [(1,), (4,), (1, 4), (4, 1), (1, 2)])
def test_differences_are_scaled_by_those_of_their_series(lags):
    grids = series([30, 24], 2, holes=0.05)
    preparation = prepared(grids, ColumnLayout(2), TargetOptions(differences=lags))
    found = preparation.make_inputs(preparation.scale(Panel.stack(grids)))
    begin = 0
    for grid in grids:
        changes = differences_by_hand(grid, lags)
        scaled = (changes - np.nanmean(changes, axis=0)) / np.nanstd(changes, axis=0)
        np.testing.assert_allclose(found[begin : begin + len(grid)], scaled, rtol=1e-9, atol=1e-9)
        begin += len(grid)


def test_differences_change_no_covariate():
    grids = series([30], 3)
    columns = ColumnLayout(1, past=1, future=1)
    one, other = (prepared(grids, columns, TargetOptions(differences=lags)) for lags in [(), (1,)])
    scaled = one.scale(Panel.stack(grids))
    assert_same(one.make_inputs(scaled)[:, 1:], other.make_inputs(scaled)[:, 1:])
    assert not np.array_equal(one.make_inputs(scaled)[:, 0], other.make_inputs(scaled)[:, 0])


@pytest.mark.parametrize("lags", [(1,), (4,), (1, 4), (2, 3)])
def test_true_changes_are_integrated_to_the_true_values(lags):
    """This holds for all series, cutoffs and horizons beyond the season."""
    grids = series([30, 24], 2)
    preparation = prepared(grids, ColumnLayout(2), TargetOptions(differences=lags), horizon=6)
    scaled = preparation.scale(Panel.stack(grids))
    inputs = preparation.make_inputs(scaled)
    cutoffs = np.array([10, 30 + 9, 24, 30 + 18])
    rows = cutoffs[:, None] + np.arange(6)
    np.testing.assert_allclose(
        preparation.integrate(inputs[rows], scaled, cutoffs), scaled.values[rows], rtol=1e-9, atol=1e-9
    )


def test_without_differences_nothing_is_integrated():
    grids = series([30], 1)
    preparation = prepared(grids, ColumnLayout(1))
    forecasts = np.ones((2, 3, 1))
    assert (
        preparation.integrate(forecasts, preparation.scale(Panel.stack(grids)), np.array([4, 9])) is forecasts
    )


def test_changes_without_observations_are_those_of_the_mean():
    grids = series([30], 1)
    preparation = prepared(grids, ColumnLayout(1), TargetOptions(differences=(1,)))
    blank = preparation.scale(Panel.stack([np.full((9, 1), np.nan)]))
    assert_same(preparation.integrate(np.ones((1, 3, 1)), blank, np.array([9])), np.zeros((1, 3, 1)))


# -- series without anything to learn from


def test_a_series_that_was_never_observed_is_left_as_it_is():
    grids = [*series([20], 1), np.full((6, 1), np.nan)]
    preparation = prepared(grids, ColumnLayout(1), TargetOptions(differences=(1,)))
    assert_same(preparation.target_scales[1], [1])
    assert_same(preparation.target_scaler.center[1], [0])
    assert np.isnan(preparation.scale(Panel.stack(grids)).series(1)).all()


def test_a_constant_series_is_undone_to_its_constant():
    grids = [*series([20], 1), np.full((6, 1), 0.1 + 0.2)]
    preparation = prepared(grids, ColumnLayout(1))
    assert_same(preparation.target_scaler.constant, [[False], [True]])
    assert_same(preparation.unscale(np.array([[[5.0]], [[-3.0]]]), np.array([1, 1])), [[[0.1 + 0.2]]] * 2)
