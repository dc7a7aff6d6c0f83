"""The schema of fit: later rows are read like those of fit, and forecasts are returned in their form."""

import re

import numpy as np
import pandas as pd
import pytest

from seqcast.data.roles import ColumnSpec
from seqcast.data.schema import read_fit_arguments

NAN = np.nan
HOURS = pd.date_range("2024-01-01", periods=6, freq="h", name="time")
WIDE = pd.DataFrame({"heat": [5.0, 6, 9, 7, 7, 8], "load": [1.0, 3, NAN, 2, 7, 5]}, HOURS)
LONG = pd.DataFrame(
    {
        "time": [2, 1, 1, 2, 3],
        "id": ["b", "a", "b", "a", "b"],
        "load": [1.0, 2, 3, 4, 5],
        "sky": ["dry", "wet", "dry", "dry", "wet"],
        "area": ["x", "y", "x", "y", "x"],
    }
)
SPEC = ColumnSpec("load", "id", "time", future_cols=["sky"], static_cols=["area"])


def fit(X, y=None, spec=None, **options):
    return read_fit_arguments(X, y, ColumnSpec(**options) if spec is None else spec, "Model")


def says(message):
    """Return a pattern that matches exactly this message."""
    return f"^{re.escape(message)}$"


def assert_same(found, expected):
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


# -- fit


def test_targets_come_first_and_rows_in_the_order_of_time():
    schema, rows = fit(WIDE.iloc[[2, 0, 1, 3, 5, 4]], target="load")
    assert (schema.roles.targets, schema.roles.past) == (["load"], ["heat"])
    assert rows.ids == [None]
    assert_same(rows.tables[0].values, WIDE[["load", "heat"]])
    assert_same(rows.row_numbers[0], [1, 2, 0, 3, 5, 4])
    assert (schema.columns, schema.kind, schema.y_kind) == (("heat", "load"), "frame", None)


def test_a_long_frame_is_split_and_its_categories_become_numbers():
    schema, rows = fit(LONG, spec=SPEC)
    assert rows.ids == ["b", "a"]
    assert schema.roles.all == ["load", "sky=dry", "sky=wet", "area=x", "area=y"]
    assert_same(rows.tables[0].values, [[3, 1, 0, 1, 0], [1, 1, 0, 1, 0], [5, 0, 1, 1, 0]])
    assert_same(rows.row_numbers[1], [1, 3])
    assert schema.has_ids
    assert schema.columns == tuple(LONG.columns)


def test_a_separate_y_of_a_long_frame_is_read_row_by_row():
    schema, rows = fit(LONG[["time", "id"]].assign(x=1.0), LONG["load"], id_col="id", time_col="time")
    assert schema.separate_targets
    assert_same(rows.tables[0].values[:, 0], [3, 1, 5])
    with pytest.raises(ValueError, match=r"^The 'y' parameter of Model\.fit must have the index of X"):
        fit(LONG[["time", "id"]].assign(x=1.0), LONG["load"][::-1], id_col="id", time_col="time")


# -- later rows


def test_later_rows_are_read_by_the_names_of_fit():
    schema, _ = fit(WIDE, target="load")
    rows = schema.read(WIDE[["load", "heat"]].assign(other="text", load=1.0)[["load", "heat"]], "predict")
    assert rows.tables[0].columns == ("load", "heat")
    with pytest.raises(ValueError, match=r"must have the columns 'load', 'heat'. Missing: 'load'"):
        schema.read(WIDE[["heat"]], "predict")


def test_columns_of_an_array_are_read_by_their_positions():
    schema, _ = fit(WIDE, target="load")
    assert_same(schema.read(WIDE.to_numpy(), "predict").tables[0].values, WIDE[["load", "heat"]])
    message = (
        "X has 1 features, but Model is expecting 2 features as input. Reshape your data to one row a step."
    )
    with pytest.raises(ValueError, match=says(message)):
        schema.read(WIDE["load"].to_numpy(), "predict")


def test_later_rows_need_no_static_columns():
    schema, _ = fit(LONG, spec=SPEC)
    rows = schema.read(LONG.drop(columns="area"), "predict")
    assert rows.tables[0].columns == ("load", "sky=dry", "sky=wet")
    future = schema.read_future(LONG[["id", "time", "sky"]], "forecast")
    assert future.tables[1].columns == ("sky=dry", "sky=wet")


def test_new_series_are_read_with_all_columns_of_fit():
    schema, _ = fit(LONG, spec=SPEC)
    later = LONG.assign(id=["c", "a", "c", "a", "c"])
    given = schema.read(later, "update")
    rows = schema.read_new_series(given, np.array([0, 2, 4]), later[["load"]].to_numpy(), "update")
    assert rows.ids == ["c"]
    assert_same(rows.tables[0].values, [[3, 1, 0, 1, 0], [1, 1, 0, 1, 0], [5, 0, 1, 1, 0]])


def test_ids_must_be_known_and_of_one_type():
    schema, _ = fit(LONG, spec=SPEC)
    with pytest.raises(ValueError, match=r"must hold series that are known\. Got 1 others, such as 'c'"):
        schema.check_known(["a", "c"], {"a", "b"}, "predict")
    with pytest.raises(
        TypeError, match=r"must hold ids of the same type as in fit, str\. Got 3, int, instead"
    ):
        schema.with_ids(["a"], [3])


@pytest.mark.parametrize(
    ("dtype", "new", "expected"),
    [("int8", [100], "int8"), ("int8", [1000], "int64"), ("Int8", [1000], "Int64")],
)
def test_the_dtype_of_ids_grows_with_them(dtype, new, expected):
    frame = pd.DataFrame({"id": [1, 2], "load": [1.0, 2.0]}).astype({"id": dtype})
    schema, _ = fit(frame, id_col="id")
    assert schema.with_ids([1, 2], new).id_dtype == expected


@pytest.mark.parametrize(
    ("X", "later", "expected"),
    [
        (WIDE, WIDE, False),
        (WIDE, WIDE.to_numpy(), True),
        (WIDE.to_numpy(), WIDE.to_numpy(), True),
        (WIDE.reset_index(drop=True), WIDE.reset_index(drop=True), False),
    ],
    ids=["times", "array later", "arrays", "numbers"],
)
def test_rows_of_arrays_follow_the_training_rows(X, later, expected):
    schema, _ = fit(X)
    assert schema.lacks_time_index(schema.read(later, "predict")) is expected


def test_numbered_rows_follow_the_training_rows_if_y_is_separate():
    numbered = WIDE.reset_index(drop=True)
    schema, _ = fit(numbered[["heat"]], numbered["load"])
    assert schema.lacks_time_index(schema.read(numbered[["heat"]], "predict"))
    assert not schema.lacks_time_index(schema.read(numbered[["heat"]].iloc[2:], "predict"))


def test_rows_of_polars_frames_follow_the_training_rows():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({"load": [1.0, 2.0, 3.0]})
    schema, _ = fit(frame)
    assert schema.lacks_time_index(schema.read(frame, "predict"))


# -- targets


def test_targets_are_in_the_order_of_the_argument():
    schema, _ = fit(WIDE, target="load")
    later = WIDE.iloc[[2, 0, 1]]
    assert_same(schema.read_targets(schema.read(later, "score"), None, "score"), later[["load"]])


def test_a_separate_target_must_be_given():
    schema, _ = fit(WIDE[["heat"]], WIDE["load"])
    given = schema.read(WIDE[["heat"]], "score")
    assert_same(schema.read_targets(given, WIDE["load"].tolist(), "score"), WIDE[["load"]])
    with pytest.raises(ValueError, match=r"^The 'y' parameter of Model\.score must be given"):
        schema.read_targets(given, None, "score")
    with pytest.raises(ValueError, match=r"must have the index of X, row by row"):
        schema.read_targets(given, WIDE["load"].shift(freq="h"), "score")


def test_a_known_target_must_equal_its_column():
    schema, _ = fit(WIDE, target="load")
    given = schema.read(WIDE, "update")
    assert_same(schema.read_known_targets(given, WIDE["load"], "update"), WIDE[["load"]])
    with pytest.raises(ValueError, match=r"must equal the columns \['load'\] of X, whose history it is"):
        schema.read_known_targets(given, 2 * WIDE["load"], "update")


def test_weights_stand_at_the_steps_of_their_rows():
    _, rows = fit(WIDE.iloc[[1, 0, 2]], target="load")
    (weights,) = rows.align_weights([1.0, 2.0, 3.0], [np.array([0, 1, 4])], "Test.fit")
    assert_same(weights, [2, 1, NAN, NAN, 3])
    assert rows.align_weights(None, [np.arange(3)], "Test.fit") is None


@pytest.mark.parametrize(
    "weights",
    [
        pd.Series([1.0, 2.0, 3.0], WIDE.index[[1, 0, 2]]),
        pd.Series([2.0, 3.0, 1.0], WIDE.index[[0, 2, 1]]),
        # An index that counts rows says nothing of their labels.
        pd.Series([1.0, 2.0, 3.0]),
    ],
    ids=["same order", "another order", "row numbers"],
)
def test_weights_are_found_by_their_labels(weights):
    _, rows = fit(WIDE.iloc[[1, 0, 2]], target="load")
    (found,) = rows.align_weights(weights, [np.array([0, 1, 2])], "Test.fit")
    assert_same(found, [2, 1, 3])


@pytest.mark.parametrize("labels", [[1, 0, 3], [0, 0, 2]], ids=["another label", "a label twice"])
def test_weights_with_other_labels_are_refused(labels):
    _, rows = fit(WIDE.iloc[[1, 0, 2]], target="load")
    weights = pd.Series(1.0, WIDE.index[labels])
    with pytest.raises(ValueError, match=r"'sample_weight' parameter of Test\.fit must have the labels of"):
        rows.align_weights(weights, [np.array([0, 1, 2])], "Test.fit")


# -- results


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (WIDE, None),
        (WIDE["load"], None),
        (WIDE.to_numpy(), None),
        (WIDE[["heat"]], WIDE["load"]),
        (WIDE[["heat"]], WIDE[["load"]]),
        (WIDE[["heat"]], WIDE["load"].to_numpy()),
    ],
    ids=["frame", "series", "array", "y series", "y frame", "y array"],
)
def test_forecasts_have_the_form_of_y_or_of_x(X, y):
    schema, _ = fit(X, y)
    expected = X if y is None else y
    forecasts = np.asarray(expected, float).reshape(6, -1)
    found = schema.format_like_fit(forecasts, schema.read(X, "predict"))
    assert type(found) is type(expected)
    assert_same(found, expected)


def test_future_values_of_a_long_frame_are_long():
    schema, _ = fit(LONG, spec=SPEC)
    values = [np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]])]
    found = schema.to_future_frame(["b", "a"], [pd.Index([4, 5]), pd.Index([3, 4])], values, ["load"])
    expected = pd.DataFrame({"id": [*"bbaa"], "time": [4, 5, 3, 4], "load": [1.0, 2, 3, 4]})
    pd.testing.assert_frame_equal(found, expected)


def test_paths_have_a_row_for_each_path_and_step():
    schema, _ = fit(WIDE["load"])
    paths = np.arange(4.0).reshape(1, 2, 2, 1)
    found = schema.to_paths_frame([None], [HOURS[:2]], paths, ["load"])
    assert found.index.names == ["path", "time"]
    assert found.index.get_level_values("path").tolist() == [0, 0, 1, 1]
    assert found.loc[1, "load"].tolist() == [2, 3]


def test_paths_of_a_long_frame_have_a_column_of_their_numbers():
    schema, _ = fit(LONG, spec=SPEC)
    paths = np.arange(8.0).reshape(2, 2, 2, 1)
    found = schema.to_paths_frame(["b", "a"], [pd.Index([4, 5]), pd.Index([3, 4])], paths, ["load"])
    assert list(found.columns) == ["id", "time", "path", "load"]
    assert found["path"].tolist() == [0, 0, 1, 1, 0, 0, 1, 1]
    assert found["time"].tolist() == [4, 5, 4, 5, 3, 4, 3, 4]
    assert found["load"].tolist() == list(range(8))
