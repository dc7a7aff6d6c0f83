"""Long frames: taken apart into series, and put together again."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.data.conversion import convert_input
from seqcast.data.long import check_observed, read_long, to_long
from seqcast.data.tables import Argument

DAYS = pd.date_range("2024-01-01", periods=3, freq="D")


def long(**columns):
    return pd.DataFrame(columns)


def read(frame, id_col="id", time_col="time", columns=None, observed=(), **options):
    table = read_long(frame, id_col, time_col, columns, "Test.fit", **options)
    check_observed(table, observed, Argument("X", "Test.fit"))
    return table


# b before a; rows of both mixed, and out of order
MIXED = long(
    id=["b", "a", "b", "a", "b"],
    time=[DAYS[2], DAYS[1], DAYS[0], DAYS[0], DAYS[1]],
    y=[3.0, 20.0, 1.0, 10.0, np.nan],
    x=[1, 2, 3, 4, 5],
)


def test_series_are_ordered_by_first_row_and_rows_by_time():
    found = read(MIXED)
    (first, b), (second, a) = found
    assert (first, second, len(found)) == ("b", "a", 2)
    np.testing.assert_array_equal(b.values, [[1, 3], [np.nan, 5], [3, 1]])
    np.testing.assert_array_equal(a.values, [[10, 4], [20, 2]])
    assert b.index.equals(pd.DatetimeIndex(DAYS, name="time", freq=None))
    assert a.index.equals(b.index[:2])
    assert (a.columns, a.kind, a.index.name) == (("y", "x"), "frame", "time")
    assert [rows.tolist() for rows in found.row_numbers] == [[2, 4, 0], [3, 1]]


def test_one_series_can_be_asked_for():
    found = read(MIXED)
    assert [found[k][0] for k in (0, 1, -1)] == ["b", "a", "a"]
    assert found[-1][1].values.tolist() == [[10, 4], [20, 2]]
    with pytest.raises(IndexError):
        found[2]


def test_columns_are_chosen_and_ordered():
    found = read(MIXED, columns=["x", "y"])
    assert found.columns == ("x", "y")
    assert found[1][1].values.tolist() == [[4, 10], [2, 20]]
    assert read(MIXED, columns=[])[1][1].values.shape == (2, 0)


def test_without_ids_there_is_one_series():
    found = read(MIXED[MIXED["id"] == "b"].drop(columns="id"), id_col=None)
    ((label, table),) = found
    assert label is None
    assert table.values[:, 1].tolist() == [3, 5, 1]
    assert table.index.tolist() == DAYS.tolist()
    assert [rows.tolist() for rows in found.row_numbers] == [[1, 2, 0]]


def test_the_index_may_tell_the_time_of_several_series():
    found = read(MIXED.set_index("time"), time_col=None)
    assert [(label, table.index.tolist()) for label, table in found] == [
        ("b", DAYS.tolist()),
        ("a", DAYS[:2].tolist()),
    ]
    assert found[1][1].values[:, 0].tolist() == [10, 20]


STAMPS = {
    "timestamps": DAYS.as_unit("s"),
    "zone": DAYS.tz_localize("Europe/Berlin"),
    "integers": pd.Index([3, 5, 9], dtype="int32"),
    "floats": pd.Index([-0.5, 0.25, 7.0]),
    "timedeltas": pd.timedelta_range("1h", periods=3, freq="h"),
    "periods": pd.period_range("2024-01", periods=3, freq="M"),
}
IDS = {
    "text": pd.Series(["b", "a"]),
    "integers": pd.Series([7, -3]),
    "categories": pd.Series(pd.Categorical(["b", "a"], categories=["a", "b", "c"])),
    "dates": pd.Series(DAYS[:2]),
    "nullable": pd.Series([7, -3], dtype="Int64"),
}


@pytest.mark.parametrize("stamps", STAMPS.values(), ids=STAMPS)
@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_to_long_inverts_read_long(ids, stamps):
    whole = long(
        id=ids.repeat(3).reset_index(drop=True),
        time=pd.Series(stamps.append(stamps)),
        y=[1.0, 2.0, 3.0, 4.0, 5.0, np.nan],
    )
    found = read(whole.iloc[[2, 4, 0, 5, 1, 3]])
    indexes, values = zip(*((table.index, table.values) for _, table in found), strict=True)
    pd.testing.assert_frame_equal(to_long(found.ids, indexes, values, ["y"], "id", "time"), whole)


def test_forecasts_may_be_one_array_and_stamps_the_index():
    stamps = [DAYS[:2], DAYS[1:]]
    found = to_long(["b", "a"], stamps, np.arange(8.0).reshape(2, 2, 2), ["y", "z"], "id", None)
    expected = long(id=["b", "b", "a", "a"], y=[0.0, 2, 4, 6], z=[1.0, 3, 5, 7]).set_index(DAYS[[0, 1, 1, 2]])
    pd.testing.assert_frame_equal(found, expected)
    alone = to_long([None], stamps[:1], [np.ones((2, 1))], ["y"], None, "time")
    pd.testing.assert_frame_equal(alone, long(time=DAYS[:2], y=[1.0, 1.0]))


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(-20, 20)), min_size=1, max_size=40, unique=True),
    st.booleans(),
)
def test_series_equal_those_of_grouping_and_sorting(rows, sort_by_index):
    rows = sorted(rows) if sort_by_index else rows
    frame = long(id=[row[0] for row in rows], time=[row[1] for row in rows], y=np.arange(float(len(rows))))
    found = read(frame)
    assert list(found.ids) == list(dict.fromkeys(row[0] for row in rows))
    for (label, table), places in zip(found, found.row_numbers, strict=True):
        own = sorted((time, place) for place, (series, time) in enumerate(rows) if series == label)
        assert table.index.tolist() == [time for time, _ in own]
        assert places.tolist() == [place for _, place in own]
        assert table.values[:, 0].tolist() == places.tolist()


def test_polars_frames_are_read():
    polars = pytest.importorskip("polars")
    columns = {name: MIXED[name].tolist() for name in MIXED}
    for frame in (polars.DataFrame(columns), polars.LazyFrame(columns)):
        (first, b), (second, a) = read(convert_input(frame))
        assert (first, second) == ("b", "a")
        np.testing.assert_array_equal(b.values, [[1, 3], [np.nan, 5], [3, 1]])
        assert a.index.tolist() == DAYS[:2].tolist()


def test_sorted_rows_are_split_where_series_end():
    n = 2000
    frame = long(id=np.repeat(np.arange(n), 3), time=np.tile(DAYS, n), y=np.arange(3.0 * n))
    found = list(read(frame))
    assert [label for label, _ in found] == list(range(n))
    assert [table.values[0, 0] for _, table in found] == list(range(0, 3 * n, 3))
    assert {len(table.index) for _, table in found} == {3}


def with_entry(column, row, entry, dtype=None):
    changed = MIXED.copy()
    if dtype is not None:
        changed[column] = changed[column].astype(dtype)
    changed.loc[row, column] = entry
    return changed


BAD_VALUES = {
    "no rows": (MIXED[:0], {}, "0 sample"),
    "no column but these": (MIXED[["id", "time"]], {}, "0 feature"),
    "no such ids": (
        MIXED,
        {"id_col": "store"},
        "column 'store', which id_col names. Got the columns 'id', 'time'",
    ),
    "no such stamps": (
        MIXED,
        {"time_col": "ds"},
        "column 'ds', which time_col names. Got the columns 'id', 'time'",
    ),
    "no such column": (
        MIXED,
        {"columns": ["y", "z"]},
        "have the column 'z'. Got the columns 'id', 'time', 'y', 'x'",
    ),
    "one column for both": (MIXED, {"time_col": "id"}, "in two columns. Got 'id' for both"),
    "unknown id": (
        with_entry("id", 3, None),
        {},
        r"an id in every row of the column 'id'. Got .* in row 3 \(1 such",
    ),
    "unknown stamp": (
        with_entry("time", 1, pd.NaT),
        {},
        r"a known stamp in every row. Got NaT in row 1 \(1 such",
    ),
    "stamp twice": (
        with_entry("time", 4, DAYS[2]),
        {},
        r"only once in a series. Got 2024-01-03 00:00:00 in series 'b' in rows 0 and 4 \(1 such pairs\)",
    ),
    "series not told apart": (
        MIXED.drop(columns="id"),
        {"id_col": None},
        r"Got 2024-01-01 00:00:00 in rows 2 and 3 \(2 such pairs\) instead. If these are several.*id_col",
    ),
    "infinite": (
        with_entry("y", 1, -np.inf),
        {},
        "finite numbers or NaN. Got -inf in column 'y' in series 'a' at 2024-01-02 00:00:00",
    ),
    "infinite, alone": (
        with_entry("y", 1, np.inf)[:2],
        {"id_col": None, "columns": ["y"]},
        "Got inf in column 'y' at 2024-01-02 00:00:00",
    ),
    "never observed": (
        with_entry("y", [1, 3], np.nan),
        {"observed": ["x", "y"]},
        r"observed value in the column 'y' of every series. Got nothing.* in series 'a' \(1 such",
    ),
    "column twice": (pd.concat([MIXED, MIXED[["y"]]], axis=1), {}, "unique column names.*'y'"),
}
BAD_TYPES = {
    "an array": (MIXED.to_numpy(), {}, "be a DataFrame. Got ndarray"),
    "text": (MIXED.assign(x=["u"] * 5), {}, "column 'x' of dtype"),
    "stamps among the numbers": (
        MIXED,
        {"time_col": None, "id_col": "id"},
        "column 'time' of dtype.*time_col=",
    ),
    "stamps of text": (
        MIXED.astype({"time": str}),
        {},
        "timedeltas or periods. Got the column 'time' of dtype .*. Convert it with pd.to_datetime.$",
    ),
    "levels": (
        MIXED.set_index(["id", "time"]),
        {"id_col": None, "time_col": None},
        r"reset_index\(\) and name",
    ),
}


@pytest.mark.parametrize(("frame", "options", "message"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values(frame, options, message):
    with pytest.raises(ValueError, match=message) as error:
        read(frame, **options)
    assert str(error.value).startswith("The 'X' parameter of Test.fit must")


@pytest.mark.parametrize(("frame", "options", "message"), BAD_TYPES.values(), ids=BAD_TYPES)
def test_bad_types(frame, options, message):
    with pytest.raises(TypeError, match=message):
        read(frame, **options)


def test_other_columns_are_put_in_the_order_of_series():
    found = read(MIXED)
    held = found.with_columns(["z", "y"], np.column_stack([[100, 200, 300, 400, 500], MIXED["y"]]))
    np.testing.assert_array_equal(held[0][1].values, [[300, 1], [500, np.nan], [100, 3]])
    np.testing.assert_array_equal(held[1][1].values, [[400, 10], [200, 20]])
    assert held.columns == ("z", "y")
    assert held[1][1].index.equals(found[1][1].index)


def test_only_required_columns_need_observed_values():
    frame = with_entry("y", [1, 3], np.nan)
    assert np.isnan(read(frame)[1][1].values[:, 0]).all()
    assert np.isnan(read(frame, observed=["x"])[1][1].values[:, 0]).all()
