"""Rolling forecasts, sample paths, and checks of requested quantiles."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fitted_parts import residuals_of
from interval_tasks import (
    KEYS,
    MODELS,
    SMALL,
    TINY,
    assert_close,
    assert_same_bits,
    long,
    models,
    says,
    wander,
)
from plan_tasks import daily

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster
from seqcast.forecasting.local import LocalModels
from seqcast.forecasting.rolling import compare_rows, forecast_cutoffs

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

# -- too few errors


@pytest.mark.parametrize("name", ["linear", "network", "naive"])
def test_too_few_residuals_cause_a_warning(name):
    kind, options = MODELS[name]
    options = {key: value for key, value in options.items() if key != "validation_fraction"}
    model = kind(**options).fit(wander(26))
    seen = residuals_of(model).count_effective()
    message = rf"^There are residuals of only {seen:.0f} windows, and the outermost quantiles need 999\. "
    with pytest.warns(UserWarning, match=message) as caught:
        forecast = model.forecast(level=99.9)
    assert [warning.filename for warning in caught] == [__file__]
    sizes = np.abs(residuals_of(model).values)[:, :, 0]
    half = (forecast["y-hi-99.9"] - forecast["y-lo-99.9"]).to_numpy() / 2
    assert_close(half / half[0], sizes.max(axis=0) / sizes.max(axis=0)[0], 1e-5)
    way_out = str(caught[0].message)
    assert ("validation_fraction" in way_out) == (kind is not NaiveForecaster)
    assert "early_stopping" not in way_out


def test_the_number_of_residuals_in_the_warning_is_enough():
    for percent, wanted in ((80, 4), (90, 9), (95, 19)):
        y = pd.Series(np.random.default_rng(0).normal(size=wanted + 1), name="y")
        enough, short = (NaiveForecaster(1, season_length=1).fit(rows) for rows in (y, y[1:]))
        assert len(residuals_of(enough).values) == wanted
        enough.forecast(level=percent)
        with pytest.warns(UserWarning, match=f"need {wanted}"):
            short.forecast(level=percent)


def test_without_rows_held_back_there_are_no_quantiles():
    model = SeqForecaster(**TINY, early_stopping=False, linear=False).fit(wander())
    message = (
        "SeqForecaster computes quantiles and sample paths from residuals of samples that it was not trained "
        "on. There were none in fit. Fit with early_stopping=True."
    )
    model.forecast(8)
    for ask in (
        lambda: model.forecast(level=80),
        lambda: model.forecast(quantiles=0.1),
        lambda: model.sample_paths(3),
    ):
        with pytest.raises(ValueError, match=says(message)):
            ask()


def test_a_naive_forecaster_without_residuals_names_the_remedy():
    model = NaiveForecaster(4, season_length=1).fit([1.0, 2.0, 3.0])
    message = (
        "NaiveForecaster computes quantiles and sample paths from residuals of samples that it was not "
        "trained on. There were none in fit. Pass more rows."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.forecast(level=80)


# -- sample paths


def test_paths_have_the_labels_of_the_forecast(model):
    paths = model.sample_paths(4, 5, random_state=0)
    assert paths.index.names == ["path", "time"]
    assert paths.columns.tolist() == ["y"]
    expected = pd.MultiIndex.from_product([range(4), model.forecast(5).index], names=["path", "time"])
    pd.testing.assert_index_equal(paths.index, expected)
    assert len(model.sample_paths()) == 100 * 3
    assert len(model.sample_paths(2, np.int64(1))) == 2


@models
def test_paths_of_a_panel_have_the_columns_of_its_forecast(kind, options):
    model = kind(**options, **KEYS).fit(long(b=wander(seed=1), a=wander(120)))
    paths, forecast = model.sample_paths(4, 5, random_state=0), model.forecast(5)
    assert paths.columns.tolist() == ["id", "time", "path", "y"]
    assert paths["id"].tolist() == ["b"] * 20 + ["a"] * 20
    assert paths["path"].tolist() == [path for _ in "ba" for path in range(4) for _ in range(5)]
    for path in range(4):
        own = paths[paths["path"] == path]
        assert_same_bits(own[["id", "time"]], forecast[["id", "time"]])


def as_array(paths):
    """Return paths as an array (n_paths, n_steps, n_targets)."""
    return paths.to_numpy().reshape(paths.index.get_level_values("path").max() + 1, -1, paths.shape[1])


@models
def test_a_path_has_the_residuals_of_one_window(kind, options):
    """The dependence between steps and targets is therefore kept."""
    model = kind(**options).fit(wander(columns="ab"))
    apart = as_array(model.sample_paths(200, 3, random_state=0)) - model.forecast(3).to_numpy()
    windows = np.nan_to_num(residuals_of(model).values).reshape(-1, 6).astype(float)
    scale = np.tile(wander(columns="ab").std(ddof=0), 3)
    units = []
    for path in apart.reshape(200, 6):
        # Each target has a unit of its own, at all steps: the window that all of them are multiples of.
        ratios = path / windows
        spread = np.abs(ratios.reshape(-1, 3, 2) / ratios.reshape(-1, 3, 2)[:, :1] - 1).max(axis=(1, 2))
        best = int(np.argmin(spread))
        assert spread[best] < 1e-4
        units.append(ratios[best].reshape(3, 2)[0])
    assert_close(units, np.tile(np.median(units, axis=0), (200, 1)), 1e-4)
    assert (np.median(units, axis=0) / scale[:2] > 0).all()


def test_paths_keep_the_dependence_between_steps():
    """The change of a random walk over four steps has twice the deviation of that over one step.

    With independent draws for each step, its deviation would be larger.
    """
    y = pd.Series(np.random.default_rng(0).normal(size=3000).cumsum(), name="y")
    model = NaiveForecaster(4, season_length=1).fit(y)
    paths = as_array(model.sample_paths(4000, random_state=0))[:, :, 0]
    steps = np.diff(np.column_stack([np.full(4000, y.iloc[-1]), paths]), axis=1)
    correlation = np.corrcoef(steps.T)
    assert np.abs(correlation - np.eye(4)).max() < 0.1
    assert steps.std(axis=0).max() / steps.std(axis=0).min() < 1.1
    assert paths[:, 3].std() / paths[:, 0].std() == pytest.approx(2, rel=0.1)


def test_paths_beyond_the_horizon_continue_each_path():
    """The deviation of paths of a random walk grows with the square root of the time."""
    y = pd.Series(np.random.default_rng(0).normal(size=3000).cumsum(), name="y")
    model = NaiveForecaster(2, season_length=1).fit(y)
    paths = as_array(model.sample_paths(3000, 8, random_state=0))[:, :, 0]
    spread = paths.std(axis=0)
    assert_close(spread / spread[0], np.sqrt(np.arange(1, 9)), 0.15)
    assert_same_bits(paths[:, :2], as_array(model.sample_paths(3000, 2, random_state=0))[:, :, 0])


def test_the_share_of_paths_inside_equals_the_level(model):
    forecast = model.forecast(level=80)
    paths = as_array(model.sample_paths(4000, random_state=0))[:, :, 0]
    inside = (forecast["y-lo-80"].to_numpy() <= paths) & (paths <= forecast["y-hi-80"].to_numpy())
    assert inside.mean() == pytest.approx(0.8, abs=0.03)


def test_bounds_beyond_the_horizon_are_quantiles_of_paths(model):
    forecast = model.forecast(7, quantiles=[0.2, 0.5])
    paths = as_array(model.sample_paths(4000, 7, random_state=1))[:, 3:, 0]
    width = paths.std(axis=0)
    for probability in (0.2, 0.5):
        expected = np.quantile(paths, probability, axis=0)
        assert np.abs((forecast[f"y-q{probability}"].to_numpy()[3:] - expected) / width).max() < 0.25
    assert_same_bits(forecast, model.forecast(7, quantiles=[0.2, 0.5]))


def test_seeds_of_paths(model):
    one = model.sample_paths(5, 5, random_state=7)
    assert_same_bits(one, model.sample_paths(5, 5, random_state=7))
    assert_same_bits(one, model.sample_paths(5, 5, random_state=np.random.RandomState(7)))
    assert not np.array_equal(one, model.sample_paths(5, 5, random_state=8))
    assert not np.array_equal(model.sample_paths(5, 5), model.sample_paths(5, 5))
    forecast = model.forecast(5)
    assert_same_bits(forecast, model.forecast(5))  # nothing is drawn from the past


@models
def test_equal_series_have_different_draws(kind, options):
    """Two equal series have the same forecast and similar bounds, but different paths."""
    model = kind(**options, **KEYS).fit(long(a=wander(), b=wander()))
    residuals_of(model).scales[:] = 1.0
    forecast, paths = model.forecast(level=80), model.sample_paths(9, random_state=0)
    a, b = (forecast[forecast["id"] == name].drop(columns="id") for name in "ab")
    assert_same_bits(a, b)
    a, b = (paths[paths["id"] == name]["y"] for name in "ab")
    assert not np.array_equal(a, b)


def test_paths_follow_an_update_and_what_is_known_ahead():
    rows = wander(columns="yf")
    rows["y"] += 5 * rows["f"]
    model = LinearForecaster(**SMALL, target="y", future_cols="f").fit(rows[:140])
    ahead = rows[["f"]][140:]
    before = model.sample_paths(2000, X_future=ahead, random_state=0).groupby("time")["y"].mean()
    forecast = model.forecast(X_future=ahead)["y"]
    changed = model.sample_paths(2000, X_future=ahead + 1, random_state=0).groupby("time")["y"].mean()
    shift = model.forecast(X_future=ahead + 1)["y"] - forecast
    assert_close(changed - before, shift, 1e-6)
    model.update(rows[140:143])
    paths = model.sample_paths(2, X_future=rows[["f"]][143:], random_state=0)
    assert paths.index.get_level_values("time")[:3].tolist() == rows.index[143:146].tolist()


@pytest.mark.parametrize("n_paths", [0, -1, 2.5, "3", True, None])
def test_paths_must_be_a_positive_number(model, n_paths):
    message = (
        f"The 'n_paths' parameter of {type(model).__name__}.sample_paths must be an int of at least 1. "
        f"Got {n_paths!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.sample_paths(n_paths)


# -- cutoffs and rows


@pytest.fixture(scope="module")
def last_values():
    return NaiveForecaster(2, season_length=1).fit(daily([1, 2, 3])).fitted_


def test_cutoffs_are_forecast_from_all_rows_before(last_values):
    rows = last_values.schema.read(daily([10, 20, 30, 40], start="2024-01-04"), "predict")
    truth = np.array([[10.0], [20], [30], [40]])
    (found,) = forecast_cutoffs(last_values, rows, truth, [np.array([0, 1, 4])], 3)
    assert found.shape == (1, 3, 3, 1)
    np.testing.assert_array_equal(found[0, :, :, 0], [[3, 3, 3], [10, 10, 10], [40, 40, 40]])


def test_rows_are_compared_with_forecasts_of_their_horizons(last_values):
    found = compare_rows(last_values, daily([10, 20, 30], start="2024-01-04"), None, "score")
    np.testing.assert_array_equal(found.truth[:, 0], [10, 20, 30])
    np.testing.assert_array_equal(found.forecasts[:, 0], [3, 3, 20])
    np.testing.assert_array_equal(found.naive, found.forecasts)
    np.testing.assert_array_equal(found.series, [0, 0, 0])


def test_rows_without_an_observed_target_are_refused(last_values):
    with pytest.raises(ValueError, match=r"'X' parameter of NaiveForecaster\.score must have an observed"):
        compare_rows(last_values, daily([np.nan], start="2024-01-04"), None, "score")


# -- checks


def test_local_models_may_lack_residuals_or_quantiles():
    """One series is forecast naively, with residuals; the other by a distribution of known quantiles."""
    options = {**TINY, "loss": "quantile", "quantiles": [0.1, 0.5, 0.9], "intervals": "distribution"}
    frame = long(a=wander(200), b=wander(200))
    model = SeqForecaster(**options, scope="local", **KEYS).fit(frame)
    models = model.fitted_.model.models
    naive = replace(models["a"], weights={"naive": 1.0})
    model.fitted_ = replace(model.fitted_, model=LocalModels({"a": naive, "b": models["b"]}))
    assert [one.needs_residuals for one in model.fitted_.models] == [True, False]
    model.forecast(level=80)
    with pytest.raises(ValueError, match=r"of SeqForecaster\.forecast must not reach beyond"):
        model.forecast(level=90)


def test_an_unknown_series_names_the_called_method():
    frame = long(a=daily(np.arange(9.0)), b=daily(np.arange(9.0)))
    model = NaiveForecaster(2, season_length=1, **KEYS).fit(frame)
    later = long(c=daily([1.0], start="2024-01-10"))
    with pytest.raises(ValueError, match=r"of X in NaiveForecaster\.predict must hold series"):
        model.predict(later)
    with pytest.raises(ValueError, match=r"of X in NaiveForecaster\.score must hold series"):
        model.score(later)


def test_a_missing_future_names_the_called_method():
    frame = pd.DataFrame({"y": np.arange(40.0), "x": np.arange(40.0) % 3})
    model = LinearForecaster(2, 4, season_length=1, target="y", future_cols="x").fit(frame)
    for name in ("forecast", "sample_paths", "sensitivity"):
        with pytest.raises(ValueError, match=rf"parameter of LinearForecaster\.{name} must hold the columns"):
            getattr(model, name)()
    with pytest.raises(ValueError, match=r"LinearForecaster\.sensitivity must"):
        model.sensitivity(frame[["y"]], X_future=frame[["x"]])
