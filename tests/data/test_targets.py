"""The three ways to pass a target to ``fit``, and their errors."""

import re

import numpy as np
import pandas as pd
import pytest

from seqcast.data.targets import read_training_table

NAN = np.nan


def read(X, y=None, target=None):
    return read_training_table(X, y, target, "SeqForecaster")


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
    training = read(ABC, target=target)
    assert (training.targets, training.covariates) == (list(targets), list(others))
    assert training.table.columns == tuple(targets + others)
    assert_same_bits(training.table.values, ABC[list(targets + others)].to_numpy(float))
    assert training.table.values.dtype == np.float64
    assert training.table.values.flags.c_contiguous
    assert training.columns == ("a", "b", "c")
    assert (training.separate_targets, training.y_kind) == (False, None)


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
    training = read(X)
    assert (tuple(training.targets), training.covariates, training.columns) == (columns, [], columns)


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


# -- B: y equals columns of X


@pytest.mark.parametrize(
    ("y", "targets", "others", "kind"),
    [
        (ABC["b"], "b", "ac", ("series", 1)),
        (ABC[["b"]], "b", "ac", ("frame", 2)),
        (ABC[["c", "a"]], "ca", "b", ("frame", 2)),
        (ABC["a"].astype(float), "a", "bc", ("series", 1)),
        (ABC["b"][::-1], "b", "ac", ("series", 1)),
    ],
)
def test_a_named_y_makes_columns_of_its_names_the_targets(y, targets, others, kind):
    training = read(ABC, y)
    assert (training.targets, training.covariates) == (list(targets), list(others))
    assert_same_bits(training.table.values, ABC[list(targets + others)].to_numpy(float))
    assert training.columns == ("a", "b", "c")
    assert (training.y_kind, training.y_ndim, training.separate_targets) == (*kind, False)


@pytest.mark.parametrize(
    ("y", "targets", "kind"),
    [
        (ABC["b"].to_numpy(), "b", ("array", 1)),
        (ABC["b"].tolist(), "b", ("array", 1)),
        (ABC[["b"]].to_numpy(), "b", ("array", 2)),
        (ABC[["c", "a"]].to_numpy(float), "ca", ("array", 2)),
        (ABC["b"].rename(None), "b", ("series", 1)),
    ],
    ids=["array", "list", "column", "two", "series"],
)
def test_a_nameless_y_that_equals_columns_makes_them_the_targets(y, targets, kind):
    training = read(ABC, y)
    assert (training.targets, training.separate_targets) == (list(targets), False)
    assert_same_bits(training.table.values[:, : len(targets)], ABC[list(targets)].to_numpy(float))
    assert (training.y_kind, training.y_ndim) == kind


def test_columns_of_arrays_are_targets_too_where_y_equals_them():
    X = ABC.to_numpy(float)
    assert read(X, X[:, 1]).table.columns == ("x1", "x0", "x2")
    assert read(X, X[:, [2, 0]]).table.columns == ("x2", "x0", "x1")


def test_columns_of_an_array_get_the_names_of_an_equal_y():
    """A step of a pipeline may have turned X into an array."""
    rows = ABC.astype(float).reset_index(drop=True)
    training = read(rows.to_numpy(), rows["b"], "b")
    assert (training.table.columns, training.columns) == (("b", "x0", "x2"), ("x0", "b", "x2"))
    assert (training.y_kind, training.separate_targets) == ("series", False)
    two = read(rows.to_numpy(), rows[["c", "a"]])
    assert (two.table.columns, two.columns) == (("c", "a", "x1"), ("a", "x1", "c"))
    assert read(rows[["a", "c"]].to_numpy(), rows["b"]).table.columns == ("b", "x0", "x1")


@pytest.mark.parametrize("X", [ABC["a"], ABC["a"].rename(None)], ids=["named", "nameless"])
@pytest.mark.parametrize("kind", [lambda y: y, lambda y: y.to_numpy()], ids=["series", "array"])
def test_a_series_is_its_own_y(X, kind):
    training = read(X, kind(X))
    assert (training.targets, training.covariates, training.separate_targets) == ([X.name or "y"], [], False)


def test_x_and_a_nameless_y_are_compared_in_their_given_order():
    shuffled = ABC.iloc[[2, 0, 1]]
    for y in (shuffled["b"].to_numpy(), shuffled["b"].rename(None)):
        training = read(shuffled, y)
        assert (training.targets, training.table.index.tolist()) == (["b"], ABC.index.tolist())
        assert_same_bits(training.table.values, ABC[["b", "a", "c"]].to_numpy(float))


def test_of_equal_columns_the_first_is_the_target():
    training = read(ABC.assign(again=ABC["b"]), ABC["b"].to_numpy())
    assert (training.targets, training.covariates) == (["b"], ["a", "c", "again"])


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
    training = read(ABC[["a", "b"]], y)
    assert training.targets == (["y"] if y.ndim == 1 else ["y0", "y1"])
    assert (training.covariates, training.separate_targets) == (["a", "b"], True)


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
    ("y", "names", "kind"),
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
def test_a_y_that_is_no_column_is_a_separate_target(y, names, kind):
    training = read(X5, y)
    assert (training.targets, training.covariates) == (names, ["heat", "wind"])
    assert training.table.columns == (*names, "heat", "wind")
    assert_same_bits(training.table.values, np.column_stack([np.asarray(y, float), X5.to_numpy()]))
    assert training.table.values.dtype == np.float64
    assert training.columns == ("heat", "wind")
    assert (training.y_kind, training.y_ndim, training.separate_targets) == (*kind, True)
    assert training.table.index.equals(X5.index)


def test_a_series_may_be_the_only_covariate():
    training = read(X5["heat"], Y5)
    assert training.table.columns == ("load", "heat")
    assert (training.columns, training.table.kind) == (("heat",), "series")


def test_columns_of_an_array_are_numbered():
    assert read(X5.to_numpy(), Y5).table.columns == ("load", "x0", "x1")
    assert read(X5[["heat"]].to_numpy(), Y5.tolist()).table.columns == ("y", "x0")


ORDER = [3, 0, 4, 1, 2]


@pytest.mark.parametrize("kind", [lambda y: y, lambda y: y.to_numpy(), lambda y: y.tolist()])
def test_rows_of_both_are_sorted_together(kind):
    shuffled = read(X5.iloc[ORDER], kind(Y5.iloc[ORDER]))
    assert_same_bits(shuffled.table.values, read(X5, Y5).table.values)
    assert shuffled.table.index.equals(X5.index)


def test_rows_of_x_are_sorted_by_time():
    shuffled, expected = ABC.iloc[[2, 0, 1]], ABC[["b", "a", "c"]].to_numpy(float)
    assert_same_bits(read(shuffled, target="b").table.values, expected)
    assert_same_bits(read(shuffled, shuffled["b"]).table.values, expected)
    assert_same_bits(read(shuffled, ABC["b"]).table.values, expected)


def test_rows_of_an_array_have_the_times_of_y():
    training = read(X5.to_numpy()[ORDER], Y5.iloc[ORDER])
    assert training.table.index.equals(Y5.index)
    assert training.table.kind == "array"
    assert_same_bits(training.table.values, read(X5, Y5).table.values)


def test_y_must_have_as_many_rows_as_x():
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


def test_errors_of_values_name_their_parameter():
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


def test_a_scaled_copy_in_single_precision_is_refused():
    scaled = ((Y5 - Y5.mean()) / Y5.std()).astype("float32")
    with pytest.raises(ValueError, match=says(in_other_units("copy"))):
        read(X5.assign(copy=scaled), Y5)


def test_a_scaled_copy_with_missing_values_is_refused():
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
def test_other_functions_of_the_target_may_be_covariates(column):
    assert read(covariates(20).assign(other=column), Y20).covariates == ["heat", "wind", "other"]


def test_a_count_of_steps_is_no_copy_of_a_linear_target():
    X = pd.DataFrame({"step": np.arange(6.0)})
    assert read(X, pd.Series(3 + 2.5 * np.arange(6), name="load")).covariates == ["step"]


@pytest.mark.parametrize("change", [lambda y: 1 - y, lambda y: 7 * y - 2])
def test_columns_of_two_values_are_no_copies(change):
    """A flag may determine another flag, but a column of three values has more information."""
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


def test_a_changed_column_is_refused_beside_an_equal_one():
    X = pd.DataFrame({"load": Y5 / 1000, "copy": Y5}, Y5.index)
    with pytest.raises(ValueError, match="must equal the column 'load' of X"):
        read_training_table(X, Y5, None, "Model")


def test_names_of_the_columns_of_an_array_are_not_those_of_y():
    training = read_training_table(X5.to_numpy(), Y5.rename("x0").reset_index(drop=True), None, "Model")
    assert (training.separate_targets, training.targets) == (True, ["x0"])
