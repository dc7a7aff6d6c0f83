"""Least squares from sums, against rows and scikit-learn's ridge regression."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from seqcast.forecasting.normal_equations import NormalEquations

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 7)) @ RNG.normal(size=(7, 7)) + 3
Y = X[:, :2] - X[:, 4:6] + RNG.normal(size=(60, 2))
OTHER_X, OTHER_Y = RNG.normal(size=(25, 7)) + 1, RNG.normal(size=(25, 2))


def assert_same(found, expected, rtol=1e-9):
    assert found.count == expected.count
    for name in ("x", "y", "xx", "xy", "yy"):
        expected_values = getattr(expected, name)
        scale = np.max(np.abs(expected_values), initial=1e-300)
        np.testing.assert_allclose(getattr(found, name), expected_values, rtol=rtol, atol=rtol * scale)


def test_sums_are_means_and_sums_of_products():
    found = NormalEquations.from_rows(X, Y)
    assert found.count == 60
    np.testing.assert_allclose(found.x, X.mean(axis=0))
    np.testing.assert_allclose(found.y, Y.mean(axis=0))
    joint = 60 * np.cov(np.hstack([X, Y]).T, bias=True)
    np.testing.assert_allclose(found.xx, joint[:7, :7])
    np.testing.assert_allclose(found.xy, joint[:7, 7:])
    assert found.yy == pytest.approx(np.trace(joint[7:, 7:]))


@given(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.0, 1e5]))
@settings(max_examples=40)
def test_sums_can_be_added_and_subtracted(first, second, level):
    """Values may be far from 0, where sums of raw products would lose ten digits."""
    first, second = sorted([first, second])
    x, y = X + level, Y - level
    parts = [
        NormalEquations.from_rows(x[a:b], y[a:b]) for a, b in [(0, first), (first, second), (second, 60)]
    ]
    total = parts[0] + parts[1] + parts[2]
    assert_same(total, NormalEquations.from_rows(x, y))
    if second - first < 60:
        rest = np.r_[0:first, second:60]
        found, expected = total - parts[1], NormalEquations.from_rows(x[rest], y[rest])
        if len(rest) > 3:  # of less is left, too much of it is rounding
            assert_same(found, expected, rtol=1e-7)


@pytest.mark.parametrize("n_inputs", [7, 3, 1])
@pytest.mark.parametrize("ridge", [1e-5, 0.1, 1.0])
def test_solution_is_ridge_regression_on_the_last_inputs(n_inputs, ridge):
    weights, intercept = NormalEquations.from_rows(X, Y).solve(n_inputs, ridge)
    inputs = X[:, -n_inputs:]
    penalty = ridge * np.mean(((inputs - inputs.mean(axis=0)) ** 2).sum(axis=0))
    expected = Ridge(alpha=penalty).fit(inputs, Y)
    np.testing.assert_allclose(weights, expected.coef_.T, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(intercept, expected.intercept_, rtol=1e-8)


@pytest.mark.parametrize("n_inputs", [7, 2])
def test_error_is_the_sum_of_squares_on_other_rows(n_inputs):
    weights, intercept = NormalEquations.from_rows(X, Y).solve(n_inputs, 0.1)
    expected = ((OTHER_X[:, -n_inputs:] @ weights + intercept - OTHER_Y) ** 2).sum()
    assert NormalEquations.from_rows(OTHER_X, OTHER_Y).squared_error(weights, intercept) == pytest.approx(
        expected, rel=1e-10
    )
    none = NormalEquations.from_rows(np.empty((0, 7)), np.empty((0, 2)))
    assert none.squared_error(weights, intercept) == 0


def test_some_inputs_can_be_chosen():
    places = np.array([5, 0, 2])
    assert_same(NormalEquations.from_rows(X, Y).select(places), NormalEquations.from_rows(X[:, places], Y))


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_regression_on_first_inputs_can_be_subtracted(n):
    explained = NormalEquations.from_rows(X, Y).penalize(n, 0.5).regress_on_first(n)
    rest = np.hstack([X[:, n:], Y])
    if n:
        x = X[:, :n] - X[:, :n].mean(axis=0)
        rows = np.vstack([x, np.diag(np.sqrt(0.5 * (x**2).sum(axis=0)))])
        aims = np.vstack([rest - rest.mean(axis=0), np.zeros((n, rest.shape[1]))])
        np.testing.assert_allclose(explained, np.linalg.lstsq(rows, aims, rcond=None)[0], rtol=1e-8)
    left = np.hstack([OTHER_X[:, n:], OTHER_Y]) - OTHER_X[:, :n] @ explained
    assert_same(
        NormalEquations.from_rows(OTHER_X, OTHER_Y).subtract_regression(explained),
        NormalEquations.from_rows(left[:, : 7 - n], left[:, 7 - n :]),
    )


def test_two_steps_are_one_fit_with_both_penalties():
    known = NormalEquations.from_rows(X, Y).penalize(3, 0.5)
    explained = known.regress_on_first(3)
    left = known.subtract_regression(explained)
    weights, intercept = left.solve(2, 0.1)
    first = explained[:, 4:] - explained[:, 2:4] @ weights
    x = X[:, [0, 1, 2, 5, 6]]
    x = x - x.mean(axis=0)
    penalties = np.r_[0.5 * (x[:, :3] ** 2).sum(axis=0), [0.1 * np.trace(left.xx[-2:, -2:]) / 2] * 2]
    rows = np.vstack([x, np.diag(np.sqrt(penalties))])
    aims = np.vstack([Y - Y.mean(axis=0), np.zeros((5, 2))])
    expected = np.linalg.lstsq(rows, aims, rcond=None)[0]
    np.testing.assert_allclose(np.vstack([first, weights]), expected, rtol=1e-8)
    both = X[:, :3] @ first + X[:, 5:] @ weights + intercept
    np.testing.assert_allclose(both.mean(axis=0), Y.mean(axis=0), rtol=1e-9)


def test_unobserved_inputs_have_no_weight():
    x = np.hstack([np.zeros((60, 1)), X])
    np.testing.assert_array_equal(NormalEquations.from_rows(x, Y).penalize(1, 0.03).regress_on_first(1), 0)
    flat = NormalEquations.from_rows(np.full((60, 2), 4.0), Y)
    weights, intercept = flat.solve(2, 0.1)
    np.testing.assert_array_equal(weights, 0)
    np.testing.assert_allclose(intercept, Y.mean(axis=0))
