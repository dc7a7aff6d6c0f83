"""Names of the columns of intervals and quantiles."""

import numpy as np

from seqcast import NaiveForecaster
from seqcast.forecasting.interval_columns import find_centers, find_intervals, find_quantiles


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
    assert find_centers(columns) == ["temp", "u-lo-9", 7]
    assert find_intervals(columns, "temp") == {
        "80": ("temp-lo-80", "temp-hi-80"),
        "99.9": ("temp-lo-99.9", "temp-hi-99.9"),
    }
    assert find_intervals(columns, "u") == {}
    assert find_quantiles(columns, "temp") == {"1e-05": "temp-q1e-05"}
    assert find_quantiles(columns, 7) == {"0.5": "7-q0.5"}


def test_columns_of_a_forecast_are_found():
    names = NaiveForecaster(2).fit(np.arange(400.0)).forecast(level=[80, 99.5], quantiles=[0.025]).columns
    assert find_centers(names) == ["y"]
    assert list(find_intervals(names, "y")) == ["80", "99.5"]
    assert list(find_quantiles(names, "y")) == ["0.025"]
