"""make_forecast_scorer: the metrics' own numbers on what `predict` gives, in every tool of scikit-learn."""

import doctest
import pickle
import re

import naive
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqcast import SeqForecaster, make_forecast_scorer
from seqcast.evaluation import metrics, scorers

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

SHORT = {"hidden_size": 4, "max_iter": 2, "random_state": 0, "horizon": 4, "window": 6, "n_jobs": 1}
PLAIN = ["mae", "rmse", "smape", "mape", "crps", "pinball"]
SCALED = ["mase", "rmsse"]
NAN = np.nan


def says(message):
    """Match exactly this message."""
    return f"^{re.escape(message)}$"


def hourly(n, columns="ab", seed=0):
    """Positive daily waves with noise, each at a level and with a height of its own."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {
        name: (k + 1) * (10 + np.sin(2 * np.pi * t / 24 + k) + 0.3 * rng.normal(size=n))
        for k, name in enumerate(columns)
    }
    return pd.DataFrame(waves, pd.date_range("2024-01-01", periods=n, freq="h"))


def with_holes(frame, share=0.15, seed=1):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def with_gaps(frame, share=0.15, seed=2):
    return frame[np.random.default_rng(seed).random(len(frame)) > share]


def error(metric, truth, forecast, train, season=24):
    """The metric of one target; `train` are its training rows on every hour."""
    if metric in SCALED:
        return getattr(metrics, metric)(truth, forecast, train, season)
    return getattr(metrics, metric)(truth, forecast)


@pytest.fixture(scope="module")
def rows():
    return with_holes(hourly(108, "abc"))


@pytest.fixture(scope="module")
def one(rows):
    """Forecasts b, knows a and c; fitted on the first 84 of `rows`."""
    return SeqForecaster(**SHORT, target="b").fit(rows[:84])


@pytest.fixture(scope="module")
def two(rows):
    """Forecasts c and a, knows b; fitted on the first 84 of `rows`."""
    return SeqForecaster(**SHORT, target=["c", "a"]).fit(rows[:84])


# -- the numbers


@pytest.mark.parametrize("metric", PLAIN + SCALED)
def test_errors_are_those_of_the_metrics_on_what_is_predicted(metric, one, rows):
    later = rows[84:]
    expected = error(metric, later["b"], one.predict(later)["b"], rows["b"][:84])
    assert make_forecast_scorer(metric)(one, later) == pytest.approx(-expected, rel=1e-12)


def test_errors_by_the_equations(one, rows):
    truth, forecast = rows["b"][84:].to_numpy(), one.predict(rows[84:])["b"].to_numpy()
    for metric in ("mae", "rmse", "smape"):
        by_hand = -getattr(naive, metric)(truth, forecast)
        assert make_forecast_scorer(metric)(one, rows[84:]) == pytest.approx(by_hand, rel=1e-12)
    by_hand = -naive.mase(truth, forecast, rows["b"][:84].to_numpy(), 24)
    assert make_forecast_scorer("mase")(one, rows[84:]) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_the_level_of_the_pinball_loss(quantile, one, rows):
    later = rows[84:]
    expected = metrics.pinball(later["b"], one.predict(later)["b"], quantile)
    score = make_forecast_scorer("pinball", quantile=quantile)(one, later)
    assert score == pytest.approx(-expected, rel=1e-12)


def test_skill_is_the_forecasters_own_score(one, two, rows):
    for model in (one, two):
        assert make_forecast_scorer("skill")(model, rows[84:]) == model.score(rows[84:])


@pytest.mark.parametrize("metric", ["smape", "mape", *SCALED])
def test_several_targets_give_the_mean_of_their_errors(metric, two, rows):
    later, forecast = rows[84:], two.predict(rows[84:])
    errors = [error(metric, later[name], forecast[name], rows[name][:84]) for name in "ca"]
    assert make_forecast_scorer(metric)(two, later) == pytest.approx(-np.mean(errors), rel=1e-12)


@pytest.mark.parametrize("metric", PLAIN + SCALED)
@pytest.mark.parametrize("target", ["c", "a"])
def test_one_of_several_targets_can_be_chosen(metric, target, two, rows):
    later = rows[84:]
    expected = error(metric, later[target], two.predict(later)[target], rows[target][:84])
    assert make_forecast_scorer(metric, target=target)(two, later) == pytest.approx(-expected, rel=1e-12)


def test_labels_other_than_text_can_be_chosen(rows):
    numbered = rows.set_axis([0, 1, ("c", 2)], axis=1)
    model = SeqForecaster(**SHORT).fit(numbered[:84])
    for name in numbered:
        expected = metrics.mae(numbered[name][84:], model.predict(numbered[84:])[name])
        score = make_forecast_scorer("mae", target=name)(model, numbered[84:])
        assert score == pytest.approx(-expected, rel=1e-12)


@pytest.mark.parametrize("form", [lambda rows: rows["a"], lambda rows: rows["a"].to_numpy()])
def test_series_and_arrays(form, rows):
    X = form(rows)
    model = SeqForecaster(**SHORT, season_length=24).fit(X[:84])
    for metric in PLAIN + SCALED:
        expected = error(metric, X[84:], model.predict(X[84:]), X[:84])
        assert make_forecast_scorer(metric)(model, X[84:]) == pytest.approx(-expected, rel=1e-12)


def test_the_truth_in_x_may_be_given_once_more(one, rows):
    scorer = make_forecast_scorer("mae")
    assert scorer(one, rows[84:], rows["b"][84:]) == scorer(one, rows[84:], None) == scorer(one, rows[84:])


def test_the_truth_beside_x_is_read_from_y(rows):
    y, X = rows[["c", "a"]], rows[["b"]]
    model = SeqForecaster(**SHORT).fit(X[:84], y[:84])
    for metric in SCALED:
        forecast = model.predict(X[84:])
        errors = [error(metric, y[name][84:], forecast[name], y[name][:84]) for name in "ca"]
        score = make_forecast_scorer(metric)(model, X[84:], y[84:])
        assert score == pytest.approx(-np.mean(errors), rel=1e-12)
    with pytest.raises(ValueError, match=r"^The 'y' parameter of SeqForecaster\.score must be given"):
        make_forecast_scorer("mae", target="a")(model, X[84:])


# -- what MASE and RMSSE divide by


@pytest.mark.parametrize("damage", [lambda frame: frame, with_holes, with_gaps])
@pytest.mark.parametrize("season", [None, 1, 3])
def test_naive_errors_are_the_denominators_of_the_scaled_metrics(damage, season):
    train = damage(hourly(84))
    model = SeqForecaster(**SHORT, season_length=season).fit(train)
    grid = train.reindex(pd.date_range(train.index[0], train.index[-1], freq="h"))
    for k, name in enumerate("ab"):
        history, m = grid[name], season or 24
        # a forecast that is off by 1
        assert model.naive_mae_[k] == pytest.approx(1 / metrics.mase([1.0], [0.0], history, m), rel=1e-12)
        assert model.naive_rmse_[k] == pytest.approx(1 / metrics.rmsse([1.0], [0.0], history, m), rel=1e-12)
    assert model.naive_mae_.shape == model.naive_rmse_.shape == (2,)


def test_naive_errors_of_targets_alone():
    train = hourly(84, "abc")
    model = SeqForecaster(**SHORT, target=["c", "a"]).fit(train)
    changes = (train - train.shift(24)).dropna()[["c", "a"]]
    np.testing.assert_allclose(model.naive_mae_, changes.abs().mean(), rtol=1e-12)
    np.testing.assert_allclose(model.naive_rmse_, np.sqrt((changes**2).mean()), rtol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e200, 1e300])
def test_naive_errors_of_tiny_and_huge_values_keep_their_digits(size):
    small, large = (SeqForecaster(**SHORT).fit(hourly(84) * unit) for unit in (1, size))
    np.testing.assert_allclose(large.naive_mae_ / size, small.naive_mae_, rtol=1e-9)
    np.testing.assert_allclose(large.naive_rmse_ / size, small.naive_rmse_, rtol=1e-9)


def test_naive_errors_are_zero_where_nothing_changes_or_no_two_values_are_a_season_apart():
    rows = hourly(40)
    rows.loc[rows.index[10:], "b"] = NAN  # what is left of b has no partner 24 steps away
    model = SeqForecaster(**SHORT, early_stopping=False).fit(rows)
    assert model.naive_mae_[1] == model.naive_rmse_[1] == 0
    assert model.naive_mae_[0] > 0
    with pytest.raises(ValueError, match="Got a target whose mean change is 0"):
        make_forecast_scorer("mase")(model, hourly(50)[40:])


@pytest.mark.parametrize("metric", SCALED)
def test_a_target_that_never_changed_has_no_scaled_error(metric):
    rows = hourly(84).assign(b=3.0)
    with pytest.warns(UserWarning, match="constant"):
        model = SeqForecaster(**SHORT).fit(rows[:60])
    message = (
        f"The metric {metric!r} needs training rows that change from season to season, since it divides by "
        f"these changes. Got a target whose mean change is 0.0. Use 'mae' or 'rmse'."
    )
    with pytest.raises(ValueError, match=says(message)):
        make_forecast_scorer(metric)(model, rows[60:])
    assert make_forecast_scorer(metric, target="a")(model, rows[60:]) < 0
    assert make_forecast_scorer("mae", target="b")(model, rows[60:]) == 0


# -- in pipelines


def test_a_scaler_before_the_forecaster_is_applied_to_the_truth_too():
    rows = hourly(108)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), SeqForecaster(**SHORT))
    pipeline.fit(rows[:84])
    scaled = pipeline[0].transform(rows)
    forecast = pipeline.predict(rows[84:])
    for metric in PLAIN + SCALED:
        expected = error(metric, scaled["a"][84:], forecast["a"], scaled["a"][:84])
        found = make_forecast_scorer(metric, target="a")(pipeline, rows[84:])
        assert found == pytest.approx(-expected, rel=1e-12)
    assert make_forecast_scorer("skill")(pipeline, rows[84:]) == pipeline.score(rows[84:])


def test_an_array_from_a_scaler():
    rows = hourly(108)
    pipeline = make_pipeline(StandardScaler(), SeqForecaster(**SHORT, target="x1")).fit(rows[:84])
    expected = metrics.mae(pipeline[0].transform(rows[84:])[:, 1], pipeline.predict(rows[84:]))
    assert make_forecast_scorer("mae")(pipeline, rows[84:]) == pytest.approx(-expected, rel=1e-12)


@pytest.mark.parametrize("before", [[], ["passthrough"]], ids=["alone", "nothing before"])
def test_a_pipeline_that_changes_nothing_scores_as_its_forecaster(before, one, rows):
    pipeline = make_pipeline(*before, SeqForecaster(**SHORT, target="b")).fit(rows[:84])
    for metric in [*PLAIN, *SCALED, "skill"]:
        scorer = make_forecast_scorer(metric)
        assert scorer(pipeline, rows[84:]) == scorer(one, rows[84:])


# -- in searches


@pytest.mark.parametrize("before", [[], [StandardScaler().set_output(transform="pandas")]])
def test_the_forecaster_within_a_search_is_scored(before):
    rows, folds = hourly(96), TimeSeriesSplit(2, test_size=8)
    pipeline = make_pipeline(*before, SeqForecaster(**SHORT))
    grid = {"seqforecaster__hidden_size": [2, 3]}
    search = GridSearchCV(pipeline, grid, cv=folds).fit(rows[:84])
    best = search.best_estimator_
    assert len(best) == len(before) + 1
    for metric in ("mase", "skill"):
        scorer = make_forecast_scorer(metric)
        assert scorer(search, rows[84:]) == scorer(best, rows[84:])
    assert make_forecast_scorer("skill")(search, rows[84:]) == best.score(rows[84:])


@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline], ids=["alone", "in a pipeline"])
def test_only_forecasters_are_scored(wrap):
    message = (
        "A scorer of make_forecast_scorer scores forecasters, and pipelines and searches that end in one. "
        "Got Ridge instead. Use a string scorer of scikit-learn for it."
    )
    model = wrap(Ridge()).fit(hourly(20)[["a"]], hourly(20)["b"])
    for metric in ("mae", "skill"):
        with pytest.raises(TypeError, match=says(message)):
            make_forecast_scorer(metric)(model, hourly(20)[["a"]], hourly(20)["b"])


@pytest.mark.parametrize("with_y", [False, True], ids=["without y", "with y"])
def test_a_search_by_several_scorers(with_y):
    rows, folds = hourly(96, "ab"), TimeSeriesSplit(2, test_size=16)
    scoring = {
        "mase": make_forecast_scorer("mase"),
        "off": make_forecast_scorer("mae", target="b"),
        "skill": make_forecast_scorer("skill"),
    }
    sizes, y = [2, 5], [rows[["a", "b"]]] if with_y else []
    search = GridSearchCV(
        SeqForecaster(**SHORT), {"hidden_size": sizes}, scoring=scoring, refit="mase", cv=folds
    ).fit(rows, *y)
    found = search.cv_results_
    for name, scorer in scoring.items():
        for fold, (train, test) in enumerate(folds.split(rows)):
            models = [SeqForecaster(**{**SHORT, "hidden_size": n}).fit(rows.iloc[train]) for n in sizes]
            by_hand = [scorer(model, rows.iloc[test]) for model in models]
            np.testing.assert_array_equal(found[f"split{fold}_test_{name}"], by_hand)
    best = sizes[int(np.argmax(found["mean_test_mase"]))]
    assert search.best_params_ == {"hidden_size": best}
    assert search.best_estimator_.target_names_ == ["a", "b"]


def test_cross_validation_with_the_target_beside_its_covariates(rows):
    X, y, folds = rows[["a"]], rows["b"], TimeSeriesSplit(2, test_size=16)
    found = cross_val_score(SeqForecaster(**SHORT), X, y, cv=folds, scoring=make_forecast_scorer("rmse"))
    for score, (train, test) in zip(found, folds.split(X), strict=True):
        model = SeqForecaster(**SHORT).fit(X.iloc[train], y.iloc[train])
        expected = metrics.rmse(y.iloc[test], model.predict(X.iloc[test]))
        assert score == pytest.approx(-expected, rel=1e-12)


def test_scorers_travel_to_other_processes():
    rows, folds = hourly(96, "a"), TimeSeriesSplit(2, test_size=16)
    scoring = {name: make_forecast_scorer(name, target="a", quantile=0.9) for name in ("mase", "pinball")}
    here, there = (
        cross_validate(SeqForecaster(**SHORT), rows, cv=folds, scoring=scoring, n_jobs=n) for n in (1, 2)
    )
    for name in scoring:
        np.testing.assert_array_equal(here[f"test_{name}"], there[f"test_{name}"])


def test_scorers_pickle(one, rows):
    scorer = make_forecast_scorer("pinball", target="b", quantile=0.9)
    copy = pickle.loads(pickle.dumps(scorer))
    assert repr(copy) == repr(scorer)
    assert copy(one, rows[84:]) == scorer(one, rows[84:])


# -- words


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, ""),
        ({"target": "load"}, ", target='load'"),
        ({"target": 3}, ", target=3"),
        ({"quantile": 0.9}, ""),  # of which mase knows nothing
    ],
)
def test_repr_is_the_call_that_made_it(options, shown):
    assert repr(make_forecast_scorer("mase", **options)) == f"make_forecast_scorer('mase'{shown})"


def test_repr_shows_the_level_of_the_pinball_loss():
    assert repr(make_forecast_scorer("pinball")) == "make_forecast_scorer('pinball', quantile=0.5)"
    scorer = make_forecast_scorer("pinball", target="b", quantile=0.9)
    assert repr(scorer) == "make_forecast_scorer('pinball', target='b', quantile=0.9)"


@pytest.mark.parametrize("metric", ["MAE", "neg_mean_absolute_error", "coverage", None, metrics.mae])
def test_unknown_metrics_are_told(metric):
    message = (
        f"The 'metric' parameter of make_forecast_scorer must be one of 'mae', 'rmse', 'pinball', 'crps', "
        f"'smape', 'mape', 'mase', 'rmsse', 'skill'. Got {metric!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        make_forecast_scorer(metric)


@pytest.mark.parametrize("quantile", [0, 1, -0.1, 90, NAN])
def test_levels_lie_between_zero_and_one(quantile):
    message = (
        f"The 'quantile' parameter of make_forecast_scorer must be above 0 and below 1. Got {quantile!r} "
        f"instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        make_forecast_scorer("pinball", quantile=quantile)


def test_target_must_be_one_of_the_forecasters(two, rows):
    message = (
        "The 'target' parameter of make_forecast_scorer must be one of the forecaster's targets, ['c', 'a']. "
        "Got 'b' instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        make_forecast_scorer("mae", target="b")(two, rows[84:])


@pytest.mark.parametrize("metric", ["mae", "rmse", "pinball", "crps"])
def test_units_do_not_add_up(metric, two, rows):
    message = (
        f"The metric {metric!r} has the unit of the target, and units do not add up. Got the targets ['c', "
        f"'a']. Name one with make_forecast_scorer({metric!r}, target=...), or use 'mase' or 'rmsse'."
    )
    with pytest.raises(ValueError, match=says(message)):
        make_forecast_scorer(metric)(two, rows[84:])


def test_rows_of_the_past_are_not_scored(one, rows):
    with pytest.raises(ValueError, match="must come after the training rows"):
        make_forecast_scorer("mae")(one, rows[60:])


def test_example_in_the_docstring_runs():
    found = doctest.testmod(scorers)
    assert (found.failed, found.attempted) == (0, 3)
