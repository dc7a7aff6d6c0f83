"""Names of the columns of intervals and quantiles."""

import numpy as np

from seqcast import NaiveForecaster
from seqcast.forecasting.interval_columns import centres_of, intervals_of, quantiles_of


def test_columns_of_intervals_and_quantiles_are_found():
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


def test_columns_of_a_forecast_are_found():
    names = NaiveForecaster(2).fit(np.arange(400.0)).forecast(level=[80, 99.5], quantiles=[0.025]).columns
    assert centres_of(names) == ["y"]
    assert list(intervals_of(names, "y")) == ["80", "99.5"]
    assert list(quantiles_of(names, "y")) == ["0.025"]
