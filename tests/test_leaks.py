"""check_no_leak: silent where forecasts know the past only, and not where a step looks ahead."""

import doctest
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from seqcast import (
    LeakError,
    SeqEncoder,
    SeqForecaster,
    SeqRegressor,
    WindowTransformer,
    check_no_leak,
)
from seqcast.evaluation import leaks
from seqcast.exceptions import SeqcastError

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

TINY = {"hidden_size": 3, "max_iter": 2, "random_state": 0, "n_jobs": 1}
SHORT = {**TINY, "horizon": 4, "window": 6}
EVERY_ROW = 1000  # cuts: more than there are rows
NAN = np.nan


def says(message):
    """Match exactly this message."""
    return f"^{re.escape(message)}$"


def hourly(n, columns=("load", "heat"), seed=0):
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {name: 5 + np.sin(t / 4 + k) + 0.2 * rng.normal(size=n) for k, name in enumerate(columns)}
    return pd.DataFrame(waves, pd.date_range("2024-01-01", periods=n, freq="h"))


def with_holes(frame, share=0.15, seed=1):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def with_gaps(frame, share=0.15, seed=2):
    return frame[np.random.default_rng(seed).random(len(frame)) > share]


ROWS = hourly(80)
DAMAGED = with_holes(with_gaps(hourly(95)))


# -- what knows the past only

WAYS = {
    "a column of a frame": (ROWS, None),
    "all columns": (ROWS, "all"),
    "a y that is a column": (ROWS, ROWS["load"]),
    "a y beside its covariates": (ROWS[["heat"]], ROWS["load"]),
    "two targets beside a covariate": (hourly(80, "abc")[["c"]], hourly(80, "abc")[["a", "b"]]),
    "gaps and holes": (DAMAGED, None),
    "gaps and holes beside y": (DAMAGED[["heat"]], DAMAGED["load"]),
    "series": (ROWS["load"], "all"),
    "series with gaps and holes": (DAMAGED["load"], "all"),
    "array": (ROWS.to_numpy(), "all"),
    "one column": (ROWS["load"].to_numpy(), "all"),
    "array with holes": (DAMAGED.to_numpy(), "all"),
    "arrays": (ROWS[["heat"]].to_numpy(), ROWS["load"].to_numpy()),
    "lists": (ROWS[["heat"]].to_numpy().tolist(), ROWS["load"].tolist()),
    "whole numbers": ((10 * ROWS).astype(int), None),
    "single precision": (ROWS.astype("float32"), None),
    "nullable numbers": ((10 * DAMAGED).round().astype("Int64"), None),
    "counted rows": (ROWS.reset_index(drop=True), None),
    "fractions as index": (ROWS.set_axis(np.arange(80) / 4), None),
    "periods": (ROWS.to_period("h"), None),
}


@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize("way", WAYS)
def test_the_forecaster_passes(way, horizon):
    X, y = WAYS[way]
    model = SeqForecaster(**{**SHORT, "horizon": horizon})
    if y is None:
        model.set_params(target="load")
    check_no_leak(model, X, None if isinstance(y, str) else y, n_cuts=EVERY_ROW)


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "lstm", "n_layers": 2},
        {"bidirectional": True},
        {"normalization": "none"},
        {"early_stopping": False},
        {"season_length": 24},
    ],
    ids=["lstm", "bidirectional", "not normalised", "not stopped", "season"],
)
def test_other_forecasters_pass(options):
    check_no_leak(SeqForecaster(**SHORT, **options), DAMAGED, n_cuts=EVERY_ROW)


def windows(**options):
    return WindowTransformer(6, **options).set_output(transform="pandas")


PIPELINES = {
    "windows, ridge": lambda: make_pipeline(windows(), SimpleImputer(), Ridge()),
    "windows, trees": lambda: make_pipeline(windows(), HistGradientBoostingRegressor(max_iter=2)),
    "windows, network": lambda: make_pipeline(windows(), SeqRegressor(n_channels=2, **TINY)),
    "windows, features, ridge": lambda: make_pipeline(
        windows(), SeqEncoder(n_channels=2, **TINY), StandardScaler(), Ridge()
    ),
    "older windows": lambda: make_pipeline(windows(lead=5), SimpleImputer(), Ridge()),
    "scaled windows": lambda: make_pipeline(
        StandardScaler().set_output(transform="pandas"), windows(), SimpleImputer(), Ridge()
    ),
}


@pytest.mark.parametrize("damage", [lambda frame: frame, with_gaps], ids=["whole", "gaps"])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_pipelines_of_past_windows_pass(pipeline, damage):
    rows = damage(hourly(90))
    check_no_leak(PIPELINES[pipeline](), rows, rows["load"], n_cuts=EVERY_ROW)


@pytest.mark.parametrize(
    "step",
    [
        lambda frame: frame.rolling(3, min_periods=1).mean(),
        lambda frame: frame.ffill(),
        lambda frame: frame.shift(1),
        lambda frame: frame.expanding().mean(),
    ],
    ids=["trailing mean", "forward fill", "shift", "mean of the past"],
)
def test_steps_that_look_back_pass(step):
    model = SeqForecaster(**{**SHORT, "horizon": 1})
    check_no_leak(make_pipeline(FunctionTransformer(step), model), DAMAGED, n_cuts=EVERY_ROW)


# -- what looks ahead


@pytest.mark.parametrize("horizon", [1, 4])
@pytest.mark.parametrize(
    ("step", "rows"),
    [
        (lambda frame: frame.rolling(3, center=True, min_periods=1).mean(), ROWS),
        (lambda frame: frame.bfill(), DAMAGED),
        (lambda frame: frame.interpolate(limit_direction="both"), DAMAGED),
        (lambda frame: frame.shift(-1), ROWS),
        (lambda frame: frame - frame.mean(), ROWS),
        (lambda frame: frame[::-1].cumsum()[::-1], ROWS),
    ],
    ids=["centred mean", "backward fill", "interpolation", "lead", "mean of all", "sum of the future"],
)
def test_steps_that_look_ahead_are_found(step, rows, horizon):
    model = make_pipeline(FunctionTransformer(step), SeqForecaster(**{**SHORT, "horizon": horizon}))
    with pytest.raises(LeakError):
        check_no_leak(model, rows, n_cuts=EVERY_ROW)


def test_a_centred_mean_is_found_with_the_cuts_that_are_set():
    step = FunctionTransformer(lambda frame: frame.rolling(3, center=True, min_periods=1).mean())
    with pytest.raises(LeakError):
        check_no_leak(make_pipeline(step, SeqForecaster(**{**SHORT, "horizon": 1})), ROWS)


@pytest.mark.parametrize("step", [StandardScaler(), FunctionTransformer()], ids=["changed", "as it is"])
def test_a_regressor_that_reads_its_own_row_is_found(step):
    with pytest.raises(LeakError):
        check_no_leak(make_pipeline(step, Ridge()), ROWS, ROWS["load"])


class Reader(RegressorMixin, BaseEstimator):
    """Forecasts what `read` makes of the rows; remembers what it was given."""

    seen: list

    def __init__(self, read=None):
        self.read = read

    def fit(self, X, y=None):
        Reader.seen = [(X, y)]
        self.fitted_ = True
        return self

    def predict(self, X):
        Reader.seen.append(X)
        return self.read(X)


class Rescaled(SeqForecaster):
    """Scales whatever rows it gets by their own mean and deviation."""

    def fit(self, X, y=None):
        return super().fit(self._scaled(X), y)

    def predict(self, X):
        return super().predict(self._scaled(X))

    def _scaled(self, X):
        return StandardScaler().set_output(transform="pandas").fit_transform(X)


def test_a_scaler_that_is_fitted_when_predicting_is_found():
    with pytest.raises(LeakError):
        check_no_leak(Rescaled(**SHORT), ROWS)


OWN_ROW = {
    "column": (ROWS, lambda X: X["load"]),
    "series": (ROWS["load"], lambda X: X),
    "array": (ROWS.to_numpy(), lambda X: X[:, 1]),
    "one dimension": (ROWS["load"].to_numpy(), lambda X: X),
}


@pytest.mark.parametrize("form", OWN_ROW)
@pytest.mark.parametrize("n_cuts", [1, 5, EVERY_ROW])
def test_a_forecast_that_is_the_target_of_its_own_row_is_found(form, n_cuts):
    X, read = OWN_ROW[form]
    with pytest.raises(LeakError):
        check_no_leak(Reader(read), X, n_cuts=n_cuts)


def test_the_one_leaking_row_of_all_is_found():
    def read(X):
        forecast = pd.Series(0.0, X.index)
        forecast.iloc[10] = X["load"].iloc[11]
        return forecast

    with pytest.raises(LeakError, match=re.escape(f"The forecast of row {ROWS.index[56 + 10]} moved")):
        check_no_leak(Reader(read), ROWS, n_cuts=EVERY_ROW)


# -- what the error says


def message(row, before, after, cut):
    return (
        f"The forecast of row {row} moved from {before} to {after} when the rows from {cut} on were "
        f"disturbed: it reads what it can not know. Look for a step that looks ahead, such as a centred "
        f"rolling mean, interpolation, or a column that holds the target of its own row; name columns that "
        f"are known beforehand with future_cols."
    )


def test_error_names_the_row_both_forecasts_and_the_cause():
    with pytest.raises(LeakError) as caught:  # each forecast is what comes two rows later
        check_no_leak(Reader(lambda X: X["load"].shift(-2).fillna(0)), ROWS)
    _, untouched, disturbed = Reader.seen  # at the first cut, from the first row on
    numbers = ([float(rows["load"].iloc[2])] for rows in (untouched, disturbed))
    assert str(caught.value) == message(ROWS.index[56], *numbers, ROWS.index[56])


def test_error_names_the_first_forecast_that_moved_and_where_the_disturbance_began():
    def read(X):
        return np.vstack([np.zeros((3, 2)), X[5:], np.zeros((2, 2))])  # two rows later, from the fourth on

    with pytest.raises(LeakError) as caught:
        check_no_leak(Reader(read), ROWS, n_cuts=5)
    _, untouched, _, disturbed = Reader.seen  # the second cut is at the row of number 5
    numbers = (rows.iloc[5].tolist() for rows in (untouched, disturbed))
    assert str(caught.value) == message(ROWS.index[56 + 3], *numbers, ROWS.index[56 + 5])


def test_error_counts_the_rows_of_arrays():
    with pytest.raises(LeakError, match=r"^The forecast of row 0 moved from .* when the rows from 0 on"):
        check_no_leak(Reader(lambda X: X[:, 0]), ROWS.to_numpy())


def test_error_is_an_assertion_and_a_value_error():
    with pytest.raises(AssertionError):
        check_no_leak(Reader(lambda X: X["load"]), ROWS)
    assert issubclass(LeakError, SeqcastError)
    assert issubclass(LeakError, ValueError)


def test_unknown_forecasts_that_stay_unknown_are_no_leak():
    check_no_leak(Reader(lambda X: np.full(len(X), NAN)), ROWS)
    holes = ROWS.copy()
    holes.iloc[70] = NAN
    with pytest.raises(LeakError, match=r"moved from \[nan\] to \["):
        check_no_leak(Reader(lambda X: X["load"].where(X["load"].isna(), 0)), holes, n_cuts=EVERY_ROW)


# -- what is known beforehand


def test_columns_that_are_known_beforehand_may_be_read():
    reader = Reader(lambda X: X["heat"].shift(-1).fillna(0))
    check_no_leak(reader, ROWS, future_cols=["heat"], n_cuts=EVERY_ROW)
    check_no_leak(reader, ROWS, future_cols=("load", "heat"))
    with pytest.raises(LeakError):
        check_no_leak(reader, ROWS)
    with pytest.raises(LeakError):
        check_no_leak(reader, ROWS, future_cols=["load"])


def test_columns_that_are_known_beforehand_hide_no_other_leak():
    with pytest.raises(LeakError):
        check_no_leak(Reader(lambda X: X["heat"] + X["load"]), ROWS, future_cols=["heat"])


# -- what the estimator is given


def test_the_first_rows_are_fitted_and_the_others_predicted():
    check_no_leak(Reader(lambda X: np.zeros(len(X))), hourly(101), hourly(101)["load"])
    (X, y), later, *_ = Reader.seen
    pd.testing.assert_frame_equal(X, hourly(101)[:70], check_freq=False)
    pd.testing.assert_series_equal(y, hourly(101)["load"][:70], check_freq=False)
    pd.testing.assert_frame_equal(later, hourly(101)[70:], check_freq=False)


def test_fit_gets_no_y_where_none_is_given():
    check_no_leak(Reader(lambda X: np.zeros(len(X))), ROWS)
    assert Reader.seen[0][1] is None


@pytest.mark.parametrize(
    ("n_cuts", "cuts"),
    [(1, [0]), (2, [0, 29]), (5, [0, 7, 14, 21, 29]), (30, range(30)), (EVERY_ROW, range(30))],
)
@pytest.mark.parametrize("form", [lambda rows: rows, lambda rows: rows.to_numpy(), lambda rows: rows["load"]])
def test_every_number_from_a_cut_on_is_moved_far_and_none_before(form, n_cuts, cuts):
    later = np.asarray(form(with_holes(hourly(100))[70:]))
    check_no_leak(Reader(lambda X: np.zeros(len(X))), form(with_holes(hourly(100))), n_cuts=n_cuts)
    _, untouched, *disturbed = Reader.seen
    np.testing.assert_array_equal(untouched, later)
    assert len(disturbed) == len(cuts)
    for rows, cut in zip(disturbed, cuts, strict=True):
        found = np.asarray(rows)
        np.testing.assert_array_equal(found[:cut], later[:cut])
        assert (np.abs(found[cut:] - np.nan_to_num(later[cut:])) > 1).all()


def test_only_numbers_are_disturbed():
    rows = ROWS.assign(id=["one", "two"] * 40, count=np.arange(80), when=ROWS.index)
    check_no_leak(Reader(lambda X: np.zeros(len(X))), rows, n_cuts=1)
    _, untouched, disturbed = Reader.seen
    kept = ["id", "when"]
    pd.testing.assert_frame_equal(untouched[kept], rows[kept][56:], check_freq=False)
    pd.testing.assert_frame_equal(disturbed[kept], untouched[kept])
    assert (disturbed["count"] != untouched["count"]).all()
    assert disturbed.columns.tolist() == rows.columns.tolist()


def test_estimator_and_data_stay_as_they_were():
    model, X, y = SeqForecaster(**SHORT), ROWS[["heat"]].copy(), ROWS["load"].copy()
    check_no_leak(model, X, y)
    assert not hasattr(model, "n_iter_")
    assert vars(model) == vars(SeqForecaster(**SHORT))
    pd.testing.assert_frame_equal(X, ROWS[["heat"]])
    pd.testing.assert_series_equal(y, ROWS["load"])
    array = ROWS.to_numpy().copy()
    check_no_leak(model, array)
    np.testing.assert_array_equal(array, ROWS.to_numpy())


def test_a_fitted_estimator_stays_fitted_as_it_was():
    model = SeqForecaster(**SHORT).fit(ROWS)
    before = model.forecast()
    check_no_leak(model, ROWS[["heat"]])
    pd.testing.assert_frame_equal(model.forecast(), before)


# -- words


@pytest.mark.parametrize("n_cuts", [0, -3, 2.5, True, "5", None])
def test_cuts_are_counted(n_cuts):
    text = f"The 'n_cuts' parameter of check_no_leak must be an int of at least 1. Got {n_cuts!r} instead."
    with pytest.raises(ValueError, match=says(text)):
        check_no_leak(SeqForecaster(**SHORT), ROWS, n_cuts=n_cuts)


def test_ten_rows_are_needed():
    text = (
        "The 'X' parameter of check_no_leak must have at least 10 rows. Got 9 instead. Pass as many as the "
        "estimator needs to be fitted and to forecast several blocks."
    )
    with pytest.raises(ValueError, match=says(text)):
        check_no_leak(SeqForecaster(**SHORT), ROWS[:9])
    check_no_leak(SeqForecaster(**{**SHORT, "horizon": 1, "window": 2}), ROWS[:10])


def test_errors_of_the_estimator_come_through():
    with pytest.raises(ValueError, match=r"^SeqForecaster\.fit needs at least"):
        check_no_leak(SeqForecaster(**{**SHORT, "window": 99}), ROWS)


def test_example_in_the_docstring_runs():
    found = doctest.testmod(leaks)
    assert (found.failed, found.attempted) == (0, 5)
