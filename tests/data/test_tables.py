"""What is accepted at the border, what it becomes, and what is refused with which words."""

import datetime
import sys
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from seqcast.data.conversion import convert_input
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
def test_other_columns_than_numbers_are_refused_in_the_same_words(data):
    with pytest.raises(TypeError, match=r"^The 'y' parameter of Test\.fit must hold numbers only") as alone:
        check_numeric(data, owner="Test.fit", parameter="y")
    with pytest.raises(TypeError) as within:
        read(data, parameter="y")
    assert str(alone.value) == str(within.value)


# -- frames of other libraries


STAMPS = pd.date_range("2024-10-26 23:00", periods=3, freq="h", unit="us")
TIMES = STAMPS.to_pydatetime().tolist()
TEXT = pd.Series(["a"]).dtype  # object before pandas 3
COLUMNS = {
    "id": (["b", "a", None], "str"),
    "time": (TIMES, "datetime64[us]"),
    "day": ([datetime.date(2024, 1, 1), None, datetime.date(2024, 1, 3)], "datetime64[s]"),
    "span": ([datetime.timedelta(hours=1), None, datetime.timedelta(days=1)], "timedelta64[us]"),
    "load": ([1.5, None, 2.5], "float64"),
    "count": ([1, 2, 3], "int64"),
    "some": ([1, None, 3], "float64"),
    "on": ([True, False, True], "bool"),
    "known": ([True, None, False], "boolean"),
    "none": ([None, None, None], "float64"),
}
EXPECTED = pd.DataFrame(
    {
        name: pd.Series(entries, dtype=TEXT if dtype == "str" else dtype)
        for name, (entries, dtype) in COLUMNS.items()
    }
)


def polars_frame(columns):
    return pytest.importorskip("polars").DataFrame(columns, strict=False)


def arrow_table(columns):
    return pytest.importorskip("pyarrow").table(columns)


@pytest.fixture(params=[polars_frame, arrow_table], ids=["polars", "pyarrow"])
def other(request):
    """A frame of another library made of lists."""
    pytest.importorskip("narwhals")
    return request.param


def test_frames_of_other_libraries_become_those_of_pandas(other):
    found = convert_input(other({name: entries for name, (entries, _) in COLUMNS.items()}))
    pd.testing.assert_frame_equal(found, EXPECTED)


def test_frames_of_other_libraries_keep_zones_text_and_the_order_of_enumerations():
    polars = pytest.importorskip("polars")
    zoned = polars.Series(STAMPS.to_numpy()).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    sizes = polars.Series(["S", None, "L"], dtype=polars.Enum(["S", "M", "L"]))
    kinds = polars.Series(["x", None, "b"], dtype=polars.Categorical)
    found = convert_input(polars.DataFrame({"time": zoned, "size": sizes, "kind": kinds}))
    assert found["time"].equals(pd.Series(STAMPS.tz_localize("UTC").tz_convert("Europe/Berlin")))
    assert (found["size"].cat.ordered, list(found["size"].cat.categories)) == (True, ["S", "M", "L"])
    assert found["size"].cat.codes.tolist() == [0, -1, 2]
    assert (found["kind"].cat.ordered, list(found["kind"].cat.categories)) == (False, ["b", "x"])
    assert found["kind"].cat.codes.tolist() == [1, -1, 0]


def test_missing_entries_of_arrow_dictionaries_stay_missing():
    pytest.importorskip("narwhals")
    pyarrow = pytest.importorskip("pyarrow")
    found = convert_input(pyarrow.table({"kind": pyarrow.array(["x", None, "b"]).dictionary_encode()}))
    assert found["kind"].cat.codes.tolist() == [1, -1, 0]


def test_narrow_floats_stay_narrow():
    polars = pytest.importorskip("polars")
    found = convert_input(polars.DataFrame({"a": polars.Series([1.5, None], dtype=polars.Float32)}))
    assert found["a"].dtype == np.float32


def test_lazy_frames_are_collected():
    polars = pytest.importorskip("polars")
    lazy = polars.LazyFrame({"a": [1, 2]}).with_columns(b=polars.col("a") * 2)
    pd.testing.assert_frame_equal(convert_input(lazy), pd.DataFrame({"a": [1, 2], "b": [2, 4]}))


@pytest.mark.parametrize(("name", "label"), [("load", "load"), ("", None)])
def test_series_of_other_libraries_become_those_of_pandas(name, label):
    polars = pytest.importorskip("polars")
    pd.testing.assert_series_equal(convert_input(polars.Series(name, [1, 2])), pd.Series([1, 2], name=label))


def test_modin_frames_keep_their_index(monkeypatch):
    monkeypatch.setenv("MODIN_ENGINE", "python")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modin = pytest.importorskip("modin.pandas")
        found = convert_input(modin.DataFrame({"a": [1.0, 2.0, 3.0]}, index=STAMPS))
        table = read(modin.DataFrame({"a": [1.0, 2.0, 3.0]}, index=STAMPS))
    pd.testing.assert_frame_equal(found, pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=STAMPS))
    assert table.timed
    assert table.index.equals(STAMPS)


@pytest.mark.parametrize("data", [[1, 2], 3.0, np.zeros(2), frame(a=[1.0]), pd.Series([1.0]), None])
def test_whatever_else_comes_stays_as_it_is(data):
    assert convert_input(data) is data


def test_numbers_of_other_libraries_keep_their_names_and_their_rows_are_counted(other):
    table = read(other({"load": [1.0, None, 3.0], "on": [True, False, None], "count": [1, 2, 3]}))
    np.testing.assert_array_equal(table.values, [[1, 1, 1], [np.nan, 0, 2], [3, np.nan, 3]])
    assert (table.columns, table.kind, table.timed) == (("load", "on", "count"), "frame", False)
    assert table.index.equals(pd.RangeIndex(3))


@pytest.mark.parametrize(("name", "label"), [("load", "load"), ("", "y")])
def test_series_of_other_libraries_are_series(name, label):
    table = read(pytest.importorskip("polars").Series(name, [1, 2]))
    assert (table.columns, table.kind, table.timed) == ((label,), "series", False)
    assert table.values.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("data", "timed"), [(frame(a=[1.0]), True), (pd.Series([1.0]), True), ([1.0], False)]
)
def test_only_what_can_have_an_index_is_timed(data, timed):
    assert read(data).timed is timed


def test_stamps_and_text_of_other_libraries_are_refused(other):
    message = r"Got column 'time' of dtype datetime64\[us\] instead\. Make it the index.*time_col="
    with pytest.raises(TypeError, match=message):
        read(other({"time": TIMES, "load": [1.0, 2.0, 3.0]}))
    with pytest.raises(TypeError, match=r"Got column 'id' of dtype"):
        read(other({"id": ["a", "b"], "load": [1.0, 2.0]}))


def test_without_narwhals_the_way_out_is_told(monkeypatch):
    other = type("DataFrame", (), {"__module__": "polars.dataframe.frame"})
    monkeypatch.setitem(sys.modules, "narwhals.stable.v2", None)
    message = r"^A DataFrame of polars is read with narwhals.*`pip install narwhals`, or.*\.to_pandas\(\)\.$"
    with pytest.raises(ImportError, match=message):
        read(other())


def test_narwhals_is_left_alone_where_nothing_needs_it(run_python):
    script = """
import sys
sys.modules["narwhals"] = None
import pandas as pd
from seqcast.data.tables import read_table
print([read_table(data, owner="Test").values.tolist() for data in ([1, 2], pd.Series([1, 2]))])
"""
    assert run_python(script) == "[[[1.0], [2.0]], [[1.0], [2.0]]]"
