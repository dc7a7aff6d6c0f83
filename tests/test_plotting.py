import subprocess
import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from seqcast.plotting import plot_forecast

figures = pytest.importorskip("matplotlib.figure")
dates = pytest.importorskip("matplotlib.dates")

HORIZON = 4


def frame(index: pd.Index) -> pd.DataFrame:
    rows = np.arange(len(index), dtype=float)
    return pd.DataFrame({"load": rows, "temp": 100 - rows**2, "wind": -rows}, index=index)


@pytest.fixture
def history() -> pd.DataFrame:
    return frame(pd.date_range("2024-01-01", periods=40, freq="h", name="time"))


@pytest.fixture
def forecast() -> pd.DataFrame:
    index = pd.date_range("2024-01-02 16:00", periods=HORIZON, freq="h", name="time")
    return frame(index)[["temp", "load"]] + 0.5


@pytest.fixture
def actual(forecast) -> pd.DataFrame:
    return forecast * 2


def lines(panel) -> dict[str, object]:
    return {line.get_label(): line for line in panel.lines}


def assert_draws(line, values: pd.Series) -> None:
    np.testing.assert_array_equal(line.get_ydata(), values.to_numpy())
    np.testing.assert_array_equal(dates.date2num(line.get_xdata()), dates.date2num(values.index))


def test_one_panel_for_each_target_in_the_forecast_order(history, forecast, actual):
    figure = plot_forecast(history, forecast, actual)
    assert isinstance(figure, figures.Figure)
    assert [panel.get_ylabel() for panel in figure.axes] == ["temp", "load"]
    assert figure.axes[0].get_shared_x_axes().joined(*figure.axes)
    assert [panel.get_xlabel() for panel in figure.axes] == ["", "time"]


def test_draws_the_values_it_was_given(history, forecast, actual):
    for panel in plot_forecast(history, forecast, actual).axes:
        target, drawn = panel.get_ylabel(), lines(panel)
        assert_draws(drawn["history"], history[target].tail(5 * HORIZON))
        assert_draws(drawn["forecast"], forecast[target])
        assert_draws(drawn["actual"], actual[target])


def test_vertical_line_stands_where_the_forecast_begins(history, forecast):
    for panel in plot_forecast(history, forecast).axes:
        (begin,) = [line for line in panel.lines if line.get_label().startswith("_")]
        assert list(begin.get_xdata()) == [forecast.index[0]] * 2
        assert list(begin.get_ydata()) == [0, 1]  # in shares of the panel's height


def test_legend_names_what_is_drawn_once(history, forecast, actual):
    first, second = plot_forecast(history, forecast, actual).axes
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["history", "actual", "forecast"]
    assert second.get_legend() is None
    without = plot_forecast(history, forecast).axes[0]
    assert [text.get_text() for text in without.get_legend().get_texts()] == ["history", "forecast"]


def test_colours_differ(history, forecast, actual):
    drawn = lines(plot_forecast(history, forecast, actual).axes[0])
    assert len({drawn[name].get_color() for name in ("history", "actual", "forecast")}) == 3


@pytest.mark.parametrize(("last", "drawn"), [(1, 1), (7, 7), (1000, 40), (None, 20)])
def test_last_sets_the_rows_of_history(history, forecast, last, drawn):
    line = lines(plot_forecast(history, forecast, last=last).axes[0])["history"]
    assert_draws(line, history["temp"].tail(drawn))


def test_history_and_actual_may_be_the_whole_series(history, forecast):
    whole = frame(pd.date_range("2024-01-01", periods=60, freq="h"))
    drawn = lines(plot_forecast(whole, forecast, whole, last=6).axes[0])
    assert_draws(drawn["history"], whole["temp"].iloc[34:40])
    assert_draws(drawn["actual"], whole["temp"].iloc[40:44])


def test_series_are_taken_as_frames_of_one_column(history, forecast):
    (panel,) = plot_forecast(history["load"], forecast["load"], forecast["load"] + 1).axes
    assert panel.get_ylabel() == "load"
    assert_draws(lines(panel)["actual"], forecast["load"] + 1)


def test_missing_values_are_left_out(history, forecast):
    history.iloc[-2, 1] = np.nan
    drawn = lines(plot_forecast(history.convert_dtypes(), forecast, last=3).axes[0])["history"]
    np.testing.assert_array_equal(drawn.get_ydata(), [100 - 37.0**2, np.nan, 100 - 39.0**2])


def test_numbers_as_index():
    whole = frame(pd.RangeIndex(10))
    figure = plot_forecast(whole, whole[["wind"]].tail(3), last=2)
    drawn = lines(figure.axes[0])
    assert list(drawn["history"].get_xdata()) == [5, 6]
    assert list(drawn["forecast"].get_xdata()) == [7, 8, 9]
    assert not isinstance(figure.axes[0].xaxis.get_major_formatter(), dates.ConciseDateFormatter)


def test_periods_are_drawn_at_their_start():
    whole = frame(pd.period_range("2024-01", periods=10, freq="M"))
    (panel,) = plot_forecast(whole, whole[["wind"]].tail(3), last=2).axes
    assert list(pd.to_datetime(lines(panel)["history"].get_xdata()).month) == [6, 7]


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
    panels = figure.subplots(1, 3)
    assert plot_forecast(history, forecast[["temp"]], ax=panels[0]) is figure
    assert plot_forecast(history, forecast, ax=panels[1:]) is figure
    assert [panel.get_ylabel() for panel in panels] == ["temp", "temp", "load"]
    assert len(figure.axes) == 3


def test_axes_of_a_subfigure_give_the_figure(history, forecast):
    figure = figures.Figure()
    _, right = figure.subfigures(1, 2)
    assert plot_forecast(history, forecast[["temp"]], ax=right.subplots()) is figure


def test_arguments_stay_untouched(history, forecast, actual):
    before = [data.copy() for data in (history, forecast, actual)]
    plot_forecast(history, forecast, actual)
    for data, copy in zip((history, forecast, actual), before, strict=True):
        pd.testing.assert_frame_equal(data, copy)


@pytest.mark.parametrize("last", [0, -3])
def test_last_below_one(history, forecast, last):
    with pytest.raises(ValueError, match=rf"'last' parameter .* at least 1 or None. Got {last} instead"):
        plot_forecast(history, forecast, last=last)


def test_empty_forecast(history, forecast):
    with pytest.raises(ValueError, match=r"'forecast' parameter .* at least one row .* Got shape \(0, 2\)"):
        plot_forecast(history, forecast.iloc[:0])


def test_history_that_begins_too_late(history, forecast):
    with pytest.raises(ValueError, match=r"'history' .* Got 0 rows, none of them before 2024-01-02 16:00:00"):
        plot_forecast(history.iloc[:0], forecast)


@pytest.mark.parametrize("name", ["history", "actual"])
def test_missing_target(history, forecast, actual, name):
    arguments = {"history": history, "actual": actual}
    arguments[name] = arguments[name].drop(columns="temp")
    with pytest.raises(ValueError, match=rf"'{name}' parameter .* without \['temp'\]"):
        plot_forecast(forecast=forecast, **arguments)


def test_wrong_number_of_axes(history, forecast):
    ax = figures.Figure().subplots()
    with pytest.raises(ValueError, match=r"'ax' parameter .* Got 1 for 2 columns"):
        plot_forecast(history, forecast, ax=ax)


def test_without_matplotlib_the_error_tells_the_extra(history, forecast, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'seqcast\[plot\]'"):
        plot_forecast(history, forecast)


def test_neither_pyplot_nor_global_settings_are_touched():
    code = """
import io, sys
import seqcast.plotting
assert "matplotlib" not in sys.modules
import matplotlib, pandas as pd

def settings():  # but the backend: reading it makes matplotlib choose one
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}

before = settings()
df = pd.DataFrame({"a": range(10)})
seqcast.plotting.plot_forecast(df, df.tail(2)).savefig(io.BytesIO())
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
