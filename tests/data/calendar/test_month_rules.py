"""Rules that give one date in each month, found in the stamps of an index."""

import pandas as pd
import pytest

from seqcast.data.calendar import infer_calendar


def test_last_days_of_months_follow_leap_years():
    index = pd.DatetimeIndex(["2023-09-30", "2023-10-31", "2023-11-30", "2023-12-31", "2024-01-31"])
    future = infer_calendar(index).future(index[-1], 3)
    assert list(future.strftime("%Y-%m-%d")) == ["2024-02-29", "2024-03-31", "2024-04-30"]


@pytest.mark.parametrize(
    ("stamps", "following"),
    [
        (["2024-01-15", "2024-02-15", "2024-03-15"], ["2024-04-15", "2024-05-15"]),
        (["2023-12-30", "2024-01-30", "2024-02-29", "2024-03-30"], ["2024-04-30", "2024-05-30"]),
        (["2023-12-31", "2024-01-31", "2024-02-29"], ["2024-03-31", "2024-04-30"]),
        (
            ["2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"],
            ["2024-06-01", "2024-07-01"],
        ),
        (
            ["2024-04-01", "2024-05-01", "2024-06-03", "2024-07-01"],
            ["2024-08-01", "2024-09-02"],
        ),
        (
            ["2024-03-29", "2024-04-30", "2024-05-31", "2024-06-28"],
            ["2024-07-31", "2024-08-30"],
        ),
        (["2024-01-19", "2024-02-16", "2024-03-15", "2024-04-19"], ["2024-05-17", "2024-06-21"]),
        (["2024-01-26", "2024-02-23", "2024-03-29", "2024-04-26"], ["2024-05-31", "2024-06-28"]),
        (["2024-01-15", "2024-03-15", "2024-05-15"], ["2024-07-15", "2024-09-15"]),
    ],
    ids=[
        *("15th", "30th or last", "last day", "first day", "first weekday", "last weekday"),
        *("third Friday", "last Friday", "every second month"),
    ],
)
def test_dates_continue_by_their_rule(stamps, following):
    index = pd.DatetimeIndex(stamps)
    future = infer_calendar(index).future(index[-1], 2)
    assert list(future.strftime("%Y-%m-%d")) == following


def test_time_of_day_is_kept():
    index = pd.DatetimeIndex(["2024-01-15 09:30", "2024-02-15 09:30", "2024-03-15 09:30"])
    assert infer_calendar(index).future(index[-1], 1)[0] == pd.Timestamp("2024-04-15 09:30")
