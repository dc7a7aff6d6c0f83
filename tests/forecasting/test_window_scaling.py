"""Scaling of windows, against loops over each window, step and column."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.data.roles import ColumnLayout
from seqcast.forecasting.window_scaling import WindowScaling, compute_deviations, find_last_observed
from seqcast.kernels.constants import LEAST_DEVIATION

WAYS = [
    WindowScaling(normalization, covariates)
    for normalization in ("last", "none", "instance")
    for covariates in ("relative", "absolute", "none")
]
ways = pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.normalization}-{way.covariates}")
COLUMNS = {
    "a target": ColumnLayout(1),
    "past": ColumnLayout(1, past=2),
    "future": ColumnLayout(1, future=2),
    "all kinds, two targets": ColumnLayout(2, past=1, future=2, lags=2),
}
columns = pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)


def make_windows(n_columns, n=40, window=9, holes=0.3):
    rng = np.random.default_rng(n_columns)
    windows = 3 * rng.normal(size=(n, window, n_columns)) + 10 * rng.normal(size=(n, 1, n_columns))
    windows = np.where(rng.random(windows.shape) < holes, np.nan, windows)
    windows[3, :, 0] = np.nan
    windows[4] = np.nan
    windows[5] = 7.0
    return windows


def last(values):
    seen = values[~np.isnan(values)]
    return seen[-1] if len(seen) else 0.0


def read_by_hand(way, window, columns, n_steps):
    """Return the inputs, the offsets and the scale of one window."""
    k = columns.targets
    kinds = ["target"] * k * (1 + columns.lags) + ["past"] * columns.past + ["future"] * columns.future
    seen = [window[~np.isnan(window[:, c]), c] for c in range(k)]
    squares = [np.mean((values - values.mean()) ** 2) for values in seen if len(values)]
    scale = 1.0
    if way.normalization == "instance" and squares:
        scale = max(np.sqrt(np.mean(squares)), 0.1)
    read = []
    for c, kind in enumerate(kinds):
        if kind == "past" and way.covariates == "none":
            continue
        relative = kind == "target" or (kind == "past" and way.covariates == "relative")
        values = window[-n_steps:, c]
        if relative and way.normalization != "none":
            values = (values - last(window[:, c])) / scale
        read.append(np.where(np.isnan(values), 0.0, values))
    offsets = [0.0 if way.normalization == "none" else last(window[:, c]) for c in range(k)]
    return np.array(read).T.ravel(), np.array(offsets), scale


@ways
@columns
@pytest.mark.parametrize("n_steps", [9, 4, 1])
def test_windows_are_scaled_as_by_loops(way, columns, n_steps):
    windows = make_windows(columns.static_slice.stop)
    found = way.apply(windows, columns, n_steps)
    inputs, offsets, scales = zip(*(read_by_hand(way, w, columns, n_steps) for w in windows), strict=True)
    assert found.inputs.shape == (40, n_steps * way.count_read(columns))
    np.testing.assert_allclose(found.inputs, inputs, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found.offsets[:, 0], offsets)
    np.testing.assert_allclose(found.scales[:, 0, 0], scales, rtol=1e-12)
    values = np.random.default_rng(0).normal(size=(40, 6, columns.targets))
    expected = (values - found.offsets) / found.scales
    np.testing.assert_array_equal(found.scale(values), expected)
    np.testing.assert_allclose(found.unscale(found.scale(values)), values, rtol=1e-12, atol=1e-12)


@ways
@columns
def test_reading_a_window_does_not_depend_on_the_batch(way, columns):
    windows = make_windows(columns.static_slice.stop)
    before, whole = windows.copy(), way.apply(windows, columns, 5)
    for chosen in ([0], [3, 4, 5], [7, 7, 30], list(range(39, -1, -1))):
        for one, other in zip(way.apply(windows[chosen], columns, 5), whole, strict=True):
            np.testing.assert_array_equal(one, other[chosen])
    np.testing.assert_array_equal(windows, before)


@given(st.floats(0.5, 1e3), st.floats(-1e3, 1e3), st.integers(0, 99))
@settings(max_examples=30)
def test_loud_windows_are_read_as_quiet_ones_are_by_instance(factor, level, seed):
    windows = np.random.default_rng(seed).normal(size=(5, 8, 2))
    columns, way = ColumnLayout(1, past=1), WindowScaling("instance")
    quiet, loud = (way.apply(values, columns, 8) for values in (windows, factor * windows + level))
    np.testing.assert_allclose(loud.inputs, quiet.inputs, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(loud.scales, factor * quiet.scales, rtol=1e-8)


def test_deviations_are_those_of_observed_values():
    windows = make_windows(1)
    usual = np.delete(windows, [3, 4, 5], axis=0)
    np.testing.assert_allclose(compute_deviations(usual), np.nanstd(usual[:, :, 0], axis=1), rtol=1e-12)
    assert compute_deviations(windows[5:6]) == LEAST_DEVIATION  # of a flat window
    assert compute_deviations(windows[3:4]) == 1  # nothing was observed
    two = np.concatenate([usual, 2 * usual], axis=2)
    np.testing.assert_allclose(compute_deviations(two), np.sqrt(2.5) * compute_deviations(usual), rtol=1e-12)
    half = np.concatenate([usual, np.full_like(usual, np.nan)], axis=2)
    np.testing.assert_allclose(compute_deviations(half), compute_deviations(usual), rtol=1e-12)


def test_last_observed_values_are_those_of_a_loop():
    windows = make_windows(3, n=28, window=5, holes=0.6)
    windows[3, :, 1] = np.nan
    expected = [[last(column) for column in window.T] for window in windows]
    np.testing.assert_array_equal(find_last_observed(windows), expected)
