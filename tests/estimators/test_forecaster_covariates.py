"""Future, static and categorical covariates, and calendar features."""

import copy
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast import LinearForecaster, SeqForecaster
from seqcast.data.calendar_features import calendar_features

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 5, "window": 8}
TINY = {**SMALL, "hidden_size": 4, "max_iter": 2, "random_state": 0, "naive_fallback": False}
KNOWN = {"target": "y", "future_cols": ["promo", "price"]}
MODELS = {"linear": (LinearForecaster, SMALL), "network": (SeqForecaster, TINY)}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)

N, ALL = 90, 120


def sales(n=ALL, seed=0, index=None):
    """Return a wave that depends on promotions and prices of the same day, and a past covariate."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    promo, price = rng.integers(0, 2, n).astype(float), rng.normal(10, 1, n)
    y = 50 + 5 * np.sin(2 * np.pi * t / 7) + 8 * promo - 3 * price + 0.1 * rng.normal(size=n)
    index = pd.date_range("2024-01-01", periods=n, freq="D", name="time") if index is None else index
    return pd.DataFrame({"y": y, "promo": promo, "price": price, "visits": rng.normal(size=n)}, index)


ROWS = sales()
AHEAD = ROWS[["promo", "price"]]


def panel_of(*frames):
    return pd.concat(
        [frame.reset_index().assign(id=name) for frame, name in zip(frames, "abc", strict=False)]
    )


def says(message):
    return f"^{re.escape(message)}$"


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.fixture(scope="module", params=MODELS.values(), ids=MODELS)
def model(request):
    kind, options = request.param
    return kind(**options, **KNOWN).fit(ROWS[:N])


# -- the one rule: a column at time t informs only forecasts made after t, unless it is named in future_cols


@settings(max_examples=15)
@given(
    first=st.integers(0, 29),
    column=st.sampled_from(["y", "visits", "promo", "price"]),
    noise=st.sampled_from(["noise", "nan", "huge"]),
    treatment=st.sampled_from([{}, {"lags": [5, 7]}, {"differences": [1]}, {"calendar_features": "auto"}]),
)
def test_only_future_columns_inform_forecasts_before_them(first, column, noise, treatment):
    fitted = LinearForecaster(**SMALL, **KNOWN, **treatment).fit(ROWS[:N])
    later, changed = ROWS[N:], ROWS[N:].copy()
    values = {"noise": np.random.default_rng(0).normal(size=30 - first), "nan": np.nan, "huge": 1e300}
    changed.iloc[first:, changed.columns.get_loc(column)] = values[noise]
    before, after = fitted.predict(later)["y"].to_numpy(), fitted.predict(changed)["y"].to_numpy()
    cutoff = first - first % 5  # of the block that the first changed row lies in
    if column in ("y", "visits"):
        assert_same_bits(after[: cutoff + 5], before[: cutoff + 5])
        if column == "y" and cutoff < 25:
            assert not np.array_equal(after[cutoff + 5 :], before[cutoff + 5 :])
    else:
        assert_same_bits(after[:cutoff], before[:cutoff])
        assert not np.array_equal(after[cutoff : cutoff + 5], before[cutoff : cutoff + 5])


@settings(max_examples=10)
@given(known=st.integers(0, 20), column=st.sampled_from(["y", "visits"]), seed=st.integers(0, 2**16))
def test_rows_after_those_of_an_update_do_not_exist(known, column, seed):
    """The forecast from row `known` does not depend on later rows."""
    fitted = LinearForecaster(5, 8, **KNOWN).fit(ROWS[:N])
    known -= known % 5
    changed = ROWS[N:].copy()
    changed.iloc[known:, changed.columns.get_loc(column)] = np.random.default_rng(seed).normal(
        size=30 - known
    )
    expected = fitted.predict(changed)["y"].iloc[known : known + 5]
    if known:
        fitted.update(ROWS[N : N + known])
    assert_same_bits(fitted.forecast(X_future=AHEAD[N + known : N + known + 5])["y"], expected)


@models
def test_future_columns_inform_their_own_block_and_later_ones(kind, options):
    model = kind(**options, **KNOWN).fit(ROWS[:N])
    before = model.forecast(X_future=AHEAD[N : N + 5])["y"]
    for step in range(5):
        changed = AHEAD[N : N + 5].copy()
        changed.iloc[step, 0] = 1 - changed.iloc[step, 0]
        difference = model.forecast(X_future=changed)["y"] - before
        assert difference.iloc[step] != 0
        if kind is LinearForecaster:  # which has seen that it moves its own day
            assert np.abs(difference).argmax() == step
            assert difference.iloc[step] == pytest.approx(8 * (1 - 2 * AHEAD.iloc[N + step, 0]), rel=0.05)


def test_future_columns_make_the_forecast_exact():
    truth = ROWS["y"][N : N + 10]
    known = LinearForecaster(**SMALL, **KNOWN).fit(ROWS[:N]).predict(ROWS[N : N + 10])["y"]
    unknown = LinearForecaster(**SMALL, target="y").fit(ROWS[:N]).predict(ROWS[N : N + 10])["y"]
    assert np.abs(known - truth).mean() < 0.25 * np.abs(unknown - truth).mean()


@pytest.mark.parametrize(("horizon", "window"), [(5, 8), (5, 2), (9, 4), (3, 3), (1, 6)])
def test_windows_shorter_than_the_horizon_read_all_of_it_ahead(horizon, window):
    """The target equals a column of the same day."""
    rows = pd.DataFrame({"f": np.random.default_rng(0).normal(size=160)}).assign(
        y=lambda frame: 3 * frame["f"] - 1
    )
    options = {"target": "y", "future_cols": "f", "normalization": "none"}
    model = LinearForecaster(horizon, window, **options).fit(rows[:140])
    forecast = model.forecast(X_future=rows[["f"]][140 : 140 + horizon])
    np.testing.assert_allclose(forecast["y"], rows["y"][140 : 140 + horizon], atol=0.01)


# -- forecast and predict


def test_first_block_of_predict_is_forecast(model):
    predicted = model.predict(ROWS[N:])["y"]
    assert_same_bits(predicted[:5], model.forecast(X_future=AHEAD[N:])["y"])
    assert_same_bits(model.predict(ROWS[N : N + 5])["y"], predicted[:5])


@pytest.mark.parametrize("index", [None, pd.RangeIndex(ALL)], ids=["with a season", "without"])
@pytest.mark.parametrize("steps", range(1, 14))
def test_a_window_of_rows_is_enough_for_any_number_of_steps(steps, index):
    """The last rows are fewer than a horizon, for `forecast` and for `predict`."""
    rows = sales(index=index)
    model = LinearForecaster(**SMALL, **KNOWN).fit(rows[:N])
    ahead = rows[["promo", "price"]][N : N + steps]
    forecast = model.forecast(steps, ahead)
    assert forecast.index.equals(rows.index[N : N + steps])
    if steps <= 5:
        assert_same_bits(model.predict(rows[N : N + steps])["y"], forecast["y"])
    else:
        assert_same_bits(model.predict(rows[N : N + 5])["y"], forecast["y"][:5])


@models
def test_later_forecasts_read_earlier_ones_and_future_columns(kind, options):
    """`predict` reads forecasts as observed rows, and repeats the last season of the past covariate."""
    rows = ROWS.drop(columns="visits")
    model = kind(**options, **KNOWN).fit(rows[:N])
    forecast = model.forecast(20, AHEAD[N:])
    fed_back = AHEAD[N : N + 20].assign(y=forecast["y"])
    assert_same_bits(model.predict(fed_back)["y"], forecast["y"])


def test_past_covariates_are_continued_by_their_last_season(model):
    forecast = model.forecast(7, AHEAD[N:])
    assert model.season_length_ == 7
    repeated = ROWS["visits"].to_numpy()[N - 7 : N]
    assert_same_bits(
        model.predict(AHEAD[N : N + 7].assign(y=forecast["y"], visits=repeated))["y"].iloc[:5],
        forecast["y"].iloc[:5],
    )


def test_rows_beyond_the_forecast_that_are_given_are_used(model):
    """A promotion may change the forecast of the day before it."""
    five = model.forecast(5, AHEAD[N : N + 5])["y"]
    assert_same_bits(model.forecast(3, AHEAD[N : N + 5])["y"], five[:3])
    assert_same_bits(model.forecast(3, AHEAD[N:])["y"], five[:3])


FORMS = {
    "frame": lambda ahead: ahead,
    "other columns": lambda ahead: ahead.assign(more=1.0, visits=1.0)[["visits", "price", "more", "promo"]],
    "all rows": lambda ahead: AHEAD,
    "shuffled": lambda ahead: AHEAD.sample(frac=1, random_state=0),
    "array": lambda ahead: ahead.to_numpy(),
    "list": lambda ahead: ahead.to_numpy().tolist(),
    "float32": lambda ahead: ahead.astype({"promo": "float32"}),
    "boolean": lambda ahead: ahead.astype({"promo": bool}),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_future_may_come_in_any_form(model, form):
    expected = model.forecast(X_future=AHEAD[N : N + 5])
    pd.testing.assert_frame_equal(model.forecast(X_future=form(AHEAD[N : N + 5])), expected, check_exact=True)


def test_one_column_may_be_a_series_or_flat():
    rows = ROWS[["y", "price"]]
    model = LinearForecaster(**SMALL, future_cols="price").fit(rows[:N])
    assert (model.target_names_, model.covariate_names_) == (["y"], ["price"])
    ahead = rows["price"][N : N + 5]
    expected = model.forecast(X_future=ahead.to_frame())
    for form in (ahead, ahead.rename(None), ahead.to_numpy(), ahead.tolist(), ahead.to_numpy()[:, None]):
        assert_same_bits(model.forecast(X_future=form), expected)


def test_columns_of_arrays_are_known_ahead_by_their_names():
    values, expected = (
        ROWS.to_numpy(),
        LinearForecaster(**SMALL, **KNOWN).fit(ROWS.reset_index(drop=True)[:N]),
    )
    model = LinearForecaster(**SMALL, target="x0", future_cols=["x1", "x2"]).fit(values[:N])
    ahead = values[N : N + 5, 1:3]
    assert_same_bits(model.forecast(X_future=ahead), expected.forecast(X_future=ahead))
    assert_same_bits(model.predict(values[N:]), expected.predict(values[N:]))
    both = LinearForecaster(**SMALL, future_cols=["x1", "x2"]).fit(values[:N])
    assert both.target_names_ == ["x0", "x3"]


def test_the_future_of_each_series_of_a_panel():
    """Future rows come in any order and may be more than needed; each series is forecast by itself."""
    one, other = sales(seed=1), sales(seed=2)[:100]
    later = panel_of(one[N:], sales(seed=2)[100:])
    model = LinearForecaster(**SMALL, **KNOWN, **KEYS).fit(panel_of(one[:N], other))
    predicted = later.assign(y=model.predict(later)["y"].to_numpy())
    ahead = later.drop(columns=["y", "visits"]).sample(frac=1, random_state=0)
    forecast = model.forecast(X_future=ahead)
    for name in "ab":
        found, expected = (frame[frame["id"] == name]["y"] for frame in (forecast, predicted))
        assert_same_bits(found, expected[:5])
    assert forecast["id"].tolist() == list("aaaaabbbbb")


@pytest.mark.parametrize("given_y", ["column", "values"])
def test_with_y_given_the_other_columns_are_no_targets(given_y):
    y = {"column": ROWS["y"], "values": ROWS["y"].to_numpy()}[given_y]
    model = LinearForecaster(**SMALL, future_cols=["promo", "price"]).fit(ROWS[:N], y[:N])
    assert (model.target_names_, model.covariate_names_) == (["y"], ["visits", "promo", "price"])
    expected = LinearForecaster(**SMALL, **KNOWN).fit(ROWS[:N])
    assert_same_bits(model.predict(ROWS[N:]), expected.predict(ROWS[N:])["y"])


@models
def test_the_target_may_be_no_column(kind, options):
    """All rows are then forecast from training rows and future covariates, so predict equals forecast."""
    model = kind(**options, future_cols=["promo", "price"]).fit(AHEAD[:N], ROWS["y"][:N])
    assert_same_bits(model.predict(AHEAD[N:]), model.forecast(30, AHEAD[N:])["y"])
    beside = kind(**options, **KNOWN).fit(ROWS.drop(columns="visits")[:N])
    assert_same_bits(model.forecast(12, AHEAD[N:]), beside.forecast(12, AHEAD[N:]))


def test_missing_future_values_are_masked_or_refused(model):
    later = ROWS[N : N + 10].copy()
    later.iloc[3, 1] = np.nan
    assert np.isfinite(model.predict(later)["y"]).all()
    with pytest.raises(ValueError, match="Got none of 'promo' at 2024-04-03 00:00:00"):
        model.forecast(X_future=later[["promo", "price"]])
    model.forecast(3, later[["promo", "price"]])  # which that row is not among


# -- what is refused


@pytest.mark.parametrize("method", ["forecast", "sample_paths"])
def test_x_future_is_required_only_with_future_columns(model, method):
    name = type(model).__name__
    message = (
        f"The 'X_future' parameter of {name}.{method} must hold the columns ['promo', 'price'] of "
        f"future_cols. Got None instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        getattr(model, method)()
    without = LinearForecaster(**SMALL).fit(ROWS[["y"]][:N])
    message = (
        f"The 'X_future' parameter of LinearForecaster.{method} must be None without future_cols. Got "
        "DataFrame instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        getattr(without, method)(X_future=AHEAD[N:])


@pytest.mark.parametrize(
    ("steps", "spoil", "what"),
    [
        (5, lambda ahead: ahead[:4], "'promo' at 2024-04-04 00:00:00"),
        (5, lambda ahead: ahead.drop(ahead.index[2]), "'promo' at 2024-04-02 00:00:00"),
        (7, lambda ahead: ahead[:5], "'promo' at 2024-04-05 00:00:00"),
        (5, lambda ahead: ahead.assign(price=[1, 2, np.nan, 4, 5, 6, 7]), "'price' at 2024-04-02 00:00:00"),
        (5, lambda ahead: AHEAD[:N], "'promo' at 2024-03-31 00:00:00"),
    ],
    ids=["short", "a gap", "short beyond", "a value", "the past"],
)
def test_steps_without_a_value_are_named(model, steps, spoil, what):
    message = (
        f"The 'X_future' parameter of {type(model).__name__}.forecast must have a value of every column at "
        f"every step that is forecast. Got none of {what}. Pass a row for each of the {steps} steps after "
        f"the training rows."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.forecast(steps, spoil(AHEAD[N : N + 7]))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda ahead: ahead[ahead["id"] == "a"], "Got none of 'promo' of series 'b' at 2024-03-31"),
        (
            lambda ahead: ahead[(ahead["id"] == "b") | (ahead["time"] != "2024-04-02")],
            "'promo' of series 'a' at 2024-04-02",
        ),
        (lambda ahead: ahead.assign(price=ahead["price"].where(ahead["promo"] < 2, np.nan)), None),
        (
            lambda ahead: ahead.replace({"id": {"b": "c"}}),
            "must hold series that are known. Got 1 others, such as 'c'",
        ),
        (lambda ahead: ahead.drop(columns="id"), "must have the column 'id'"),
        (lambda ahead: ahead.drop(columns="price"), "must have the column 'price'"),
        (lambda ahead: pd.concat([ahead, ahead[:1]]), "must have a stamp only once in a series"),
    ],
    ids=["a series", "a stamp", "none", "another series", "ids", "a column", "a stamp twice"],
)
def test_series_and_stamps_without_a_value_are_named(spoil, message):
    model = LinearForecaster(**SMALL, **KNOWN, **KEYS).fit(panel_of(sales(N, 1), sales(N, 2)))
    ahead = panel_of(sales(seed=1)[N:], sales(seed=2)[N:])
    if message is None:
        model.forecast(X_future=spoil(ahead))
        return
    with pytest.raises(ValueError, match=message):
        model.forecast(X_future=spoil(ahead))


@pytest.mark.parametrize("ahead", [np.ones((5, 3)), np.ones(5), np.ones((5, 2, 1))], ids=["3", "flat", "3-D"])
def test_arrays_of_the_future_must_have_its_columns(model, ahead):
    with pytest.raises(ValueError, match=r"features|shape"):
        model.forecast(X_future=ahead)


def test_stamps_of_the_future_must_follow_the_calendar(model):
    shifted = AHEAD[N:].shift(freq="1h")
    with pytest.raises(ValueError, match="must follow the calendar of the training rows"):
        model.forecast(X_future=shifted)


@pytest.mark.parametrize("parameter", ["future_cols", "static_cols"])
@pytest.mark.parametrize("value", ["other", ["promo", "other"], ["promo", "promo"], ["y"], 3], ids=str)
def test_declared_columns_must_be_columns_that_are_no_targets(parameter, value):
    with pytest.raises(ValueError, match=f"{parameter}|'target'"):
        SeqForecaster(**TINY, target="y", **{parameter: value}).fit(ROWS.assign(promo=1.0)[:N])


def test_a_column_can_not_both_be_known_ahead_and_never_change():
    message = (
        "The 'static_cols' parameter of SeqForecaster must name no column of future_cols. Got ['promo'] in "
        "both."
    )
    with pytest.raises(ValueError, match=says(message)):
        SeqForecaster(**TINY, **KNOWN, static_cols="promo").fit(ROWS.assign(promo=1.0)[:N])


# -- calendars that do not tell which days will come

HOLIDAYS = pd.bdate_range("2024-01-01", periods=ALL + 3).drop(["2024-01-15", "2024-05-08", "2024-05-09"])


@pytest.mark.parametrize("features", [None, "auto"])
def test_stamps_that_are_given_ahead_are_those_of_the_forecast(features):
    """Trading days continue from Monday to Friday, unless the future rows leave out holidays."""
    rows = sales(index=HOLIDAYS)
    model = LinearForecaster(**SMALL, **KNOWN, calendar_features=features).fit(rows[:N])
    forecast = model.forecast(X_future=rows[["promo", "price"]][N : N + 5])
    assert forecast.index.tolist() == rows.index[N : N + 5].tolist()
    assert_same_bits(forecast["y"], model.predict(rows[N : N + 5])["y"])
    paths = model.sample_paths(1, X_future=rows[["promo", "price"]][N : N + 5])
    assert paths.index.get_level_values(1).tolist() == rows.index[N : N + 5].tolist()


# -- calendar features


def clock_wave(n=24 * 20, zone=None):
    """Return a series that is high from eight to ten o'clock local time."""
    index = pd.date_range("2024-03-20", periods=n, freq="h", tz=zone)
    return pd.DataFrame({"y": 10.0 * index.hour.isin([8, 9])}, index)


@models
@pytest.mark.parametrize("names", ["auto", ["hour"], ["hour", "weekend"]])
def test_features_of_the_calendar_are_columns_known_ahead(kind, options, names):
    """Forecasts have the same bits as with columns made by hand."""
    rows = clock_wave()
    rows["y"] += np.random.default_rng(0).normal(size=len(rows))
    model = kind(**options, calendar_features=names).fit(rows[:400])
    assert model.calendar_features_ == (["hour", "day_of_week"] if names == "auto" else names)
    made, labels = calendar_features(rows.index, model.calendar_features_)
    rows = rows.join(pd.DataFrame(made, rows.index, labels))
    by_hand = kind(**options, future_cols=list(labels)).fit(rows[:400])
    ahead = rows[list(labels)][400:]
    assert_same_bits(model.forecast(12), by_hand.forecast(12, ahead))
    assert_same_bits(model.predict(rows[400:]), by_hand.predict(rows[400:]))
    later = rows[["y"]][400:407]
    assert_same_bits(
        copy.deepcopy(model).update(later).forecast(8),
        copy.deepcopy(by_hand).update(rows[400:407]).forecast(8, ahead),
    )
    assert model.covariate_names_ == []
    assert model.n_features_in_ == 1


def test_features_tell_the_time_on_the_wall():
    """The test rows contain the day without two o'clock, and the window has three hours only."""
    rows = clock_wave(24 * 25, "Europe/Berlin")
    options = {"horizon": 24, "window": 24, "normalization": "none"}
    after = rows.index[rows.index.tz_localize(None) >= pd.Timestamp("2024-04-01")][0]
    train, later = rows[: rows.index.get_loc(after)], rows[rows.index.get_loc(after) :][:24]
    model = LinearForecaster(**options, calendar_features=["hour"]).fit(train)
    assert_same_bits(model.forecast().index, later.index)
    made = calendar_features(rows.index, ["hour"])[0]
    by_hand = LinearForecaster(**options, future_cols=["s", "c"]).fit(
        train.assign(s=made[: len(train), 0], c=made[: len(train), 1])
    )
    ahead = made[len(train) : len(train) + 24]
    assert_same_bits(model.forecast(), by_hand.forecast(X_future=ahead))


@pytest.mark.parametrize("scope", ["global", "local"])
def test_auto_features_are_the_same_for_all_series(scope):
    """The longest series has two years, so the day of the year is chosen; only one series has hours."""
    days = pd.date_range("2022-01-01", periods=730, freq="D", name="time")
    y = np.random.default_rng(0).normal(size=730).cumsum()
    rows = {"a": pd.Series(y, days), "b": pd.Series(y[:90], days[:90]), "c": pd.Series(y[:2], days[[0, 3]])}
    rows["d"] = pd.Series(y[:90], pd.date_range("2022-01-01", periods=90, freq="h", name="time"))
    frame = pd.concat([one.rename("y").reset_index().assign(id=name) for name, one in rows.items()])
    options = {**SMALL, "id_col": "id", "time_col": "time", "calendar_features": "auto"}
    kept = ["a", "b", "c", "d"] if scope == "global" else ["b", "a"]
    model = LinearForecaster(**options, scope=scope).fit(frame[frame["id"].isin(kept)])
    assert model.calendar_features_ == ["day_of_week", "day_of_year"]
    assert np.isfinite(model.forecast()["y"]).all()
    shorter = LinearForecaster(**options, scope=scope).fit(frame[frame["id"] == "b"])
    assert shorter.calendar_features_ == ["day_of_week"]


def test_auto_adds_no_features_to_rows_without_dates():
    rows = ROWS[["y"]].reset_index(drop=True)
    one, other = (LinearForecaster(**SMALL, calendar_features=way).fit(rows) for way in ("auto", None))
    assert_same_bits(one.forecast(), other.forecast())


@pytest.mark.parametrize("names", [["hour"], ["day_of_week", "noon"], ["weekend", "weekend"], []], ids=str)
def test_features_that_the_index_does_not_show_are_refused(names):
    if not names:
        LinearForecaster(**SMALL, calendar_features=names).fit(ROWS[["y"]])
        return
    with pytest.raises(ValueError, match="The 'calendar_features' parameter of LinearForecaster must "):
        LinearForecaster(**SMALL, calendar_features=names).fit(ROWS[["y"]])


# -- columns that never change


def shops(n=60, k=6):
    """Return shops with the same mean, of which the large ones vary ten times as much."""
    frames = []
    for number in range(k):
        large = number % 2
        y = (1 + 9 * large) * np.sin(np.arange(n) / 3 + number)
        frame = pd.DataFrame(
            {"id": f"s{number}", "time": pd.date_range("2024", periods=n), "y": y, "large": large}
        )
        frames.append(frame)
    return pd.concat(frames, ignore_index=True).assign(
        area=lambda frame: 10.0 + frame["id"].str[1:].astype(float)
    )


def test_network_reads_static_columns():
    frame, options = shops(), {**TINY, **KEYS, "linear": False}
    without = SeqForecaster(**options, target="y").fit(frame[["id", "time", "y"]])
    model = SeqForecaster(**options, static_cols=["large", "area"]).fit(frame)
    assert (model.target_names_, model.covariate_names_) == (["y"], ["large", "area"])
    assert not np.array_equal(model.forecast()["y"], without.forecast()["y"])


def test_linear_forecaster_refuses_static_columns_with_a_way_out():
    message = (
        "The 'static_cols' parameter of LinearForecaster must be None: each series is scaled by its own "
        "values, so columns that are constant in a series tell a linear map nothing. Got ['large', 'area'] "
        "instead. Drop these columns from X, or use SeqForecaster, whose network reads them."
    )
    with pytest.raises(ValueError, match=says(message)):
        LinearForecaster(**SMALL, **KEYS, static_cols=["large", "area"]).fit(shops())
    LinearForecaster(**SMALL, **KEYS, target="y").fit(shops().drop(columns=["large", "area"]))


def test_static_columns_equal_constant_columns_to_the_network():
    """Later rows need not contain static columns."""
    frame, rows = shops(), shops(72)
    rows = rows[rows["time"] > frame["time"].max()]
    options = {**TINY, **KEYS, "linear": False, "dtype": "float64", "normalization": "none", "target": "y"}
    static = SeqForecaster(**options, static_cols=["large", "area"]).fit(frame)
    past = SeqForecaster(**options).fit(frame)
    np.testing.assert_allclose(static.forecast(8)["y"], past.forecast(8)["y"], rtol=1e-12)
    without = rows[["id", "time", "y"]]
    np.testing.assert_allclose(static.predict(without)["y"], past.predict(rows)["y"], rtol=1e-12)
    np.testing.assert_allclose(
        static.update(without).forecast(8)["y"], past.update(rows).forecast(8)["y"], rtol=1e-12
    )


def test_rows_that_follow_need_no_static_columns():
    frame, later = shops(70), shops(80)
    later = later[later["time"] > frame["time"].max()]
    model = SeqForecaster(**TINY, **KEYS, static_cols=["large", "area"]).fit(frame)
    without = later[["id", "time", "y"]]
    assert_same_bits(model.predict(without), model.predict(later))
    assert_same_bits(model.predict(later.assign(large=99)), model.predict(later))
    updated = (copy.deepcopy(model).update(rows).forecast() for rows in (without, later))
    pd.testing.assert_frame_equal(*updated, check_exact=True)


@pytest.mark.parametrize("is_long", [True, False])
def test_static_columns_that_change_are_refused(is_long):
    frame = shops()
    frame.loc[3, "large"] = 7
    wide = frame[frame["id"] == "s0"].set_index("time")[["y", "large"]]
    rows, keys = (frame.drop(columns="area"), KEYS) if is_long else (wide, {})
    message = "must have one value of column 'large', which static_cols names, in each series"
    with pytest.raises(ValueError, match=message):
        SeqForecaster(**TINY, **keys, static_cols="large").fit(rows)


# -- categories


@models
def test_text_known_ahead_is_a_column_for_each_category(kind, options):
    rng = np.random.default_rng(0)
    kinds = pd.Series(rng.choice(["none", "flyer", "radio"], ALL), ROWS.index)
    lift = kinds.map({"none": 0.0, "flyer": 5.0, "radio": 9.0})
    rows = pd.DataFrame({"y": rng.normal(size=ALL) + lift, "promo": kinds})
    by_hand = pd.DataFrame({f"promo={name}": 1.0 * (kinds == name) for name in ("flyer", "none", "radio")})
    by_hand = by_hand.assign(y=rows["y"])
    model = kind(**options, future_cols="promo").fit(rows[:N])
    numbers = kind(**options, target="y", future_cols=[*by_hand.columns[:3]]).fit(by_hand[:N])
    assert model.covariate_names_ == numbers.covariate_names_
    assert_same_bits(model.forecast(12, rows[["promo"]][N:]), numbers.forecast(12, by_hand[N:]))
    assert_same_bits(model.predict(rows[N:]), numbers.predict(by_hand[N:]))


@pytest.mark.parametrize("ordered", [False, True])
def test_categorical_columns_are_past_covariates_by_default(ordered):
    names = np.random.default_rng(0).choice(["low", "high"], ALL)
    kinds = pd.Categorical(names, categories=["low", "high"], ordered=ordered)
    rows = ROWS[["y"]].assign(weather=kinds)
    model = LinearForecaster(**SMALL).fit(rows[:N])
    names = ["weather=low", "weather=high"] if ordered else ["weather=high", "weather=low"]
    assert (model.target_names_, model.covariate_names_) == (["y"], names)
    numbers = ROWS[["y"]].assign(**{name: 1.0 * (kinds == name[8:]) for name in names})
    by_hand = LinearForecaster(**SMALL, target="y").fit(numbers[:N])
    assert_same_bits(model.forecast(9), by_hand.forecast(9))
    assert_same_bits(model.predict(rows[N:]), by_hand.predict(numbers[N:]))


def test_text_of_a_series_that_never_changes():
    frame = shops().assign(town=lambda frame: np.where(frame["large"] == 1, "Bonn", "Ulm"))
    options = {**TINY, **KEYS, "linear": False, "target": "y"}
    text = SeqForecaster(**options, static_cols="town").fit(frame[["id", "time", "y", "town"]])
    assert text.covariate_names_ == ["town=Bonn", "town=Ulm"]
    numbers = frame.assign(bonn=frame["large"], ulm=1 - frame["large"])[["id", "time", "y", "bonn", "ulm"]]
    by_hand = SeqForecaster(**options, static_cols=["bonn", "ulm"]).fit(numbers)
    assert_same_bits(text.forecast(8)["y"], by_hand.forecast(8)["y"])


@pytest.mark.parametrize("method", ["predict", "forecast", "update"])
def test_categories_that_were_not_fitted_are_named(method):
    rows = pd.DataFrame({"y": ROWS["y"], "promo": np.where(ROWS["promo"] > 0, "yes", "no")})
    model = LinearForecaster(**SMALL, future_cols="promo").fit(rows[:N])
    later = rows[N:].replace({"promo": {"yes": "maybe"}})
    asked = {"X_future": later[["promo"]]} if method == "forecast" else {"X": later}
    with pytest.raises(
        ValueError, match=r"'promo' only categories that fit has seen, 'no', 'yes'. Got 'maybe'"
    ):
        getattr(model, method)(**asked)


def test_undeclared_text_columns_are_refused_by_name():
    with pytest.raises(TypeError, match="Got column 'note'"):
        LinearForecaster(**SMALL).fit(ROWS[["y"]].assign(note="text"))


# -- lags


def test_lags_help_where_a_season_is_longer_than_the_window():
    """Return a season of 30 steps with distinct values, longer than the window of six steps."""
    season = np.random.default_rng(0).normal(size=30)
    y = np.tile(season, 12)
    options = {"horizon": 6, "window": 6, "normalization": "none"}
    errors = {}
    for lags in (None, 30, [30, 60]):
        model = LinearForecaster(**options, lags=lags).fit(y[:330])
        errors[str(lags)] = np.abs(model.predict(y[330:]) - y[330:]).max()
    assert errors["30"] < 1e-3
    assert errors["[30, 60]"] < 1e-3
    assert errors["None"] > 0.3


@models
@pytest.mark.parametrize("lags", [None, 5, 12, [5, 12], [20, 6]], ids=str)
def test_only_the_remembered_steps_are_read(kind, options, lags):
    """The inputs are the window and the lagged steps, up to a lag before the end of the horizon."""
    y = ROWS["y"].reset_index(drop=True)
    model = kind(**options, lags=lags).fit(y[:70])
    read = model.n_steps_ if kind is LinearForecaster else 8
    several = [] if lags is None else [lags] if isinstance(lags, int) else lags
    lagged = {lag - 5 + back for lag in several for back in range(1, read + 1)}
    expected = copy.deepcopy(model).update(y[70:]).forecast()["y"]
    found = set()
    for back in range(1, 35):
        changed = y[70:].copy()
        changed.iloc[-back] += 1
        if (copy.deepcopy(model).update(changed).forecast()["y"] != expected).any():
            found.add(back)
    assert found == {*range(1, read + 1), *lagged}


@pytest.mark.parametrize(
    ("lags", "shown"),
    [
        (4, "4"),
        ([5, 4], "[5, 4]"),
        ([5, 5], "[5, 5]"),
        ([5, 6.0], "[5, 6.0]"),
        (["7"], "['7']"),
        ([True], "[True]"),
    ],
)
def test_lags_must_be_known_at_all_steps_of_the_horizon(lags, shown):
    message = (
        "The 'lags' parameter of LinearForecaster must hold ints, each at least the horizon, 5, since nearer "
        f"ones are not known of all steps, and none twice. Got {shown} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        LinearForecaster(**SMALL, lags=lags).fit(ROWS[["y"]])
