"""Errors of the seasonal naive forecast on training rows, compared with loops."""

import numpy as np
import pytest

from seqcast.data.naive_errors import seasonal_naive_errors

NAN = np.nan


@pytest.mark.parametrize("season_length", [1, 2, 7])
def test_errors_are_those_of_a_loop_over_observed_pairs(season_length):
    rng = np.random.default_rng(0)
    values = np.where(rng.random((30, 3)) < 0.2, NAN, rng.normal(size=(30, 3)))
    mean_absolute, root_mean_squared = seasonal_naive_errors(values, season_length)
    for k, column in enumerate(values.T):
        errors = [b - a for a, b in zip(column, column[season_length:], strict=False) if a == a and b == b]
        np.testing.assert_allclose(mean_absolute[k], np.mean(np.abs(errors)), rtol=1e-12)
        np.testing.assert_allclose(root_mean_squared[k], np.sqrt(np.mean(np.square(errors))), rtol=1e-12)


@pytest.mark.parametrize("values", [[1.0, NAN, 2.0], [3.0], [NAN, NAN, NAN]])
def test_without_a_pair_of_values_errors_are_0(values):
    np.testing.assert_array_equal(seasonal_naive_errors(np.array(values)[:, None], 1), [[0.0], [0.0]])


def test_errors_of_a_constant_are_0():
    np.testing.assert_array_equal(seasonal_naive_errors(np.full((9, 1), 7.0), 2), [[0.0], [0.0]])


def test_large_values_have_finite_errors():
    values = np.array([[1e300], [-1e300], [1e300]])
    np.testing.assert_allclose(seasonal_naive_errors(values, 1), [[2e300], [2e300]], rtol=1e-12)


def test_values_are_left_as_they_are():
    values = np.arange(6.0)[:, None]
    seasonal_naive_errors(values, 1)
    np.testing.assert_array_equal(values[:, 0], np.arange(6.0))
