"""Forecasts of targets that are columns of X, or that are given in y."""

import re

import naive
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

from seqcast import SeqForecaster
from seqcast.forecasting.rolling import compare_rows

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

SHORT = {"hidden_size": 4, "max_iter": 2, "random_state": 0, "horizon": 4, "window": 6, "n_jobs": 1}
NAN = np.nan


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


def hours(n):
    return pd.date_range("2024-01-01", periods=n, freq="h", name="time")


def covariates(n, seed=0):
    """Return two covariates: a wave with an offset, and noise."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    return pd.DataFrame({"heat": 20 + np.cos(t / 4), "wind": rng.normal(size=n)}, hours(n))


def loads(n, names=("load",), seed=1):
    """Return positive daily waves with noise, each with its own offset."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    waves = {
        name: 5 * (k + 1) + np.sin(2 * np.pi * t / 24 + k) + 0.2 * rng.normal(size=n)
        for k, name in enumerate(names)
    }
    return pd.DataFrame(waves, hours(n))


def with_holes(frame, share=0.15, seed=2):
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def with_gaps(frame, share=0.15, seed=3):
    return frame[np.random.default_rng(seed).random(len(frame)) > share]


def assert_same_bits(one, other):
    np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_same_weights(one, other):
    assert one.weights_.keys() == other.weights_.keys()
    for name, weight in one.weights_.items():
        np.testing.assert_array_equal(weight, other.weights_[name], err_msg=name)


# -- forecasts where y is no column of X: blocks of the same network, each from the forecasts before it


def block_by_block(model, train_end, X, names):
    """Return forecasts of each row of `X` by a model of both, given the forecasts of earlier blocks."""
    grid = pd.date_range(train_end, X.index[-1], freq="h", name="time")[1:]
    rows = pd.DataFrame(NAN, grid, names).join(X)
    for first in range(0, len(grid), model.horizon_):
        block = model.predict(rows)[names][first : first + model.horizon_]
        rows.loc[block.index, names] = block
    return rows.loc[X.index, names]


@pytest.mark.parametrize("n_later", [3, 4, 17])
@pytest.mark.parametrize("names", [["load"], ["load", "price"]], ids=["one target", "two targets"])
@pytest.mark.parametrize("damage", [lambda frame: frame, with_holes, with_gaps])
def test_later_blocks_read_the_forecasts_of_earlier_ones(damage, names, n_later):
    X, y = covariates(60 + n_later), loads(60 + n_later, names)
    train = damage(y[:60].join(X[:60]))
    later = damage(X[60:])
    apart = SeqForecaster(**SHORT).fit(train[["heat", "wind"]], train[names])
    joined = SeqForecaster(**SHORT, target=names).fit(train)
    assert_same_weights(apart, joined)
    assert (apart.target_names_, apart.covariate_names_) == (names, ["heat", "wind"])
    expected = block_by_block(joined, train.index[-1], later, names)
    pd.testing.assert_frame_equal(apart.predict(later), expected, check_exact=True, check_freq=False)
    pd.testing.assert_frame_equal(apart.forecast(7), joined.forecast(7), check_exact=True)


@pytest.fixture(scope="module")
def data():
    """Return covariates and target of 84 hours."""
    return covariates(84), loads(84)["load"]


@pytest.fixture(scope="module")
def model(data):
    """Return a forecaster fitted on the first 60 hours."""
    return SeqForecaster(**SHORT).fit(data[0][:60], data[1][:60])


def test_predict_does_not_read_the_target(model, data):
    X, y = data
    expected = model.predict(X[60:])
    assert_same_bits(model.predict(X[60:].assign(load=y[60:])), expected)
    assert_same_bits(model.predict(X[60:].assign(load=-y[60:])[["wind", "load", "heat"]]), expected)


def test_scoring_does_not_read_the_target_for_its_forecasts(model, data):
    X, y = data
    truth, one, naive_one, _ = compare_rows(model.fitted_, X[60:], y[60:], "score")
    other_truth, other, naive_other, _ = compare_rows(model.fitted_, X[60:], -y[60:], "score")
    assert_same_bits(one, other)
    assert_same_bits(naive_one, naive_other)
    assert_same_bits(truth, -other_truth)


@pytest.mark.parametrize("row", [0, 3, 4, 10, 23])
def test_covariates_of_a_row_affect_later_blocks_only(model, data, row):
    X = data[0][60:]
    changed = X.copy()
    changed.iloc[row] += 5
    begin = 4 * (row // 4 + 1)  # of the block after the row's own
    before, after = model.predict(X), model.predict(changed)
    assert_same_bits(after[:begin], before[:begin])
    assert (after[begin : begin + 4] != before[begin : begin + 4]).all()


def test_the_first_block_is_the_forecast(model, data):
    assert_same_bits(model.predict(data[0][60:])[:4], model.forecast()["load"])
    assert isinstance(model.forecast(), pd.DataFrame)


def test_missing_covariates_give_finite_forecasts(model, data):
    later = data[0][60:].copy()
    later[:] = NAN
    assert np.isfinite(model.predict(later)).all()


# -- in which form, with which index


COVARIATES = {
    "frame": covariates(66),
    "series": covariates(66)["heat"],
    "array": covariates(66).to_numpy(),
}
TARGETS = {
    "frame": loads(66),
    "frame of two": loads(66, ["load", "price"]),
    "series": loads(66)["load"],
    "(n,)": loads(66)["load"].to_numpy(),
    "(n, 1)": loads(66).to_numpy(),
    "(n, 2)": loads(66, "ab").to_numpy(),
}


@pytest.mark.parametrize("X", COVARIATES.values(), ids=COVARIATES)
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_forecasts_come_in_the_form_of_y_but_for_an_array_as_one(X, y):
    found = SeqForecaster(**SHORT).fit(X[:60], y[:60]).predict(X[60:])
    assert type(found) is (np.ndarray if isinstance(X, np.ndarray) else type(y))
    assert found.shape == y[60:].shape
    if not isinstance(found, np.ndarray):
        pd.testing.assert_index_equal(found.index, X.index[60:])
        assert [getattr(found, "name", None)] == [getattr(y, "name", None)]
        assert list(getattr(found, "columns", ())) == list(getattr(y, "columns", ()))


ROWS = loads(66, ["load", "price"])


@pytest.mark.parametrize(
    ("X", "y", "like"),
    [
        (ROWS, None, ROWS),
        (ROWS[["load"]], None, ROWS[["load"]]),
        (ROWS["load"], None, ROWS["load"]),
        (ROWS.to_numpy(), None, ROWS.to_numpy()),
        (ROWS[["load"]].to_numpy(), None, ROWS["load"].to_numpy()),
        (ROWS["load"].to_numpy(), None, ROWS["load"].to_numpy()),
        (ROWS, ROWS["load"], ROWS["load"]),
        (ROWS, ROWS[["load"]], ROWS[["load"]]),
        (ROWS, ROWS["load"].to_numpy(), ROWS["load"].to_numpy()),
        (ROWS, ROWS[["load"]].to_numpy(), ROWS[["load"]].to_numpy()),
        (ROWS.to_numpy(), ROWS["load"].to_numpy(), ROWS["load"].to_numpy()),
        (ROWS.to_numpy(), ROWS[["load"]].to_numpy(), ROWS[["load"]].to_numpy()),
    ],
    ids=[
        *("frame", "frame of one", "series", "array", "column", "one dimension"),
        *("series of y", "frame of y", "array of y", "column of y", "arrays", "arrays of two dimensions"),
    ],
)
def test_forecasts_of_columns_of_x_come_in_the_form_of_y_or_of_x(X, y, like):
    found = SeqForecaster(**SHORT).fit(X[:60], None if y is None else y[:60]).predict(X[60:])
    assert type(found) is type(like)
    assert found.shape == like[60:].shape
    if isinstance(like, pd.Series):
        assert (found.name, found.index.tolist()) == ("load", like.index[60:].tolist())
    if isinstance(like, pd.DataFrame):
        assert found.axes[1].equals(like.columns)


def test_a_nameless_y_forecasts_like_the_column_that_it_equals():
    rows = with_holes(loads(84, ["load", "price"]))
    named = SeqForecaster(**SHORT).fit(rows[:60], rows["price"][:60])
    nameless = SeqForecaster(**SHORT).fit(rows[:60], rows["price"][:60].to_numpy())
    assert_same_weights(named, nameless)
    assert_same_bits(named.predict(rows[60:]), nameless.predict(rows[60:]))


@pytest.mark.parametrize("way", ["A", "B", "C"])
def test_rows_in_another_order_get_their_forecasts_in_that_order(way):
    rows = with_gaps(with_holes(loads(90, ["load", "price"])))
    train, later = rows[:60], rows[60:]
    y = {"A": [], "B": [train["load"]], "C": [train["load"].rename("other")]}[way]
    model = SeqForecaster(**SHORT).fit(train, *y)
    shuffled = later.sample(frac=1, random_state=0)
    expected = model.predict(later)
    assert model.predict(shuffled).index.equals(shuffled.index)
    assert_same_bits(model.predict(shuffled).loc[later.index], expected)
    truth = [] if way == "A" else [later["load"]]
    shuffled_truth = [] if way == "A" else [shuffled["load"]]
    expected = model.score(later, *truth)
    assert model.score(shuffled, *shuffled_truth) == pytest.approx(expected, rel=1e-12)


def test_forecasts_do_not_depend_on_the_forms_of_x_and_y(model, data):
    X, y = data
    expected = model.predict(X[60:])
    for make_X in (lambda X: X, lambda X: X.to_numpy(), lambda X: X.to_numpy().tolist()):
        for make_y in (lambda y: y.to_numpy(), lambda y: y.tolist(), lambda y: y.to_frame().to_numpy()):
            # an array tells no season, on which the defaults alone depend here
            other = SeqForecaster(**SHORT).fit(make_X(X[:60]), make_y(y[:60]))
            assert_same_weights(other, model)
            assert_same_bits(np.ravel(other.predict(make_X(X[60:]))), expected)


def test_forecasts_of_arrays_go_on_where_the_index_of_y_ends(data):
    X, y = data[0].to_numpy(), data[1]
    model = SeqForecaster(**SHORT).fit(X[:60], y[:60])
    forecast = model.forecast(6)
    assert forecast.columns.tolist() == ["load"]
    assert forecast.index.equals(y.index[60:66])
    assert model.season_length_ == 24
    assert_same_bits(model.predict(X[60:])[:4], forecast["load"][:4])


def test_numbered_rows_follow_training_rows_with_any_numbers(data):
    X, y = (part.reset_index(drop=True) for part in data)
    model = SeqForecaster(**SHORT).fit(X[:60], y[:60])
    going_on, anew = model.predict(X[60:]), model.predict(X[60:].reset_index(drop=True))
    assert going_on.index.tolist() == list(range(60, 84))
    assert anew.index.tolist() == list(range(24))
    assert_same_bits(anew, going_on)
    assert model.score(X[60:].reset_index(drop=True), y[60:]) == model.score(X[60:], y[60:])


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (hours(60), TypeError, "must hold timestamps without a time zone"),
        (pd.RangeIndex(0, 600, 10), ValueError, "must follow the calendar of the training rows"),
    ],
    ids=["hours", "tens"],
)
def test_rows_are_renumbered_only_if_fit_had_numbered_rows(data, index, error, message):
    X, y = data
    model = SeqForecaster(**SHORT).fit(X[:60].set_axis(index), y[:60].to_numpy())
    with pytest.raises(error, match=message):
        model.predict(X[60:].reset_index(drop=True))


def test_rows_of_the_past_are_refused_where_rows_have_a_time(model, data):
    with pytest.raises(ValueError, match="must come after the training rows, which end at 2024-01-03 11:00"):
        model.predict(data[0][40:])
    numbered = [part.reset_index(drop=True) for part in data]
    tenth = [part.set_axis(part.index * 10 + 5) for part in numbered]
    later = SeqForecaster(**SHORT).fit(tenth[0][:60], tenth[1][:60])
    with pytest.raises(ValueError, match="must come after the training rows, which end at 595"):
        later.predict(tenth[0][:60])


# -- score


def test_score_compares_with_the_last_season_of_training():
    X, y = covariates(100), loads(100)["load"]
    truth = with_holes(y[60:].to_frame()).to_numpy()[:, 0]
    model = SeqForecaster(**SHORT).fit(X[:60], y[:60])
    forecast = model.predict(X[60:]).to_numpy()
    repeated = naive.seasonal_naive(y[:60].to_numpy(), 40, 24)
    expected = 1 - naive.rmse(truth, forecast) / naive.rmse(truth, repeated)
    for given in (truth, truth.tolist(), pd.Series(truth, X.index[60:]), truth[:, None]):
        assert model.score(X[60:], given) == pytest.approx(expected, rel=1e-12)


def test_score_weighs_targets_by_their_training_deviations():
    names = ["load", "price"]
    X, y = covariates(84), loads(84, names) * [1.0, 50.0]
    model = SeqForecaster(**SHORT).fit(X[:60], y[:60])
    trained, truth = y[:54].to_numpy(), y[60:].to_numpy()  # a tenth of 60 rows is kept for validation

    def error(forecast):
        pairs = zip(truth.T, forecast.T, trained.std(axis=0), strict=True)
        return np.mean([naive.rmse(one, other) / deviation for one, other, deviation in pairs])

    repeated = naive.seasonal_naive(y[:60].to_numpy(), 24, 24)
    expected = 1 - error(model.predict(X[60:]).to_numpy()) / error(repeated)
    assert model.score(X[60:], y[60:]) == pytest.approx(expected, rel=1e-12)


def test_score_needs_the_truth(model, data):
    message = (
        "The 'y' parameter of SeqForecaster.score must be given, since fit had its target in y and not in X. "
        "Got None instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.score(data[0][60:])


@pytest.mark.parametrize(
    ("change", "shape"),
    [(lambda y: y[:-1], "(23, 1)"), (lambda y: pd.DataFrame({"a": y, "b": y}), "(24, 2)")],
    ids=["too few", "too many"],
)
def test_score_needs_a_truth_for_each_row_and_target(model, data, change, shape):
    message = (
        f"The 'y' parameter of SeqForecaster.score must have shape (24, 1), a row for each of X. Got {shape} "
        f"instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.score(data[0][60:], change(data[1][60:]))


def test_score_needs_an_observed_target(model, data):
    message = (
        "The 'y' parameter of SeqForecaster.score must have an observed target. Got missing values only."
    )
    with pytest.raises(ValueError, match=says(message)):
        model.score(data[0][60:], np.full(24, NAN))


@pytest.mark.parametrize("way", ["A", "B"])
def test_score_finds_the_truth_in_x_unless_it_is_given(way):
    rows = loads(84, ["load", "price"])
    train, later = rows[:60], rows[60:]
    model = SeqForecaster(**SHORT, target="load").fit(train, train["load"] if way == "B" else None)
    expected = model.score(later)
    for y in (later["load"], later["load"].tolist(), later[["load"]].to_numpy()):
        assert model.score(later, y) == expected
    part, repeated = later["load"].to_numpy()[::2], train["load"].to_numpy()[-24::2]  # every other row
    expected = 1 - naive.rmse(part, model.predict(later).to_numpy().ravel()[::2]) / naive.rmse(part, repeated)
    every_other = later["load"].where(np.arange(24) % 2 == 0)
    assert model.score(later, every_other) == pytest.approx(expected, rel=1e-12)


# -- with scikit-learn's tools


def test_cross_validation_with_scores_that_need_a_y(data):
    X, y = data
    folds = list(TimeSeriesSplit(2, test_size=12).split(X))
    found = cross_val_score(SeqForecaster(**SHORT), X, y, cv=folds, scoring="neg_mean_absolute_error")
    for score, (train, test) in zip(found, folds, strict=True):
        forecast = SeqForecaster(**SHORT).fit(X.iloc[train], y.iloc[train]).predict(X.iloc[test])
        assert score == pytest.approx(-naive.mae(y.iloc[test].to_numpy(), forecast.to_numpy()), rel=1e-12)


@pytest.mark.parametrize("form", [lambda data: data, lambda data: data.to_numpy()], ids=["frame", "array"])
def test_targets_are_transformed_around_the_forecaster(data, form):
    X, y = (form(part) for part in data)
    whole = TransformedTargetRegressor(SeqForecaster(**SHORT), func=np.log, inverse_func=np.exp)
    inner = SeqForecaster(**SHORT).fit(X[:60], np.log(y[:60]))
    found = whole.fit(X[:60], y[:60]).predict(X[60:])
    np.testing.assert_allclose(found, np.exp(inner.predict(X[60:])), rtol=1e-12)
    assert np.shape(found) == (24,)
    assert_same_weights(whole.regressor_, inner)
