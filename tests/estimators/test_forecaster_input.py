"""Input of SeqForecaster: accepted types and indices, types of the results, and errors."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seqcast import LinearForecaster, SeqClassifier, SeqEncoder, SeqForecaster, SeqRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

SHORT = {"hidden_size": 8, "max_iter": 3, "random_state": 0, "horizon": 5, "window": 12}


def wave(n, seed=0):
    return np.sin(np.arange(n) / 3) + 0.2 * np.random.default_rng(seed).normal(size=n)


def frame(n, columns="ab", index=None):
    return pd.DataFrame({name: (k + 1) * wave(n, k) for k, name in enumerate(columns)}, index)


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


@pytest.fixture(scope="module")
def model():
    return SeqForecaster(**SHORT).fit(frame(60))


@pytest.fixture(scope="module")
def dated():
    return SeqForecaster(**SHORT).fit(frame(60, index=pd.date_range("2024-01-01", periods=60, freq="h")))


# -- kinds of index: the first n labels are fitted, those after them must be the forecast's

KINDS = {
    "hourly": lambda n: pd.date_range("2024-01-01 05:00", periods=n, freq="h", name="time"),
    "quarter-hourly": lambda n: pd.date_range("2024-01-01", periods=n, freq="15min"),
    "daily": lambda n: pd.date_range("2024-02-01", periods=n, freq="D"),
    "weekly": lambda n: pd.date_range("2024-02-02", periods=n, freq="7D"),
    "month starts": lambda n: pd.date_range("2000-01-01", periods=n, freq="MS"),
    "month ends": lambda n: pd.date_range("2000-01-31", periods=n, freq="ME"),
    "quarters": lambda n: pd.date_range("1960-01-01", periods=n, freq="QS"),
    "business days": lambda n: pd.bdate_range("2024-01-01", periods=n),
    "hourly across a clock change": lambda n: pd.date_range(
        "2024-03-30", periods=n, freq="h", tz="Europe/Berlin"
    ),
    "daily across a clock change": lambda n: pd.date_range(
        "2024-03-29", periods=n, freq="D", tz="America/New_York"
    ),
    "rows": lambda n: pd.RangeIndex(n),
    "every tenth": lambda n: pd.RangeIndex(100, 100 + 10 * n, 10),
    "integers": lambda n: pd.Index(np.arange(n) * 3 - 50, name="step"),
    "floats": lambda n: pd.Index(np.arange(n) * 0.25 + 1),
    "months as periods": lambda n: pd.period_range("2001-05", periods=n, freq="M"),
    "hours as periods": lambda n: pd.period_range("2001-05-01 07:00", periods=n, freq="h"),
    "timedeltas": lambda n: pd.timedelta_range("0h", periods=n, freq="30min"),
}
SEASONS = {
    "hourly": 24,
    "quarter-hourly": 96,
    "daily": 7,
    "weekly": 52,
    "month starts": 12,
    "month ends": 12,
    "quarters": 4,
    "business days": 5,
    "hourly across a clock change": 24,
    "daily across a clock change": 7,
    "months as periods": 12,
    "hours as periods": 24,
    "timedeltas": 48,
}
kinds = pytest.mark.parametrize("kind", KINDS)


def without_freq(index):
    """Remove the frequency that pandas stores in a DatetimeIndex, which must not be needed."""
    index = index.copy()
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex):
        index.freq = None
    return index


def assert_same_labels(index, expected):
    pd.testing.assert_index_equal(without_freq(index), without_freq(expected), exact=True)


forecasters = pytest.mark.parametrize(
    ("make", "kind"),
    [(LinearForecaster, kind) for kind in KINDS] + [(SeqForecaster, kind) for kind in ("daily", "floats")],
)


@pytest.mark.parametrize("freq", [True, False], ids=["freq", "no freq"])
@forecasters
def test_default_forecasts_have_the_labels_that_follow(make, kind, freq):
    index = KINDS[kind](70)
    data = frame(60, index=index[:60] if freq else without_freq(index[:60]))
    model = make().fit(data)
    forecast = model.forecast(10)
    assert_same_labels(forecast.index, index[60:])
    assert forecast.columns.tolist() == ["a", "b"]
    assert forecast.dtypes.tolist() == [np.float64, np.float64]
    assert np.isfinite(forecast).all(axis=None)
    assert model.season_length_ == SEASONS.get(kind, 1)


@forecasters
def test_predict_has_the_labels_of_its_rows(make, kind):
    index = KINDS[kind](83)
    data = frame(83, index=index)
    train, later = data.iloc[:60], data.iloc[60:]
    model = (SeqForecaster(**SHORT) if make is SeqForecaster else LinearForecaster(5, 12)).fit(train)
    predicted = model.predict(later)
    assert_same_labels(predicted.index, index[60:])
    np.testing.assert_array_equal(predicted.iloc[:5], model.forecast())
    # Rows left out move nothing: where labels tell steps, a missing row is a missing step.
    kept = [0, 2, 3, 4, 7]
    np.testing.assert_array_equal(model.predict(later.iloc[kept]).iloc[:4], predicted.iloc[kept[:4]])


@pytest.mark.parametrize("n", [3, 4, 5, 12])
@forecasters
def test_few_rows_are_enough_with_default_parameters(make, kind, n):
    index = KINDS[kind](n + 3)
    model = make().fit(frame(n, index=index[:n]))
    forecast = model.forecast(3)
    assert np.isfinite(forecast).all(axis=None)
    assert len(forecast) == 3
    assert model.horizon_ == 1
    assert_same_labels(forecast.index, index[n:])


def test_predict_starts_after_training_in_every_time_zone():
    """The day on which the clock skips an hour has 23 steps."""
    index = pd.date_range("2024-03-30", "2024-04-02", freq="h", tz="Europe/Berlin", inclusive="left")
    assert len(index) == 71
    forecast = SeqForecaster(**SHORT).fit(frame(22, index=index[:22])).forecast(49)
    assert_same_labels(forecast.index, index[22:])


def test_irregular_stamps_count_as_rows():
    """Irregular stamps have no missing steps, so forecasts equal those of numbered rows."""
    hours = np.cumsum(np.random.default_rng(0).uniform(1, 9, size=80))
    index = (pd.Timestamp("2020-01-01") + pd.to_timedelta(hours, unit="h")).round("s")
    one, other = (SeqForecaster(**SHORT).fit(frame(60, index=labels)) for labels in (index[:60], None))
    assert one.season_length_ == 1
    np.testing.assert_array_equal(one.forecast(9), other.forecast(9))
    later = frame(80)[60:]
    np.testing.assert_array_equal(one.predict(later.set_axis(index[60:])), other.predict(later))


# -- containers


def test_answers_have_the_form_of_the_question():
    data = frame(80)
    for rows, columns in ((data, ["a", "b"]), (data["a"], ["a"]), (data["a"].rename(None), ["y"])):
        model = SeqForecaster(**SHORT).fit(rows[:60])
        predicted = model.predict(rows[60:])
        assert type(predicted) is type(rows)
        assert predicted.index.equals(rows.index[60:])
        assert model.target_names_ == model.forecast().columns.tolist() == columns
    assert model.predict(data["a"][60:]).name == "y"


@pytest.mark.parametrize(
    "convert",
    [
        pd.DataFrame.to_numpy,
        lambda data: data.to_numpy().tolist(),
        lambda data: np.asfortranarray(data.to_numpy()),
        lambda data: np.ma.masked_invalid(data.to_numpy()),
        lambda data: [[None if np.isnan(x) else x for x in row] for row in data.to_numpy().tolist()],
    ],
    ids=["array", "list", "fortran", "masked", "list with None"],
)
def test_arrays_and_lists_are_read_as_frames_are(convert):
    data = frame(80).mask(np.random.default_rng(0).random((80, 2)) < 0.2)
    rows, later = convert(data[:60]), convert(data[60:])
    model, expected = SeqForecaster(**SHORT).fit(rows), SeqForecaster(**SHORT).fit(data[:60])
    assert model.target_names_ == ["x0", "x1"]
    np.testing.assert_array_equal(model.forecast(12), expected.forecast(12))
    assert_same_labels(model.forecast(12).index, pd.RangeIndex(60, 72))
    predicted = model.predict(later)
    assert type(predicted) is np.ndarray
    np.testing.assert_array_equal(predicted, expected.predict(data[60:]))


def test_one_dimensional_arrays_give_one_dimensional_answers():
    data = wave(80)
    model = SeqForecaster(**SHORT).fit(data[:60])
    assert model.predict(data[60:]).shape == (20,)
    np.testing.assert_array_equal(model.predict(list(data[60:])), model.predict(data[60:, None]))
    np.testing.assert_array_equal(model.predict(data[60:65]), model.forecast()["y"])


def test_arrays_follow_frames_by_position(model):
    later = frame(80)[60:]
    np.testing.assert_array_equal(model.predict(later.to_numpy()), model.predict(later))
    assert model.score(later.to_numpy()) == model.score(later)


def test_read_only_memory_is_enough():
    data = frame(80).to_numpy()
    data.setflags(write=False)
    assert SeqForecaster(**SHORT).fit(data[:60]).predict(data[60:]).shape == (20, 2)


# -- columns


def test_columns_are_found_by_name(model):
    later = frame(80)[60:]
    expected = model.predict(later)
    pd.testing.assert_frame_equal(model.predict(later[["b", "a"]]), expected, check_exact=True)
    pd.testing.assert_frame_equal(
        model.predict(later.assign(c="text")[["b", "a"]]), expected, check_exact=True
    )
    pd.testing.assert_frame_equal(model.predict(later.assign(c=1.0)), expected, check_exact=True)
    assert model.score(later[["b", "a"]]) == model.score(later)


def test_one_target_as_text_or_list_or_y_is_the_same():
    data = frame(80, "abc")
    ways = [
        SeqForecaster(**SHORT, target="b").fit(data[:60]),
        SeqForecaster(**SHORT, target=["b"]).fit(data[:60]),
        SeqForecaster(**SHORT, target=("b",)).fit(data[:60]),
        SeqForecaster(**SHORT).fit(data[:60], data["b"][:60]),
        SeqForecaster(**SHORT, target="b").fit(data[:60], data["b"][59::-1]),
        SeqForecaster(**SHORT).fit(data[59::-1], data["b"][:60]),
    ]
    for way in ways:
        assert (way.target_names_, way.covariate_names_) == (["b"], ["a", "c"])
        assert way.n_features_in_ == 3
        pd.testing.assert_frame_equal(way.forecast(12), ways[0].forecast(12), check_exact=True)
        found, expected = way.predict(data[60:]), ways[0].predict(data[60:])
        assert isinstance(found, pd.Series if way in ways[3:] else pd.DataFrame)  # as y came
        pd.testing.assert_frame_equal(pd.DataFrame(found), expected, check_exact=True)


def test_targets_come_in_the_order_asked_for():
    model = SeqForecaster(**SHORT, target=["c", "a"]).fit(frame(60, "abc"))
    assert model.forecast().columns.tolist() == ["c", "a"]
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]


def test_columns_may_have_any_labels():
    data = frame(60).set_axis([0, ("x", 1)], axis=1)
    assert SeqForecaster(**SHORT).fit(data).forecast().columns.tolist() == [0, ("x", 1)]
    assert SeqForecaster(**SHORT, target=0).fit(data).forecast().columns.tolist() == [0]
    assert not hasattr(SeqForecaster(**SHORT).fit(data), "feature_names_in_")


def test_covariates_inform_the_forecast():
    """Column b leads column a, so the past of b must change the forecast."""
    data = frame(60)
    with_b = SeqForecaster(**SHORT, target="a").fit(data)
    changed = data.assign(b=data["b"].shift(1))
    assert not np.array_equal(with_b.forecast(), SeqForecaster(**SHORT, target="a").fit(changed).forecast())


def test_y_with_missing_values_is_the_same_column():
    data = frame(60).mask(np.random.default_rng(0).random((60, 2)) < 0.2)
    assert SeqForecaster(**SHORT).fit(data, data["b"]).target_names_ == ["b"]


def test_nullable_columns_and_y():
    data = pd.DataFrame({"n": pd.array([None, *range(59)], dtype="Int64"), "a": wave(60)})
    assert SeqForecaster(**SHORT).fit(data, data["n"]).target_names_ == ["n"]


DIFFERS = (
    "The 'y' parameter of SeqForecaster.fit must equal the column 'b' of X, whose history it is. They "
    "differ: a step of "
    "a pipeline has changed one of them. Scaling is done inside, so leave the scaler out, or leave that "
    "column out of it."
)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda y: y * 2,
        lambda y: y[:50],
        lambda y: pd.concat([y[:59], y[:0]]),
        lambda y: y.mask(y.index == 7),
        lambda y: y.set_axis(y.index + 1),
        lambda y: y.set_axis(pd.date_range("2024", periods=60)),
    ],
    ids=["scaled", "part", "one short", "a hole", "moved", "another index"],
)
def test_y_that_is_not_the_column_is_refused(spoil):
    data = frame(60)
    with pytest.raises(ValueError, match=says(DIFFERS)):
        SeqForecaster(**SHORT).fit(data, spoil(data["b"]))


def test_scaler_in_a_pipeline_is_refused_with_the_way_out():
    data = frame(60)
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), SeqForecaster(**SHORT))
    with pytest.raises(ValueError, match=says(DIFFERS)):
        pipeline.fit(data, data["b"])
    nameless = make_pipeline(StandardScaler(), SeqForecaster(**SHORT))
    message = (
        "The 'X' parameter of SeqForecaster.fit must not hold the target in other units. Column 'x1' is y, "
        "'b', scaled or shifted: a step of a pipeline has changed it. Scaling is done inside, so leave the "
        "scaler out and pass a frame with the column 'b', or take that column out of X."
    )
    with pytest.raises(ValueError, match=says(message)):
        nameless.fit(data, data["b"])


def test_y_and_target_must_agree():
    data = frame(60)
    message = (
        "The 'target' parameter of SeqForecaster must be None or the name of y ('b') when y is given. "
        "Got 'a' instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        SeqForecaster(**SHORT, target="a").fit(data, data["b"])


# -- what is refused, and how it is said


def timed(n=60):
    return frame(n, index=pd.date_range("2024-01-01", periods=n, freq="h"))


def put(value, row=4):
    data = timed()
    data.iloc[row, 1] = value
    return data


REFUSED = [
    (
        put(np.inf),
        ValueError,
        "The 'X' parameter of SeqForecaster.fit must hold finite numbers or NaN. Got inf in column 'b' at "
        "2024-01-01 04:00:00 instead. Replace such entries by NaN if they stand for missing values.",
    ),
    (
        put(-np.inf, 0),
        ValueError,
        "The 'X' parameter of SeqForecaster.fit must hold finite numbers or NaN. Got -inf in column 'b' at "
        "2024-01-01 00:00:00 instead. Replace such entries by NaN if they stand for missing values.",
    ),
    (
        timed().assign(b=pd.Series(["12"] * 60, timed().index, dtype=object)),
        TypeError,
        "The 'X' parameter of SeqForecaster.fit must hold numbers only. Got column 'b' of dtype object "
        "(content: string) instead. "
        "Convert it with pd.to_numeric if it holds numbers. If it holds categories, convert it with "
        ".astype('category'), or name it with future_cols= (known in advance) or static_cols= where there "
        "are such parameters. Otherwise drop it.",
    ),
    (
        timed().iloc[[0, 1, 1, *range(2, 60)]],
        ValueError,
        "The 'X' parameter of SeqForecaster.fit must have unique stamps. Got 1 stamps that occur more than "
        "once, "
        "such as 2024-01-01 01:00:00 instead. Aggregate them, for example with X.groupby(level=0).mean().",
    ),
    (
        timed()[:0],
        ValueError,
        "The 'X' parameter of SeqForecaster.fit must not be empty. Got data with 0 sample(s) (shape=(0, 2)) "
        "while a "
        "minimum of 1 is required.",
    ),
    (
        timed()[[]],
        ValueError,
        "The 'X' parameter of SeqForecaster.fit must not be empty. Got data with 0 feature(s) (shape=(60, "
        "0)) while "
        "a minimum of 1 is required.",
    ),
    (
        timed().assign(b=np.nan),
        ValueError,
        "The 'X' parameter of SeqForecaster.fit must have an observed value in every column. Got nothing "
        "but missing "
        "values in column 'b' instead. Drop such columns.",
    ),
    (
        timed().assign(b=[np.nan] * 59 + [1.0]),
        ValueError,
        "The column 'b' of X in SeqForecaster.fit must have an observed value among its first 54 steps, "
        "which are "
        "trained on. Got none. Drop the column, or pass more rows.",
    ),
    (
        timed()[:14].reindex(timed().index),
        ValueError,
        "SeqForecaster.fit needs windows of 12 steps with observed targets in them and in the 5 steps after "
        "them, "
        "both before and after step 54. Got too few: most targets are missing there. Pass more rows, or a "
        "shorter "
        "window or horizon.",
    ),
    (
        pd.concat([timed(2), timed().set_index(timed().index + pd.Timedelta("10000h"))]),
        ValueError,
        "The stamps in X of SeqForecaster.fit must not have more than 50 missing steps for each row. Got 62 "
        "rows over 10060 steps; the largest gap is from 2024-01-01 01:00:00 to 2025-02-20 16:00:00. Look for "
        "a wrong stamp there. Otherwise resample the rows to a coarser step, or number them in the place of "
        "stamps, which counts rows.",
    ),
]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    REFUSED,
    ids=[
        "inf",
        "-inf",
        "text",
        "duplicates",
        "no row",
        "no column",
        "blank",
        "blank in training",
        "sparse",
        "gap",
    ],
)
def test_data_that_can_not_be_fitted_are_refused(data, error, message):
    with pytest.raises(error, match=says(message)):
        SeqForecaster(**SHORT).fit(data)


@pytest.mark.parametrize("target", ["c", ["a", "c"], [], ["a", "a"], ("x",)])
def test_targets_must_be_columns(target):
    message = (
        f"The 'target' parameter of SeqForecaster must name columns of X, each once: ['a', 'b']. "
        f"Got {target!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        SeqForecaster(**SHORT, target=target).fit(frame(60))


@pytest.mark.parametrize("n", [1, 2])
def test_fewest_rows_of_all(n):
    message = (
        f"SeqForecaster.fit needs at least 3 rows for window=1 and horizon=1 (with validation_fraction=0.1). "
        f"Got n_samples={n} instead. Pass more rows, or a shorter window or horizon."
    )
    with pytest.raises(ValueError, match=says(message)):
        SeqForecaster().fit(timed(n))


@settings(max_examples=25)
@given(
    n=st.integers(1, 150),
    window=st.none() | st.integers(1, 40),
    horizon=st.none() | st.integers(1, 40),
    fraction=st.floats(0.01, 0.8),
    early_stopping=st.booleans(),
)
def test_the_error_message_names_the_least_number_of_rows(n, window, horizon, fraction, early_stopping):
    data = wave(1000)
    model = SeqForecaster(
        horizon,
        window,
        hidden_size=1,
        max_iter=1,
        validation_fraction=fraction,
        early_stopping=early_stopping,
        random_state=0,
    )
    try:
        model.fit(data[:n])
    except ValueError as error:
        least, told_window, told_horizon = map(
            int, re.findall(r"(\d+) rows.*window=(\d+).*horizon=(\d+)", str(error))[0]
        )
        assume(least <= 1000)
        assert least > n
        with pytest.raises(ValueError, match=f"needs at least {least} rows"):
            model.fit(data[: least - 1])
        model.fit(data[:least])
        assert (model.window_, model.horizon_) == (told_window, told_horizon)


BAD_PARAMETERS = {
    "cell": ["transformer", 3],
    "hidden_size": [0, -1, 2.5, "8", None],
    "n_layers": [0, 1.0],
    "horizon": [0, 2.0, "day"],
    "window": [0, 1.5],
    "season_length": [0, 1.5],
    "short_series": ["cut", True, None],
    "scope": ["both", None],
    "calendar_features": ["hour", ["noon"], ["hour", "hour"], ("weekend", 3), 3],
    "lags": [0, -7, 7.0, "7", {7}],
    "differences": [0, -1, 1.5, "season", {1}],
    "target_transform": ["logs", 3, None],
    "scaling": ["minmax", True, None],
    "half_life": [0, -1.0, "day"],
    "quantiles": [0.5, "0.5", None],
    "intervals": ["normal", None],
    "n_models": [0, 1.5, None],
    "segment": [0, 1.5, "auto"],
    "multivariate": ["yes", None],
    "linear": ["ridge", None],
    "naive_fallback": ["naive", None],
    "normalization": ["first", None],
    "bidirectional": ["yes", 2],
    "dropout": [-0.1, 1.0, None],
    "loss": ["mse", None],
    "optimizer": ["adamw", None],
    "learning_rate_init": [0, -1e-3, "fast"],
    "momentum": [-0.1, 1.0],
    "batch_size": [0, "all", 2.5, None],
    "max_samples": [0, "all", 2.5],
    "max_iter": [0, 1.5, None],
    "early_stopping": ["no", 2],
    "validation_fraction": [0, 1, 1.0, 0.0],
    "n_iter_no_change": [0, 1.5],
    "tol": [-1e-9, None],
    "alpha": [-1, None],
    "ema": [1, -0.1, "auto"],
    "clip_norm": [0, -1.0, "big"],
    "bptt_steps": [0, 2.5],
    "warm_start": ["yes"],
    "dtype": ["float16", np.float32],
    "device": ["gpu", None],
    "n_jobs": [0, 1.5],
    "random_state": ["seed", -1.5],
    "verbose": ["loud", -1],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in BAD_PARAMETERS.items() for value in values]
)
def test_parameters_out_of_range_are_named_with_their_owner(name, value):
    with pytest.raises(
        ValueError,
        match=rf"The '{name}' parameter of SeqForecaster must be .* Got {re.escape(repr(value))} instead\.",
    ):
        SeqForecaster(**{**SHORT, name: value}).fit(frame(60))


# Names of columns, which the data tell to be right or wrong: see also test_forecaster_covariates.
COLUMNS = {
    "target": (["c", ["a", "a"], []], "The 'target' parameter of SeqForecaster must name columns of X"),
    "id_col": (["c", 3, ("a", "b")], "must have the column .*, which id_col names"),
    "time_col": (["c", 3, ("a", "b")], "must have the column .*, which time_col names"),
    "future_cols": (
        ["c", ["b", "b"], [3]],
        "The 'future_cols' parameter of SeqForecaster must name columns of X",
    ),
    "static_cols": (["c", 3, ["b", 3]], "must have the columns? .*, which static_cols names"),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, (values, _) in COLUMNS.items() for value in values]
)
def test_columns_that_are_not_there_are_named_with_the_parameter(name, value):
    with pytest.raises(ValueError, match=COLUMNS[name][1]):
        SeqForecaster(**{**SHORT, name: value}).fit(frame(60))


def test_every_parameter_is_checked():
    assert {*BAD_PARAMETERS, *COLUMNS} == set(SeqForecaster().get_params())


def test_truncation_needs_one_direction():
    message = (
        "The 'bptt_steps' parameter of SeqForecaster must be None with bidirectional=True, since the second "
        "direction "
        "begins at the end of the window and has no state to carry. Got 4 instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        SeqForecaster(**SHORT, bidirectional=True, bptt_steps=4).fit(frame(60))


# -- rows to predict


@pytest.mark.parametrize("horizon", [0, -1, 2.5, "3", True])
def test_steps_to_forecast_must_be_a_positive_integer(model, horizon):
    message = (
        "The 'horizon' parameter of SeqForecaster.forecast must be an int of at least 1. "
        f"Got {horizon!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.forecast(horizon)


@pytest.mark.parametrize("method", ["predict", "score"])
def test_missing_columns_are_named(model, method):
    message = (
        f"The data for SeqForecaster.{method} must have the columns 'a', 'b'. Missing: 'a'; "
        "got 'b', 'c' instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        getattr(model, method)(frame(80, "bc")[60:])


@pytest.mark.parametrize("method", ["predict", "score"])
def test_arrays_must_have_as_many_columns(model, method):
    message = "X has 3 features, but SeqForecaster is expecting 2 features as input."
    with pytest.raises(ValueError, match=says(message)):
        getattr(model, method)(frame(80, "abc")[60:].to_numpy())


@pytest.mark.parametrize("method", ["predict", "score"])
def test_rows_from_before_the_end_of_training_are_refused(dated, method):
    later = timed(80)
    message = (
        f"The rows of the 'X' parameter of SeqForecaster.{method} must come after the training rows, which "
        "end at 2024-01-03 11:00:00: a forecast of rows that were trained on says nothing. Got 2024-01-03 "
        "11:00:00 instead. Split with sklearn.model_selection.TimeSeriesSplit, not at random."
    )
    with pytest.raises(ValueError, match=says(message)):
        getattr(dated, method)(later[59:])


@pytest.mark.parametrize("method", ["predict", "score"])
def test_a_row_impossibly_far_ahead_is_refused(dated, method):
    """All 2 million steps before it would have to be forecast first."""
    row = timed(1).set_index(pd.DatetimeIndex(["2250-01-01"]))
    steps = (row.index[0] - pd.Timestamp("2024-01-03 11:00")) // pd.Timedelta("1h")
    message = (
        f"The 'X' parameter of SeqForecaster.{method} must not end more than 50 times as many steps after "
        f"the training rows as there are rows. Got 2250-01-01 00:00:00, {steps} steps after 2024-01-03 "
        "11:00:00. Look for a wrong stamp, or fit on later rows."
    )
    with pytest.raises(ValueError, match=says(message)):
        getattr(dated, method)(row)


def test_shuffled_folds_are_refused():
    folds = KFold(3, shuffle=True, random_state=0)
    with pytest.raises(ValueError, match="TimeSeriesSplit"):
        cross_val_score(SeqForecaster(**SHORT), timed(), cv=folds, error_score="raise")


def test_unsorted_rows_are_predicted_in_their_own_order(model):
    later = frame(80)[60:]
    expected = model.predict(later)
    shuffled = later.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(model.predict(shuffled), expected.loc[shuffled.index], check_exact=True)
    assert model.score(shuffled) == pytest.approx(model.score(later), rel=1e-12)


REFUSED_LATER = [
    (timed(80)[60:].to_numpy() * np.inf, ValueError, "must hold finite numbers or NaN. Got "),
    (timed(80)[60:60], ValueError, "must not be empty"),
    (timed(80)[60:].iloc[[0, 0, 1]], ValueError, "must have unique stamps. Got 1 stamps"),
    (
        timed(80)[60:].reset_index(drop=True),
        TypeError,
        "The index of X must hold timestamps without a time zone",
    ),
    (timed(80)[60:].tz_localize("UTC"), TypeError, "Got timestamps with a time zone instead."),
    (
        timed(80)[60:].shift(freq="20min"),
        ValueError,
        "must follow the calendar of the training rows (equal steps of",
    ),
    (timed(80)[60:].assign(a="x"), TypeError, "must hold numbers only. Got column 'a'"),
    ("tomorrow", TypeError, "must be a Series, a DataFrame, or an array-like"),
    (np.zeros((2, 2, 2)), ValueError, "Got shape (2, 2, 2) instead."),
]


@pytest.mark.parametrize(
    ("later", "error", "part"),
    REFUSED_LATER,
    ids=[
        "inf",
        "empty",
        "duplicates",
        "counted",
        "zone",
        "off the grid",
        "text",
        "a word",
        "3-D",
    ],
)
def test_rows_that_can_not_be_predicted_are_refused(dated, later, error, part):
    for method in ("predict", "score"):
        with pytest.raises(error, match=re.escape(part)):
            getattr(dated, method)(later)


def test_score_needs_an_observed_target(dated):
    message = (
        "The 'X' parameter of SeqForecaster.score must have an observed target. Got missing values only."
    )
    with pytest.raises(ValueError, match=says(message)):
        dated.score(timed(70)[60:] * np.nan)


# -- messages that name a way out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "sols"}, r"Got 'sols' instead\. Did you mean 'sales'\?$"),
        ({"future_cols": "prise"}, r"Got 'prise' instead\. Did you mean 'price'\?$"),
        ({"id_col": "shops"}, r"Did you mean 'shop'\?$"),
        ({"time_col": "Day"}, r"Did you mean 'day'\?$"),
    ],
)
def test_misspelled_columns_are_corrected(change, message):
    days = pd.date_range("2024-01-01", periods=40)
    columns = {"shop": "a", "day": days, "sales": np.arange(40.0), "price": np.arange(40.0) % 3}
    names = {"id_col": "shop", "time_col": "day", "target": "sales"} | change
    with pytest.raises(ValueError, match=message):
        LinearForecaster(3, 4, **names).fit(pd.DataFrame(columns))


@pytest.mark.parametrize("estimator", [SeqForecaster, SeqRegressor, SeqClassifier, SeqEncoder])
def test_unknown_cells_are_refused_before_any_work(estimator):
    data = () if estimator is SeqForecaster else ([0, 1],)
    with pytest.raises(ValueError, match=rf"'cell' parameter of {estimator.__name__} must be one of"):
        estimator(cell="tcn").fit([[0.0, 1.0], [1.0, 0.0]], *data)


@pytest.mark.parametrize(
    "bad",
    [
        {"lags": [2]},
        {"lags": [5.0]},
        {"differences": [0]},
        {"differences": [1, 1]},
        {"calendar_features": ["week"]},
        {"calendar_features": ["hour", "hour"]},
    ],
)
@pytest.mark.parametrize("estimator", [LinearForecaster, SeqForecaster])
def test_lists_are_checked_before_the_data(estimator, bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {estimator.__name__} must"):
        estimator(4, **bad).fit("no data")


def test_arrays_of_a_pipeline_are_told_how_to_keep_their_names():
    steps = make_pipeline(StandardScaler(), LinearForecaster(3, target="a"))
    with pytest.raises(ValueError, match=r"Got 'a' instead\. .*\.set_output\(transform='pandas'\)"):
        steps.fit(timed())


@pytest.mark.parametrize("where", ["id_col", "time_col", "target", "index"])
def test_a_column_called_path_has_no_sample_paths(where):
    rows = pd.DataFrame({"id": "a", "day": pd.date_range("2024-01-01", periods=60), "y": np.arange(60.0)})
    names = {"id_col": "id", "time_col": "day", "target": "y"}
    if where == "index":
        model = LinearForecaster(3, 4).fit(rows.set_index("day")["y"].rename_axis("path"))
    else:
        rows = rows.rename(columns={names[where]: "path"})
        model = LinearForecaster(3, 4, **names | {where: "path"}).fit(rows)
    assert len(model.forecast()) == 3
    with pytest.raises(ValueError, match=r"'path'.* Rename it before fit"):
        model.sample_paths(2)


# -- categories that are known in advance


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_a_missing_future_category_is_none_of_the_known_ones(missing):
    days = pd.date_range("2024-01-01", periods=67)
    kind = pd.Series(["red", "blue", "green"] * 22 + ["red"], days, dtype=object)
    rows = pd.DataFrame({"y": np.arange(67.0) + (kind == "red"), "kind": kind})
    model = LinearForecaster(7, target="y", future_cols="kind").fit(rows[:60])
    found = model.forecast(X_future=rows[["kind"]][60:].assign(kind=missing))
    # One-hot columns of the user have the same values.
    one_hot = pd.get_dummies(rows, columns=["kind"], prefix_sep="=", dtype=float)
    names = ["kind=blue", "kind=green", "kind=red"]
    other = LinearForecaster(7, target="y", future_cols=names).fit(one_hot[:60])
    expected = other.forecast(X_future=one_hot[names][60:] * 0)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (pd.RangeIndex(7), TypeError, "The index of X_future must hold timestamps without a time zone"),
        (
            pd.date_range("2024-03-01", periods=7, tz="UTC"),
            TypeError,
            "The index of X_future must hold timestamps without a time zone",
        ),
        (
            pd.date_range("2024-03-01 01:00", periods=7),
            ValueError,
            "The index of X_future must follow the calendar",
        ),
    ],
    ids=["numbers", "time zone", "off the calendar"],
)
def test_messages_about_future_rows_name_them(index, error, message):
    rows = pd.DataFrame({"y": np.arange(60.0), "t": 0.5}, pd.date_range("2024-01-01", periods=60))
    model = LinearForecaster(7, target="y", future_cols="t").fit(rows)
    with pytest.raises(error, match=message):
        model.forecast(X_future=pd.DataFrame({"t": 0.5}, index))
