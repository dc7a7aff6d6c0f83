"""check_no_leak: passes for forecasts of known rows only, raises if a step reads ahead."""

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


# More cuts than there are rows.
EVERY_ROW = 1000
NAN = np.nan


def match_exactly(message):
    """Return a pattern that matches this message only."""
    return f"^{re.escape(message)}$"


def make_waves(n, columns=("load", "heat"), seed=0):
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {name: 5 + np.sin(t / 4 + k) + 0.2 * rng.normal(size=n) for k, name in enumerate(columns)}
    return pd.DataFrame(waves, pd.date_range("2024-01-01", periods=n, freq="h"))


def drop_values(frame, share=0.15, seed=1):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def drop_rows(frame, share=0.15, seed=2):
    return frame[np.random.default_rng(seed).random(len(frame)) > share]


ROWS = make_waves(80)

DAMAGED = drop_values(drop_rows(make_waves(95)))


INPUTS = {
    "a column of a frame": (ROWS, None),
    "all columns": (ROWS, "all"),
    "a y that is a column": (ROWS, ROWS["load"]),
    "a y that is not a column": (ROWS[["heat"]], ROWS["load"]),
    "two targets as y": (make_waves(80, "abc")[["c"]], make_waves(80, "abc")[["a", "b"]]),
    "gaps and missing values": (DAMAGED, None),
    "gaps and missing values with y": (DAMAGED[["heat"]], DAMAGED["load"]),
    "series": (ROWS["load"], "all"),
    "series with gaps and missing values": (DAMAGED["load"], "all"),
    "array": (ROWS.to_numpy(), "all"),
    "one column": (ROWS["load"].to_numpy(), "all"),
    "array with missing values": (DAMAGED.to_numpy(), "all"),
    "arrays": (ROWS[["heat"]].to_numpy(), ROWS["load"].to_numpy()),
    "lists": (ROWS[["heat"]].to_numpy().tolist(), ROWS["load"].tolist()),
    "integers": ((10 * ROWS).astype(int), None),
    "single precision": (ROWS.astype("float32"), None),
    "nullable numbers": ((10 * DAMAGED).round().astype("Int64"), None),
    "counted rows": (ROWS.reset_index(drop=True), None),
    "fractions as index": (ROWS.set_axis(np.arange(80) / 4), None),
    "periods": (ROWS.to_period("h"), None),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_forecaster_passes(kind):
    X, y = INPUTS[kind]
    # Inputs are read by all forecasters in the same way.
    model = LinearForecaster(4, 6)
    if y is None:
        model.set_params(target="load")
    check_no_leak(model, X, None if isinstance(y, str) else y, n_cuts=EVERY_ROW)


@pytest.mark.parametrize("horizon", [1, 4])
def test_network_passes(horizon):
    model = SeqForecaster(**{**SHORT, "horizon": horizon})
    check_no_leak(model, DAMAGED[["heat"]], DAMAGED["load"], n_cuts=EVERY_ROW)


@pytest.mark.parametrize(
    "options",
    [
        {"n_layers": 2, "bidirectional": True},
        {"normalization": "none"},
        {"early_stopping": False, "season_length": 24},
        {"normalization": "instance", "multivariate": True},
        {"loss": "quantile", "n_models": 2},
        {"lags": [4, 9], "differences": 1},
        {"target_transform": "yeo-johnson", "scaling": "robust", "half_life": 20},
        {"calendar_features": "auto"},
        {"window": 99},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_of_the_network_pass(options):
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
def test_forecaster_with_future_cols_passes(kind):
    """Columns that are known ahead change forecasts of earlier rows of the same horizon."""
    options = SHORT if kind is SeqForecaster else {"horizon": 4, "window": 6}
    model = kind(**options, target="load", future_cols="heat")
    rows = ROWS.assign(load=ROWS["load"] + ROWS["heat"])
    check_no_leak(model, rows, n_cuts=EVERY_ROW, future_cols=["heat"])
    with pytest.raises(LeakError):
        check_no_leak(model, rows, n_cuts=EVERY_ROW)


@pytest.mark.parametrize("scope", ["global", "local"])
def test_panels_pass(scope):
    """No series of a panel changes earlier forecasts of another one."""
    parts = [make_waves(60, seed=seed).reset_index(names="time").assign(id=seed) for seed in range(3)]
    rows = pd.concat(parts).sort_values(["time", "id"], ignore_index=True)
    keys = {"id_col": "id", "time_col": "time", "scope": scope}
    for model in (SeqForecaster(**SHORT, **keys), LinearForecaster(4, 6, multivariate=True, **keys)):
        check_no_leak(model, rows, n_cuts=8, future_cols=["id", "time"])


def make_windows(**options):
    return WindowTransformer(6, **options).set_output(transform="pandas")


PIPELINES = {
    "windows, ridge": lambda: make_pipeline(make_windows(), SimpleImputer(), Ridge()),
    "windows, trees": lambda: make_pipeline(
        make_windows(), HistGradientBoostingRegressor(max_iter=2, max_bins=8)
    ),
    "windows, network": lambda: make_pipeline(make_windows(), SeqRegressor(n_channels=2, **TINY)),
    "windows, features, ridge": lambda: make_pipeline(
        make_windows(), SeqEncoder(n_channels=2, **TINY), StandardScaler(), Ridge()
    ),
    "older windows": lambda: make_pipeline(make_windows(lead=5), SimpleImputer(), Ridge()),
    "scaled windows": lambda: make_pipeline(
        StandardScaler().set_output(transform="pandas"), make_windows(), SimpleImputer(), Ridge()
    ),
}


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_pipelines_with_windows_pass(pipeline):
    rows = drop_rows(make_waves(90))
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
def test_transformers_of_past_rows_pass(step):
    model = LinearForecaster(1, 6)
    check_no_leak(make_pipeline(FunctionTransformer(step), model), DAMAGED, n_cuts=EVERY_ROW)


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
def test_transformers_that_read_ahead_raise(step, rows, horizon):
    model = make_pipeline(FunctionTransformer(step), LinearForecaster(horizon, 6))
    with pytest.raises(LeakError):
        check_no_leak(model, rows, n_cuts=EVERY_ROW)


CENTRED_MEAN = FunctionTransformer(lambda frame: frame.rolling(3, center=True, min_periods=1).mean())


@pytest.mark.parametrize(("n", "horizon"), [(80, 1), (80, 4), (80, 12), (400, 24)])
def test_default_n_cuts_find_a_centred_mean(n, horizon):
    """It reads one row ahead, which changes a forecast only if it is made one row before the cut."""
    with pytest.raises(LeakError):
        check_no_leak(make_pipeline(CENTRED_MEAN, LinearForecaster(horizon, 6)), make_waves(n))


@pytest.mark.parametrize("step", [StandardScaler(), FunctionTransformer()], ids=["changed", "as it is"])
def test_regressor_that_reads_its_own_row_raises(step):
    with pytest.raises(LeakError):
        check_no_leak(make_pipeline(step, Ridge()), ROWS, ROWS["load"])


class Reader(RegressorMixin, BaseEstimator):
    """An estimator that predicts by a function of the rows, and records its arguments."""

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
    """A forecaster that scales all rows by their own mean and standard deviation."""

    def fit(self, X, y=None):
        return super().fit(self._scaled(X), y)

    def predict(self, X):
        return super().predict(self._scaled(X))

    def _scaled(self, X):
        return StandardScaler().set_output(transform="pandas").fit_transform(X)


def test_scaler_that_is_fitted_in_predict_raises():
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
def test_forecast_of_its_own_row_raises(form, n_cuts):
    X, read = OWN_ROW[form]
    with pytest.raises(LeakError):
        check_no_leak(Reader(read), X, n_cuts=n_cuts)


def test_leak_of_one_target_of_several_raises():
    with pytest.raises(LeakError, match=r"changed from \[0\.0, .*\] to \[0\.0, "):
        check_no_leak(Reader(lambda X: X.assign(load=0.0)), ROWS)


def test_leak_of_one_row_raises():
    def read(X):
        forecast = pd.Series(0.0, X.index)
        forecast.iloc[10] = X["load"].iloc[11]
        return forecast

    with pytest.raises(
        LeakError, match=re.escape(f"The forecast of row {ROWS.index[56 + 10]} must not depend on later rows")
    ):
        check_no_leak(Reader(read), ROWS, n_cuts=EVERY_ROW)


def make_message(row, before, after, cut):
    return (
        f"The forecast of row {row} must not depend on later rows. It changed from {before} to {after} when "
        f"the rows from {cut} on were perturbed. Look for a step that reads ahead, such as a centred rolling "
        f"mean, interpolation, or a column that holds the target of its own row. Name columns that are known "
        f"ahead in future_cols."
    )


def test_error_names_row_forecasts_and_cut():
    # Each forecast is the value two rows later.
    with pytest.raises(LeakError) as caught:
        check_no_leak(Reader(lambda X: X["load"].shift(-2).fillna(0)), ROWS)
    # The first cut is at the first row.
    *_, untouched, perturbed = Reader.seen
    numbers = ([float(rows["load"].iloc[2])] for rows in (untouched, perturbed))
    assert str(caught.value) == make_message(ROWS.index[56], *numbers, ROWS.index[56])


def test_error_names_the_first_forecast_that_changed():
    def read(X):
        # From the fourth row on, each forecast is the value two rows later.
        return np.vstack([np.zeros((3, 2)), X[5:], np.zeros((2, 2))])

    with pytest.raises(LeakError) as caught:
        check_no_leak(Reader(read), ROWS, n_cuts=5)
    # The second cut is at row 5.
    _, _, untouched, _, perturbed = Reader.seen
    numbers = (rows.iloc[5].tolist() for rows in (untouched, perturbed))
    assert str(caught.value) == make_message(ROWS.index[56 + 3], *numbers, ROWS.index[56 + 5])


def test_error_numbers_the_rows_of_arrays():
    with pytest.raises(LeakError, match=r"^The forecast of row 56 must .* when the rows from 56 on"):
        check_no_leak(Reader(lambda X: X[:, 0]), ROWS.to_numpy())


def test_error_is_an_assertion_error():
    with pytest.raises(AssertionError):
        check_no_leak(Reader(lambda X: X["load"]), ROWS)
    assert issubclass(LeakError, SeqcastError)
    assert issubclass(LeakError, ValueError)


def test_forecasts_may_be_nan():
    check_no_leak(Reader(lambda X: np.full(len(X), NAN)), ROWS)
    gaps = ROWS.copy()
    gaps.iloc[70] = NAN
    with pytest.raises(LeakError, match=r"changed from \[nan\] to \["):
        check_no_leak(Reader(lambda X: X["load"].where(X["load"].isna(), 0)), gaps, n_cuts=EVERY_ROW)


def test_tolerance_for_forecasts_that_are_not_reproducible():
    """Sums over threads may be computed in another order each time."""
    signs = np.random.default_rng(0)

    def add_noise(by):
        return lambda X: np.full(len(X), 7.0) * (1 + by * signs.choice([-1, 1], len(X)))

    check_no_leak(Reader(add_noise(1e-12)), ROWS)
    with pytest.raises(LeakError):
        check_no_leak(Reader(add_noise(1e-6)), ROWS)
    # Forecasts that are reproducible must not change at all.
    with pytest.raises(LeakError):
        check_no_leak(Reader(lambda X: 7 + 1e-12 * X["load"]), ROWS)


def test_future_cols_may_be_read():
    reader = Reader(lambda X: X["heat"].shift(-1).fillna(0))
    check_no_leak(reader, ROWS, future_cols=["heat"], n_cuts=EVERY_ROW)
    check_no_leak(reader, ROWS, future_cols=("load", "heat"))
    with pytest.raises(LeakError):
        check_no_leak(reader, ROWS)
    with pytest.raises(LeakError):
        check_no_leak(reader, ROWS, future_cols=["load"])


def test_future_cols_of_arrays_are_numbers():
    reader = Reader(lambda X: X[:, 1])
    check_no_leak(reader, ROWS.to_numpy(), future_cols=[1])
    with pytest.raises(LeakError):
        check_no_leak(reader, ROWS.to_numpy(), future_cols=[0])


def test_future_cols_do_not_hide_other_leaks():
    with pytest.raises(LeakError):
        check_no_leak(Reader(lambda X: X["heat"] + X["load"]), ROWS, future_cols=["heat"])


def test_first_rows_are_fitted_and_others_predicted():
    check_no_leak(Reader(lambda X: np.zeros(len(X))), make_waves(101), make_waves(101)["load"])
    (X, y), later, *_ = Reader.seen
    pd.testing.assert_frame_equal(X, make_waves(101)[:70], check_freq=False)
    pd.testing.assert_series_equal(y, make_waves(101)["load"][:70], check_freq=False)
    pd.testing.assert_frame_equal(later, make_waves(101)[70:], check_freq=False)


def test_fit_without_y_gets_no_y():
    check_no_leak(Reader(lambda X: np.zeros(len(X))), ROWS)
    assert Reader.seen[0][1] is None


@pytest.mark.parametrize(
    ("n_cuts", "cuts"),
    [(1, [0]), (2, [0, 29]), (5, [0, 7, 14, 21, 29]), (30, range(30)), (EVERY_ROW, range(30))],
)
@pytest.mark.parametrize("form", [lambda rows: rows, lambda rows: rows.to_numpy(), lambda rows: rows["load"]])
def test_all_numbers_from_a_cut_on_are_perturbed(form, n_cuts, cuts):
    later = np.asarray(form(drop_values(make_waves(100))[70:]))
    check_no_leak(Reader(lambda X: np.zeros(len(X))), form(drop_values(make_waves(100))), n_cuts=n_cuts)
    _, untouched, again, *perturbed = Reader.seen
    np.testing.assert_array_equal(untouched, later)
    np.testing.assert_array_equal(again, later)
    assert len(perturbed) == len(cuts)
    for rows, cut in zip(perturbed, cuts, strict=True):
        found = np.asarray(rows)
        np.testing.assert_array_equal(found[:cut], later[:cut])
        assert (np.abs(found[cut:] - np.nan_to_num(later[cut:])) > 1).all()


def test_default_number_of_cuts_is_50():
    check_no_leak(Reader(lambda X: np.zeros(len(X))), make_waves(1000))
    assert len(Reader.seen) == 1 + 2 + 50


def test_estimator_gets_rows_of_the_given_type():
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
def test_columns_of_every_dtype_are_perturbed(name):
    rows = ROWS.join(OTHER_KINDS)
    with pytest.raises(LeakError):
        check_no_leak(Reader(lambda X: pd.factorize(X[name], sort=True)[0]), rows)
    untouched, perturbed = Reader.seen[1][name], Reader.seen[-1][name]
    assert (untouched != perturbed).any()
    if name != "count":
        assert perturbed.dtype == rows[name].dtype
        assert set(perturbed) <= set(untouched)


@pytest.mark.parametrize("name", OTHER_KINDS)
def test_future_cols_of_every_dtype_are_not_perturbed(name):
    rows = ROWS.join(OTHER_KINDS)
    reader = Reader(lambda X: pd.factorize(X[name], sort=True)[0])
    check_no_leak(reader, rows, future_cols=[name])
    for seen in Reader.seen[1:]:
        assert (seen[name] == rows[name][56:]).all()


def test_arguments_are_not_changed():
    model, X, y = SeqForecaster(**SHORT), ROWS[["heat"]].copy(), ROWS["load"].copy()
    check_no_leak(model, X, y)
    assert not hasattr(model, "n_iter_")
    assert vars(model) == vars(SeqForecaster(**SHORT))
    pd.testing.assert_frame_equal(X, ROWS[["heat"]])
    pd.testing.assert_series_equal(y, ROWS["load"])
    array = ROWS.to_numpy().copy()
    check_no_leak(model, array)
    np.testing.assert_array_equal(array, ROWS.to_numpy())


def test_fitted_estimator_is_not_changed():
    model = SeqForecaster(**SHORT).fit(ROWS)
    before = model.forecast()
    check_no_leak(model, ROWS[["heat"]])
    pd.testing.assert_frame_equal(model.forecast(), before)


@pytest.mark.parametrize("n_cuts", [0, 2.5, True])
def test_n_cuts_must_be_a_positive_integer(n_cuts):
    text = f"The 'n_cuts' parameter of check_no_leak must be an int of at least 1. Got {n_cuts!r} instead."
    with pytest.raises(ValueError, match=match_exactly(text)):
        check_no_leak(SeqForecaster(**SHORT), ROWS, n_cuts=n_cuts)


@pytest.mark.parametrize(
    ("future_cols", "unknown"), [(["heat", "holiday"], "'holiday'"), ("ab", "'a', 'b'"), ([1], "1")]
)
def test_future_cols_must_be_columns(future_cols, unknown):
    text = (
        f"The 'future_cols' parameter of check_no_leak must name columns of X: ['load', 'heat']. Got "
        f"{unknown} as well."
    )
    with pytest.raises(ValueError, match=match_exactly(text)):
        check_no_leak(SeqForecaster(**SHORT), ROWS, future_cols=future_cols)


def test_ten_rows_are_required():
    text = (
        "The 'X' parameter of check_no_leak must have at least 10 rows. Got 9 instead. Pass enough "
        "rows to fit the estimator and to forecast several horizons."
    )
    with pytest.raises(ValueError, match=match_exactly(text)):
        check_no_leak(SeqForecaster(**SHORT), ROWS[:9])
    check_no_leak(SeqForecaster(**{**SHORT, "horizon": 1, "window": 2}), ROWS[:10])


def test_errors_of_the_estimator_are_raised():
    with pytest.raises(ValueError, match=r"^SeqForecaster\.fit needs at least"):
        check_no_leak(SeqForecaster(**{**SHORT, "window": 99}, short_series="error"), ROWS)


def test_docstring_examples_run():
    found = doctest.testmod(leaks)
    assert (found.failed, found.attempted) == (0, 5)
