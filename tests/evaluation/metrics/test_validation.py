"""Conversion and validation of the arguments of metrics, through the metrics that use them."""

import math

import numpy as np
import pandas as pd
import pytest

from seqcast.evaluation.metrics import coverage, crps, mae, mape, pinball, rmse, smape, winkler

# The example data of sktime's documentation, worked by hand: errors 0.5, 0.5, 0, 1, 0.75.
Y = [3.0, -0.5, 2.0, 7.0, 2.0]

Y_HAT = [2.5, 0.0, 2.0, 8.0, 1.25]

NAN = float("nan")


SAMPLES = np.add.outer(Y_HAT, [0.25, -1.0, 0.5])
PROBABILITIES = [0.1, 0.5, 0.9]
LOWER, UPPER = np.subtract(Y_HAT, 1.0), np.add(Y_HAT, 0.5)

PAIRWISE = [mae, rmse, smape, mape]


@pytest.mark.parametrize("metric", PAIRWISE)
def test_elements_without_truth_are_left_out(metric):
    assert metric([*Y, NAN], [*Y_HAT, 1e6]) == metric(Y, Y_HAT)
    assert metric([*Y, NAN], [*Y_HAT, NAN]) == metric(Y, Y_HAT)


def test_samples_and_intervals_without_truth_are_left_out():
    y = np.append(Y, NAN)
    samples = np.vstack([SAMPLES, np.full(3, 1e6)])
    assert crps(y, samples) == crps(Y, SAMPLES)
    assert pinball(y, samples, PROBABILITIES) == pinball(Y, SAMPLES, PROBABILITIES)
    bounds = np.append(LOWER, NAN), np.append(UPPER, -1e6)
    assert coverage(y, *bounds) == coverage(Y, LOWER, UPPER)
    assert winkler(y, *bounds) == winkler(Y, LOWER, UPPER)


@pytest.mark.parametrize("metric", PAIRWISE)
def test_missing_forecast_gives_nan(metric):
    assert math.isnan(metric(Y, [NAN, *Y_HAT[1:]]))


def test_missing_samples_and_bounds_give_nan():
    holed = SAMPLES.copy()
    holed[1, 2] = NAN
    assert math.isnan(crps(Y, holed))
    assert math.isnan(pinball(Y, holed, PROBABILITIES))
    for bounds in [(np.append(LOWER[:-1], NAN), UPPER), (LOWER, np.append(UPPER[:-1], NAN))]:
        assert math.isnan(coverage(Y, *bounds))
        assert math.isnan(winkler(Y, *bounds))


@pytest.mark.parametrize("metric", PAIRWISE)
def test_containers_give_equal_errors(metric):
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


def test_samples_are_on_the_last_axis():
    y, samples = np.reshape(Y[:4], (2, 2)), SAMPLES[:4].reshape(2, 2, 3)
    assert crps(y, samples) == crps(Y[:4], SAMPLES[:4])
    assert pinball(y, samples, PROBABILITIES) == pinball(Y[:4], SAMPLES[:4], PROBABILITIES)
    assert crps(np.array(Y)[:, None], SAMPLES[:, None, :]) == crps(Y, SAMPLES)


def test_frames_of_samples_and_quantiles():
    index = pd.date_range("2024", periods=5)
    y, samples = pd.Series(Y, index, name="load"), pd.DataFrame(SAMPLES, index)
    assert crps(y, samples) == crps(y.to_frame(), samples) == crps(Y, SAMPLES)
    assert pinball(y, samples, PROBABILITIES) == pinball(Y, SAMPLES, PROBABILITIES)
    median = samples[[0]].set_axis(["load-q0.5"], axis=1)
    assert pinball(y.to_frame(), median, [0.5]) == pinball(Y, SAMPLES[:, 0])
    later = samples.set_axis(index.shift(1))
    with pytest.raises(ValueError, match=r"'y' and 'y_hat' parameters of crps must have the same index"):
        crps(y, later)
    with pytest.raises(
        ValueError, match=r"'y' and 'upper' parameters of coverage must .* upper.reindex_like\(y\)"
    ):
        coverage(y, samples[0], later[1])


@pytest.mark.parametrize("metric", PAIRWISE)
def test_shapes_must_be_equal(metric):
    message = (
        rf"'y' and 'y_hat' parameters of {metric.__name__} must have the same shape. Got \(3,\) and \(4,\)"
    )
    with pytest.raises(ValueError, match=message):
        metric([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(ValueError, match=r"Got \(2,\) and \(2, 2\)"):
        metric([1.0, 2.0], [[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: crps(Y, SAMPLES[:3]),
            r"'y_hat' parameter of crps .* for the samples: \(5, m\). Got \(3, 3\)",
        ),
        (lambda: crps(Y, SAMPLES, [0.1, 0.9]), r"for the quantiles: \(5, 2\). Got \(5, 3\) instead"),
        (lambda: pinball(Y, SAMPLES, [0.1, 0.9]), r"'y_hat' parameter of pinball .*: \(5, 2\). Got \(5, 3\)"),
        (lambda: pinball(Y, Y, [0.1, 0.9]), r"for the quantiles: \(5, 2\). Got \(5,\) instead"),
        (
            lambda: pinball(Y, SAMPLES, 0.5),
            r"'y' and 'y_hat' .* must have the same shape. Got \(5,\) and \(5, 3\)",
        ),
        (lambda: coverage(Y, LOWER, UPPER[:3]), r"'y' and 'upper' .* the same shape. Got \(5,\) and \(3,\)"),
        (lambda: crps([NAN], [[1.0, 2.0]]), r"'y' parameter of crps must hold at least one observed value"),
        (lambda: pinball([NAN], [1.0]), r"'y' parameter of pinball must hold at least one observed value"),
    ],
)
def test_shapes_of_samples_and_intervals_must_match(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_labels_must_be_equal():
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
def test_a_value_must_be_observed(metric):
    with pytest.raises(
        ValueError, match=rf"'y' parameter of {metric.__name__} .* Got 2 values, all of them NaN"
    ):
        metric([NAN, NAN], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"must hold at least one value, .* Got shape \(0,\)"):
        metric([], [])
