"""The three ways to call ``fit``: what becomes target or covariate, what is forecast, and what is refused."""

import re

import naive
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

from seqcast import SeqForecaster
from seqcast.data.targets import read_training_table

pytestmark = pytest.mark.filterwarnings("ignore:Stopped at max_iter:sklearn.exceptions.ConvergenceWarning")

SHORT = {"hidden_size": 4, "max_iter": 2, "random_state": 0, "horizon": 4, "window": 6, "n_jobs": 1}
NAN = np.nan


def read(X, y=None, target=None):
    return read_training_table(X, y, target, "SeqForecaster")


def says(message):
    """Match exactly this message."""
    return f"^{re.escape(message)}$"


def hours(n):
    return pd.date_range("2024-01-01", periods=n, freq="h", name="time")


def covariates(n, seed=0):
    """Two covariates: a wave at a level, and noise."""
    rng, t = np.random.default_rng(seed), np.arange(n)
    return pd.DataFrame({"heat": 20 + np.cos(t / 4), "wind": rng.normal(size=n)}, hours(n))


def loads(n, names=("load",), seed=1):
    """Positive daily waves with noise, each at a level of its own."""
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


# -- A: the targets are columns of X

ABC = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, NAN, 1.5], "c": [True, False, True]}, hours(3))


@pytest.mark.parametrize(
    ("target", "targets", "others"),
    [
        (None, "abc", ""),
        ("b", "b", "ac"),
        (["b"], "b", "ac"),
        (("c", "a"), "ca", "b"),
        (np.array(["a", "b"], object), "ab", "c"),
        (pd.Index(["c"]), "c", "ab"),
    ],
)
def test_targets_stand_before_covariates(target, targets, others):
    history = read(ABC, target=target)
    assert (history.targets, history.covariates) == (list(targets), list(others))
    assert history.table.columns == tuple(targets + others)
    assert_same_bits(history.table.values, ABC[list(targets + others)].to_numpy(float))
    assert history.table.values.dtype == np.float64
    assert history.table.values.flags.c_contiguous
    assert history.columns == ("a", "b", "c")
    assert (history.separate_targets, history.y_kind) == (False, None)


@pytest.mark.parametrize(
    ("X", "columns"),
    [
        (pd.Series([1, 2, 3], name="load"), ("load",)),
        (pd.Series([1, 2, 3]), ("y",)),
        (pd.Series([1, 2, 3], name=7), (7,)),
        ([1, 2, 3], ("y",)),
        (np.ones((3, 1)), ("y",)),
        (np.ones((3, 2)), ("x0", "x1")),
    ],
)
def test_columns_without_a_name_get_one(X, columns):
    history = read(X)
    assert (tuple(history.targets), history.covariates, history.columns) == (columns, [], columns)


def test_columns_of_arrays_and_numbered_columns_can_be_named():
    assert read(np.eye(3), target=["x2", "x0"]).table.columns == ("x2", "x0", "x1")
    assert read(pd.DataFrame(np.eye(3)), target=1).table.columns == (1, 0, 2)


@pytest.mark.parametrize("target", ["load", ["a", "load"], ["a", "a"], [], 0])
def test_targets_must_be_columns(target):
    message = (
        f"The 'target' parameter of SeqForecaster must name columns of X, each once: ['a', 'b', 'c']. Got "
        f"{target!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        read(ABC, target=target)


# -- B: y is the history of columns of X


@pytest.mark.parametrize(
    ("y", "targets", "others", "form"),
    [
        (ABC["b"], "b", "ac", ("series", 1)),
        (ABC[["b"]], "b", "ac", ("frame", 2)),
        (ABC[["c", "a"]], "ca", "b", ("frame", 2)),
        (ABC["a"].astype(float), "a", "bc", ("series", 1)),
        (ABC["b"][::-1], "b", "ac", ("series", 1)),
    ],
)
def test_a_y_that_bears_the_name_of_columns_makes_them_the_targets(y, targets, others, form):
    history = read(ABC, y)
    assert (history.targets, history.covariates) == (list(targets), list(others))
    assert_same_bits(history.table.values, ABC[list(targets + others)].to_numpy(float))
    assert history.columns == ("a", "b", "c")
    assert (history.y_kind, history.y_ndim, history.separate_targets) == (*form, False)


@pytest.mark.parametrize(
    ("y", "targets", "form"),
    [
        (ABC["b"].to_numpy(), "b", ("array", 1)),
        (ABC["b"].tolist(), "b", ("array", 1)),
        (ABC[["b"]].to_numpy(), "b", ("array", 2)),
        (ABC[["c", "a"]].to_numpy(float), "ca", ("array", 2)),
        (ABC["b"].rename(None), "b", ("series", 1)),
    ],
    ids=["array", "list", "column", "two", "series"],
)
def test_a_nameless_y_that_equals_columns_makes_them_the_targets(y, targets, form):
    history = read(ABC, y)
    assert (history.targets, history.separate_targets) == (list(targets), False)
    assert_same_bits(history.table.values[:, : len(targets)], ABC[list(targets)].to_numpy(float))
    assert (history.y_kind, history.y_ndim) == form


def test_columns_of_arrays_are_targets_too_where_y_equals_them():
    X = ABC.to_numpy(float)
    assert read(X, X[:, 1]).table.columns == ("x1", "x0", "x2")
    assert read(X, X[:, [2, 0]]).table.columns == ("x2", "x0", "x1")


def test_columns_of_an_array_get_the_names_of_the_y_that_they_equal():
    """A step of a pipeline may have made an array of X."""
    rows = ABC.astype(float).reset_index(drop=True)
    history = read(rows.to_numpy(), rows["b"], "b")
    assert (history.table.columns, history.columns) == (("b", "x0", "x2"), ("x0", "b", "x2"))
    assert (history.y_kind, history.separate_targets) == ("series", False)
    two = read(rows.to_numpy(), rows[["c", "a"]])
    assert (two.table.columns, two.columns) == (("c", "a", "x1"), ("a", "x1", "c"))
    assert read(rows[["a", "c"]].to_numpy(), rows["b"]).table.columns == ("b", "x0", "x1")


@pytest.mark.parametrize("X", [ABC["a"], ABC["a"].rename(None)], ids=["named", "nameless"])
@pytest.mark.parametrize("form", [lambda y: y, lambda y: y.to_numpy()], ids=["series", "array"])
def test_a_series_is_its_own_y(X, form):
    history = read(X, form(X))
    assert (history.targets, history.covariates, history.separate_targets) == ([X.name or "y"], [], False)


def test_rows_of_x_and_of_a_nameless_y_are_compared_as_they_came():
    shuffled = ABC.iloc[[2, 0, 1]]
    for y in (shuffled["b"].to_numpy(), shuffled["b"].rename(None)):
        history = read(shuffled, y)
        assert (history.targets, history.table.index.tolist()) == (["b"], ABC.index.tolist())
        assert_same_bits(history.table.values, ABC[["b", "a", "c"]].to_numpy(float))


def test_of_equal_columns_the_first_is_the_target():
    history = read(ABC.assign(again=ABC["b"]), ABC["b"].to_numpy())
    assert (history.targets, history.covariates) == (["b"], ["a", "c", "again"])


@pytest.mark.parametrize(
    "y",
    [
        np.column_stack([ABC["a"], [5, 7, 6]]),
        np.column_stack([ABC["a"], ABC["a"]]),
        np.array([1.0, 2.0, 3.5]),
    ],
    ids=["a part", "one twice", "another"],
)
def test_a_nameless_y_must_be_in_x_as_a_whole_to_be_its_columns(y):
    history = read(ABC[["a", "b"]], y)
    assert history.targets == (["y"] if y.ndim == 1 else ["y0", "y1"])
    assert (history.covariates, history.separate_targets) == (["a", "b"], True)


@pytest.mark.parametrize("target", ["b", ["b"], ("b",)])
def test_target_may_repeat_the_name_of_y(target):
    assert read(ABC, ABC["b"], target).targets == ["b"]
    assert read(ABC[["a"]], ABC["b"], target).targets == ["b"]


@pytest.mark.parametrize("X", [ABC, ABC[["a"]]], ids=["B", "C"])
@pytest.mark.parametrize("target", ["a", ["b", "a"], []])
def test_target_and_y_must_agree(X, target):
    message = (
        f"The 'target' parameter of SeqForecaster must be None or the name of y ('b') when y is given. Got "
        f"{target!r} instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        read(X, ABC["b"], target)


def test_target_and_several_names_of_y_must_agree_in_their_order():
    message = (
        "The 'target' parameter of SeqForecaster must be None or the name of y ('a', 'b') when y is given. "
        "Got ['b', 'a'] instead."
    )
    with pytest.raises(ValueError, match=says(message)):
        read(ABC, ABC[["a", "b"]], ["b", "a"])


def differs(shown):
    return (
        f"The 'y' parameter of SeqForecaster.fit must equal the column {shown} of X, whose history it is. "
        f"They differ: a step of a pipeline has changed one of them. Scaling is done inside, so leave the "
        f"scaler out, or leave that column out of it."
    )


@pytest.mark.parametrize(
    ("y", "shown"),
    [
        (ABC["b"] * 2, "'b'"),
        (ABC["b"].fillna(1), "'b'"),
        (ABC["b"][:2], "'b'"),
        (ABC["b"].shift(freq="h"), "'b'"),
        (ABC["b"].reset_index(drop=True), "'b'"),
        (ABC[["a", "b"]] + 1, "['a', 'b']"),
    ],
    ids=["scaled", "filled", "shorter", "later", "other index", "several"],
)
def test_a_y_that_differs_from_its_column_is_refused(y, shown):
    with pytest.raises(ValueError, match=says(differs(shown))):
        read(ABC, y)


def test_targets_partly_in_x_are_refused():
    message = (
        "The 'y' parameter of SeqForecaster.fit must hold columns of X only, or none of them. Got ['a'] in "
        "X, and ['load'] beside it. Put all targets into X and leave y out, or take them all out of X."
    )
    with pytest.raises(ValueError, match=says(message)):
        read(ABC, ABC[["a"]].assign(load=1.0))


# -- C: y is no column of X

X5 = pd.DataFrame({"heat": [5, 6, 9, 7, 7], "wind": [0.5, NAN, 1.5, 0.0, 4.0]}, hours(5))
Y5 = pd.Series([10.0, 30.0, NAN, 20.0, 70.0], hours(5), name="load")
TWO = pd.DataFrame({"load": Y5, "price": [3, 1, 2, 3, 1]})


@pytest.mark.parametrize(
    ("y", "names", "form"),
    [
        (Y5, ["load"], ("series", 1)),
        (Y5.rename("other"), ["other"], ("series", 1)),
        (Y5.rename(None), ["y"], ("series", 1)),
        (Y5.tolist(), ["y"], ("array", 1)),
        (Y5.to_numpy(), ["y"], ("array", 1)),
        (Y5.to_numpy()[:, None], ["y"], ("array", 2)),
        ([[value] for value in Y5], ["y"], ("array", 2)),
        (Y5.to_frame(), ["load"], ("frame", 2)),
        (TWO, ["load", "price"], ("frame", 2)),
        (TWO.to_numpy(), ["y0", "y1"], ("array", 2)),
        (TWO.to_numpy().tolist(), ["y0", "y1"], ("array", 2)),
    ],
    ids=[
        *("series", "other name", "no name", "list", "array", "column", "list of lists"),
        *("frame", "two", "array of two", "list of two"),
    ],
)
def test_any_other_y_stands_beside_x(y, names, form):
    history = read(X5, y)
    assert (history.targets, history.covariates) == (names, ["heat", "wind"])
    assert history.table.columns == (*names, "heat", "wind")
    assert_same_bits(history.table.values, np.column_stack([np.asarray(y, float), X5.to_numpy()]))
    assert history.table.values.dtype == np.float64
    assert history.columns == ("heat", "wind")
    assert (history.y_kind, history.y_ndim, history.separate_targets) == (*form, True)
    assert history.table.index.equals(X5.index)


def test_a_series_may_be_the_only_covariate():
    history = read(X5["heat"], Y5)
    assert history.table.columns == ("load", "heat")
    assert (history.columns, history.table.kind) == (("heat",), "series")


def test_columns_of_an_array_are_numbered():
    assert read(X5.to_numpy(), Y5).table.columns == ("load", "x0", "x1")
    assert read(X5[["heat"]].to_numpy(), Y5.tolist()).table.columns == ("y", "x0")


ORDER = [3, 0, 4, 1, 2]


@pytest.mark.parametrize("form", [lambda y: y, lambda y: y.to_numpy(), lambda y: y.tolist()])
def test_rows_of_both_are_sorted_together(form):
    shuffled = read(X5.iloc[ORDER], form(Y5.iloc[ORDER]))
    assert_same_bits(shuffled.table.values, read(X5, Y5).table.values)
    assert shuffled.table.index.equals(X5.index)


def test_rows_of_x_are_sorted_where_y_is_a_column_or_left_out():
    shuffled, expected = ABC.iloc[[2, 0, 1]], ABC[["b", "a", "c"]].to_numpy(float)
    assert_same_bits(read(shuffled, target="b").table.values, expected)
    assert_same_bits(read(shuffled, shuffled["b"]).table.values, expected)
    assert_same_bits(read(shuffled, ABC["b"]).table.values, expected)


def test_rows_of_an_array_have_the_times_of_y():
    history = read(X5.to_numpy()[ORDER], Y5.iloc[ORDER])
    assert history.table.index.equals(Y5.index)
    assert history.table.kind == "array"
    assert_same_bits(history.table.values, read(X5, Y5).table.values)


def test_a_row_is_needed_for_each_of_x():
    for y in (Y5[:4], Y5[:4].to_numpy()):
        message = "The 'y' parameter of SeqForecaster.fit must have as many rows as X. Got 4 and 5 instead."
        with pytest.raises(ValueError, match=says(message)):
            read(X5, y)


def test_y_must_have_the_index_of_x():
    message = (
        "The 'y' parameter of SeqForecaster.fit must have the index of X, since its rows belong to the same "
        "times. Got 2024-01-01 01:00:00 to 2024-01-01 05:00:00, and 2024-01-01 00:00:00 to 2024-01-01 "
        "04:00:00 in X. Align it with y.reindex(X.index), or pass y.to_numpy()."
    )
    with pytest.raises(ValueError, match=says(message)):
        read(X5, Y5.shift(freq="h"))
    with pytest.raises(ValueError, match=r"must have the index of X.*y\.to_numpy\(\)\.$"):
        read(X5, Y5.iloc[ORDER])


@pytest.mark.parametrize("X", [np.arange(5.0), [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_covariates_of_one_dimension_are_refused(X):
    message = (
        "The 'X' parameter of SeqForecaster.fit must have shape (n, n_columns) where y is given. Got (5,) "
        "instead. Reshape your data with X.reshape(-1, 1), or leave y out if X is the series to forecast."
    )
    with pytest.raises(ValueError, match=says(message)):
        read(X, Y5)


@pytest.mark.parametrize(
    ("X", "y", "name"),
    [
        (X5.rename(columns={"heat": "y"}), Y5.rename(None), "y"),
        (X5.rename(columns={"heat": "y"}), Y5.to_numpy(), "y"),
        (X5["heat"].rename(None), Y5.rename(None), "y"),
        (X5.rename(columns={"wind": "y1"}), TWO.to_numpy(), "y1"),
    ],
    ids=["series", "array", "two series", "two targets"],
)
def test_the_name_of_a_nameless_y_must_be_free(X, y, name):
    message = (
        f"The 'y' parameter of SeqForecaster.fit has no name, and would be called {name!r}, as a column of X "
        f"is. Give it another one with y.rename, or leave it out if it is that column."
    )
    with pytest.raises(ValueError, match=says(message)):
        read(X, y)


def test_unfit_data_are_named_by_their_parameter():
    with pytest.raises(TypeError, match=r"^The 'y' parameter of SeqForecaster\.fit must hold numbers only"):
        read(X5, ["low"] * 5)
    with pytest.raises(ValueError, match=r"^The 'y' parameter of SeqForecaster\.fit must have an observed"):
        read(X5, [NAN] * 5)
    with pytest.raises(ValueError, match=r"^The 'X' parameter of SeqForecaster\.fit must have an observed"):
        read(X5.assign(wind=NAN), Y5)


# -- the target in other units


def in_other_units(label, name="load"):
    return (
        f"The 'X' parameter of SeqForecaster.fit must not hold the target in other units. Column {label!r} "
        f"is y, {name!r}, scaled or shifted: a step of a pipeline has changed it. Scaling is done inside, so "
        f"leave the scaler out and pass a frame with the column {name!r}, or take that column out of X."
    )


@pytest.mark.parametrize(
    "change",
    [lambda y: 2 * y, lambda y: y - 30, lambda y: (y - 32.5) / 22.8, lambda y: -0.001 * y + 1e3],
    ids=["scaled", "shifted", "standardised", "turned round"],
)
def test_a_scaled_target_among_the_covariates_is_refused(change):
    for y in (Y5, Y5.fillna(0)):
        with pytest.raises(ValueError, match=says(in_other_units("copy"))):
            read(X5.assign(copy=change(y)), y)
        with pytest.raises(ValueError, match=says(in_other_units("x2", "y"))):
            read(X5.assign(copy=change(y)).to_numpy(), y.to_numpy())


def test_the_scaled_one_of_several_targets_is_named():
    with pytest.raises(ValueError, match=says(in_other_units("cents", "price"))):
        read(X5.assign(cents=100 * TWO["price"]), TWO)


def test_a_copy_that_a_scaler_made_in_single_precision_is_refused():
    scaled = ((Y5 - Y5.mean()) / Y5.std()).astype("float32")
    with pytest.raises(ValueError, match=says(in_other_units("copy"))):
        read(X5.assign(copy=scaled), Y5)


def test_what_is_missing_beside_the_target_hides_no_copy():
    with pytest.raises(ValueError, match=says(in_other_units("copy"))):
        read(X5.assign(copy=(2 * Y5).where([True, True, True, True, False])), Y5)


Y20 = loads(20)["load"]


@pytest.mark.parametrize(
    "column",
    [
        Y20.shift(1),
        Y20.to_numpy()[::-1],
        Y20**2,
        np.log(Y20),
        2 * Y20 + 1e-3 * np.random.default_rng(0).normal(size=20),
        2 * Y20.where(np.arange(20) < 2),
        np.full(20, 3.0),
        Y20 * 1.0,
    ],
    ids=[
        "yesterday",
        "reversed",
        "square",
        "logarithm",
        "noisy",
        "two values",
        "constant",
        "itself",
    ],  # under another name
)
def test_what_is_no_scaled_copy_may_be_a_covariate(column):
    assert read(covariates(20).assign(other=column), Y20).covariates == ["heat", "wind", "other"]


def test_a_count_of_the_steps_is_no_copy_of_a_target_that_rises_evenly():
    X = pd.DataFrame({"step": np.arange(6.0)})
    assert read(X, pd.Series(3 + 2.5 * np.arange(6), name="load")).covariates == ["step"]


@pytest.mark.parametrize("change", [lambda y: 1 - y, lambda y: 7 * y - 2])
def test_of_two_values_every_column_of_two_is_a_copy_and_none_is_refused(change):
    """Whether the shop was open says all of whether somebody came; a third value tells more."""
    came = np.array([0.0, 1, 1, 0, NAN, 1, 0, 0, 1, 1])
    X = covariates(10).assign(other=change(came))
    assert read(X, pd.Series(came, X.index, name="load")).covariates == ["heat", "wind", "other"]
    came[2] = 2
    X = X.assign(other=change(came))
    with pytest.raises(ValueError, match=says(in_other_units("other"))):
        read(X, pd.Series(came, X.index, name="load"))


@pytest.mark.parametrize("y", [np.full(5, 3.0), [NAN, 3.0, NAN, 3.0, 3.0]])
def test_a_constant_target_is_no_copy_of_a_constant_covariate(y):
    assert read(X5.assign(other=7.0), y).covariates == ["heat", "wind", "other"]


# -- forecasts where y is no column of X: blocks of the same network, each from the forecasts before it


def block_by_block(model, train_end, X, names):
    """Forecasts of each row of `X` by a model of the frame of both, into which each block is written."""
    grid = pd.date_range(train_end, X.index[-1], freq="h", name="time")[1:]
    rows = pd.DataFrame(NAN, grid, names).join(X)
    for first in range(0, len(grid), model.horizon_):
        block = model.predict(rows)[names][first : first + model.horizon_]
        rows.loc[block.index, names] = block
    return rows.loc[X.index, names]


@pytest.mark.parametrize("n_later", [3, 4, 17])
@pytest.mark.parametrize("names", [["load"], ["load", "price"]], ids=["one target", "two targets"])
@pytest.mark.parametrize("damage", [lambda frame: frame, with_holes, with_gaps])
def test_forecasts_are_written_into_the_rows_that_the_next_block_reads(damage, names, n_later):
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
    """Covariates and target of 84 hours."""
    return covariates(84), loads(84)["load"]


@pytest.fixture(scope="module")
def model(data):
    """Fitted on the first 60 hours."""
    return SeqForecaster(**SHORT).fit(data[0][:60], data[1][:60])


def test_predict_does_not_read_the_target(model, data):
    X, y = data
    expected = model.predict(X[60:])
    assert_same_bits(model.predict(X[60:].assign(load=y[60:])), expected)
    assert_same_bits(model.predict(X[60:].assign(load=-y[60:])[["wind", "load", "heat"]]), expected)


def test_scoring_does_not_read_the_target_for_its_forecasts(model, data):
    X, y = data
    truth, one, naive_one, _ = model._beside_truth(X[60:], y[60:])
    other_truth, other, naive_other, _ = model._beside_truth(X[60:], -y[60:])
    assert_same_bits(one, other)
    assert_same_bits(naive_one, naive_other)
    assert_same_bits(truth, -other_truth)


@pytest.mark.parametrize("row", [0, 3, 4, 10, 23])
def test_covariates_of_a_row_are_read_by_later_blocks_only(model, data, row):
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


def test_a_nameless_y_gives_the_forecasts_of_the_column_that_it_equals():
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


def test_numbered_rows_follow_the_training_rows_however_they_are_numbered(data):
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
def test_rows_are_numbered_anew_only_where_they_were_numbered_in_fit(data, index, error, message):
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


def test_score_of_several_targets_is_in_units_of_their_training_deviations():
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


def test_a_copy_of_the_target_under_another_name_excuses_no_changed_column():
    X = pd.DataFrame({"load": Y5 / 1000, "copy": Y5}, Y5.index)
    with pytest.raises(ValueError, match="must equal the column 'load' of X"):
        read_training_table(X, Y5, None, "Model")


def test_names_of_the_columns_of_an_array_are_not_those_of_y():
    history = read_training_table(X5.to_numpy(), Y5.rename("x0").reset_index(drop=True), None, "Model")
    assert (history.separate_targets, history.targets) == (True, ["x0"])
