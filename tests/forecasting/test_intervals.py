"""Quantiles and sample paths: which are asked for, what they are by hand, how often the truth is inside."""

import copy
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster
from seqcast.forecasting.conformal import MAX_SAMPLES, ConformalResiduals, count_needed_residuals
from seqcast.forecasting.requested_quantiles import RequestedQuantiles

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 3, "window": 6, "validation_fraction": 0.4}
TINY = {**SMALL, "hidden_size": 4, "max_iter": 2, "random_state": 0, "naive_fallback": False}
MODELS = {
    "naive": (NaiveForecaster, {"horizon": 3, "season_length": 2}),
    "linear": (LinearForecaster, SMALL),
    "network": (SeqForecaster, TINY),
}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)
N = 150


def wander(n=N, seed=0, columns="y"):
    rng, t = np.random.default_rng(seed), np.arange(n)[:, None]
    values = 20 + np.sin(t / 3) + rng.normal(scale=0.3, size=(n, len(columns))).cumsum(axis=0)
    return pd.DataFrame(values, pd.date_range("2024-01-01", periods=n, freq="D", name="time"), list(columns))


def long(**series):
    return pd.concat(
        [frame.reset_index().assign(id=name) for name, frame in series.items()], ignore_index=True
    )


def says(message):
    return f"^{re.escape(message)}$"


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_close(one, other, rtol=1e-9, atol=0):
    np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=rtol, atol=atol)


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def model(request):
    kind, options = request.param
    return kind(**options).fit(wander())


# -- which are asked for


@pytest.mark.parametrize(
    ("level", "quantiles", "names", "probabilities"),
    [
        (80, None, ["a-lo-80", "a-hi-80"], [0.1, 0.9]),
        ([80, 95], None, ["a-lo-80", "a-hi-80", "a-lo-95", "a-hi-95"], [0.1, 0.9, 0.025, 0.975]),
        ([99.5], None, ["a-lo-99.5", "a-hi-99.5"], [0.0025, 0.9975]),
        (None, 0.1, ["a-q0.1"], [0.1]),
        (None, (0.5, 0.025), ["a-q0.5", "a-q0.025"], [0.5, 0.025]),
        (50, [0.25, 0.3], ["a-lo-50", "a-hi-50", "a-q0.25", "a-q0.3"], [0.25, 0.75, 0.25, 0.3]),
        (np.array([80.0]), np.array(0.3), ["a-lo-80", "a-hi-80", "a-q0.3"], [0.1, 0.9, 0.3]),
        (np.float32(60), np.float64(0.2), ["a-lo-60", "a-hi-60", "a-q0.2"], [0.2, 0.8, 0.2]),
        ([], None, [], []),
        (None, None, [], []),
    ],
)
def test_names_and_probabilities_of_what_is_asked_for(level, quantiles, names, probabilities):
    bounds = RequestedQuantiles.parse(level, quantiles, "Test")
    assert bounds.names(["a"]) == ["a", *names]
    assert_close([probability for _, probability in bounds.columns], probabilities, 1e-12)
    assert list(bounds.probabilities) == sorted({probability for _, probability in bounds.columns})
    assert len(bounds.probabilities) == len(set(np.round(probabilities, 9)))
    assert bool(bounds) == bool(names)


@pytest.mark.parametrize("percent", [*range(1, 100), 99.9, 0.5])
def test_a_level_is_the_same_as_its_two_quantiles(percent):
    tail = (100 - percent) / 200
    bounds = RequestedQuantiles.parse(percent, [tail, 1 - tail], "Test")
    np.testing.assert_allclose(
        [p for _, p in bounds.columns[:2]], [p for _, p in bounds.columns[2:]], rtol=1e-12
    )


def test_values_are_put_under_their_names():
    bounds = RequestedQuantiles.parse(80, [0.5, 0.1], "Test")
    assert bounds.probabilities == (0.1, 0.5, 0.9)
    values = np.arange(4 * 3 * 2).reshape(4, 3, 2)  # forecast and three quantiles, of 3 steps and 2 targets
    found = pd.DataFrame(bounds.to_columns(values), columns=bounds.names(["a", 7]))
    for k, name in enumerate(["a", 7]):
        for column, place in {
            name: 0,
            f"{name}-lo-80": 1,
            f"{name}-hi-80": 3,
            f"{name}-q0.5": 2,
            f"{name}-q0.1": 1,
        }.items():
            assert_same_bits(found[column], values[place, :, k])


BAD = {
    "level": [0, 100, -5, 150, "80", True, [80, 0], [None], [80, "90"], float("nan")],
    "quantiles": [0, 1, 1.5, -0.1, "0.1", [0.1, 1], [True], [[0.1]]],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD.items() for value in values], ids=str
)
def test_levels_and_quantiles_out_of_range_are_refused(model, name, value):
    most, such = (100, "80") if name == "level" else (1, "0.9")
    message = (
        f"The {name!r} parameter of {type(model).__name__}.forecast must hold numbers above 0 and below "
        f"{most}, such as {such}. Got {value!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.forecast(**{name: value})


@pytest.mark.parametrize(
    "asked", [{"level": [80, 80.0]}, {"quantiles": [0.1, 0.1]}, {"quantiles": [0.1, 0.10000001]}]
)
def test_no_column_is_asked_for_twice(model, asked):
    with pytest.raises(ValueError, match=r"'quantiles'.* must hold"):
        model.forecast(**asked)


# -- ranks


def size_by_hand(errors, level):
    """What so many of the n + 1 errors, the next one among them, stay below: of those that were seen."""
    sizes = np.sort(np.abs(errors[~np.isnan(errors)]))
    if not len(sizes):
        return 0.0
    k = math.ceil((len(sizes) + 1) * level - 1e-9)
    return sizes[min(max(k, 1), len(sizes)) - 1]


@settings(max_examples=60)
@given(
    n=st.integers(1, 40),
    seed=st.integers(0, 2**16),
    share=st.sampled_from([0.0, 0.3, 0.9]),
    probabilities=st.lists(
        st.sampled_from([0.01, 0.025, 0.1, 0.25, 0.4, 0.5, 0.6, 0.9, 0.99]), min_size=1, unique=True
    ),
)
def test_quantiles_are_order_statistics_of_the_sizes_of_errors(n, seed, share, probabilities):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((n, 2, 3)) < share, np.nan, rng.normal(size=(n, 2, 3)).astype(np.float32))
    found = ConformalResiduals.from_groups([values]).quantiles(probabilities)
    for row, probability in zip(found, probabilities, strict=True):
        for step, target in np.ndindex(2, 3):
            size = size_by_hand(values[:, step, target], abs(2 * probability - 1))
            assert row[step, target] == pytest.approx(np.sign(probability - 0.5) * size, rel=1e-6)


def test_ranks_of_nineteen_errors():
    """Of which the last but one is the interval of 90 percent: 18 of 20 cases."""
    values = np.arange(1.0, 20.0)[np.random.default_rng(0).permutation(19)] * np.tile([1, -1], 10)[:19]
    errors = ConformalResiduals.from_groups([values[:, None, None]])
    assert errors.quantiles([0.05, 0.95, 0.5, 0.75, 0.025]).ravel().tolist() == [-18, 18, 0, 10, -19]
    assert errors.count_effective() == pytest.approx(19)
    assert count_needed_residuals([0.05, 0.75]) == pytest.approx(
        9
    )  # whose largest is below the next in 9 of 10 cases
    assert count_needed_residuals([0.5]) == pytest.approx(0, abs=1e-6)


@settings(max_examples=40)
@given(
    sizes=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    seed=st.integers(0, 2**16),
    level=st.floats(0.05, 0.95),
)
def test_groups_of_windows_count_the_same_however_many_they_are(sizes, seed, level):
    rng = np.random.default_rng(seed)
    groups = [rng.normal(size=(n, 1, 1)).astype(np.float32) for n in sizes]
    errors = ConformalResiduals.from_groups(groups)
    weights = np.concatenate([np.full(n, 0.5 / n) for n in sizes])
    order = np.argsort(np.abs(np.concatenate(groups).ravel()))
    shares, n = np.cumsum(weights[order]), 1 / np.sum(weights**2)
    wanted = min(math.ceil((n + 1) * level - 1e-9) / n, 1.0)
    place = next(k for k, share in enumerate(shares) if share >= wanted - 1e-9)
    expected = np.abs(np.concatenate(groups).ravel())[order][place]
    assert errors.quantiles([0.5 + level / 2])[0, 0, 0] == pytest.approx(expected, rel=1e-6)
    assert errors.count_effective() == pytest.approx(n)


def test_of_many_windows_some_at_equal_distances_are_kept():
    values = np.arange(50_000.0)[:, None, None]
    errors = ConformalResiduals.from_groups([values])
    assert len(errors.values) == MAX_SAMPLES
    assert errors.values[[0, -1], 0, 0].tolist() == [0, 49_999]
    assert np.ptp(np.diff(errors.values[:, 0, 0])) <= 1
    assert len(ConformalResiduals.from_groups([values[:100], values[:70]]).values) == 170


def test_drawn_errors_are_those_of_whole_windows():
    values = np.arange(30.0).reshape(5, 3, 2)
    values[2, 1] = np.nan
    errors = ConformalResiduals.from_groups([values])
    drawn = errors.draw(500, np.random.default_rng(0))
    rows = {tuple(np.nan_to_num(window).ravel()) for window in values}
    assert {tuple(window.ravel()) for window in drawn} == rows
    skewed = ConformalResiduals.from_groups([values[:1], values[1:]])
    first = np.mean(skewed.draw(2000, np.random.default_rng(0))[:, 0, 1] == 1)
    assert first == pytest.approx(0.5, abs=4 * 0.5 / 2000**0.5)


# -- by hand


def changes(levels, horizon):
    """The geometric mean of the mean absolute changes over a step and over a horizon."""
    return np.sqrt(np.abs(np.diff(levels)).mean() * np.abs(levels[horizon:] - levels[:-horizon]).mean())


def changes_at(levels, cutoff, span, horizon):
    """Of the last steps before a cutoff, but a tenth of the usual at least; of single steps where there are
    no others."""
    usual, last = changes(levels, horizon), levels[max(0, cutoff - span) : cutoff]
    if len(last) <= horizon:
        return max(np.abs(np.diff(last)).mean(), 0.1 * usual)
    return max(changes(last, horizon), 0.1 * usual)


@pytest.mark.parametrize("n", [40, 150])
def test_intervals_of_naive_forecasts_follow_the_equations(n):
    """Each error counts in units of what the series moved just before; as does the interval."""
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
    """Two targets, and two series, one a copy in another unit: the same but for what folds tell of each."""
    rows = wander()
    if kind is SeqForecaster:
        options = {**options, "dtype": "float64"}
    wide = kind(**options).fit(rows.assign(z=1000 + 50 * rows["y"]))
    one = wide.forecast(level=80)
    assert_close(one["z-lo-80"], 1000 + 50 * one["y-lo-80"], 1e-6)
    assert_close(one["z-hi-80"], 1000 + 50 * one["y-hi-80"], 1e-6)
    panel = kind(**options, **KEYS).fit(long(a=rows, b=1024 * rows - 30000))
    assert_close(*panel._errors.scales, 0.05)
    panel._errors.scales[:] = 1.0
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


def test_bounds_change_no_forecast(model):
    assert_same_bits(model.forecast(8, level=[50, 60], quantiles=0.3)["y"], model.forecast(8)["y"])
    assert model.forecast(8, level=[]).equals(model.forecast(8))


@models
def test_columns_of_several_targets_stand_beside_them(kind, options):
    model = kind(**options).fit(wander(columns="ab").set_axis([0, ("x", 1)], axis=1))
    names = [0, "0-lo-60", "0-hi-60", "0-q0.3", ("x", 1), "('x', 1)-lo-60", "('x', 1)-hi-60", "('x', 1)-q0.3"]
    for steps in (3, 5):
        assert model.forecast(steps, level=60, quantiles=0.3).columns.tolist() == names
    panel = kind(**options, **KEYS).fit(long(s=wander(columns="ab"), t=wander(columns="ab", seed=1)))
    names = ["id", "time", "a", "a-lo-60", "a-hi-60", "b", "b-lo-60", "b-hi-60"]
    assert panel.forecast(level=60).columns.tolist() == names


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    share=st.sampled_from([0.0, 0.2, 0.5]),
    name=st.sampled_from(["naive", "linear"]),
)
def test_bounds_are_numbers_in_order(seed, share, name):
    """Of each series, at each step, also beyond the horizon: the wider the level, the further out."""
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
    """So those of sales are above 0, as far below a forecast as above it by a factor."""
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


# -- how often the truth lies inside


def assert_coverage(inside, level):
    """Within four deviations of the binomial distribution."""
    tolerance = 4 * np.sqrt(level * (1 - level) / inside.size)
    assert inside.mean() == pytest.approx(level, abs=tolerance)


def noise_panel(k, n, seed=0):
    rng, t = np.random.default_rng(seed), np.arange(n)
    y = 5 * np.sin(2 * np.pi * t / 7) + rng.normal(size=(k, n)) * np.exp(rng.normal(size=(k, 1)))
    times = pd.date_range("2024-01-01", periods=n, freq="D")
    return pd.DataFrame({"id": np.repeat(np.arange(k), n), "time": np.tile(times, k), "y": y.ravel()})


@pytest.mark.parametrize("name", ["naive", "linear", "network"])
def test_intervals_cover_what_they_say_of_many_series(name):
    """Noise about a wave, each series with its own deviation."""
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
def test_intervals_cover_what_they_say_of_a_long_series(name):
    """Forecast again and again, each time with what has come since."""
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


def test_intervals_beyond_the_horizon_cover_what_they_say():
    frame = noise_panel(40, 200, seed=3)
    known = frame["time"] < frame["time"].max() - pd.Timedelta("5D")
    model, truth = LinearForecaster(**SMALL, **KEYS).fit(frame[known]), frame[~known]["y"].to_numpy()
    forecast = model.forecast(6, level=80)
    inside = (forecast["y-lo-80"] <= truth) & (truth <= forecast["y-hi-80"])
    assert_coverage(inside.to_numpy().reshape(40, 6)[:, 3:].ravel(), 0.8)


def test_intervals_widen_with_what_the_series_moves_at_present():
    """By the same factor, once the last steps are wilder."""
    rng = np.random.default_rng(0)
    y = pd.Series(rng.normal(size=300).cumsum(), name="y")
    model = NaiveForecaster(2, season_length=1).fit(y)
    wild = pd.Series(y.iloc[-1] + 10 * rng.normal(size=30).cumsum(), pd.RangeIndex(300, 330), name="y")
    calm = model.forecast(level=80)
    moved = copy.deepcopy(model).update(wild).forecast(level=80)
    before, after = (changes(part.to_numpy(), 2) for part in (y[-24:], pd.concat([y, wild])[-24:]))
    width = moved["y-hi-80"].to_numpy() - moved["y-lo-80"].to_numpy()
    assert_close(width, (calm["y-hi-80"] - calm["y-lo-80"]).to_numpy() * after / before, 1e-6)


# -- too few errors


@pytest.mark.parametrize("name", ["linear", "network", "naive"])
def test_too_few_errors_are_told_of(name):
    kind, options = MODELS[name]
    options = {key: value for key, value in options.items() if key != "validation_fraction"}
    model = kind(**options).fit(wander(26))
    seen = model._errors.count_effective()
    message = rf"^Errors of only {seen:.0f} windows were seen in fit, and quantiles this far out need 999: "
    with pytest.warns(UserWarning, match=message) as caught:
        forecast = model.forecast(level=99.9)
    assert [warning.filename for warning in caught] == [__file__]
    sizes = np.abs(model._errors.values)[:, :, 0]
    half = (forecast["y-hi-99.9"] - forecast["y-lo-99.9"]).to_numpy() / 2
    assert_close(half / half[0], sizes.max(axis=0) / sizes.max(axis=0)[0], 1e-5)
    way_out = str(caught[0].message)
    assert ("validation_fraction" in way_out) == (kind is not NaiveForecaster)
    assert "early_stopping" not in way_out


def test_as_many_errors_as_the_warning_asks_for_are_enough():
    for percent, wanted in ((80, 4), (90, 9), (95, 19)):
        y = pd.Series(np.random.default_rng(0).normal(size=wanted + 1), name="y")
        enough, short = (NaiveForecaster(1, season_length=1).fit(rows) for rows in (y, y[1:]))
        assert len(enough._errors.values) == wanted
        enough.forecast(level=percent)
        with pytest.warns(UserWarning, match=f"need {wanted}"):
            short.forecast(level=percent)


def test_without_rows_held_back_there_are_no_quantiles():
    model = SeqForecaster(**TINY, early_stopping=False, linear=False).fit(wander())
    message = (
        "SeqForecaster tells quantiles by its errors on rows that it did not learn from. There were none in "
        "fit. Fit with early_stopping=True."
    )
    model.forecast(8)
    for ask in (
        lambda: model.forecast(level=80),
        lambda: model.forecast(quantiles=0.1),
        lambda: model.sample_paths(3),
    ):
        with pytest.raises(ValueError, match=says(message)):
            ask()


def test_a_naive_forecaster_without_errors_says_what_it_needs():
    model = NaiveForecaster(4, season_length=1).fit([1.0, 2.0, 3.0])
    message = (
        "NaiveForecaster tells quantiles by its errors on rows that it did not learn from. There were none "
        "in fit. Pass more rows."
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
    """Shape (n_paths, n_steps, n_targets)."""
    return paths.to_numpy().reshape(paths.index.get_level_values("path").max() + 1, -1, paths.shape[1])


@models
def test_a_path_has_the_errors_of_one_window_at_all_steps_and_targets(kind, options):
    """So it keeps what they have to do with each other."""
    model = kind(**options).fit(wander(columns="ab"))
    apart = as_array(model.sample_paths(200, 3, random_state=0)) - model.forecast(3).to_numpy()
    windows = np.nan_to_num(model._errors.values).reshape(-1, 6).astype(float)
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
    """The change over four steps of a random walk has twice the deviation of one; of independent errors about
    each step it would have more."""
    y = pd.Series(np.random.default_rng(0).normal(size=3000).cumsum(), name="y")
    model = NaiveForecaster(4, season_length=1).fit(y)
    paths = as_array(model.sample_paths(4000, random_state=0))[:, :, 0]
    steps = np.diff(np.column_stack([np.full(4000, y.iloc[-1]), paths]), axis=1)
    correlation = np.corrcoef(steps.T)
    assert np.abs(correlation - np.eye(4)).max() < 0.1
    assert steps.std(axis=0).max() / steps.std(axis=0).min() < 1.1
    assert paths[:, 3].std() / paths[:, 0].std() == pytest.approx(2, rel=0.1)


def test_paths_beyond_the_horizon_go_on_from_where_they_are():
    """Those of a random walk spread with the root of the time."""
    y = pd.Series(np.random.default_rng(0).normal(size=3000).cumsum(), name="y")
    model = NaiveForecaster(2, season_length=1).fit(y)
    paths = as_array(model.sample_paths(3000, 8, random_state=0))[:, :, 0]
    spread = paths.std(axis=0)
    assert_close(spread / spread[0], np.sqrt(np.arange(1, 9)), 0.15)
    assert_same_bits(paths[:, :2], as_array(model.sample_paths(3000, 2, random_state=0))[:, :, 0])


def test_so_many_paths_lie_inside_as_the_level_says(model):
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
def test_series_have_draws_of_their_own(kind, options):
    """Two equal series: the same forecast and, as far as errors were the same, bounds, but other paths."""
    model = kind(**options, **KEYS).fit(long(a=wander(), b=wander()))
    model._errors.scales[:] = 1.0
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
