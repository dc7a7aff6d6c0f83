"""Axes of plots: one for each target, and their style."""

import subprocess
import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from plotted import get_lines, make_frame

from seqcast.plotting import plot_forecast

figures = pytest.importorskip("matplotlib.figure")
dates = pytest.importorskip("matplotlib.dates")


def test_one_axes_for_each_target(history, forecast, actual):
    figure = plot_forecast(history, forecast, actual)
    assert isinstance(figure, figures.Figure)
    assert [ax.get_ylabel() for ax in figure.axes] == ["temp", "load"]
    assert figure.axes[0].get_shared_x_axes().joined(*figure.axes)
    assert [ax.get_xlabel() for ax in figure.axes] == ["", "time"]


def test_legend_is_in_the_first_axes(history, forecast, actual):
    first, second = plot_forecast(history, forecast, actual).axes
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["history", "actual", "forecast"]
    assert second.get_legend() is None
    without = plot_forecast(history, forecast).axes[0]
    assert [text.get_text() for text in without.get_legend().get_texts()] == ["history", "forecast"]


def test_colours_differ(history, forecast, actual):
    drawn = get_lines(plot_forecast(history, forecast, actual).axes[0])
    assert len({drawn[name].get_color() for name in ("history", "actual", "forecast")}) == 3


def test_missing_values_are_left_out(history, forecast):
    history.iloc[-2, 1] = np.nan
    drawn = get_lines(plot_forecast(history.convert_dtypes(), forecast, last=3).axes[0])["history"]
    np.testing.assert_array_equal(drawn.get_ydata(), [100 - 37.0**2, np.nan, 100 - 39.0**2])


def test_index_may_hold_numbers():
    whole = make_frame(pd.RangeIndex(10))
    figure = plot_forecast(whole, whole[["wind"]].tail(3), last=2)
    drawn = get_lines(figure.axes[0])
    assert list(drawn["history"].get_xdata()) == [5, 6]
    assert list(drawn["forecast"].get_xdata()) == [7, 8, 9]
    assert not isinstance(figure.axes[0].xaxis.get_major_formatter(), dates.ConciseDateFormatter)


def test_periods_are_drawn_at_their_start():
    whole = make_frame(pd.period_range("2024-01", periods=10, freq="M"))
    (ax,) = plot_forecast(whole, whole[["wind"]].tail(3), last=2).axes
    assert list(pd.to_datetime(get_lines(ax)["history"].get_xdata()).month) == [6, 7]


def test_dates_are_labelled_with_day_and_month(history, forecast):
    figure = plot_forecast(history, forecast, last=40)
    figure.savefig(BytesIO())
    axis = figure.axes[-1].xaxis
    assert isinstance(axis.get_major_formatter(), dates.ConciseDateFormatter)
    labels = [label.get_text() for label in axis.get_majorticklabels()]
    assert "02 Jan" in labels
    assert "12:00" in labels


def test_labels_are_in_the_zone_of_the_forecast(history, forecast):
    local = [data.tz_localize("UTC").tz_convert("Asia/Tokyo") for data in (history, forecast)]
    figure = plot_forecast(*local, last=40)
    figure.savefig(BytesIO())
    formatter = figure.axes[-1].xaxis.get_major_formatter()
    midnight = dates.date2num(pd.Timestamp("2024-01-01 15:00"))
    assert formatter.format_ticks([midnight, midnight + 0.25]) == ["02 Jan", "06:00"]


def test_given_axes_are_drawn_on(history, forecast):
    figure = figures.Figure()
    axes = figure.subplots(1, 3)
    assert plot_forecast(history, forecast[["temp"]], ax=axes[0]) is figure
    assert plot_forecast(history, forecast, ax=axes[1:]) is figure
    assert [ax.get_ylabel() for ax in axes] == ["temp", "temp", "load"]
    assert len(figure.axes) == 3


def test_axes_of_a_subfigure_give_the_figure(history, forecast):
    figure = figures.Figure()
    _, right = figure.subfigures(1, 2)
    assert plot_forecast(history, forecast[["temp"]], ax=right.subplots()) is figure


def test_wrong_number_of_axes_raises(history, forecast):
    ax = figures.Figure().subplots()
    with pytest.raises(ValueError, match=r"'ax' parameter .* Got 1 for 2 targets"):
        plot_forecast(history, forecast, ax=ax)


def test_missing_matplotlib_raises(history, forecast, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'seqcast\[plot\]'"):
        plot_forecast(history, forecast)


def test_pyplot_and_global_settings_are_not_used():
    code = """
import io, sys
import seqcast.plotting
assert "matplotlib" not in sys.modules
import matplotlib, pandas as pd

# Reading the backend would make matplotlib choose one.
def settings():
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}

before = settings()
df = pd.DataFrame({"a": range(10)})
figure = seqcast.plotting.plot_forecast(df, df.tail(2))
assert "seqcast.evaluation" not in sys.modules
figure.savefig(io.BytesIO())
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
