"""Frames and series of other libraries."""

import datetime
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from seqcast.data.conversion import convert_input, has_index
from seqcast.data.tables import read_table


def read(data):
    return read_table(convert_input(data), owner="Test.fit")


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
    """Return a frame of another library, made of lists."""
    pytest.importorskip("narwhals")
    return request.param


def test_frames_of_other_libraries_become_those_of_pandas(other):
    found = convert_input(other({name: entries for name, (entries, _) in COLUMNS.items()}))
    pd.testing.assert_frame_equal(found, EXPECTED)


def test_conversion_keeps_time_zones_and_orders_of_enumerations():
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
        data = modin.DataFrame({"a": [1.0, 2.0, 3.0]}, index=STAMPS)
        found = convert_input(data)
    assert has_index(data)
    pd.testing.assert_frame_equal(found, pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=STAMPS))


@pytest.mark.parametrize(
    "data", [[1, 2], 3.0, np.zeros(2), pd.DataFrame({"a": [1.0]}), pd.Series([1.0]), None]
)
def test_other_objects_are_returned_as_they_are(data):
    assert convert_input(data) is data
    assert has_index(data)


def test_columns_keep_their_names_and_rows_are_counted(other):
    data = other({"load": [1.0, None, 3.0], "on": [True, False, None], "count": [1, 2, 3]})
    table = read(data)
    np.testing.assert_array_equal(table.values, [[1, 1, 1], [np.nan, 0, 2], [3, np.nan, 3]])
    assert (table.columns, table.kind) == (("load", "on", "count"), "frame")
    assert table.index.equals(pd.RangeIndex(3))
    assert not has_index(data)


@pytest.mark.parametrize(("name", "label"), [("load", "load"), ("", "y")])
def test_series_of_other_libraries_are_series(name, label):
    table = read(pytest.importorskip("polars").Series(name, [1, 2]))
    assert (table.columns, table.kind) == ((label,), "series")
    assert table.values.tolist() == [[1], [2]]


def test_stamps_and_text_of_other_libraries_are_refused(other):
    message = r"Got column 'time' of dtype datetime64\[us\] instead\. Make it the index.*time_col="
    with pytest.raises(TypeError, match=message):
        read(other({"time": TIMES, "load": [1.0, 2.0, 3.0]}))
    with pytest.raises(TypeError, match=r"Got column 'id' of dtype"):
        read(other({"id": ["a", "b"], "load": [1.0, 2.0]}))


def test_without_narwhals_the_error_says_how_to_install_it(monkeypatch):
    other = type("DataFrame", (), {"__module__": "polars.dataframe.frame"})
    monkeypatch.setitem(sys.modules, "narwhals.stable.v2", None)
    message = r"^A DataFrame of polars is read with narwhals.*`pip install narwhals`, or.*\.to_pandas\(\)\.$"
    with pytest.raises(ImportError, match=message):
        read(other())


def test_narwhals_is_not_imported_for_pandas_and_arrays(run_python):
    script = """
import sys
sys.modules["narwhals"] = None
import pandas as pd
from seqcast.data.conversion import convert_input
print([len(convert_input(data)) for data in ([1, 2], pd.Series([1, 2]))])
"""
    assert run_python(script) == "[2, 2]"
