"""Labels of several kinds and time zones."""

import pandas as pd
import pytest

from seqcast.data.calendar import infer_calendar


def dates(start, periods, freq, **options):
    return pd.date_range(start, periods=periods, freq=freq, **options)


def test_future_labels_keep_name_and_unit():
    index = dates("2024-01-01", 10, "h", unit="s").rename("time")
    future = infer_calendar(index).future(index[-1], 3)
    assert future.name == "time"
    assert future.dtype == index.dtype


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", "2013-03-10", 23),
        ("America/New_York", "2013-11-03", 25),
        ("Europe/Berlin", "2024-10-27", 25),
    ],
)
def test_future_days_keep_local_time_across_clock_changes(zone, day, hours):
    change = pd.Timestamp(day, tz=zone)
    index = pd.date_range(change - pd.Timedelta(days=14), change, freq="D", tz=zone)
    future = infer_calendar(index).future(index[-1], 2)
    assert future[0] - index[-1] == pd.Timedelta(hours=hours)
    assert [stamp.hour for stamp in future] == [0, 0]


def test_missing_days_keep_local_time_across_clock_changes():
    index = dates("2024-03-29", 2, "D", tz="Europe/Berlin").append(
        dates("2024-04-02", 2, "D", tz="Europe/Berlin")
    )
    found = infer_calendar(index).labels(1, 4)
    assert [str(stamp) for stamp in found] == [
        "2024-03-30 00:00:00+01:00",
        "2024-03-31 00:00:00+01:00",
        "2024-04-01 00:00:00+02:00",
        "2024-04-02 00:00:00+02:00",
    ]


def test_hours_are_counted_in_utc_across_clock_changes():
    index = pd.date_range("2013-03-09", "2013-03-10 01:00", freq="h", tz="America/New_York")
    future = infer_calendar(index).future(index[-1], 2)
    assert [str(stamp) for stamp in future] == ["2013-03-10 03:00:00-04:00", "2013-03-10 04:00:00-04:00"]


def test_labels_of_another_kind_are_refused():
    with pytest.raises(TypeError, match="same kind of index"):
        infer_calendar(dates("2024-01-01", 10, "h")).positions(pd.RangeIndex(3))
