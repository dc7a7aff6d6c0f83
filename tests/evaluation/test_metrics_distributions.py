"""Scores of quantiles, samples and intervals against published numbers, other packages and closed forms."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from seqcast.evaluation.metrics import coverage, crps, mae, pinball, winkler

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
LOWER, UPPER = np.array([1.0, 0.0, 2.0, -1.0]), np.array([2.0, 1.0, 2.5, 0.5])
LEVELS = [0.1, 0.25, 0.5, 0.75, 0.9]

# Hyndman and Athanasopoulos, "Forecasting: principles and practice", 3rd edition, section 5.9: the price of
# Google's shares on 4 January 2016 and the 80 % interval of its naive forecast.
GOOGLE, GOOGLE_LOWER, GOOGLE_UPPER = [741.84], [744.54], [773.22]


def energy(y, samples):
    """The score by its definition over all pairs, element by element."""
    pairs = np.abs(samples[:, :, None] - samples[:, None, :]).mean(axis=(1, 2))
    return float(np.mean(np.abs(samples - y[:, None]).mean(axis=1) - pairs / 2))


def seeded(n, m):
    """Strategy of n truths and m samples of each, with ties, of any size."""

    def draw(seed):
        rng = np.random.default_rng(seed)
        values = np.round(rng.normal(size=(n, m + 1)), 1) * 10.0 ** rng.integers(-3, 4)
        return values[:, 0], values[:, 1:]

    return st.integers(0, 10_000).map(draw)


# ---- quantiles ----


@pytest.mark.parametrize(
    ("y_hat", "quantile", "value"),
    [([0, 2, 3], 0.1, 0.1 / 3), ([1, 2, 4], 0.1, 0.3), ([0, 2, 3], 0.9, 0.3), ([1, 2, 4], 0.9, 0.1 / 3)],
)
def test_pinball_published(y_hat, quantile, value):
    # the example of scikit-learn's mean_pinball_loss
    assert pinball([1, 2, 3], y_hat, quantile) == pytest.approx(value, rel=1e-15)


def test_pinball_is_half_the_quantile_score_of_the_book():
    assert 2 * pinball(GOOGLE, GOOGLE_LOWER, 0.1) == pytest.approx(4.86, abs=1e-12)


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
@given(data=seeded(20, 3))
@settings(max_examples=20, deadline=None)
def test_pinball_same_as_scikit_learns(quantile, data):
    y, forecasts = data
    expected = mean_pinball_loss(y, forecasts[:, 0], alpha=quantile)
    assert pinball(y, forecasts[:, 0], quantile) == pytest.approx(expected, rel=1e-12)
    wide = mean_pinball_loss(forecasts, forecasts[::-1], alpha=quantile)
    assert pinball(forecasts, forecasts[::-1], quantile) == pytest.approx(wide, rel=1e-12)


def test_pinball_of_the_median_is_half_the_mae():
    assert pinball(Y, SAMPLES[:, 0]) == mae(Y, SAMPLES[:, 0]) / 2


def test_pinball_of_several_levels():
    quantiles = np.sort(SAMPLES, axis=1)
    # by utilsforecast 0.2.17, mqloss
    assert pinball(Y, quantiles, LEVELS) == pytest.approx(0.255625, rel=1e-15)
    each = [pinball(Y, quantiles[:, place], level) for place, level in enumerate(LEVELS)]
    assert pinball(Y, quantiles, LEVELS) == pytest.approx(np.mean(each), rel=1e-15)


def test_levels_belong_to_columns_in_any_order():
    order = [3, 0, 4, 1, 2]
    expected = pinball(Y, SAMPLES, LEVELS)
    assert pinball(Y, SAMPLES[:, order], np.array(LEVELS)[order]) == pytest.approx(expected, rel=1e-15)
    assert pinball(Y, SAMPLES, LEVELS[::-1]) != pytest.approx(expected)


def test_pinball_is_least_at_the_quantile():
    y = np.arange(1.0, 101.0)
    losses = [pinball(y, np.full(100, value), 0.8) for value in y]
    assert np.argmin(losses) in (79, 80)  # from 80 to 81 it is flat


@pytest.mark.parametrize("quantile", [0, 1, -0.1, NAN, [0.5, 1.0], [], [[0.5]]])
def test_levels_lie_between_zero_and_one(quantile):
    with pytest.raises(
        ValueError, match=r"'quantile' parameter of pinball must hold levels above 0 and below 1"
    ):
        pinball([1.0], [[1.0]], quantile)
    with pytest.raises(ValueError, match=r"'quantiles' parameter of crps must hold .* Got "):
        crps([1.0], [[1.0]], quantiles=quantile)


# ---- samples ----


def test_crps_same_as_other_packages():
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


def test_crps_of_evenly_spread_samples():
    # mean 1/2, less half the mean distance of all pairs, (m^2 - 1) / (3 m^2)
    m = 50
    samples = (np.arange(m) + 0.5) / m
    assert crps([0.0], samples[None]) == pytest.approx(1 / 3 + 1 / (6 * m**2), rel=1e-12)


@given(data=seeded(7, 6))
@settings(max_examples=40, deadline=None)
def test_crps_same_as_the_sum_over_pairs(data):
    y, samples = data
    score = crps(y, samples)
    assert score == pytest.approx(energy(y, samples), rel=1e-9, abs=1e-12)
    assert score >= 0.0


@given(data=seeded(5, 9), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_crps_knows_no_order_no_cutoff_and_no_sign(data, seed):
    y, samples = data
    score = crps(y, samples)
    assert crps(y, np.random.default_rng(seed).permuted(samples, axis=1)) == pytest.approx(score, rel=1e-12)
    assert crps(-y, -samples) == pytest.approx(score, rel=1e-12)
    assert crps(3.0 * y, 3.0 * samples) == pytest.approx(3.0 * score, rel=1e-12)
    assert crps(y, np.repeat(samples, 3, axis=1)) == pytest.approx(score, rel=1e-12)


def test_crps_keeps_its_digits_far_from_zero():
    far = 2.0**40
    assert crps(Y + far, SAMPLES + far) == pytest.approx(0.5325, rel=1e-14)


@given(data=seeded(6, 4))
@settings(max_examples=20, deadline=None)
def test_point_forecast_scores_its_absolute_error(data):
    y, samples = data
    point = samples[:, 0]
    expected = pytest.approx(mae(y, point), rel=1e-15)
    assert crps(y, point) == expected
    assert crps(y, point[:, None]) == expected
    assert crps(y, np.repeat(point[:, None], 8, axis=1)) == pytest.approx(mae(y, point), rel=1e-12)
    assert crps(y, point, quantiles=[0.5]) == expected
    assert crps(samples, samples[::-1]) == pytest.approx(mae(samples, samples[::-1]), rel=1e-15)


def test_samples_can_not_beat_the_certain_truth():
    assert crps([2.0], [[2.0, 2.0, 2.0]]) == 0.0


# ---- quantiles as a distribution ----


def test_crps_of_quantiles_is_twice_the_mean_pinball():
    quantiles = np.sort(SAMPLES, axis=1)
    assert crps(Y, quantiles, quantiles=LEVELS) == 2 * pinball(Y, quantiles, LEVELS)


def test_crps_of_sorted_samples_is_that_of_evenly_spread_quantiles():
    levels = [0.1, 0.3, 0.5, 0.7, 0.9]
    assert crps(Y, np.sort(SAMPLES, axis=1), quantiles=levels) == pytest.approx(crps(Y, SAMPLES), rel=1e-15)


def test_crps_of_many_quantiles_nears_the_closed_form():
    # Uniform on (0, 1), y = 0.3: y^3 / 3 + (1 - y)^3 / 3
    levels = (np.arange(500) + 0.5) / 500
    assert crps([0.3], levels[None], quantiles=levels) == pytest.approx((0.027 + 0.343) / 3, rel=1e-4)


# ---- shapes, labels and what is missing ----


def test_truths_never_observed_do_not_count():
    y = np.append(Y, NAN)
    samples = np.vstack([SAMPLES, np.full(5, 1e6)])
    assert crps(y, samples) == crps(Y, SAMPLES)
    assert pinball(y, samples, LEVELS) == pinball(Y, SAMPLES, LEVELS)
    ends = np.append(LOWER, NAN), np.append(UPPER, -1e6)
    assert coverage(y, *ends) == coverage(Y, LOWER, UPPER)
    assert winkler(y, *ends) == winkler(Y, LOWER, UPPER)


def test_missing_forecasts_are_no_excuse():
    holed = SAMPLES.copy()
    holed[1, 2] = NAN
    assert math.isnan(crps(Y, holed))
    assert math.isnan(pinball(Y, holed, LEVELS))
    for ends in [(np.where(LOWER == 2.0, NAN, LOWER), UPPER), (LOWER, np.where(UPPER == 2.0, NAN, UPPER))]:
        assert math.isnan(coverage(Y, *ends))
        assert math.isnan(winkler(Y, *ends))


def test_several_targets_have_their_samples_on_the_last_axis():
    y, samples = Y.reshape(2, 2), SAMPLES.reshape(2, 2, 5)
    assert crps(y, samples) == crps(Y, SAMPLES)
    assert pinball(y, samples, LEVELS) == pinball(Y, SAMPLES, LEVELS)
    assert crps(Y[:, None], SAMPLES[:, None, :]) == crps(Y, SAMPLES)


def test_frames_of_samples_and_of_quantiles():
    index = pd.date_range("2024", periods=4)
    y, samples = pd.Series(Y, index, name="load"), pd.DataFrame(SAMPLES, index)
    assert crps(y, samples) == crps(y.to_frame(), samples) == crps(Y, SAMPLES)
    assert pinball(y, samples, LEVELS) == pinball(Y, SAMPLES, LEVELS)
    median = samples[[0]].set_axis(["load-q0.5"], axis=1)
    assert pinball(y.to_frame(), median, [0.5]) == pinball(Y, SAMPLES[:, 0])
    later = samples.set_axis(index.shift(1))
    with pytest.raises(ValueError, match=r"'y' and 'y_hat' parameters of crps must have the same index"):
        crps(y, later)
    with pytest.raises(
        ValueError, match=r"'y' and 'upper' parameters of coverage must .* upper.reindex_like\(y\)"
    ):
        coverage(y, samples[0], later[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: crps(Y, SAMPLES[:3]),
            r"'y_hat' parameter of crps .* for the samples: \(4, m\). Got \(3, 5\)",
        ),
        (lambda: crps(Y, SAMPLES, [0.1, 0.9]), r"for the quantile levels: \(4, 2\). Got \(4, 5\) instead"),
        (lambda: pinball(Y, SAMPLES, [0.1, 0.9]), r"'y_hat' parameter of pinball .*: \(4, 2\). Got \(4, 5\)"),
        (lambda: pinball(Y, Y, [0.1, 0.9]), r"for the quantile levels: \(4, 2\). Got \(4,\) instead"),
        (
            lambda: pinball(Y, SAMPLES, 0.5),
            r"'y' and 'y_hat' .* must have one shape. Got \(4,\) and \(4, 5\)",
        ),
        (lambda: coverage(Y, LOWER, UPPER[:3]), r"'y' and 'upper' .* one shape. Got \(4,\) and \(3,\)"),
        (lambda: crps([NAN], [[1.0, 2.0]]), r"'y' parameter of crps must hold at least one observed value"),
        (lambda: pinball([NAN], [1.0]), r"'y' parameter of pinball must hold at least one observed value"),
    ],
)
def test_shapes_must_fit(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# ---- intervals ----


def test_winkler_published():
    # (773.22 - 744.54) + (2 / 0.2) (744.54 - 741.84)
    assert winkler(GOOGLE, GOOGLE_LOWER, GOOGLE_UPPER, level=80) == pytest.approx(55.68, abs=1e-9)
    # by scoringrules 0.10, interval_score(..., alpha=0.2)
    assert winkler(Y, LOWER, UPPER, level=80) == pytest.approx(2.875, rel=1e-14)


def test_winkler_inside_is_the_width_and_outside_a_fine_more():
    assert winkler([2.0], [0.0], [3.0], level=90) == pytest.approx(3.0, rel=1e-14)
    assert winkler([4.0], [0.0], [3.0], level=90) == pytest.approx(3.0 + 20.0, rel=1e-14)
    assert winkler([4.0], [0.0], [math.inf]) == math.inf


@pytest.mark.parametrize("level", [0, 100, -1, "80", NAN])
def test_winkler_needs_a_level_in_percent(level):
    with pytest.raises(
        ValueError, match=r"'level' parameter of winkler must be a number above 0 and below 100"
    ):
        winkler(Y, LOWER, UPPER, level)


def test_coverage_is_the_share_inside():
    assert coverage(Y, LOWER, UPPER) == 0.5
    assert coverage(Y, LOWER - 9.0, UPPER + 9.0) == 1.0
    assert coverage(Y, Y + 1.0, Y + 2.0) == 0.0


def test_coverage_counts_the_ends_and_open_intervals():
    assert coverage(Y, Y, Y) == 1.0
    assert coverage(Y, Y, np.full(4, math.inf)) == 1.0
    assert coverage([1.0, 2.0], [-math.inf, math.nextafter(2.0, 3.0)], [1.0, 3.0]) == 0.5


def test_coverage_of_columns_is_pooled():
    y = Y.reshape(2, 2)
    assert coverage(y, LOWER.reshape(2, 2), UPPER.reshape(2, 2)) == 0.5


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_wider_intervals_cover_no_less(seed):
    y, middle, width = np.abs(np.random.default_rng(seed).normal(size=(3, 30)))
    narrow = coverage(y, middle - width, middle + width)
    assert 0.0 <= narrow <= coverage(y, middle - 2 * width, middle + 2 * width) <= 1.0


@pytest.mark.parametrize("metric", [coverage, winkler])
def test_lower_ends_lie_below(metric):
    rule = rf"'lower' parameter of {metric.__name__} must nowhere lie above 'upper'"
    with pytest.raises(ValueError, match=rf"{rule}. Got 5.0 above 4.0 at position 2 \(1 such intervals\)"):
        metric([1.0, NAN, 2.0], [0.0, 0.0, 5.0], [1.0, 1.0, 4.0])
    with pytest.raises(ValueError, match=rf"{rule}. Got 2.0 above 1.0 at position 1, 0 \(2 such intervals\)"):
        metric(np.ones((2, 2)), [[0.0, 0.0], [2.0, 2.0]], np.ones((2, 2)))
