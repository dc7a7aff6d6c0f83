"""Data of the tests of plots."""

import pandas as pd
import pytest
from plotted import HORIZON, make_frame


@pytest.fixture
def history() -> pd.DataFrame:
    """Return forty hours of three columns."""
    return make_frame(pd.date_range("2024-01-01", periods=40, freq="h", name="time"))


@pytest.fixture
def forecast() -> pd.DataFrame:
    """Return a forecast of two columns of the history."""
    index = pd.date_range("2024-01-02 16:00", periods=HORIZON, freq="h", name="time")
    return make_frame(index)[["temp", "load"]] + 0.5


@pytest.fixture
def actual(forecast) -> pd.DataFrame:
    """Return other values of the forecast steps."""
    return forecast * 2


@pytest.fixture
def panel(history) -> pd.DataFrame:
    """Return a long frame of two series."""
    names = ["b", "a"]
    parts = [history.assign(shop=name, load=history["load"] * k) for k, name in enumerate(names, 1)]
    return pd.concat(parts).reset_index()
