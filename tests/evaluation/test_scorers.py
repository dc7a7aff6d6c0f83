"""make_forecast_scorer: against metrics of the forecasts of `predict`, and in scikit-learn's tools."""

import doctest
import pickle
import re

import naive
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqcast import LinearForecaster, SeqForecaster, make_forecast_scorer
from seqcast.evaluation import metrics, scorers

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


SHORT = {"horizon": 4, "window": 6}
TINY = SHORT | {"hidden_size": 4, "max_iter": 2, "random_state": 0, "n_jobs": 1}


PLAIN = ["mae", "rmse", "smape", "mape", "crps", "pinball"]
SCALED = ["mase", "rmsse"]
NAN = np.nan


def match_exactly(message):
    """Return a pattern that matches this message only."""
    return f"^{re.escape(message)}$"


def make_waves(n, columns="ab", seed=0):
    """Make positive daily waves with noise, of different mean and amplitude."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {
        name: (k + 1) * (10 + np.sin(2 * np.pi * t / 24 + k) + 0.3 * rng.normal(size=n))
        for k, name in enumerate(columns)
    }
    return pd.DataFrame(waves, pd.date_range("2024-01-01", periods=n, freq="h"))


def drop_values(frame, share=0.15, seed=1):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def drop_rows(frame, share=0.15, seed=2):
    return frame[np.random.default_rng(seed).random(len(frame)) > share]


def compute_error(metric, truth, forecast, train, season=24):
    """Return the metric of one target, whose hourly training values are `train`."""
    if metric in SCALED:
        return getattr(metrics, metric)(truth, forecast, train, season)
    return getattr(metrics, metric)(truth, forecast)


@pytest.fixture(scope="module")
def rows():
    return drop_values(make_waves(108, "abc"))


@pytest.fixture(scope="module")
def one_target(rows):
    """Return a forecaster of b with the covariates a and c, fitted on the first 84 rows."""
    return SeqForecaster(**TINY, target="b").fit(rows[:84])


@pytest.fixture(scope="module")
def two_targets(rows):
    """Return a forecaster of c and a with the covariate b, fitted on the first 84 rows."""
    return LinearForecaster(**SHORT, target=["c", "a"]).fit(rows[:84])


@pytest.mark.parametrize("metric", PLAIN + SCALED)
def test_errors_are_metrics_of_predictions(metric, one_target, rows):
    later = rows[84:]
    expected = compute_error(metric, later["b"], one_target.predict(later)["b"], rows["b"][:84])
    assert make_forecast_scorer(metric)(one_target, later) == pytest.approx(-expected, rel=1e-12)


def test_errors_equal_reference(one_target, rows):
    truth, forecast = rows["b"][84:].to_numpy(), one_target.predict(rows[84:])["b"].to_numpy()
    for metric in ("mae", "rmse", "smape"):
        by_hand = -getattr(naive, metric)(truth, forecast)
        assert make_forecast_scorer(metric)(one_target, rows[84:]) == pytest.approx(by_hand, rel=1e-12)
    by_hand = -naive.mase(truth, forecast, rows["b"][:84].to_numpy(), 24)
    assert make_forecast_scorer("mase")(one_target, rows[84:]) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("quantile", [0.1, 0.9])
def test_quantile_is_that_of_the_pinball_loss(quantile, one_target, rows):
    later = rows[84:]
    expected = metrics.pinball(later["b"], one_target.predict(later)["b"], quantile)
    score = make_forecast_scorer("pinball", quantile=quantile)(one_target, later)
    assert score == pytest.approx(-expected, rel=1e-12)


def test_skill_is_the_score_of_the_forecaster(one_target, two_targets, rows):
    for model in (one_target, two_targets):
        assert make_forecast_scorer("skill")(model, rows[84:]) == model.score(rows[84:])


@pytest.mark.parametrize("metric", ["smape", "mape", *SCALED])
def test_score_of_several_targets_is_the_mean(metric, two_targets, rows):
    later, forecast = rows[84:], two_targets.predict(rows[84:])
    errors = [compute_error(metric, later[name], forecast[name], rows[name][:84]) for name in "ca"]
    assert make_forecast_scorer(metric)(two_targets, later) == pytest.approx(-np.mean(errors), rel=1e-12)


@pytest.mark.parametrize("metric", PLAIN + SCALED)
def test_target_selects_one_of_several_targets(metric, two_targets, rows):
    target, later = "a", rows[84:]
    expected = compute_error(metric, later[target], two_targets.predict(later)[target], rows[target][:84])
    assert make_forecast_scorer(metric, target=target)(two_targets, later) == pytest.approx(
        -expected, rel=1e-12
    )


def test_target_may_be_any_label(rows):
    numbered = rows.set_axis([0, 1, ("c", 2)], axis=1)
    model = LinearForecaster(**SHORT).fit(numbered[:84])
    for name in numbered:
        expected = metrics.mae(numbered[name][84:], model.predict(numbered[84:])[name])
        score = make_forecast_scorer("mae", target=name)(model, numbered[84:])
        assert score == pytest.approx(-expected, rel=1e-12)


@pytest.mark.parametrize("form", [lambda rows: rows["a"], lambda rows: rows["a"].to_numpy()])
def test_series_and_arrays_are_scored(form, rows):
    X = form(rows)
    model = LinearForecaster(**SHORT, season_length=24).fit(X[:84])
    for metric in PLAIN + SCALED:
        expected = compute_error(metric, X[84:], model.predict(X[84:]), X[:84])
        assert make_forecast_scorer(metric)(model, X[84:]) == pytest.approx(-expected, rel=1e-12)


def test_y_may_repeat_the_target_columns(one_target, rows):
    scorer = make_forecast_scorer("mae")
    assert (
        scorer(one_target, rows[84:], rows["b"][84:])
        == scorer(one_target, rows[84:], None)
        == scorer(one_target, rows[84:])
    )


def test_truth_is_read_from_y(rows):
    y, X = rows[["c", "a"]], rows[["b"]]
    model = LinearForecaster(**SHORT).fit(X[:84], y[:84])
    for metric in SCALED:
        forecast = model.predict(X[84:])
        errors = [compute_error(metric, y[name][84:], forecast[name], y[name][:84]) for name in "ca"]
        score = make_forecast_scorer(metric)(model, X[84:], y[84:])
        assert score == pytest.approx(-np.mean(errors), rel=1e-12)
    with pytest.raises(ValueError, match=r"^The 'y' parameter of LinearForecaster\.score must be given"):
        make_forecast_scorer("mae", target="a")(model, X[84:])


@pytest.mark.parametrize("damage", [lambda frame: frame, drop_values, drop_rows])
@pytest.mark.parametrize("season", [None, 3])
def test_scaled_metrics_divide_by_naive_errors(damage, season):
    train = damage(make_waves(84))
    model = LinearForecaster(**SHORT, season_length=season).fit(train)
    grid = train.reindex(pd.date_range(train.index[0], train.index[-1], freq="h"))
    for k, name in enumerate("ab"):
        history, m = grid[name], season or 24
        # The error of this forecast is 1.
        assert model.naive_mae_[k] == pytest.approx(1 / metrics.mase([1.0], [0.0], history, m), rel=1e-12)
        assert model.naive_rmse_[k] == pytest.approx(1 / metrics.rmsse([1.0], [0.0], history, m), rel=1e-12)
    assert model.naive_mae_.shape == model.naive_rmse_.shape == (2,)


def test_naive_errors_are_those_of_the_targets():
    train = make_waves(84, "abc")
    model = LinearForecaster(**SHORT, target=["c", "a"]).fit(train)
    changes = (train - train.shift(24)).dropna()[["c", "a"]]
    np.testing.assert_allclose(model.naive_mae_, changes.abs().mean(), rtol=1e-12)
    np.testing.assert_allclose(model.naive_rmse_, np.sqrt((changes**2).mean()), rtol=1e-12)


@pytest.mark.parametrize("size", [1e-200, 1e300])
def test_naive_errors_are_exact_for_tiny_and_huge_values(size):
    small, large = (LinearForecaster(**SHORT).fit(make_waves(84) * unit) for unit in (1, size))
    np.testing.assert_allclose(large.naive_mae_ / size, small.naive_mae_, rtol=1e-9)
    np.testing.assert_allclose(large.naive_rmse_ / size, small.naive_rmse_, rtol=1e-9)


def test_naive_error_is_0_without_values_a_season_apart():
    rows = make_waves(40)
    # No value of b has another one 24 steps later.
    rows.loc[rows.index[10:], "b"] = NAN
    model = SeqForecaster(**TINY, early_stopping=False).fit(rows)
    assert model.naive_mae_[1] == model.naive_rmse_[1] == 0
    assert model.naive_mae_[0] > 0
    with pytest.raises(ValueError, match="Got a target whose mean change is 0"):
        make_forecast_scorer("mase")(model, make_waves(50)[40:])


@pytest.mark.parametrize("metric", SCALED)
def test_scaled_error_of_a_constant_target_raises(metric):
    rows = make_waves(84).assign(b=3.0)
    with pytest.warns(UserWarning, match="constant"):
        model = LinearForecaster(**SHORT).fit(rows[:60])
    message = (
        f"The metric {metric!r} needs training rows whose values change from season to season, because it "
        f"divides by the mean change. Got a target whose mean change is 0.0. Use 'mae' or 'rmse'."
    )
    with pytest.raises(ValueError, match=match_exactly(message)):
        make_forecast_scorer(metric)(model, rows[60:])
    assert make_forecast_scorer(metric, target="a")(model, rows[60:]) < 0
    assert make_forecast_scorer("mae", target="b")(model, rows[60:]) == 0


def test_pipeline_transforms_the_truth_too():
    rows = make_waves(108)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), LinearForecaster(**SHORT))
    pipeline.fit(rows[:84])
    scaled = pipeline[0].transform(rows)
    forecast = pipeline.predict(rows[84:])
    for metric in PLAIN + SCALED:
        expected = compute_error(metric, scaled["a"][84:], forecast["a"], scaled["a"][:84])
        found = make_forecast_scorer(metric, target="a")(pipeline, rows[84:])
        assert found == pytest.approx(-expected, rel=1e-12)
    assert make_forecast_scorer("skill")(pipeline, rows[84:]) == pipeline.score(rows[84:])


def test_pipeline_may_pass_arrays():
    rows = make_waves(108)
    pipeline = make_pipeline(StandardScaler(), LinearForecaster(**SHORT, target="x1")).fit(rows[:84])
    expected = metrics.mae(pipeline[0].transform(rows[84:])[:, 1], pipeline.predict(rows[84:]))
    assert make_forecast_scorer("mae")(pipeline, rows[84:]) == pytest.approx(-expected, rel=1e-12)


@pytest.mark.parametrize("before", [[], ["passthrough"]], ids=["no step", "passthrough"])
def test_pipeline_without_steps_scores_as_its_forecaster(before, one_target, rows):
    pipeline = make_pipeline(*before, SeqForecaster(**TINY, target="b")).fit(rows[:84])
    for metric in [*PLAIN, *SCALED, "skill"]:
        scorer = make_forecast_scorer(metric)
        assert scorer(pipeline, rows[84:]) == scorer(one_target, rows[84:])


@pytest.mark.parametrize("before", [[], [StandardScaler().set_output(transform="pandas")]])
def test_best_estimator_of_a_search_is_scored(before):
    rows, folds = make_waves(96), TimeSeriesSplit(2, test_size=8)
    pipeline = make_pipeline(*before, LinearForecaster(**SHORT))
    grid = {"linearforecaster__window": [3, 6]}
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
        "A scorer of make_forecast_scorer must be called with a forecaster, or a pipeline or search that "
        "ends in one. Got Ridge instead. Use a string scorer of scikit-learn for it."
    )
    model = wrap(Ridge()).fit(make_waves(20)[["a"]], make_waves(20)["b"])
    for metric in ("mae", "skill"):
        with pytest.raises(TypeError, match=match_exactly(message)):
            make_forecast_scorer(metric)(model, make_waves(20)[["a"]], make_waves(20)["b"])


@pytest.mark.parametrize("with_y", [False, True], ids=["without y", "with y"])
def test_search_with_several_scorers(with_y):
    rows, folds = make_waves(96, "ab"), TimeSeriesSplit(2, test_size=16)
    scoring = {
        "mase": make_forecast_scorer("mase"),
        "mae": make_forecast_scorer("mae", target="b"),
        "skill": make_forecast_scorer("skill"),
    }
    windows, y = [3, 8], [rows[["a", "b"]]] if with_y else []
    search = GridSearchCV(
        LinearForecaster(**SHORT), {"window": windows}, scoring=scoring, refit="mase", cv=folds
    ).fit(rows, *y)
    found = search.cv_results_
    for name, scorer in scoring.items():
        for fold, (train, test) in enumerate(folds.split(rows)):
            models = [LinearForecaster(**{**SHORT, "window": n}).fit(rows.iloc[train]) for n in windows]
            by_hand = [scorer(model, rows.iloc[test]) for model in models]
            np.testing.assert_array_equal(found[f"split{fold}_test_{name}"], by_hand)
    best = windows[int(np.argmax(found["mean_test_mase"]))]
    assert search.best_params_ == {"window": best}
    assert search.best_estimator_.target_names_ == ["a", "b"]


def test_cross_val_score_with_y(rows):
    X, y, folds = rows[["a"]], rows["b"], TimeSeriesSplit(2, test_size=16)
    found = cross_val_score(LinearForecaster(**SHORT), X, y, cv=folds, scoring=make_forecast_scorer("rmse"))
    for score, (train, test) in zip(found, folds.split(X), strict=True):
        model = LinearForecaster(**SHORT).fit(X.iloc[train], y.iloc[train])
        expected = metrics.rmse(y.iloc[test], model.predict(X.iloc[test]))
        assert score == pytest.approx(-expected, rel=1e-12)


def test_scorer_can_be_pickled(one_target, rows):
    scorer = make_forecast_scorer("pinball", target="b", quantile=0.9)
    copy = pickle.loads(pickle.dumps(scorer))
    assert repr(copy) == repr(scorer)
    assert copy(one_target, rows[84:]) == scorer(one_target, rows[84:])


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, ""),
        ({"target": "load"}, ", target='load'"),
        ({"target": 3}, ", target=3"),
        # The metric mase has no quantile.
        ({"quantile": 0.9}, ""),
    ],
)
def test_repr_is_the_call_of_make_forecast_scorer(options, shown):
    assert repr(make_forecast_scorer("mase", **options)) == f"make_forecast_scorer('mase'{shown})"


def test_repr_of_pinball_shows_the_quantile():
    assert repr(make_forecast_scorer("pinball")) == "make_forecast_scorer('pinball', quantile=0.5)"
    scorer = make_forecast_scorer("pinball", target="b", quantile=0.9)
    assert repr(scorer) == "make_forecast_scorer('pinball', target='b', quantile=0.9)"


@pytest.mark.parametrize("metric", ["MAE", "neg_mean_absolute_error", "coverage", None, metrics.mae])
def test_unknown_metric_raises(metric):
    message = (
        f"The 'metric' parameter of make_forecast_scorer must be one of 'mae', 'rmse', 'pinball', 'crps', "
        f"'smape', 'mape', 'mase', 'rmsse', 'skill'. Got {metric!r} instead."
    )
    with pytest.raises(ValueError, match=match_exactly(message)):
        make_forecast_scorer(metric)


@pytest.mark.parametrize("quantile", [0, 1, -0.1, 90, NAN])
def test_quantile_must_be_between_0_and_1(quantile):
    message = (
        f"The 'quantile' parameter of make_forecast_scorer must be above 0 and below 1. Got {quantile!r} "
        f"instead."
    )
    with pytest.raises(ValueError, match=match_exactly(message)):
        make_forecast_scorer("pinball", quantile=quantile)


def test_target_must_be_one_of_the_forecaster(two_targets, rows):
    message = (
        "The 'target' parameter of make_forecast_scorer must be one of the forecaster's targets, ['c', 'a']. "
        "Got 'b' instead."
    )
    with pytest.raises(ValueError, match=match_exactly(message)):
        make_forecast_scorer("mae", target="b")(two_targets, rows[84:])


@pytest.mark.parametrize("metric", ["mae", "rmse", "pinball", "crps"])
def test_metrics_with_units_need_one_target(metric, two_targets, rows):
    message = (
        f"The 'target' parameter of make_forecast_scorer must be given for several targets and the metric "
        f"{metric!r}, whose unit is that of the target. Got the targets ['c', 'a']. Name one with "
        f"make_forecast_scorer({metric!r}, target=...), or use 'mase' or 'rmsse'."
    )
    with pytest.raises(ValueError, match=match_exactly(message)):
        make_forecast_scorer(metric)(two_targets, rows[84:])


def test_training_rows_are_not_scored(one_target, rows):
    with pytest.raises(ValueError, match="must come after the training rows"):
        make_forecast_scorer("mae")(one_target, rows[60:])


def test_docstring_examples_run():
    found = doctest.testmod(scorers)
    assert (found.failed, found.attempted) == (0, 3)
