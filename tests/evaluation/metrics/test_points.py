"""Errors of point forecasts, against numbers worked by hand and the reference."""

import doctest
import math

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.evaluation.metrics import mae, mape, points, rmse, smape

# The example data of sktime's documentation, worked by hand: errors 0.5, 0.5, 0, 1, 0.75.
Y = [3.0, -0.5, 2.0, 7.0, 2.0]

Y_HAT = [2.5, 0.0, 2.0, 8.0, 1.25]


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (mae, 0.55),
        (rmse, math.sqrt(0.4125)),
        (smape, 40 * (0.5 / 5.5 + 1 + 0 + 1 / 15 + 0.75 / 3.25)),
        (mape, 20 * (0.5 / 3 + 1 + 0 + 1 / 7 + 0.375)),
    ],
)
def test_metrics_of_published_example(metric, value):
    assert metric(Y, Y_HAT) == pytest.approx(value, rel=1e-15)


def test_smape_is_between_0_and_200():
    assert smape([1.0, 0.0], [1.0, 0.0]) == 0.0
    assert smape([1.0, -2.0], [-3.0, 5.0]) == 200.0
    assert smape([0.0], [4.0]) == 200.0


@pytest.mark.parametrize("metric", [mae, rmse, smape])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_metrics_equal_reference(metric, seed):
    rng = np.random.default_rng(seed)
    y, y_hat = rng.normal(size=(2, 30)) * 10.0 ** rng.integers(-3, 4)
    y[rng.random(30) < 0.3] = np.nan
    y[0] = 1.0
    expected = getattr(naive, metric.__name__)(y, y_hat)
    assert metric(y, y_hat) == pytest.approx(expected, rel=1e-13)


def test_mape_raises_for_zeros():
    with pytest.raises(ValueError, match=r"must hold no zeros, .* Got 2 zeros instead. Use smape or mase"):
        mape([0.0, 1.0, 0.0], [1.0, 1.0, 1.0])


def test_docstring_examples_are_correct():
    result = doctest.testmod(points)
    assert (result.failed, result.attempted) == (0, 4)
