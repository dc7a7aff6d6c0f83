"""Scores of quantiles and samples, against published numbers, other packages and closed forms."""

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from seqcast.evaluation.metrics import crps, mae, pinball, probabilistic

NAN = float("nan")


# Four forecasts of five samples each, also scored by other packages.
Y = np.array([1.5, -0.25, 3.0, 0.0])


SAMPLES = np.array(
    [
        [1.0, 2.0, 0.5, 1.75, 3.25],
        [-1.0, 0.5, -0.25, 0.75, -2.0],
        [0.5, 1.0, 2.5, 1.5, 2.0],
        [1.0, 0.25, 0.5, 2.0, 0.25],
    ]
)

PROBABILITIES = [0.1, 0.25, 0.5, 0.75, 0.9]


# Hyndman and Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.9: the price of
# Google's shares on 4 January 2016, and the lower bound of the 80 % interval of its naive forecast.
GOOGLE, GOOGLE_LOWER = [741.84], [744.54]


def compute_energy_score(y, samples):
    """Return the score by its definition over all pairs, in loops."""
    pairs = np.abs(samples[:, :, None] - samples[:, None, :]).mean(axis=(1, 2))
    return float(np.mean(np.abs(samples - y[:, None]).mean(axis=1) - pairs / 2))


def draw_truths_and_samples(n, m):
    """Return a strategy of n truths with m samples each, with ties."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        values = np.round(rng.normal(size=(n, m + 1)), 1) * 10.0 ** rng.integers(-3, 4)
        return values[:, 0], values[:, 1:]

    return st.integers(0, 10_000).map(draw)


@pytest.mark.parametrize(
    ("y_hat", "quantile", "value"),
    [([0, 2, 3], 0.1, 0.1 / 3), ([1, 2, 4], 0.1, 0.3), ([0, 2, 3], 0.9, 0.3), ([1, 2, 4], 0.9, 0.1 / 3)],
)
def test_pinball_of_published_example(y_hat, quantile, value):
    # the example of scikit-learn's mean_pinball_loss
    assert pinball([1, 2, 3], y_hat, quantile) == pytest.approx(value, rel=1e-15)


def test_pinball_is_half_the_published_quantile_score():
    assert 2 * pinball(GOOGLE, GOOGLE_LOWER, 0.1) == pytest.approx(4.86, abs=1e-12)


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
@given(data=draw_truths_and_samples(20, 3))
@settings(max_examples=20)
def test_pinball_equals_that_of_scikit_learn(quantile, data):
    y, forecasts = data
    expected = mean_pinball_loss(y, forecasts[:, 0], alpha=quantile)
    assert pinball(y, forecasts[:, 0], quantile) == pytest.approx(expected, rel=1e-12)
    wide = mean_pinball_loss(forecasts, forecasts[::-1], alpha=quantile)
    assert pinball(forecasts, forecasts[::-1], quantile) == pytest.approx(wide, rel=1e-12)


def test_pinball_of_the_median_is_half_the_mae():
    assert pinball(Y, SAMPLES[:, 0]) == mae(Y, SAMPLES[:, 0]) / 2


def test_pinball_of_several_probabilities():
    quantiles = np.sort(SAMPLES, axis=1)
    # by utilsforecast 0.2.17, mqloss
    assert pinball(Y, quantiles, PROBABILITIES) == pytest.approx(0.255625, rel=1e-15)
    each = [pinball(Y, quantiles[:, k], probability) for k, probability in enumerate(PROBABILITIES)]
    assert pinball(Y, quantiles, PROBABILITIES) == pytest.approx(np.mean(each), rel=1e-15)


def test_probabilities_may_be_in_any_order():
    order = [3, 0, 4, 1, 2]
    expected = pinball(Y, SAMPLES, PROBABILITIES)
    assert pinball(Y, SAMPLES[:, order], np.array(PROBABILITIES)[order]) == pytest.approx(expected, rel=1e-15)
    assert pinball(Y, SAMPLES, PROBABILITIES[::-1]) != pytest.approx(expected)


def test_pinball_is_smallest_at_the_quantile():
    y = np.arange(1.0, 101.0)
    losses = [pinball(y, np.full(100, value), 0.8) for value in y]
    # The loss is constant from 80 to 81.
    assert np.argmin(losses) in (79, 80)


@pytest.mark.parametrize("quantile", [0, 1, -0.1, NAN, [0.5, 1.0], [], [[0.5]]])
def test_probabilities_must_be_between_0_and_1(quantile):
    with pytest.raises(
        ValueError, match=r"'quantile' parameter of pinball must hold probabilities above 0 and below 1"
    ):
        pinball([1.0], [[1.0]], quantile)
    with pytest.raises(ValueError, match=r"'quantiles' parameter of crps must hold .* Got "):
        crps([1.0], [[1.0]], quantiles=quantile)


def test_crps_equals_that_of_other_packages():
    # by properscoring 0.1; the same by scoringrules 0.10 with its "nrg" and its "qd" estimator
    for row, value in enumerate([0.28, 0.29, 1.1, 0.46]):
        assert crps(Y[row : row + 1], SAMPLES[row : row + 1]) == pytest.approx(value, rel=1e-14)
    assert crps(Y, SAMPLES) == pytest.approx(0.5325, rel=1e-15)


@pytest.mark.parametrize(
    ("y", "value"), [(0.0, 0.23369497725510913), (1.0, 0.6024413576276163), (-2.0, 1.4527918216859033)]
)
def test_crps_of_a_normal_distribution(y, value):
    # y (2 Φ(y) - 1) + 2 φ(y) - 1/√π (Gneiting and Raftery, 2007, page 367); numbers by scoringrules 0.10
    closed = (
        y * math.erf(y / math.sqrt(2))
        + math.sqrt(2 / math.pi) * math.exp(-(y**2) / 2)
        - 1 / math.sqrt(math.pi)
    )
    assert closed == pytest.approx(value, rel=1e-14)
    samples = np.random.default_rng(0).normal(size=(1, 200_000))
    assert crps([y], samples) == pytest.approx(value, abs=2e-3)


def test_crps_of_equidistant_samples():
    # mean 1/2, less half the mean distance of all pairs, (m^2 - 1) / (3 m^2)
    m = 50
    samples = (np.arange(m) + 0.5) / m
    assert crps([0.0], samples[None]) == pytest.approx(1 / 3 + 1 / (6 * m**2), rel=1e-12)


@given(data=draw_truths_and_samples(7, 6))
@settings(max_examples=20)
def test_crps_equals_the_sum_over_pairs(data):
    y, samples = data
    score = crps(y, samples)
    assert score == pytest.approx(compute_energy_score(y, samples), rel=1e-9, abs=1e-12)
    assert score >= 0.0


@given(data=draw_truths_and_samples(5, 9), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_crps_is_invariant_to_order_sign_and_repetition(data, seed):
    y, samples = data
    score = crps(y, samples)
    assert crps(y, np.random.default_rng(seed).permuted(samples, axis=1)) == pytest.approx(score, rel=1e-12)
    assert crps(-y, -samples) == pytest.approx(score, rel=1e-12)
    assert crps(3.0 * y, 3.0 * samples) == pytest.approx(3.0 * score, rel=1e-12)
    assert crps(y, np.repeat(samples, 3, axis=1)) == pytest.approx(score, rel=1e-12)


def test_crps_is_exact_far_from_zero():
    far = 2.0**40
    assert crps(Y + far, SAMPLES + far) == pytest.approx(0.5325, rel=1e-14)


@given(data=draw_truths_and_samples(6, 4))
@settings(max_examples=20)
def test_crps_of_a_point_forecast_is_its_absolute_error(data):
    y, samples = data
    point = samples[:, 0]
    expected = pytest.approx(mae(y, point), rel=1e-15)
    assert crps(y, point) == expected
    assert crps(y, point[:, None]) == expected
    assert crps(y, np.repeat(point[:, None], 8, axis=1)) == pytest.approx(mae(y, point), rel=1e-12)
    assert crps(y, point, quantiles=[0.5]) == expected
    assert crps(samples, samples[::-1]) == pytest.approx(mae(samples, samples[::-1]), rel=1e-15)


def test_crps_of_the_truth_is_0():
    assert crps([2.0], [[2.0, 2.0, 2.0]]) == 0.0


def test_crps_of_quantiles_is_twice_the_mean_pinball_loss():
    quantiles = np.sort(SAMPLES, axis=1)
    assert crps(Y, quantiles, quantiles=PROBABILITIES) == 2 * pinball(Y, quantiles, PROBABILITIES)


def test_crps_of_samples_is_that_of_equidistant_quantiles():
    probabilities = [0.1, 0.3, 0.5, 0.7, 0.9]
    assert crps(Y, np.sort(SAMPLES, axis=1), quantiles=probabilities) == pytest.approx(
        crps(Y, SAMPLES), rel=1e-15
    )


def test_crps_of_many_quantiles_is_near_the_closed_form():
    # Uniform on (0, 1), y = 0.3: y^3 / 3 + (1 - y)^3 / 3
    probabilities = (np.arange(500) + 0.5) / 500
    assert crps([0.3], probabilities[None], quantiles=probabilities) == pytest.approx(
        (0.027 + 0.343) / 3, rel=1e-4
    )


def test_docstring_examples_are_correct():
    result = doctest.testmod(probabilistic)
    assert (result.failed, result.attempted) == (0, 5)
