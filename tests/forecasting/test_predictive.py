"""Prediction intervals, by hand and by their coverage."""

import copy

import numpy as np
import pandas as pd
import pytest
from fitted_parts import residuals_of
from hypothesis import given, settings
from hypothesis import strategies as st
from interval_tasks import (
    KEYS,
    MODELS,
    SMALL,
    assert_close,
    assert_same_bits,
    long,
    models,
    size_by_hand,
    wander,
)

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")


def changes(levels, horizon):
    """Return the geometric mean of the mean absolute changes over a step and over a horizon."""
    return np.sqrt(np.abs(np.diff(levels)).mean() * np.abs(levels[horizon:] - levels[:-horizon]).mean())


def changes_at(levels, cutoff, span, horizon):
    """Return the volatility of the last steps before a cutoff, at least a tenth of that of all steps.

    If there are too few steps for a change over a horizon, it is that of changes over one step.
    """
    usual, last = changes(levels, horizon), levels[max(0, cutoff - span) : cutoff]
    if len(last) <= horizon:
        return max(np.abs(np.diff(last)).mean(), 0.1 * usual)
    return max(changes(last, horizon), 0.1 * usual)


# -- by hand


@pytest.mark.parametrize("n", [40, 150])
def test_intervals_of_naive_forecasts_follow_the_equations(n):
    """Residuals and intervals are in units of the recent volatility of the series."""
    y = wander(n)["y"].to_numpy()
    model = NaiveForecaster(3, season_length=2).fit(wander(n))
    forecast = model.forecast(level=[50, 80], quantiles=[0.3])
    scale, span = y.std(), 24
    errors = np.array(
        [
            (y[cutoff : cutoff + 3] - y[cutoff - 2 : cutoff][[0, 1, 0]]) / changes_at(y, cutoff, span, 3)
            for cutoff in range(2, n - 3 + 1)
        ]
    )
    assert scale > 0
    unit = changes_at(y, n, span, 3)
    centre = y[-2:][[0, 1, 0]]
    assert_close(forecast["y"], centre)
    for name, level, sign in (
        ("lo-50", 0.5, -1),
        ("hi-50", 0.5, 1),
        ("lo-80", 0.8, -1),
        ("hi-80", 0.8, 1),
        ("q0.3", 0.4, -1),
    ):
        size = np.array([size_by_hand(column, level) for column in errors.T])
        assert_close(forecast[f"y-{name}"], centre + sign * size * unit, 1e-6)


@models
def test_intervals_are_in_the_unit_of_each_target_and_series(kind, options):
    """One of two targets, and one of two series, is a copy in another unit."""
    rows = wander()
    if kind is SeqForecaster:
        options = {**options, "dtype": "float64"}
    wide = kind(**options).fit(rows.assign(z=1000 + 50 * rows["y"]))
    one = wide.forecast(level=80)
    assert_close(one["z-lo-80"], 1000 + 50 * one["y-lo-80"], 1e-6)
    assert_close(one["z-hi-80"], 1000 + 50 * one["y-hi-80"], 1e-6)
    panel = kind(**options, **KEYS).fit(long(a=rows, b=1024 * rows - 30000))
    assert_close(*residuals_of(panel).scales, 0.05)
    residuals_of(panel).scales[:] = 1.0
    one = panel.forecast(level=80)
    a, b = (one[one["id"] == name][["y", "y-lo-80", "y-hi-80"]].to_numpy() for name in "ab")
    assert_close(b, 1024 * a - 30000, 1e-6)


# -- the columns


def test_a_level_has_the_bounds_of_its_quantiles(model):
    both = model.forecast(8, level=80, quantiles=[0.1, 0.9])
    assert_same_bits(both["y-lo-80"], both["y-q0.1"])
    assert_same_bits(both["y-hi-80"], both["y-q0.9"])
    apart = [model.forecast(8, level=80), model.forecast(8, quantiles=[0.1, 0.9])]
    assert_same_bits(*apart)
    assert_same_bits(apart[0], both.iloc[:, :3])


def test_intervals_do_not_change_the_forecast(model):
    assert_same_bits(model.forecast(8, level=[50, 60], quantiles=0.3)["y"], model.forecast(8)["y"])
    assert model.forecast(8, level=[]).equals(model.forecast(8))


@models
def test_bounds_follow_the_column_of_their_target(kind, options):
    model = kind(**options).fit(wander(columns="ab").set_axis([0, ("x", 1)], axis=1))
    names = [0, "0-lo-60", "0-hi-60", "0-q0.3", ("x", 1), "('x', 1)-lo-60", "('x', 1)-hi-60", "('x', 1)-q0.3"]
    for steps in (3, 5):
        assert model.forecast(steps, level=60, quantiles=0.3).columns.tolist() == names
    panel = kind(**options, **KEYS).fit(long(s=wander(columns="ab"), t=wander(columns="ab", seed=1)))
    names = ["id", "time", "a", "a-lo-60", "a-hi-60", "b", "b-lo-60", "b-hi-60"]
    assert panel.forecast(level=60).columns.tolist() == names


@settings(max_examples=10)
@given(
    seed=st.integers(0, 2**16),
    share=st.sampled_from([0.0, 0.2, 0.5]),
    name=st.sampled_from(["naive", "linear"]),
)
def test_bounds_are_numbers_in_order(seed, share, name):
    """For each series and step, also beyond the horizon, a higher level has wider bounds."""
    kind, options = MODELS[name]
    rng = np.random.default_rng(seed)
    series = {"a": wander(90, seed), "b": -wander(70, seed + 1), "c": wander(80, seed + 2)}
    series = {name: rows.mask(rng.random(rows.shape) < share) for name, rows in series.items()}
    probabilities = [0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9]
    model = kind(**options, **KEYS).fit(long(**series))
    forecast = model.forecast(5, quantiles=probabilities)
    bounds = forecast[[f"y-q{probability:g}" for probability in probabilities]].to_numpy()
    assert np.isfinite(bounds).all()
    assert (np.diff(bounds, axis=1) >= 0).all()
    within = forecast.groupby("id", sort=False).head(3)
    assert_same_bits(within["y-q0.5"], within["y"])


@pytest.mark.parametrize("transform", ["log", "log1p", "box-cox", "yeo-johnson"])
def test_bounds_of_transformed_targets_are_transformed_back(transform):
    """With logarithms, bounds are above 0, and are the forecast divided and multiplied by a factor."""
    rows = np.exp(0.5 * (wander() - 20))
    model = LinearForecaster(**SMALL, target_transform=transform).fit(rows)
    forecast = model.forecast(8, level=[50, 90])
    paths = model.sample_paths(50, 8, random_state=0)
    if transform in ("log", "box-cox"):
        assert (forecast > 0).all(axis=None)
        assert (paths > 0).all(axis=None)
    if transform == "log":
        near = forecast[:3]
        assert_close(near["y-lo-90"] * near["y-hi-90"], near["y"] ** 2)


def test_bounds_of_a_constant_series_are_the_constant():
    with pytest.warns(UserWarning, match="constant"):
        model = LinearForecaster(**SMALL, **KEYS).fit(long(a=wander(), flat=0 * wander() + 0.3))
    flat = model.forecast(7, level=80)
    assert (flat[flat["id"] == "flat"][["y", "y-lo-80", "y-hi-80"]] == 0.3).all(axis=None)
    paths = model.sample_paths(5, 7)
    assert (paths[paths["id"] == "flat"]["y"] == 0.3).all()


def assert_coverage(inside, level):
    """Check the coverage to within four standard deviations of the binomial distribution."""
    tolerance = 4 * np.sqrt(level * (1 - level) / inside.size)
    assert inside.mean() == pytest.approx(level, abs=tolerance)


def noise_panel(k, n, seed=0):
    rng, t = np.random.default_rng(seed), np.arange(n)
    y = 5 * np.sin(2 * np.pi * t / 7) + rng.normal(size=(k, n)) * np.exp(rng.normal(size=(k, 1)))
    times = pd.date_range("2024-01-01", periods=n, freq="D")
    return pd.DataFrame({"id": np.repeat(np.arange(k), n), "time": np.tile(times, k), "y": y.ravel()})


# -- how often the truth lies inside


@pytest.mark.parametrize("name", ["naive", "linear", "network"])
def test_intervals_of_many_series_have_their_coverage(name):
    """Each series is a wave with noise of its own deviation."""
    kind, options = MODELS[name]
    frame = noise_panel(400, 83)
    known = frame["time"] < frame["time"].max() - pd.Timedelta("2D")
    options = {**options, "season_length": 7} if kind is NaiveForecaster else options
    model, truth = kind(**options, **KEYS).fit(frame[known]), frame[~known]["y"].to_numpy()
    forecast = model.forecast(level=[50, 80, 95])
    for level in (50, 80, 95):
        low, high = forecast[f"y-lo-{level}"].to_numpy(), forecast[f"y-hi-{level}"].to_numpy()
        assert_coverage((low <= truth) & (truth <= high), level / 100)


@pytest.mark.parametrize("name", ["naive", "linear"])
def test_intervals_of_a_long_series_have_their_coverage(name):
    """The series is forecast repeatedly, each time after an update."""
    kind, options = MODELS[name]
    rng, t = np.random.default_rng(4), np.arange(1600)
    y = pd.Series(10 + 3 * np.sin(t / 5) + rng.normal(size=1600), pd.RangeIndex(1600))
    model, found = kind(**options).fit(y[:1000]), []
    for cutoff in range(1000, 1600, 3):
        found.append(model.forecast(level=[50, 90]))
        model.update(y[cutoff : cutoff + 3])
    found = pd.concat(found)
    for level in (50, 90):
        inside = (found[f"y-lo-{level}"] <= y[found.index]) & (y[found.index] <= found[f"y-hi-{level}"])
        assert_coverage(inside.to_numpy(), level / 100)


def test_intervals_beyond_the_horizon_have_their_coverage():
    frame = noise_panel(40, 200, seed=3)
    known = frame["time"] < frame["time"].max() - pd.Timedelta("5D")
    model, truth = LinearForecaster(**SMALL, **KEYS).fit(frame[known]), frame[~known]["y"].to_numpy()
    forecast = model.forecast(6, level=80)
    inside = (forecast["y-lo-80"] <= truth) & (truth <= forecast["y-hi-80"])
    assert_coverage(inside.to_numpy().reshape(40, 6)[:, 3:].ravel(), 0.8)


def test_intervals_widen_with_recent_volatility():
    """All bounds widen by the factor of the changes in the last steps."""
    rng = np.random.default_rng(0)
    y = pd.Series(rng.normal(size=300).cumsum(), name="y")
    model = NaiveForecaster(2, season_length=1).fit(y)
    wild = pd.Series(y.iloc[-1] + 10 * rng.normal(size=30).cumsum(), pd.RangeIndex(300, 330), name="y")
    calm = model.forecast(level=80)
    moved = copy.deepcopy(model).update(wild).forecast(level=80)
    before, after = (changes(part.to_numpy(), 2) for part in (y[-24:], pd.concat([y, wild])[-24:]))
    width = moved["y-hi-80"].to_numpy() - moved["y-lo-80"].to_numpy()
    assert_close(width, (calm["y-hi-80"] - calm["y-lo-80"]).to_numpy() * after / before, 1e-6)
