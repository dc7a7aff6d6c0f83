"""Updates of a fitted forecaster with later rows, without training."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast import LinearForecaster, NaiveForecaster, SeqForecaster

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

KEYS = {"id_col": "id", "time_col": "time"}
SMALL = {"horizon": 4, "window": 7}
TINY = {**SMALL, "hidden_size": 4, "max_iter": 2, "random_state": 0, "naive_fallback": False}
MODELS = {
    "naive": (NaiveForecaster, {"horizon": 4, "season_length": 3}),
    "linear": (LinearForecaster, SMALL),
    "treated": (LinearForecaster, {**SMALL, "lags": [4, 9], "differences": [1, 5]}),
    "network": (SeqForecaster, TINY),
}
models = pytest.mark.parametrize(("kind", "options"), MODELS.values(), ids=MODELS)
N, ALL = 60, 100

INDEXES = {
    "days": pd.date_range("2024-01-01", periods=ALL, freq="D", name="time"),
    "berlin": pd.date_range("2024-03-29", periods=ALL, freq="h", tz="Europe/Berlin", name="time"),
    "months": pd.period_range("2001-05", periods=ALL, freq="M", name="time"),
    "rows": pd.RangeIndex(ALL, name="time"),
    "trading days": pd.bdate_range("2024-01-01", periods=ALL + 4, name="time").drop(
        ["2024-01-15", "2024-04-01", "2024-05-01", "2024-05-02"]
    ),
    "irregular": pd.DatetimeIndex(
        (
            pd.Timestamp("2020-01-01")
            + pd.to_timedelta(np.random.default_rng(0).uniform(1, 9, ALL).cumsum(), unit="h")
        )
        .round("s")
        .rename("time")
    ),
}
indexes = pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)


def wander(seed=0, index=INDEXES["days"]):
    rng = np.random.default_rng(seed)
    y = -10 * seed + np.sin(np.arange(ALL) / 3) + rng.normal(scale=0.3, size=ALL).cumsum()
    return pd.DataFrame({"y": y, "x": rng.normal(size=ALL)}, index)


def long(**series):
    return pd.concat(
        [frame.reset_index().assign(id=name) for name, frame in series.items()], ignore_index=True
    )


def fitted(kind, options, rows):
    return kind(**options, target="y").fit(rows)


def says(message):
    return f"^{re.escape(message)}$"


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_same(one, other, steps=9):
    """Check that forecasts of two forecasters have the same bits."""
    pd.testing.assert_frame_equal(one.forecast(steps), other.forecast(steps), check_exact=True)


# -- as predict does it


@indexes
@models
def test_forecast_after_an_update_is_the_later_block_of_predict(kind, options, index):
    rows = wander(index=index)
    model = fitted(kind, options, rows[:N])
    predicted = model.predict(rows[N:])
    for block in range(10):
        forecast = model.forecast()
        assert_same_bits(forecast, predicted[4 * block : 4 * block + 4])
        model.update(rows[N + 4 * block : N + 4 * block + 4])
    assert np.isfinite(model.forecast()).all(axis=None)


@settings(max_examples=20)
@given(
    blocks=st.integers(1, 9),
    seed=st.integers(0, 2**16),
    share=st.sampled_from([0.1, 0.3]),
    form=st.sampled_from(["missing", "absent"]),
    name=st.sampled_from(["naive", "linear", "treated"]),
)
def test_missing_values_and_gaps_are_known_as_predict_knows_them(blocks, seed, share, form, name):
    kind, options = MODELS[name]
    rng, rows = np.random.default_rng(seed), wander(seed % 7)
    begin = N if name == "treated" else 0  # of patchy rows they leave no whole horizon to learn from
    rows = rows.mask((rng.random(rows.shape) < share) & (np.arange(ALL) >= begin)[:, None])
    rows.iloc[[0, 20, 21, 22, 23, 40, 50, 51, 52, 53, 54, 55]] = wander(seed % 7).iloc[
        [0, 20, 21, 22, 23, 40, *range(50, 56)]
    ]
    first = N + 4 * blocks
    rows.iloc[first - 1] = 0.5  # the end of what is known, were rows left out
    model = fitted(kind, options, rows[:N])
    predicted = model.predict(rows[N:])
    known = rows[N:first]
    model.update(known.dropna(how="all") if form == "absent" else known)
    assert_same_bits(model.forecast(), predicted[4 * blocks : 4 * blocks + 4])


@models
def test_the_last_value_before_a_long_gap_is_kept(kind, options):
    rows = wander()
    rows.iloc[N - 2 : N + 36, 0] = np.nan
    model = fitted(kind, options, rows[:N])
    predicted = model.predict(rows[N:])
    for block in range(9):
        model.update(rows[N + 4 * block : N + 4 * block + 4])
        if kind is NaiveForecaster:  # windows of others know nothing by then
            assert_same_bits(model.forecast(), predicted[4 * block + 4 : 4 * block + 8])
    if kind is NaiveForecaster:
        np.testing.assert_allclose(model.forecast(3)["y"], rows["y"].iloc[[N - 3, N - 5, N - 4]], rtol=1e-12)


@pytest.mark.parametrize("differences", [1, 5, [1, 5], [5, 1]])
@pytest.mark.parametrize("after", [1, 2, 5])
@pytest.mark.parametrize("gap", [10, 20])
def test_differences_are_integrated_from_the_kept_steps(differences, after, gap):
    """A few rows follow a gap that is longer than what forecasts read."""
    rows = wander()[["y"]]
    end = N + 2 + gap + after
    first = N + -(-(end - N) // 4) * 4
    rows.iloc[[*range(N + 2, N + 2 + gap), *range(end, first)]] = np.nan
    model = LinearForecaster(**SMALL, differences=differences).fit(rows[:N])
    predicted = model.predict(rows[N:])
    assert_same_bits(model.update(rows[N:first]).forecast(), predicted[first - N : first - N + 4])


@indexes
@pytest.mark.parametrize("season", [1, 3])
def test_updating_the_naive_forecaster_equals_fitting_all_rows(season, index):
    rows = wander(index=index)[["y"]].mask(np.random.default_rng(5).random((ALL, 1)) < 0.3)
    rows.iloc[[0, N - 1, 86]] = 1.0
    for first in (N + 1, N + 13, 87):
        known = rows[:first]
        model = NaiveForecaster(4, season_length=season).fit(rows[:N]).update(rows[N:first])
        whole = NaiveForecaster(4, season_length=season).fit(known)
        pd.testing.assert_frame_equal(model.forecast(9), whole.forecast(9), rtol=1e-9)


@models
def test_updates_add_up(kind, options):
    rows = wander()
    once = fitted(kind, options, rows[:N]).update(rows[N : N + 23])
    pieces = fitted(kind, options, rows[:N])
    for begin, end in ((0, 1), (1, 2), (2, 9), (9, 22), (22, 23)):
        pieces.update(rows[N + begin : N + end])
    assert_same(once, pieces)
    assert_same_bits(once.predict(rows[N + 23 :]), pieces.predict(rows[N + 23 :]))
    assert once.score(rows[N + 23 :]) == pieces.score(rows[N + 23 :])
    gaps = fitted(kind, options, rows[:N]).update(rows[N : N + 3]).update(rows[N + 9 : N + 23])
    blank = rows.copy()
    blank.iloc[N + 3 : N + 9] = np.nan
    assert_same(gaps, fitted(kind, options, rows[:N]).update(blank[N : N + 23]))


@models
def test_rows_of_an_update_may_come_in_any_order(kind, options):
    rows = wander()
    model = fitted(kind, options, rows[:N]).update(rows[N : N + 9])
    assert_same(model, fitted(kind, options, rows[:N]).update(rows[N : N + 9].sample(frac=1, random_state=0)))


def test_memory_does_not_grow_with_updates():
    rows = wander()
    model = fitted(*MODELS["linear"], rows[:N])
    size = len(pickle.dumps(model))
    for step in range(N, ALL):
        model.update(rows[step : step + 1])
    assert len(pickle.dumps(model)) < 1.01 * size


def test_nothing_is_learned():
    rows = wander()
    model = fitted(*MODELS["network"], rows[:N])
    before = copy.deepcopy(model)
    assert model.update(rows[N : N + 10]) is model
    assert model.loss_curve_ == before.loss_curve_
    assert model.chosen_ == before.chosen_
    for name, weight in before.weights_.items():
        assert_same_bits(model.weights_[name], weight)
    assert not np.array_equal(model.forecast(), before.forecast())


# -- labels go on


@indexes
@models
def test_labels_follow_the_last_row(kind, options, index):
    rows = wander(index=index)
    model = fitted(kind, options, rows[:N]).update(rows[N : N + 5])
    if index is INDEXES["irregular"]:
        middle = np.sort(np.diff(index[: N + 5]))[(N + 5 - 2) // 2]
        expected = index[N + 4] + pd.TimedeltaIndex(middle * np.arange(1, 4))
    elif index is INDEXES["trading days"]:
        expected = pd.bdate_range(index[N + 4], periods=4)[1:]
    else:
        expected = index[N + 5 : N + 8]
    assert model.forecast(3).index.tolist() == expected.tolist()
    assert model.forecast(3).index.name == "time"
    assert model.forecast(3).index.dtype == index.dtype


def test_labels_follow_the_last_row_after_a_gap():
    rows = wander()
    model = fitted(*MODELS["linear"], rows[:N]).update(rows[N + 6 : N + 7])
    assert model.forecast(2).index.tolist() == rows.index[N + 7 : N + 9].tolist()


@pytest.mark.parametrize(
    "index", [INDEXES["days"], INDEXES["rows"], INDEXES["irregular"]], ids=["days", "rows", "irregular"]
)
@models
def test_arrays_follow_by_their_number(kind, options, index):
    rows = wander(index=index)
    by_name = fitted(kind, options, rows[:N])
    arrays = copy.deepcopy(by_name)
    labels = by_name.fitted_.series[None].future(5)
    later = rows[N : N + 5].set_axis(labels.rename("time"))
    by_name.update(later)
    arrays.update(rows[N : N + 5].to_numpy())
    assert_same(by_name, arrays)


def test_rows_without_an_index_follow_each_other():
    y = wander()["y"].to_numpy()
    model = LinearForecaster(**SMALL).fit(y[:N])
    frame = LinearForecaster(**SMALL).fit(wander(index=INDEXES["rows"])[["y"]][:N])
    for begin, end in ((60, 64), (64, 71)):
        model.update(y[begin:end])
        frame.update(wander(index=INDEXES["rows"])[["y"]][begin:end])
        assert_same_bits(model.forecast(9), frame.forecast(9))
        assert model.forecast(2).index.tolist() == [end, end + 1]
    assert_same_bits(model.predict(y[71:]), frame.predict(y[71:]))


# -- with what else is known


def test_columns_known_ahead_are_known_of_the_rows_that_follow():
    rows = wander()
    model = LinearForecaster(**SMALL, target="y", future_cols="x").fit(rows[:N])
    predicted = model.predict(rows[N:])
    for block in range(9):
        assert_same_bits(model.forecast(X_future=rows[["x"]]), predicted[4 * block : 4 * block + 4])
        model.update(rows[N + 4 * block : N + 4 * block + 4])


def test_features_of_the_calendar_go_on():
    rows = wander()[["y"]]
    model = LinearForecaster(**SMALL, calendar_features="auto").fit(rows[:N])
    predicted = model.predict(rows[N:])
    for block in range(9):
        assert_same_bits(model.forecast(), predicted[4 * block : 4 * block + 4])
        model.update(rows[N + 4 * block : N + 4 * block + 4])


def test_a_separate_target_is_passed_as_y():
    rows = wander()
    model = LinearForecaster(**SMALL).fit(rows[["x"]][:N], rows["y"][:N])
    inside = LinearForecaster(**SMALL, target="y").fit(rows[:N])
    model.update(rows[["x"]][N : N + 6], rows["y"][N : N + 6])
    assert_same_bits(model.forecast(9), inside.update(rows[N : N + 6]).forecast(9))
    message = (
        "The 'y' parameter of LinearForecaster.update must be given, since fit had its target in y and not "
        "in X. Got None instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.update(rows[["x"]][N + 6 :])


def test_y_must_equal_the_column_of_its_name():
    rows = wander()
    model = fitted(*MODELS["linear"], rows[:N])
    again = copy.deepcopy(model).update(rows[N : N + 6], rows["y"][N : N + 6])
    assert_same(again, copy.deepcopy(model).update(rows[N : N + 6]))
    with pytest.raises(ValueError, match=r"'y' parameter of LinearForecaster\.update must"):
        model.update(rows[N : N + 6], rows["y"][N : N + 6] + 1)


# -- series


@models
def test_only_the_series_that_have_new_rows_move_on(kind, options):
    a, b, c = (wander(seed) for seed in range(3))
    a, b, c = a, b[10:], c[:80]
    model = kind(**options, **KEYS, target="y").fit(long(a=a[:N], b=b[:55], c=c[:70]))
    before = model.forecast()
    rows = long(c=c[70:78], a=a[N : N + 4])
    predicted = rows.assign(y=model.predict(rows)["y"])
    model.update(long(a=a[N : N + 4], c=c[70:74]).sample(frac=1, random_state=0))
    after = model.forecast()
    assert_same_bits(after["id"], before["id"])
    assert_same_bits(after[after["id"] == "b"], before[before["id"] == "b"])
    assert_same_bits(after[after["id"] == "c"]["y"], predicted[predicted["id"] == "c"]["y"][4:])
    ends = {"a": a.index[N + 3], "b": b.index[54], "c": c.index[73]}
    for name, end in ends.items():
        assert after[after["id"] == name]["time"].tolist() == [
            end + pd.Timedelta(days=k) for k in range(1, 5)
        ]
    step_by_step = kind(**options, **KEYS, target="y").fit(long(a=a[:N], b=b[:55], c=c[:70]))
    step_by_step.update(long(c=c[70:72])).update(long(a=a[N : N + 4], c=c[72:74]))
    assert_same(step_by_step, model)


def test_updated_series_refuse_changes_before_their_end():
    a, b = wander(0), wander(1)
    model = (
        LinearForecaster(**SMALL, **KEYS, target="y").fit(long(a=a[:N], b=b[:N])).update(long(a=a[N : N + 4]))
    )
    with pytest.raises(ValueError, match=f"up to {a.index[N + 3]}, must have the known values"):
        model.update(long(a=a[N + 3 : N + 5] + 1, b=b[N : N + 5]))
    model.update(long(a=a[N + 3 : N + 5], b=b[N : N + 5]))
    assert model.forecast(1)["time"].tolist() == [a.index[N + 5]] * 2


# -- rows that are known

FORMS = {"one": lambda rows: rows, "long": lambda rows: long(a=rows), "series": lambda rows: rows["y"]}


@models
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_known_rows_are_skipped(kind, options, form):
    keys = KEYS | {"target": "y"} if form is FORMS["long"] else {}
    options = options | keys
    one, other = (kind(**options).fit(form(ROWS[:N][["y"]])) for _ in range(2))
    one.update(form(ROWS[["y"]][N : N + 5])).update(form(ROWS[["y"]][N : N + 9]))
    other.update(form(ROWS[["y"]][N : N + 9]))
    assert_same(one, other)
    assert_same(one.update(form(ROWS[["y"]][: N + 9])), other)


@models
def test_an_update_without_rows_changes_nothing(kind, options):
    model = fitted(kind, options, ROWS[:N])
    before = copy.deepcopy(model)
    for empty in (ROWS[:0], [], np.empty((0, 2))):
        assert_same(model.update(empty), before)


def test_a_late_value_is_filled_in():
    late = ROWS[: N + 4].copy()
    late.iloc[N - 2, 0] = np.nan
    one = LinearForecaster(**SMALL).fit(ROWS[:N])
    other = LinearForecaster(**SMALL).fit(ROWS[:N])
    one.update(late[N:]).update(ROWS[N : N + 4])
    other.update(ROWS[N : N + 4])
    assert_same(one, other)
    missing = ROWS[N : N + 4].copy()
    missing.iloc[2, 0] = np.nan
    one = LinearForecaster(**SMALL).fit(ROWS[:N]).update(missing)
    assert not np.array_equal(one.forecast(), other.forecast())
    assert_same_bits(one.update(ROWS[N + 2 : N + 3]).forecast(), other.forecast())


@pytest.mark.parametrize("name", ["naive", "linear"])
def test_changed_rows_are_named(name):
    model = fitted(*MODELS[name], ROWS[:N])
    changed = ROWS[N - 3 : N + 2].copy()
    changed.iloc[1, 0] = 9.0
    message = (
        rf"The rows of the 'X' parameter of {type(model).__name__}\.update that are known, up to "
        rf"{ROWS.index[N - 1]}, must have the known values\. Got 9\.0 at {ROWS.index[N - 2]}, which was -?\d"
    )
    with pytest.raises(ValueError, match=message):
        model.update(changed)


# -- what is refused changes nothing

ROWS = wander()
REFUSED = {
    "the last row changed": (ROWS[N - 1 : N + 3] + 1, ValueError, "must have the known values"),
    "a row twice": (ROWS.iloc[[N, N, N + 1]], ValueError, "must have unique stamps"),
    "off the calendar": (ROWS[N : N + 3].shift(freq="1h"), ValueError, "must follow the calendar"),
    "far ahead": (ROWS[N : N + 3].shift(freq="9999D"), ValueError, "Look for a wrong stamp"),
    "without a column": (ROWS[["x"]][N:], ValueError, "Missing: 'y'"),
    "infinite": (ROWS[N:].replace(ROWS["x"].iloc[-1], np.inf), ValueError, "must hold finite numbers or NaN"),
    "text": (ROWS[N:].assign(x="text"), TypeError, "must hold numbers only"),
    "a wider array": (np.ones((3, 3)), ValueError, "expecting 2 features"),
    "numbers as stamps": (ROWS[N:].reset_index(drop=True), TypeError, "must hold timestamps"),
    "nothing": (None, TypeError, "must be a Series, a DataFrame, or an array-like"),
}


@pytest.mark.parametrize(("rows", "error", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("name", ["naive", "linear"])
def test_refused_rows_change_nothing(name, rows, error, message):
    if name == "naive" and (isinstance(rows, pd.DataFrame) and (rows["x"] == "text").any()):
        rows = rows.assign(y="text")
    kind, options = MODELS[name]
    model = fitted(kind, options, ROWS[:N])
    before = copy.deepcopy(model)
    with pytest.raises(error, match=message):
        model.update(rows)
    assert_same(model, before)
    assert_same_bits(model.predict(ROWS[N:]), before.predict(ROWS[N:]))


@pytest.mark.parametrize("spoil", ["unobserved", "changed", "infinite"])
def test_one_series_that_is_refused_holds_all_others(spoil):
    a, b = wander(0), wander(1)
    model = LinearForecaster(**SMALL, **KEYS, target="y").fit(long(a=a[:N], b=b[:N]))
    before = copy.deepcopy(model)
    rows = {
        "unobserved": long(a=a[N:], new=b[N:].assign(y=np.nan)),
        "changed": long(a=a[N:], b=b[N - 1 :] + 1),
        "infinite": long(a=a[N:], b=b[N:].replace(b["y"].iloc[-1], np.inf)),
    }[spoil]
    with pytest.raises(
        ValueError,
        match=r"nothing .* in series 'new'|must have the known|Got inf in column 'y' in series 'b'",
    ):
        model.update(rows)
    assert_same(model, before)


@models
def test_rows_that_are_known_are_no_longer_to_be_predicted(kind, options):
    model = fitted(kind, options, ROWS[:N]).update(ROWS[N : N + 5])
    for method in (model.predict, model.score):
        with pytest.raises(
            ValueError, match=f"come after the training rows, which end at {ROWS.index[N + 4]}"
        ):
            method(ROWS[N + 4 :])


def test_an_update_is_pickled_and_forgotten_by_the_next_fit():
    model = fitted(*MODELS["network"], ROWS[:N])
    first = model.forecast()
    model.update(ROWS[N : N + 5])
    assert_same(pickle.loads(pickle.dumps(model)), model)
    pd.testing.assert_frame_equal(model.fit(ROWS[:N]).forecast(), first, check_exact=True)


@pytest.mark.parametrize("silence", [14, 20, 60])
@pytest.mark.parametrize("differences", [None, 1])
def test_after_a_gap_as_long_as_a_window_the_last_value_repeats(differences, silence):
    """Forecasts do not return to the training mean, and intervals have the usual width."""
    y = np.linspace(0, 100, 150) + np.random.default_rng(0).normal(size=150)
    model = LinearForecaster(7, 14, differences=differences).fit(y)
    before = model.forecast(level=80)
    predicted = model.predict(np.full(silence + 7, np.nan))
    forecast = model.update(np.full(silence, np.nan)).forecast(level=80)
    np.testing.assert_allclose(forecast["y"], y[-1], rtol=1e-12)
    first = -(-silence // 7) * 7
    np.testing.assert_allclose(predicted[first:], y[-1], rtol=1e-12)
    widths = [(frame["y-hi-80"] - frame["y-lo-80"]).mean() for frame in (before, forecast)]
    assert widths[1] > 0.5 * widths[0]
