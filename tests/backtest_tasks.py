"""Forecasters and comparisons that several tests of backtests use."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from seqcast import LinearForecaster
from seqcast.data.calendar import infer_calendar

# Numbers of all rows and of training rows of the frames in tests/evaluation/backtest/conftest.py.
N, N_TRAIN = 160, 120


# What is requested of backtests and forecasts, and the suffixes of the columns that it gives.
BOUNDS = {"level": [50, 80], "quantiles": 0.1}
SUFFIXES = ("", "-lo-50", "-hi-50", "-lo-80", "-hi-80", "-q0.1")


class Ramp(BaseEstimator):
    """An estimator of another library whose forecast is the last row plus the lead. It keeps its data."""

    # Shared by all instances, since backtest fits clones.
    seen: list = []  # noqa: RUF012

    def __init__(self, horizon=None, n_jobs=None, fails_below=0):
        self.horizon, self.n_jobs, self.fails_below = horizon, n_jobs, fails_below

    def fit(self, df):
        if len(df) < self.fails_below:
            raise ValueError(f"Ramp needs {self.fails_below} rows, got {len(df)}.")
        self.seen.append((df.copy(), self.get_params()))
        self.df_, self.horizon_, self.season_length_ = df, self.horizon, 3
        self.target_names_ = list(df.columns)
        return self

    def forecast(self, horizon):
        index = infer_calendar(self.df_.index).future(self.df_.index[-1], horizon)
        lead = np.arange(1, horizon + 1)[:, None]
        return pd.DataFrame(self.df_.to_numpy()[-1] + lead, index, self.df_.columns)


def make_linear(**parameters) -> LinearForecaster:
    """Return a forecaster of the columns a and b."""
    return LinearForecaster(**{"horizon": 6, "window": 24, "target": ["a", "b"]} | parameters)


def make_panel_linear(**parameters) -> LinearForecaster:
    """Return a forecaster of the panel of shops."""
    return LinearForecaster(7, 14, target="sales", id_col="shop", time_col="day", **parameters)


def assert_is_forecast(results: pd.DataFrame, forecast: pd.DataFrame, suffixes=SUFFIXES) -> None:
    """Check that the compared forecasts of one cutoff and one series equal a forecast."""
    for target, part in results.groupby("target"):
        for suffix in suffixes:
            expected = forecast[f"{target}{suffix}"].loc[part["time"]]
            np.testing.assert_array_equal(part[f"y_hat{suffix}"], expected)


def select_known_ahead(df: pd.DataFrame, end: int) -> pd.DataFrame:
    """Return the column that is known ahead, of twelve rows from `end` on."""
    return df[["known"]].iloc[end : end + 12]


def make_day(number: int) -> pd.Timestamp:
    """Return the day with this number, counted from 0."""
    return pd.Timestamp("2024-01-01") + pd.Timedelta(days=number)


def select_shop(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows of one series, indexed by day."""
    return frame[frame["shop"] == name].set_index("day")
