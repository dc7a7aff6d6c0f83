"""The command forecast."""

from pathlib import Path

import pytest
from command_line import TINY, UNFINISHED, assert_fails, read_files, run_command


def test_forecast_is_printed_to_stdout(capsys, folder, expected):
    before = read_files(folder)
    code, out, err = run_command(capsys, "forecast", "data.csv", "--time", "date", "--target", "load", *TINY)
    assert code == 0
    assert out == expected.to_csv()
    assert out.startswith("date,load\n2024-03-01,1")
    assert out.count("\n") == 4
    lines = err.splitlines(keepends=True)
    assert lines[0] == UNFINISHED
    assert lines[1] == "data    data.csv: 60 rows, 2024-01-01 to 2024-02-29\n"
    assert lines[2].startswith("fitted  gru of 4 units, window 6, horizon 3: 2 epochs in ")
    assert lines[4] == "next    3 steps, 2024-03-01 to 2024-03-03\n"
    low, high = expected["load"].min(), expected["load"].max()
    assert lines[5] == f"        load: {low:.2f} to {high:.2f}\n"
    assert len(lines) == 6
    assert read_files(folder) == before


def test_forecast_is_written_to_files(capsys, folder, expected):
    pytest.importorskip("matplotlib")
    outputs = ["--out", "f.csv", "--plot", "f.PNG"]
    code, out, err = run_command(
        capsys, "forecast", "data.csv", "--time", "date", "--target", "load", *TINY, *outputs
    )
    assert (code, err) == (0, UNFINISHED)
    assert out.endswith("\nwrote   f.csv\n        f.PNG\n")
    assert set(read_files(folder)) == {"data.csv", "f.csv", "f.PNG"}
    assert Path("f.csv").read_text() == expected.to_csv()
    assert Path("f.PNG").read_bytes().startswith(b"\x89PNG\r\n")


def test_quiet_prints_no_report(capsys, folder, expected):
    argv = ["forecast", "data.csv", "--time", "date", "--target", "load", *TINY, "--quiet"]
    assert run_command(capsys, *argv) == (0, expected.to_csv(), UNFINISHED)
    assert run_command(capsys, *argv, "--out", "f.csv") == (0, "", UNFINISHED)


def test_all_columns_are_targets_by_default(capsys, folder):
    _, out, _ = run_command(capsys, "forecast", "data.csv", "--time", "date", *TINY, "--quiet")
    assert out.splitlines()[0] == "date,load,temp"


def test_targets_keep_their_order(capsys, folder):
    targets = ["--target", "temp", "--target", "load", "--target", "temp"]
    _, out, _ = run_command(capsys, "forecast", "data.csv", "--time", "date", *targets, *TINY, "--quiet")
    assert out.splitlines()[0] == "date,temp,load"


def test_without_time_rows_are_numbered(capsys, folder):
    code, out, err = run_command(capsys, "forecast", "data.csv", "--target", "load", *TINY, "--quiet")
    assert code == 0
    assert [line.split(",")[0] for line in out.splitlines()] == ["row", "60", "61", "62"]
    assert err.splitlines()[0] == (
        "seqcast: warning: the column 'date' holds no numbers and is left out; "
        "if it holds the times, pass --time date"
    )


def test_too_few_rows_raise(capsys, folder):
    code, out, err = run_command(capsys, "forecast", "data.csv", "--time", "date", "--horizon", "50")
    assert (code, out) == (2, "")
    assert err.startswith("seqcast: error: SeqForecaster.fit needs at least ")
    assert "Got n_samples=60 instead" in err
    assert err.count("\n") == 1
    message = (
        "backtest needs at least 71 rows for horizon=7, n_windows=10 and step_size=7. Got 60 instead. "
        "Pass more rows, fewer windows or a shorter horizon."
    )
    assert_fails(capsys, folder, ["backtest", "data.csv", "--time", "date", "--windows", "10"], message)
