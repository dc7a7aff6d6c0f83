"""Metrics of point forecasts against hand-worked numbers, the reference, and sktime's and utilsforecast's."""

import doctest
import math
from importlib import import_module

import naive
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.evaluation import metrics
from seqcast.evaluation.metrics import mae, mape, mase, rmse, rmsse, seasonal_naive, skill, smape

# The example data of sktime's documentation, worked by hand: errors 0.5, 0.5, 0, 1, 0.75.
Y = [3.0, -0.5, 2.0, 7.0, 2.0]
Y_HAT = [2.5, 0.0, 2.0, 8.0, 1.25]
HISTORY = [5.0, 0.5, 4.0, 6.0, 3.0, 5.0, 2.0]

PAIRWISE = [mae, rmse, smape, mape]
NAN = float("nan")


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (mae, 0.55),
        (rmse, math.sqrt(0.4125)),
        (smape, 40 * (0.5 / 5.5 + 1 + 0 + 1 / 15 + 0.75 / 3.25)),
        (mape, 20 * (0.5 / 3 + 1 + 0 + 1 / 7 + 0.375)),
    ],
)
def test_published_example(metric, value):
    assert metric(Y, Y_HAT) == pytest.approx(value, rel=1e-15)


def test_published_mase():
    # changes of the history: 4.5, 3.5, 2, 3, 2, 3, on average 3
    assert mase(Y, Y_HAT, HISTORY) == pytest.approx(0.55 / 3, rel=1e-15)
    # over two steps: 1, 5.5, 1, 1, 1, on average 1.9
    assert mase(Y, Y_HAT, HISTORY, season_length=2) == pytest.approx(0.55 / 1.9, rel=1e-15)


def test_published_rmsse():
    # printed in sktime's documentation of MeanSquaredScaledError(square_root=True)
    assert rmsse(Y, Y_HAT, HISTORY) == pytest.approx(0.20568833780186058, rel=1e-15)
    # by utilsforecast 0.2.17, rmsse(..., seasonality=2)
    assert rmsse(Y, Y_HAT, HISTORY, season_length=2) == pytest.approx(0.24539555436517138, rel=1e-15)


def test_naive_forecast_of_steady_growth_is_worth_its_horizon():
    # Every change is 2, and the errors of the naive forecast are 2, 4 and 6.
    history = [1.0, 3.0, 5.0, 7.0]
    assert mase([9.0, 11.0, 13.0], [7.0] * 3, history) == 2.0
    assert rmsse([9.0, 11.0, 13.0], [7.0] * 3, history) == pytest.approx(math.sqrt(14 / 3), rel=1e-15)


@pytest.mark.parametrize("metric", [mase, rmsse])
@given(seed=st.integers(0, 10_000), factor=st.floats(1e-3, 1e3), season_length=st.integers(1, 7))
@settings(max_examples=20, deadline=None)
def test_scaled_errors_have_no_unit(metric, seed, factor, season_length):
    y, y_hat, history = np.random.default_rng(seed).normal(size=(3, 15))
    expected = metric(y, y_hat, history, season_length)
    assert metric(factor * y, factor * y_hat, factor * history, season_length) == pytest.approx(expected)
    assert metric(y + factor, y_hat + factor, history + factor, season_length) == pytest.approx(expected)


def test_smape_reaches_both_ends_of_its_scale():
    assert smape([1.0, 0.0], [1.0, 0.0]) == 0.0
    assert smape([1.0, -2.0], [-3.0, 5.0]) == 200.0
    assert smape([0.0], [4.0]) == 200.0


@pytest.mark.parametrize("metric", [mae, rmse, smape])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_same_as_the_reference(metric, seed):
    rng = np.random.default_rng(seed)
    y, y_hat = rng.normal(size=(2, 30)) * 10.0 ** rng.integers(-3, 4)
    y[rng.random(30) < 0.3] = np.nan
    y[0] = 1.0
    expected = getattr(naive, metric.__name__)(y, y_hat)
    assert metric(y, y_hat) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("season_length", [1, 5, 12])
def test_scaled_errors_same_as_the_reference(season_length):
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


@pytest.mark.parametrize("metric", PAIRWISE)
def test_pairs_without_truth_do_not_count(metric):
    assert metric([*Y, NAN], [*Y_HAT, 1e6]) == metric(Y, Y_HAT)
    assert metric([*Y, NAN], [*Y_HAT, NAN]) == metric(Y, Y_HAT)


@pytest.mark.parametrize("metric", PAIRWISE)
def test_missing_forecast_is_no_excuse(metric):
    assert math.isnan(metric(Y, [NAN, *Y_HAT[1:]]))


@pytest.mark.parametrize("metric", PAIRWISE)
def test_every_container_gives_the_same(metric):
    expected = metric(Y, Y_HAT)
    index = pd.date_range("2024", periods=5)
    y, y_hat = pd.Series(Y, index), pd.Series(Y_HAT, index)
    for one, other in [
        (np.array(Y), Y_HAT),
        (np.array(Y)[:, None], np.array(Y_HAT)),
        (y, y_hat),
        (y, y_hat.to_frame()),
        (y.astype("Float64"), Y_HAT),
        (y.to_frame("a"), y_hat.to_frame("a")),
    ]:
        assert metric(one, other) == expected


def test_columns_are_pooled():
    y, y_hat = np.array([[1.0, 10.0], [2.0, 20.0]]), np.array([[1.0, 14.0], [2.0, 20.0]])
    assert mae(y, y_hat) == 1.0
    assert rmse(pd.DataFrame(y), pd.DataFrame(y_hat)) == 2.0


@pytest.mark.parametrize("metric", PAIRWISE)
def test_shapes_must_agree(metric):
    message = rf"'y' and 'y_hat' parameters of {metric.__name__} must have one shape. Got \(3,\) and \(4,\)"
    with pytest.raises(ValueError, match=message):
        metric([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=r"Got \(2,\) and \(2, 2\)"):
        metric([1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]])


def test_labels_must_agree():
    y = pd.Series([1.0, 2.0], pd.to_datetime(["2024-01-01", "2024-01-02"]))
    later = y.set_axis(pd.to_datetime(["2024-01-01", "2024-01-03"]))
    with pytest.raises(
        ValueError, match=r"same index. Got 2024-01-02 .* and 2024-01-03 .* at position 1 instead"
    ):
        mae(y, later)
    frame = pd.DataFrame({"a": [1.0], "b": [2.0]})
    with pytest.raises(ValueError, match=r"same columns. Got a and b at position 0 instead"):
        mae(frame, frame[["b", "a"]])


@pytest.mark.parametrize("metric", PAIRWISE)
def test_something_must_be_observed(metric):
    with pytest.raises(
        ValueError, match=rf"'y' parameter of {metric.__name__} .* Got 2 values, all of them NaN"
    ):
        metric([NAN, NAN], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"must hold one value or more .* Got shape \(0,\)"):
        metric([], [])


def test_mape_refuses_zeros():
    with pytest.raises(ValueError, match=r"must hold no zeros, .* Got 2 instead. Use smape, or mase"):
        mape([0.0, 1.0, 0.0], [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("history", "season_length", "got"),
    [
        ([4.0, 4.0, 4.0], 1, "no change at all"),
        ([1.0, 2.0, 1.0, 2.0], 2, "no change at all"),
        ([1.0, 2.0], 2, "2 values without such a pair"),
        ([1.0, NAN, 2.0], 1, "3 values without such a pair"),
    ],
)
@pytest.mark.parametrize(("metric", "unscaled"), [(mase, "mae"), (rmsse, "rmse")])
def test_scale_needs_a_history_that_changes(metric, unscaled, history, season_length, got):
    rule = rf"'history' parameter of {metric.__name__} must .* season_length={season_length} .*"
    with pytest.raises(ValueError, match=rf"{rule} Got {got} instead. .* or use {unscaled}\.$"):
        metric([1.0], [2.0], history, season_length)


@pytest.mark.parametrize("metric", [mase, rmsse])
def test_scale_is_of_one_series(metric):
    two, of = np.ones((3, 2)), rf"parameter of {metric.__name__} must be one series"
    with pytest.raises(ValueError, match=rf"'history' {of}.* Got shape \(3, 2\)"):
        metric([1.0], [1.0], two)
    with pytest.raises(ValueError, match=rf"'y' {of}"):
        metric(two, two, [1.0, 2.0])


@pytest.mark.parametrize(
    ("error", "reference", "value"),
    [
        (0.0, 2.0, 1.0),
        (1.0, 2.0, 0.5),
        (2.0, 2.0, 0.0),
        (3.0, 2.0, -0.5),
        (0.0, 0.0, 0.0),
        (1.0, 0.0, -math.inf),
    ],
)
def test_skill(error, reference, value):
    assert skill(error, reference) == value


def test_skill_of_negative_errors():
    with pytest.raises(
        ValueError, match=r"'reference_error' parameter of skill must not be negative. Got -1.0"
    ):
        skill(1.0, -1.0)


@given(n=st.integers(1, 40), horizon=st.integers(1, 20), season_length=st.integers(1, 12))
@settings(max_examples=50, deadline=None)
def test_seasonal_naive_same_as_the_reference(n, horizon, season_length):
    history = np.random.default_rng(n).normal(size=n + season_length)
    expected = naive.seasonal_naive(history, horizon, season_length)
    np.testing.assert_array_equal(seasonal_naive(history, horizon, season_length), expected)


def test_season_length_one_is_persistence():
    np.testing.assert_array_equal(seasonal_naive([1.0, 5.0, 2.0], 3), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(seasonal_naive([1.0, 5.0, NAN], 2, 1), [5.0, 5.0])


def test_missing_steps_take_the_season_before():
    # places in the season:  0    1    2    0    1    2    0    1
    history = np.array([1.0, 2.0, 3.0, 4.0, NAN, NAN, NAN, 8.0])
    # the next steps are places 2, 0, 1, 2
    np.testing.assert_array_equal(seasonal_naive(history, 4, 3), [3.0, 4.0, 8.0, 3.0])


def test_places_never_observed_take_the_last_value():
    np.testing.assert_array_equal(seasonal_naive([NAN, 2.0, NAN, 7.0], 3, 2), [7.0, 7.0, 7.0])
    np.testing.assert_array_equal(seasonal_naive([1.0, 2.0], 5, 4), [2.0, 2.0, 1.0, 2.0, 2.0])


def test_columns_are_continued_one_by_one():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [NAN, 5.0, NAN]})
    np.testing.assert_array_equal(seasonal_naive(frame, 2, 2), [[2.0, 5.0], [3.0, 5.0]])
    assert seasonal_naive(frame[["a"]], 4, 2).shape == (4, 1)
    assert seasonal_naive(frame["a"], 4, 2).shape == (4,)


@pytest.mark.parametrize("name", ["horizon", "season_length"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, None])
def test_counts_are_positive_integers(name, value):
    arguments = {"horizon": 2, "season_length": 2, name: value}
    with pytest.raises(
        ValueError, match=rf"'{name}' parameter of seasonal_naive must be an int of at least 1"
    ):
        seasonal_naive([1.0, 2.0], **arguments)


def test_nothing_to_continue():
    with pytest.raises(ValueError, match=r"observed value in every column. Got shape \(2, 2\)"):
        seasonal_naive([[1.0, NAN], [2.0, NAN]], 1, 1)


@pytest.mark.parametrize(
    ("module", "examples"),
    [("points", 4), ("scaled", 2), ("distributions", 5), ("intervals", 2), ("baselines", 2)],
)
def test_docstring_examples_are_true(module, examples):
    result = doctest.testmod(import_module(f"{metrics.__name__}.{module}"))
    assert (result.failed, result.attempted) == (0, examples)


def test_every_metric_comes_from_the_package_itself():
    for name in metrics.__all__:
        assert getattr(metrics, name).__name__ == name
