"""Exact derivatives of forecasts, against central differences of `forecast`."""

import copy
import doctest
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fitted_parts import linear_map_of, model_of, recurrent_of, replace_model
from sklearn.exceptions import NotFittedError

from seqcast import LinearForecaster, SeqForecaster
from seqcast.cells import find_cell
from seqcast.data.transforms import KINDS, Transform
from seqcast.estimators.base_forecaster import BaseForecaster
from seqcast.forecasting.parts import linear as linear_part
from seqcast.forecasting.sensitivity import _differentiate_transform
from seqcast.forecasting.window_scaling import WindowScaling
from seqcast.kernels.architecture import compose
from seqcast.kernels.batch_plan import Window
from seqcast.kernels.samples import sample_table
from seqcast.learning import slopes as module
from seqcast.learning.network import Network
from seqcast.learning.samples import SampleSource
from seqcast.learning.slopes import window_slopes

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

SHORT = {"horizon": 3, "window": 6, "season_length": 4}
TINY = {
    "hidden_size": 3,
    "max_iter": 2,
    "random_state": 0,
    "n_jobs": 1,
    "dtype": "float64",
    "naive_fallback": False,
}
TRAINING, KNOWN = 120, 27  # rows; those known later are more than any forecast here reads


def hourly(n, columns="abc", seed=0):
    """Return waves with noise, all above 0."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {
        name: (k + 1) * (5 + np.sin(2 * np.pi * t / 12 + k) + 0.3 * rng.normal(size=n))
        for k, name in enumerate(columns)
    }
    return pd.DataFrame(waves, pd.date_range("2024-01-01", periods=n, freq="h", name="time"))


def with_holes(frame, share, seed=3):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def rows_of(damaged=False):
    """Return training rows, later rows and future rows."""
    rows = hourly(TRAINING + KNOWN + 3)
    train, known, later = rows[:TRAINING], rows[TRAINING : TRAINING + KNOWN], rows[TRAINING + KNOWN :]
    return (with_holes(train, 0.02), with_holes(known, 0.15), later) if damaged else (train, known, later)


def make_linear(**options):
    return LinearForecaster(**{**SHORT, "target": ["a", "b"], **options})


def make_network(**options):
    return SeqForecaster(**{**SHORT, **TINY, "target": ["a", "b"], **options})


both = pytest.mark.parametrize("make", [make_linear, make_network], ids=["linear", "network"])


def forecast(model, X, future):
    """Return a forecast as one vector, one target after the other."""
    moved = copy.copy(model).update(X).forecast(X_future=future)
    return moved[model.target_names_].to_numpy().T.ravel()


def by_differences(model, X, future, like, step=1e-5):
    """Return central differences for each value, NaN where it is missing."""
    columns = {}
    for name, lag in like.columns:
        rows = X if lag > 0 else future
        at = (len(X) - lag if lag > 0 else -lag), rows.columns.get_loc(name)
        found = []
        for moved_by in (step, -step):
            moved = rows.copy()
            moved.iloc[at] += moved_by
            found.append(forecast(model, *((moved, future) if lag > 0 else (X, moved))))
        slopes = (found[0] - found[1]) / (2 * step)
        columns[name, lag] = np.full_like(slopes, np.nan) if np.isnan(rows.iloc[at]) else slopes
    return pd.DataFrame(columns, like.index)


def check(model, X, future=None):
    found = model.sensitivity(X, X_future=future)
    expected = by_differences(model, X, future, found)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-5, atol=1e-8)
    assert np.nanmax(np.abs(found)) > 0.01
    return found


# -- every treatment

TREATMENTS = {
    "default": {},
    "multivariate": {"multivariate": True},
    "as they are": {"normalization": "none", "scaling": "none"},
    "divided by deviations": {"normalization": "instance"},
    "divided by those of all targets": {"normalization": "instance", "multivariate": True},
    "chosen": {"normalization": "auto", "scaling": "robust"},
    "log": {"target_transform": "log"},
    "box-cox": {"target_transform": "box-cox"},
    "changes": {"differences": 1},
    "changes of changes": {"differences": [1, 4], "multivariate": True},
    "lags": {"lags": [5, 9]},
    "known ahead": {"future_cols": "c"},
    "all together": {
        "differences": 2,
        "lags": 4,
        "future_cols": "c",
        "target_transform": "yeo-johnson",
        "calendar_features": "auto",
    },
}


@both
@pytest.mark.parametrize("damaged", [False, True], ids=["whole", "holes"])
@pytest.mark.parametrize("treatment", TREATMENTS.values(), ids=TREATMENTS)
def test_derivatives_are_central_differences(make, damaged, treatment):
    train, known, later = rows_of(damaged)
    model = make(**treatment).fit(train)
    found = check(model, known, later[["c"]] if "future_cols" in treatment else None)
    assert found.isna().to_numpy().any() == damaged


@both
@pytest.mark.parametrize("covariates", ["relative", "absolute", "none"])
@pytest.mark.parametrize("normalization", ["last", "none", "instance"])
def test_derivatives_of_every_window_scaling(make, normalization, covariates, monkeypatch):
    only = WindowScaling(normalization, covariates)
    monkeypatch.setattr(linear_part, "_list_scalings", lambda examples, normalization: [only])
    train, known, _ = rows_of(damaged=True)
    found = check(make(multivariate=True, lags=5, normalization=normalization).fit(train), known)
    assert (found["c"].fillna(0) == 0).all(axis=None) == (covariates == "none")


@both
def test_derivatives_of_almost_constant_windows(make):
    train, known, _ = rows_of()
    known = known.copy()
    known.iloc[-10:, :2] = known.iloc[-10, :2].to_numpy() + 0.01 * known.iloc[-10:, :2]
    check(make(normalization="instance").fit(train), known)


NETWORKS = {
    "rnn": {"cell": "rnn"},
    "lstm": {"cell": "lstm"},
    "gru_reset_before": {"cell": "gru_reset_before"},
    "two layers": {"n_layers": 2},
    "both directions": {"bidirectional": True, "n_layers": 2, "cell": "lstm"},
    "segments": {"segment": 2},
    "segments that do not fill the window": {"segment": 4, "future_cols": "c"},
    "several": {"n_models": 2},
    "quantiles": {"loss": "quantile"},
    "a distribution": {"loss": "student_t", "multivariate": True},
}


@pytest.mark.parametrize("linear", [False, True], ids=["alone", "with the linear map"])
@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS)
def test_derivatives_of_every_network_are_central_differences(linear, options):
    train, known, later = rows_of(damaged=True)
    model = make_network(**options, linear=linear).fit(train)
    check(model, known, later[["c"]] if "future_cols" in options else None)


def counts():
    return np.floor(hourly(TRAINING + KNOWN)) % 7


@pytest.mark.parametrize("intervals", ["auto", "conformal"])
def test_derivatives_of_counts_are_those_of_the_mean(intervals):
    rows = counts()
    options = {
        "loss": "negative_binomial",
        "normalization": "none",
        "scaling": "none",
        "intervals": intervals,
    }
    check(make_network(**options).fit(rows[:TRAINING]), rows[TRAINING:])


def test_a_mean_at_its_minimum_has_no_sensitivity():
    rows = counts()
    options = {"loss": "negative_binomial", "normalization": "none", "scaling": "none"}
    model = make_network(**options).fit(rows[:TRAINING])
    linear_map_of(model).intercept[:] = -100.0
    assert (model.forecast().to_numpy() <= 1e-6).all()
    assert (model.sensitivity() == 0).all(axis=None)


def test_single_precision_is_close():
    train, known, _ = rows_of()
    model = make_network(n_layers=2, bidirectional=True).fit(train)
    single = copy.copy(model)
    recurrent = recurrent_of(model)
    (member,) = recurrent.members
    network = Network(member.network.architecture, "float32")
    network.flat[:] = member.network.flat
    recurrent = replace(recurrent, members=(replace(member, network=network),))
    replace_model(single, parts=model_of(model).parts | {"recurrent": recurrent})
    found, expected = single.sensitivity(known), model.sensitivity(known)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found.to_numpy() != expected.to_numpy()).any()


# -- what must hold exactly


@both
def test_a_shift_of_all_values_shifts_the_forecast(make):
    train, _, _ = rows_of()
    found = make(multivariate=True, target=["a", "b", "c"]).fit(train).sensitivity()
    sums = found.T.groupby(level="column").sum().T
    np.testing.assert_allclose(sums, np.repeat(np.eye(3), 3, axis=0), atol=1e-9)


@both
def test_univariate_targets_depend_on_their_own_past_only(make):
    found = make(lags=[4], normalization="none").fit(rows_of()[0]).sensitivity()
    assert (found.loc["a", "b"] == 0).all(axis=None)
    assert (found.loc["b", "a"] == 0).all(axis=None)
    assert (found.loc["a", "a"] != 0).any(axis=None)


@pytest.mark.parametrize(("name", "lags"), [("naive", [1, 1, 1]), ("seasonal_naive", [4, 3, 2])])
def test_a_naive_forecast_depends_on_the_value_that_it_repeats(name, lags):
    model = make_network().fit(rows_of()[0])
    replace_model(model, weights={name: 1.0})
    found = model.sensitivity()
    expected = pd.DataFrame(0.0, found.index, found.columns)
    for lead, lag in enumerate(lags, start=1):
        expected.loc[("a", lead), ("a", lag)] = expected.loc[("b", lead), ("b", lag)] = 1.0
    pd.testing.assert_frame_equal(found, expected, rtol=1e-12)


def test_a_naive_forecast_skips_missing_values():
    train = rows_of()[0].copy()
    train.iloc[-2:, 0] = np.nan
    model = make_network(target_transform="log").fit(train)
    replace_model(model, weights={"naive": 1.0})
    found = model.sensitivity().loc["a", "a"]
    assert found[[1, 2]].isna().all(axis=None)
    np.testing.assert_allclose(found[3], 1, rtol=1e-12)


@both
@pytest.mark.parametrize("differences", [None, [1, 4]])
def test_a_target_without_recent_values_has_no_sensitivity(make, differences):
    train, known, _ = rows_of()
    model = make(multivariate=True, differences=differences).fit(train)
    found = model.sensitivity(known.assign(a=np.nan))
    assert found["a"].isna().all(axis=None)
    assert (found.loc["a", ["b", "c"]] == 0).all(axis=None)  # the last value that was seen, long ago


@both
def test_a_constant_target_does_not_depend_on_anything(make):
    train = rows_of()[0].assign(a=2.0)
    with pytest.warns(UserWarning, match="constant"):
        model = make(target_transform="log").fit(train)
    found = model.sensitivity()
    assert (found.loc["a"] == 0).all(axis=None)
    assert (found.loc["b"] != 0).any(axis=None)


@both
def test_a_value_that_is_clipped_has_no_influence(make):
    train, known, _ = rows_of()
    known = known.copy()
    known.iloc[-3, 2] = 1e12
    assert (make(multivariate=True).fit(train).sensitivity(known)["c", 3] == 0).all()


def test_a_forecast_that_is_clipped_does_not_change():
    train, known, _ = rows_of()
    model, known = make_linear(target_transform="log").fit(train), known.copy()
    known["a"] = np.exp(np.linspace(0, 300, KNOWN))
    found = model.sensitivity(known)
    assert (found.loc["a"] == 0).all(axis=None)
    assert (found.loc["b"] != 0).any(axis=None)


def test_values_outside_a_transform_count_as_missing():
    train, known, _ = rows_of()
    known = known.copy()
    known.iloc[-2, 0] = 0.0
    found = make_linear(target_transform="log").fit(train).sensitivity(known)
    assert found["a", 2].isna().all()
    assert found.drop(columns=[("a", 2)]).notna().all(axis=None)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_transforms_are_central_differences(kind):
    rng, step = np.random.default_rng(0), 1e-6
    values = np.exp(rng.normal(size=(50, 2))) * (rng.choice([-1, 1], (50, 2)) if kind == "yeo-johnson" else 1)
    transform = Transform.fit(values, kind, ["a", "b"], "test")
    expected = (transform.transform(values + step) - transform.transform(values - step)) / (2 * step)
    np.testing.assert_allclose(_differentiate_transform(transform, values), expected, rtol=1e-6)


# -- what comes back


def test_rows_are_targets_and_leads_and_columns_are_lags():
    train, later, _ = rows_of()
    model = make_linear(window=2, season_length=1, future_cols="c").fit(train)
    found = model.sensitivity(X_future=later[["c"]][:3])
    assert list(found.index) == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]
    assert list(found.index.names) == ["target", "lead"]
    past, ahead = [2, 1], [2, 1, 0, -1, -2]
    assert list(found.columns) == [
        *(("a", k) for k in past),
        *(("b", k) for k in past),
        *(("c", k) for k in ahead),
    ]
    assert list(found.columns.names) == ["column", "lag"]


@both
def test_without_rows_sensitivity_is_of_the_next_forecast(make):
    train, known, _ = rows_of(damaged=True)
    model = make().fit(train)
    before = model.forecast()
    later = model.sensitivity(known)
    pd.testing.assert_frame_equal(model.forecast(), before)
    pd.testing.assert_frame_equal(copy.copy(model).update(known).sensitivity(), later)
    assert not model.sensitivity().equals(later)


def test_a_series_has_one_column():
    found = LinearForecaster(**SHORT).fit(hourly(TRAINING)["a"]).sensitivity()
    assert list(found.columns) == [("a", lag) for lag in range(6, 0, -1)]


def test_a_target_beside_its_covariates_has_a_past_too():
    train, known, _ = rows_of()
    one = LinearForecaster(**SHORT, target="a").fit(train[["a", "c"]]).sensitivity(known[["a", "c"]])
    model = LinearForecaster(**SHORT).fit(train[["c"]], train["a"])
    pd.testing.assert_frame_equal(model.sensitivity(known[["c"]], known["a"]), one)


@both
def test_lags_before_the_first_row_and_in_gaps_are_missing(make):
    rows = hourly(40)
    rows = rows.drop(rows.index[-3])
    model = make(window=30, horizon=2, season_length=1).fit(rows.iloc[:25])
    model = copy.copy(model).update(rows.iloc[25:26])
    assert model.sensitivity()["a"].isna().any().pipe(lambda lags: list(lags.index[lags])) == [30, 29, 28, 27]
    assert make().fit(rows).sensitivity()["a"].isna().all().pipe(lambda lags: list(lags.index[lags])) == [3]


def test_categories_have_the_columns_that_they_are_read_as():
    train = rows_of()[0]
    train["c"] = np.where(train["c"] > train["c"].median(), "high", "low")
    found = make_linear(future_cols="c").fit(train).sensitivity(X_future=train[["c"]].tail(3).shift(3, "h"))
    assert list(found.columns.get_level_values("column").unique()) == ["a", "b", "c=high", "c=low"]
    assert (found.loc[:, ["c=high", "c=low"]] != 0).any(axis=None)


# -- several series


def panel(n=TRAINING + KNOWN):
    parts = {"x": hourly(n, seed=1), "y": 2 * hourly(n, seed=2), "z": hourly(n, seed=3) + 9}
    return pd.concat([part.reset_index().assign(id=name) for name, part in parts.items()])


LONG = {"id_col": "id", "time_col": "time"}


def split(rows):
    border = rows["time"].unique()[TRAINING]
    return rows[rows["time"] < border], rows[rows["time"] >= border]


def by_differences_of(model, known, id_, like):
    """Return central differences of one series."""
    own, columns = known["id"] == id_, {}
    for name, lag in like.columns:
        found = []
        for moved_by in (1e-5, -1e-5):
            moved = known.copy()
            moved.loc[own & (known["time"] == known.loc[own, "time"].iloc[-lag]), name] += moved_by
            forecasts = copy.copy(model).update(moved).forecast()
            found.append(forecasts.loc[forecasts["id"] == id_, ["a", "b"]].to_numpy().T.ravel())
        columns[name, lag] = (found[0] - found[1]) / 2e-5
    return pd.DataFrame(columns, like.index)


@both
@pytest.mark.parametrize("scope", ["global", "local"])
def test_long_frames_have_the_sensitivity_of_each_series(make, scope):
    train, known = split(panel())
    model = make(**LONG, scope=scope, target_transform="log", differences=1).fit(train)
    found = model.sensitivity(known)
    assert list(found.index.names) == ["id", "target", "lead"]
    assert list(found.index.get_level_values("id").unique()) == ["x", "y", "z"]
    expected = by_differences_of(model, known, "y", found.loc["y"])
    np.testing.assert_allclose(found.loc["y"], expected, rtol=1e-5, atol=1e-8)
    pd.testing.assert_frame_equal(model.sensitivity(known, ids=["z", "x"]), found.loc[["z", "x"]])


def test_a_static_column_has_one_derivative():
    train, _ = split(panel().assign(size=lambda rows: rows["id"].map({"x": 0, "y": 1, "z": 2})))
    model = make_network(**LONG, static_cols="size").fit(train)
    found, forecasts = model.sensitivity(ids=["y"]), []
    for moved_by in (1e-5, -1e-5):
        moved = copy.deepcopy(model)
        moved.fitted_.series["y"].tail[:, -1] += moved_by
        forecasts.append(moved.forecast().query("id == 'y'")[["a", "b"]].to_numpy().T.ravel())
    np.testing.assert_allclose(found["size", 1], (forecasts[0] - forecasts[1]) / 2e-5, rtol=1e-5)
    assert list(found["size"].columns) == [1]
    assert (found["size", 1] != 0).all()


# -- errors


def test_sensitivity_needs_a_fitted_forecaster():
    with pytest.raises(NotFittedError):
        make_linear().sensitivity()


@pytest.mark.parametrize(("ids", "got"), [(["x", "w"], "'w'"), ([], "none")])
def test_other_series_are_refused(ids, got):
    model = make_linear(**LONG).fit(split(panel())[0])
    message = (
        f"The 'ids' parameter of LinearForecaster.sensitivity must hold series that are known. Got {got} "
        f"instead. Leave it out for all series."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.sensitivity(ids=ids)


def test_known_rows_are_skipped_and_changes_of_them_refused():
    train, _, _ = rows_of()
    model = make_linear().fit(train)
    pd.testing.assert_frame_equal(model.sensitivity(train), model.sensitivity(), check_exact=True)
    with pytest.raises(ValueError, match=r"LinearForecaster\.sensitivity that are known, up to"):
        model.sensitivity(train + 1)


def test_future_values_are_needed_where_they_are_read():
    model = make_linear(future_cols="c").fit(rows_of()[0])
    with pytest.raises(ValueError, match="'X_future'"):
        model.sensitivity()


def test_the_example_is_true():
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for example in finder.find(BaseForecaster.sensitivity, "sensitivity", globs={}):
        runner.run(example)
    assert runner.tries > 0
    assert runner.failures == 0


# -- the network's part

READINGS = {
    "as they are": {},
    "last": {"normalize": True},
    "last of some": {"normalize": True, "n_normalized": 2},
    "deviation": {"scale": "deviation"},
    "both": {"normalize": True, "scale": "deviation", "n_normalized": 2, "masked": True, "segment": 2},
    "mean": {"scale": "mean", "masked": True},
    "mean of some": {"normalize": True, "scale": "mean", "n_normalized": 2},
}


def make_windows(reading, hidden=3, horizon=2, dtype="float64"):
    """Return windows with gaps, an almost constant column and an empty one, and a network that reads them."""
    rng, window = np.random.default_rng(1), Window(4, 3, 2, **reading)
    values = 2 + 3 * rng.normal(size=(40, 3))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[:8, 1] = 7.5 + 0.01 * values[:8, 1]
    values[12:20, 0] = np.nan
    architecture = compose(
        find_cell("gru"), window.input_size, hidden, 2, bidirectional=True, n_outputs=2 * horizon
    )
    network = Network(architecture, dtype)
    network.initialize(np.random.RandomState(0))
    return network, SampleSource(values.astype(dtype), np.empty((0, 2), dtype), window)


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_derivatives_of_a_network_are_central_differences(reading):
    network, windows = make_windows(reading)
    starts, step, size = np.array([0, 12, 31, 3]), 1e-6, 4 * windows.window.segment
    rows = sample_table(starts, np.full(4, 4), np.zeros(4, np.int64))
    found = window_slopes(network, windows, starts, 1)
    expected, seen = np.zeros_like(found), ~np.isnan(windows.values)
    for row, column in np.argwhere(seen):
        forecasts = []
        for moved_by in (step, -step):
            moved = SampleSource(windows.values.copy(), windows.targets, windows.window)
            moved.values[row, column] += moved_by
            forecasts.append(network.predict(moved, rows, 1))
        for k in np.flatnonzero((starts <= row) & (row < starts + size)):
            expected[k, :, row - starts[k], column] = (forecasts[0][k] - forecasts[1][k]) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)


def test_derivatives_do_not_depend_on_the_workspace_size(monkeypatch):
    network, windows = make_windows(READINGS["both"], horizon=20)
    starts = np.arange(5)
    expected = window_slopes(network, windows, starts, 1)
    monkeypatch.setattr(module, "WORK_NUMBERS", 1)
    np.testing.assert_array_equal(window_slopes(network, windows, starts, 2), expected)
