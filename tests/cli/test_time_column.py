"""Conversion of a column of text to an index of times."""

from pathlib import Path

import pandas as pd
import pytest
from command_line import assert_fails, read_data_frame, replace_line

NO_DATE = (
    "data.csv, line {line}: {cell!r} in 'date' is not a date like the others. "
    "Write dates as 2013-01-31 or 2013-01-31 18:00, or pass their format as --time-format"
)


@pytest.mark.parametrize("time", ["", " 18:00"])
def test_ambiguous_dates_raise(capsys, folder, time):
    rows = [f"0{month}/0{day}/2023{time},{day}\n" for month, day in [(1, 1), (1, 2), (1, 3)]]
    Path("data.csv").write_text("date,load\n" + "".join(rows))
    forms = [f"%m/%d/%Y{time and ' %H:%M'}", f"%d/%m/%Y{time and ' %H:%M'}"]
    month_first, day_first = (f"'{form}'" if time else form for form in forms)
    message = (
        f"data.csv, line 3: '01/02/2023{time}' in 'date' may be 2023-01-02 or 2023-02-01, and no other row "
        f"decides it. Pass --time-format {month_first} or --time-format {day_first}"
    )
    assert_fails(capsys, folder, ["forecast", "data.csv", "--time", "date"], message)
    start = f"2023-01-01{time}"
    for form, freq in zip(forms, ["D", "MS"], strict=True):
        index = read_data_frame("data.csv", "--time-format", form).index
        assert index.tolist() == list(pd.date_range(start, periods=3, freq=freq))


def test_dates_with_equal_readings_are_read(folder):
    Path("data.csv").write_text("date,load\n01/01/2023,1\n02/02/2023,2\n")
    assert read_data_frame("data.csv").index.tolist() == [
        pd.Timestamp("2023-01-01"),
        pd.Timestamp("2023-02-02"),
    ]


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y"])
def test_first_date_decides_the_format(folder, form):
    days = pd.date_range("2023-01-31", periods=3)
    Path("data.csv").write_text("date,load\n" + "".join(f"{day:{form}},1\n" for day in days))
    assert read_data_frame("data.csv").index.tolist() == list(days)


@pytest.mark.parametrize(
    ("line", "text", "message"),
    [
        (7, "2024-13-06,1,2", NO_DATE.format(line=7, cell="2024-13-06")),
        (2, "yesterday,1,2", NO_DATE.format(line=2, cell="yesterday")),
        (9, ",1,2", "data.csv, line 9: there is no time in 'date'"),
        (4, "2024-01-01,1,2", "data.csv, lines 2 and 4: the time 2024-01-01 in 'date' occurs more than once"),
        (5, "2024-01-04,n.a.,2", "data.csv, line 5: 'n.a.' in target 'load' is not a number"),
    ],
)
def test_wrong_cells_raise(capsys, folder, line, text, message):
    replace_line(line, text)
    assert_fails(capsys, folder, ["forecast", "data.csv", "--time", "date", "--target", "load"], message)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("%Y-%m-%d", []),
        ("%Y%m%d", []),
        ("%Y-%m-%dT%H:%M:%S", []),
        ("%m/%d/%Y", []),
        ("%d/%m/%Y", []),
        ("%d.%m.%Y", []),
        ("%d.%m.%Y %H:%M", []),
        ("%Y day %j", ["--time-format", "%Y day %j"]),
    ],
)
def test_formats_of_dates(folder, load, form, options):
    load.set_axis(load.index.strftime(form).rename("date")).to_csv("data.csv")
    index = read_data_frame("data.csv", *options).index
    assert index.tolist() == load.index.tolist()
    assert index.name == "date"


def test_midnight_may_have_no_time_of_day(folder):
    Path("data.csv").write_text("date,load\n2024-01-01,1\n2024-01-01 12:00,2\n2024-01-02,3\n")
    assert read_data_frame("data.csv").index.tolist() == list(
        pd.date_range("2024-01-01", periods=3, freq="12h")
    )


def test_mixed_offsets_become_utc(folder):
    cells = ["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T04:00+02:00"]
    Path("data.csv").write_text("date,load\n" + "".join(f"{cell},1\n" for cell in cells))
    expected = pd.date_range("2024-03-31", periods=3, freq="h", tz="UTC")
    assert read_data_frame("data.csv").index.tolist() == list(expected)


def test_single_offset_is_kept(folder):
    Path("data.csv").write_text("date,load\n2024-03-31T01:00+01:00,1\n2024-03-31T02:00+01:00,1\n")
    assert read_data_frame("data.csv").index[0].isoformat() == "2024-03-31T01:00:00+01:00"


def test_years_are_numbers(folder):
    Path("data.csv").write_text("date,load\n2001,1\n2002,2\n2003,3\n")
    assert read_data_frame("data.csv").index.tolist() == [2001, 2002, 2003]


def test_unsorted_rows_are_sorted(folder, load):
    load.iloc[::-1].to_csv("data.csv")
    pd.testing.assert_frame_equal(read_data_frame("data.csv"), load, check_freq=False, check_index_type=False)
