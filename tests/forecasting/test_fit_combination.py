"""Weights of the parts of a forecaster, the naive fallback and residuals, by hand."""

import copy

import naive
import numpy as np
import pandas as pd
import pytest
from fitted_parts import linear_map_of, replace_model, residuals_of
from forecast_by_hand import (
    FIRST,
    cutoffs_between,
    forecast_by_hand,
    hourly,
    naives_by_hand,
    scaled_rows,
    training_end,
    truth_and_parts,
    truth_at,
    walk,
    with_holes,
)
from forecaster_tasks import EXACT, SMALL, TOGETHER, assert_same_weights

from seqcast import SeqForecaster
from seqcast.data.panel import Clock
from seqcast.data.roles import ColumnLayout
from seqcast.forecasting import fit_combination
from seqcast.forecasting.combination import ValidationForecasts, choose_weights, fit_weights, squared_error
from seqcast.forecasting.out_of_fold import forecast_out_of_fold
from seqcast.forecasting.parts.naive import NaivePart
from seqcast.forecasting.window_source import WindowSource, join_targets

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

# -- what the forecast is made of


@pytest.mark.parametrize("multivariate", [False, True])
@pytest.mark.parametrize("normalization", ["last", "none", "instance", "auto"])
def test_weights_are_fitted_to_the_last_rows(multivariate, normalization):
    rows = with_holes(hourly(150, "abc"), share=0.05)
    options = {
        **EXACT,
        **TOGETHER,
        "multivariate": multivariate,
        "normalization": normalization,
        "target": ["c", "a"],
    }
    model = SeqForecaster(**options).fit(rows)
    truth, parts = truth_and_parts(model, rows)
    apart, left = parts["recurrent"] - parts["linear"], truth - parts["linear"]
    best = np.clip(np.nansum(apart * left) / np.sum(apart[np.isfinite(left)] ** 2), 0, 1)
    evidence = len(truth) / 5 * np.nanmean((apart + 0 * left) ** 2) / np.nanmean((left - best * apart) ** 2)
    expected = (evidence * best + 4 * 0.5) / (evidence + 4)
    assert model.chosen_ == pytest.approx({"recurrent": expected, "linear": 1 - expected}, rel=1e-9)
    known = rows[["c", "a", "b"]].to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


def validation_by_hand(model, rows):
    """Return the forecasts of the validation windows."""
    truth, forecasts = truth_and_parts(model, rows)
    naives = {name: forecasts.pop(name) for name in ("naive", "seasonal_naive")}
    return ValidationForecasts(forecasts, naives, truth, len(truth) / model.horizon_)


def choice_by_hand(validation, folds):
    """Return the weights by the rule, which test_combination checks, and the condition that decided."""
    best = min(validation.naive, key=lambda name: squared_error(validation.naive[name], validation.truth))
    weights = fit_weights(validation.parts, validation.truth, validation.n_horizons)
    mixture = validation.forecast(weights)
    own, rival = (squared_error(f, validation.truth) for f in (mixture, validation.naive[best]))
    if own >= rival:
        decided = "worse on the last rows"
    elif validation.compute_gains(mixture, best).exceed(2.0):
        decided = "better, certainly"
    else:
        decided = "likely" if folds is None or "linear" in choose_weights(validation, folds) else "unlikely"
    return choose_weights(validation, folds), decided


def assert_same_validation(one, other):
    assert (one is None) == (other is None)
    if one is None:
        return
    np.testing.assert_allclose(one.truth, other.truth, rtol=1e-9, atol=1e-12)
    assert one.n_horizons == pytest.approx(other.n_horizons)
    for found, expected in ((one.parts, other.parts), (one.naive, other.naive)):
        assert found.keys() == expected.keys()
        for name, forecasts in found.items():
            np.testing.assert_allclose(forecasts, expected[name], rtol=1e-6, atol=1e-9)


def folds_by_hand(model, scaled):
    """Return out-of-fold forecasts of training windows, by maps that test_out_of_fold checks."""
    k, n, horizon = len(model.target_names_), scaled.shape[1], model.horizon_
    clock = Clock(np.array([0, len(scaled)]), np.array([FIRST]))
    source = WindowSource.from_inputs(scaled, ColumnLayout(k, n - k), model.multivariate, clock)
    cutoffs = np.array(cutoffs_between(model, scaled, 0, training_end(model, len(scaled))))
    starts, found = forecast_out_of_fold(
        linear_map_of(model), source, cutoffs - model.window_, model.window_, horizon
    )
    np.testing.assert_array_equal(starts + model.window_, cutoffs)
    seasons = {"naive": 1, "seasonal_naive": model.season_length_}
    naives = {name: naives_by_hand(model, scaled, cutoffs, season) for name, season in seasons.items()}
    truth = truth_at(model, scaled, cutoffs)
    return ValidationForecasts(
        {"linear": join_targets(found, len(source))}, naives, truth, len(cutoffs) / horizon
    )


NOISE = walk(200, 8).diff()[1:].to_frame()


CHOICES = [
    (hourly(150, "ab"), {}, "worse on the last rows"),
    (hourly(150, "ab"), {"multivariate": True}, "likely"),
    (with_holes(hourly(300, "ab"), 0.05), {"multivariate": True}, "likely"),
    (hourly(400, "ab"), {}, "unlikely"),
    (hourly(400, "ab"), {"multivariate": True}, "better, certainly"),
    (hourly(400, "ab"), {"linear": False}, "worse on the last rows"),
    (walk(200, 3).to_frame(), {}, "worse on the last rows"),
    (walk(300, 0).to_frame(), {}, "unlikely"),
    (walk(300, 0).to_frame(), {"linear": False}, "likely"),
    (NOISE, {}, "likely"),
]


@pytest.mark.parametrize(("data", "options", "decided"), CHOICES)
def test_the_fallback_is_chosen_where_it_is_as_good(data, options, decided, monkeypatch):
    options, calls = EXACT | options, []

    def watched(validation, folds):
        calls.append((validation, folds))
        return choose_weights(validation, folds)

    monkeypatch.setattr(fit_combination, "choose_weights", watched)
    model, mixture = (
        SeqForecaster(**options, naive_fallback=naive_fallback).fit(data) for naive_fallback in (True, False)
    )
    assert_same_weights(model, mixture)
    validation = validation_by_hand(mixture, data)
    folds = folds_by_hand(mixture, scaled_rows(mixture, data)) if model.linear else None
    assert_same_validation(calls[0][0], validation)
    assert_same_validation(calls[0][1], folds)
    expected, why = choice_by_hand(validation, folds)
    assert why == decided
    assert model.chosen_ == pytest.approx(expected, rel=1e-9)
    assert (model.chosen_ == mixture.chosen_) == (why in ("likely", "better, certainly"))
    known = data.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


@pytest.mark.parametrize("seed", [0, 5, 6])
def test_a_random_walk_is_forecast_by_its_last_value(seed):
    rows = walk(300, seed)
    model = SeqForecaster(6, 12, hidden_size=4, max_iter=5, random_state=0).fit(rows)
    assert model.chosen_ == {"naive": 1.0}
    np.testing.assert_allclose(model.forecast(8)["walk"], rows.iloc[-1], rtol=1e-12)
    followed = model.predict(pd.Series(np.arange(12.0), pd.RangeIndex(300, 312), name="walk"))
    np.testing.assert_allclose(followed, [rows.iloc[-1]] * 6 + [5.0] * 6, rtol=1e-12)


def test_a_season_is_learned_and_not_repeated():
    model = SeqForecaster(12, 48, hidden_size=16, max_iter=20, random_state=0).fit(hourly(1000))
    assert set(model.chosen_) == {"recurrent", "linear"}
    assert sum(model.chosen_.values()) == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("window", [30, 12])
def test_a_repeated_season_is_forecast_exactly(window):
    """The season is random, and the window may be shorter than the season."""
    season = np.random.default_rng(0).permutation(np.arange(24.0))
    rows = pd.Series(np.tile(season, 12), pd.date_range("2024-01-01", periods=288, freq="h"), name="a")
    model = SeqForecaster(5, window, hidden_size=2, max_iter=1, linear=False).fit(rows[:240])
    assert model.chosen_ == {"seasonal_naive": 1.0}
    np.testing.assert_allclose(model.predict(rows[240:]), rows[240:], rtol=1e-12)
    np.testing.assert_allclose(model.forecast(48)["a"], rows[240:], rtol=1e-12)


@pytest.mark.parametrize("data", [hourly(150), walk(150, 0)])
def test_parts_that_are_left_out_are_not_chosen(data):
    options = {**SMALL, "naive_fallback": False}
    assert SeqForecaster(**options, linear=False).fit(data).chosen_ == {"recurrent": 1.0}
    assert set(SeqForecaster(**options).fit(data).chosen_) == {"recurrent", "linear"}
    assert "linear" not in SeqForecaster(**SMALL, linear=False).fit(data).chosen_


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_third_part_takes_part_in_the_forecast(early_stopping, monkeypatch):
    fit_two = fit_combination._fit_other_parts

    def fit_three(examples, options):
        return fit_two(examples, options) | {"third": NaivePart(24)}

    monkeypatch.setattr(fit_combination, "_fit_other_parts", fit_three)
    rows = hourly(300)
    options = {**SMALL, "naive_fallback": False, "early_stopping": early_stopping}
    model = SeqForecaster(**options).fit(rows)
    assert list(model.chosen_) == ["recurrent", "linear", "third"]
    assert sum(model.chosen_.values()) == pytest.approx(1)
    centers = []
    for name in model.chosen_:
        alone = copy.deepcopy(model)
        replace_model(alone, weights={name: 1.0})
        centers.append(alone.forecast())
    expected = sum(w * center for w, center in zip(model.chosen_.values(), centers, strict=True))
    np.testing.assert_allclose(model.forecast(level=80)["a"], expected["a"], atol=1e-6)
    np.testing.assert_allclose(centers[2]["a"], rows["a"].iloc[-24 : -24 + len(centers[2])])
    model.partial_fit(hourly(324).iloc[300:])
    assert len(model.forecast()) == len(centers[2])


@pytest.mark.parametrize("rows", [hourly(150, "ab"), walk(150, 0).to_frame()])
def test_without_validation_the_parts_have_equal_weights(rows):
    model = SeqForecaster(**EXACT, early_stopping=False).fit(rows)
    assert model.chosen_ == {"recurrent": 0.5, "linear": 0.5}
    assert SeqForecaster(**EXACT, early_stopping=False, linear=False).fit(rows).chosen_ == {"recurrent": 1.0}
    known = rows.to_numpy()
    by_hand = forecast_by_hand(model, known, known)
    np.testing.assert_allclose(model.forecast(), by_hand, rtol=1e-9)
    changed = rows.copy()
    changed.iloc[-1] += 1.0
    assert not np.array_equal(
        linear_map_of(SeqForecaster(**EXACT, early_stopping=False).fit(changed)).weights,
        linear_map_of(model).weights,
    )


def test_without_complete_windows_the_network_forecasts_alone():
    rows = hourly(150)
    rows.iloc[::4] = np.nan
    assert SeqForecaster(**{**SMALL, "naive_fallback": False}).fit(rows).chosen_ == {"recurrent": 1.0}


def test_normalization_decides_whether_a_level_persists():
    """The later rows are a hundred deviations above the training rows."""
    rows = hourly(150)
    later = hourly(180)[150:] + 100.0
    errors = {}
    for normalization in ("last", "none"):
        model = SeqForecaster(**{**SMALL, "naive_fallback": False, "normalization": normalization}).fit(rows)
        errors[normalization] = naive.mae(later[15:].to_numpy(), model.predict(later)[15:].to_numpy())
    assert errors["last"] < 5
    assert errors["none"] > 10


@pytest.mark.parametrize("seed", range(4))
def test_auto_normalization_is_chosen_by_validation_error(seed):
    """Noise about a mean is forecast best without an offset, a random walk relative to its last value."""
    options = {**EXACT, **TOGETHER, "random_state": seed}
    noise = pd.Series(np.random.default_rng(seed).normal(size=300), name="noise")
    for rows, is_walk in ((noise, False), (walk(300, seed), True)):
        fits = {
            way: SeqForecaster(**options, normalization=way).fit(rows)
            for way in ("last", "none", "instance", "auto")
        }
        better = linear_map_of(fits["auto"]).window_scaling.normalization
        assert (better != "none") == is_walk
        assert all(
            linear_map_of(fits[way]).window_scaling.normalization == way
            for way in ("last", "none", "instance")
        )
        np.testing.assert_array_equal(
            linear_map_of(fits["auto"]).weights, linear_map_of(fits[better]).weights
        )
        assert_same_weights(fits["auto"], fits["last"])  # the network reads windows relative to their end
        errors = {way: linear_error(fits[way], rows.to_frame()) for way in ("last", "none", "instance")}
        assert better == min(errors, key=errors.__getitem__)
    without = SeqForecaster(**options, normalization="auto", early_stopping=False).fit(noise)
    assert linear_map_of(without).window_scaling.normalization == "last"


def linear_error(model, rows):
    """Return the squared error of the linear part on the validation windows."""
    truth, parts = truth_and_parts(model, rows)
    return squared_error(parts["linear"], truth)


# -- without rows held back


@pytest.mark.parametrize("multivariate", [True, False])
@pytest.mark.parametrize("normalization", ["last", "instance"])
def test_without_validation_residuals_are_out_of_fold(multivariate, normalization):
    """The unit is the volatility before each cutoff, over one step and over a horizon."""
    rows = with_holes(hourly(150, "ab"), 0.03)
    options = {**EXACT, "early_stopping": False, "multivariate": multivariate, "normalization": normalization}
    model = SeqForecaster(**options).fit(rows)
    scaled = scaled_rows(model, rows)
    folds = folds_by_hand(model, scaled)
    cutoffs, span = cutoffs_between(model, scaled, 0, 150), 25  # steps that are remembered

    def moved(values):
        means = [
            np.nanmean(np.abs(values[steps:] - values[:-steps]), axis=0) for steps in (1, model.horizon_)
        ]
        return np.sqrt(means[0] * means[1])

    usual = 0.1 * moved(scaled)
    units = [np.fmax(moved(scaled[max(0, at - span) : at]), usual) for at in cutoffs]
    expected = (folds.truth - folds.parts["linear"]) / np.array(units)[:, None]
    np.testing.assert_allclose(residuals_of(model).values, expected, rtol=1e-4, atol=1e-5)
    forecast = model.forecast(level=80)
    np.testing.assert_allclose(forecast["a-hi-80"] - forecast["a"], forecast["a"] - forecast["a-lo-80"])
