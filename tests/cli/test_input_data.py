"""Columns of a CSV file that a command reads."""

import numpy as np
import pytest
from command_line import TINY, assert_fails, run_command


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--time", "dat"], "data.csv has no column 'dat'; did you mean 'date'? It has date, load, temp"),
        (["--target", "zzz"], "data.csv has no column 'zzz'. It has date, load, temp"),
        (
            ["--time", "date", "--target", "date"],
            "data.csv: the column 'date' holds the times and cannot be a target",
        ),
        (["--target", "date"], "data.csv, line 2: '2024-01-01' in target 'date' is not a number"),
    ],
)
def test_wrong_columns_raise(capsys, folder, options, message):
    assert_fails(capsys, folder, ["forecast", "data.csv", *options], message)
    assert_fails(capsys, folder, ["backtest", "data.csv", *options], message)


def test_time_format_needs_time(capsys, folder):
    message = "argument --time-format: needs --time with the name of the column of dates"
    for command in ("forecast", "backtest"):
        assert_fails(capsys, folder, [command, "data.csv", "--time-format", "%Y-%m-%d"], message)


def test_target_without_values_raises(capsys, folder, load):
    load.assign(load=np.nan).to_csv("data.csv")
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load"]
    assert_fails(capsys, folder, argv, "data.csv: the target 'load' has no values")


def test_columns_of_text_are_left_out_with_a_warning(capsys, folder, load, expected):
    load.assign(station="JFK", empty=np.nan).to_csv("data.csv")
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", *TINY, "--quiet"]
    code, out, err = run_command(capsys, *argv)
    assert (code, out) == (0, expected.to_csv())
    assert err.splitlines()[:2] == [
        "seqcast: warning: the column 'station' holds no numbers and is left out",
        "seqcast: warning: the column 'empty' holds no numbers and is left out",
    ]
