"""Data sets that are part of the package, against their source."""

import doctest

import numpy as np
import pandas as pd
import pytest

import seqcast.datasets
from seqcast.datasets import load_weather


@pytest.fixture(scope="module")
def weather() -> pd.DataFrame:
    return load_weather()


def test_shape_names_and_dtypes(weather):
    assert weather.shape == (8706, 5)
    assert list(weather.columns) == ["temp", "dewp", "humid", "wind_speed", "pressure"]
    assert set(weather.dtypes) == {np.dtype("float64")}


def test_index_is_increasing_hours_without_a_zone(weather):
    index = weather.index
    assert isinstance(index, pd.DatetimeIndex)
    assert index.name == "time"
    assert index.tz is None
    assert index.is_monotonic_increasing
    assert index.is_unique
    assert (index == index.floor("h")).all()
    assert (index[0], index[-1]) == (pd.Timestamp("2013-01-01 06:00"), pd.Timestamp("2013-12-30 23:00"))


@pytest.mark.parametrize(
    ("stamp", "values"),
    [
        ("2013-01-01 06:00", [39.02, 26.06, 59.37, 12.65858, 1012.6]),
        ("2013-01-05 11:00", [33.08, 17.96, 53.36, 10.35702, 1022.4]),
        ("2013-07-20 10:00", [80.96, 71.06, 71.92, np.nan, 1009.6]),
        ("2013-07-28 18:00", [75.92, 69.08, 79.37, 14.96014, 1014.8]),
        ("2013-12-30 23:00", [30.02, 10.04, 42.66, 18.41248, 1020.9]),
    ],
)
def test_values_equal_the_source(weather, stamp, values):
    np.testing.assert_array_equal(weather.loc[stamp].to_numpy(), values)


def test_missing_values_stay_missing(weather):
    missing = {"temp": 0, "dewp": 0, "humid": 0, "wind_speed": 3, "pressure": 831}
    assert weather.isna().sum().to_dict() == missing


def test_minima_and_maxima(weather):
    assert weather.min().tolist() == [12.02, -9.94, 15.21, 0.0, 985.7]
    assert weather.max().tolist() == [98.06, 78.08, 100.0, 42.57886, 1042.1]


def test_missing_hours_have_no_rows(weather):
    steps = pd.Series(weather.index).diff().dropna() // pd.Timedelta("1h")
    assert steps.value_counts().to_dict() == {1: 8691, 2: 10, 3: 2, 6: 2}


@pytest.mark.parametrize("change", ["2013-03-10 07:00", "2013-11-03 06:00"])
def test_hours_around_clock_changes_are_complete(weather, change):
    change = pd.Timestamp(change)
    around = pd.date_range(change - pd.Timedelta("1h"), periods=12, freq="h")
    assert weather.loc[around[0] : around[-1]].index.tolist() == around.tolist()


@pytest.mark.parametrize("change", ["2013-03-10", "2013-11-03"])
def test_daily_cycle_is_the_same_after_clock_changes(weather, change):
    # The warmest hour would change by one if the stamps were local times.
    change, weeks = pd.Timestamp(change), pd.Timedelta("28D")
    before = weather["temp"].loc[change - weeks : change]
    after = weather["temp"].loc[change + pd.Timedelta("1D") : change + weeks]
    assert find_warmest_hour(after) == pytest.approx(find_warmest_hour(before), abs=0.4)


def find_warmest_hour(temp: pd.Series) -> float:
    """Return the phase of the first daily harmonic, in hours."""
    by_hour = temp.groupby(temp.index.hour).mean()
    turn = np.exp(2j * np.pi * by_hour.index / 24) @ by_hour
    return np.angle(turn) * 24 / (2 * np.pi) % 24


def test_every_call_returns_a_new_frame():
    spoiled = load_weather()
    spoiled["temp"] = -1.0
    assert load_weather()["temp"].iloc[0] == 39.02


def test_docstring_examples_are_correct():
    result = doctest.testmod(seqcast.datasets)
    assert (result.failed, result.attempted) == (0, 2)
