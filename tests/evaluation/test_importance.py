"""permutation_importance: scores with the histories of one column exchanged between forecasts."""

import copy
import doctest
import re

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn import inspection
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster, make_forecast_scorer
from seqcast.evaluation import importance
from seqcast.evaluation.importance import permutation_importance

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

MAE = make_forecast_scorer("mae", target="load")

TINY = {"hidden_size": 3, "max_iter": 2, "random_state": 0, "n_jobs": 1, "naive_fallback": False}


# Number of training rows.
BORDER = 200


def make_rows(n=300, seed=0):
    """Make a load that depends on the cause one step before and on the plan of its own step."""
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

COLUMNS = ["cause", "plan", "noise", "load"]


def fit_linear(**options):
    return LinearForecaster(**{**SHORT, **options}).fit(TRAIN)


def test_importance_is_the_increase_of_the_error():
    found = permutation_importance(fit_linear(future_cols="plan"), LATER, scoring=MAE, random_state=0)
    assert found.names == ["cause", "plan", "noise", "load"]
    cause, plan, noise, load = found.importances_mean
    # The mean distance of two normal numbers is 2 / sqrt(pi).
    assert cause == pytest.approx(3 * 2 / np.sqrt(np.pi), rel=0.15)
    assert plan == pytest.approx(2 / np.sqrt(np.pi), rel=0.2)
    assert abs(noise) < 0.05
    assert abs(load) < 0.2


def test_importance_of_columns_that_are_not_read_is_0():
    model = NaiveForecaster(horizon=4, season_length=3, target="load").fit(TRAIN)
    found = permutation_importance(model, LATER, random_state=0)
    assert (found.importances[:3] == 0).all()
    assert (found.importances[3] != 0).all()


def test_mean_and_standard_deviation_of_the_repeats():
    found = permutation_importance(fit_linear(), LATER, n_repeats=3, random_state=0)
    assert found.importances.shape == (4, 3)
    np.testing.assert_array_equal(found.importances_mean, found.importances.mean(axis=1))
    np.testing.assert_array_equal(found.importances_std, found.importances.std(axis=1))
    assert (found.importances_std > 0).all()


def test_result_depends_on_random_state_and_not_on_n_jobs():
    model = SeqForecaster(**SHORT, **TINY).fit(TRAIN)
    one = permutation_importance(model, LATER[:20], n_repeats=2, random_state=1).importances
    # Processes would take seconds to start.
    with parallel_config("threading"):
        again = permutation_importance(model, LATER[:20], n_repeats=2, random_state=1, n_jobs=2).importances
    np.testing.assert_array_equal(again, one)
    other = permutation_importance(model, LATER[:20], n_repeats=2, random_state=2).importances
    assert (other != one).all()


def test_arguments_are_not_changed():
    model, rows = fit_linear(), LATER.copy()
    before = model.predict(rows)
    permutation_importance(model, rows, random_state=0)
    pd.testing.assert_frame_equal(rows, LATER)
    pd.testing.assert_frame_equal(model.predict(rows), before)


def test_two_forecasts_exchange_their_histories():
    model = NaiveForecaster(horizon=2, season_length=1).fit([5.0, 1.0, 2.0])
    # The forecasts are 2, 2, 7, 7, and exchanged 7, 7, 2, 2.
    later = np.array([4.0, 7.0, 8.0, 8.0])
    scorer = make_forecast_scorer("mae")
    found = permutation_importance(model, later, scoring=scorer, n_repeats=2, random_state=0)
    errors, exchanged = np.mean([2, 5, 1, 1]), np.mean([3, 0, 6, 6])
    np.testing.assert_allclose(found.importances, [[exchanged - errors] * 2], rtol=1e-14)
    assert found.names == ["y"]


def test_naive_forecast_of_score_keeps_its_history():
    model = NaiveForecaster(horizon=2, season_length=1).fit([5.0, 1.0, 2.0])
    found = permutation_importance(model, np.array([4.0, 7.0, 8.0, 8.0]), n_repeats=1, random_state=0)
    rmse, exchanged = (np.sqrt(np.mean(np.square(errors))) for errors in ([2, 5, 1, 1], [3, 0, 6, 6]))
    np.testing.assert_allclose(found.importances, [[exchanged / rmse - 1]], rtol=1e-14)


# Number of rows that replace the history of a column, more than a forecast reads.
N_EXCHANGED = 8


def forecast_with_exchange(model, column, own, other):
    """Return the forecast after `own` rows, with the history of a column after `other` rows."""
    rows = ROWS[BORDER:own].copy()
    values = ROWS[column].to_numpy()
    rows.loc[rows.index[-N_EXCHANGED:], column] = values[other - N_EXCHANGED : other]
    ahead = ROWS[["plan"]].iloc[own : own + model.horizon_].copy()
    if column == "plan":
        ahead["plan"] = values[other : other + model.horizon_]
    return copy.copy(model).update(rows).forecast(X_future=ahead)["load"].to_numpy()


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("kind", ["linear", "network"])
def test_three_forecasts_form_one_of_two_cycles(kind, column):
    options = {**SHORT, "horizon": 2, "future_cols": "plan", "differences": 1, "calendar_features": ["hour"]}
    model = LinearForecaster(**options) if kind == "linear" else SeqForecaster(**options, **TINY)
    model.fit(TRAIN)
    updated = copy.copy(model).update(LATER[:10])
    found = permutation_importance(updated, LATER[10:16], scoring=MAE, n_repeats=8, random_state=0)
    cutoffs, truth = BORDER + np.array([10, 12, 14]), LATER["load"].to_numpy()[10:16]
    errors = [
        np.mean(
            np.abs(truth - np.concatenate([forecast_with_exchange(model, column, *pair) for pair in pairs]))
        )
        for pairs in (zip(cutoffs, np.roll(cutoffs, shift), strict=True) for shift in (0, 1, 2))
    ]
    expected = np.array(errors[1:]) - errors[0]
    distances = np.abs(found.importances[COLUMNS.index(column)][:, None] - expected)
    assert distances.min(axis=1).max() < 1e-6
    assert set(distances.argmin(axis=1)) == {0, 1}


@pytest.mark.parametrize("seed", range(5))
def test_exchanges_are_a_cycle_through_each_series(seed):
    series = np.array([0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 3, 3])
    cutoffs = 10 * np.arange(len(series))
    others = importance._exchange_cutoffs(cutoffs, series, np.random.default_rng(seed)) // 10
    np.testing.assert_array_equal(np.sort(others), np.arange(len(series)))
    np.testing.assert_array_equal(series[others], series)
    # Only the single cutoff of series 1 is its own.
    assert [k for k in range(len(series)) if others[k] == k] == [3]
    position, seen = 4, set()
    while position not in seen:
        seen.add(position)
        position = others[position]
    assert len(seen) == 6


def make_panel(n=80):
    parts = {"x": make_rows(n, 1), "y": make_rows(n, 2) + 100, "z": make_rows(n, 3)}
    sized = [part.reset_index().assign(id=name, size=k % 2) for k, (name, part) in enumerate(parts.items())]
    return pd.concat(sized, ignore_index=True)


def split_panel(rows, n=60):
    border = rows["time"].unique()[n]
    return rows[rows["time"] < border], rows[rows["time"] >= border]


LONG = {**SHORT, "id_col": "id", "time_col": "time", "scaling": "none"}


def fit_forecasters_of_panel(train):
    train = train.drop(columns="size")
    of_all = LinearForecaster(**LONG).fit(train)
    of_each = LinearForecaster(**LONG, scope="local").fit(train)
    naive = NaiveForecaster(1, season_length=1, target="load", id_col="id", time_col="time").fit(train)
    return {"global": of_all, "local": of_each, "naive": naive}


@pytest.mark.parametrize("which", ["global", "local", "naive"])
def test_histories_are_exchanged_within_series(which):
    train, later = split_panel(make_panel())
    model = fit_forecasters_of_panel(train)[which]
    later = later.drop(columns="size")
    found = permutation_importance(model, later, scoring=MAE, n_repeats=2, random_state=0)
    assert found.names == ["cause", "plan", "noise", "load"]
    # The series differ by 100.
    assert 0.1 < np.abs(found.importances).max() < 10


def test_static_columns_are_exchanged_between_series():
    train, later = split_panel(make_panel())
    model = SeqForecaster(**LONG, **TINY, static_cols="size").fit(train)
    found = permutation_importance(model, later, scoring=MAE, n_repeats=2, random_state=0)
    assert (found.importances[4] != 0).all()


def test_columns_of_categories_are_exchanged_together():
    rows = ROWS.assign(plan=np.where(ROWS["plan"] > 0, "much", "little"), load=3.0 * (ROWS["plan"] > 0))
    model = LinearForecaster(**SHORT, future_cols="plan").fit(rows[:BORDER])
    found = permutation_importance(model, rows[BORDER:], scoring=MAE, random_state=0)
    assert found.names == COLUMNS
    assert found.importances_mean[1] == pytest.approx(1.5, rel=0.2)


def test_batches_do_not_change_the_result(monkeypatch):
    model = fit_linear(future_cols="plan", calendar_features=["hour"])
    options = {"n_repeats": 1, "random_state": 0}
    expected = permutation_importance(model, LATER[:30], **options).importances
    monkeypatch.setattr(importance, "MAX_NUMBERS", 1)
    found = permutation_importance(model, LATER[:30], **options).importances
    np.testing.assert_array_equal(found, expected)


def test_scorers_of_scikit_learn_read_the_truth_from_rows():
    model = fit_linear()
    expected = permutation_importance(model, LATER, scoring=MAE, n_repeats=2, random_state=0).importances
    for y in (None, LATER["load"], LATER[["load"]], LATER["load"].to_numpy()):
        found = permutation_importance(
            model, LATER, y, scoring="neg_mean_absolute_error", n_repeats=2, random_state=0
        ).importances
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_default_scorer_is_the_skill():
    model = fit_linear()
    found = permutation_importance(model, LATER, random_state=0)
    skill = make_forecast_scorer("skill")
    expected = permutation_importance(model, LATER, scoring=skill, random_state=0)
    np.testing.assert_array_equal(found.importances, expected.importances)
    assert found.importances_mean[0] > 0.5


def test_docstring_examples_are_correct():
    failures, tries = doctest.testmod(importance)
    assert tries > 0
    assert failures == 0


def test_function_of_scikit_learn_works_with_y():
    y, X = ROWS["load"], ROWS[["cause", "noise"]]
    model = LinearForecaster(horizon=1, window=3, season_length=2, normalization="none")
    model.fit(X[:BORDER], y[:BORDER])
    found = inspection.permutation_importance(
        model, X[BORDER:], y[BORDER:], scoring="neg_mean_absolute_error", n_repeats=2, random_state=0
    )
    cause, noise = found.importances_mean
    assert cause > 2
    assert abs(noise) < 0.05


def test_function_of_scikit_learn_works_for_covariates():
    found = inspection.permutation_importance(fit_linear(), LATER, LATER["load"], scoring=MAE, random_state=0)
    cause, plan, noise, load = found.importances_mean
    assert cause > 2
    assert max(abs(plan), abs(noise), abs(load)) < 0.3
    model = NaiveForecaster(horizon=4, season_length=3, target="load").fit(TRAIN)
    found = inspection.permutation_importance(model, LATER, LATER["load"], scoring=MAE, random_state=0)
    assert (found.importances[:3] == 0).all()


def test_function_of_scikit_learn_shuffles_the_truth():
    shuffled = inspection.permutation_importance(fit_linear(), LATER, None, scoring=MAE, random_state=0)
    exchanged = permutation_importance(fit_linear(), LATER, scoring=MAE, random_state=0)
    assert shuffled.importances_mean[3] > 2
    assert abs(exchanged.importances_mean[3]) < 0.3


def match_exactly(message):
    return f"^{re.escape(message)}$"


def test_other_estimators_raise():
    pipeline = make_pipeline(FunctionTransformer(), fit_linear())
    message = (
        "The 'forecaster' parameter of permutation_importance must be a forecaster of seqcast. Got Pipeline "
        "instead. Pass the best_estimator_ of a search, or the last step of a pipeline with the transformed "
        "rows."
    )
    with pytest.raises(TypeError, match=match_exactly(message)):
        permutation_importance(pipeline, LATER)


def test_unfitted_forecaster_raises():
    with pytest.raises(NotFittedError):
        permutation_importance(LinearForecaster(), LATER)


@pytest.mark.parametrize("n_repeats", [0, 1.5, True])
def test_n_repeats_must_be_a_positive_integer(n_repeats):
    message = (
        f"The 'n_repeats' parameter of permutation_importance must be an int of at least 1. Got "
        f"{n_repeats!r} instead."
    )
    with pytest.raises(ValueError, match=match_exactly(message)):
        permutation_importance(fit_linear(), LATER, n_repeats=n_repeats)


def test_targets_in_y_only_raise():
    model = LinearForecaster(horizon=1, window=3, season_length=2).fit(TRAIN[["cause"]], TRAIN["load"])
    with pytest.raises(ValueError, match=r"Use sklearn\.inspection\.permutation_importance"):
        permutation_importance(model, LATER[["cause"]], LATER["load"])


def test_one_forecast_of_each_series_raises():
    message = (
        "permutation_importance needs two forecasts of a series, which are made every 5 steps. Got one of "
        "each. Pass more rows."
    )
    with pytest.raises(ValueError, match=match_exactly(message)):
        permutation_importance(fit_linear(horizon=5), LATER[:5])
