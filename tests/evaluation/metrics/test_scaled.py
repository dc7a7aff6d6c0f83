"""Scaled errors, against published numbers, the reference and utilsforecast."""

import doctest
import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.evaluation.metrics import mase, rmsse, scaled

# The example data of sktime's documentation, worked by hand: errors 0.5, 0.5, 0, 1, 0.75.
Y = [3.0, -0.5, 2.0, 7.0, 2.0]

Y_HAT = [2.5, 0.0, 2.0, 8.0, 1.25]

HISTORY = [5.0, 0.5, 4.0, 6.0, 3.0, 5.0, 2.0]

NAN = float("nan")


def test_mase_of_published_example():
    # changes of the history: 4.5, 3.5, 2, 3, 2, 3, on average 3
    assert mase(Y, Y_HAT, HISTORY) == pytest.approx(0.55 / 3, rel=1e-15)
    # over two steps: 1, 5.5, 1, 1, 1, on average 1.9
    assert mase(Y, Y_HAT, HISTORY, season_length=2) == pytest.approx(0.55 / 1.9, rel=1e-15)


def test_rmsse_of_published_example():
    # printed in sktime's documentation of MeanSquaredScaledError(square_root=True)
    assert rmsse(Y, Y_HAT, HISTORY) == pytest.approx(0.20568833780186058, rel=1e-15)
    # by utilsforecast 0.2.17, rmsse(..., seasonality=2)
    assert rmsse(Y, Y_HAT, HISTORY, season_length=2) == pytest.approx(0.24539555436517138, rel=1e-15)


def test_naive_forecast_of_a_linear_trend():
    # Every change is 2, and the errors of the naive forecast are 2, 4 and 6.
    history = [1.0, 3.0, 5.0, 7.0]
    assert mase([9.0, 11.0, 13.0], [7.0] * 3, history) == 2.0
    assert rmsse([9.0, 11.0, 13.0], [7.0] * 3, history) == pytest.approx(math.sqrt(14 / 3), rel=1e-15)


@pytest.mark.parametrize("metric", [mase, rmsse])
@given(seed=st.integers(0, 10_000), factor=st.floats(1e-3, 1e3), season_length=st.integers(1, 7))
@settings(max_examples=20)
def test_scaled_errors_do_not_depend_on_the_unit(metric, seed, factor, season_length):
    y, y_hat, history = np.random.default_rng(seed).normal(size=(3, 15))
    expected = metric(y, y_hat, history, season_length)
    assert metric(factor * y, factor * y_hat, factor * history, season_length) == pytest.approx(expected)
    assert metric(y + factor, y_hat + factor, history + factor, season_length) == pytest.approx(expected)


@pytest.mark.parametrize("season_length", [1, 5, 12])
def test_scaled_errors_equal_reference(season_length):
    rng = np.random.default_rng(0)
    y, y_hat = rng.normal(size=(2, 10))
    y[3] = np.nan
    history = rng.normal(size=60)
    history[[0, 7, 8, 30]] = np.nan
    expected = naive.mase(y, y_hat, history, season_length)
    assert mase(y, y_hat, history, season_length) == pytest.approx(expected, rel=1e-13)
    change = np.sqrt(np.nanmean((history[season_length:] - history[:-season_length]) ** 2))
    expected = naive.rmse(y, y_hat) / change
    assert rmsse(y, y_hat, history, season_length) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize(
    ("history", "season_length", "got"),
    [
        ([4.0, 4.0, 4.0], 1, "no change"),
        ([1.0, 2.0, 1.0, 2.0], 2, "no change"),
        ([1.0, 2.0], 2, "2 values without such a pair"),
        ([1.0, NAN, 2.0], 1, "3 values without such a pair"),
    ],
)
@pytest.mark.parametrize(("metric", "unscaled"), [(mase, "mae"), (rmsse, "rmse")])
def test_history_must_change(metric, unscaled, history, season_length, got):
    rule = rf"'history' parameter of {metric.__name__} must .* season_length={season_length} .*"
    with pytest.raises(ValueError, match=rf"{rule} Got {got} instead. .* or use {unscaled}\.$"):
        metric([1.0], [2.0], history, season_length)


@pytest.mark.parametrize("metric", [mase, rmsse])
def test_history_and_truth_must_be_one_series(metric):
    two, of = np.ones((3, 2)), rf"parameter of {metric.__name__} must be one series"
    with pytest.raises(ValueError, match=rf"'history' {of}.* Got shape \(3, 2\)"):
        metric([1.0], [1.0], two)
    with pytest.raises(ValueError, match=rf"'y' {of}"):
        metric(two, two, [1.0, 2.0])


def test_docstring_examples_are_correct():
    result = doctest.testmod(scaled)
    assert (result.failed, result.attempted) == (0, 2)
