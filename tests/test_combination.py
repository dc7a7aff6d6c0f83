"""How much of each part, against weights by hand and a search over all of them."""

import numpy as np
import pytest

from seqcast.forecasting.combination import PRIOR_DEVIATION, choose, combine, mixed, squared_error

RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(40, 3, 2))
NOISE = RNG.normal(size=(3, 40, 3, 2))
PARTS = {"recurrent": TRUTH + 0.5 * NOISE[0], "linear": TRUTH + 1.0 * NOISE[1]}
MUCH = 1e12  # horizons of validation: as good as endless


def error_of(share, parts=PARTS, truth=TRUTH):
    one, other = parts.values()
    return np.nanmean((share * one + (1 - share) * other - truth) ** 2)


def searched(parts=PARTS, truth=TRUTH):
    shares = np.linspace(0, 1, 10001)
    return shares[int(np.argmin([error_of(share, parts, truth) for share in shares]))]


# -- weights


def test_weights_of_much_validation_have_the_least_error():
    weights = combine(PARTS, TRUTH, MUCH)
    assert list(weights) == ["recurrent", "linear"]
    assert 0.7 < weights["recurrent"] < 0.9  # 0.8, were the errors independent: 1 / 0.25 to 1 / 1
    assert weights["recurrent"] == pytest.approx(searched(), abs=1e-4)
    assert sum(weights.values()) == pytest.approx(1, rel=1e-15)


def test_weights_by_hand():
    """Errors 1 and -3 on one number: three quarters of the first, one of the second, are the truth."""
    truth = np.zeros((1, 1, 1))
    assert combine({"a": truth + 1, "b": truth - 3}, truth, MUCH) == pytest.approx({"a": 0.75, "b": 0.25})


@pytest.mark.parametrize(("errors", "expected"), [((1.0, 3.0), (1, 0)), ((-5.0, -2.0), (0, 1))])
def test_no_weight_is_below_0_or_above_1(errors, expected):
    truth = np.zeros((2, 2, 1))
    weights = combine({"a": truth + errors[0], "b": truth + errors[1]}, truth, MUCH)
    assert tuple(weights.values()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n_horizons", [0.0, 1.0, 7.5, 30.0, 1000.0])
def test_few_horizons_draw_the_weights_to_equal_parts(n_horizons):
    """The most probable share: of errors as large as the best one leaves, and a half, give or take a half."""
    best = combine(PARTS, TRUTH, MUCH)["recurrent"]
    evidence = n_horizons * np.mean((PARTS["recurrent"] - PARTS["linear"]) ** 2) / error_of(best)
    expected = (evidence * best + 0.5 / 0.5**2) / (evidence + 1 / 0.5**2)
    assert PRIOR_DEVIATION == 0.5
    assert combine(PARTS, TRUTH, n_horizons)["recurrent"] == pytest.approx(expected, rel=1e-9)
    shares = np.linspace(0, 1, 10001)
    doubts = [n_horizons * error_of(s) / error_of(best) + ((s - 0.5) / PRIOR_DEVIATION) ** 2 for s in shares]
    assert shares[int(np.argmin(doubts))] == pytest.approx(expected, abs=1e-4)


def test_parts_that_hardly_differ_count_the_same():
    """Which of them is better is then a matter of luck."""
    parts = {"a": TRUTH + NOISE[0], "b": TRUTH + NOISE[0] + 0.01 * NOISE[1]}
    assert combine(parts, TRUTH, MUCH)["a"] == pytest.approx(searched(parts), abs=1e-4)
    assert searched(parts) in (0, 1)
    assert combine(parts, TRUTH, 5.0)["a"] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("n_horizons", [0.1, 5.0, MUCH])
def test_a_part_without_an_error_is_everything(n_horizons):
    """Errors of 0 are endless evidence, which must not end in NaN."""
    assert combine({"a": TRUTH, "b": TRUTH + 1}, TRUTH, n_horizons) == {"a": 1.0, "b": 0.0}
    assert combine({"a": TRUTH + 1, "b": TRUTH}, TRUTH, n_horizons) == {"a": 0.0, "b": 1.0}
    assert combine({"a": TRUTH, "b": TRUTH}, TRUTH, n_horizons) == {"a": 0.5, "b": 0.5}
    assert combine({"a": TRUTH + 1, "b": TRUTH - 1}, TRUTH, n_horizons) == {"a": 0.5, "b": 0.5}


def test_parts_that_are_equal_count_the_same():
    same = {"a": TRUTH + 1, "b": TRUTH + 1}
    assert combine(same, TRUTH, MUCH) == {"a": 0.5, "b": 0.5}


def test_a_single_part_is_everything():
    assert combine({"recurrent": TRUTH + 1}, TRUTH, 3.0) == {"recurrent": 1.0}


def test_what_was_not_observed_does_not_count():
    holed = np.where(RNG.random(TRUTH.shape) < 0.3, np.nan, TRUTH)
    seen = np.isfinite(holed)
    expected = combine({name: part[seen] for name, part in PARTS.items()}, TRUTH[seen], 5.0)
    assert combine(PARTS, holed, 5.0) == pytest.approx(expected, rel=1e-12)
    assert combine(PARTS, holed, 5.0) != combine(PARTS, TRUTH, 5.0)


@pytest.mark.parametrize("truth", [np.full_like(TRUTH, np.nan), np.empty((0, 1, 1))])
def test_without_validation_all_parts_count_the_same(truth):
    assert combine(PARTS, truth, 0.0) == {"recurrent": 0.5, "linear": 0.5}
    naive = {"naive": TRUTH}
    assert choose(PARTS, naive, truth, 0.0) == {"recurrent": 0.5, "linear": 0.5}
    assert choose({"recurrent": TRUTH}, {}, truth, 0.0) == {"recurrent": 1.0}


# -- naive forecasts


def test_a_naive_forecast_that_is_better_is_all_that_is_left():
    naive = {"naive": TRUTH + 0.2 * NOISE[2], "seasonal_naive": TRUTH + 0.1 * NOISE[2]}
    assert choose(PARTS, naive, TRUTH, 5.0) == {"seasonal_naive": 1.0}
    assert choose(PARTS, {"naive": naive["naive"]}, TRUTH, 5.0) == {"naive": 1.0}


def test_a_naive_forecast_that_is_worse_is_none():
    naive = {"naive": TRUTH + NOISE[2], "seasonal_naive": TRUTH + 2 * NOISE[2]}
    assert choose(PARTS, naive, TRUTH, 5.0) == combine(PARTS, TRUTH, 5.0)
    assert choose(PARTS, {}, TRUTH, 5.0) == combine(PARTS, TRUTH, 5.0)


def test_the_naive_forecast_is_compared_with_the_sum_and_not_with_the_parts():
    """Errors of the parts cancel: their mean is better than the naive forecast, which is better than each."""
    parts, naive = {"a": TRUTH + NOISE[0], "b": TRUTH - NOISE[0]}, {"naive": TRUTH + 0.5 * NOISE[0]}
    assert choose(parts, naive, TRUTH, 5.0) == pytest.approx({"a": 0.5, "b": 0.5})


def test_a_naive_forecast_that_is_as_good_is_preferred():
    assert choose({"recurrent": TRUTH + 1}, {"naive": TRUTH - 1}, TRUTH, 5.0) == {"naive": 1.0}


def test_what_was_not_observed_is_no_ones_error():
    holed = np.where(RNG.random(TRUTH.shape) < 0.3, np.nan, TRUTH)
    naive = {"naive": np.where(np.isnan(holed), 1e9, TRUTH)}
    assert choose(PARTS, naive, holed, 5.0) == {"naive": 1.0}


# -- sums


def test_a_mixture_is_the_weighted_sum():
    found = mixed(PARTS, {"recurrent": 0.25, "linear": 0.75})
    np.testing.assert_allclose(found, 0.25 * PARTS["recurrent"] + 0.75 * PARTS["linear"], rtol=1e-15)
    np.testing.assert_array_equal(mixed({"linear": TRUTH}, {"linear": 1.0}), TRUTH)


def test_squared_error_is_the_mean_over_what_was_observed():
    assert squared_error(np.array([1.0, 2.0, 9.0]), np.array([3.0, 1.0, np.nan])) == 2.5
