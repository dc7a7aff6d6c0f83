import subprocess
import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from seqcast import NaiveForecaster
from seqcast.evaluation.backtest import backtest, summarize
from seqcast.forecasting.interval_columns import centres_of, intervals_of, quantiles_of
from seqcast.plotting import BacktestDisplay, ForecastDisplay, plot_backtest, plot_forecast

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
figure = seqcast.plotting.plot_forecast(df, df.tail(2))
assert "seqcast.evaluation" not in sys.modules
figure.savefig(io.BytesIO())
assert settings() == before
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- intervals ----


@pytest.fixture
def bounded(forecast) -> pd.DataFrame:
    bounds = {f"temp-{end}": forecast["temp"] + by for end, by in [("lo-80", -2), ("hi-80", 3), ("q0.1", -1)]}
    wide = {"temp-lo-99.5": forecast["temp"] - 9, "temp-hi-99.5": forecast["temp"] + 9}
    return forecast.assign(**bounds, **wide)


def edges(band) -> np.ndarray:
    (path,) = band.get_paths()
    return np.unique(path.vertices[:, 1])


def test_names_of_bounds_are_read_again():
    columns = [
        "temp",
        "temp-lo-80",
        "temp-hi-80",
        "temp-lo-99.9",
        "temp-hi-99.9",
        "temp-q1e-05",
        "u-lo-9",
        7,
        "7-q0.5",
    ]
    assert centres_of(columns) == ["temp", "u-lo-9", 7]
    assert intervals_of(columns, "temp") == {
        "80": ("temp-lo-80", "temp-hi-80"),
        "99.9": ("temp-lo-99.9", "temp-hi-99.9"),
    }
    assert intervals_of(columns, "u") == {}
    assert quantiles_of(columns, "temp") == {"1e-05": "temp-q1e-05"}
    assert quantiles_of(columns, 7) == {"0.5": "7-q0.5"}


def test_names_that_bounds_makes_are_read_again():
    names = NaiveForecaster(2).fit(np.arange(400.0)).forecast(level=[80, 99.5], quantiles=[0.025]).columns
    assert centres_of(names) == ["y"]
    assert list(intervals_of(names, "y")) == ["80", "99.5"]
    assert list(quantiles_of(names, "y")) == ["0.025"]


def test_intervals_are_bands_and_quantiles_are_lines(history, bounded):
    display = ForecastDisplay.from_predictions(history, bounded)
    assert [panel.get_ylabel() for panel in display.axes_] == ["temp", "load"]
    assert list(display.bands_[0]) == ["99.5", "80"]  # the widest behind
    assert display.bands_[1] == {}
    for level, columns in intervals_of(bounded.columns, "temp").items():
        expected = np.unique(bounded[list(columns)])
        np.testing.assert_array_equal(edges(display.bands_[0][level]), expected)
    assert_draws(display.lines_[0]["q0.1"], bounded["temp-q0.1"])
    legend = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert legend == ["history", "forecast", "99.5 %", "80 %", "q0.1"]
    light, dark = (display.bands_[0][level].get_alpha() for level in ("99.5", "80"))
    assert light < dark


def test_display_keeps_what_was_drawn(history, forecast, actual):
    display = ForecastDisplay(history, forecast, actual)
    assert display.plot(last=3) is display
    assert isinstance(display.figure_, figures.Figure)
    assert list(display.axes_) == display.figure_.axes
    assert list(display.lines_[1]) == ["history", "actual", "forecast"]
    assert_draws(display.lines_[1]["history"], history["load"].tail(3))


def test_display_forecasts(history):
    model = NaiveForecaster(4, target="wind").fit(history)
    display = ForecastDisplay.from_estimator(model, history, horizon=3, level=50, quantiles=0.3)
    expected = model.forecast(3, level=50, quantiles=0.3)
    assert_draws(display.lines_[0]["forecast"], expected["wind"])
    assert_draws(display.lines_[0]["q0.3"], expected["wind-q0.3"])
    bounds = np.unique(expected[["wind-lo-50", "wind-hi-50"]])
    np.testing.assert_array_equal(edges(display.bands_[0]["50"]), bounds)


# ---- long frames ----


@pytest.fixture
def panel(history) -> pd.DataFrame:
    names = ["b", "a"]
    parts = [history.assign(shop=name, load=history["load"] * k) for k, name in enumerate(names, 1)]
    return pd.concat(parts).reset_index()


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
    assert_draws(lines(figure.axes[0])["actual"], forecast[forecast["shop"] == "a"].set_index("time")["load"])
    with pytest.raises(ValueError, match=r"'series' .* one of the ids .* \['b', 'a'\]. Got 'c' instead"):
        plot_forecast(panel, forecast, **keys, series="c")
    with pytest.raises(ValueError, match=r"'series' .* id_col=None .* Got 'a' instead"):
        plot_forecast(panel, forecast, time_col="time", series="a")


# ---- backtests ----


@pytest.fixture
def rows(history) -> pd.DataFrame:
    return backtest(NaiveForecaster(4, target=["temp", "load"]), history, n_windows=6, level=50)


def test_backtest_draws_the_truth_and_the_forecasts_of_each_cutoff(rows):
    display = BacktestDisplay.from_predictions(rows, last=3)
    assert [panel.get_ylabel() for panel in display.axes_] == ["temp", "load"]
    cutoffs = rows["cutoff"].unique()[-3:]
    for target, panel, drawn in zip(["temp", "load"], display.axes_, display.lines_, strict=True):
        own = rows[(rows["target"] == target) & rows["cutoff"].isin(cutoffs)].set_index("time")
        assert list(drawn) == ["actual", *cutoffs]
        assert_draws(drawn["actual"], own["y"])
        for cutoff, band in zip(cutoffs, panel.collections, strict=True):
            block = own[own["cutoff"] == cutoff]
            assert_draws(drawn[cutoff], block["y_hat"])
            np.testing.assert_array_equal(edges(band), np.unique(block[["y_hat-lo-50", "y_hat-hi-50"]]))
    legend = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert legend == ["actual", "forecast", "50 %"]


@pytest.mark.parametrize(("last", "drawn"), [(None, 16), (2, 2), (10, 10), (100, 16)])
def test_backtest_draws_the_last_cutoffs(history, last, drawn):
    rows = backtest(NaiveForecaster(2, target="load"), history, n_windows=16)
    assert len(BacktestDisplay.from_predictions(rows, last=last).lines_[0]) == 1 + drawn


def test_overlapping_cutoffs_share_one_line_of_truth(history):
    rows = backtest(NaiveForecaster(4, target="load"), history, n_windows=3, step_size=1)
    (drawn,) = BacktestDisplay.from_predictions(rows.sample(frac=1, random_state=0)).lines_
    assert_draws(drawn["actual"], history["load"].tail(6))


def test_backtest_by_lead_draws_the_summary(rows):
    errors = summarize(rows, by="lead")
    for metric in ("rmse", "mae"):
        display = BacktestDisplay.from_predictions(rows, kind="lead", metric=metric)
        for target, panel, drawn in zip(["temp", "load"], display.axes_, display.lines_, strict=True):
            assert panel.get_ylabel() == f"{target}: {metric.upper()}"
            for label, ending in (
                ("forecast", ""),
                ("seasonal naive", "_seasonal_naive"),
                ("persistence", "_persistence"),
            ):
                assert list(drawn[label].get_xdata()) == [1, 2, 3, 4]
                np.testing.assert_array_equal(
                    drawn[label].get_ydata(), errors.loc[target, f"{metric}{ending}"]
                )
            assert panel.get_ylim()[0] == 0
        assert display.axes_[-1].get_xlabel() == "lead"


def test_display_runs_a_backtest(history, rows):
    model = NaiveForecaster(4, target=["temp", "load"])
    display = BacktestDisplay.from_estimator(model, history, last=None, n_windows=6, level=50)
    pd.testing.assert_frame_equal(display.rows, rows)
    assert len(display.lines_[0]) == 7


def test_backtest_on_given_axes(rows):
    panels = figures.Figure().subplots(1, 2)
    assert plot_backtest(rows, ax=panels) is panels[0].get_figure()
    with pytest.raises(ValueError, match=r"'ax' parameter .* Got 1 for 2"):
        plot_backtest(rows, ax=panels[0])


@pytest.mark.parametrize("index", [pd.RangeIndex(40), pd.period_range("2020-01", periods=40, freq="M")])
def test_backtest_over_other_kinds_of_time(history, index):
    rows = backtest(NaiveForecaster(4, target="load"), history.set_axis(index), n_windows=2)
    (panel,) = plot_backtest(rows).axes
    assert list(panel.lines[0].get_ydata()) == [32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0]


def test_backtest_of_several_series(panel):
    model = NaiveForecaster(3, target="load", id_col="shop", time_col="time")
    rows = backtest(model, panel, n_windows=2)
    with pytest.raises(ValueError, match=r"must be those of one series. Got several. Pass one of them"):
        plot_backtest(rows)
    one = rows[rows["shop"] == "a"]
    assert list(plot_backtest(one).axes[0].lines[0].get_ydata()) == one["y"].tolist()
    assert len(plot_backtest(rows, kind="lead").axes) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "error"}, r"'kind' parameter .* 'series' or 'lead'. Got 'error'"),
        ({"metric": "mape"}, r"'metric' parameter .* 'rmse' or 'mae'. Got 'mape'"),
        ({"last": 0}, r"'last' parameter .* at least 1 or None. Got 0"),
    ],
)
def test_what_plot_backtest_refuses(rows, given, message):
    with pytest.raises(ValueError, match=message):
        plot_backtest(rows, **given)
    with pytest.raises(ValueError, match=r"'rows' parameter .* at least one row"):
        plot_backtest(rows.iloc[:0])


def test_backtest_without_matplotlib(rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'seqcast\[plot\]'"):
        plot_backtest(rows)
