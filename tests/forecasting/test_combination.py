"""Weights of the parts, against weights by hand and an exhaustive search."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.forecasting.combination import (
    PRIOR_DEVIATION,
    Gains,
    ValidationForecasts,
    blend,
    choose_weights,
    fit_weights,
    squared_error,
)

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


def test_weights_minimize_the_error_of_much_validation():
    weights = fit_weights(PARTS, TRUTH, MUCH)
    assert list(weights) == ["recurrent", "linear"]
    assert 0.7 < weights["recurrent"] < 0.9  # 0.8, were the errors independent: 1 / 0.25 to 1 / 1
    assert weights["recurrent"] == pytest.approx(searched(), abs=1e-4)
    assert sum(weights.values()) == pytest.approx(1, rel=1e-15)


def test_weights_by_hand():
    """The errors are 1 and -3, so that three quarters of the first part and one of the second are exact."""
    truth = np.zeros((1, 1, 1))
    assert fit_weights({"a": truth + 1, "b": truth - 3}, truth, MUCH) == pytest.approx({"a": 0.75, "b": 0.25})


@pytest.mark.parametrize(("errors", "expected"), [((1.0, 3.0), (1, 0)), ((-5.0, -2.0), (0, 1))])
def test_no_weight_is_below_0_or_above_1(errors, expected):
    truth = np.zeros((2, 2, 1))
    weights = fit_weights({"a": truth + errors[0], "b": truth + errors[1]}, truth, MUCH)
    assert tuple(weights.values()) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n_horizons", [0.0, 1.0, 7.5, 30.0, 1000.0])
def test_few_horizons_shrink_the_weights_to_equality(n_horizons):
    """The weight has the largest posterior probability, for a prior of 0.5 with a deviation of 0.5."""
    best = fit_weights(PARTS, TRUTH, MUCH)["recurrent"]
    evidence = n_horizons * np.mean((PARTS["recurrent"] - PARTS["linear"]) ** 2) / error_of(best)
    expected = (evidence * best + 0.5 / 0.5**2) / (evidence + 1 / 0.5**2)
    assert PRIOR_DEVIATION == 0.5
    assert fit_weights(PARTS, TRUTH, n_horizons)["recurrent"] == pytest.approx(expected, rel=1e-9)
    shares = np.linspace(0, 1, 10001)
    doubts = [n_horizons * error_of(s) / error_of(best) + ((s - 0.5) / PRIOR_DEVIATION) ** 2 for s in shares]
    assert shares[int(np.argmin(doubts))] == pytest.approx(expected, abs=1e-4)


def test_similar_parts_have_nearly_equal_weights():
    """Which of the parts is better depends on chance."""
    parts = {"a": TRUTH + NOISE[0], "b": TRUTH + NOISE[0] + 0.01 * NOISE[1]}
    assert fit_weights(parts, TRUTH, MUCH)["a"] == pytest.approx(searched(parts), abs=1e-4)
    assert searched(parts) in (0, 1)
    assert fit_weights(parts, TRUTH, 5.0)["a"] == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("n_horizons", [0.1, 5.0, MUCH])
def test_a_part_without_errors_has_all_weight(n_horizons):
    """Errors of 0 make the evidence infinite, and the weights must not be NaN."""
    assert fit_weights({"a": TRUTH, "b": TRUTH + 1}, TRUTH, n_horizons) == {"a": 1.0, "b": 0.0}
    assert fit_weights({"a": TRUTH + 1, "b": TRUTH}, TRUTH, n_horizons) == {"a": 0.0, "b": 1.0}
    assert fit_weights({"a": TRUTH, "b": TRUTH}, TRUTH, n_horizons) == {"a": 0.5, "b": 0.5}
    assert fit_weights({"a": TRUTH + 1, "b": TRUTH - 1}, TRUTH, n_horizons) == {"a": 0.5, "b": 0.5}


def test_equal_parts_have_equal_weights():
    same = {"a": TRUTH + 1, "b": TRUTH + 1}
    assert fit_weights(same, TRUTH, MUCH) == {"a": 0.5, "b": 0.5}


def test_a_single_part_has_all_weight():
    assert fit_weights({"recurrent": TRUTH + 1}, TRUTH, 3.0) == {"recurrent": 1.0}


def test_three_parts_are_weighed_one_after_the_other():
    """A third part is weighed against the sum of the others, whose prior weight is two thirds."""
    third = TRUTH + 0.7 * NOISE[2]
    two = fit_weights(PARTS, TRUTH, 5.0)
    pair = blend(PARTS, two)
    difference, residual = pair - third, TRUTH - third
    best = np.sum(difference * residual) / np.sum(difference**2)
    evidence = 5.0 * np.mean(difference**2) / np.mean((residual - best * difference) ** 2)
    share = (evidence * best + 4 * 2 / 3) / (evidence + 4)
    expected = {"recurrent": share * two["recurrent"], "linear": share * two["linear"], "third": 1 - share}
    found = fit_weights(PARTS | {"third": third}, TRUTH, 5.0)
    assert found == pytest.approx(expected, rel=1e-9)
    assert sum(found.values()) == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("n_horizons", [0.0, 1e-12])
def test_three_parts_have_equal_weights_without_evidence(n_horizons):
    parts = PARTS | {"third": TRUTH + NOISE[2]}
    equal = dict.fromkeys(parts, 1 / 3)
    assert fit_weights(parts, TRUTH, n_horizons) == pytest.approx(equal)
    assert fit_weights(parts, np.full_like(TRUTH, np.nan), 5.0) == equal


def test_a_third_part_without_errors_has_all_weight():
    weights = fit_weights(PARTS | {"third": TRUTH}, TRUTH, 5.0)
    assert weights == {"recurrent": 0.0, "linear": 0.0, "third": 1.0}


def test_missing_values_do_not_change_the_weights():
    holed = np.where(RNG.random(TRUTH.shape) < 0.3, np.nan, TRUTH)
    seen = np.isfinite(holed)
    expected = fit_weights({name: part[seen] for name, part in PARTS.items()}, TRUTH[seen], 5.0)
    assert fit_weights(PARTS, holed, 5.0) == pytest.approx(expected, rel=1e-12)
    assert fit_weights(PARTS, holed, 5.0) != fit_weights(PARTS, TRUTH, 5.0)


@pytest.mark.parametrize("truth", [np.full_like(TRUTH, np.nan), np.empty((0, 1, 1))])
def test_without_validation_all_parts_have_equal_weights(truth):
    assert fit_weights(PARTS, truth, 0.0) == {"recurrent": 0.5, "linear": 0.5}
    naive = {"naive": TRUTH}
    assert choose_weights(ValidationForecasts(PARTS, naive, truth, 0.0)) == {"recurrent": 0.5, "linear": 0.5}
    assert choose_weights(ValidationForecasts({"recurrent": TRUTH}, {}, truth, 0.0)) == {"recurrent": 1.0}


# -- naive forecasts


def make_validation(parts=PARTS, naive=None, truth=TRUTH, n_horizons=5.0):
    return ValidationForecasts(parts, naive or {}, truth, n_horizons)


def test_a_better_naive_forecast_replaces_the_parts():
    naive = {"naive": TRUTH + 0.2 * NOISE[2], "seasonal_naive": TRUTH + 0.1 * NOISE[2]}
    assert choose_weights(make_validation(naive=naive)) == {"seasonal_naive": 1.0}
    assert choose_weights(make_validation(naive={"naive": naive["naive"]})) == {"naive": 1.0}


def test_a_worse_naive_forecast_has_no_weight():
    naive = {"naive": TRUTH + NOISE[2], "seasonal_naive": TRUTH + 2 * NOISE[2]}
    assert choose_weights(make_validation(naive=naive)) == fit_weights(PARTS, TRUTH, 5.0)
    assert choose_weights(make_validation()) == fit_weights(PARTS, TRUTH, 5.0)


def test_the_naive_forecast_is_compared_with_the_sum_of_parts():
    """Errors of the parts cancel: their mean is better than the naive forecast, which is better than each."""
    parts, naive = {"a": TRUTH + NOISE[0], "b": TRUTH - NOISE[0]}, {"naive": TRUTH + 0.5 * NOISE[0]}
    assert choose_weights(make_validation(parts, naive)) == pytest.approx({"a": 0.5, "b": 0.5})


def test_an_equally_good_naive_forecast_is_preferred():
    assert choose_weights(make_validation({"recurrent": TRUTH + 1}, {"naive": TRUTH - 1})) == {"naive": 1.0}


def test_missing_values_do_not_count_as_errors():
    holed = np.where(RNG.random(TRUTH.shape) < 0.3, np.nan, TRUTH)
    naive = {"naive": np.where(np.isnan(holed), 1e9, TRUTH)}
    assert choose_weights(make_validation(naive=naive, truth=holed)) == {"naive": 1.0}


# -- more evidence, out of fold


def at_errors(parts, naive, n_horizons):
    """Return forecasts of windows with one value each, with these errors."""
    off = {name: np.array(values, dtype=float)[:, None, None] for name, values in (parts | naive).items()}
    truth = np.zeros((len(next(iter(off.values()))), 1, 1))
    return ValidationForecasts({n: off[n] for n in parts}, {n: off[n] for n in naive}, truth, n_horizons)


def t_by_hand(gains, horizons):
    """Return the mean gain in standard errors, for windows with these weights in horizons."""
    mean = sum(g * h for g, h in zip(gains, horizons, strict=True)) / sum(horizons)
    variance = sum(h * (g - mean) ** 2 for g, h in zip(gains, horizons, strict=True)) / sum(horizons)
    with np.errstate(divide="ignore"):  # one value: certain
        return mean / np.sqrt(variance / max(sum(horizons) - 1, 0.5))


@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(0, 30), st.floats(0.1, 60), st.floats(0.1, 60))
@settings(max_examples=150)
def test_the_choice_follows_the_documented_rule(seed, n, n_folds, horizons, fold_horizons):
    rng = np.random.default_rng(seed)
    parts, rivals = ("recurrent", "linear"), ("naive", "seasonal_naive")
    errors = {name: rng.normal(size=n) for name in (*parts, *rivals)}
    fold_errors = {name: rng.normal(size=n_folds) for name in ("linear", *rivals)}
    validation = at_errors({k: errors[k] for k in parts}, {k: errors[k] for k in rivals}, horizons)
    folds = at_errors({"linear": fold_errors["linear"]}, {k: fold_errors[k] for k in rivals}, fold_horizons)
    found = choose_weights(validation, folds)

    weights = fit_weights(validation.parts, validation.truth, horizons)
    mixture = sum(weights[k] * errors[k] for k in parts)
    best = min(rivals, key=lambda k: np.mean(errors[k] ** 2))
    each = [horizons / n] * n
    if np.mean(mixture**2) >= np.mean(errors[best] ** 2):
        expected = {best: 1.0}
    elif t_by_hand(errors[best] ** 2 - mixture**2, each) > 2 or (
        np.mean(mixture**2) < 0.75 * np.mean(errors[best] ** 2)
        and n_folds
        and t_by_hand(
            fold_errors[best] ** 2 - fold_errors["linear"] ** 2, [fold_horizons / n_folds] * n_folds
        )
        > -0.5
    ):
        expected = weights
    else:
        each += [fold_horizons / n_folds for _ in range(n_folds)]
        both = {k: np.r_[errors[k], fold_errors[k]] ** 2 for k in ("linear", *rivals)}
        rival = min(rivals, key=lambda k: np.average(both[k], weights=each))
        likely = t_by_hand(both[rival] - both["linear"], each) > 0.5
        expected = weights if likely else {rival: 1.0}
    assert found == expected


# Better than the naive forecast on these windows, by less than two standard errors.
FEW = at_errors({"recurrent": [1, 1, 1, 1.1], "linear": [1, 1, 1, 1.2]}, {"naive": [1.3, 1, 0.8, 1.3]}, 3)


@pytest.mark.parametrize(
    ("linear", "naive", "stays"),
    [
        ([1.0, 1.0, 1.1], [2.0, 2.1, 2.2], True),
        ([2.0, 2.0, 2.0], [1.0, 1.1, 1.2], False),
        ([1.0, 2.0, 1.0], [2.0, 1.0, 1.0], False),  # luck
        ([1.0, 1.2, 1.0], [1.0, 1.1, 1.0], False),
    ],
)
def test_the_linear_part_must_also_be_better_out_of_fold(linear, naive, stays):
    assert set(choose_weights(FEW)) == {"recurrent", "linear"}
    found = choose_weights(FEW, at_errors({"linear": linear}, {"naive": naive}, 300))
    assert set(found) == ({"recurrent", "linear"} if stays else {"naive"})


@pytest.mark.parametrize(("other", "stays"), [(0.9, True), (2.5, False)])
def test_all_parts_with_folds_are_evidence_against_naive(other, stays):
    """The linear part alone is slightly worse than the naive forecast out of fold."""
    parts = {"recurrent": [1, 1, 1, 1.1], "linear": [1, 1, 1, 1.2], "other": [1, 1, 1, 1.1]}
    validation = at_errors(parts, {"naive": [1.3, 1, 0.8, 1.3]}, 3)
    naive = [1.9, 2.0, 2.1]
    folds = at_errors({"linear": [2.0, 2.0, 2.1], "other": [other] * 3}, {"naive": naive}, 300)
    assert set(choose_weights(validation, folds)) == (set(parts) if stays else {"naive"})
    alone = at_errors({"linear": [2.0, 2.0, 2.1]}, {"naive": naive}, 300)
    assert choose_weights(validation, alone) == {"naive": 1.0}


def test_a_large_gain_needs_no_worse_folds():
    """Few long horizons fit into the rows, so that no difference is certain."""
    large = at_errors({"recurrent": [1, 2, 1], "linear": [1, 2, 1]}, {"naive": [1, 4, 2]}, 1.5)
    tie = at_errors({"linear": [1.0, 2.0, 1.0]}, {"naive": [2.0, 1.0, 1.0]}, 3)
    worse = at_errors({"linear": [3.0, 3.1, 3.0]}, {"naive": [1.0, 1.0, 1.1]}, 30)
    assert set(choose_weights(large, tie)) == {"recurrent", "linear"}
    assert choose_weights(large, worse) == {"naive": 1.0}


def test_a_certain_gain_of_the_network_needs_no_folds():
    """If the gain on validation windows is certain, out-of-fold forecasts of the linear part are ignored."""
    off = 2 + 0.1 * np.random.default_rng(0).normal(size=40)
    validation = at_errors({"recurrent": 0.1 * off, "linear": off}, {"naive": off}, 40)
    folds = at_errors({"linear": off}, {"naive": off / 2}, 200)
    assert set(choose_weights(validation, folds)) == {"recurrent", "linear"}
    doubtful = at_errors({"recurrent": off - 0.01, "linear": off}, {"naive": off[::-1]}, 40)
    assert set(choose_weights(doubtful)) == {"recurrent", "linear"}
    assert choose_weights(doubtful, folds) == {"naive": 1.0}


def test_the_best_naive_forecast_of_all_windows_is_chosen():
    validation = at_errors({"linear": [1, 1.1]}, {"naive": [1.2, 1.0], "seasonal_naive": [2, 1.0]}, 2)
    folds = at_errors({"linear": [2, 2, 2]}, {"naive": [2, 2, 2], "seasonal_naive": [1, 1, 1.1]}, 30)
    assert set(choose_weights(validation)) == {"linear"}
    assert choose_weights(validation, folds) == {"seasonal_naive": 1.0}


def test_folds_are_used_only_with_a_naive_forecast():
    folds = at_errors({"linear": [9.0]}, {"naive": [1.0]}, 30)
    assert choose_weights(replace(FEW, naive={}), folds) == fit_weights(FEW.parts, FEW.truth, 3)


def test_without_folds_validation_alone_decides():
    nothing = at_errors({"linear": []}, {"naive": []}, 0.0)
    assert set(choose_weights(FEW, nothing)) == {"recurrent", "linear"}
    worse = replace(FEW, parts=FEW.parts | {"linear": FEW.naive["naive"] + 0.1})
    assert set(choose_weights(worse)) == {"recurrent", "linear"}
    assert choose_weights(worse, nothing) == {"naive": 1.0}


def test_gains_are_computed_from_observed_values():
    truth = np.array([[[0.0], [np.nan]], [[np.nan], [np.nan]], [[0.0], [0.0]]])
    some = ValidationForecasts({}, {"naive": np.full((3, 2, 1), 2.0)}, truth, 6.0)
    gains = some.compute_gains(np.array([[[1.0], [99.0]], [[5.0], [5.0]], [[1.0], [3.0]]]), "naive")
    np.testing.assert_array_equal(gains.values, [3.0, -1.0])  # 4 - 1; the mean of 4 - 1 and 4 - 9
    np.testing.assert_array_equal(gains.horizons, [2.0, 2.0])


def test_gains_are_compared_with_their_standard_errors():
    gains = Gains(np.array([1.0, 3.0, 2.0]), np.array([1.0, 1.0, 8.0]))
    t = t_by_hand(gains.values, gains.horizons)
    assert gains.mean == pytest.approx(2.0)
    assert gains.exceed(t - 1e-9)
    assert not gains.exceed(t + 1e-9)
    assert Gains(np.ones(3), np.ones(3)).exceed(1e9)  # without any doubt
    assert not Gains(np.zeros(3), np.ones(3)).exceed(0.5)


def test_random_walks_are_forecast_naively():
    """A linear part that fits noise is often better on the last rows, but not on all rows."""
    chosen = []
    for seed in range(40):
        noise = np.random.default_rng(seed).normal(size=(2, 300, 1, 1))
        linear, truth = noise[0] + 0.1 * noise[1], np.zeros((300, 1, 1))
        last, others = slice(0, 30), slice(30, None)
        validation, folds = (
            ValidationForecasts(
                {"linear": linear[part]}, {"naive": noise[0, part]}, truth[part], len(truth[part])
            )
            for part in (last, others)
        )
        chosen.append(("naive" in choose_weights(validation), "naive" in choose_weights(validation, folds)))
    by_validation, by_both = np.mean(chosen, axis=0)
    assert by_validation < 0.8
    assert by_both > 0.9


# -- sums


def test_a_blend_is_the_weighted_sum():
    found = blend(PARTS, {"recurrent": 0.25, "linear": 0.75})
    np.testing.assert_allclose(found, 0.25 * PARTS["recurrent"] + 0.75 * PARTS["linear"], rtol=1e-15)
    np.testing.assert_array_equal(blend({"linear": TRUTH}, {"linear": 1.0}), TRUTH)


def test_squared_error_is_the_mean_over_observed_values():
    assert squared_error(np.array([1.0, 2.0, 9.0]), np.array([3.0, 1.0, np.nan])) == 2.5
