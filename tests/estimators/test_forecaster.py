"""SeqForecaster: what it learns, forecasts and scores, against the equations written again in NumPy."""

import copy
import doctest
import math
import pickle
import re
from contextlib import contextmanager

import naive
import numpy as np
import pandas as pd
import pytest
from forecast_by_hand import (
    FIRST,
    cutoffs_between,
    forecast_by_hand,
    hourly,
    last_observed,
    naives_by_hand,
    scaled_rows,
    scales,
    training_end,
    truth_and_parts,
    truth_at,
    walk,
    with_holes,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

from seqcast import SeqForecaster
from seqcast.data.panel import Clock
from seqcast.data.roles import ColumnLayout
from seqcast.estimators import base, forecaster
from seqcast.exceptions import TrainingDivergedError
from seqcast.forecasting.combination import ValidationForecasts, choose_weights, fit_weights, squared_error
from seqcast.forecasting.out_of_fold import forecast_out_of_fold
from seqcast.forecasting.window_source import WindowSource, join_targets
from seqcast.kernels import parallel
from seqcast.learning import trainer

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

# The recurrent network alone, which takes a step of the window at one of its own.
PLAIN = {
    "segment": 1,
    "multivariate": True,
    "linear": False,
    "naive_fallback": False,
    "ema": None,
    "dropout": 0.0,
    "loss": "squared",
    "learning_rate_init": 3e-3,
}
# Without the fallback, since these fits are so short that the naive forecast is as good; in segments that do
# not fill the window.
TOGETHER = {"naive_fallback": False, "segment": 5}
WAYS = {"plain": PLAIN, "together": TOGETHER, "default": {}}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)

SMALL = {"hidden_size": 8, "max_iter": 3, "random_state": 0, "horizon": 5, "window": 12}
TINY = {**PLAIN, "hidden_size": 8, "max_iter": 3, "random_state": 0}
SHORT = {**PLAIN, **SMALL}
WHOLE = {**SHORT, "batch_size": 10**6}  # one update an epoch


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_same_weights(one, other):
    assert one.weights_.keys() == other.weights_.keys()
    for name, weight in one.weights_.items():
        np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)


@pytest.fixture(scope="module")
def frame():
    return hourly(168, "ab")


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def model(frame, request):
    """Fitted on the first 120 rows of `frame`: two targets, no covariate."""
    return SeqForecaster(**{**SMALL, **request.param}).fit(frame[:120])


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def guided(request):
    """A model of targets c and a with covariate b, in double precision, and the rows it was fitted on."""
    rows = with_holes(hourly(120, "abc"))
    options = {**SMALL, **request.param, "target": ["c", "a"], "dtype": "float64"}
    return SeqForecaster(**options).fit(rows), rows


# -- the equations


@pytest.mark.parametrize(("n_layers", "bidirectional"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("cell", naive.CELLS)
def test_forecast_follows_the_equations(cell, n_layers, bidirectional):
    rows = with_holes(hourly(80, "abc"))
    options = {**SHORT, "hidden_size": 5, "dtype": "float64"}
    model = SeqForecaster(
        **options, cell=cell, n_layers=n_layers, bidirectional=bidirectional, target=["c", "a"]
    ).fit(rows)
    known = rows[["c", "a", "b"]].to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


@pytest.mark.nojit
@pytest.mark.parametrize("normalization", ["last", "none", "instance"])
def test_complete_rows_are_read_without_masks(normalization):
    rows = hourly(50, "ab")
    options = {**TINY, "hidden_size": 3, "max_iter": 1, "dtype": "float64"}
    model = SeqForecaster(3, 6, **options, normalization=normalization).fit(rows)
    assert model.weights_["weight_ih_l0"].shape == (9, 2)
    known = rows.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


def test_windows_without_any_observed_value_give_what_the_equations_give(guided):
    """And those before, of which fewer and fewer values are observed."""
    model, rows = guided
    later = hourly(140, "abc")[120:]
    later[:] = np.nan
    known = np.concatenate([rows, later])[:, [2, 0, 1]]
    by_hand = [forecast_by_hand(model, known[:120], known[:cutoff]) for cutoff in (120, 125, 130, 135)]
    np.testing.assert_allclose(model.predict(later), np.concatenate(by_hand), rtol=1e-9)


def test_the_last_observed_value_may_lie_before_the_steps_that_the_linear_map_reads():
    rows = hourly(300)
    model = SeqForecaster(**{**EXACT, "naive_fallback": False}).fit(rows)
    assert model._linear.n_steps < 10
    known = np.concatenate([rows, np.full((10, 1), np.nan)])
    later = pd.DataFrame(np.nan, hourly(315).index[300:], ["a"])
    by_hand = forecast_by_hand(model, known[:300], known)
    np.testing.assert_allclose(model.predict(later)[10:], by_hand, rtol=1e-9)


@pytest.mark.parametrize("segment", [1, 2])
@pytest.mark.parametrize("multivariate", [True, False])
@pytest.mark.parametrize("loss", ["squared", "absolute", "huber"])
def test_loss_curves_of_several_targets_are_mean_losses_in_their_deviations(loss, multivariate, segment):
    """A step of next to no length keeps the first epoch's weights for the forecasts by hand."""
    rows = with_holes(hourly(60, "abc"), share=0.1)
    options = {**TINY, "loss": loss, "dtype": "float64", "learning_rate_init": 1e-300}
    options |= {"target": ["a", "c"], "multivariate": multivariate, "segment": segment}
    model = SeqForecaster(4, 6, **options).fit(rows)
    known = rows[["a", "c", "b"]].to_numpy()
    unit = scales(model, known)[1][:2]

    def mean_loss(cutoffs):
        hats = np.stack([forecast_by_hand(model, known, known[:cutoff]) for cutoff in cutoffs]) / unit
        truths = np.stack([known[cutoff : cutoff + 4, :2] for cutoff in cutoffs]) / unit
        losses = [getattr(naive, loss)(truths[..., k], hats[..., k]) for k in range(2)]
        return np.mean(losses) if multivariate else getattr(naive, loss)(truths, hats)

    assert training_end(model, 60) == 54
    np.testing.assert_allclose(model.loss_curve_, mean_loss(range(6, 51)), rtol=1e-9)
    np.testing.assert_allclose(model.validation_loss_curve_, mean_loss(range(54, 57)), rtol=1e-9)


# -- what the forecast is made of

EXACT = {**SMALL, "dtype": "float64", "dropout": 0.0}


@pytest.mark.parametrize("multivariate", [False, True])
@pytest.mark.parametrize("normalization", ["last", "none", "instance", "auto"])
def test_weights_of_the_parts_are_those_of_the_last_rows(multivariate, normalization):
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
    """The trial of the last rows' windows as they are."""
    truth, forecasts = truth_and_parts(model, rows)
    naives = {name: forecasts.pop(name) for name in ("naive", "seasonal_naive")}
    return ValidationForecasts(forecasts, naives, truth, len(truth) / model.horizon_)


def choice_by_hand(validation, folds):
    """By the rule, which is checked in test_combination; and what decided."""
    best = min(validation.naive, key=lambda name: squared_error(validation.naive[name], validation.truth))
    weights = fit_weights(validation.parts, validation.truth, validation.n_horizons)
    mixture = validation.forecast(weights)
    own, rival = (squared_error(f, validation.truth) for f in (mixture, validation.naive[best]))
    if own >= rival:
        decided = "worse on the last rows"
    elif validation.gains(mixture, best).exceed(2.0):
        decided = "better, certainly"
    else:
        decided = "likely" if folds is None or "linear" in choose_weights(validation, folds) else "unlikely"
    return choose_weights(validation, folds), decided


def assert_same_trial(one, other):
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
    """The trial of training windows out of fold, by maps that are checked in test_out_of_fold."""
    k, n, horizon = len(model.target_names_), scaled.shape[1], model.horizon_
    clock = Clock(np.array([0, len(scaled)]), np.array([FIRST]))
    blocks = WindowSource.from_inputs(scaled, ColumnLayout(k, n - k), model.multivariate, clock)
    cutoffs = np.array(cutoffs_between(model, scaled, 0, training_end(model, len(scaled))))
    starts, found = forecast_out_of_fold(
        model._linear, blocks, cutoffs - model.window_, model.window_, horizon
    )
    np.testing.assert_array_equal(starts + model.window_, cutoffs)
    seasons = {"naive": 1, "seasonal_naive": model.season_length_}
    naives = {name: naives_by_hand(model, scaled, cutoffs, season) for name, season in seasons.items()}
    truth = truth_at(model, scaled, cutoffs)
    return ValidationForecasts(
        {"linear": join_targets(found, len(blocks))}, naives, truth, len(cutoffs) / horizon
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
    options, trials = EXACT | options, []

    def watched(validation, folds):
        trials.append((validation, folds))
        return choose_weights(validation, folds)

    monkeypatch.setattr(forecaster, "choose", watched)
    model, mixture = (
        SeqForecaster(**options, naive_fallback=naive_fallback).fit(data) for naive_fallback in (True, False)
    )
    assert_same_weights(model, mixture)
    validation = validation_by_hand(mixture, data)
    folds = folds_by_hand(mixture, scaled_rows(mixture, data)) if model.linear else None
    assert_same_trial(trials[0][0], validation)
    assert_same_trial(trials[0][1], folds)
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
def test_a_season_that_only_repeats_is_forecast_by_the_season_before(window):
    """Whatever it looks like, and however short the window: to forecast and to predict."""
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


@pytest.mark.parametrize("rows", [hourly(150, "ab"), walk(150, 0).to_frame()])
def test_without_validation_the_parts_count_the_same_and_learn_from_all_rows(rows):
    model = SeqForecaster(**EXACT, early_stopping=False).fit(rows)
    assert model.chosen_ == {"recurrent": 0.5, "linear": 0.5}
    assert SeqForecaster(**EXACT, early_stopping=False, linear=False).fit(rows).chosen_ == {"recurrent": 1.0}
    known = rows.to_numpy()
    by_hand = forecast_by_hand(model, known, known)
    np.testing.assert_allclose(model.forecast(), by_hand, rtol=1e-9)
    changed = rows.copy()
    changed.iloc[-1] += 1.0
    assert not np.array_equal(
        SeqForecaster(**EXACT, early_stopping=False).fit(changed)._linear.weights, model._linear.weights
    )


def test_a_series_without_a_complete_window_is_forecast_by_the_network_alone():
    rows = hourly(150)
    rows.iloc[::4] = np.nan
    assert SeqForecaster(**{**SMALL, "naive_fallback": False}).fit(rows).chosen_ == {"recurrent": 1.0}


def test_normalization_says_whether_a_level_is_left_for_good():
    """Rows that follow a hundred deviations above those of training."""
    rows = hourly(150)
    later = hourly(180)[150:] + 100.0
    errors = {}
    for normalization in ("last", "none"):
        model = SeqForecaster(**{**SMALL, "naive_fallback": False, "normalization": normalization}).fit(rows)
        errors[normalization] = naive.mae(later[15:].to_numpy(), model.predict(later)[15:].to_numpy())
    assert errors["last"] < 5
    assert errors["none"] > 10


@pytest.mark.parametrize("seed", range(4))
def test_auto_takes_the_linear_map_that_is_better_on_the_last_rows(seed):
    """Of noise about a level that is none relative to the last value; of a walk another."""
    options = {**EXACT, **TOGETHER, "random_state": seed}
    noise = pd.Series(np.random.default_rng(seed).normal(size=300), name="noise")
    for rows, is_walk in ((noise, False), (walk(300, seed), True)):
        fits = {
            way: SeqForecaster(**options, normalization=way).fit(rows)
            for way in ("last", "none", "instance", "auto")
        }
        better = fits["auto"]._linear.window_scaling.normalization
        assert (better != "none") == is_walk
        assert all(
            fits[way]._linear.window_scaling.normalization == way for way in ("last", "none", "instance")
        )
        np.testing.assert_array_equal(fits["auto"]._linear.weights, fits[better]._linear.weights)
        assert_same_weights(fits["auto"], fits["last"])  # the network reads windows relative to their end
        errors = {way: linear_error(fits[way], rows.to_frame()) for way in ("last", "none", "instance")}
        assert better == min(errors, key=errors.__getitem__)
    without = SeqForecaster(**options, normalization="auto", early_stopping=False).fit(noise)
    assert without._linear.window_scaling.normalization == "last"


def linear_error(model, rows):
    """On the windows that are judged by."""
    truth, parts = truth_and_parts(model, rows)
    return squared_error(parts["linear"], truth)


# -- several networks


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("multivariate", [True, False])
def test_several_networks_are_averaged(linear, multivariate):
    rows, options = (
        with_holes(hourly(150, "ab"), 0.05),
        {**EXACT, "linear": linear, "multivariate": multivariate},
    )
    one, model = (SeqForecaster(**options, naive_fallback=False, n_models=n).fit(rows) for n in (1, 3))
    flats = [network.flat for network in model._networks]
    np.testing.assert_array_equal(flats[0], one._networks[0].flat)
    assert len({flat.tobytes() for flat in flats}) == len(flats) == 3
    known = rows.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)
    assert model.chosen_ != one.chosen_ or not linear  # they are weighed together


@ways
def test_one_network_is_what_there_is_without_a_word(frame, way):
    one, other = (SeqForecaster(**SMALL, **way, **some).fit(frame) for some in ({}, {"n_models": 1}))
    assert_same_weights(one, other)
    assert (one.loss_curve_, one.chosen_) == (other.loss_curve_, other.chosen_)
    pd.testing.assert_frame_equal(one.forecast(12), other.forecast(12), check_exact=True)


def test_histories_and_weights_are_those_of_the_last_network(frame):
    model = SeqForecaster(**SHORT, n_models=2).fit(frame)
    assert (model.n_iter_, len(model.loss_curve_), len(model.validation_loss_curve_)) == (3, 3, 3)
    first = SeqForecaster(**SHORT).fit(frame)
    assert model.loss_curve_ != first.loss_curve_
    np.testing.assert_array_equal(model.weights_["head_bias"], model._networks[1].weights["head_bias"])


@pytest.mark.parametrize("n_models", [1, 2])
def test_each_network_goes_on_from_its_own_weights(frame, n_models):
    """By a step of next to no length, from where the last fit ended; those that are new start anew."""
    options = {**SHORT, "n_models": n_models, "warm_start": True}
    model, cold = SeqForecaster(**options).fit(frame), SeqForecaster(**{**options, "warm_start": False})
    before = [network.flat.copy() for network in model._networks]
    assert_same_bits(before, [network.flat for network in cold.fit(frame)._networks])
    model.set_params(learning_rate_init=1e-300, n_models=n_models + 1).fit(frame)
    assert_same_bits([network.flat for network in model._networks[:n_models]], before)
    assert not any(np.array_equal(model._networks[-1].flat, flat) for flat in before)
    model.set_params(n_models=1).fit(frame)
    assert_same_bits([network.flat for network in model._networks], before[:1])


def test_a_warm_start_goes_on_from_a_fit_that_was_interrupted(frame, monkeypatch):
    monkeypatch.setattr(base, "progress", interrupting(2))
    model = SeqForecaster(**SHORT, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        model.fit(frame)
    monkeypatch.undo()
    before = model.weights_["head_bias"]
    model.set_params(learning_rate_init=1e-300).fit(frame)
    assert_same_bits(model.weights_["head_bias"], before)


@ways
def test_several_networks_do_not_depend_on_threads_or_pickling(frame, way):
    one, two = (SeqForecaster(**SMALL, **way, n_models=2, n_jobs=n_jobs).fit(frame) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one.forecast(12), two.forecast(12), check_exact=True)
    copied = pickle.loads(pickle.dumps(one))
    pd.testing.assert_frame_equal(one.forecast(12), copied.forecast(12), check_exact=True)


def test_a_fit_interrupted_in_its_second_network_forecasts_with_both(frame, monkeypatch):
    networks = []

    @contextmanager
    def progress(verbose, max_iter):
        networks.append(None)

        def report(epoch):
            if (len(networks), epoch.number) == (2, 1):
                raise KeyboardInterrupt

        yield report

    monkeypatch.setattr(base, "progress", progress)
    model = SeqForecaster(**EXACT, naive_fallback=False, n_models=3)
    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        model.fit(frame)
    assert len(networks) == len(model._networks) == 2
    known = frame.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


# -- windows divided by their deviation


@pytest.mark.parametrize("parts", [{"linear": False}, {}], ids=["network", "both"])
@pytest.mark.parametrize("multivariate", [True, False])
def test_windows_that_are_moved_and_stretched_are_forecast_moved_and_stretched(parts, multivariate):
    """Of "instance", which divides by the deviation of a window; all of its columns by the same factor."""
    rows, later = hourly(150, "ab"), hourly(162, "ab")[150:]
    options = {**EXACT, **TOGETHER, **parts, "multivariate": multivariate, "segment": 4, "season_length": 1}
    for normalization, equal in (("instance", True), ("last", False)):
        model = SeqForecaster(**options, normalization=normalization).fit(rows)
        known = copy.deepcopy(model).update(later).forecast()
        stretched = copy.deepcopy(model).update(1000 + 8 * later).forecast()
        assert np.allclose(stretched, 1000 + 8 * known, rtol=1e-9) == equal


# -- without rows held back


@pytest.mark.parametrize("multivariate", [True, False])
@pytest.mark.parametrize("normalization", ["last", "instance"])
def test_without_validation_errors_are_those_of_the_linear_map_out_of_fold(multivariate, normalization):
    """In units of what each target moved in the steps before: from step to step, and over a horizon."""
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
    np.testing.assert_allclose(model._errors.values, expected, rtol=1e-4, atol=1e-5)
    forecast = model.forecast(level=80)
    np.testing.assert_allclose(forecast["a-hi-80"] - forecast["a"], forecast["a"] - forecast["a-lo-80"])


# -- segments


@pytest.mark.parametrize(
    ("window", "segment", "read"),
    [
        (12, 1, (12, 1)),
        (12, 5, (2, 5)),
        (12, 12, (1, 12)),
        (12, 40, (1, 12)),  # a segment is no longer than the window
        (13, None, (13, 1)),
        (28, None, (14, 2)),
        (30, None, (15, 2)),
        (85, None, (14, 6)),  # the oldest step is left out
    ],
)
def test_the_network_reads_whole_segments(window, segment, read):
    rows = hourly(300, "ab")
    options = {
        **EXACT,
        "window": window,
        "segment": segment,
        "linear": False,
        "naive_fallback": False,
        "max_iter": 1,
    }
    model = SeqForecaster(**options).fit(rows)
    assert (model._reading.n_steps, model._reading.segment) == read
    assert model.weights_["weight_ih_l0"].shape == (24, read[1])
    known = rows.to_numpy()
    np.testing.assert_allclose(model.forecast(), forecast_by_hand(model, known, known), rtol=1e-9)


def test_steps_that_fill_no_segment_are_the_oldest():
    rows = hourly(150)
    options = {**SMALL, "segment": 5, "linear": False, "naive_fallback": False, "horizon": 1}
    model = SeqForecaster(**options).fit(rows)
    later = hourly(163)[150:]
    before = model.predict(later).iloc[12]
    for step, matters in ((0, False), (1, False), (2, True), (6, True), (11, True)):
        changed = later.copy()
        changed.iloc[step] += 1.0
        assert (model.predict(changed).iloc[12] != before).all() == matters
    assert SeqForecaster(**{**options, "linear": True}).fit(rows)._linear.n_steps <= 12


# -- several targets


BATCH = {"batch_size": 10**6, "naive_fallback": False}  # all windows at once, in whatever order


def test_targets_apart_are_forecast_by_the_same_weights():
    """Twice the same series is learned as one of them is."""
    rows = hourly(150)
    twice = pd.DataFrame({"a": rows["a"], "b": 4 * rows["a"] + 1})
    alone, both = (SeqForecaster(**EXACT, **BATCH).fit(data) for data in (rows, twice))
    for name, weight in alone.weights_.items():
        np.testing.assert_allclose(both.weights_[name], weight, rtol=1e-6, atol=1e-8)
    forecast = both.forecast(9)
    np.testing.assert_allclose(forecast["a"], alone.forecast(9)["a"], rtol=1e-6)
    np.testing.assert_allclose(forecast["b"], 4 * forecast["a"] + 1, rtol=1e-6)
    assert both.weights_["weight_ih_l0"].shape == (24, 1)


@pytest.mark.parametrize("covariates", [[], ["d"]])
def test_the_order_of_targets_apart_does_not_matter(covariates):
    rows = hourly(150, "abcd")
    options = {**EXACT, **BATCH}
    one, other = (
        SeqForecaster(**options, target=names).fit(rows[[*"abc", *covariates]])
        for names in (["a", "b", "c"], ["c", "a", "b"])
    )
    assert one.chosen_ == pytest.approx(other.chosen_, rel=1e-6)
    np.testing.assert_allclose(other.forecast(9)[["a", "b", "c"]], one.forecast(9), rtol=1e-6)


@pytest.mark.parametrize("multivariate", [False, True])
def test_a_target_is_forecast_from_its_own_past_and_covariates_unless_jointly(multivariate):
    rows = hourly(200, "abc")
    model = SeqForecaster(**SMALL, **TOGETHER, multivariate=multivariate, target=["a", "b"]).fit(rows)
    later = hourly(212, "abc")[200:]
    before = model.predict(later)[5:]
    after = {name: model.predict(later.assign(**{name: later[name] + 1.0}))[5:] for name in "abc"}
    moved = {
        (cause, name): not np.array_equal(after[cause][name], before[name])
        for cause in "abc"
        for name in "ab"
    }
    own = {("a", "a"), ("b", "b"), ("c", "a"), ("c", "b")}
    assert {pair for pair, different in moved.items() if different} == (set(moved) if multivariate else own)


def test_a_single_target_is_the_same_jointly():
    rows = hourly(150, "ab")
    one, other = (
        SeqForecaster(**SMALL, target="a", multivariate=multivariate).fit(rows)
        for multivariate in (True, False)
    )
    assert_same_weights(one, other)
    assert one.chosen_ == other.chosen_
    assert_same_bits(one.forecast(12), other.forecast(12))


# -- beyond the horizon


def test_shorter_forecasts_begin_longer_ones(model):
    longest = model.forecast(48)
    assert model.horizon_ == 5
    for steps in (1, 4, 5, 6, 24, 47):
        pd.testing.assert_frame_equal(
            model.forecast(steps), longest[:steps], check_exact=True, check_freq=False
        )
    pd.testing.assert_frame_equal(model.forecast(), longest[:5], check_exact=True, check_freq=False)


def test_continuation_is_made_from_forecasts_as_if_observed(model):
    """`predict` reads the forecasts fed back by hand as observed rows."""
    continued = model.forecast(20)
    assert_same_bits(model.predict(continued), continued)


def test_covariates_go_on_as_in_their_last_season(guided):
    model, rows = guided
    later = model.forecast(20)
    # The last season of b, in its place; where it was not observed there, the season before (and so on).
    assert model.season_length_ == 24
    context = rows["b"].to_numpy()[-24:]
    later["b"] = [value if not np.isnan(value) else last_observed(context) for value in context[:20]]
    assert_same_bits(model.predict(later[["a", "b", "c"]]), later[["c", "a"]])


def test_every_way_to_ask_for_the_future_is_forecast(model):
    for ask in (model.predict(), model.predict(None), model.predict(5), model.predict(np.int64(5))):
        pd.testing.assert_frame_equal(ask, model.forecast(), check_exact=True)
    pd.testing.assert_frame_equal(model.predict(7), model.forecast(7), check_exact=True)


# -- rows that follow


def test_first_block_of_predict_is_forecast(model, frame):
    predicted = model.predict(frame[120:])
    assert predicted.index.equals(frame.index[120:])
    assert_same_bits(predicted[:5], model.forecast())
    assert_same_bits(model.predict(frame[120:123]), model.forecast(3))


def test_later_blocks_are_forecasts_from_the_rows_before(guided):
    model, rows = guided
    later = with_holes(hourly(137, "abc", seed=3)[120:], seed=4)
    known = pd.concat([rows, later])[["c", "a", "b"]].to_numpy()
    cutoffs = (120, 125, 130, 135)
    blocks = [forecast_by_hand(model, known[:120], known[:cutoff]) for cutoff in cutoffs]
    np.testing.assert_allclose(model.predict(later), np.concatenate(blocks)[:17], rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    first=st.integers(0, 47),
    noise=st.integers(0, 2**16),
    kind=st.sampled_from(["noise", "nan", "huge"]),
)
def test_nothing_at_or_after_an_cutoff_informs_its_forecast(model, frame, first, noise, kind):
    later = frame[120:]
    changed = later.copy()
    values = {
        "noise": np.random.default_rng(noise).normal(size=(48 - first, 2)),
        "nan": np.nan,
        "huge": 1e300,
    }
    changed.iloc[first:] = values[kind]
    cutoff = first - first % 5  # of the block that the first changed row lies in
    before, after = model.predict(later), model.predict(changed)
    assert_same_bits(after[: cutoff + 5], before[: cutoff + 5])
    reach = cutoff + 5
    if "seasonal_naive" in model.chosen_:  # a season later; or where nothing was observed in a window
        reach = -(-(first + 12) // 5) * 5 if kind == "nan" else first + 24
    assert np.array_equal(after[cutoff + 5 :], before[cutoff + 5 :]) == (reach >= 48)


@ways
def test_validation_rows_inform_neither_scaling_nor_the_first_epoch(way):
    """One epoch: what early stopping keeps can not differ, so weights differ only if something leaks."""
    rows = hourly(120, "ab")
    changed = rows.copy()
    changed.iloc[108:] = 1e3 * np.random.default_rng(5).normal(size=(12, 2))
    options = {**SMALL, **way, "max_iter": 1}
    one, other = SeqForecaster(**options).fit(rows), SeqForecaster(**options).fit(changed)
    assert_same_weights(one, other)
    assert one.loss_curve_ == other.loss_curve_
    assert one.validation_loss_curve_ != other.validation_loss_curve_
    # ... while the last row that is trained on does matter
    changed.iloc[107] = 1e3
    assert SeqForecaster(**options).fit(changed).loss_curve_ != one.loss_curve_


# -- gaps and missing values


@ways
def test_gaps_are_rows_of_missing_values(way):
    full = hourly(130, "ab")
    gone = [3, 40, 41, 42, 77, 100, 122, 123]
    blank = full.copy()
    blank.iloc[gone] = np.nan
    absent = full.drop(full.index[gone])
    train, n = blank[:120], 120 - 6
    one, other = SeqForecaster(**SMALL, **way).fit(train), SeqForecaster(**SMALL, **way).fit(absent[:n])
    assert_same_weights(one, other)
    pd.testing.assert_frame_equal(one.forecast(30), other.forecast(30), check_exact=True)
    kept = [k for k in range(10) if k not in (2, 3)]
    assert_same_bits(one.predict(blank[120:]).iloc[kept], other.predict(absent[n:]))
    assert one.score(blank[120:]) == pytest.approx(other.score(absent[n:]), rel=1e-12)  # sums of 10 and of 8


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), share=st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99, 1.0]))
def test_no_missing_value_comes_out_of_predict(model, guided, frame, seed, share):
    assert np.isfinite(model.predict(with_holes(frame[120:], share, seed))).all(axis=None)
    assert np.isfinite(guided[0].predict(with_holes(hourly(140, "abc")[120:], share, seed))).all(axis=None)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    share=st.floats(0, 1),
    normalization=st.sampled_from(["last", "none", "instance", "auto"]),
    way=st.sampled_from(list(WAYS.values())),
)
def test_no_missing_value_comes_out_of_fit(seed, share, normalization, way):
    full = hourly(72, "ab")
    rows = with_holes(full, share, seed)
    # Few enough to leave most windows empty, and enough for one window to train on and one to judge by.
    kept = [0, 15, 20, 66, 71]
    rows.iloc[kept] = full.iloc[kept]
    # The windows that are checked, not the network: one unit, one epoch.
    options = {"hidden_size": 1, "max_iter": 1, "normalization": normalization, "random_state": 0, **way}
    model = SeqForecaster(4, 8, **options).fit(rows)
    assert np.isfinite(model.forecast(20)).all(axis=None)
    assert np.isfinite(model.loss_curve_ + model.validation_loss_curve_).all()


@ways
def test_trailing_missing_rows_move_the_forecast_on(way):
    rows = hourly(120)
    rows.iloc[-3:] = np.nan
    forecast = SeqForecaster(**SMALL, **way).fit(rows).forecast(4)
    assert forecast.index[0] == pd.Timestamp("2024-01-06")
    assert np.isfinite(forecast).all(axis=None)


# -- constant series


@pytest.mark.parametrize("value", [5.0, 0.1, 0.0, -1e200])
@ways
def test_constant_series_is_forecast_exactly_with_a_warning(value, way):
    rows = pd.Series(value, pd.RangeIndex(60), name="flat")
    message = "Targets ['flat'] are constant in training and are forecast as such."
    with pytest.warns(UserWarning, match=f"^{re.escape(message)}$") as caught:
        model = SeqForecaster(**SMALL, **way).fit(rows)
    assert {warning.filename for warning in caught} == {__file__}
    assert (model.forecast(12) == value).all(axis=None)
    assert (model.predict(pd.Series(value + 1.0, pd.RangeIndex(60, 72), name="flat")) == value).all()


def test_only_the_constant_one_of_two_targets_is_fixed():
    rows = hourly(100, "ab").assign(flat=7.3)
    with pytest.warns(UserWarning, match=r"Targets \['flat'\] are constant"):
        model = SeqForecaster(**SHORT).fit(rows)
    forecast = model.forecast(10)
    assert (forecast["flat"] == 7.3).all()
    assert forecast[["a", "b"]].nunique().tolist() == [10, 10]


@ways
def test_constant_covariate_is_no_cause_for_warning(way):
    rows = hourly(100).assign(flat=7.3)
    assert np.isfinite(SeqForecaster(**SMALL, **way, target="a").fit(rows).forecast(10)).all(axis=None)


# -- scaling and precision


@ways
def test_rows_in_another_unit_give_the_same_forecast_in_that_unit(way):
    """Powers of two leave the digits alone, so that not one bit may differ."""
    rows, options = hourly(100, "ab"), {**SMALL, **way}
    one = SeqForecaster(**options).fit(rows)
    other = SeqForecaster(**options).fit(rows * [4.0, 4.0])
    assert_same_bits(other.forecast(9), 4 * one.forecast(9))
    assert_same_bits(other.loss_curve_, one.loss_curve_)
    assert_same_bits(other.validation_loss_curve_, one.validation_loss_curve_)
    one, other = (SeqForecaster(**options).fit(rows["a"] * unit) for unit in (1.0, 4.0))
    assert_same_bits(other.loss_curve_, (16 if one.loss == "squared" else 4) * np.array(one.loss_curve_))


@pytest.mark.parametrize(("loss", "factor"), [("squared", 100.0), ("huber", 100.0), ("absolute", 10.0)])
def test_loss_curves_are_in_the_targets_unit(loss, factor):
    rows = hourly(100)
    options = {**SHORT, "loss": loss}
    one, other = (SeqForecaster(**options).fit(rows * unit) for unit in (1.0, 10.0))
    np.testing.assert_allclose(other.loss_curve_, factor * np.array(one.loss_curve_), rtol=1e-4)
    np.testing.assert_allclose(
        other.validation_loss_curve_, factor * np.array(one.validation_loss_curve_), rtol=1e-4
    )


@pytest.mark.parametrize("exponent", [664, -664, 990, -990])
@ways
def test_values_near_the_ends_of_float64_are_forecast_as_others_are(exponent, way):
    unit, rows, options = 2.0**exponent, hourly(100), {**SMALL, **way, "loss": "absolute"}
    one, other = (SeqForecaster(**options).fit(rows * factor) for factor in (1.0, unit))
    assert_same_bits(other.forecast(9), unit * one.forecast(9))
    later = hourly(120)[100:]
    assert_same_bits(other.predict(later * unit), unit * one.predict(later))
    assert other.score(later * unit) == one.score(later)


def test_squares_beyond_float64_give_an_infinite_loss_curve_and_no_warning():
    model = SeqForecaster(**SHORT).fit(hourly(100) * 1e200)
    assert model.loss_curve_ == [np.inf] * 3
    assert np.isfinite(model.forecast(9)).all(axis=None)


def test_values_far_outside_the_training_rows_are_clipped_not_nan(model, frame):
    later = frame[120:].copy()
    later.iloc[2] = [1.7e308, -1.7e308]
    assert np.isfinite(model.predict(later)).all(axis=None)


@pytest.mark.parametrize(
    "dtype",
    [
        *["int64", "int8", "uint8", "float16", "float32", "bool", "Int32", "Float64"],
        *["double[pyarrow]", "int64[pyarrow]"],
    ],
)
@ways
def test_columns_of_other_types_are_read_as_their_values(dtype, way):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    numbers = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 100, size=100)
    one = SeqForecaster(**SMALL, **way).fit(pd.Series(numbers, dtype="float64"))
    other = SeqForecaster(**SMALL, **way).fit(pd.Series(numbers, dtype=dtype))
    pd.testing.assert_frame_equal(one.forecast(9), other.forecast(9), check_exact=True)


def test_precisions_agree_and_forecasts_are_always_float64():
    rows = hourly(100)
    single, double = (SeqForecaster(**SHORT, dtype=dtype).fit(rows) for dtype in ("float32", "float64"))
    assert (single.weights_["head_bias"].dtype, double.weights_["head_bias"].dtype) == ("float32", "float64")
    assert (single.forecast()["a"].dtype, double.forecast()["a"].dtype) == ("float64", "float64")
    np.testing.assert_allclose(single.forecast(), double.forecast(), rtol=1e-4)
    assert not np.array_equal(single.forecast(), double.forecast())


# -- score


@pytest.mark.parametrize("season_length", [None, 7, 1])
@ways
def test_score_is_skill_against_the_seasonal_naive_forecast(season_length, way):
    rows = hourly(148, "abc")
    model = SeqForecaster(**SMALL, **way, target=["b", "a"], season_length=season_length).fit(rows[:120])
    assert model.season_length_ == (season_length or 24)
    known = rows[["b", "a"]].to_numpy()
    blocks = [naive.seasonal_naive(known[:cutoff], 5, model.season_length_) for cutoff in range(120, 148, 5)]
    scale = scales(model, known[:120])[1]

    def error(forecasts):
        return np.mean([naive.rmse(known[120:, k], forecasts[:28, k]) / scale[k] for k in range(2)])

    expected = 1 - error(model.predict(rows[120:]).to_numpy()) / error(np.concatenate(blocks))
    assert model.score(rows[120:]) == pytest.approx(expected, rel=1e-12)


def test_score_leaves_out_what_was_not_observed(model, frame):
    """With the last rows missing, the score is that of the rows before."""
    later = frame[120:140].copy()
    later.iloc[15:] = np.nan
    assert model.score(later) == pytest.approx(model.score(frame[120:135]), rel=1e-12)
    later["a"] = np.nan
    assert np.isfinite(model.score(later))


@ways
def test_score_of_exact_naive_forecasts(way):
    rows = hourly(60)
    flat = pd.DataFrame({"a": rows["a"].iloc[-1]}, pd.date_range("2024-01-03 12:00", periods=5, freq="h"))
    assert SeqForecaster(**SMALL, **way, season_length=1).fit(rows).score(flat) == -np.inf
    with pytest.warns(UserWarning, match="constant"):
        model = SeqForecaster(**SMALL, **way).fit(rows * 0 + 3)
    assert model.score(flat * 0 + 3) == 0.0


# -- scikit-learn's tools


@pytest.mark.parametrize("given_y", [False, True])
def test_grid_search_picks_the_best_of_its_own_scores(given_y):
    rows = hourly(100)
    search = GridSearchCV(SeqForecaster(**SHORT), {"hidden_size": [1, 4, 8]}, cv=TimeSeriesSplit(3))
    search.fit(rows, rows["a"] if given_y else None)
    scores = search.cv_results_["mean_test_score"]
    assert len(set(scores)) == 3
    assert search.best_params_ == {"hidden_size": [1, 4, 8][int(np.argmax(scores))]}
    folds = TimeSeriesSplit(3).split(rows)
    best = clone(SeqForecaster(**SHORT)).set_params(**search.best_params_)
    by_hand = [best.fit(rows.iloc[train]).score(rows.iloc[test]) for train, test in folds]
    assert search.best_score_ == pytest.approx(np.mean(by_hand), rel=1e-12)
    assert_same_bits(search.best_estimator_.forecast(), best.fit(rows).forecast())


@ways
def test_other_scorers_compare_rows_with_predictions(frame, way):
    errors = cross_val_score(
        SeqForecaster(**SMALL, **way),
        frame[["a"]],
        frame["a"],
        cv=TimeSeriesSplit(2),
        scoring="neg_mean_absolute_error",
    )
    train, test = list(TimeSeriesSplit(2).split(frame))[1]
    model = SeqForecaster(**SMALL, **way).fit(frame[["a"]].iloc[train])
    hats = model.predict(frame[["a"]].iloc[test])["a"]
    assert errors[1] == pytest.approx(-naive.mae(frame["a"].to_numpy()[test], hats.to_numpy()), rel=1e-12)


def test_parameters_are_stored_as_given_and_cloned():
    given_parameters = {"horizon": 3, "cell": "lstm", "target": ["b"], "clip_norm": None, "n_jobs": 2}
    model = SeqForecaster(**given_parameters)
    assert given_parameters.items() <= model.get_params().items()
    assert set(vars(model)) == set(model.get_params())
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert copied.set_params(horizon=9).horizon == 9
    assert model.horizon == 3


@ways
def test_fit_changes_neither_parameters_nor_data(way):
    rows, options = with_holes(hourly(100, "ba")), {**SMALL, **way, "target": ["a"]}
    before, model = rows.copy(deep=True), SeqForecaster(**options)
    parameters = copy.deepcopy(model.get_params())
    model.fit(rows[::-1]).predict(hourly(104, "ba")[100:])
    assert model.get_params() == parameters
    pd.testing.assert_frame_equal(rows, before, check_exact=True)


@ways
def test_parameters_set_after_fit_wait_for_the_next(frame, way):
    model = SeqForecaster(**SMALL, **way).fit(frame)
    before = model.forecast(12)
    model.set_params(
        normalization="none",
        dtype="float64",
        horizon=2,
        window=3,
        cell="lstm",
        n_layers=2,
        bidirectional=True,
    )
    pd.testing.assert_frame_equal(model.forecast(12), before, check_exact=True)


@pytest.mark.parametrize("method", ["forecast", "predict", "score"])
def test_nothing_comes_before_fit(method):
    with pytest.raises(NotFittedError, match="SeqForecaster"):
        getattr(SeqForecaster(), method)(*([hourly(10)] if method == "score" else []))


def test_a_failed_fit_leaves_the_estimator_unfitted():
    model = SeqForecaster(**TINY)
    with pytest.raises(ValueError, match="at least"):
        model.fit(hourly(1))
    with pytest.raises(NotFittedError):
        model.forecast()


FAILING = [
    ({}, hourly(1), "at least"),
    (
        {"learning_rate_init": 1e38},
        hourly(60, "xyz", seed=3),
        "diverged",
    ),
    ({"warm_start": True, "target": "a"}, hourly(60, "ab"), "warm_start=True"),
]


@pytest.mark.parametrize(("change", "data", "message"), FAILING)
@ways
def test_a_failed_fit_leaves_the_last_one_as_it_was(frame, change, data, message, way):
    """Names, scaling and calendar of one fit before the weights of another would forecast nonsense."""
    model = SeqForecaster(**SMALL, **way).fit(frame[["a"]])
    before, fitted = model.forecast(), set(vars(model))
    with pytest.raises((ValueError, TrainingDivergedError), match=message):
        model.set_params(**change).fit(data)
    assert set(vars(model)) == fitted
    pd.testing.assert_frame_equal(model.forecast(), before, check_exact=True)


def test_weights_before_fit():
    with pytest.raises(NotFittedError):
        SeqForecaster().weights_  # noqa: B018


@pytest.mark.parametrize("several", [list, tuple, np.array, pd.Index])
@ways
def test_targets_may_come_in_any_sequence(frame, several, way):
    model = SeqForecaster(**SMALL, **way, target=several(["b", "a"])).fit(frame)
    assert list(model.forecast().columns) == ["b", "a"]


def test_a_sample_of_windows_is_learned_from_and_judged_by(monkeypatch):
    seen = {}
    real = base.fit_network

    def watched(network, windows, train, validation, options, **more):
        seen.update(train=len(train), validation=len(validation), options=options)
        return real(network, windows, train, validation, options, **more)

    monkeypatch.setattr(base, "fit_network", watched)
    model = SeqForecaster(**SHORT, max_samples=32).fit(hourly(1000))
    assert (seen["train"], seen["validation"]) == (884, 32)
    assert (seen["options"].max_samples, seen["options"].batch_size) == (32, 8)
    few = SeqForecaster(**SHORT, max_samples=10**6).fit(hourly(1000))
    assert_same_weights(few, SeqForecaster(**SHORT).fit(hourly(1000)))
    assert model.loss_curve_ != few.loss_curve_


@pytest.mark.parametrize(
    ("size", "n_rows", "expected"),
    [
        ("auto", 90, 8),
        ("auto", 480, 10),
        ("auto", 9600, 200),
        ("auto", 10**6, 256),
        (64, 300, 64),
        (64, 9, 9),
    ],
)
def test_batch_size(size, n_rows, expected):
    assert SeqForecaster(batch_size=size)._batch_rows(n_rows) == expected


# -- same bits


@ways
def test_pickled_model_forecasts_and_goes_on_as_the_original(frame, way):
    model = SeqForecaster(**SMALL, **way, warm_start=True).fit(frame)
    copied = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(copied.forecast(12), model.forecast(12), check_exact=True)
    assert_same_weights(copied.fit(frame), model.fit(frame))
    assert_same_bits(copied.forecast(12), model.forecast(12))
    assert copied.loss_curve_ == model.loss_curve_


@ways
def test_copies_share_no_weights(frame, way):
    model = SeqForecaster(**SMALL, **way, warm_start=True).fit(frame)
    before = model.forecast()
    copy.deepcopy(model).fit(frame)
    model.weights_["head_bias"][:] = 1e3
    assert_same_bits(model.forecast(), before)


@ways
def test_refit_forgets_the_first_fit(frame, way):
    fresh = SeqForecaster(**SMALL, **way).fit(frame)
    again = SeqForecaster(**SMALL, **way).fit(with_holes(hourly(60, "xyz"), seed=9)).fit(frame)
    assert_same_weights(fresh, again)
    pd.testing.assert_frame_equal(fresh.forecast(12), again.forecast(12), check_exact=True)


@ways
def test_refit_on_an_array_forgets_the_names(frame, way):
    model = SeqForecaster(**SMALL, **way).fit(frame)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    assert not hasattr(model.fit(frame.to_numpy()), "feature_names_in_")
    assert (model.target_names_, model.n_features_in_) == (["x0", "x1"], 2)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5, "n_layers": 2}, {"early_stopping": False}])
@ways
def test_results_do_not_depend_on_the_number_of_threads(options, way):
    """200 windows make more than one share of a batch."""
    rows = hourly(220, "ab")
    one, two, all_cores = (
        SeqForecaster(**{**SMALL, **way, **options}, n_jobs=n_jobs).fit(rows) for n_jobs in (1, 2, -1)
    )
    for other in (two, all_cores):
        assert_same_weights(one, other)
        assert one.loss_curve_ == other.loss_curve_
        assert_same_bits(one.forecast(12), other.forecast(12))


@pytest.mark.parametrize(("n_jobs", "n_threads"), [(1, 1), (2, 2), (-1, 3), (-2, 2)])
def test_threads_are_as_many_as_asked_for(n_jobs, n_threads, frame, monkeypatch):
    asked = []

    def run(kernel, n_shards, dtype, arrays, n_threads):
        asked.append(n_threads)
        compiled(kernel, n_shards, dtype, arrays, 1)

    compiled = parallel.run
    monkeypatch.setattr(parallel, "run", run)
    monkeypatch.setattr(parallel.nb.config, "NUMBA_NUM_THREADS", 3)
    SeqForecaster(**SHORT, n_jobs=n_jobs).fit(frame).forecast()
    assert set(asked) == {n_threads}


def test_predictions_do_not_depend_on_the_rows_that_follow(model, frame):
    whole = model.predict(frame[120:])
    for n in (1, 5, 6, 17, 47):
        assert_same_bits(model.predict(frame[120 : 120 + n]), whole[:n])


@ways
def test_unsorted_rows_are_fitted_as_sorted_ones(frame, way):
    shuffled = with_holes(frame).sample(frac=1, random_state=0)
    assert not shuffled.index.is_monotonic_increasing
    one, other = (
        SeqForecaster(**SMALL, **way).fit(with_holes(frame)),
        SeqForecaster(**SMALL, **way).fit(shuffled),
    )
    assert_same_weights(one, other)
    pd.testing.assert_frame_equal(one.forecast(12), other.forecast(12), check_exact=True)


def test_seeds_differ_and_repeat(frame):
    seeded = {seed: SeqForecaster(**{**SHORT, "random_state": seed}).fit(frame) for seed in (0, 1)}
    assert not np.array_equal(seeded[0].forecast(), seeded[1].forecast())
    generator = np.random.RandomState(1)
    assert_same_weights(SeqForecaster(**{**SHORT, "random_state": generator}).fit(frame), seeded[1])


# -- training


def test_warm_start_goes_on_where_the_last_fit_ended(frame):
    """Without early stopping and with full batches, two fits of three epochs are one of six."""
    options = {**SHORT, "early_stopping": False, "batch_size": 10**6, "n_iter_no_change": 100}
    whole = SeqForecaster(**{**options, "max_iter": 6}).fit(frame)
    model = SeqForecaster(**options, warm_start=True).fit(frame)
    first = model.loss_curve_
    model.fit(frame)
    # Rows come in another order, so that sums differ in their last digits.
    np.testing.assert_allclose(first + model.loss_curve_, whole.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(model.forecast(), whole.forecast(), rtol=1e-4)
    cold = SeqForecaster(**options).fit(frame).fit(frame)
    assert cold.loss_curve_ == first


@pytest.mark.parametrize(
    "change",
    [
        {"cell": "lstm"},
        {"hidden_size": 9},
        {"n_layers": 2},
        {"bidirectional": True},
        {"dtype": "float64"},
        {"horizon": 6},
        {"target": "a"},
    ],
    ids=lambda change: next(iter(change)),
)
@ways
def test_warm_start_refuses_another_network(frame, change, way):
    model = SeqForecaster(**SMALL, **way, warm_start=True).fit(frame)
    with pytest.raises(
        ValueError, match=r"SeqForecaster\.fit with warm_start=True goes on .* Call fit with warm_start=False"
    ):
        model.set_params(**change).fit(frame)
    assert model.set_params(warm_start=False).fit(frame).forecast(3).shape[0] == 3


@ways
def test_early_stopping_keeps_the_best_epoch_on_the_last_rows(way):
    rows = hourly(150)
    options = {**SMALL, **way, "max_iter": 60, "learning_rate_init": 0.03, "n_iter_no_change": 5}
    model = SeqForecaster(**options).fit(rows)
    curve = model.validation_loss_curve_
    assert len(curve) == len(model.loss_curve_) == model.n_iter_ < 60
    assert model.best_iter_ == int(np.argmin(curve)) + 1 < model.n_iter_
    until_best = SeqForecaster(**{**options, "max_iter": model.best_iter_}).fit(rows)
    assert_same_weights(model, until_best)


def test_without_early_stopping_all_rows_are_trained_on_and_the_last_epoch_is_kept():
    rows = hourly(60)
    model = SeqForecaster(**SHORT, early_stopping=False).fit(rows)
    assert model.validation_loss_curve_ is None
    assert (model.n_iter_, model.best_iter_) == (3, 3)
    changed = rows.copy()
    changed.iloc[-1] = 30.0
    assert SeqForecaster(**SHORT, early_stopping=False).fit(changed).loss_curve_ != model.loss_curve_


def test_training_stops_when_the_loss_no_longer_falls():
    model = SeqForecaster(**{**SHORT, "max_iter": 50}, tol=1e6, n_iter_no_change=4, early_stopping=False)
    assert model.fit(hourly(60)).n_iter_ == 1 + 4


@pytest.mark.filterwarnings("default:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
@ways
def test_warning_that_training_was_too_short_points_at_the_callers_line(way):
    with pytest.warns(ConvergenceWarning, match=r"Stopped at max_iter=3, before 10 epochs") as caught:
        SeqForecaster(**SMALL, **way).fit(hourly(60))
    assert [warning.filename for warning in caught] == [__file__]


def test_truncation_at_the_window_is_none_and_shorter_learns_otherwise():
    rows = hourly(200)
    options = {**TINY, "horizon": 4, "window": 100, "dtype": "float64", "batch_size": 10**6}
    full, same, short = (
        SeqForecaster(**options, bptt_steps=bptt_steps).fit(rows) for bptt_steps in (None, 100, 16)
    )
    assert_same_weights(full, same)
    # The first loss is that of the initial weights: the state is carried through the whole window.
    assert short.loss_curve_[0] == pytest.approx(full.loss_curve_[0], rel=1e-12)
    assert short.loss_curve_[1] != full.loss_curve_[1]
    known = rows.to_numpy()
    np.testing.assert_allclose(short.forecast(), forecast_by_hand(short, known, known), rtol=1e-9)


def test_dropout_acts_in_training_only():
    rows = hourly(100)
    options = {**SHORT, "dtype": "float64"}
    without, with_dropout = (SeqForecaster(**{**options, "dropout": d}).fit(rows) for d in (0.0, 0.5))
    assert with_dropout.loss_curve_[0] != without.loss_curve_[0]
    known = rows.to_numpy()
    np.testing.assert_allclose(
        with_dropout.forecast(), forecast_by_hand(with_dropout, known, known), rtol=1e-9
    )


def test_momentum_is_that_of_sgd(frame):
    fits = {
        (optimizer, momentum): SeqForecaster(**WHOLE, optimizer=optimizer, momentum=momentum).fit(frame)
        for optimizer in ("adam", "rmsprop", "sgd")
        for momentum in (0.0, 0.9)
    }
    assert_same_weights(fits["adam", 0.0], fits["adam", 0.9])
    assert_same_weights(fits["rmsprop", 0.0], fits["rmsprop", 0.9])
    slow, fast = (fits["sgd", momentum].loss_curve_ for momentum in (0.0, 0.9))
    assert slow[:2] == fast[:2]  # the first step has no velocity yet
    assert slow[2] > fast[2]


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_every_optimizer_lowers_the_loss(optimizer):
    options = {**WHOLE, "max_iter": 80, "optimizer": optimizer, "learning_rate_init": 0.02}
    curve = SeqForecaster(**options).fit(hourly(150)).loss_curve_
    assert curve[-1] < 0.9 * curve[0]


def test_penalty_shrinks_the_weights_and_a_small_norm_limits_the_step(frame):
    size = {}
    for alpha in (0.0, 10.0):
        weights = SeqForecaster(**{**SHORT, "max_iter": 20}, alpha=alpha).fit(frame).weights_
        size[alpha] = math.sqrt(sum((weights[name] ** 2).sum() for name in weights if "weight" in name))
    assert size[10.0] < 0.9 * size[0.0]
    start = SeqForecaster(**{**SHORT, "learning_rate_init": 1e-300}).fit(frame).weights_
    clipped = SeqForecaster(
        **{**WHOLE, "max_iter": 1, "learning_rate_init": 1.0}, optimizer="sgd", clip_norm=1e-3
    )
    moved = clipped.fit(frame).weights_
    step = math.sqrt(sum(((moved[name] - start[name]) ** 2).sum() for name in start))
    assert step == pytest.approx(1e-3, rel=1e-3)


@ways
def test_interrupted_fit_leaves_the_best_weights_so_far(frame, monkeypatch, way):
    until = 4
    monkeypatch.setattr(base, "progress", interrupting(until))
    options = {**SMALL, **way, "max_iter": 50, "learning_rate_init": 0.03}
    model = SeqForecaster(**options)
    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        model.fit(frame)
    assert (model.n_iter_, len(model.validation_loss_curve_)) == (until, until)
    assert model.best_iter_ == int(np.argmin(model.validation_loss_curve_)) + 1
    monkeypatch.undo()
    best = SeqForecaster(**{**options, "max_iter": model.best_iter_}).fit(frame)
    assert_same_weights(model, best)
    pd.testing.assert_frame_equal(model.forecast(12), best.forecast(12), check_exact=True)


@ways
def test_a_fit_interrupted_before_its_first_epoch_had_ended_leaves_the_last_one(frame, monkeypatch, way):
    model = SeqForecaster(**{**SMALL, **way}).fit(frame)
    before, fitted = model.forecast(12), {**vars(model), "horizon": 7}

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer.CpuTrainer, "run_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt, match="before its first epoch had ended"):
        model.set_params(horizon=7).fit(frame[["a"]])
    assert vars(model) == fitted
    pd.testing.assert_frame_equal(model.forecast(12), before, check_exact=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_fit_that_ends_while_the_parts_are_weighed_leaves_the_last_one(frame, monkeypatch, error):
    """Old weights of parts beside new parts would forecast nonsense."""
    model = SeqForecaster(**SMALL).fit(frame)
    before, fitted = model.forecast(12), vars(model).copy()

    def failing(*arguments):
        raise error

    monkeypatch.setattr(forecaster, "choose", failing)
    with pytest.raises(error):
        model.fit(hourly(100, "xyz"))
    assert vars(model) == fitted
    pd.testing.assert_frame_equal(model.forecast(12), before, check_exact=True)
    fresh = SeqForecaster(**SMALL)
    with pytest.raises(error):
        fresh.fit(frame)
    with pytest.raises(NotFittedError):
        fresh.forecast()


@pytest.mark.parametrize("early_stopping", [True, False])
@ways
def test_interrupted_first_fit_is_usable(frame, monkeypatch, way, early_stopping):
    monkeypatch.setattr(base, "progress", interrupting(2))
    model = SeqForecaster(**{**SMALL, **way, "early_stopping": early_stopping})
    with pytest.raises(KeyboardInterrupt, match="the best weights so far are kept"):
        model.fit(frame)
    monkeypatch.undo()
    best = SeqForecaster(**{**SMALL, **way, "max_iter": model.best_iter_, "early_stopping": early_stopping})
    best.fit(frame)
    assert model.chosen_ == best.chosen_
    pd.testing.assert_frame_equal(model.forecast(12), best.forecast(12), check_exact=True)


def interrupting(until):
    """A stand-in for `progress` whose user presses Ctrl-C after so many epochs."""

    def report(epoch):
        if epoch.number == until:
            raise KeyboardInterrupt

    @contextmanager
    def progress(verbose, max_iter):
        yield report

    return progress


# -- choices


@pytest.mark.parametrize(
    ("n", "options", "chosen"),
    [
        (2000, {}, (24, 336, 24)),  # fourteen days
        (1000, {}, (24, 292, 24)),  # a third of 1000 - 100 - 24
        (100, {}, (12, 25, 24)),
        (100, {"horizon": 4}, (4, 28, 24)),
        (1000, {"season_length": 7}, (7, 98, 7)),
        (5000, {"season_length": 168}, (168, 504, 168)),  # three seasons, since fourteen are too many steps
        (1000, {"season_length": 1}, (12, 168, 1)),
        (1000, {"horizon": 48}, (48, 284, 24)),
        (100, {"window": 9, "early_stopping": False}, (12, 9, 24)),
        (8, {}, (1, 2, 24)),
    ],
)
def test_lengths_that_are_not_given_follow_season_and_rows(n, options, chosen):
    model = SeqForecaster(hidden_size=1, max_iter=1, linear=False, **options).fit(hourly(n))
    assert (model.horizon_, model.window_, model.season_length_) == chosen


def test_docstring_example_is_true():
    result = doctest.testmod(forecaster)
    assert (result.failed, result.attempted) == (0, 2)
