"""Tables as CSV text, figures as bytes."""

import pandas as pd
import pytest
from command_line import TINY, assert_fails, run_command

from seqcast.cli import output_formats


def test_unknown_format_of_a_plot_raises(capsys, folder):
    pytest.importorskip("matplotlib")
    code, out, err = run_command(capsys, "forecast", "data.csv", "--time", "date", "--plot", "f.doc")
    assert (code, out) == (2, "")
    assert err.startswith("seqcast: error: argument --plot: f.doc must end in one of .")
    assert ".png, " in err
    assert err.count("\n") == 1


def test_plot_without_matplotlib_raises(capsys, folder, monkeypatch):
    monkeypatch.setattr(output_formats, "find_spec", lambda name: None)
    argv = ["forecast", "data.csv", "--time", "date", "--plot", "f.png"]
    message = "argument --plot: plots need matplotlib: run `pip install 'seqcast[plot]'`"
    assert_fails(capsys, folder, argv, message)


def test_text_is_not_a_formula(capsys, folder, load):
    names = {"load": '=HYPERLINK("x")', "temp": "@temp"}
    load.rename(columns=names).rename_axis("+date").to_csv("data.csv")
    model = ["--time", "+date", *TINY, "--quiet"]
    _, out, _ = run_command(capsys, "forecast", "data.csv", *model)
    assert out.splitlines()[0] == """'+date,"'=HYPERLINK(""x"")",'@temp"""
    code, _, _ = run_command(
        capsys, "backtest", "data.csv", *model[:-1], "--windows", "1", "--out", "rows.csv"
    )
    assert code == 0
    rows = pd.read_csv("rows.csv")
    assert rows["target"].unique().tolist() == ['\'=HYPERLINK("x")', "'@temp"]


def test_negative_numbers_are_not_escaped(capsys, folder, load):
    (load[["load"]] - 1000).to_csv("data.csv")
    _, out, _ = run_command(capsys, "forecast", "data.csv", "--time", "date", *TINY, "--quiet")
    assert [line[11] for line in out.splitlines()[1:]] == ["-", "-", "-"]
