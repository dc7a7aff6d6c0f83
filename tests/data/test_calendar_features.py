"""Calendar features: positions in cycles, and which cycles a frequency has."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqcast.data.calendar import infer_calendar
from seqcast.data.calendar_features import NAMES, calendar_features, choose_cycles

HALF = np.sqrt(0.5)


AGES = pd.DatetimeIndex(["1900-01-01", "2100-01-01"])


def cycles_of(index, selection, ends=AGES):
    """Return the features of a range of steps of the calendar of an index."""
    dated, step = (
        isinstance(index, pd.DatetimeIndex | pd.PeriodIndex),
        infer_calendar(index).shortest_step,
    )
    return choose_cycles(selection, [] if step is None else [ends if dated else index], step, "Test")


def features(index, selection, known=None):
    """Return the features of an index by their names."""
    values, names = calendar_features(index, cycles_of(index if known is None else known, selection))
    assert values.shape == (len(index), len(names))
    assert values.dtype == np.float64
    return dict(zip(names, values.T, strict=True))


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def dates(start, periods, freq, **options):
    return pd.date_range(start, periods=periods, freq=freq, **options)


CIRCLE = {0: (0, 1), 1: (HALF, HALF), 2: (1, 0), 4: (0, -1), 6: (-1, 0)}  # by eighths: sine and cosine
PLACES = {
    "minute": ("2024-01-01 05:00", "450s", {0: "05:00", 1: "05:07:30", 2: "05:15", 4: "05:30", 6: "05:45"}),
    "hour": ("2024-01-01", "90min", {0: "00:00", 1: "03:00", 2: "06:00", 4: "12:00", 6: "18:00"}),
    "month": ("2023-01-01", "MS", {0: "2023-01-01", 2: "2023-04-01", 4: "2023-07-01", 6: "2023-10-01"}),
    "quarter": ("2023-01-01", "MS", {0: "2023-03-01", 2: "2023-05-01", 4: "2023-09-01", 6: "2023-12-01"}),
    "day_of_year": ("2024-01-01", "D", {0: "2024-01-01", 4: "2024-07-02"}),  # day 183 of 366
    "day": ("2024-02-01", "D", {0: "2024-02-01", 4: "2024-04-16"}),  # after 15 of 30 days
}


@pytest.mark.parametrize(("name", "case"), PLACES.items(), ids=PLACES)
def test_places_in_a_cycle(name, case):
    start, freq, places = case
    index = dates(start, 250, freq)
    found = features(index, [name])
    assert list(found) == [f"{name}_sin", f"{name}_cos"]
    for eighths, stamp in places.items():
        at = index.get_loc(pd.Timestamp(f"{start[:10]} {stamp}" if ":" in stamp else stamp))
        same((found[f"{name}_sin"][at], found[f"{name}_cos"][at]), CIRCLE[eighths])


def test_days_of_the_week_and_weekends():
    found = features(dates("2024-01-01", 8, "D"), ["weekend", "day_of_week"])  # from a Monday
    assert list(found) == ["day_of_week_sin", "day_of_week_cos", "weekend"]
    same(found["day_of_week_sin"], np.sin(2 * np.pi * (np.arange(8) % 7) / 7))
    same(found["day_of_week_cos"], np.cos(2 * np.pi * (np.arange(8) % 7) / 7))
    assert found["weekend"].tolist() == [0, 0, 0, 0, 0, 1, 1, 0]


def test_years_have_the_length_they_have():
    for year, length in ((2023, 365), (2024, 366)):
        found = features(dates(f"{year}-12-30", 2, "D"), ["day_of_year"])
        same(found["day_of_year_sin"], np.sin(-2 * np.pi * np.array([2, 1]) / length))


def test_hours_are_those_of_local_time():
    index = dates("2024-10-27 00:00", 5, "h", tz="Europe/Berlin")  # where two o'clock comes twice
    hours = np.array([0, 1, 2, 2, 3])
    found = features(index, ["hour"])
    same(found["hour_sin"], np.sin(2 * np.pi * hours / 24))
    same(found["hour_cos"], np.cos(2 * np.pi * hours / 24))
    same(features(index, ["weekend"])["weekend"], np.ones(5))


def test_periods_are_where_they_begin():
    found = features(pd.period_range("2023Q1", periods=4, freq="Q"), "auto")
    same(found["month_sin"], [0, 1, 0, -1])
    same(found["month_cos"], [1, 0, -1, 0])
    weeks = features(pd.period_range("2024-01-01", periods=3, freq="W-SUN"), "auto")
    same(weeks["day_of_year_sin"], np.sin(2 * np.pi * np.array([0, 7, 14]) / 366))


AUTOMATIC = {
    "quarter-hourly": (dates("2024-02-28", 60, "15min"), "hour day_of_week day_of_year"),
    "hourly": (dates("2024-02-28", 60, "h"), "hour day_of_week day_of_year"),
    "zone, hourly": (dates("2024-03-30", 60, "h", tz="Europe/Berlin"), "hour day_of_week day_of_year"),
    "daily": (dates("2024-02-20", 40, "D"), "day_of_week day_of_year"),
    "business days": (dates("2024-01-01", 40, "B"), "day_of_week day_of_year"),
    "trading days": (dates("2024-01-02", 30, "B").delete([9, 13]), "day_of_week day_of_year"),
    "weekly": (dates("2024-01-07", 30, "W-SUN"), "day_of_year"),
    "half-monthly": (dates("2024-01-01", 30, "SMS"), "month"),
    "month end": (dates("2023-01-31", 30, "ME"), "month"),
    "quarter end": (dates("2020-03-31", 30, "BQE"), "month"),
    "half-yearly": (dates("2020-01-01", 30, "6MS"), "month"),
    "yearly": (dates("2000-01-01", 30, "YS"), ""),
    "irregular": (
        pd.DatetimeIndex(["2024-01-01 00:00", "2024-01-01 00:07", "2024-01-01 03:11", "2024-01-09 01:00"]),
        "hour day_of_week day_of_year",
    ),
    "periods": (pd.period_range("2020-01", periods=30, freq="M"), "month"),
    "one row": (pd.DatetimeIndex(["2024-01-01"]), ""),
    "integers": (pd.RangeIndex(30), ""),
    "floats": (pd.Index([0.5, 1.0, 1.5]), ""),
    "timedeltas": (pd.timedelta_range("0h", periods=30, freq="h"), ""),
}


@pytest.mark.parametrize(("index", "cycles"), AUTOMATIC.values(), ids=AUTOMATIC)
def test_automatic_cycles_are_those_that_the_frequency_shows(index, cycles):
    expected = [f"{cycle}_{part}" for cycle in cycles.split() for part in ("sin", "cos")]
    assert list(features(index, "auto")) == expected


@pytest.mark.parametrize(
    ("index", "n", "cycle"),
    [
        (dates("2024-03-02", 900, "h"), 48, "hour"),
        (dates("2024-03-30", 900, "h", tz="Europe/Berlin"), 47, "hour"),  # a day of 23 hours among them
        (dates("2024-03-02", 90, "D"), 14, "day_of_week"),
        (dates("2023-03-02", 900, "D"), 730, "day_of_year"),
        (dates("2022-03-01", 90, "MS"), 24, "month"),
        (pd.period_range("2022-03", periods=90, freq="M"), 24, "month"),
    ],
)
def test_automatic_cycles_occur_at_least_twice_in_the_rows(index, n, cycle):
    for last, chosen in ((n - 1, False), (n, True)):
        assert (cycle in cycles_of(index, "auto", index[[0, last]])) == chosen
        assert cycle in cycles_of(index, [cycle], index[[0, last]])


def test_one_series_of_sufficient_length_determines_a_cycle():
    short, long = AGES[:1].append(pd.DatetimeIndex(["1900-03-01"])), AGES
    step = np.timedelta64(1, "D")
    assert choose_cycles("auto", [short, short], step, "Test") == ["day_of_week"]
    assert choose_cycles("auto", [short, long], step, "Test") == ["day_of_week", "day_of_year"]


SHOWN = {  # of NAMES, the ones that steps are too long for
    "15min": [],
    "h": ["minute"],
    "D": ["minute", "hour"],
    "B": ["minute", "hour"],
    "W-SUN": ["minute", "hour", "day_of_week", "weekend"],
    "MS": ["minute", "hour", "day_of_week", "weekend", "day", "day_of_year"],
    "BME": ["minute", "hour", "day_of_week", "weekend", "day", "day_of_year"],
    "QS": ["minute", "hour", "day_of_week", "weekend", "day", "day_of_year"],
    "6MS": ["minute", "hour", "day_of_week", "weekend", "day", "day_of_year", "quarter"],
    "YS": list(NAMES),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("freq", "hidden"), SHOWN.items(), ids=SHOWN)
def test_cycles_shorter_than_a_step_are_refused(freq, hidden, name):
    index = dates("2024-01-01", 30, freq)
    if name in hidden:
        with pytest.raises(
            ValueError, match=rf"'{name}' needs steps shorter than .*Got '{name}' with steps of"
        ):
            features(index, [name])
    else:
        assert all(found.startswith(name) for found in features(index, [name]))


def test_the_whole_message():
    message = (
        r"^The 'calendar_features' parameter of Test must name what the steps of the index show: 'hour' "
        r"needs steps shorter than 1 days 00:00:00\. Got 'hour' with steps of 1 days 00:00:00 instead\. "
        r"Leave it out, or use 'auto'\.$"
    )
    with pytest.raises(ValueError, match=message):
        features(dates("2024-01-01", 9, "D"), ["day_of_week", "hour"])


@pytest.mark.parametrize("index", [pd.RangeIndex(9), pd.timedelta_range("0h", periods=9, freq="h")])
def test_labels_without_a_date_have_no_cycle(index):
    with pytest.raises(ValueError, match=r"'auto' where the rows have no dates.*Got 'hour' in it.*time_col"):
        features(index, ["hour"])


@pytest.mark.parametrize("selection", ["hour", ["hours"], ["hour", "hour"], [1], 3, {"hour"}, True])
def test_invalid_selections_are_refused(selection):
    with pytest.raises(
        ValueError, match=r"must be None, 'auto' or a list of names, each once: 'minute', 'hour'"
    ):
        features(dates("2024-01-01", 9, "h"), selection)


@pytest.mark.parametrize("selection", [None, [], ()])
def test_nothing_may_be_selected(selection):
    assert features(dates("2024-01-01", 9, "h"), selection) == {}


def test_columns_have_the_order_of_the_names():
    found = list(features(dates("2024-01-01", 9, "15min"), ["month", "weekend", "hour"]))
    assert found == ["hour_sin", "hour_cos", "weekend", "month_sin", "month_cos"]


@settings(max_examples=50)
@given(
    st.datetimes(pd.Timestamp("1950-01-01"), pd.Timestamp("2100-01-01")),
    st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"]),
)
def test_every_place_lies_on_its_circle_and_is_that_of_its_hour(start, zone):
    index = dates(pd.Timestamp(start).floor("h").tz_localize("UTC").tz_convert(zone), 30, "h")
    found = features(index, ["hour", "day_of_week", "day", "day_of_year", "month", "quarter"])
    for name in ("hour", "day_of_week", "day", "day_of_year", "month", "quarter"):
        same(found[f"{name}_sin"] ** 2 + found[f"{name}_cos"] ** 2, 1.0)
    angles = np.arctan2(found["hour_sin"], found["hour_cos"]) % (2 * np.pi)
    expected = [stamp.hour + stamp.minute / 60 for stamp in index]
    distance = np.abs(angles * 24 / (2 * np.pi) - expected)
    assert np.minimum(distance, 24 - distance).max() < 1e-12


def test_labels_of_later_steps_have_the_same_columns():
    known = dates("2024-01-01", 40, "D")
    calendar = infer_calendar(known)
    found = features(calendar.labels(40, 7), "auto", known)
    same(found["day_of_week_sin"], np.sin(2 * np.pi * (np.arange(40, 47) % 7) / 7))
