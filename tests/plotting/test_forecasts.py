"""Plots of a forecast after its history."""

import numpy as np
import pandas as pd
import pytest
from plotted import HORIZON, assert_draws, get_edges, get_lines, make_frame

from seqcast import NaiveForecaster
from seqcast.forecasting.interval_columns import find_intervals
from seqcast.plotting import ForecastDisplay, plot_forecast

figures = pytest.importorskip("matplotlib.figure")


@pytest.fixture
def bounded(forecast) -> pd.DataFrame:
    """Return a forecast with two intervals and a quantile of one target."""
    bounds = {
        f"temp-{name}": forecast["temp"] + by for name, by in [("lo-80", -2), ("hi-80", 3), ("q0.1", -1)]
    }
    wide = {"temp-lo-99.5": forecast["temp"] - 9, "temp-hi-99.5": forecast["temp"] + 9}
    return forecast.assign(**bounds, **wide)


def test_lines_have_the_given_values(history, forecast, actual):
    for ax in plot_forecast(history, forecast, actual).axes:
        target, drawn = ax.get_ylabel(), get_lines(ax)
        assert_draws(drawn["history"], history[target].tail(5 * HORIZON))
        assert_draws(drawn["forecast"], forecast[target])
        assert_draws(drawn["actual"], actual[target])


def test_vertical_line_marks_the_begin_of_the_forecast(history, forecast):
    for ax in plot_forecast(history, forecast).axes:
        (begin,) = [line for line in ax.lines if line.get_label().startswith("_")]
        assert list(begin.get_xdata()) == [forecast.index[0]] * 2
        # In fractions of the height of the axes.
        assert list(begin.get_ydata()) == [0, 1]


@pytest.mark.parametrize(("last", "drawn"), [(1, 1), (7, 7), (1000, 40), (None, 20)])
def test_last_is_the_number_of_rows_of_history(history, forecast, last, drawn):
    line = get_lines(plot_forecast(history, forecast, last=last).axes[0])["history"]
    assert_draws(line, history["temp"].tail(drawn))


def test_history_and_actual_may_be_the_whole_series(history, forecast):
    whole = make_frame(pd.date_range("2024-01-01", periods=60, freq="h"))
    drawn = get_lines(plot_forecast(whole, forecast, whole, last=6).axes[0])
    assert_draws(drawn["history"], whole["temp"].iloc[34:40])
    assert_draws(drawn["actual"], whole["temp"].iloc[40:44])


def test_series_are_drawn_as_frames_of_one_column(history, forecast):
    (ax,) = plot_forecast(history["load"], forecast["load"], forecast["load"] + 1).axes
    assert ax.get_ylabel() == "load"
    assert_draws(get_lines(ax)["actual"], forecast["load"] + 1)


def test_arguments_are_not_changed(history, forecast, actual):
    before = [data.copy() for data in (history, forecast, actual)]
    plot_forecast(history, forecast, actual)
    for data, copy in zip((history, forecast, actual), before, strict=True):
        pd.testing.assert_frame_equal(data, copy)


def test_intervals_are_bands_and_quantiles_are_lines(history, bounded):
    display = ForecastDisplay.from_predictions(history, bounded)
    assert [ax.get_ylabel() for ax in display.axes_] == ["temp", "load"]
    assert list(display.bands_[0]) == ["99.5", "80"]
    assert display.bands_[1] == {}
    for level, columns in find_intervals(bounded.columns, "temp").items():
        expected = np.unique(bounded[list(columns)])
        np.testing.assert_array_equal(get_edges(display.bands_[0][level]), expected)
    assert_draws(display.lines_[0]["q0.1"], bounded["temp-q0.1"])
    legend = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert legend == ["history", "forecast", "99.5 %", "80 %", "q0.1"]
    light, dark = (display.bands_[0][level].get_alpha() for level in ("99.5", "80"))
    assert light < dark


def test_display_has_figure_axes_and_lines(history, forecast, actual):
    display = ForecastDisplay(history, forecast, actual)
    assert display.plot(last=3) is display
    assert isinstance(display.figure_, figures.Figure)
    assert list(display.axes_) == display.figure_.axes
    assert list(display.lines_[1]) == ["history", "actual", "forecast"]
    assert_draws(display.lines_[1]["history"], history["load"].tail(3))


def test_display_of_a_forecaster(history):
    model = NaiveForecaster(4, target="wind").fit(history)
    display = ForecastDisplay.from_estimator(model, history, horizon=3, level=50, quantiles=0.3)
    expected = model.forecast(3, level=50, quantiles=0.3)
    assert_draws(display.lines_[0]["forecast"], expected["wind"])
    assert_draws(display.lines_[0]["q0.3"], expected["wind-q0.3"])
    bounds = np.unique(expected[["wind-lo-50", "wind-hi-50"]])
    np.testing.assert_array_equal(get_edges(display.bands_[0]["50"]), bounds)


def test_one_series_of_a_long_frame_is_drawn(panel):
    model = NaiveForecaster(3, target="load", id_col="shop", time_col="time").fit(panel)
    forecast = model.forecast()
    for series, name in ((None, "b"), ("a", "a")):
        display = ForecastDisplay.from_estimator(model, panel, series=series, last=5)
        (lines_,) = display.lines_
        assert_draws(lines_["history"], panel[panel["shop"] == name].set_index("time")["load"].tail(5))
        assert_draws(lines_["forecast"], forecast[forecast["shop"] == name].set_index("time")["load"])
    keys = {"id_col": "shop", "time_col": "time"}
    figure = plot_forecast(panel, forecast, forecast, **keys, series="a")
    assert_draws(
        get_lines(figure.axes[0])["actual"], forecast[forecast["shop"] == "a"].set_index("time")["load"]
    )
    with pytest.raises(ValueError, match=r"'series' .* one of the ids .* \['b', 'a'\]. Got 'c' instead"):
        plot_forecast(panel, forecast, **keys, series="c")
    with pytest.raises(ValueError, match=r"'series' .* id_col=None .* Got 'a' instead"):
        plot_forecast(panel, forecast, time_col="time", series="a")


@pytest.mark.parametrize("last", [0, -3])
def test_last_must_be_at_least_1(history, forecast, last):
    with pytest.raises(ValueError, match=rf"'last' parameter .* at least 1 or None. Got {last} instead"):
        plot_forecast(history, forecast, last=last)


def test_empty_forecast_raises(history, forecast):
    with pytest.raises(ValueError, match=r"'forecast' parameter .* at least one row .* Got shape \(0, 2\)"):
        plot_forecast(history, forecast.iloc[:0])


def test_history_without_earlier_rows_raises(history, forecast):
    with pytest.raises(ValueError, match=r"'history' .* Got 0 rows, none of them before 2024-01-02 16:00:00"):
        plot_forecast(history.iloc[:0], forecast)


@pytest.mark.parametrize("name", ["history", "actual"])
def test_missing_target_raises(history, forecast, actual, name):
    arguments = {"history": history, "actual": actual}
    arguments[name] = arguments[name].drop(columns="temp")
    with pytest.raises(ValueError, match=rf"'{name}' parameter .* without \['temp'\]"):
        plot_forecast(forecast=forecast, **arguments)
