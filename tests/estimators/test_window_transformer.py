"""WindowTransformer, compared with a loop and checked by scikit-learn."""

import doctest
import pickle
import re
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils._param_validation import InvalidParameterError

from seqcast import SeqRegressor, WindowTransformer
from seqcast.estimators import window_transformer

NAN = np.nan


def by_hand(known, steps, window, lead, n_columns):
    """Return the values before `steps` in a loop; `known` holds the values of each step."""
    nothing = [NAN] * n_columns
    return np.array(
        [
            [x for lag in range(lead + window - 1, lead - 1, -1) for x in known.get(step - lag, nothing)]
            for step in steps
        ]
    )


def numbered(n, n_columns=1):
    """Return 0, 1, ... in the first column and 100, 101, ... in the second."""
    return np.arange(n)[:, None] + 100.0 * np.arange(n_columns)


def hourly(n, n_columns=1):
    index = pd.date_range("2024-03-30", periods=n, freq="h", tz="Europe/Berlin")
    return pd.DataFrame(numbered(n, n_columns), index, list("abc"[:n_columns]))


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


# -- which steps a row holds


def test_a_row_holds_the_steps_before_it():
    np.testing.assert_array_equal(
        WindowTransformer(3).fit_transform(numbered(5)),
        [[NAN, NAN, NAN], [NAN, NAN, 0], [NAN, 0, 1], [0, 1, 2], [1, 2, 3]],
    )


def test_lead_is_how_far_before_the_row_its_newest_step_lies():
    np.testing.assert_array_equal(
        WindowTransformer(2, lead=3).fit_transform(numbered(6)),
        [[NAN, NAN], [NAN, NAN], [NAN, NAN], [NAN, 0], [0, 1], [1, 2]],
    )


def test_columns_of_each_step_stand_side_by_side():
    values = numbered(9, 2)
    rows = WindowTransformer(4).fit_transform(values)
    assert rows[4].tolist() == [0, 100, 1, 101, 2, 102, 3, 103]
    np.testing.assert_array_equal(rows.reshape(9, 4, 2)[8], values[4:8])


def test_output_is_float64_of_its_own():
    given_rows = np.arange(8, dtype=np.int8).reshape(4, 2)
    rows = WindowTransformer(2).fit_transform(given_rows)
    assert rows.dtype == np.float64
    assert rows.flags.c_contiguous
    rows[:] = 7
    assert given_rows.ravel().tolist() == list(range(8))


@given(
    gaps=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    window=st.integers(1, 6),
    lead=st.integers(1, 5),
    n_columns=st.integers(1, 3),
    dated=st.booleans(),
    data=st.data(),
)
@settings(max_examples=150)
def test_equals_a_plain_loop_whatever_the_gaps_and_the_border(gaps, window, lead, n_columns, dated, data):
    # As many steps of one as there are gaps: so a step is one, also in the rows before any border.
    regular = len(gaps) + 1
    steps = np.cumsum([0] + [1] * regular + gaps)
    values = np.random.default_rng(len(steps)).normal(size=(len(steps), n_columns))
    values[values > 1.5] = NAN
    index = pd.Timestamp("2024-01-30") + steps * pd.Timedelta("1h") if dated else pd.Index(7 + 3 * steps)
    frame = pd.DataFrame(values, index)
    border = data.draw(st.integers(regular + 1, len(steps)))
    expected = by_hand(
        dict(zip(steps.tolist(), values.tolist(), strict=True)), steps.tolist(), window, lead, n_columns
    )
    windows = WindowTransformer(window, lead=lead).fit(frame[:border])
    np.testing.assert_array_equal(windows.transform(frame[:border]), expected[:border])
    if border < len(steps):
        np.testing.assert_array_equal(windows.transform(frame[border:]), expected[border:])


def test_what_a_regular_index_leaves_out_is_a_step_of_nan():
    days = pd.date_range("2024-01-01", periods=7)[[0, 1, 2, 5, 6]]
    series = pd.Series([0.0, 1, 2, 5, 6], days)
    np.testing.assert_array_equal(
        WindowTransformer(3).fit_transform(series),
        [[NAN, NAN, NAN], [NAN, NAN, 0], [NAN, 0, 1], [2, NAN, NAN], [NAN, NAN, 5]],
    )


def test_rows_of_trading_days_are_counted():
    days = pd.bdate_range("2024-01-01", periods=15).delete(7)
    series = pd.Series(np.arange(14.0), days)
    np.testing.assert_array_equal(
        WindowTransformer(2).fit_transform(series)[6:10], [[4, 5], [5, 6], [6, 7], [7, 8]]
    )


def test_a_gap_of_a_million_years_takes_no_room():
    frame = pd.DataFrame({"a": [0.0, 1, 2, 3]}, [0, 1, 2, 10**15])
    windows = WindowTransformer(2, lead=10**9).fit(frame)
    assert np.isnan(windows.transform(frame)).all()
    np.testing.assert_array_equal(
        WindowTransformer(2).fit_transform(frame), [[NAN, NAN], [NAN, 0], [0, 1], [NAN, NAN]]
    )
    later = pd.DataFrame({"a": [4.0, 5]}, [10**15 + 10**9, 10**15 + 10**9 + 1])
    np.testing.assert_array_equal(windows.transform(later), [[NAN, 3], [3, NAN]])


def test_a_single_row_knows_nothing_before_it():
    windows = WindowTransformer(2).fit(numbered(1))
    np.testing.assert_array_equal(windows.transform(numbered(1)), [[NAN, NAN]])


# -- only rows before


@pytest.mark.parametrize("lead", [1, 4])
def test_rows_from_t_on_change_nothing_until_lead_steps_later(lead):
    frame = hourly(30, 2)
    before = WindowTransformer(5, lead=lead).fit_transform(frame)
    for t in range(30):
        disturbed = frame.copy()
        disturbed.iloc[t:] = -1
        after = WindowTransformer(5, lead=lead).fit_transform(disturbed)
        np.testing.assert_array_equal(after[: t + lead], before[: t + lead])
        assert (after[t + lead : t + lead + 1, -2:] == -1).all()


# -- the border between fit and transform


@pytest.mark.parametrize(("window", "lead"), [(3, 1), (4, 6), (40, 1)])
def test_windows_of_a_test_fold_begin_with_training_rows(window, lead):
    frame = hourly(40, 2)
    whole = WindowTransformer(window, lead=lead).fit_transform(frame)
    for gap in (0, 3):
        for train, test in TimeSeriesSplit(4, gap=gap).split(frame):
            windows = WindowTransformer(window, lead=lead).fit(frame.iloc[train])
            expected = whole[test]
            expected[np.isin(expected, numbered(40, 2)[train[-1] + 1 : test[0]])] = NAN  # in neither fold
            np.testing.assert_array_equal(windows.transform(frame.iloc[train]), whole[train])
            np.testing.assert_array_equal(windows.transform(frame.iloc[test]), expected)


def test_only_rows_within_the_window_are_kept():
    small, large = (WindowTransformer(3, lead=2).fit(hourly(n)) for n in (50, 5000))
    assert len(pickle.dumps(large)) <= len(pickle.dumps(small)) + 16  # room for larger numbers


def test_rows_far_after_the_training_rows_know_nothing_of_them():
    windows = WindowTransformer(2).fit(hourly(10))
    np.testing.assert_array_equal(windows.transform(hourly(14)[12:]), [[NAN, NAN], [NAN, 12]])
    np.testing.assert_array_equal(windows.transform(hourly(14)[11:]), [[9, NAN], [NAN, 11], [11, 12]])


def test_training_rows_are_read_with_their_new_values():
    windows = WindowTransformer(3).fit(hourly(10))  # remembers 7, 8, 9
    np.testing.assert_array_equal(windows.transform(-hourly(10)[:2]), [[NAN, NAN, NAN], [NAN, NAN, 0]])
    np.testing.assert_array_equal(windows.transform(-hourly(7)[5:]), [[NAN, NAN, NAN], [NAN, NAN, -5]])
    np.testing.assert_array_equal(
        windows.transform(-hourly(12)[8:]), [[NAN, NAN, 7], [NAN, 7, -8], [7, -8, -9], [-8, -9, -10]]
    )


def test_rows_before_the_training_rows_see_only_themselves():
    windows = WindowTransformer(2).fit(hourly(10)[5:])
    np.testing.assert_array_equal(windows.transform(hourly(3)), [[NAN, NAN], [NAN, 0], [0, 1]])


def test_rows_of_arrays_are_counted_anew():
    windows = WindowTransformer(2).fit(numbered(10))
    np.testing.assert_array_equal(windows.transform(50 + numbered(3)), [[NAN, NAN], [NAN, 50], [50, 51]])
    np.testing.assert_array_equal(windows.fit_transform(numbered(3)), windows.transform(numbered(3)))


def test_rows_with_an_index_of_text_are_counted_anew():
    frame = pd.DataFrame({"a": [0.0, 1, 2]}, ["x10", "x9", "x9"])
    windows = WindowTransformer(2).fit(frame)
    np.testing.assert_array_equal(windows.transform(frame), [[NAN, NAN], [NAN, 0], [0, 1]])


def test_the_row_after_the_last_is_made_from_all_that_is_known():
    windows = WindowTransformer(3).fit(hourly(10)["a"])
    unknown = pd.Series([NAN], hourly(11).index[10:], name="a")
    np.testing.assert_array_equal(windows.transform(unknown), [[7, 8, 9]])


# -- what comes in


def test_series_frame_and_array_give_the_same():
    values = numbered(6)
    expected = WindowTransformer(2).fit_transform(values)
    for data in (pd.Series(values[:, 0]), pd.DataFrame(values), values.tolist(), np.asfortranarray(values)):
        np.testing.assert_array_equal(WindowTransformer(2).fit_transform(data), expected)


def test_missing_values_stay_missing_even_in_a_whole_column():
    frame = pd.DataFrame({"a": [0, None, 2], "b": [NAN] * 3})
    np.testing.assert_array_equal(
        WindowTransformer(1).fit_transform(frame), [[NAN, NAN], [0, NAN], [NAN, NAN]]
    )


ARRAY_1D = (
    "The 'X' parameter of WindowTransformer.fit must be a Series, a DataFrame or an array-like of shape (n, "
    "n_columns). Got shape (3,) instead. Reshape your data with X.reshape(-1, 1) if it is one column."
)


@pytest.mark.parametrize("data", [[1.0, 2.0, 3.0], np.arange(3)], ids=["list", "array"])
def test_one_dimension_of_an_array_is_refused(data):
    with pytest.raises(ValueError, match=says(ARRAY_1D)):
        WindowTransformer().fit(data)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (pd.Series([1.0, 2.0], [2, 1]), ValueError, "sorted by its index. Got 1 in row 1, after 2 instead."),
        (
            pd.Series([1.0, np.inf]),
            ValueError,
            "hold finite numbers or NaN. Got inf in column 0 at 1 instead.",
        ),
        (pd.DataFrame({"a": ["x"]}), TypeError, "hold numbers only. Got column 'a' of dtype"),
        (pd.Series([1.0, 2.0], [1, 1]), ValueError, "have unique stamps. Got 1 stamps that occur more than"),
        (np.empty((0, 1)), ValueError, "must not be empty. Got data with 0 sample(s)"),
    ],
    ids=["unsorted", "infinite", "text", "twice", "empty"],
)
def test_unfit_rows_are_refused(data, error, message):
    with pytest.raises(error, match=re.escape(message)) as raised:
        WindowTransformer().fit(data)
    assert str(raised.value).startswith("The 'X' parameter of WindowTransformer.fit must ")


def test_stamps_off_the_steps_are_refused():
    windows = WindowTransformer(2).fit(hourly(10))
    half = hourly(12)[10:]
    half.index += pd.Timedelta("30min")
    with pytest.raises(ValueError, match=r"must follow the calendar of the training rows \(equal steps of"):
        windows.transform(half)
    with pytest.raises(
        TypeError, match="must hold timestamps with a time zone, as that of the training rows"
    ):
        windows.transform(hourly(3).reset_index(drop=True))


def test_columns_must_be_those_of_fit_in_their_order():
    windows = WindowTransformer(2).fit(hourly(5, 2))
    with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
        windows.transform(hourly(5, 2)[["b", "a"]])
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing:\n- b"):
        windows.transform(hourly(5))
    with pytest.raises(ValueError, match="X has 3 features, but WindowTransformer is expecting 1 features"):
        WindowTransformer().fit(numbered(4)).transform(numbered(4, 3))


@pytest.mark.parametrize("parameter", ["window", "lead"])
@pytest.mark.parametrize("value", [0, -1, 1.5, None])
def test_window_and_lead_are_whole_numbers_of_at_least_one(parameter, value):
    rule = f"The '{parameter}' parameter of WindowTransformer must be an int in the range"
    with pytest.raises(InvalidParameterError, match=rule):
        WindowTransformer(**{parameter: value}).fit(numbered(3))


def test_before_fit_nothing_is_known():
    for ask in (lambda w: w.transform(numbered(3)), lambda w: w.get_feature_names_out()):
        with pytest.raises(NotFittedError):
            ask(WindowTransformer())


# -- names and forms of the output


def test_names_count_the_lag_in_steps_before_the_row():
    names = WindowTransformer(2, lead=3).fit(hourly(5, 2)).get_feature_names_out()
    assert names.tolist() == ["a_lag4", "b_lag4", "a_lag3", "b_lag3"]
    assert names.dtype == object


@pytest.mark.parametrize("data", [numbered(3), pd.Series([0.0, 1, 2]), pd.DataFrame(numbered(3))])
def test_columns_without_names_are_numbered_or_named_when_asked(data):
    windows = WindowTransformer(2).fit(data)
    assert not hasattr(windows, "feature_names_in_")
    assert windows.get_feature_names_out().tolist() == ["x0_lag2", "x0_lag1"]
    assert windows.get_feature_names_out(["load"]).tolist() == ["load_lag2", "load_lag1"]


def test_names_of_fit_are_kept_and_checked():
    windows = WindowTransformer(1).fit(hourly(3)["a"])
    assert (windows.n_features_in_, windows.feature_names_in_.tolist()) == (1, ["a"])
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        windows.get_feature_names_out(["b"])
    assert not hasattr(windows.fit(numbered(3)), "feature_names_in_")


def test_output_as_a_pandas_frame_keeps_the_index():
    frame = hourly(4)
    rows = WindowTransformer(2).set_output(transform="pandas").fit(frame[:2]).transform(frame[2:])
    expected = pd.DataFrame({"a_lag2": [0.0, 1.0], "a_lag1": [1.0, 2.0]}, frame.index[2:])
    pd.testing.assert_frame_equal(rows, expected)


def test_polars_frames_come_in_and_out():
    polars = pytest.importorskip("polars")
    windows = WindowTransformer(1).set_output(transform="polars")
    rows = windows.fit_transform(hourly(3, 2))
    assert isinstance(rows, polars.DataFrame)
    assert rows.columns == ["a_lag1", "b_lag1"]
    rows = windows.fit_transform(polars.DataFrame({"a": [0.0, 1.0, None, 3.0], "b": [3, 4, 5, 6]}))
    np.testing.assert_array_equal(rows.to_numpy(), [[NAN, NAN], [0, 3], [1, 4], [NAN, 5]])


# -- with regressors


def test_any_regressor_that_takes_nan_forecasts_in_a_pipeline():
    frame = hourly(80, 2)
    frame["a"] = np.sin(np.arange(80) / 3)
    train, test = frame[:60], frame[60:]
    model = make_pipeline(WindowTransformer(6), HistGradientBoostingRegressor(max_iter=5)).fit(
        train, train["a"]
    )
    known = dict(enumerate(frame.to_numpy().tolist()))
    past = by_hand(known, range(80), 6, 1, 2)
    alone = HistGradientBoostingRegressor(max_iter=5).fit(past[:60], train["a"])
    np.testing.assert_array_equal(model.predict(test), alone.predict(past[60:]))


@pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")
def test_seq_regressor_reads_the_rows_as_sequences_of_channels():
    frame = hourly(40, 2)
    regressor = SeqRegressor(n_channels=2, hidden_size=2, max_iter=2, random_state=0)
    model = make_pipeline(WindowTransformer(3), SimpleImputer(strategy="constant"), clone(regressor))
    predicted = model.fit(frame[:30], frame["a"][:30]).predict(frame[30:])
    known = dict(enumerate(frame.to_numpy().tolist()))
    past = np.nan_to_num(by_hand(known, range(40), 3, 1, 2)).reshape(40, 3, 2)
    np.testing.assert_array_equal(predicted, regressor.fit(past[:30], frame["a"][:30]).predict(past[30:]))


def test_a_search_over_the_window_finds_an_autoregression():
    rng, series = np.random.default_rng(3), np.zeros(1500)
    for t in range(2, len(series)):
        series[t] = 1.2 * series[t - 1] - 0.7 * series[t - 2] + rng.normal()
    data = pd.Series(series, pd.date_range("2020-01-01", periods=len(series), freq="D"), name="load")
    pipeline = make_pipeline(WindowTransformer(), SimpleImputer(strategy="constant"), Ridge(alpha=1e-6))
    windows = {"windowtransformer__window": [1, 2, 12]}
    search = GridSearchCV(pipeline, windows, cv=TimeSeriesSplit(4), error_score="raise").fit(data, data)
    assert search.best_params_ == {"windowtransformer__window": 2}
    np.testing.assert_allclose(search.best_estimator_[-1].coef_, [-0.7, 1.2], atol=0.03)
    # The two steps before the first are zero, as the constant that fills them is.
    past = np.stack([np.r_[0, 0, series[:-2]], np.r_[0, series[:-1]]], axis=1)
    exact = np.linalg.lstsq(np.c_[past, np.ones(len(past))], series, rcond=None)[0]
    np.testing.assert_allclose(search.best_estimator_[-1].coef_, exact[:2], rtol=1e-6)


def test_scaled_frames_keep_their_index_through_a_pipeline():
    frame = hourly(30, 2)
    scaling = StandardScaler().set_output(transform="pandas").fit(frame[:20])
    pipeline = make_pipeline(scaling, WindowTransformer(3)).fit(frame[:20])
    whole = WindowTransformer(3).fit_transform(scaling.transform(frame))
    np.testing.assert_array_equal(pipeline.transform(frame[20:]), whole[20:])


# -- as an estimator


def test_pickles_and_clones():
    frame = hourly(20, 2)
    windows = WindowTransformer(3, lead=2).fit(frame[:15])
    again = pickle.loads(pickle.dumps(windows))
    np.testing.assert_array_equal(again.transform(frame[15:]), windows.transform(frame[15:]))
    assert clone(windows).get_params() == {"window": 3, "lead": 2}
    with pytest.raises(NotFittedError):
        clone(windows).transform(frame)


def test_memory_is_that_of_the_output():
    values = np.zeros((20_000, 2))
    windows = WindowTransformer(50).fit(values)
    tracemalloc.start()
    rows = windows.transform(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows.nbytes == 8 * 20_000 * 50 * 2
    assert peak < 1.2 * rows.nbytes


READS_ROWS_IN_ORDER = dict.fromkeys(
    ("check_methods_sample_order_invariance", "check_methods_subset_invariance"),
    "a row's features are the rows before it",
)
CHECKS = list(estimator_checks.estimator_checks_generator(WindowTransformer()))


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(
            estimator,
            check,
            marks=[pytest.mark.xfail(reason=READS_ROWS_IN_ORDER[name], raises=AssertionError, strict=True)]
            if name in READS_ROWS_IN_ORDER
            else [],
            id=name,
        )
        for estimator, check in CHECKS
        for name in [check.func.__name__]
    ],
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_check_estimator_passes_except_for_order_of_rows():
    results = estimator_checks.check_estimator(
        WindowTransformer(), expected_failed_checks=READS_ROWS_IN_ORDER, on_skip=None
    )
    failed = {result["check_name"] for result in results if result["status"] == "xfail"}
    assert failed == set(READS_ROWS_IN_ORDER)
    assert {result["status"] for result in results} <= {"passed", "xfail", "skipped"}


@pytest.mark.filterwarnings("ignore:X has feature names:UserWarning")
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize(
    "check",
    [
        "check_dataframe_column_names_consistency",
        "check_set_output_transform",
        "check_set_output_transform_pandas",
        "check_global_output_transform_pandas",
        "check_set_output_transform_polars",
        "check_global_set_output_transform_polars",
        "check_transformer_get_feature_names_out",
        "check_transformer_get_feature_names_out_pandas",
        "check_param_validation",
    ],
)
def test_scikit_learns_checks_of_names_and_frames(check):
    if "polars" in check:
        pytest.importorskip("polars")
    getattr(estimator_checks, check)("WindowTransformer", WindowTransformer())


def test_the_example_in_the_documentation_runs():
    assert doctest.testmod(window_transformer).failed == 0
    assert doctest.testmod(window_transformer).attempted >= 5
