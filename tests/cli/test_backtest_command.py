"""The command backtest."""

import warnings
from pathlib import Path

import pandas as pd
import pytest
from command_line import TINY, UNFINISHED, make_tiny, read_files, run_command
from sklearn.exceptions import ConvergenceWarning

from seqcast.cli.backtest_command import select_last_cutoff
from seqcast.evaluation.backtest import backtest, summarize


def test_backtest_prints_errors_and_writes_files(capsys, folder, load):
    pytest.importorskip("matplotlib")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        rows = backtest(make_tiny(target=["temp", "load"]), load, n_windows=2, step_size=5)
    argv = ["backtest", "data.csv", "--time", "date", "--target", "temp", "--target", "load", *TINY]
    outputs = ["--out", "rows.csv", "--plot", "last.svg"]
    code, out, err = run_command(capsys, *argv, "--windows", "2", "--step", "5", *outputs)
    assert (code, err) == (0, UNFINISHED)
    assert Path("rows.csv").read_text() == rows.to_csv(index=False)
    assert b"<svg" in Path("last.svg").read_bytes()

    summary = summarize(rows)
    lines = out.splitlines()
    assert lines[0] == "data    data.csv: 60 rows, 2024-01-01 to 2024-02-29"
    assert lines[1].startswith("fitted  gru of 4 units, anew at each of 2 cutoffs, in ")
    assert lines[2] == "        the first at 2024-02-21, the last at 2024-02-26"
    assert lines[5].split() == ["temp", "RMSE", "MAE"]
    table = summary.loc["temp"]
    for line, name, suffix in [
        (lines[6], "forecast", ""),
        (lines[7], "seasonal naive", "_seasonal_naive"),
        (lines[8], "persistence", "_persistence"),
    ]:
        assert line == f"{name:<16}{table[f'rmse{suffix}']:10.2f}{table[f'mae{suffix}']:10.2f}"
    assert lines[10].startswith(f"skill   {table['skill']:.2f}: an RMSE ")
    assert lines[12].split() == ["load", "RMSE", "MAE"]
    assert lines[-2:] == ["wrote   rows.csv", "        last.svg"]


def test_backtest_writes_no_files_by_default(capsys, folder):
    before = read_files(folder)
    code, out, _ = run_command(capsys, "backtest", "data.csv", "--time", "date", *TINY, "--windows", "1")
    assert code == 0
    assert "wrote" not in out
    assert read_files(folder) == before


def test_plot_of_the_last_cutoff_keeps_the_order_of_targets():
    rows = pd.DataFrame(
        {
            "cutoff": [0, 1, 1, 1],
            "time": [1, 2, 2, 3],
            "target": list("bbaa"),
            "y": 1.0,
            "y_hat": [9, 2, 3, 4],
        }
    )
    forecast, actual = select_last_cutoff(rows)
    assert list(forecast.columns) == list(actual.columns) == ["b", "a"]
    assert forecast["a"].tolist() == [3, 4]


def test_error_names_the_cutoff(capsys, folder):
    argv = ["backtest", "data.csv", "--time", "date", "--horizon", "10", "--window", "9", "--windows", "4"]
    code, _, err = run_command(capsys, *argv)
    assert code == 2
    assert err.endswith(
        "This was the cutoff of backtest at 2024-01-20 00:00:00, the end of the first 20 rows.\n"
    )
    assert err.count("\n") == 1
