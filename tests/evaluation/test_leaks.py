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
    LinearForecaster,
    NaiveForecaster,
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
SHORT = {**TINY, "horizon": 4, "window": 6, "naive_fallback": False}
EVERY_ROW = 1000  # cuts: more than there are rows
CENTRED = FunctionTransformer(lambda frame: frame.rolling(3, center=True, min_periods=1).mean())
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
        {"normalization": "instance", "multivariate": True},
        {"loss": "quantile", "n_models": 2},
        {"lags": [4, 9], "differences": 1},
        {"target_transform": "yeo-johnson", "scaling": "robust", "half_life": 20},
        {"calendar_features": "auto"},
        {"window": 99},
    ],
    ids=lambda options: next(iter(options)),
)
def test_other_forecasters_pass(options):
    check_no_leak(SeqForecaster(**{**SHORT, **options}), DAMAGED, n_cuts=EVERY_ROW)


@pytest.mark.parametrize(
    "model",
    [
        LinearForecaster(4, 6),
        LinearForecaster(4, 6, normalization="auto", multivariate=True),
        LinearForecaster(4, 6, lags=[4, 9], differences=[1, 3]),
        NaiveForecaster(4, season_length=5),
    ],
    ids=["linear", "auto", "lags", "naive"],
)
def test_baselines_pass(model):
    for rows in (ROWS, DAMAGED):
        check_no_leak(model, rows, n_cuts=EVERY_ROW)


@pytest.mark.parametrize("kind", [SeqForecaster, LinearForecaster])
def test_only_what_is_named_as_known_ahead_may_move_forecasts(kind):
    """It moves those of the rows before it in their block."""
    options = SHORT if kind is SeqForecaster else {"horizon": 4, "window": 6}
    model = kind(**options, target="load", future_cols="heat")
    rows = ROWS.assign(load=ROWS["load"] + ROWS["heat"])
    check_no_leak(model, rows, n_cuts=EVERY_ROW, future_cols=["heat"])
    with pytest.raises(LeakError):
        check_no_leak(model, rows, n_cuts=EVERY_ROW)


@pytest.mark.parametrize("scope", ["global", "local"])
def test_forecasters_of_several_series_pass(scope):
    """No series of a panel informs what another one is forecast to be before."""
    parts = [hourly(60, seed=seed).reset_index(names="time").assign(id=seed) for seed in range(3)]
    rows = pd.concat(parts).sort_values(["time", "id"], ignore_index=True)
    keys = {"id_col": "id", "time_col": "time", "scope": scope}
    for model in (SeqForecaster(**SHORT, **keys), LinearForecaster(4, 6, multivariate=True, **keys)):
        check_no_leak(model, rows, n_cuts=30, future_cols=["id", "time"])


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


@pytest.mark.parametrize(("n", "horizon"), [(80, 1), (80, 4), (80, 12), (400, 24)])
def test_a_centred_mean_is_found_with_the_cuts_that_are_set(n, horizon):
    """It reads one row ahead, which only a forecast made just before a cut gives away."""
    with pytest.raises(LeakError):
        check_no_leak(make_pipeline(CENTRED, SeqForecaster(**{**SHORT, "horizon": horizon})), hourly(n))


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


def test_the_one_leaking_target_of_several_is_found():
    with pytest.raises(LeakError, match=r"moved from \[0\.0, .*\] to \[0\.0, "):
        check_no_leak(Reader(lambda X: X.assign(load=0.0)), ROWS)


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
    *_, untouched, disturbed = Reader.seen  # at the first cut, from the first row on
    numbers = ([float(rows["load"].iloc[2])] for rows in (untouched, disturbed))
    assert str(caught.value) == message(ROWS.index[56], *numbers, ROWS.index[56])


def test_error_names_the_first_forecast_that_moved_and_where_the_disturbance_began():
    def read(X):
        return np.vstack([np.zeros((3, 2)), X[5:], np.zeros((2, 2))])  # two rows later, from the fourth on

    with pytest.raises(LeakError) as caught:
        check_no_leak(Reader(read), ROWS, n_cuts=5)
    _, _, untouched, _, disturbed = Reader.seen  # the second cut is at the row of number 5
    numbers = (rows.iloc[5].tolist() for rows in (untouched, disturbed))
    assert str(caught.value) == message(ROWS.index[56 + 3], *numbers, ROWS.index[56 + 5])


def test_error_counts_the_rows_of_arrays():
    with pytest.raises(LeakError, match=r"^The forecast of row 56 moved from .* when the rows from 56 on"):
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


def test_forecasts_that_differ_by_themselves_may_move_by_a_billionth():
    """Sums over threads may come in another order each time."""
    signs = np.random.default_rng(0)

    def shaken(by):
        return lambda X: np.full(len(X), 7.0) * (1 + by * signs.choice([-1, 1], len(X)))

    check_no_leak(Reader(shaken(1e-12)), ROWS)
    with pytest.raises(LeakError):
        check_no_leak(Reader(shaken(1e-6)), ROWS)
    with pytest.raises(LeakError):  # a forecast that is steady may not move at all
        check_no_leak(Reader(lambda X: 7 + 1e-12 * X["load"]), ROWS)


# -- what is known beforehand


def test_columns_that_are_known_beforehand_may_be_read():
    reader = Reader(lambda X: X["heat"].shift(-1).fillna(0))
    check_no_leak(reader, ROWS, future_cols=["heat"], n_cuts=EVERY_ROW)
    check_no_leak(reader, ROWS, future_cols=("load", "heat"))
    with pytest.raises(LeakError):
        check_no_leak(reader, ROWS)
    with pytest.raises(LeakError):
        check_no_leak(reader, ROWS, future_cols=["load"])


def test_columns_of_arrays_are_named_by_their_numbers():
    reader = Reader(lambda X: X[:, 1])
    check_no_leak(reader, ROWS.to_numpy(), future_cols=[1])
    with pytest.raises(LeakError):
        check_no_leak(reader, ROWS.to_numpy(), future_cols=[0])


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
    _, untouched, again, *disturbed = Reader.seen
    np.testing.assert_array_equal(untouched, later)
    np.testing.assert_array_equal(again, later)
    assert len(disturbed) == len(cuts)
    for rows, cut in zip(disturbed, cuts, strict=True):
        found = np.asarray(rows)
        np.testing.assert_array_equal(found[:cut], later[:cut])
        assert (np.abs(found[cut:] - np.nan_to_num(later[cut:])) > 1).all()


def test_fifty_cuts_are_made_where_nothing_is_said():
    check_no_leak(Reader(lambda X: np.zeros(len(X))), hourly(1000))
    assert len(Reader.seen) == 1 + 2 + 50


def test_the_estimator_gets_what_came():
    for X in (ROWS, ROWS["load"], ROWS["load"].rename(None), ROWS.to_numpy(), ROWS["load"].to_numpy()):
        check_no_leak(Reader(lambda X: np.zeros(len(X))), X)
        for rows in (Reader.seen[0][0], *Reader.seen[1:]):
            assert type(rows) is type(X)
            assert rows.shape[1:] == X.shape[1:]
            assert getattr(rows, "name", None) == getattr(X, "name", None)
            assert list(getattr(rows, "columns", ())) == list(getattr(X, "columns", ()))


OTHER_KINDS = pd.DataFrame(
    {
        "count": np.arange(80),
        "word": ["one", "two", "three", "four"] * 20,
        "truth": np.arange(80) % 2 == 0,
        "when": pd.date_range("2020", periods=80),
        "kind": pd.Categorical(["x", "y"] * 40),
    },
    ROWS.index,
)


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_columns_of_every_kind_are_disturbed(name):
    rows = ROWS.join(OTHER_KINDS)
    with pytest.raises(LeakError):
        check_no_leak(Reader(lambda X: pd.factorize(X[name], sort=True)[0]), rows)
    untouched, disturbed = Reader.seen[1][name], Reader.seen[-1][name]
    assert (untouched != disturbed).any()
    if name != "count":
        assert disturbed.dtype == rows[name].dtype
        assert set(disturbed) <= set(untouched)


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_columns_of_every_kind_stay_where_they_are_known_beforehand(name):
    rows = ROWS.join(OTHER_KINDS)
    reader = Reader(lambda X: pd.factorize(X[name], sort=True)[0])
    check_no_leak(reader, rows, future_cols=[name])
    for seen in Reader.seen[1:]:
        assert (seen[name] == rows[name][56:]).all()


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


@pytest.mark.parametrize(
    ("future_cols", "unknown"), [(["heat", "holiday"], "'holiday'"), ("ab", "'a', 'b'"), ([1], "1")]
)
def test_columns_that_are_known_beforehand_must_be_columns(future_cols, unknown):
    text = (
        f"The 'future_cols' parameter of check_no_leak must name columns of X: ['load', 'heat']. Got "
        f"{unknown} as well."
    )
    with pytest.raises(ValueError, match=says(text)):
        check_no_leak(SeqForecaster(**SHORT), ROWS, future_cols=future_cols)


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
        check_no_leak(SeqForecaster(**{**SHORT, "window": 99}, short_series="error"), ROWS)


def test_example_in_the_docstring_runs():
    found = doctest.testmod(leaks)
    assert (found.failed, found.attempted) == (0, 5)
