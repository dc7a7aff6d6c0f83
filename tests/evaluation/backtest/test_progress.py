"""Progress of backtests."""

import sys

import pandas as pd
import pytest

from seqcast import NaiveForecaster
from seqcast.evaluation.backtest import backtest


def test_progress_is_a_bar_of_tqdm(df, capsys):
    pytest.importorskip("tqdm")
    results = backtest(NaiveForecaster(6), df, n_windows=3, verbose=1)
    assert "3/3" in capsys.readouterr().err
    pd.testing.assert_frame_equal(backtest(NaiveForecaster(6), df, n_windows=3), results)
    assert capsys.readouterr() == ("", "")


def test_progress_without_tqdm_is_a_line_for_each_fit(df, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    backtest(NaiveForecaster(6), df, n_windows=3, refit=2, verbose=1)
    assert capsys.readouterr() == ("", "fit 1/2\nfit 2/2\n")
