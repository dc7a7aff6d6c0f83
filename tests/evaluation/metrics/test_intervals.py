"""Scores of prediction intervals, against published numbers and scoringrules."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.evaluation.metrics import coverage, intervals, winkler

NAN = float("nan")

Y = np.array([1.5, -0.25, 3.0, 0.0])

LOWER, UPPER = np.array([1.0, 0.0, 2.0, -1.0]), np.array([2.0, 1.0, 2.5, 0.5])


# Hyndman and Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.9: the price of
# Google's shares on 4 January 2016 and the 80 % interval of its naive forecast.
GOOGLE, GOOGLE_LOWER, GOOGLE_UPPER = [741.84], [744.54], [773.22]


def test_winkler_score_of_published_example():
    # (773.22 - 744.54) + (2 / 0.2) (744.54 - 741.84)
    assert winkler(GOOGLE, GOOGLE_LOWER, GOOGLE_UPPER, level=80) == pytest.approx(55.68, abs=1e-9)
    # by scoringrules 0.10, interval_score(..., alpha=0.2)
    assert winkler(Y, LOWER, UPPER, level=80) == pytest.approx(2.875, rel=1e-14)


def test_winkler_score_is_width_plus_penalty():
    assert winkler([2.0], [0.0], [3.0], level=90) == pytest.approx(3.0, rel=1e-14)
    assert winkler([4.0], [0.0], [3.0], level=90) == pytest.approx(3.0 + 20.0, rel=1e-14)
    assert winkler([4.0], [0.0], [math.inf]) == math.inf


@pytest.mark.parametrize("level", [0, 100, -1, "80", NAN])
def test_level_must_be_between_0_and_100(level):
    with pytest.raises(
        ValueError, match=r"'level' parameter of winkler must be a number above 0 and below 100"
    ):
        winkler(Y, LOWER, UPPER, level)


def test_coverage_is_the_fraction_inside():
    assert coverage(Y, LOWER, UPPER) == 0.5
    assert coverage(Y, LOWER - 9.0, UPPER + 9.0) == 1.0
    assert coverage(Y, Y + 1.0, Y + 2.0) == 0.0


def test_coverage_includes_bounds_and_infinite_intervals():
    assert coverage(Y, Y, Y) == 1.0
    assert coverage(Y, Y, np.full(4, math.inf)) == 1.0
    assert coverage([1.0, 2.0], [-math.inf, math.nextafter(2.0, 3.0)], [1.0, 3.0]) == 0.5


def test_coverage_of_columns_is_pooled():
    y = Y.reshape(2, 2)
    assert coverage(y, LOWER.reshape(2, 2), UPPER.reshape(2, 2)) == 0.5


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_wider_intervals_cover_at_least_as_much(seed):
    y, middle, width = np.abs(np.random.default_rng(seed).normal(size=(3, 30)))
    narrow = coverage(y, middle - width, middle + width)
    assert 0.0 <= narrow <= coverage(y, middle - 2 * width, middle + 2 * width) <= 1.0


@pytest.mark.parametrize("metric", [coverage, winkler])
def test_lower_bounds_must_not_be_above_upper_bounds(metric):
    rule = rf"'lower' parameter of {metric.__name__} must not be above 'upper'"
    with pytest.raises(ValueError, match=rf"{rule}. Got 5.0 above 4.0 at position 2 \(1 such intervals\)"):
        metric([1.0, NAN, 2.0], [0.0, 0.0, 5.0], [1.0, 1.0, 4.0])
    with pytest.raises(ValueError, match=rf"{rule}. Got 2.0 above 1.0 at position 1, 0 \(2 such intervals\)"):
        metric(np.ones((2, 2)), [[0.0, 0.0], [2.0, 2.0]], np.ones((2, 2)))


def test_docstring_examples_are_correct():
    result = doctest.testmod(intervals)
    assert (result.failed, result.attempted) == (0, 2)
