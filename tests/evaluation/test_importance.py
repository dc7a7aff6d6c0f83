"""permutation_importance: what forecasts owe to each column, with histories exchanged between forecasts."""

import copy
import doctest
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import inspection
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, make_forecast_scorer
from seqcast.evaluation import importance as module
from seqcast.evaluation.importance import permutation_importance

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

MAE = make_forecast_scorer("mae", target="load")
TINY = {"hidden_size": 3, "max_iter": 2, "random_state": 0, "n_jobs": 1, "naive_fallback": False}
BORDER = 200


def make_rows(n=300, seed=0):
    """The load follows the cause, one step later, and the plan for its own step; noise tells nothing."""
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        rng.normal(size=(n, 3)),
        pd.date_range("2024-01-01", periods=n, freq="h", name="time"),
        ["cause", "plan", "noise"],
    )
    rows["load"] = 3 * rows["cause"].shift(1, fill_value=0) + rows["plan"] + 0.1 * rng.normal(size=n)
    return rows


ROWS = make_rows()
TRAIN, LATER = ROWS[:BORDER], ROWS[BORDER:]
SHORT = {"horizon": 1, "window": 3, "season_length": 2, "target": "load", "normalization": "none"}


def linear(**options):
    return LinearForecaster(**{**SHORT, **options}).fit(TRAIN)


# -- what must hold


def test_the_column_that_tells_most_has_the_largest_importance():
    found = permutation_importance(linear(future_cols="plan"), LATER, scoring=MAE, random_state=0)
    assert found.names == ["cause", "plan", "noise", "load"]
    cause, plan, noise, load = found.importances_mean
    # The mean distance of two normal numbers is 2 / sqrt(pi), less the error of about 0.1 that there was.
    assert cause == pytest.approx(3 * 2 / np.sqrt(np.pi), rel=0.15)
    assert plan == pytest.approx(2 / np.sqrt(np.pi), rel=0.2)
    assert abs(noise) < 0.05
    assert abs(load) < 0.2


def test_columns_that_are_not_read_have_none_at_all():
    model = NaiveForecaster(horizon=4, season_length=3, target="load").fit(TRAIN)
    found = permutation_importance(model, LATER, random_state=0)
    assert (found.importances[:3] == 0).all()
    assert (found.importances[3] != 0).all()


def test_nor_has_a_column_without_weights():
    model = linear()
    weights = model._linear.weights.reshape(-1, 4, 1).copy()
    weights[:, 3] = 0.0  # the target, then its covariates
    model._linear = replace(model._linear, weights=weights.reshape(-1, 1))
    found = permutation_importance(model, LATER, random_state=0)
    assert (found.importances[2] == 0).all()
    assert (found.importances[[0, 3]] != 0).all()


def test_mean_and_deviation_are_those_of_the_repeats():
    found = permutation_importance(linear(), LATER, n_repeats=3, random_state=0)
    assert found.importances.shape == (4, 3)
    np.testing.assert_array_equal(found.importances_mean, found.importances.mean(axis=1))
    np.testing.assert_array_equal(found.importances_std, found.importances.std(axis=1))
    assert (found.importances_std > 0).all()


def test_the_seed_alone_tells_the_numbers():
    model = SeqForecaster(**SHORT, **TINY).fit(TRAIN)
    one = permutation_importance(model, LATER, n_repeats=2, random_state=1).importances
    with parallel_config("threading"):  # processes would take seconds to start
        again = permutation_importance(model, LATER, n_repeats=2, random_state=1, n_jobs=2).importances
    np.testing.assert_array_equal(again, one)
    other = permutation_importance(model, LATER, n_repeats=2, random_state=2).importances
    assert (other != one).all()


def test_nothing_that_came_in_is_changed():
    model, rows = linear(), LATER.copy()
    before = model.predict(rows)
    permutation_importance(model, rows, random_state=0)
    pd.testing.assert_frame_equal(rows, LATER)
    pd.testing.assert_frame_equal(model.predict(rows), before)


# -- by hand


def test_two_forecasts_exchange_their_histories():
    model = NaiveForecaster(horizon=2, season_length=1).fit([5.0, 1.0, 2.0])
    later = np.array([4.0, 7.0, 8.0, 8.0])  # forecasts 2 2 | 7 7, and exchanged 7 7 | 2 2
    scorer = make_forecast_scorer("mae")
    found = permutation_importance(model, later, scoring=scorer, n_repeats=2, random_state=0)
    errors, exchanged = np.mean([2, 5, 1, 1]), np.mean([3, 0, 6, 6])
    np.testing.assert_allclose(found.importances, [[exchanged - errors] * 2], rtol=1e-14)
    assert found.names == ["y"]


def test_the_naive_forecast_of_the_score_keeps_its_own_history():
    model = NaiveForecaster(horizon=2, season_length=1).fit([5.0, 1.0, 2.0])
    found = permutation_importance(model, np.array([4.0, 7.0, 8.0, 8.0]), n_repeats=1, random_state=0)
    rmse, exchanged = (np.sqrt(np.mean(np.square(errors))) for errors in ([2, 5, 1, 1], [3, 0, 6, 6]))
    np.testing.assert_allclose(found.importances, [[exchanged / rmse - 1]], rtol=1e-14)


COLUMNS = ["cause", "plan", "noise", "load"]


def forecast_with(model, column, own, other):
    """The forecast after `own` rows, with what it reads of a column as it is after `other` rows."""
    moved = copy.copy(model) if own == BORDER else copy.copy(model).update(ROWS[BORDER:own])
    tail, history = moved._pasts[None].tail.copy(), ROWS[column].to_numpy()[:other]
    tail[:, model._schema.roles.all.index(column)] = history[-len(tail) :]
    moved._pasts = {None: replace(moved._pasts[None], tail=tail)}
    ahead = ROWS[["plan"]].iloc[own : own + model.horizon_].copy()
    if column == "plan":
        ahead["plan"] = ROWS["plan"].to_numpy()[other : other + model.horizon_]
    return moved.forecast(X_future=ahead)["load"].to_numpy()


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("way", ["linear", "network"])
def test_three_forecasts_exchange_theirs_in_one_of_two_circles(way, column):
    options = {**SHORT, "horizon": 2, "future_cols": "plan", "differences": 1, "calendar_features": ["hour"]}
    model = LinearForecaster(**options) if way == "linear" else SeqForecaster(**options, **TINY)
    model.fit(TRAIN)
    found = permutation_importance(model, LATER[:6], scoring=MAE, n_repeats=8, random_state=0)
    cutoffs, truth = BORDER + np.array([0, 2, 4]), LATER["load"].to_numpy()[:6]
    errors = [
        np.mean(np.abs(truth - np.concatenate([forecast_with(model, column, *pair) for pair in pairs])))
        for pairs in (zip(cutoffs, np.roll(cutoffs, shift), strict=True) for shift in (0, 1, 2))
    ]
    expected = np.array(errors[1:]) - errors[0]
    distances = np.abs(found.importances[COLUMNS.index(column)][:, None] - expected)
    assert distances.min(axis=1).max() < 1e-6
    assert set(distances.argmin(axis=1)) == {0, 1}


# -- whose histories


@pytest.mark.parametrize("seed", range(5))
def test_others_are_a_circle_through_each_series(seed):
    series = np.array([0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 3])
    cutoffs = 10 * np.arange(len(series))
    others = module._others(cutoffs, series, np.random.default_rng(seed)) // 10
    np.testing.assert_array_equal(np.sort(others), np.arange(len(series)))
    np.testing.assert_array_equal(series[others], series)
    assert [k for k in range(len(series)) if others[k] == k] == [3]
    place, seen = 4, set()
    while place not in seen:
        seen.add(place)
        place = others[place]
    assert len(seen) == 6


def panel(n=80):
    parts = {"x": make_rows(n, 1), "y": make_rows(n, 2) + 100, "z": make_rows(n, 3)}
    sized = [part.reset_index().assign(id=name, size=k % 2) for k, (name, part) in enumerate(parts.items())]
    return pd.concat(sized, ignore_index=True)


def split(rows, n=60):
    border = rows["time"].unique()[n]
    return rows[rows["time"] < border], rows[rows["time"] >= border]


LONG = {**SHORT, "id_col": "id", "time_col": "time", "static_cols": "size", "scaling": "none"}


def forecasters_of_series(train):
    of_all = LinearForecaster(**LONG).fit(train)
    of_each = LinearForecaster(**LONG, scope="local").fit(train)
    naive = NaiveForecaster(1, season_length=1, target="load", id_col="id", time_col="time").fit(train)
    return {"of all": of_all, "of each": of_each, "naive": naive}


@pytest.mark.parametrize("which", ["of all", "of each", "naive"])
def test_histories_stay_within_their_series(which):
    train, later = split(panel())
    model = forecasters_of_series(train)[which]
    found = permutation_importance(model, later, scoring=MAE, random_state=0)
    assert found.names == ["cause", "plan", "noise", "load", "size"]
    assert 0.1 < np.abs(found.importances).max() < 10  # and not 100, as far as series are apart
    assert (found.importances[4] == 0).all()  # which none of these reads


def test_static_columns_are_exchanged_between_series():
    train, later = split(panel())
    model = SeqForecaster(**LONG, **TINY).fit(train)
    found = permutation_importance(model, later, scoring=MAE, random_state=0)
    assert (found.importances[4] != 0).all()


def test_the_columns_of_categories_are_exchanged_together():
    rows = ROWS.assign(plan=np.where(ROWS["plan"] > 0, "much", "little"), load=3.0 * (ROWS["plan"] > 0))
    model = LinearForecaster(**SHORT, future_cols="plan").fit(rows[:BORDER])
    found = permutation_importance(model, rows[BORDER:], scoring=MAE, random_state=0)
    assert found.names == COLUMNS
    assert found.importances_mean[1] == pytest.approx(1.5, rel=0.2)


def test_forecasts_may_be_made_part_by_part(monkeypatch):
    model = linear(future_cols="plan", calendar_features=["hour"])
    expected = permutation_importance(model, LATER, random_state=0).importances
    monkeypatch.setattr(module, "ROLLING_NUMBERS", 1)
    np.testing.assert_array_equal(permutation_importance(model, LATER, random_state=0).importances, expected)


# -- scores


def test_scorers_of_scikit_learn_need_no_y():
    model = linear()
    expected = permutation_importance(model, LATER, scoring=MAE, random_state=0).importances
    for y in (None, LATER["load"], LATER[["load"]], LATER["load"].to_numpy()):
        found = permutation_importance(
            model, LATER, y, scoring="neg_mean_absolute_error", random_state=0
        ).importances
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_without_a_scorer_it_is_the_loss_of_skill():
    model = linear()
    found = permutation_importance(model, LATER, random_state=0)
    skill = make_forecast_scorer("skill")
    expected = permutation_importance(model, LATER, scoring=skill, random_state=0)
    np.testing.assert_array_equal(found.importances, expected.importances)
    assert found.importances_mean[0] > 0.5


def test_the_example_is_true():
    failures, tries = doctest.testmod(module)
    assert tries > 0
    assert failures == 0


# -- scikit-learn's own function


def test_scikit_learns_works_on_targets_beside_their_covariates():
    y, X = ROWS["load"], ROWS[["cause", "noise"]]
    model = LinearForecaster(horizon=1, window=3, season_length=2, normalization="none")
    model.fit(X[:BORDER], y[:BORDER])
    found = inspection.permutation_importance(
        model, X[BORDER:], y[BORDER:], scoring="neg_mean_absolute_error", random_state=0
    )
    cause, noise = found.importances_mean
    assert cause > 2
    assert abs(noise) < 0.05


def test_and_on_covariates_if_it_gets_the_truth_apart():
    found = inspection.permutation_importance(linear(), LATER, LATER["load"], scoring=MAE, random_state=0)
    cause, plan, noise, load = found.importances_mean
    assert cause > 2
    assert max(abs(plan), abs(noise), abs(load)) < 0.3
    model = NaiveForecaster(horizon=4, season_length=3, target="load").fit(TRAIN)
    found = inspection.permutation_importance(model, LATER, LATER["load"], scoring=MAE, random_state=0)
    assert (found.importances[:3] == 0).all()


def test_but_it_shuffles_the_truth_too_if_it_does_not():
    shuffled = inspection.permutation_importance(linear(), LATER, None, scoring=MAE, random_state=0)
    exchanged = permutation_importance(linear(), LATER, scoring=MAE, random_state=0)
    assert shuffled.importances_mean[3] > 2
    assert abs(exchanged.importances_mean[3]) < 0.3


# -- errors


def says(message):
    return f"^{re.escape(message)}$"


def test_other_estimators_are_refused():
    pipeline = make_pipeline(FunctionTransformer(), linear())
    message = (
        "The 'forecaster' parameter of permutation_importance must be a forecaster of this library. Got "
        "Pipeline instead. Pass the best_estimator_ of a search; of a pipeline the last step, with the rows "
        "that this one gets."
    )
    with pytest.raises(TypeError, match=says(message)):
        permutation_importance(pipeline, LATER)


def test_a_forecaster_must_be_fitted():
    with pytest.raises(NotFittedError):
        permutation_importance(LinearForecaster(), LATER)


@pytest.mark.parametrize("n_repeats", [0, 1.5, True])
def test_repeats_are_counted(n_repeats):
    message = (
        f"The 'n_repeats' parameter of permutation_importance must be an int of at least 1. Got "
        f"{n_repeats!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        permutation_importance(linear(), LATER, n_repeats=n_repeats)


def test_targets_beside_their_covariates_are_left_to_scikit_learn():
    model = LinearForecaster(horizon=1, window=3, season_length=2).fit(TRAIN[["cause"]], TRAIN["load"])
    with pytest.raises(ValueError, match=r"Use sklearn\.inspection\.permutation_importance"):
        permutation_importance(model, LATER[["cause"]], LATER["load"])


def test_one_forecast_has_no_history_to_exchange():
    message = (
        "permutation_importance needs two forecasts of a series, which are made every 5 steps. Got one of "
        "each. Pass more rows."
    )
    with pytest.raises(ValueError, match=says(message)):
        permutation_importance(linear(horizon=5), LATER[:5])
