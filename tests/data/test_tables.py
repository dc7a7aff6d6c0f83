"""Conversion of input data: accepted types, their conversion, and errors of the others."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from seqcast.data.tables import check_numeric, is_default_index, read_table, select_columns


def read(data, **options):
    return read_table(data, owner="Test.fit", **options)


def frame(**columns):
    n = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.date_range("2024-01-01", periods=n, freq="h"))


def test_frame():
    df = frame(a=[1.0, np.nan, 3.0], b=[4, 5, 6])
    table = read(df)
    np.testing.assert_array_equal(table.values, [[1, 4], [np.nan, 5], [3, 6]])
    assert table.values.dtype == np.float64
    assert table.values.flags.c_contiguous
    assert (table.columns, table.kind) == (("a", "b"), "frame")
    assert table.index.equals(df.index)


@pytest.mark.parametrize(("name", "label"), [("load", "load"), (None, "y"), (0, 0)])
def test_series(name, label):
    table = read(pd.Series([1.0, 2.0], name=name))
    assert (table.columns, table.kind, table.values.shape) == ((label,), "series", (2, 1))


@pytest.mark.parametrize("data", [[1, 2, 3], np.array([1, 2, 3]), [[1], [2], [3]], (1.0, 2.0, 3.0)])
def test_one_column_arrays(data):
    table = read(data)
    assert (table.columns, table.kind) == (("y",), "array")
    np.testing.assert_array_equal(table.values, [[1], [2], [3]])
    assert table.index.equals(pd.RangeIndex(3))


def test_arrays():
    table = read(np.asfortranarray([[1, 2], [3, 4]]))
    assert table.columns == ("x0", "x1")
    assert table.values.flags.c_contiguous
    np.testing.assert_array_equal(read([[1.0, None], [2.0, 3.0]]).values, [[1, np.nan], [2, 3]])


@pytest.mark.parametrize(
    "dtype", ["int8", "uint16", "int64", "float16", "float32", "bool", "Int32", "Float64", "boolean"]
)
def test_dtypes_are_converted(dtype):
    table = read(frame(a=pd.array([1, 0, 1], dtype=dtype)))
    np.testing.assert_array_equal(table.values[:, 0], [1.0, 0.0, 1.0])


def test_missing_in_nullable_columns_is_nan():
    np.testing.assert_array_equal(
        read(frame(a=pd.array([1, pd.NA, 3], dtype="Int64"))).values[:, 0], [1, np.nan, 3]
    )


def test_unsorted_rows():
    df = frame(a=[1.0, 2.0, 3.0]).iloc[[2, 0, 1]]
    assert read(df, unsorted="sort").values[:, 0].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=r"sorted by its index.*2024-01-01 00:00:00 in row 1.*sort_index"):
        read(df)


def test_unsorted_rows_may_be_kept_but_none_twice():
    df = frame(a=[1.0, 2.0, 3.0]).iloc[[2, 0, 1]]
    table = read(df, unsorted="keep")
    assert table.values[:, 0].tolist() == [3, 1, 2]
    assert table.index.equals(df.index)
    with pytest.raises(ValueError, match="unique stamps"):
        read(df.iloc[[0, 1, 0]], unsorted="keep")


@pytest.mark.parametrize("unsorted", ["refuse", "sort", "keep"])
def test_sorted_rows_stay_as_they_are(unsorted):
    df = frame(a=[1.0, 2.0, 3.0])
    table = read(df, unsorted=unsorted)
    assert table.values[:, 0].tolist() == [1, 2, 3]
    assert table.index.equals(df.index)


def stamps(*labels):
    return pd.DataFrame({"a": np.arange(float(len(labels)))}, index=pd.Index(labels))


BAD_VALUES = {
    "no rows": (frame(a=[1.0]).iloc[:0], "0 sample"),
    "no columns": (frame(a=[1.0])[[]], "0 feature"),
    "duplicated columns": (pd.DataFrame([[1.0, 2.0]], columns=["a", "a"]), "unique column names.*'a'"),
    "duplicated stamps": (stamps(1, 2, 2, 3), "unique stamps.*such as 2"),
    "unknown stamp": (stamps(1.0, np.nan, 3.0), "known stamp in every row.*row 1"),
    "infinite": (frame(a=[1.0, np.inf, 2.0]), "inf in column 'a' at 2024-01-01 01:00:00"),
    "never observed": (frame(a=[1.0, 2.0], b=[np.nan, np.nan]), "observed value in every column.*'b'"),
    "three dimensions": (np.zeros((2, 2, 2)), "shape"),
    "ragged": ([[1, 2], [3]], "different lengths"),
}
BAD_TYPES = {
    "strings": (frame(a=["1", "2"]), "column 'a' of dtype.*pd.to_numeric"),
    "booleans": (
        pd.DataFrame({"a": pd.Series([True, None], dtype=object)}),
        r"column 'a' of dtype object \(content: boolean\).*astype\('boolean'\)",
    ),
    "decimals": (frame(a=[Decimal(1), Decimal(2)]), "column 'a' of dtype object.*astype"),
    "dates": (frame(a=pd.date_range("2024", periods=2)), "column 'a' of dtype datetime64.*set_index"),
    "categories": (frame(a=pd.Categorical(["x", "y"])), "column 'a' of dtype category.*get_dummies"),
    "complex": (frame(a=[1j, 2.0]), "real numbers"),
    "text index": (stamps("x", "y"), "pd.to_datetime"),
    "several levels": (stamps(1, 2).set_index(pd.MultiIndex.from_tuples([(1, 1), (1, 2)])), "one level"),
    "a number": (3.0, "array-like"),
}


@pytest.mark.parametrize(("data", "message"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values(data, message):
    with pytest.raises(ValueError, match=message):
        read(data)


@pytest.mark.parametrize(("data", "message"), BAD_TYPES.values(), ids=BAD_TYPES)
def test_bad_types(data, message):
    with pytest.raises(TypeError, match=message):
        read(data)


def test_messages_name_parameter_and_owner():
    with pytest.raises(ValueError, match=r"^The 'y' parameter of Test\.fit must"):
        read(stamps(1, 1), parameter="y")


def test_columns_without_values_may_be_allowed():
    assert np.isnan(read(frame(a=[np.nan]), require_observed=False).values).all()


def test_columns_are_selected_by_name():
    table = read(frame(a=[1.0], b=[2.0], c=[3.0]))
    chosen = select_columns(table, ["c", "a"], owner="Test.predict")
    assert chosen.columns == ("c", "a")
    assert chosen.values.tolist() == [[3, 1]]
    with pytest.raises(ValueError, match=r"Missing: 'd'; got 'a', 'b', 'c' instead"):
        select_columns(table, ["a", "d"], owner="Test.predict")


@pytest.mark.parametrize(
    ("index", "counted"),
    [
        (pd.RangeIndex(4), True),
        (pd.Index([0, 1, 2, 3]), True),
        (pd.Index([0, 1, 2], dtype="uint8"), True),
        (pd.RangeIndex(1), True),
        (pd.RangeIndex(1, 5), False),
        (pd.RangeIndex(0, 8, 2), False),
        (pd.Index([0, 2, 1]), False),
        (pd.Index([0, 1, 3]), False),
        (pd.Index([0.0, 1.0, 2.0]), False),
        (pd.date_range("1970", periods=3, freq="ns"), False),
        (pd.period_range("1970-01", periods=3, freq="M"), False),
    ],
)
def test_rows_that_were_never_given_a_label_are_counted(index, counted):
    assert is_default_index(index) is counted


def test_numbers_are_checked_whatever_else_is_wrong():
    check_numeric(frame(a=[1, 2], b=[True, False], c=[0.5, np.nan]), owner="Test.fit")
    check_numeric(pd.DataFrame({0: [np.inf, 1.0]}, index=["x", "x"]), owner="Test.fit")


BAD_COLUMNS = {name: data for name, (data, message) in BAD_TYPES.items() if message.startswith("column")}


@pytest.mark.parametrize("data", BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_columns_that_are_not_numbers_raise_the_same_error(data):
    with pytest.raises(TypeError, match=r"^The 'y' parameter of Test\.fit must hold numbers only") as alone:
        check_numeric(data, owner="Test.fit", parameter="y")
    with pytest.raises(TypeError) as within:
        read(data, parameter="y")
    assert str(alone.value) == str(within.value)
