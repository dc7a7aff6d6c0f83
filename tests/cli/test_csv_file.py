"""Rows of CSV files, and their line numbers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import assert_fails, read_data_frame, replace_line, run_command


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "bad.csv is empty, or its first line holds no column names"),
        (b"\n\n", "bad.csv is empty, or its first line holds no column names"),
        (b"date,load\n", "bad.csv has column names but no rows"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "bad.csv is not a CSV file: its text is not UTF-8"),
        (b"a,b\n1,2\n3,4,5\n", "bad.csv is not a CSV file: Expected 2 fields in line 3, saw 3"),
        (b"a,b\n1,2,3\n4,5,6\n", "bad.csv is not a CSV file: its rows have more cells than its first line"),
        (b"a,b,a\n1,2,3\n", "bad.csv has more than one column 'a'; rename or remove one"),
        (
            b'a,"b\nc","b\nc"\n1,2,3\n',
            "bad.csv has more than one column 'b\\nc'; rename or remove one",
        ),
        (b"a,b\nx,y\n", "bad.csv has no column of numbers to forecast"),
    ],
)
def test_file_that_is_not_csv_raises(capsys, folder, content, message):
    Path("bad.csv").write_bytes(content)
    assert_fails(capsys, folder, ["forecast", "bad.csv"], message)


def test_missing_file_raises(capsys, folder):
    assert_fails(capsys, folder, ["forecast", "dat.csv"], "dat.csv: there is no such file")
    assert_fails(capsys, folder, ["backtest", "."], ". is a directory, not a CSV file")


def test_blank_lines_count_as_lines(capsys, folder):
    replace_line(3, "\n\n2024-01-02,1,1")
    replace_line(20, "2024-01-17x,1,1")
    argv = ["forecast", "data.csv", "--time", "date"]
    message = "data.csv, line 20: '2024-01-17x' in 'date' is not a date like the others. "
    code, _, err = run_command(capsys, *argv)
    assert code == 2
    assert message in err


BROKEN = 'date,"load\nMW"\n2024-01-01,1\n"2024-01-02",3\n"2024\n01-03",4\n2024-01-04,n.a.\n'


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "date"], "data.csv, line 5: '2024 01-03' in 'date' is not a date like the others. "),
        (["--target", "load\nMW"], "data.csv, line 7: 'n.a.' in target 'load MW' is not a number"),
    ],
)
def test_line_breaks_in_cells_count_as_lines(capsys, folder, options, message):
    Path("data.csv").write_text(BROKEN)
    code, out, err = run_command(capsys, "forecast", "data.csv", *options)
    assert (code, out) == (2, "")
    assert err.replace("\\n", " ").startswith(f"seqcast: error: {message}")


def test_line_number_of_a_row_with_too_many_cells(capsys, folder):
    Path("data.csv").write_text('a,"b\nc"\n"1\n",2\n3,4,5\n')
    message = "data.csv is not a CSV file: Expected 2 fields in line 5, saw 3"
    assert_fails(capsys, folder, ["forecast", "data.csv"], message)


def test_quote_without_end_raises(capsys, folder):
    Path("data.csv").write_text('date,"load\n' + "2024-01-01,1\n" * 20_000)
    code, out, err = run_command(capsys, "forecast", "data.csv")
    assert (code, out) == (2, "")
    assert err == "seqcast: error: data.csv is not a CSV file: field larger than field limit (131072)\n"


@pytest.mark.parametrize("separator", [";", "\t", ", "])
def test_separators_and_byte_order_mark(folder, load, separator):
    text = load.to_csv().replace(",", separator)
    Path("data.csv").write_text("\ufeff" + text, encoding="utf-8")
    pd.testing.assert_frame_equal(read_data_frame("data.csv"), load, check_freq=False, check_index_type=False)


@pytest.mark.parametrize(
    ("header", "separator", "names"),
    [
        ('"Load, MW, of all";date', ";", ["Load, MW, of all", "date"]),
        ('date;"Load, MW, of all"', ";", ["date", "Load, MW, of all"]),
        ('date;"Load, MW"', ";", ["date", "Load, MW"]),
        ('date\t"a;b, c"\t"d;e"', "\t", ["date", "a;b, c", "d;e"]),
        ('"a;b;c", "date", "say ""x; y"""', ",", ["a;b;c", "date", 'say "x; y"']),
        ('date,"say ""x; y; z"""', ",", ["date", 'say "x; y; z"']),
        ('date,pipe of 5"', ",", ["date", 'pipe of 5"']),
    ],
)
def test_quoted_separators_are_part_of_names(folder, header, separator, names):
    cells = ["2024-01-01" if name == "date" else "1" for name in names]
    Path("data.csv").write_text(f"{header}\n{separator.join(cells)}\n")
    assert list(read_data_frame("data.csv").columns) == [name for name in names if name != "date"]


def test_trailing_separators_and_missing_cells(folder):
    Path("data.csv").write_text("date,load,temp\n2024-01-01,1,5,\n2024-01-02,,6,\n2024-01-03,3\n")
    np.testing.assert_array_equal(read_data_frame("data.csv"), [[1, 5], [np.nan, 6], [3, np.nan]])
