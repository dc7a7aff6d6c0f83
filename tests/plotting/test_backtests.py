"""Plots of backtests, over time or by lead."""

import sys

import numpy as np
import pandas as pd
import pytest
from plotted import assert_draws, get_edges

from seqcast import NaiveForecaster
from seqcast.evaluation.backtest import backtest, summarize
from seqcast.plotting import BacktestDisplay, plot_backtest

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def results(history) -> pd.DataFrame:
    """Return the result of a backtest of two targets from six cutoffs."""
    return backtest(NaiveForecaster(4, target=["temp", "load"]), history, n_windows=6, level=50)


def test_truth_and_forecasts_of_each_cutoff_are_drawn(results):
    display = BacktestDisplay.from_predictions(results, last=3)
    assert [ax.get_ylabel() for ax in display.axes_] == ["temp", "load"]
    cutoffs = results["cutoff"].unique()[-3:]
    for target, ax, drawn in zip(["temp", "load"], display.axes_, display.lines_, strict=True):
        own = results[(results["target"] == target) & results["cutoff"].isin(cutoffs)].set_index("time")
        assert list(drawn) == ["actual", *cutoffs]
        assert_draws(drawn["actual"], own["y"])
        for cutoff, band in zip(cutoffs, ax.collections, strict=True):
            block = own[own["cutoff"] == cutoff]
            assert_draws(drawn[cutoff], block["y_hat"])
            np.testing.assert_array_equal(get_edges(band), np.unique(block[["y_hat-lo-50", "y_hat-hi-50"]]))
    legend = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert legend == ["actual", "forecast", "50 %"]


@pytest.mark.parametrize(("last", "drawn"), [(None, 16), (2, 2), (10, 10), (100, 16)])
def test_last_is_the_number_of_cutoffs(history, last, drawn):
    results = backtest(NaiveForecaster(2, target="load"), history, n_windows=16)
    assert len(BacktestDisplay.from_predictions(results, last=last).lines_[0]) == 1 + drawn


def test_truth_of_overlapping_forecasts_is_one_line(history):
    results = backtest(NaiveForecaster(4, target="load"), history, n_windows=3, step_size=1)
    (drawn,) = BacktestDisplay.from_predictions(results.sample(frac=1, random_state=0)).lines_
    assert_draws(drawn["actual"], history["load"].tail(6))


def test_errors_by_lead_are_those_of_the_summary(results):
    errors = summarize(results, by="lead")
    for metric in ("rmse", "mae"):
        display = BacktestDisplay.from_predictions(results, kind="lead", metric=metric)
        for target, ax, drawn in zip(["temp", "load"], display.axes_, display.lines_, strict=True):
            assert ax.get_ylabel() == f"{target}: {metric.upper()}"
            for label, suffix in (
                ("forecast", ""),
                ("seasonal naive", "_seasonal_naive"),
                ("persistence", "_persistence"),
            ):
                assert list(drawn[label].get_xdata()) == [1, 2, 3, 4]
                np.testing.assert_array_equal(
                    drawn[label].get_ydata(), errors.loc[target, f"{metric}{suffix}"]
                )
            assert ax.get_ylim()[0] == 0
        assert display.axes_[-1].get_xlabel() == "lead"


def test_display_runs_a_backtest(history, results):
    model = NaiveForecaster(4, target=["temp", "load"])
    display = BacktestDisplay.from_estimator(model, history, last=None, n_windows=6, level=50)
    pd.testing.assert_frame_equal(display.results, results)
    assert len(display.lines_[0]) == 7


def test_given_axes_are_drawn_on(results):
    axes = figures.Figure().subplots(1, 2)
    assert plot_backtest(results, ax=axes) is axes[0].get_figure()
    with pytest.raises(ValueError, match=r"'ax' parameter .* Got 1 for 2"):
        plot_backtest(results, ax=axes[0])


@pytest.mark.parametrize("index", [pd.RangeIndex(40), pd.period_range("2020-01", periods=40, freq="M")])
def test_kinds_of_index(history, index):
    results = backtest(NaiveForecaster(4, target="load"), history.set_axis(index), n_windows=2)
    (ax,) = plot_backtest(results).axes
    assert list(ax.lines[0].get_ydata()) == [32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0]


def test_several_series_need_kind_lead(panel):
    model = NaiveForecaster(3, target="load", id_col="shop", time_col="time")
    results = backtest(model, panel, n_windows=2)
    with pytest.raises(ValueError, match=r"must hold one series. Got several series. Pass one of them"):
        plot_backtest(results)
    one = results[results["shop"] == "a"]
    assert list(plot_backtest(one).axes[0].lines[0].get_ydata()) == one["y"].tolist()
    assert len(plot_backtest(results, kind="lead").axes) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "error"}, r"'kind' parameter .* 'series' or 'lead'. Got 'error'"),
        ({"metric": "mape"}, r"'metric' parameter .* 'rmse' or 'mae'. Got 'mape'"),
        ({"last": 0}, r"'last' parameter .* at least 1 or None. Got 0"),
    ],
)
def test_wrong_arguments_raise(results, given, message):
    with pytest.raises(ValueError, match=message):
        plot_backtest(results, **given)
    with pytest.raises(ValueError, match=r"'results' parameter .* at least one row"):
        plot_backtest(results.iloc[:0])


def test_missing_matplotlib_raises(results, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'seqcast\[plot\]'"):
        plot_backtest(results)
