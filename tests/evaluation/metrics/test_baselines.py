"""The seasonal naive forecast and the skill, against the reference and numbers worked by hand."""

import doctest
import math

import naive
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.evaluation.metrics import baselines, seasonal_naive, skill

NAN = float("nan")


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


def test_skill_raises_for_negative_errors():
    with pytest.raises(
        ValueError, match=r"'reference_error' parameter of skill must not be negative. Got -1.0"
    ):
        skill(1.0, -1.0)


@given(n=st.integers(1, 40), horizon=st.integers(1, 20), season_length=st.integers(1, 12))
@settings(max_examples=30)
def test_seasonal_naive_equals_reference(n, horizon, season_length):
    history = np.random.default_rng(n).normal(size=n + season_length)
    expected = naive.seasonal_naive(history, horizon, season_length)
    np.testing.assert_array_equal(seasonal_naive(history, horizon, season_length), expected)


def test_season_length_one_is_persistence():
    np.testing.assert_array_equal(seasonal_naive([1.0, 5.0, 2.0], 3), [2.0, 2.0, 2.0])
    np.testing.assert_array_equal(seasonal_naive([1.0, 5.0, NAN], 2, 1), [5.0, 5.0])


def test_missing_step_takes_value_of_season_before():
    # places in the season:  0    1    2    0    1    2    0    1
    history = np.array([1.0, 2.0, 3.0, 4.0, NAN, NAN, NAN, 8.0])
    # the next steps are places 2, 0, 1, 2
    np.testing.assert_array_equal(seasonal_naive(history, 4, 3), [3.0, 4.0, 8.0, 3.0])


def test_unobserved_position_takes_last_value():
    np.testing.assert_array_equal(seasonal_naive([NAN, 2.0, NAN, 7.0], 3, 2), [7.0, 7.0, 7.0])
    np.testing.assert_array_equal(seasonal_naive([1.0, 2.0], 5, 4), [2.0, 2.0, 1.0, 2.0, 2.0])


def test_columns_are_forecast_separately():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [NAN, 5.0, NAN]})
    np.testing.assert_array_equal(seasonal_naive(frame, 2, 2), [[2.0, 5.0], [3.0, 5.0]])
    assert seasonal_naive(frame[["a"]], 4, 2).shape == (4, 1)
    assert seasonal_naive(frame["a"], 4, 2).shape == (4,)


@pytest.mark.parametrize("name", ["horizon", "season_length"])
@pytest.mark.parametrize("value", [0, 1.5])
def test_counts_must_be_positive_integers(name, value):
    arguments = {"horizon": 2, "season_length": 2, name: value}
    with pytest.raises(
        ValueError, match=rf"'{name}' parameter of seasonal_naive must be an int of at least 1"
    ):
        seasonal_naive([1.0, 2.0], **arguments)


def test_history_needs_an_observed_value():
    with pytest.raises(ValueError, match=r"observed value in every column. Got shape \(2, 2\)"):
        seasonal_naive([[1.0, NAN], [2.0, NAN]], 1, 1)


def test_docstring_examples_are_correct():
    result = doctest.testmod(baselines)
    assert (result.failed, result.attempted) == (0, 2)
