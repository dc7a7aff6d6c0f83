"""Forecasters of many series, compared with forecasters of each series and with the equations."""

import copy
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from fitted_parts import linear_map_of, replace_model
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster
from seqcast.data.panel import Panel
from seqcast.data.roles import ColumnLayout
from seqcast.forecasting.linear_map import fit_linear
from seqcast.forecasting.window_scaling import WindowScaling
from seqcast.forecasting.window_source import WindowSource

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 3, "window": 8}
TINY = {**SMALL, "hidden_size": 4, "max_iter": 2, "random_state": 0, "naive_fallback": False}
MODELS = {
    "naive": (NaiveForecaster, {"horizon": 3, "season_length": 4}),
    "linear": (LinearForecaster, SMALL),
    "network": (SeqForecaster, TINY),
}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)


def walk(n, seed=0, start="2024-01-01"):
    """Return a random walk with a weekly wave; its level is positive if `seed` is even."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    values = (-1) ** seed * 100.0 * seed + (1 + seed) * (
        np.sin(2 * np.pi * t / 7) + rng.normal(scale=0.3, size=n).cumsum()
    )
    return pd.Series(values, pd.date_range(start, periods=n, freq="D", name="time"), name="y")


def long(series, **columns):
    """Return a long frame of series, given by their ids."""
    parts = [
        pd.DataFrame({"id": [name] * len(one), "time": one.index, "y": one.array})
        for name, one in series.items()
    ]
    return pd.concat(parts, ignore_index=True).assign(**columns)


def of(frame, name, column="y"):
    """Return the rows of one series of a long frame, in the order of time."""
    return frame[frame["id"] == name].sort_values("time")[column].to_numpy()


def says(message):
    return f"^{re.escape(message)}$"


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_close(one, other, rtol=1e-9):
    np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=rtol)


RAGGED = {"b": walk(60, 1), "c": walk(45, 2, "2024-02-01"), "a": walk(52, 3, "2023-12-01")}
LATER = {name: walk(len(one) + 10, k, one.index[0])[-10:] for k, (name, one) in enumerate(RAGGED.items(), 1)}


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def ragged(request):
    kind, options = request.param
    return kind(**options, **KEYS).fit(long(RAGGED))


# -- the equations

STEP = pd.Timedelta("1D")


def training_end(model, n):
    """Return the number of training steps of a series."""
    end = n - max(model.horizon_, round(model.validation_fraction * n))
    return n if end <= model.horizon_ else end


def scaled(model, values):
    """Return a series (n, n_targets), and center and scale of its training steps."""
    fitted = values[: training_end(model, len(values))]
    center, scale = np.nanmean(fitted, axis=0), np.nanstd(fitted, axis=0)
    return (values - center) / scale, center, scale


def days(stamp):
    """Return the number of a step in the calendar, counted from 1970."""
    return (stamp - pd.Timestamp("1970-01-01")).days


def forecast_by_hand(model, values, first):
    """Of a linear forecaster, from a series (n, n_targets); `first` is the day that is forecast first.

    A short series begins with missing steps; what is missing counts as the last observed value.
    """
    linear, k = linear_map_of(model), values.shape[1]
    known, center, scale = scaled(model, values)
    known = np.concatenate([np.full((model.window_, k), np.nan), known])[-model.window_ :]
    parts = []
    for group in [[*range(k)]] if model.multivariate else [[j] for j in range(k)]:
        window, offset, unit = known[:, group], np.zeros(len(group)), 1.0
        if linear.window_scaling.normalization != "none":
            offset = np.array(
                [next((x for x in column[::-1] if not np.isnan(x)), 0.0) for column in window.T]
            )
        if linear.window_scaling.normalization == "instance":
            unit = np.sqrt(np.nanvar(window, axis=0).mean())
        x = np.nan_to_num((window[-linear.n_steps :] - offset) / unit).ravel()
        x = (
            x @ linear.weights
            + linear.intercept
            + linear.seasonal_features.encode(np.array([days(first)]))[0] @ linear.seasonal_weights
        )
        parts.append(x.reshape(-1, len(group)) * unit + offset)
    return np.hstack(parts) * scale + center


normalizations = pytest.mark.parametrize("normalization", ["last", "none", "instance", "auto"])


@normalizations
@pytest.mark.parametrize("window", [8, 50])
def test_each_series_is_forecast_by_the_one_map_in_its_own_units(window, normalization):
    """One series is shorter than the window, and one has a single row."""
    series = RAGGED | {"short": walk(6, 4), "one": walk(1, 5)}
    with pytest.warns(UserWarning, match="constant"):
        model = LinearForecaster(3, window, **KEYS, normalization=normalization).fit(long(series))
    forecast = model.forecast()
    for name, one in series.items():
        if name == "one":
            assert_same_bits(of(forecast, name), one.repeat(3))
        else:
            by_hand = forecast_by_hand(model, one.to_numpy()[:, None], one.index[-1] + STEP)
            assert_close(of(forecast, name), by_hand[:, 0])


@pytest.mark.parametrize("multivariate", [True, False])
def test_several_targets_of_each_series_are_forecast_alike(multivariate):
    columns = {
        name: pd.concat([one, 5 - one.shift(1) ** 2], axis=1, keys=["y", "z"]) for name, one in RAGGED.items()
    }
    frame = pd.concat([one.reset_index().assign(id=name) for name, one in columns.items()])
    model = LinearForecaster(**SMALL, **KEYS, multivariate=multivariate).fit(frame)
    assert model.target_names_ == ["y", "z"]
    forecast = model.forecast()
    for name, one in columns.items():
        by_hand = forecast_by_hand(model, one.to_numpy(), one.index[-1] + STEP)
        assert_close(forecast.loc[forecast["id"] == name, ["y", "z"]], by_hand)


@normalizations
def test_the_map_is_that_of_the_windows_of_all_series(normalization):
    """Each window is a separate series here, at its original position in the calendar."""
    model = LinearForecaster(**SMALL, **KEYS, normalization=normalization).fit(long(RAGGED))
    windows, clocks, judged = [], [], []
    for one in RAGGED.values():
        values, end = scaled(model, one.to_numpy()[:, None])[0], training_end(model, len(one))
        for start in range(len(one) - 11 + 1):
            if start + 11 <= end or start + 8 >= end:
                windows.append(values[start : start + 11])
                clocks.append(days(one.index[start]))
                judged.append(start + 8 >= end)
    panel, judged = Panel.stack(windows, clocks=np.array(clocks)), np.array(judged)
    blocks = WindowSource.from_inputs(panel.values, ColumnLayout(1), False, panel.clock)
    kinds = {"last": ["last", "instance"], "auto": ["last", "instance", "none"]}
    scalings = [WindowScaling(kind) for kind in kinds.get(normalization, [normalization])]
    starts = panel.starts[~judged], panel.starts[judged]
    expected = fit_linear(blocks, *starts, 8, 3, scalings, [7], 365.2425)
    found = linear_map_of(model)
    assert (found.window_scaling, found.seasonal_features, found.n_steps) == (
        expected.window_scaling,
        expected.seasonal_features,
        expected.n_steps,
    )
    assert (model.ridge_, model.n_steps_) == (expected.ridge, expected.n_steps)
    for name in ("weights", "seasonal_weights", "intercept"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-9)


# -- the same as other forms of the same data

TREATED = {"differences": (1,), "lags": 9, "scaling": "robust", "calendar_features": "auto"}


def with_covariate(one, seed=0):
    return one.to_frame().assign(x=np.random.default_rng(seed).normal(size=len(one)))


def as_long(frame):
    return frame.reset_index().assign(id="only")


@pytest.mark.parametrize("treatment", [{}, TREATED], ids=["plain", "treated"])
@pytest.mark.parametrize("kind", ["naive", "linear", "network"])
@pytest.mark.parametrize("keys", [KEYS, {"id_col": "id"}, {"time_col": "time"}], ids=["both", "id", "time"])
def test_a_panel_of_one_series_is_its_wide_frame_bit_for_bit(kind, treatment, keys):
    kind, options = MODELS[kind]
    options = {**options, **({} if kind is NaiveForecaster else treatment), "target": "y"}
    if kind is SeqForecaster:
        options["validation_fraction"] = 0.3  # for enough errors
    rows = with_covariate(walk(110))
    train, later = rows[:100], rows[100:]

    def given(frame):
        frame = as_long(frame).drop(columns=[] if "id_col" in keys else "id")
        return frame if "time_col" in keys else frame.set_index("time")

    wide, panel = kind(**options).fit(train), kind(**options, **keys).fit(given(train))
    for _ in range(2):
        assert_same_bits(panel.forecast()["y"], wide.forecast()["y"])
        drawn = "id" not in keys.values()  # draws depend on the id, and so do quantiles beyond the horizon
        one, other = (model.forecast(8 if drawn else 3, level=50, quantiles=0.3) for model in (panel, wide))
        assert_same_bits(one[other.columns], other)
        stamps = one["time"] if "time_col" in keys else one.index
        assert_same_bits(stamps, other.index)
        one, other = (model.sample_paths(20, 5, random_state=3) for model in (panel, wide))
        assert_same_bits(one["y"], other["y"]) if drawn else None
        assert_same_bits(one["path"], other.index.get_level_values("path"))
        assert_same_bits(panel.forecast(8)["y"], wide.forecast(8)["y"])
        assert_same_bits(panel.predict(given(later)), wide.predict(later))
        assert panel.score(given(later)) == wide.score(later)
        assert_same_bits(np.ravel(panel.naive_mae_), wide.naive_mae_)
        panel.update(given(later[:4])), wide.update(later[:4])
        later = later[4:]
    if kind is SeqForecaster:
        assert panel.loss_curve_ == wide.loss_curve_
        assert panel.validation_loss_curve_ == wide.validation_loss_curve_
        assert panel.chosen_ == wide.chosen_


WIDE = pd.concat([walk(60, k).rename(f"s{k}") for k in range(3)], axis=1)
STACKED = long({name: WIDE[name] for name in WIDE})


@pytest.mark.parametrize("linear", [True, False])
def test_equal_series_are_forecast_like_wide_targets(linear):
    """The network and the map learn from the same windows in the same order; only the evidence for a share
    of either counts another way."""
    options = {**TINY, "dtype": "float64", "linear": linear, "normalization": "instance"}
    wide, panel = SeqForecaster(**options).fit(WIDE), SeqForecaster(**options, **KEYS).fit(STACKED)
    for name, weight in wide.weights_.items():
        assert_close(panel.weights_[name], weight, rtol=1e-6)
    assert_close(panel.loss_curve_, wide.loss_curve_)
    assert_close(panel.validation_loss_curve_, wide.validation_loss_curve_)
    if linear:
        assert_close(linear_map_of(panel).weights, linear_map_of(wide).weights, rtol=1e-6)
        replace_model(panel, weights=wide.chosen_)
    for name in WIDE:
        assert_close(of(panel.forecast(7), name), wide.forecast(7)[name], rtol=1e-7)


@pytest.mark.parametrize("treatment", [{}, TREATED], ids=["plain", "treated"])
@pytest.mark.parametrize("normalization", ["none", "instance", "auto"])
def test_the_linear_map_reads_equal_series_like_wide_targets(treatment, normalization):
    options = {**treatment, "normalization": normalization}  # with "last", series may be read as "instance"
    wide = LinearForecaster(**SMALL, **options).fit(WIDE)
    panel = LinearForecaster(**SMALL, **options, **KEYS).fit(STACKED)
    assert (panel.ridge_, panel.n_steps_) == (wide.ridge_, wide.n_steps_)
    later = pd.concat([walk(70, k).rename(f"s{k}")[60:] for k in range(3)], axis=1)
    stacked = long({name: later[name] for name in later})
    predicted = stacked.assign(y=panel.predict(stacked)["y"])
    for name in WIDE:
        assert_close(of(panel.forecast(7), name), wide.forecast(7)[name])
        assert_close(of(predicted, name), wide.predict(later)[name])


@pytest.mark.parametrize(
    ("kind", "options"), [MODELS["linear"], MODELS["network"]], ids=["linear", "network"]
)
@pytest.mark.parametrize("treatment", [{}, TREATED], ids=["plain", "treated"])
def test_local_scope_equals_separate_fits(kind, options, treatment):
    options = {**options, **treatment, "validation_fraction": 0.3}
    panel = kind(**options, **KEYS, scope="local").fit(long(RAGGED))
    alone = {name: kind(**options).fit(one) for name, one in RAGGED.items()}
    later = LATER
    for _ in range(2):
        forecast = panel.forecast(3, level=50, quantiles=0.3)
        predicted = long(later).assign(y=panel.predict(long(later))["y"])
        for name, model in alone.items():
            expected = model.forecast(3, level=50, quantiles=0.3)
            assert_same_bits(forecast.loc[forecast["id"] == name, expected.columns], expected)
            assert_same_bits(of(panel.forecast(8), name), model.forecast(8)["y"])
            assert_same_bits(of(predicted, name), model.predict(later[name]))
            model.update(later[name][:4])
        panel.update(long({name: one[:4] for name, one in later.items()}))
        later = {name: one[4:] for name, one in later.items()}


@given(st.permutations(list(RAGGED)), st.integers(0, 2**16))
@settings(max_examples=10)
def test_naive_forecasts_of_a_panel_are_those_of_each_series(names, seed):
    """Series have gaps, end at different steps, and come in any order."""
    rng = np.random.default_rng(seed)
    series = {name: RAGGED[name].mask(rng.random(len(RAGGED[name])) < 0.5) for name in names}
    later = {name: LATER[name].mask(rng.random(10) < 0.5) for name in names}
    options = {"horizon": 3, "season_length": 4}
    panel = NaiveForecaster(**options, **KEYS).fit(long(series))
    predicted = long(later).assign(y=panel.predict(long(later))["y"])
    updated = copy.deepcopy(panel).update(long(later)).forecast(6)
    assert panel.forecast()["id"].unique().tolist() == names
    for number, name in enumerate(names):
        alone = NaiveForecaster(**options).fit(series[name])
        assert_same_bits(of(panel.forecast(6), name), alone.forecast(6)["y"])
        assert_same_bits(of(predicted, name), alone.predict(later[name]))
        assert_same_bits(of(updated, name), alone.update(later[name]).forecast(6)["y"])
        assert_same_bits(panel.naive_mae_[number], alone.naive_mae_)
        assert_same_bits(panel.naive_rmse_[number], alone.naive_rmse_)


# -- order


@models
def test_rows_may_come_in_any_order(kind, options):
    """Results have the same bits if the order of the series is the same."""
    frame = long(RAGGED)
    firsts = frame.groupby("id", sort=False).head(1)
    rest = frame.drop(firsts.index).sample(frac=1, random_state=1)
    one, other = (kind(**options, **KEYS).fit(rows) for rows in (frame, pd.concat([firsts, rest])))
    pd.testing.assert_frame_equal(one.forecast(7), other.forecast(7), check_exact=True)


def test_series_may_come_in_any_order():
    frame = long(RAGGED)
    backwards = long(dict(reversed(RAGGED.items())))
    for options in ({}, TREATED, {"multivariate": True}):
        one, other = (LinearForecaster(**SMALL, **options, **KEYS).fit(rows) for rows in (frame, backwards))
        assert other.forecast()["id"].unique().tolist() == [*RAGGED][::-1]
        for name in RAGGED:
            assert_close(of(one.forecast(7), name), of(other.forecast(7), name))


def test_predictions_lie_in_the_rows_they_were_asked_for(ragged):
    rows = long(LATER)
    expected = rows.assign(y=ragged.predict(rows)["y"])
    shuffled = rows.sample(frac=1, random_state=2)
    found = ragged.predict(shuffled)
    assert found.index.equals(shuffled.index)
    assert found.columns.tolist() == ["y"]
    pd.testing.assert_frame_equal(
        shuffled.assign(y=found["y"]), expected.loc[shuffled.index], check_exact=True
    )
    assert ragged.score(shuffled) == pytest.approx(ragged.score(rows), rel=1e-12)


@pytest.mark.parametrize("names", [["c"], ["a", "c"], ["c", "b"]])
def test_only_some_of_the_series_may_be_asked_for(ragged, names):
    rows = long(LATER)
    expected = rows.assign(y=ragged.predict(rows)["y"])
    some = long({name: LATER[name] for name in names})
    found = some.assign(y=ragged.predict(some)["y"])
    for name in names:
        assert_same_bits(of(found, name), of(expected, name))


def test_series_may_be_asked_for_different_times(ragged):
    rows = long(LATER)
    expected = rows.assign(y=ragged.predict(rows)["y"])
    some = long({"a": LATER["a"][:2], "b": LATER["b"], "c": LATER["c"][3:8]})
    found = some.assign(y=ragged.predict(some)["y"])
    assert_same_bits(of(found, "a"), of(expected, "a")[:2])
    assert_same_bits(of(found, "b"), of(expected, "b"))
    blank = long({"c": LATER["c"][:8].mask(np.arange(8) < 3)})
    assert_same_bits(of(found, "c"), ragged.predict(blank)["y"][3:])


def test_first_block_of_predict_is_forecast(ragged):
    rows = long(LATER)
    predicted = rows.assign(y=ragged.predict(rows)["y"])
    for name in RAGGED:
        assert_same_bits(of(predicted, name)[:3], of(ragged.forecast(), name))


# -- what comes out


def test_a_row_for_each_series_and_step_after_its_own_end(ragged):
    forecast = ragged.forecast(7)
    assert forecast.columns.tolist() == ["id", "time", "y"]
    assert forecast.index.equals(pd.RangeIndex(21))
    assert forecast["id"].tolist() == [name for name in RAGGED for _ in range(7)]
    expected = np.concatenate([one.index[-1] + STEP * np.arange(1, 8) for one in RAGGED.values()])
    assert_same_bits(forecast["time"], expected)


def test_forecasts_beyond_the_horizon_are_fed_back(ragged):
    """The expected values come from `predict`, given forecasts as observed rows."""
    forecast = ragged.forecast(8)
    assert_same_bits(ragged.predict(forecast)["y"], forecast["y"])


IDS = {
    "text": ["b", "a"],
    "integers": [5, -3],
    "floats": [1.5, 0.25],
    "dates": [pd.Timestamp("2020-01-02"), pd.Timestamp("2019-01-01")],
    "booleans": [True, False],
    "categories": pd.Categorical(["b", "a"], categories=["a", "b", "unused"]),
    "nullable": pd.array([7, 2], dtype="Int64"),
}


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_ids_keep_their_kind(ids):
    ids = pd.Series(ids, name="id")
    values = [walk(40, 1), walk(40, 2)]
    times = np.tile(values[0].index, 2)
    frame = pd.DataFrame({"id": ids.repeat(40).array, "time": times, "y": np.concatenate(values)})
    model = LinearForecaster(**SMALL, **KEYS).fit(frame)
    forecast = model.forecast(2)
    pd.testing.assert_series_equal(forecast["id"], ids.repeat(2).reset_index(drop=True))
    expected = LinearForecaster(**SMALL, **KEYS).fit(long(dict(zip("ba", values, strict=True)))).forecast(2)
    assert_same_bits(forecast["y"], expected["y"])
    later = (
        frame.groupby("id", sort=False, observed=True)
        .tail(3)
        .assign(time=lambda rows: rows["time"] + 3 * STEP)
    )
    assert_same_bits(model.predict(later)["y"], model.forecast()["y"])
    assert_same_bits(model.update(later[:3]).forecast(1)["id"], ids)
    pd.testing.assert_series_equal(model.sample_paths(1, 1)["id"], ids)


TIMES = {
    "berlin": lambda n: pd.date_range("2024-03-30", periods=n, freq="h", tz="Europe/Berlin"),
    "daily in new york": lambda n: pd.date_range("2024-03-01", periods=n, freq="D", tz="America/New_York"),
    "months": lambda n: pd.period_range("2001-05", periods=n, freq="M"),
    "numbers": lambda n: pd.RangeIndex(100, 100 + 10 * n, 10),
    "timedeltas": lambda n: pd.timedelta_range("0h", periods=n, freq="30min"),
    "business days": lambda n: pd.bdate_range("2024-01-01", periods=n),
}


@pytest.mark.parametrize("kind", TIMES)
@pytest.mark.parametrize("as_index", [False, True])
def test_stamps_of_forecasts_are_of_the_same_kind(kind, as_index):
    labels = TIMES[kind](64)
    series = {"b": walk(64, 1).set_axis(labels), "a": walk(50, 2).set_axis(labels[:50])}
    frame = long({"b": series["b"][:60], "a": series["a"]})
    expected = pd.Series([*labels[60:], *labels[50:54]], name="time", dtype=frame["time"].dtype)
    if as_index:
        forecast = (
            LinearForecaster(**SMALL, id_col="id").fit(frame.set_index("time")).forecast(4).reset_index()
        )
    else:
        forecast = LinearForecaster(**SMALL, **KEYS).fit(frame).forecast(4)
    pd.testing.assert_series_equal(forecast["time"], expected)


# -- each by its own


@pytest.mark.parametrize(
    ("kind", "options"), [MODELS["linear"], MODELS["network"]], ids=["linear", "network"]
)
def test_the_unit_of_one_series_does_not_affect_the_others(kind, options):
    options = {**options, **KEYS}
    if kind is SeqForecaster:
        options["dtype"] = "float64"
    model = kind(**options).fit(long(RAGGED))
    other = kind(**options).fit(long(RAGGED | {"c": 1024 * RAGGED["c"] - 4096}))
    assert_close(of(other.forecast(7), "c"), 1024 * of(model.forecast(7), "c") - 4096)
    for name in "ab":
        assert_close(of(other.forecast(7), name), of(model.forecast(7), name))


def test_score_is_skill_in_the_deviations_of_each_series(ragged):
    rows, naive = (
        long(LATER),
        NaiveForecaster(3, season_length=ragged.season_length_, **KEYS).fit(long(RAGGED)),
    )
    scale = {name: np.std(one) for name, one in RAGGED.items()}
    if not isinstance(ragged, NaiveForecaster):
        scale = {name: np.std(one[: training_end(ragged, len(one))]) for name, one in RAGGED.items()}
    scale = rows["id"].map(scale)

    def error(model):
        return np.sqrt(np.mean(((model.predict(rows)["y"] - rows["y"]) / scale) ** 2))

    assert ragged.score(rows) == pytest.approx(1 - error(ragged) / error(naive), rel=1e-9)


def test_naive_errors_are_reported_for_each_series(ragged):
    season = ragged.season_length_
    changes = [one.diff(season).dropna().to_numpy() for one in RAGGED.values()]
    assert_close(ragged.naive_mae_, [[np.abs(change).mean()] for change in changes])
    assert_close(ragged.naive_rmse_, [[np.sqrt((change**2).mean())] for change in changes])


# -- missing values and gaps


@models
def test_gaps_are_rows_of_missing_values(kind, options):
    rng = np.random.default_rng(0)
    series = {}
    for name, one in RAGGED.items():
        blank = one.mask(rng.random(len(one)) < 0.2)
        blank.iloc[[0, -1]] = one.iloc[[0, -1]]
        series[name] = blank
    one = kind(**options, **KEYS).fit(long(series))
    other = kind(**options, **KEYS).fit(long(series).dropna())
    pd.testing.assert_frame_equal(one.forecast(7), other.forecast(7), check_exact=True)
    later = long({name: values.mask(rng.random(10) < 0.3) for name, values in LATER.items()})
    kept = later["y"].notna()
    assert_same_bits(one.predict(later)[kept], other.predict(later[kept]))


@settings(max_examples=10)
@given(seed=st.integers(0, 2**16), share=st.floats(0, 1), kind=st.sampled_from(["naive", "linear"]))
def test_no_missing_value_comes_out(seed, share, kind):
    rng = np.random.default_rng(seed)
    series = {name: one.mask(rng.random(len(one)) < share) for name, one in RAGGED.items()}
    for one, full in zip(series.values(), RAGGED.values(), strict=True):
        kept = [0, 20, 40]
        one.iloc[kept] = full.iloc[kept]
    series["full"] = walk(50, 9)
    kind, options = MODELS[kind]
    model = kind(**options, **KEYS).fit(long(series))
    later = {name: one.mask(rng.random(10) < share) for name, one in LATER.items()}
    assert np.isfinite(model.forecast(7)["y"]).all()
    assert np.isfinite(model.predict(long(later))["y"]).all()
    assert np.isfinite(model.update(long(later)).forecast(7)["y"]).all()


def test_a_series_without_any_value_is_named():
    frame = long(RAGGED | {"void": walk(30, 4) * np.nan})
    message = (
        "The 'X' parameter of LinearForecaster.fit must have an observed value in the column 'y' of every "
        "series. Got nothing but missing values in series 'void' (1 such series) instead. Drop such series."
    )
    with pytest.raises(ValueError, match=says(message)):
        LinearForecaster(**SMALL, **KEYS).fit(frame)


def test_a_series_observed_only_at_its_end_is_forecast_near_it():
    late = walk(60, 4).mask(np.arange(60) < 57)
    forecast = LinearForecaster(**SMALL, **KEYS).fit(long(RAGGED | {"late": late})).forecast()
    spread = late.max() - late.min()
    assert ((of(forecast, "late") - late.mean()) < 5 * spread).all()


@pytest.mark.parametrize("value", [0.1 + 0.2, -1e9, 0.0])
@pytest.mark.parametrize("treatment", [{}, {"differences": 1}, {"scaling": "robust"}], ids=str)
@models
def test_a_constant_series_is_forecast_exactly_with_a_warning(kind, options, treatment, value):
    flat = pd.Series(value, RAGGED["a"].index, name="y")
    frame = long(RAGGED | {"flat": flat})
    treatment = {} if kind is NaiveForecaster else treatment
    model = kind(**options, **treatment, **KEYS)
    if kind is NaiveForecaster:
        model.fit(frame)
    else:
        message = "1 of 4 series are constant in training and are forecast as such."
        with pytest.warns(UserWarning, match=says(message)) as caught:
            model.fit(frame)
        assert [warning.filename for warning in caught if "constant" in str(warning.message)] == [__file__]
    assert_same_bits(of(model.forecast(7), "flat"), [value] * 7)
    later = long({"flat": pd.Series(5.0, LATER["a"].index)})
    assert_same_bits(model.predict(later[:3])["y"], [value] * 3)
    assert len(np.unique(of(model.forecast(7), "a"))) > 1


def test_a_constant_series_is_forecast_exactly_under_a_transform():
    positive = {name: np.exp(one / 500) for name, one in RAGGED.items()}
    frame = long(positive | {"flat": pd.Series(5.0, RAGGED["a"].index)})
    for transform in ("log", "log1p", "box-cox", "yeo-johnson"):
        with pytest.warns(UserWarning, match="1 of 4 series are constant"):
            model = LinearForecaster(**SMALL, **KEYS, target_transform=transform).fit(frame)
        assert_same_bits(of(model.forecast(7), "flat"), [5.0] * 7)


# -- series that are too short


@pytest.mark.parametrize(
    ("kind", "options"), [MODELS["linear"], MODELS["network"]], ids=["linear", "network"]
)
def test_short_series_are_dropped_with_a_warning(kind, options):
    series = {"tiny": walk(4, 7), **RAGGED, "short": walk(12, 8)}
    message = "2 of 5 series are too short for window=8 and horizon=3, and are left out, such as 'tiny'."
    with pytest.warns(UserWarning, match=says(message)) as caught:
        model = kind(**options, **KEYS, short_series="drop").fit(long(series))
    assert [warning.filename for warning in caught if "too short" in str(warning.message)] == [__file__]
    without = kind(**options, **KEYS).fit(long(RAGGED))
    pd.testing.assert_frame_equal(model.forecast(7), without.forecast(7), check_exact=True)
    assert_same_bits(model.naive_mae_, without.naive_mae_)
    rows = long({"short": walk(14, 8)[12:]})
    with pytest.raises(ValueError, match=r"must hold series that are known\. Got 1 others, such as 'short'"):
        model.predict(rows)


@pytest.mark.parametrize("differences", [None, 2])
@pytest.mark.parametrize("lengths", [{"horizon": 3, "window": 20}, {}], ids=["given", "chosen"])
def test_short_series_can_raise_an_error(lengths, differences):
    """The number of rows that the message asks for is enough, and one less is not."""
    options = {**lengths, **KEYS, "differences": differences, "short_series": "error"}
    others = {name: walk(200, k) for k, name in enumerate("abc")}
    chosen = LinearForecaster(**options).fit(long(others))
    with pytest.raises(ValueError, match="'short'") as caught:
        LinearForecaster(**options).fit(long(others | {"short": walk(20, 4)}))
    message = str(caught.value)
    assert f"window={chosen.window_} and horizon={chosen.horizon_}" in message
    assert "Got 20 of 'short'." in message
    assert message.endswith("Pass more rows, or short_series='pad' or 'drop'.")
    least = int(re.search(r"at least (\d+) rows", message)[1])
    with pytest.raises(ValueError, match=f"at least {least} rows"):
        LinearForecaster(**options).fit(long(others | {"short": walk(least - 1, 4)}))
    LinearForecaster(**options).fit(long(others | {"short": walk(least, 4)}))


def test_where_all_series_are_short_none_can_be_learned_from():
    for short_series in ("error", "drop"):
        with pytest.raises(ValueError, match="needs at least 31 rows for window=25 and horizon=3"):
            LinearForecaster(3, 25, **KEYS, short_series=short_series).fit(
                long({"a": walk(9), "b": walk(12)})
            )


def test_short_series_get_the_most_common_calendar():
    """A single row has no step length, and two rows may have a gap between them."""
    series = {"one": walk(1, 4), **RAGGED, "two": walk(4, 5).iloc[[0, 3]]}
    for options in ({}, {"calendar_features": "auto"}):
        with pytest.warns(UserWarning, match="constant"):
            model = LinearForecaster(**SMALL, **KEYS, **options).fit(long(series))
        forecast = model.forecast(2)
        days = forecast[forecast["id"] == "one"]["time"].tolist()
        assert days == [pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-03")]
        days = forecast[forecast["id"] == "two"]["time"].tolist()
        assert days == [pd.Timestamp("2024-01-05"), pd.Timestamp("2024-01-06")]
        assert np.isfinite(forecast["y"]).all()


def test_season_and_lengths_are_those_of_most_series():
    hourly = {
        name: walk(200, k).set_axis(pd.date_range("2024", periods=200, freq="h"))
        for k, name in enumerate("ab")
    }
    series = {"daily": walk(300, 5), **hourly}
    model = NaiveForecaster(**KEYS).fit(long(series))
    assert (model.season_length_, model.horizon_) == (24, 24)
    assert NaiveForecaster(**KEYS).fit(long({"a": walk(9), "b": walk(40), "c": walk(400)})).horizon_ == 5


# -- y


def test_y_may_be_the_column_or_its_values():
    frame = long(RAGGED).assign(x=1.0 * np.arange(157))
    expected = LinearForecaster(**SMALL, **KEYS, target="y").fit(frame)
    for y in (frame["y"], frame[["y"]], frame["y"].to_numpy()):
        model = LinearForecaster(**SMALL, **KEYS).fit(frame, y)
        assert (model.target_names_, model.covariate_names_) == (["y"], ["x"])
        assert_same_bits(model.forecast(7)["y"], expected.forecast(7)["y"])
    rows = long(LATER).assign(x=0.0)
    assert_same_bits(model.predict(rows), expected.predict(rows)["y"])


def test_y_may_be_no_column():
    """Its values are then unknown in the rows to predict, except to `score`."""
    rng = np.random.default_rng(0)
    frame, rows = (long(part).assign(x=rng.normal(size=len(long(part)))) for part in (RAGGED, LATER))
    model = LinearForecaster(**SMALL, **KEYS).fit(frame.drop(columns="y"), frame["y"])
    predicted = model.predict(rows.drop(columns="y"))
    assert isinstance(predicted, pd.Series)
    assert (predicted.name, predicted.index.equals(rows.index)) == ("y", True)
    by_series = rows.assign(y=predicted)
    both = LinearForecaster(**SMALL, **KEYS, target="y").fit(frame)
    known = rows.assign(y=by_series["y"])
    assert_same_bits(both.predict(known)["y"], predicted)  # its own forecasts, as if they had been observed
    assert model.score(rows.drop(columns="y"), rows["y"]) < 1


def test_y_must_have_the_index_of_the_rows():
    frame = long(RAGGED)
    message = (
        "The 'y' parameter of LinearForecaster.fit must have the index of X, row by row. Got another one. "
        "Align it with y.reindex(X.index), or pass y.to_numpy()."
    )
    with pytest.raises(ValueError, match=says(message)):
        LinearForecaster(**SMALL, **KEYS).fit(frame, frame["y"].sample(frac=1, random_state=0))


# -- what is refused


@pytest.mark.parametrize("method", ["predict", "score"])
def test_series_that_are_not_known_are_named(ragged, method):
    rows = long({"new": LATER["a"], "newer": LATER["b"], "a": LATER["a"]})
    name = type(ragged).__name__
    message = (
        rf"The column 'id' of X in {name}\.\w+ must hold series that are known. Got 2 others, such as "
        r"'new'. Leave them out, or add them with update, from rows of their past \(where each series has a "
        r"model of its own: with fit\)."
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        getattr(ragged, method)(rows)


@pytest.mark.parametrize("column", ["id", "time", "y"])
def test_missing_columns_are_named(ragged, column):
    with pytest.raises(ValueError, match=f"must have the column '{column}'"):
        ragged.predict(long(LATER).drop(columns=column))
    with pytest.raises(ValueError, match=f"'{column}'"):
        type(ragged)(**KEYS, target="y").fit(long(RAGGED).assign(x=1.0).drop(columns=column))


def test_rows_from_before_the_end_of_their_series_are_refused(ragged):
    rows = long({"a": LATER["a"], "b": RAGGED["b"][-1:]})
    message = f"come after the training rows, which end at {RAGGED['b'].index[-1]}"
    with pytest.raises(ValueError, match=message):
        ragged.predict(rows)


@pytest.mark.parametrize("data", [np.ones((60, 2)), walk(60), [1.0] * 60], ids=["array", "series", "list"])
def test_long_data_are_frames(data):
    with pytest.raises(TypeError, match="must be a DataFrame"):
        LinearForecaster(**SMALL, **KEYS).fit(data)


def test_an_infinite_value_is_named_with_its_series():
    frame = long(RAGGED)
    frame.loc[70, "y"] = np.inf
    with pytest.raises(ValueError, match=r"Got inf in column 'y' in series 'c' at 2024-02-11 00:00:00"):
        LinearForecaster(**SMALL, **KEYS).fit(frame)


# -- many


def test_forecasts_of_many_series_equal_those_by_hand():
    n, steps = 300, 60
    values = np.random.default_rng(0).normal(size=(n, steps + 7)).cumsum(axis=1)
    times = pd.date_range("2024-01-01", periods=steps + 7, freq="D")
    frame = pd.DataFrame(
        {"id": np.repeat(np.arange(n), steps + 7), "time": np.tile(times, n), "y": values.ravel()}
    )
    known = frame["time"] < times[steps]
    model = LinearForecaster(7, 14, **KEYS).fit(frame[known])
    predicted = model.predict(frame[~known])
    forecast = model.forecast()
    model.update(frame[~known])
    assert_same_bits(predicted["y"], forecast["y"])
    assert_close(of(forecast, 234), forecast_by_hand(model, values[234, :steps, None], times[steps])[:, 0])


def test_complete_data_cause_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearForecaster(**SMALL, **KEYS).fit(long(RAGGED)).forecast(7)
